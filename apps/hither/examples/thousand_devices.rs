// SPDX-License-Identifier: MIT OR Apache-2.0
//! Prints the memory of a node: idle, with many connected devices, and with envelopes delivered to all.
//!
//! ```text
//! cargo build -p hither && cargo run -p hither --example thousand_devices [devices]
//! ```

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints, and ends where it cannot go on"
)]

#[path = "../tests/node/support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "tests use the rest")]
mod support;

use std::time::{Duration, Instant};

use hither_api::RegisterResponse;
use support::{Device, Mailbox, Node, Socket};

/// Mailboxes that each device reads, as somebody with as many contacts does.
const MAILBOXES: usize = 10;
/// Bytes of an envelope: a short message with its signature and padding.
const ENVELOPE: usize = 8 * 1024;

fn main() {
    raise_open_files();
    let devices = std::env::args()
        .nth(1)
        .map_or(1000, |number| number.parse().unwrap());
    let node = Node::start_with(&[
        ("HITHER_NODE__OPEN_REGISTRATION", "true"),
        ("HITHER_LIMITS__REGISTRATIONS_PER_MINUTE", "1000000"),
        ("HITHER_LIMITS__SOCKETS_PER_MINUTE", "1000000"),
    ]);
    println!("idle: {}", resident(&node));
    let mut sockets: Vec<Socket> = (0..devices).map(|_| connect(&node)).collect();
    println!("{devices} devices connected: {}", resident(&node));
    let mailboxes: Vec<Vec<Mailbox>> = sockets.iter_mut().map(read_mailboxes).collect();
    println!("reading {MAILBOXES} mailboxes each: {}", resident(&node));
    let mut times = Vec::new();
    for (socket, mailboxes) in sockets.iter_mut().zip(&mailboxes) {
        let mailbox = &mailboxes[0];
        let start = Instant::now();
        mailbox.put(&node, &[0x5A; ENVELOPE]).expect(202);
        let (sequence, _) = socket.envelope(mailbox);
        times.push(start.elapsed());
        socket.acknowledge(mailbox, sequence);
    }
    println!(
        "after {ENVELOPE} bytes delivered to each: {}",
        resident(&node)
    );
    times.sort_unstable();
    println!(
        "connect, put, delivered: median {:?}, 95th percentile {:?}",
        times[times.len() / 2],
        times[times.len() * 95 / 100]
    );
    drop(sockets);
    std::thread::sleep(Duration::from_secs(2));
    println!("after all have gone: {}", resident(&node));
}

fn connect(node: &Node) -> Socket {
    let key = Device::fresh_key();
    let made: RegisterResponse = Device::try_register(node, None, &key, b"label").json(201);
    let device = Device {
        id: made.device,
        account: made.account,
        role: made.role,
        key,
    };
    device.sign_in(node)
}

fn read_mailboxes(socket: &mut Socket) -> Vec<Mailbox> {
    (0..MAILBOXES)
        .map(|_| {
            let mailbox = socket.create_mailbox();
            socket.subscribe(&mailbox);
            mailbox
        })
        .collect()
}

/// Resident memory, as the system counts it.
fn resident(node: &Node) -> String {
    let path = format!("/proc/{}/status", node.process_id());
    let status = std::fs::read_to_string(path).unwrap();
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        let kibibytes = line.unwrap().split_whitespace().nth(1).unwrap();
        kibibytes.parse::<u64>().unwrap()
    };
    format!(
        "{} KiB resident ({} KiB of it anonymous)",
        field("VmRSS:"),
        field("RssAnon:")
    )
}

/// This process holds the other end of every socket.
fn raise_open_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
}
