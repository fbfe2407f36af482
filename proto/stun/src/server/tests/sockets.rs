// SPDX-License-Identifier: MIT OR Apache-2.0
//! When relayed addresses have sockets, and what waits for them.

use super::scene::{Answer, Client, OTHER_PEER, PEER, Scene, udp_transport};
use crate::attribute::AttributeType;
use crate::error_code::ErrorCode;
use crate::message_type::Method;
use crate::server::{Decision, Event, RelayedAddr, Transport};

const ANA: &str = "192.0.2.1:1000";
const BEN: &str = "192.0.2.2:2000";

#[test]
fn clients_of_one_relay_reach_each_other_without_a_socket() {
    let mut scene = Scene::new();
    let (ana, at_ana) = scene.allocated(ANA);
    let (ben, at_ben) = scene.allocated(BEN);
    for (client, peer) in [(&ana, at_ben), (&ben, at_ana)] {
        let request = bind_request(&mut scene, client, &peer.0.to_string());
        assert_eq!(scene.say(client.tuple, &request), Decision::Keep);
        assert_eq!(scene.server.poll_event(), None);
        assert_eq!(next_answer(&mut scene).error(), None);
    }
    let decision = scene.say_on(&ana, 0x4000, b"x");
    assert!(matches!(decision, Decision::ToClient { to, .. } if to == ben.tuple));
    scene.refresh(&ana, 0);
    assert_eq!(scene.server.poll_event(), None);
}

#[test]
fn the_first_peer_outside_is_permitted_when_the_socket_is_open() {
    let mut scene = Scene::new();
    let (ana, relayed) = scene.allocated(ANA);
    let request = permit_request(&mut scene, &ana, PEER);
    assert_eq!(scene.say(ana.tuple, &request), Decision::Keep);
    assert_eq!(opening(&mut scene), Some(relayed));
    assert_eq!(scene.server.poll_transmit(), None);
    assert_eq!(scene.say_to(&ana, PEER, b"x"), Decision::Keep);
    // A retransmission in the meantime changes nothing.
    scene.unheard(ana.tuple, &request);

    scene.server.handle_relay_opened(relayed, scene.now);
    let answer = next_answer(&mut scene);
    assert_eq!(answer.error(), None);
    assert!(answer.is_authenticated_by(&ana));
    assert_eq!(scene.server.poll_transmit(), None);
    assert_ne!(scene.say_to(&ana, PEER, b"x"), Decision::Keep);
    // The second needs no other socket.
    let request = permit_request(&mut scene, &ana, OTHER_PEER);
    assert_eq!(scene.say(ana.tuple, &request), Decision::Keep);
    assert_eq!(scene.server.poll_event(), None);
    assert_eq!(next_answer(&mut scene).error(), None);
}

#[test]
fn several_requests_wait_and_are_answered_in_order_and_the_ninth_must_come_again() {
    let mut scene = Scene::new();
    let (ana, relayed) = scene.allocated(ANA);
    let mut waiting = Vec::new();
    for host in 1..=8 {
        let request = permit_request(&mut scene, &ana, &format!("9.9.9.{host}:1"));
        assert_eq!(scene.say(ana.tuple, &request), Decision::Keep);
        waiting.push(request);
    }
    assert_eq!(opening(&mut scene), Some(relayed));
    assert_eq!(scene.server.poll_event(), None);
    let ninth = permit_request(&mut scene, &ana, "9.9.9.9:1");
    scene.unheard(ana.tuple, &ninth);
    scene.server.handle_relay_opened(relayed, scene.now);
    for request in waiting {
        let answer = next_answer(&mut scene);
        assert_eq!(answer.error(), None);
        assert_eq!(answer.bytes[8..20], request[8..20]);
    }
    assert_eq!(scene.server.poll_transmit(), None);
    assert_eq!(scene.hear(ana.tuple, &ninth).error(), None);
}

#[test]
fn who_waits_is_held_to_what_was_granted_before_him() {
    let mut scene = Scene::new();
    let (ana, relayed) = scene.allocated(ANA);
    let first = bind_request(&mut scene, &ana, PEER);
    let second = bind_request(&mut scene, &ana, OTHER_PEER);
    for request in [&first, &second] {
        assert_eq!(scene.say(ana.tuple, request), Decision::Keep);
    }
    assert_eq!(opening(&mut scene), Some(relayed));
    scene.server.handle_relay_opened(relayed, scene.now);
    assert_eq!(next_answer(&mut scene).error(), None);
    let taken = Some(ErrorCode::BAD_REQUEST);
    assert_eq!(next_answer(&mut scene).error(), taken);
}

#[test]
fn a_socket_that_cannot_be_opened_refuses_who_waits_and_is_tried_again() {
    let mut scene = Scene::new();
    let (ana, relayed) = scene.allocated(ANA);
    for _ in 0..2 {
        let request = permit_request(&mut scene, &ana, PEER);
        assert_eq!(scene.say(ana.tuple, &request), Decision::Keep);
        assert_eq!(opening(&mut scene), Some(relayed));
        scene.server.handle_relay_failed(relayed, scene.now);
        let full = Some(ErrorCode::INSUFFICIENT_CAPACITY);
        assert_eq!(next_answer(&mut scene).error(), full);
        assert_eq!(scene.say_to(&ana, PEER, b"x"), Decision::Keep);
    }
    scene.permit(&ana, PEER);
    assert_ne!(scene.say_to(&ana, PEER, b"x"), Decision::Keep);
}

#[test]
fn what_is_refused_anyway_opens_no_socket() {
    let mut scene = Scene::new();
    let (ana, _) = scene.allocated(ANA);
    for peer in ["10.0.0.1:1", "[2a00:2::2]:1", "127.0.0.1:1"] {
        let request = permit_request(&mut scene, &ana, peer);
        assert_eq!(scene.say(ana.tuple, &request), Decision::Keep);
        assert_eq!(scene.server.poll_event(), None, "{peer}");
        assert!(next_answer(&mut scene).error().is_some());
    }
}

#[test]
fn a_socket_opened_for_a_client_that_left_is_closed_and_its_port_kept_until_then() {
    let mut scene = Scene::new();
    let ana = scene.client_over(Transport::Tcp, ANA);
    for is_opened in [true, false] {
        let relayed = scene.allocate(&ana);
        let request = permit_request(&mut scene, &ana, PEER);
        assert_eq!(scene.say(ana.tuple, &request), Decision::Keep);
        assert_eq!(opening(&mut scene), Some(relayed));
        scene.server.handle_disconnect(ana.tuple);
        assert_eq!(scene.server.counters().allocations, 0);
        assert!(!scene.server.is_empty());
        assert!(scene.ports.shard_of(relayed).is_some());
        let closed = Event::CloseRelay { relayed };
        if is_opened {
            scene.server.handle_relay_opened(relayed, scene.now);
            assert_eq!(scene.server.poll_event(), Some(closed));
        } else {
            scene.server.handle_relay_failed(relayed, scene.now);
        }
        assert_eq!(scene.server.poll_event(), None);
        assert_eq!(scene.server.poll_transmit(), None);
        assert_eq!(scene.ports.shard_of(relayed), None);
        assert!(scene.server.is_empty());
    }
}

#[test]
fn reports_about_sockets_that_nobody_asked_for_change_nothing() {
    let mut scene = Scene::new();
    let (ana, relayed) = scene.allocated(ANA);
    let nobody = RelayedAddr("198.51.100.1:50000".parse().unwrap());
    for relayed in [relayed, nobody] {
        scene.server.handle_relay_opened(relayed, scene.now);
        scene.server.handle_relay_failed(relayed, scene.now);
    }
    assert_eq!(scene.server.poll_event(), None);
    scene.permit(&ana, PEER);
    scene.server.handle_relay_failed(relayed, scene.now);
    assert_ne!(scene.say_to(&ana, PEER, b"x"), Decision::Keep);
}

fn permit_request(scene: &mut Scene, client: &Client, peer: &str) -> Vec<u8> {
    let peer = peer.parse().unwrap();
    scene.authenticated(client, Method::CREATE_PERMISSION, |message| {
        message.xor_address(AttributeType::XOR_PEER_ADDRESS, peer)
    })
}

fn bind_request(scene: &mut Scene, client: &Client, peer: &str) -> Vec<u8> {
    let peer = peer.parse().unwrap();
    scene.authenticated(client, Method::CHANNEL_BIND, |message| {
        message
            .attribute(AttributeType::CHANNEL_NUMBER, &[0x40, 0, 0, 0])
            .xor_address(AttributeType::XOR_PEER_ADDRESS, peer)
    })
}

fn opening(scene: &mut Scene) -> Option<RelayedAddr> {
    match scene.server.poll_event()? {
        Event::OpenRelay { relayed } => Some(relayed),
        Event::CloseRelay { .. } => None,
    }
}

fn next_answer(scene: &mut Scene) -> Answer {
    let bytes = scene.server.poll_transmit().expect("an answer").payload;
    Answer { bytes }
}

#[test]
fn an_allocation_that_is_made_again_after_its_socket_was_open_starts_without_one() {
    let mut scene = Scene::new();
    let ana = scene.client(ANA);
    scene.allocate(&ana);
    scene.permit(&ana, PEER);
    scene.refresh(&ana, 0);
    let answer = scene.request(&ana, Method::ALLOCATE, udp_transport);
    let relayed = RelayedAddr(answer.address(AttributeType::XOR_RELAYED_ADDRESS));
    let request = permit_request(&mut scene, &ana, PEER);
    assert_eq!(scene.say(ana.tuple, &request), Decision::Keep);
    assert_eq!(opening(&mut scene), Some(relayed));
}
