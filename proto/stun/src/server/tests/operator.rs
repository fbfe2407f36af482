// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the operator decides while calls go on: other rules, no new calls, how much each may carry.

use core::net::SocketAddr;

use hither_sansio::{Duration, Instant};

use super::scene::{Answer, OTHER_PEER, PEER, RELAYED_V4, Scene, config, udp_transport};
use crate::attribute::AttributeType;
use crate::credential::{Secrets, SharedSecret};
use crate::error_code::ErrorCode;
use crate::message_type::{Class, Method};
use crate::server::{
    Config, ConfigError, Decision, Limits, PeerAddr, PeerRules, Reload, Run, Server, Shard,
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::sync::Arc;

const ANA: &str = "192.0.2.1:1000";
const BEN: &str = "192.0.2.2:2000";

#[test]
fn another_secret_ends_no_allocation_and_the_one_before_makes_new_ones_for_a_while() {
    let mut scene = Scene::new();
    let (ana, _) = scene.allocated(ANA);
    let ben = scene.client(BEN);
    let current = SharedSecret::new(*b"another");
    for (previous, can_allocate) in [(Some(SharedSecret::new(*b"shared")), true), (None, false)] {
        let secrets = Secrets {
            current: current.clone(),
            previous,
        };
        scene.server.reconfigure(reload(secrets)).unwrap();
        let answer = scene.request(&ben, Method::ALLOCATE, udp_transport);
        assert_eq!(answer.error().is_none(), can_allocate);
        scene.refresh(&ben, 0);
        // The key of what exists is kept.
        assert_eq!(scene.refresh(&ana, 600).error(), None);
        scene.permit(&ana, PEER);
    }
}

#[test]
fn a_peer_that_is_denied_by_a_reload_is_reached_no_more_and_others_still_are() {
    let mut scene = Scene::new();
    let (ana, relayed) = scene.allocated(ANA);
    assert_eq!(scene.bind(&ana, 0x4000, PEER).error(), None);
    assert_eq!(scene.bind(&ana, 0x4001, OTHER_PEER).error(), None);
    let mut denying = reload(Secrets::only(SharedSecret::new(*b"shared")));
    denying.peers.deny.push("9.9.9.9/32".parse().unwrap());
    scene.server.reconfigure(denying).unwrap();
    assert_eq!(scene.say_on(&ana, 0x4000, b"x"), Decision::Keep);
    assert_eq!(scene.say_to(&ana, PEER, b"x"), Decision::Keep);
    assert_eq!(scene.peer_says(relayed, PEER, b"x"), Decision::Keep);
    let forbidden = Some(ErrorCode::FORBIDDEN);
    assert_eq!(scene.create_permission(&ana, PEER).error(), forbidden);
    assert_ne!(scene.say_on(&ana, 0x4001, b"x"), Decision::Keep);
    assert_ne!(scene.peer_says(relayed, OTHER_PEER, b"x"), Decision::Keep);
}

#[test]
fn a_reload_that_cannot_work_changes_nothing() {
    let mut scene = Scene::new();
    let (ana, _) = scene.allocated(ANA);
    let empty = Secrets::only(SharedSecret::new(Vec::new()));
    let refused = scene.server.reconfigure(reload(empty));
    assert_eq!(refused, Err(ConfigError::Secret));
    assert_eq!(scene.refresh(&ana, 600).error(), None);
    scene.allocated(BEN);
}

#[test]
fn a_draining_relay_sends_new_clients_elsewhere_and_keeps_those_it_has() {
    let mut scene = Scene::new();
    let (ana, _) = scene.allocated(ANA);
    let mut ben = scene.client(BEN);
    let elsewhere: Vec<SocketAddr> = vec![
        "[2a00:9::9]:3478".parse().unwrap(),
        "9.2.2.2:3478".parse().unwrap(),
    ];
    scene.server.drain(elsewhere.clone());
    let answer = scene.request(&ben, Method::ALLOCATE, udp_transport);
    assert_eq!(answer.error(), Some(ErrorCode::TRY_ALTERNATE));
    assert!(answer.is_authenticated_by(&ben));
    assert_eq!(alternate(&answer), [0, 1, 0x0D, 0x96, 9, 2, 2, 2]);
    ben.tuple.client = "[2a00:5::5]:5".parse().unwrap();
    scene.renew_nonce(&mut ben);
    let answer = scene.request(&ben, Method::ALLOCATE, udp_transport);
    assert_eq!(alternate(&answer)[..4], [0, 2, 0x0D, 0x96]);
    assert_eq!(alternate(&answer).len(), 20);

    assert_eq!(scene.refresh(&ana, 600).error(), None);
    assert_eq!(scene.bind(&ana, 0x4000, PEER).error(), None);
    assert_ne!(scene.say_on(&ana, 0x4000, b"x"), Decision::Keep);
    assert!(!scene.server.is_empty());
    assert_eq!(scene.refresh(&ana, 0).error(), None);
    assert!(scene.server.is_empty());
}

#[test]
fn a_draining_relay_without_an_alternative_is_full() {
    let mut scene = Scene::new();
    let ana = scene.client(ANA);
    for elsewhere in [vec![], vec!["[2a00:9::9]:3478".parse().unwrap()]] {
        scene.server.drain(elsewhere);
        let answer = scene.request(&ana, Method::ALLOCATE, udp_transport);
        assert_eq!(answer.error(), Some(ErrorCode::INSUFFICIENT_CAPACITY));
    }
}

#[test]
fn an_allocation_carries_so_much_a_second_both_ways_together_and_others_as_much() {
    let mut scene = Scene::with(Config {
        limits: Limits {
            max_bytes_per_second: Some(1_000),
            ..Limits::RECOMMENDED
        },
        ..config()
    });
    let (ana, at_ana) = scene.allocated(ANA);
    let (ben, _) = scene.allocated(BEN);
    for client in [&ana, &ben] {
        assert_eq!(scene.bind(client, 0x4000, PEER).error(), None);
    }
    let data = [7; 100];
    for _ in 0..5 {
        assert_ne!(scene.say_on(&ana, 0x4000, &data), Decision::Keep);
        assert_ne!(scene.peer_says(at_ana, PEER, &data), Decision::Keep);
    }
    assert_eq!(scene.say_on(&ana, 0x4000, &data), Decision::Keep);
    assert_eq!(scene.say_to(&ana, PEER, &data), Decision::Keep);
    assert_eq!(scene.peer_says(at_ana, PEER, &data), Decision::Keep);
    assert_eq!(scene.server.counters().dropped_by_bandwidth, 3);
    for _ in 0..10 {
        assert_ne!(scene.say_on(&ben, 0x4000, &data), Decision::Keep);
    }
    scene.wait(1);
    assert_ne!(scene.say_on(&ana, 0x4000, &data), Decision::Keep);
}

#[test]
fn what_must_not_be_fragmented_is_not_where_the_host_can_promise_it() {
    let mut scene = Scene::with(Config {
        dont_fragment: true,
        ..config()
    });
    let ana = scene.client(ANA);
    let answer = scene.request(&ana, Method::ALLOCATE, |message| {
        udp_transport(message).attribute(AttributeType::DONT_FRAGMENT, b"")
    });
    assert_eq!(answer.error(), None);
    assert_eq!(scene.bind(&ana, 0x4000, PEER).error(), None);
    for keeps_whole in [true, false] {
        let message = scene
            .message(Class::Indication, Method::SEND)
            .xor_address(AttributeType::XOR_PEER_ADDRESS, PEER.parse().unwrap())
            .attribute(AttributeType::DATA, b"x");
        let message = match keeps_whole {
            true => message.attribute(AttributeType::DONT_FRAGMENT, b""),
            false => message,
        };
        let bytes = message.finish(None, false).unwrap();
        let Decision::ToPeer { dont_fragment, .. } = scene.say(ana.tuple, &bytes) else {
            panic!("it goes to the peer");
        };
        assert_eq!(dont_fragment, keeps_whole);
    }
    // RFC 8656 §14: channel data never asks for it.
    let decision = scene.say_on(&ana, 0x4000, b"x");
    assert!(matches!(
        decision,
        Decision::ToPeer {
            dont_fragment: false,
            ..
        }
    ));
}

#[test]
fn a_reserved_port_is_had_from_another_shard_and_quotas_count_all_shards() {
    let mut small = config();
    small.limits.max_allocations_per_username = 2;
    let mut scene = Scene::with(small.clone());
    let ports = Arc::clone(&scene.ports);
    let rng = ChaCha20Rng::seed_from_u64(9);
    let mut other = Server::new(small, Shard(1), ports, rng, scene.now).unwrap();
    let ana = scene.client(ANA);
    let answer = scene.request(&ana, Method::ALLOCATE, |message| {
        udp_transport(message).attribute(AttributeType::EVEN_PORT, &[0x80])
    });
    let even = answer.address(AttributeType::XOR_RELAYED_ADDRESS);
    let message = answer.message();
    let token = message.attribute(AttributeType::RESERVATION_TOKEN).unwrap();

    core::mem::swap(&mut scene.server, &mut other);
    for (port, wish, expected) in [
        (1, Some(token), None),
        (2, None, Some(ErrorCode::ALLOCATION_QUOTA_REACHED)),
    ] {
        let mut device = ana.clone();
        device.tuple.client.set_port(port);
        scene.renew_nonce(&mut device);
        let answer = scene.request(&device, Method::ALLOCATE, |message| match wish {
            Some(token) => {
                udp_transport(message).attribute(AttributeType::RESERVATION_TOKEN, token)
            }
            None => udp_transport(message),
        });
        assert_eq!(answer.error(), expected);
        if expected.is_none() {
            let odd = answer.address(AttributeType::XOR_RELAYED_ADDRESS);
            assert_eq!(odd.port(), even.port() + 1);
            assert_eq!(odd.ip().to_string(), RELAYED_V4);
        }
    }
}

#[test]
fn data_for_a_client_of_another_shard_is_handed_over_with_its_way_back() {
    let mut scene = Scene::new();
    let ports = Arc::clone(&scene.ports);
    let rng = ChaCha20Rng::seed_from_u64(9);
    let mut other = Server::new(config(), Shard(1), ports, rng, scene.now).unwrap();
    let (ana, at_ana) = scene.allocated(ANA);
    core::mem::swap(&mut scene.server, &mut other);
    let (ben, at_ben) = scene.allocated(BEN);
    assert_eq!(
        scene.bind(&ben, 0x4005, &at_ana.0.to_string()).error(),
        None
    );
    core::mem::swap(&mut scene.server, &mut other);
    assert_eq!(
        scene.bind(&ana, 0x4000, &at_ben.0.to_string()).error(),
        None
    );

    let decision = scene.say_on(&ana, 0x4000, b"hello");
    let Decision::ToShard {
        shard,
        from,
        to,
        payload,
    } = decision
    else {
        panic!("it is for the other shard");
    };
    assert_eq!((shard, from, to), (Shard(1), at_ana, at_ben));
    let handed_over = Run::one(b"\x40\x00\x00\x05hello").skipping(payload.start);
    let decision = other.handle_shard(from, to, handed_over, scene.now);
    assert!(
        matches!(decision, Decision::ToClient { to, ref payload, .. }
        if to == ben.tuple && *payload == (4..9))
    );
    // Nobody is there any more when it comes.
    other.handle_disconnect(ben.tuple);
    let late = other.handle_shard(from, to, handed_over, scene.now);
    assert_eq!(late, Decision::Keep);
    assert_eq!(other.counters().dropped_without_allocation, 1);
}

#[test]
fn expired_addresses_carry_nothing_even_before_the_clock_is_looked_at() {
    let mut scene = Scene::new();
    let (ana, relayed) = scene.allocated(ANA);
    scene.wait(400);
    scene.permit(&ana, PEER);
    scene.now = scene.now.after(Duration::from_secs(200));
    assert_eq!(scene.say_to(&ana, PEER, b"x"), Decision::Keep);
    assert_eq!(scene.peer_says(relayed, PEER, b"x"), Decision::Keep);
    let due = scene.server.poll_timeout().map(|(due, _)| due);
    assert_eq!(due, Some(scene.now.instant));
    assert!(scene.now.instant > Instant::ZERO);
}

#[test]
fn padding_after_channel_data_over_udp_is_not_forwarded() {
    let mut scene = Scene::new();
    let (ana, from) = scene.allocated(ANA);
    assert_eq!(scene.bind(&ana, 0x4000, PEER).error(), None);
    let decision = scene.say(ana.tuple, b"\x40\x00\x00\x05hello\0\0\0");
    let to = PeerAddr::new(PEER.parse().unwrap());
    let expected = Decision::ToPeer {
        from,
        to,
        payload: 4..9,
        dont_fragment: false,
    };
    assert_eq!(decision, expected);
}

#[test]
fn datagrams_of_a_run_are_counted_one_by_one_and_a_run_of_requests_is_none() {
    let mut scene = Scene::new();
    let (ana, _) = scene.allocated(ANA);
    assert_eq!(scene.bind(&ana, 0x4000, PEER).error(), None);
    let run = b"\x40\x00\x00\x02aa\x40\x00\x00\x02bb\x40\x00\x00\x01c";
    let run = Run::new(run, 6);
    let decision = scene.server.handle_client(ana.tuple, run, scene.now);
    assert!(matches!(decision, Decision::ToPeer { .. }));
    let counters = scene.server.counters();
    assert_eq!(
        (counters.datagrams_to_peers, counters.bytes_to_peers),
        (3, 5)
    );
    let binding = scene.message(Class::Request, Method::BINDING);
    let binding = binding.finish(None, false).unwrap();
    let twice = [binding.clone(), binding].concat();
    let run = Run::new(&twice, twice.len() / 2);
    let decision = scene.server.handle_client(ana.tuple, run, scene.now);
    assert_eq!(decision, Decision::Keep);
    assert_eq!(scene.server.poll_transmit(), None);
    assert_eq!(scene.server.counters().dropped_malformed, 2);
}

fn reload(secrets: Secrets) -> Reload {
    Reload {
        secrets,
        limits: Limits::RECOMMENDED,
        peers: PeerRules::default(),
    }
}

fn alternate(answer: &Answer) -> Vec<u8> {
    let message = answer.message();
    let value = message.attribute(AttributeType::ALTERNATE_SERVER);
    value.unwrap().to_vec()
}
