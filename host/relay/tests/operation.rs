// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an operator does to a relay that runs: reload, drain, ask how it is.
#![expect(clippy::expect_used, reason = "a test may fail loudly")]
#![cfg(target_os = "linux")]

#[expect(dead_code, reason = "other tests use more of it")]
#[path = "support/client.rs"]
mod client;
#[expect(dead_code, reason = "other tests use more of it")]
mod support;

use std::net::SocketAddr;
use std::time::Duration;

use client::{Client, payloads, receive, socket};
use hither_relay::{
    Behaviour, ConfigError, Limits, PeerRules, RelayConfig, RelayedIp, Reload, Secrets,
    SharedSecret,
};
use hither_stun::address::XorAddress;
use hither_stun::attribute::AttributeType;
use hither_stun::error_code::ErrorCode;
use hither_stun::message::{Message, MessageBuilder};
use hither_stun::message_type::{Class, Method};
use hither_stun::transaction::TransactionId;
use support::{config, start_with};

const CHANNEL: u16 = 0x4123;

/// Two workers, so that every one of them has to hear of it.
fn two_workers() -> RelayConfig {
    RelayConfig {
        workers: 2,
        ..config("127.0.0.1")
    }
}

#[tokio::test]
async fn a_reload_keeps_allocations_and_changes_the_secret_for_new_ones() {
    let relay = start_with(two_workers());
    let server = relay.local_udp_addrs()[0];
    let mut clients: Vec<_> = (0..8).map(|_| Client::allocate(server)).collect();
    let reload = Reload {
        secrets: Secrets::only(SharedSecret::new(*b"another secret")),
        limits: Limits::RECOMMENDED,
        peers: two_workers().peers,
    };
    relay.reload(reload).await.expect("it can work");
    for _ in 0..8 {
        let refused = Client::try_allocate(server).err();
        assert_eq!(refused, Some(ErrorCode::UNAUTHENTICATED));
    }
    let [ana, .., ben] = clients.as_mut_slice() else {
        panic!("eight clients")
    };
    ana.bind(CHANNEL, ben.relayed);
    ben.bind(CHANNEL, ana.relayed);
    ana.send_on(CHANNEL, &payloads(0, 0, 100));
    assert_eq!(ben.receive_on(CHANNEL).len(), 100);
    assert_eq!(relay.counters().turn.allocations, 8);
}

#[tokio::test]
async fn a_reload_that_cannot_work_changes_nothing() {
    let relay = start_with(two_workers());
    let reload = Reload {
        secrets: Secrets::only(SharedSecret::new(Vec::new())),
        limits: Limits::RECOMMENDED,
        peers: PeerRules::default(),
    };
    assert_eq!(relay.reload(reload).await, Err(ConfigError::Secret));
    Client::allocate(relay.local_udp_addrs()[0]);
}

#[tokio::test]
async fn a_relay_that_drains_refuses_new_clients_and_serves_the_old_ones_until_they_go() {
    let relay = start_with(two_workers());
    let server = relay.local_udp_addrs()[0];
    let mut ana = Client::allocate(server);
    let mut ben = Client::allocate(server);
    let elsewhere = "192.0.2.7:3478".parse().expect("an address");
    let is_empty = relay
        .drain(vec![elsewhere], Duration::from_millis(10))
        .await;
    assert!(!is_empty);
    for _ in 0..8 {
        let refused = Client::try_allocate(server).err();
        assert_eq!(refused, Some(ErrorCode::TRY_ALTERNATE));
    }
    ana.bind(CHANNEL, ben.relayed);
    ben.bind(CHANNEL, ana.relayed);
    ana.send_on(CHANNEL, &payloads(0, 0, 100));
    assert_eq!(ben.receive_on(CHANNEL).len(), 100);
    for (client, left) in [(&mut ana, 1), (&mut ben, 0)] {
        client.give_up();
        assert_eq!(relay.counters().turn.allocations, left);
    }
    let is_empty = relay.drain(vec![elsewhere], Duration::from_secs(20)).await;
    assert!(is_empty);
}

#[tokio::test]
async fn a_relay_says_that_it_is_well_and_what_the_system_granted() {
    let relay = start_with(two_workers());
    assert!(relay.is_healthy());
    let granted = relay.granted();
    assert_eq!(granted.workers, 2);
    assert!(granted.listener_buffer > 0);
    assert!(granted.open_files.is_none_or(|files| files > 0));
    let mut client = Client::allocate(relay.local_udp_addrs()[0]);
    client.permit("127.0.0.1:9".parse().expect("an address"));
    let counters = relay.counters();
    assert_eq!(counters.workers, 2);
    assert_eq!((counters.turn.allocations, counters.relay_sockets), (1, 1));
    let counters = relay.shutdown().await;
    assert_eq!(counters.workers, 0);
    assert_eq!((counters.turn.allocations, counters.relay_sockets), (0, 0));
}

#[tokio::test]
async fn whoever_explores_is_answered_from_where_he_asked() {
    // Two addresses and two ports that the system chose.
    let probe = start_with(config("127.0.0.1"));
    let primary = probe.local_udp_addrs()[0];
    probe.shutdown().await;
    let other = SocketAddr::new([127, 0, 0, 9].into(), primary.port() ^ 1);
    let relay = start_with(RelayConfig {
        listen_udp: vec![primary],
        behaviour: Some(Behaviour { primary, other }),
        ..two_workers()
    });
    assert_eq!(relay.local_udp_addrs().len(), 4);
    for (change, expected) in [
        (0, primary),
        (2, SocketAddr::new(primary.ip(), other.port())),
        (4, SocketAddr::new(other.ip(), primary.port())),
        (6, other),
    ] {
        let client = socket(primary);
        let id = TransactionId::from_bytes([change; 12]);
        let mut request = MessageBuilder::new(Class::Request, Method::BINDING, id);
        if change != 0 {
            request = request.attribute(AttributeType::CHANGE_REQUEST, &[0, 0, 0, change]);
        }
        let request = request.finish(None, false).expect("it is short");
        client
            .send_to(&request, primary)
            .expect("loopback takes it");
        let mut buffer = [0; 512];
        let (length, from) = client.recv_from(&mut buffer).expect("an answer in time");
        assert_eq!(from, expected);
        let answer = Message::parse(&buffer[..length]).expect("a message");
        let mapped = answer.attribute(AttributeType::XOR_MAPPED_ADDRESS);
        let mapped = mapped.and_then(|value| XorAddress::parse(value, id));
        assert_eq!(mapped, client.local_addr().ok());
    }
}

#[tokio::test]
async fn an_address_of_this_machine_is_closed_once_the_relay_knows_of_it() {
    let bind = "127.0.0.1".parse().expect("an address");
    let advertised = "203.0.113.4".parse().expect("an address");
    let other: SocketAddr = "203.0.113.5:5353".parse().expect("an address");
    let elsewhere = "203.0.113.6:5353".parse().expect("an address");
    for (own_ips, refusal) in [
        (Vec::new(), None),
        (vec![other.ip()], Some(ErrorCode::FORBIDDEN)),
    ] {
        let relay = start_with(RelayConfig {
            relayed_ips: vec![RelayedIp { bind, advertised }],
            own_ips,
            ..two_workers()
        });
        let mut client = Client::allocate(relay.local_udp_addrs()[0]);
        assert_eq!(client.try_permit(elsewhere), None);
        assert_eq!(client.try_permit(other), refusal);
    }
}

#[tokio::test]
async fn peers_know_an_address_that_the_machine_does_not_have() {
    let bind = "127.0.0.1".parse().expect("an address");
    let advertised = "127.0.0.77".parse().expect("an address");
    let relay = start_with(RelayConfig {
        relayed_ips: vec![RelayedIp { bind, advertised }],
        ..two_workers()
    });
    let mut ana = Client::allocate(relay.local_udp_addrs()[0]);
    assert_eq!(ana.relayed.ip(), advertised);
    let peer = socket(relay.local_udp_addrs()[0]);
    ana.bind(CHANNEL, peer.local_addr().expect("it is bound"));
    ana.send_on(CHANNEL, &payloads(1, 9, 9));
    assert_eq!(receive(&peer).len(), 9);
    // The cloud's translation, done by hand.
    let bound = SocketAddr::new(bind, ana.relayed.port());
    peer.send_to(b"hello", bound).expect("loopback takes it");
    assert_eq!(ana.receive_on(CHANNEL), b"hello");
}
