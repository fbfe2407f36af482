// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an allocation holds that waits for nobody outside: no socket. Alone in its process, whose open files it
//! counts.
#![expect(clippy::expect_used, reason = "a test may fail loudly")]
#![cfg(target_os = "linux")]

#[expect(dead_code, reason = "other tests use more of it")]
#[path = "support/client.rs"]
mod client;
#[expect(dead_code, reason = "other tests use more of it")]
mod support;

use std::fs;
use std::net::IpAddr;

use client::{Client, socket};
use hither_relay::{Limits, PeerRules, RelayConfig};
use support::{config, start_with};

const CHANNEL: u16 = 0x4123;

#[tokio::test]
async fn an_allocation_without_a_foreign_peer_costs_no_file_descriptor() {
    let relayed_ip = "127.0.0.3".parse::<IpAddr>().expect("an address");
    let relay = start_with(RelayConfig {
        relayed_ips: vec![relayed_ip.into()],
        limits: Limits {
            max_allocations_per_username: 10_000,
            ..Limits::RECOMMENDED
        },
        // Nobody but the relay's own clients is reached under its own address.
        peers: PeerRules {
            deny: vec!["127.0.0.3/32".parse().expect("a network")],
            private: true,
            ..PeerRules::default()
        },
        ..config("127.0.0.1")
    });
    let server = relay.local_udp_addrs()[0];
    let before = open_files();
    for number in 0..1_000_u16 {
        let [high, low] = number.to_be_bytes();
        // Their sockets are closed each time, so what is left open is the relay's; their addresses never come
        // again.
        let mut ana = Client::allocate_from([127, 1, high, low].into(), server);
        let mut ben = Client::allocate_from([127, 2, high, low].into(), server);
        ana.bind(CHANNEL, ben.relayed);
        ben.bind(CHANNEL, ana.relayed);
    }
    assert_eq!(open_files(), before);
    assert_eq!(relay.counters().turn.allocations, 2_000);
    assert_eq!(relay.counters().relay_sockets, 0);
    let mut ana = Client::allocate(server);
    let peer = socket("127.0.0.2:0".parse().expect("an address"));
    ana.permit(peer.local_addr().expect("it is bound"));
    assert_eq!(relay.counters().relay_sockets, 1);
}

fn open_files() -> usize {
    fs::read_dir("/proc/self/fd").expect("procfs").count()
}
