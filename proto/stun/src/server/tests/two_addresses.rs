// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two relayed addresses in one allocation, and ports that come in pairs (RFC 8656 §7, §8).

use super::scene::{Answer, Client, PEER, RELAYED_V4, RELAYED_V6, Scene, config, udp_transport};
use crate::address::{AddressFamily, XorAddress};
use crate::attribute::AttributeType;
use crate::error_code::ErrorCode;
use crate::message::MessageBuilder;
use crate::message_type::Method;
use crate::server::{Config, Decision, Event, PortRange, RelayedAddr, Shard};

const ANA: &str = "192.0.2.1:1000";
const BEN: &str = "192.0.2.2:2000";
const PEER_V6: &str = "[2a00:2::2]:5000";

#[test]
fn a_dual_allocation_reaches_peers_of_both_families() {
    let mut scene = both_families();
    let ana = scene.client(ANA);
    let answer = scene.request(&ana, Method::ALLOCATE, both);
    let [v4, v6] = relayed(&answer)[..] else {
        panic!("two relayed addresses");
    };
    assert_eq!(v4.0.ip().to_string(), RELAYED_V4);
    assert_eq!(v6.0.ip().to_string(), RELAYED_V6);
    let refused = answer
        .message()
        .attribute(AttributeType::ADDRESS_ERROR_CODE);
    assert_eq!(refused, None);
    assert_eq!(scene.server.counters().allocations, 1);
    for (number, peer, from) in [(0x4000, PEER, v4), (0x4001, PEER_V6, v6)] {
        assert_eq!(scene.bind(&ana, number, peer).error(), None);
        let decision = scene.say_on(&ana, number, b"x");
        assert!(matches!(decision, Decision::ToPeer { from: it, .. } if it == from));
        assert_ne!(scene.peer_says(from, peer, b"x"), Decision::Keep);
    }
}

#[test]
fn one_request_can_permit_peers_of_both_families_and_waits_for_both_sockets() {
    let mut scene = both_families();
    let ana = scene.client(ANA);
    let answer = scene.request(&ana, Method::ALLOCATE, both);
    let addresses = relayed(&answer);
    let request = scene.authenticated(&ana, Method::CREATE_PERMISSION, |message| {
        [PEER, PEER_V6].iter().fold(message, |message, peer| {
            message.xor_address(AttributeType::XOR_PEER_ADDRESS, peer.parse().unwrap())
        })
    });
    assert_eq!(scene.say(ana.tuple, &request), Decision::Keep);
    for relayed in &addresses {
        assert_eq!(scene.server.poll_transmit(), None);
        let event = scene.server.poll_event();
        assert_eq!(event, Some(Event::OpenRelay { relayed: *relayed }));
        scene.server.handle_relay_opened(*relayed, scene.now);
    }
    assert!(scene.server.poll_transmit().is_some());
    assert_ne!(scene.say_to(&ana, PEER, b"x"), Decision::Keep);
    assert_ne!(scene.say_to(&ana, PEER_V6, b"x"), Decision::Keep);
}

#[test]
fn an_additional_family_that_there_is_not_is_refused_but_the_first_is_given() {
    let mut scene = Scene::new();
    let ana = scene.client(ANA);
    let request = scene.authenticated(&ana, Method::ALLOCATE, both);
    let answer = scene.hear(ana.tuple, &request);
    assert_eq!(relayed(&answer).len(), 1);
    let message = answer.message();
    let refused = message.attribute(AttributeType::ADDRESS_ERROR_CODE);
    assert_eq!(refused, Some(&[2, 0, 4, 40][..]));
    // A retransmission is told the same.
    assert_eq!(scene.hear(ana.tuple, &request), answer);
}

#[test]
fn a_first_family_that_there_is_not_is_refused_but_the_additional_is_given() {
    let mut scene = Scene::with(Config {
        relayed_ips: vec![RELAYED_V6.parse().unwrap()],
        ..config()
    });
    let ana = scene.client(ANA);
    let answer = scene.request(&ana, Method::ALLOCATE, both);
    assert_eq!(relayed(&answer).len(), 1);
    let message = answer.message();
    let refused = message.attribute(AttributeType::ADDRESS_ERROR_CODE);
    assert_eq!(refused, Some(&[1, 0, 4, 40][..]));
}

#[test]
fn one_family_can_be_refreshed_and_ended_without_the_other() {
    let mut scene = both_families();
    let ana = scene.client(ANA);
    let answer = scene.request(&ana, Method::ALLOCATE, both);
    let [v4, v6] = relayed(&answer)[..] else {
        panic!("two relayed addresses");
    };
    scene.permit(&ana, PEER);
    scene.permit(&ana, PEER_V6);
    let answer = refresh_family(&mut scene, &ana, AddressFamily::V6, 1_200);
    assert_eq!(answer.lifetime(), 1_200);
    scene.wait(299);
    let answer = refresh_family(&mut scene, &ana, AddressFamily::V4, 0);
    assert_eq!((answer.error(), answer.lifetime()), (None, 0));
    assert_eq!(scene.ports.shard_of(v4), None);
    assert_eq!(scene.say_to(&ana, PEER, b"x"), Decision::Keep);
    assert_ne!(scene.say_to(&ana, PEER_V6, b"x"), Decision::Keep);
    let mismatch = Some(ErrorCode::PEER_ADDRESS_FAMILY_MISMATCH);
    let answer = refresh_family(&mut scene, &ana, AddressFamily::V4, 600);
    assert_eq!(answer.error(), mismatch);
    assert_eq!(scene.create_permission(&ana, PEER).error(), mismatch);
    scene.wait(700);
    assert!(scene.server.has_allocation(&ana.tuple));
    scene.wait(201);
    assert!(!scene.server.has_allocation(&ana.tuple));
    assert_eq!(scene.ports.shard_of(v6), None);
    assert_eq!(scene.ports.taken(), 0);
}

#[test]
fn a_family_that_is_not_refreshed_expires_alone() {
    let mut scene = both_families();
    let ana = scene.client(ANA);
    let answer = scene.request(&ana, Method::ALLOCATE, both);
    scene.permit(&ana, PEER);
    refresh_family(&mut scene, &ana, AddressFamily::V6, 1_200);
    scene.wait(600);
    let closed = Event::CloseRelay {
        relayed: relayed(&answer)[0],
    };
    assert_eq!(scene.server.poll_event(), Some(closed));
    assert!(scene.server.has_allocation(&ana.tuple));
    assert_eq!(scene.ports.taken(), 1);
    // Without a family, all that there is is refreshed.
    assert_eq!(scene.refresh(&ana, 600).error(), None);
    assert_eq!(scene.refresh(&ana, 0).error(), None);
    assert_eq!(scene.ports.taken(), 0);
}

#[test]
fn wishes_that_contradict_each_other_are_bad_requests() {
    let mut scene = both_families();
    let ana = scene.client(ANA);
    let (family, additional) = (
        (AttributeType::REQUESTED_ADDRESS_FAMILY, vec![1, 0, 0, 0]),
        (AttributeType::ADDITIONAL_ADDRESS_FAMILY, vec![2, 0, 0, 0]),
    );
    let (even, pair, token) = (
        (AttributeType::EVEN_PORT, vec![0]),
        (AttributeType::EVEN_PORT, vec![0x80]),
        (AttributeType::RESERVATION_TOKEN, vec![1; 8]),
    );
    let additional_v4 = (AttributeType::ADDITIONAL_ADDRESS_FAMILY, vec![1, 0, 0, 0]);
    let short_token = (AttributeType::RESERVATION_TOKEN, vec![1; 7]);
    let long_even = (AttributeType::EVEN_PORT, vec![0, 0]);
    for wishes in [
        vec![&family, &additional],
        vec![&family, &token],
        vec![&additional, &token],
        vec![&additional, &pair],
        vec![&even, &token],
        vec![&pair, &token],
        vec![&additional_v4],
        vec![&short_token],
        vec![&long_even],
    ] {
        let answer = scene.request(&ana, Method::ALLOCATE, |message| {
            wishes
                .iter()
                .fold(udp_transport(message), |message, (kind, value)| {
                    message.attribute(*kind, value)
                })
        });
        assert_eq!(answer.error(), Some(ErrorCode::BAD_REQUEST), "{wishes:?}");
    }
    assert_eq!(scene.ports.taken(), 0);
}

#[test]
fn an_even_port_is_even() {
    let mut scene = Scene::new();
    for host in 1..=20 {
        let ana = scene.client(&format!("192.0.2.{host}:1000"));
        let answer = scene.request(&ana, Method::ALLOCATE, even(0));
        assert_eq!(relayed(&answer)[0].0.port() % 2, 0);
        let token = answer.message().attribute(AttributeType::RESERVATION_TOKEN);
        assert_eq!(token, None);
    }
}

#[test]
fn a_pair_of_ports_is_had_with_the_token_that_the_first_came_with() {
    let mut scene = Scene::new();
    let (ana, ben) = (scene.client(ANA), scene.client(BEN));
    let request = scene.authenticated(&ana, Method::ALLOCATE, even(0x80));
    let answer = scene.hear(ana.tuple, &request);
    assert_eq!(scene.hear(ana.tuple, &request), answer);
    let first = relayed(&answer)[0];
    assert_eq!(first.0.port() % 2, 0);
    let message = answer.message();
    let token = message.attribute(AttributeType::RESERVATION_TOKEN).unwrap();
    assert_eq!(scene.ports.taken(), 2);
    let refused = scene.request(&ben, Method::ALLOCATE, redeem(&[7; 8]));
    assert_eq!(refused.error(), Some(ErrorCode::INSUFFICIENT_CAPACITY));

    scene.wait(29);
    let second = scene.request(&ben, Method::ALLOCATE, redeem(token));
    assert_eq!(relayed(&second)[0].0.port(), first.0.port() + 1);
    assert_eq!(scene.ports.shard_of(relayed(&second)[0]), Some(Shard(0)));
    // A token is good once.
    let mut carol = scene.client("192.0.2.3:3000");
    scene.renew_nonce(&mut carol);
    let refused = scene.request(&carol, Method::ALLOCATE, redeem(token));
    assert_eq!(refused.error(), Some(ErrorCode::INSUFFICIENT_CAPACITY));
}

#[test]
fn a_reserved_port_is_given_up_after_half_a_minute() {
    let ports = PortRange {
        first: 50_000,
        last: 50_001,
    };
    let mut scene = Scene::with(Config { ports, ..config() });
    let (ana, ben) = (scene.client(ANA), scene.client(BEN));
    let answer = scene.request(&ana, Method::ALLOCATE, even(0x80));
    let message = answer.message();
    let token = message.attribute(AttributeType::RESERVATION_TOKEN).unwrap();
    let full = Some(ErrorCode::INSUFFICIENT_CAPACITY);
    let refused = scene.request(&ben, Method::ALLOCATE, udp_transport);
    assert_eq!(refused.error(), full);
    let (due, why) = scene.server.poll_timeout().unwrap();
    assert_eq!(due.saturating_since(scene.now.instant).as_secs(), 30);
    assert_eq!(why, "a reserved port is given up");
    scene.wait(30);
    assert_eq!(scene.ports.taken(), 1);
    let refused = scene.request(&ben, Method::ALLOCATE, redeem(token));
    assert_eq!(refused.error(), full);
    assert_eq!(
        relayed(&scene.request(&ben, Method::ALLOCATE, udp_transport))[0]
            .0
            .port(),
        50_001
    );
}

fn both_families() -> Scene {
    Scene::with(Config {
        relayed_ips: vec![RELAYED_V4.parse().unwrap(), RELAYED_V6.parse().unwrap()],
        ..config()
    })
}

fn both(message: MessageBuilder) -> MessageBuilder {
    udp_transport(message).attribute(AttributeType::ADDITIONAL_ADDRESS_FAMILY, &[2, 0, 0, 0])
}

fn even(flags: u8) -> impl FnOnce(MessageBuilder) -> MessageBuilder {
    move |message| udp_transport(message).attribute(AttributeType::EVEN_PORT, &[flags])
}

fn redeem(token: &[u8]) -> impl FnOnce(MessageBuilder) -> MessageBuilder + '_ {
    move |message| udp_transport(message).attribute(AttributeType::RESERVATION_TOKEN, token)
}

fn refresh_family(
    scene: &mut Scene,
    client: &Client,
    family: AddressFamily,
    lifetime: u32,
) -> Answer {
    scene.request(client, Method::REFRESH, |message| {
        message
            .attribute(AttributeType::LIFETIME, &lifetime.to_be_bytes())
            .attribute(
                AttributeType::REQUESTED_ADDRESS_FAMILY,
                &[family.number(), 0, 0, 0],
            )
    })
}

fn relayed(answer: &Answer) -> Vec<RelayedAddr> {
    let message = answer.message();
    let kind = AttributeType::XOR_RELAYED_ADDRESS;
    message
        .attributes()
        .filter(|attribute| attribute.kind == kind)
        .map(|attribute| XorAddress::parse(attribute.value, message.transaction_id()).unwrap())
        .map(RelayedAddr)
        .collect()
}
