// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the kernel joins and cuts for us arrives whole, on both paths, in every direction.
#![expect(clippy::expect_used, reason = "a test may fail loudly")]
#![cfg(target_os = "linux")]

#[expect(dead_code, reason = "other tests use more of it")]
#[path = "support/client.rs"]
mod client;
#[expect(dead_code, reason = "other tests use more of it")]
mod support;

use client::{Client, payloads, receive, send_burst, socket};
use hither_relay::{DatagramPath, RelayConfig, RelayHandle};
use hither_stun::message::Message;
use hither_stun::message_type::Class;
use support::{config, start_with};

const CHANNEL: u16 = 0x4123;
const OTHER_CHANNEL: u16 = 0x4ABC;

/// Both paths, and IPv6 on the faster one.
const PATHS: [(DatagramPath, &str); 3] = [
    (DatagramPath::Best, "127.0.0.1"),
    (DatagramPath::Best, "::1"),
    (DatagramPath::Portable, "127.0.0.1"),
];

#[tokio::test]
async fn a_burst_between_two_clients_arrives_whole() {
    for (path, ip) in PATHS {
        let relay = start(path, ip, 1);
        let (ana, ben) = pair(&relay);
        for (count, length, last) in [(9, 1_200, 300), (40, 160, 160), (1, 1, 1), (30, 1_000, 1)] {
            let sent = payloads(count, length, last);
            ana.send_on(CHANNEL, &sent);
            for payload in &sent {
                assert_eq!(&ben.receive_on(OTHER_CHANNEL), payload);
            }
            ben.send_on(OTHER_CHANNEL, &sent);
            for payload in &sent {
                assert_eq!(&ana.receive_on(CHANNEL), payload);
            }
        }
        assert_batched(&relay, path);
    }
}

#[tokio::test]
async fn a_burst_to_and_from_a_foreign_peer_arrives_whole() {
    for (path, ip) in PATHS {
        let relay = start(path, ip, 1);
        let mut ana = Client::allocate(relay.local_udp_addrs()[0]);
        let peer = socket(ana.relayed);
        ana.bind(CHANNEL, peer.local_addr().expect("it is bound"));
        for (count, length, last) in [(9, 1_200, 300), (40, 160, 160), (1, 1, 1), (30, 1_000, 1)] {
            let sent = payloads(count, length, last);
            ana.send_on(CHANNEL, &sent);
            for payload in &sent {
                assert_eq!(&receive(&peer), payload);
            }
            send_burst(&peer, ana.relayed, &sent);
            for payload in &sent {
                assert_eq!(&ana.receive_on(CHANNEL), payload);
            }
        }
        assert_batched(&relay, path);
    }
}

#[tokio::test]
async fn a_burst_without_a_channel_arrives_in_indications() {
    for (path, ip) in PATHS {
        let relay = start(path, ip, 1);
        let mut ana = Client::allocate(relay.local_udp_addrs()[0]);
        let peer = socket(ana.relayed);
        let address = peer.local_addr().expect("it is bound");
        ana.permit(address);
        for (count, length, last) in [(9, 1_200, 300), (20, 161, 161), (5, 999, 2)] {
            let sent = payloads(count, length, last);
            send_burst(&peer, ana.relayed, &sent);
            for payload in &sent {
                assert_eq!(ana.receive_indication(), (address, payload.clone()));
                ana.indicate(address, payload);
                assert_eq!(&receive(&peer), payload);
            }
        }
        assert_batched(&relay, path);
    }
}

#[tokio::test]
async fn bursts_that_mix_channels_and_requests_are_told_apart() {
    for (path, ip) in PATHS {
        let relay = start(path, ip, 1);
        let (mut ana, ben) = pair(&relay);
        let peer = socket(ana.relayed);
        ana.bind(CHANNEL + 1, peer.local_addr().expect("it is bound"));
        let frame = |channel: u16, byte: u8| {
            let mut frame = [channel.to_be_bytes(), [0, 8]].concat();
            frame.extend([byte; 8]);
            frame
        };
        let burst = [
            frame(CHANNEL, 1),
            frame(CHANNEL + 1, 2),
            frame(CHANNEL, 3),
            vec![0xFF; 12],
            frame(CHANNEL + 1, 4),
            frame(CHANNEL + 1, 5),
        ];
        send_burst(&ana.socket, relay.local_udp_addrs()[0], &burst);
        for byte in [1, 3] {
            assert_eq!(ben.receive_on(OTHER_CHANNEL), [byte; 8]);
        }
        for byte in [2, 4, 5] {
            assert_eq!(receive(&peer), [byte; 8]);
        }
        assert_eq!(relay.counters().turn.dropped_malformed, 1);
    }
}

#[tokio::test]
async fn datagrams_longer_than_the_path_takes_at_once_are_sent_one_by_one() {
    let relay = start(DatagramPath::Best, "127.0.0.1", 1);
    let (ana, ben) = pair(&relay);
    let sent = payloads(1, 32_000, 32_000);
    ana.send_on(CHANNEL, &sent);
    for payload in &sent {
        assert_eq!(&ben.receive_on(OTHER_CHANNEL), payload);
    }
}

#[tokio::test]
async fn clients_of_different_workers_reach_each_other() {
    for path in [DatagramPath::Best, DatagramPath::Portable] {
        let relay = start(path, "127.0.0.1", 2);
        let server = relay.local_udp_addrs()[0];
        let mut clients: Vec<_> = (0..16).map(|_| Client::allocate(server)).collect();
        let mut hub = Client::allocate(server);
        for (client, channel) in clients.iter_mut().zip(0x4000..) {
            hub.bind(channel, client.relayed);
            client.bind(CHANNEL, hub.relayed);
        }
        let sent = payloads(9, 700, 300);
        for (client, channel) in clients.iter().zip(0x4000..) {
            client.send_on(CHANNEL, &sent);
            for payload in &sent {
                assert_eq!(&hub.receive_on(channel), payload);
            }
            hub.send_on(channel, &sent);
            for payload in &sent {
                assert_eq!(&client.receive_on(CHANNEL), payload);
            }
        }
        let counters = relay.counters();
        // All 17 on one worker: that happens once in 65,536 runs.
        assert!(counters.rings.high_water > 0, "{counters:?}");
        assert_eq!(counters.rings.dropped_runs, 0);
        assert_eq!(counters.rings.waiting, 0);
        assert_eq!(counters.turn.datagrams_between_clients, 16 * 2 * 10);
        assert_eq!(counters.workers, 2);
    }
}

#[tokio::test]
async fn clients_of_different_workers_reach_each_other_by_indications() {
    let relay = start(DatagramPath::Best, "127.0.0.1", 2);
    let server = relay.local_udp_addrs()[0];
    let mut hub = Client::allocate(server);
    for length in 0..16 {
        let mut client = Client::allocate(server);
        hub.permit(client.relayed);
        client.permit(hub.relayed);
        let payload = vec![7; length];
        client.indicate(hub.relayed, &payload);
        assert_eq!(hub.receive_indication(), (client.relayed, payload.clone()));
        hub.indicate(client.relayed, &payload);
        assert_eq!(client.receive_indication(), (hub.relayed, payload));
    }
    assert!(relay.counters().rings.high_water > 0);
}

#[tokio::test]
async fn a_refresh_is_answered_while_data_flows() {
    let relay = start(DatagramPath::Best, "127.0.0.1", 1);
    let (mut ana, ben) = pair(&relay);
    for _ in 0..20 {
        let sent = payloads(20, 1_000, 10);
        ben.send_on(OTHER_CHANNEL, &sent);
        for payload in &sent {
            assert_eq!(&ana.receive_on(CHANNEL), payload);
        }
        let answer = ana.refresh();
        let answer = Message::parse(&answer).expect("a message");
        assert_eq!(answer.class(), Class::Success);
    }
}

fn start(path: DatagramPath, ip: &str, workers: usize) -> RelayHandle {
    start_with(RelayConfig {
        workers,
        datagrams: path,
        ..config(ip)
    })
}

/// Two clients with a channel to each other.
fn pair(relay: &RelayHandle) -> (Client, Client) {
    let server = relay.local_udp_addrs()[0];
    let mut ana = Client::allocate(server);
    let mut ben = Client::allocate(server);
    ana.bind(CHANNEL, ben.relayed);
    ben.bind(OTHER_CHANNEL, ana.relayed);
    (ana, ben)
}

/// The test has tested something: the kernel joined and cut on the one path and did neither on the other.
fn assert_batched(relay: &RelayHandle, path: DatagramPath) {
    let counters = relay.counters();
    let batched = path == DatagramPath::Best;
    assert_eq!(counters.datagrams.largest_read > 1, batched, "{counters:?}");
    assert_eq!(
        counters.datagrams.largest_message > 1,
        batched,
        "{counters:?}"
    );
    assert_eq!(counters.datagrams.gso_refused, 0);
    assert_eq!(counters.dropped_by_system, 0);
}
