// SPDX-License-Identifier: MIT OR Apache-2.0
//! Once warm, the way of a datagram allocates nothing. Alone in its process, whose allocations it counts.
#![expect(clippy::expect_used, reason = "a test may fail loudly")]
#![cfg(target_os = "linux")]

#[expect(dead_code, reason = "other tests use more of it")]
#[path = "support/client.rs"]
mod client;
#[expect(dead_code, reason = "other tests use more of it")]
mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use client::{Client, socket};
use hither_relay::{DatagramPath, RelayConfig};
use support::{config, start_with};

const CHANNEL: u16 = 0x4123;
const FOREIGN: u16 = 0x4124;

/// Datagrams on each way while allocations are counted.
const COUNTED: usize = 1_000;

/// The system's allocator, and how often it was asked while somebody counted.
struct Counting {
    counts: AtomicBool,
    asked: AtomicU64,
}

#[global_allocator]
static ALLOCATOR: Counting = Counting {
    counts: AtomicBool::new(false),
    asked: AtomicU64::new(0),
};

impl Counting {
    fn note(&self) {
        if self.counts.load(Ordering::Relaxed) {
            self.asked.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[expect(unsafe_code, reason = "an allocator cannot be written without")]
// SAFETY: every call goes to the system's allocator with the same arguments; counting touches no memory of theirs.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.note();
        // SAFETY: the caller keeps to the contract of this very function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps to the contract of this very function.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        self.note();
        // SAFETY: the caller keeps to the contract of this very function.
        unsafe { System.realloc(memory, layout, new_size) }
    }
}

#[tokio::test]
async fn a_datagram_on_its_way_allocates_nothing() {
    for datagrams in [DatagramPath::Best, DatagramPath::Portable] {
        for workers in [1, 2] {
            let relay = start_with(RelayConfig {
                datagrams,
                workers,
                ..config("127.0.0.1")
            });
            let mut way = Way::new(relay.local_udp_addrs()[0]);
            way.go(200);
            ALLOCATOR.asked.store(0, Ordering::Relaxed);
            ALLOCATOR.counts.store(true, Ordering::Relaxed);
            way.go(COUNTED);
            ALLOCATOR.counts.store(false, Ordering::Relaxed);
            assert_eq!(
                ALLOCATOR.asked.load(Ordering::Relaxed),
                0,
                "{datagrams:?} {workers}"
            );
            let turn = relay.counters().turn;
            assert!(turn.datagrams_between_clients >= 2 * 1_200);
            assert!(turn.datagrams_to_peers >= 1_200 && turn.datagrams_to_clients >= 1_200);
        }
    }
    // And it would have been noticed.
    ALLOCATOR.counts.store(true, Ordering::Relaxed);
    drop(std::hint::black_box(vec![7_u8; 9]));
    ALLOCATOR.counts.store(false, Ordering::Relaxed);
    assert_eq!(ALLOCATOR.asked.load(Ordering::Relaxed), 1);
}

/// Clients and a peer whose datagrams stand in memory that is made once.
struct Way {
    server: SocketAddr,
    clients: Vec<Client>,
    peer: UdpSocket,
    framed: [u8; 164],
    foreign: [u8; 164],
    buffer: [u8; 2_048],
}

impl Way {
    /// A ring of clients, so that with two workers some are neighbours on different ones.
    fn new(server: SocketAddr) -> Self {
        let mut clients: Vec<_> = (0..16).map(|_| Client::allocate(server)).collect();
        let peer = socket(server);
        let relayed: Vec<_> = clients.iter().map(|client| client.relayed).collect();
        let count = clients.len();
        for (index, client) in clients.iter_mut().enumerate() {
            client.bind(CHANNEL, relayed[(index + 1) % count]);
            client.permit(relayed[(index + count - 1) % count]);
            client.bind(FOREIGN, peer.local_addr().expect("it is bound"));
        }
        Self {
            server,
            clients,
            peer,
            framed: framed(CHANNEL),
            foreign: framed(FOREIGN),
            buffer: [0; 2_048],
        }
    }

    /// So many rounds: from client to client, to the foreign peer and back.
    fn go(&mut self, rounds: usize) {
        for round in 0..rounds {
            let (at, next) = (round % self.clients.len(), (round + 1) % self.clients.len());
            let (client, next) = (&self.clients[at], &self.clients[next]);
            for _ in 0..2 {
                client
                    .socket
                    .send_to(&self.framed, self.server)
                    .expect("it is sent");
            }
            for _ in 0..2 {
                // An indication: the neighbour has no channel the other way.
                let length = next.socket.recv(&mut self.buffer).expect("it comes");
                assert!(length > 160);
            }
            client
                .socket
                .send_to(&self.foreign, self.server)
                .expect("it is sent");
            let (length, relayed) = self.peer.recv_from(&mut self.buffer).expect("it comes");
            assert_eq!(length, 160);
            self.peer
                .send_to(&self.buffer[..160], relayed)
                .expect("it is sent");
            let length = client.socket.recv(&mut self.buffer).expect("it comes");
            assert_eq!(self.buffer[..length], self.foreign);
        }
    }
}

fn framed(channel: u16) -> [u8; 164] {
    let mut framed = [7; 164];
    framed[..2].copy_from_slice(&channel.to_be_bytes());
    framed[2..4].copy_from_slice(&160_u16.to_be_bytes());
    framed
}
