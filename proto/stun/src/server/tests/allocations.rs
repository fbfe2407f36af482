// SPDX-License-Identifier: MIT OR Apache-2.0

use std::sync::Arc;

use super::scene::{LISTENER, PEER, RELAYED_V4, RELAYED_V6, Scene, config, udp_transport};
use crate::attribute::AttributeType;
use crate::credential::{Secrets, SharedSecret};
use crate::error_code::ErrorCode;
use crate::message_type::Method;
use crate::server::{
    Behaviour, Config, ConfigError, Decision, Event, MAX_NETS, Net, PortRange, RelayedAddr,
    RelayedPorts, Server, Shard, Transport,
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

const ANA: &str = "192.0.2.1:1000";
const BEN: &str = "192.0.2.2:2000";

#[test]
fn an_allocation_is_answered_at_once_and_costs_no_socket() {
    let mut scene = Scene::new();
    let ana = scene.client(ANA);
    let request = scene.authenticated(&ana, Method::ALLOCATE, udp_transport);
    assert_eq!(scene.say(ana.tuple, &request), Decision::Keep);
    assert_eq!(scene.server.poll_event(), None);
    let transmit = scene.server.poll_transmit().unwrap();
    assert_eq!(transmit.to, ana.tuple);
    let answer = super::scene::Answer {
        bytes: transmit.payload,
    };
    assert_eq!(answer.error(), None);
    assert!(answer.is_authenticated_by(&ana));
    let relayed = answer.address(AttributeType::XOR_RELAYED_ADDRESS);
    assert_eq!(
        answer.address(AttributeType::XOR_MAPPED_ADDRESS),
        ana.tuple.client
    );
    assert_eq!(answer.lifetime(), 600);
    assert_eq!(relayed.ip().to_string(), RELAYED_V4);
    assert!(relayed.port() >= 49_152);
    assert_eq!(scene.ports.shard_of(RelayedAddr(relayed)), Some(Shard(0)));
    assert_eq!(scene.server.counters().allocations, 1);
}

#[test]
fn a_second_allocate_is_a_mismatch_and_a_retransmitted_one_is_not() {
    let mut scene = Scene::new();
    let ana = scene.client(ANA);
    let request = scene.authenticated(&ana, Method::ALLOCATE, udp_transport);
    let first = scene.hear(ana.tuple, &request);
    assert_eq!(scene.hear(ana.tuple, &request), first);
    let answer = scene.request(&ana, Method::ALLOCATE, udp_transport);
    assert_eq!(answer.error(), Some(ErrorCode::ALLOCATION_MISMATCH));
    assert_eq!(scene.server.counters().allocations_made, 1);
}

#[test]
fn requests_about_no_allocation_are_a_mismatch() {
    let mut scene = Scene::new();
    let ana = scene.client(ANA);
    let mismatch = Some(ErrorCode::ALLOCATION_MISMATCH);
    assert_eq!(scene.refresh(&ana, 600).error(), mismatch);
    assert_eq!(scene.refresh(&ana, 0).error(), mismatch);
    assert_eq!(scene.create_permission(&ana, PEER).error(), mismatch);
    assert_eq!(scene.bind(&ana, 0x4000, PEER).error(), mismatch);
}

#[test]
fn an_allocation_obeys_only_the_username_that_made_it() {
    let mut scene = Scene::new();
    let (ana, _) = scene.allocated(ANA);
    let mut eve = scene.client(BEN);
    eve.tuple = ana.tuple;
    eve.nonce = ana.nonce.clone();
    let wrong = Some(ErrorCode::WRONG_CREDENTIALS);
    assert_eq!(scene.refresh(&eve, 0).error(), wrong);
    assert_eq!(scene.create_permission(&eve, PEER).error(), wrong);
    assert_eq!(scene.bind(&eve, 0x4000, PEER).error(), wrong);
    assert!(scene.server.has_allocation(&ana.tuple));
}

#[test]
fn only_udp_is_relayed() {
    let mut scene = Scene::new();
    let ana = scene.client(ANA);
    let tcp = scene.request(&ana, Method::ALLOCATE, |message| {
        message.attribute(AttributeType::REQUESTED_TRANSPORT, &[6, 0, 0, 0])
    });
    assert_eq!(tcp.error(), Some(ErrorCode::UNSUPPORTED_TRANSPORT_PROTOCOL));
    let none = scene.request(&ana, Method::ALLOCATE, |message| message);
    assert_eq!(none.error(), Some(ErrorCode::BAD_REQUEST));
    let short = scene.request(&ana, Method::ALLOCATE, |message| {
        message.attribute(AttributeType::REQUESTED_TRANSPORT, &[17])
    });
    assert_eq!(short.error(), Some(ErrorCode::BAD_REQUEST));
}

#[test]
fn a_family_without_relayed_address_is_refused() {
    let mut scene = Scene::new();
    let ana = scene.client(ANA);
    for family in [2, 3] {
        let answer = scene.request(&ana, Method::ALLOCATE, family_wish(family));
        assert_eq!(
            answer.error(),
            Some(ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED)
        );
    }
    let answer = scene.request(&ana, Method::ALLOCATE, family_wish(1));
    assert_eq!(answer.error(), None);
}

#[test]
fn an_ipv6_allocation_reaches_ipv6_peers_only() {
    let mut scene = Scene::with(Config {
        relayed_ips: vec![RELAYED_V4.parse().unwrap(), RELAYED_V6.parse().unwrap()],
        ..config()
    });
    let ana = scene.client(ANA);
    let answer = scene.request(&ana, Method::ALLOCATE, family_wish(2));
    let relayed = answer.address(AttributeType::XOR_RELAYED_ADDRESS);
    assert_eq!(relayed.ip().to_string(), RELAYED_V6);
    let mismatch = Some(ErrorCode::PEER_ADDRESS_FAMILY_MISMATCH);
    assert_eq!(scene.create_permission(&ana, PEER).error(), mismatch);
    assert_eq!(scene.bind(&ana, 0x4000, PEER).error(), mismatch);
    assert_eq!(scene.create_permission(&ana, "[2a00:2::2]:1").error(), None);
    assert_eq!(scene.bind(&ana, 0x4000, "[2a00:2::2]:1").error(), None);
    let other = scene.request(&ana, Method::REFRESH, |message| {
        message.attribute(AttributeType::REQUESTED_ADDRESS_FAMILY, &[1, 0, 0, 0])
    });
    assert_eq!(other.error(), mismatch);
}

#[test]
fn lifetimes_stay_between_the_default_and_the_longest() {
    let mut scene = Scene::new();
    for (host, (wished, given)) in [
        (1, 600),
        (600, 600),
        (1_000, 1_000),
        (u32::MAX, 3_600),
        (0, 600),
    ]
    .into_iter()
    .enumerate()
    {
        let ana = scene.client(&format!("192.0.2.{host}:1000"));
        let answer = scene.request(&ana, Method::ALLOCATE, |message| {
            udp_transport(message).attribute(AttributeType::LIFETIME, &wished.to_be_bytes())
        });
        assert_eq!(answer.lifetime(), given, "{wished}");
        let answer = scene.refresh(&ana, wished);
        assert_eq!(
            answer.lifetime(),
            if wished == 0 { 0 } else { given },
            "{wished}"
        );
    }
    let ana = scene.client("192.0.2.99:1000");
    let answer = scene.request(&ana, Method::ALLOCATE, |message| {
        udp_transport(message).attribute(AttributeType::LIFETIME, &[1, 2])
    });
    assert_eq!(answer.error(), Some(ErrorCode::BAD_REQUEST));
}

#[test]
fn an_allocation_expires_and_its_socket_is_closed() {
    let mut scene = Scene::new();
    let (ana, relayed) = scene.allocated(ANA);
    scene.permit(&ana, PEER);
    let (due, _) = scene.server.poll_timeout().unwrap();
    assert_eq!(due.saturating_since(scene.now.instant).as_secs(), 600);
    scene.wait(599);
    assert!(scene.server.has_allocation(&ana.tuple));
    assert_eq!(scene.server.poll_event(), None);
    scene.wait(1);
    assert!(!scene.server.has_allocation(&ana.tuple));
    assert_eq!(
        scene.server.poll_event(),
        Some(Event::CloseRelay { relayed })
    );
    assert_eq!(scene.server.poll_timeout(), None);
    assert_eq!(scene.server.counters().allocations, 0);
}

#[test]
fn a_refreshed_allocation_lives_on_and_one_refreshed_with_zero_ends() {
    let mut scene = Scene::new();
    let (ana, relayed) = scene.allocated(ANA);
    scene.permit(&ana, PEER);
    scene.wait(500);
    assert_eq!(scene.refresh(&ana, 600).lifetime(), 600);
    scene.wait(599);
    assert!(scene.server.has_allocation(&ana.tuple));
    let bytes = scene.authenticated(&ana, Method::REFRESH, |message| {
        message.attribute(AttributeType::LIFETIME, &[0; 4])
    });
    assert_eq!(scene.say(ana.tuple, &bytes), Decision::Keep);
    assert_eq!(
        scene.server.poll_event(),
        Some(Event::CloseRelay { relayed })
    );
    assert!(scene.server.poll_transmit().is_some());
    assert!(!scene.server.has_allocation(&ana.tuple));
}

#[test]
fn a_client_whose_stream_ended_has_no_allocation() {
    let mut scene = Scene::new();
    let ana = scene.client_over(Transport::Tcp, ANA);
    let relayed = scene.allocate(&ana);
    scene.permit(&ana, PEER);
    scene.server.handle_disconnect(ana.tuple);
    assert_eq!(
        scene.server.poll_event(),
        Some(Event::CloseRelay { relayed })
    );
    assert!(!scene.server.has_allocation(&ana.tuple));
}

#[test]
fn one_username_reaches_its_quota_and_then_the_relay_its_capacity() {
    let mut small = config();
    small.limits.max_allocations_per_username = 2;
    small.limits.max_allocations = 3;
    let mut scene = Scene::with(small);
    let ana = scene.client(ANA);
    let device = |scene: &mut Scene, port: u16| {
        let mut device = ana.clone();
        device.tuple.client.set_port(port);
        scene.renew_nonce(&mut device);
        device
    };
    for port in 1..=2 {
        let device = device(&mut scene, port);
        scene.allocate(&device);
    }
    let third = device(&mut scene, 3);
    let answer = scene.request(&third, Method::ALLOCATE, udp_transport);
    assert_eq!(answer.error(), Some(ErrorCode::ALLOCATION_QUOTA_REACHED));
    scene.allocated(BEN);
    let carol = scene.client("192.0.2.3:3000");
    let answer = scene.request(&carol, Method::ALLOCATE, udp_transport);
    assert_eq!(answer.error(), Some(ErrorCode::INSUFFICIENT_CAPACITY));
    // What is given back can be had again.
    let first = device(&mut scene, 1);
    assert_eq!(scene.refresh(&first, 0).error(), None);
    scene.allocate(&third);
}

#[test]
fn a_range_of_one_port_holds_one_allocation() {
    let ports = PortRange {
        first: 50_000,
        last: 50_000,
    };
    let mut scene = Scene::with(Config { ports, ..config() });
    let (_, relayed) = scene.allocated(ANA);
    assert_eq!(
        relayed,
        RelayedAddr(format!("{RELAYED_V4}:50000").parse().unwrap())
    );
    let ben = scene.client(BEN);
    let answer = scene.request(&ben, Method::ALLOCATE, udp_transport);
    assert_eq!(answer.error(), Some(ErrorCode::INSUFFICIENT_CAPACITY));
}

#[test]
fn the_relayed_address_is_the_one_the_client_reached_if_it_can_be() {
    let reached = LISTENER.parse::<core::net::SocketAddr>().unwrap().ip();
    let mut scene = Scene::with(Config {
        relayed_ips: vec!["198.51.100.77".parse().unwrap(), reached],
        ..config()
    });
    let (_, relayed) = scene.allocated(ANA);
    assert_eq!(relayed.0.ip(), reached);
}

#[test]
fn a_configuration_that_cannot_work_is_refused() {
    let refused = |config: Config| {
        let rng = ChaCha20Rng::seed_from_u64(1);
        let ports = Arc::new(RelayedPorts::new(&[], PortRange::DYNAMIC));
        Server::new(config, Shard(0), ports, rng, hither_sansio::Now::default()).unwrap_err()
    };
    for realm in ["", "a\"b", "a\nb", "ä", &"x".repeat(129)] {
        let config = Config {
            realm: realm.to_owned(),
            ..config()
        };
        assert_eq!(refused(config), ConfigError::Realm);
    }
    let empty = || SharedSecret::new(Vec::new());
    let current = || SharedSecret::new(*b"shared");
    for secrets in [
        Secrets::only(empty()),
        Secrets {
            current: current(),
            previous: Some(empty()),
        },
    ] {
        let config = Config {
            secrets,
            ..config()
        };
        assert_eq!(refused(config), ConfigError::Secret);
    }
    let mut too_many = config();
    too_many.peers.deny = vec![Net::one([9, 9, 9, 9].into()); MAX_NETS + 1];
    assert_eq!(refused(too_many), ConfigError::PeerRules);
    for (primary, other) in [
        // The same address, the same port, two families, and one that nobody listens on.
        ("198.51.100.1:3478", "198.51.100.1:3479"),
        ("198.51.100.1:3478", "198.51.100.2:3478"),
        ("198.51.100.1:3478", "[2a00:1::1]:3479"),
        ("198.51.100.1:3478", "198.51.100.2:3479"),
    ] {
        let behaviour = Some(Behaviour {
            primary: primary.parse().unwrap(),
            other: other.parse().unwrap(),
        });
        let config = Config {
            behaviour,
            ..config()
        };
        assert_eq!(refused(config), ConfigError::Behaviour);
    }
    for ips in [
        vec![],
        vec!["0.0.0.0".parse().unwrap()],
        vec!["ff02::1".parse().unwrap()],
    ] {
        let config = Config {
            relayed_ips: ips,
            ..config()
        };
        assert_eq!(refused(config), ConfigError::RelayedIps);
    }
    for (first, last) in [(0, 10), (10, 9)] {
        let ports = PortRange { first, last };
        assert_eq!(refused(Config { ports, ..config() }), ConfigError::Ports);
    }
}

fn family_wish(family: u8) -> impl FnOnce(crate::MessageBuilder) -> crate::MessageBuilder {
    move |message| {
        udp_transport(message)
            .attribute(AttributeType::REQUESTED_ADDRESS_FAMILY, &[family, 0, 0, 0])
    }
}
