// SPDX-License-Identifier: MIT OR Apache-2.0

use super::scene::{OTHER_PEER, PEER, Scene, config, on_the_wire};
use crate::address::XorAddress;
use crate::attribute::AttributeType;
use crate::error_code::ErrorCode;
use crate::message::Message;
use crate::message_type::{Class, Method};
use crate::server::{Decision, PeerAddr, Transport};

const ANA: &str = "192.0.2.1:1000";
const BEN: &str = "192.0.2.2:2000";

#[test]
fn a_send_indication_needs_a_permission() {
    let mut scene = Scene::new();
    let (ana, from) = scene.allocated(ANA);
    assert_eq!(scene.say_to(&ana, PEER, b"hello"), Decision::Keep);
    assert_eq!(scene.server.counters().dropped_without_permission, 1);
    scene.permit(&ana, PEER);
    // 20 of header, 12 of address, 4 before the data.
    let to = PeerAddr::new(PEER.parse().unwrap());
    let expected = Decision::ToPeer {
        from,
        to,
        payload: 36..41,
        dont_fragment: false,
    };
    assert_eq!(scene.say_to(&ana, PEER, b"hello"), expected);
    // A permission is for the address, whatever the port.
    assert!(matches!(
        scene.say_to(&ana, "9.9.9.9:1", b"hello"),
        Decision::ToPeer { .. }
    ));
    assert_eq!(scene.server.counters().datagrams_to_peers, 2);
    assert_eq!(scene.server.counters().bytes_to_peers, 10);
}

#[test]
fn a_peer_needs_a_permission_and_becomes_a_data_indication() {
    let mut scene = Scene::new();
    let (ana, relayed) = scene.allocated(ANA);
    assert_eq!(scene.peer_says(relayed, PEER, b"hello"), Decision::Keep);
    assert_eq!(scene.server.counters().dropped_without_permission, 1);
    scene.permit(&ana, PEER);
    let decision = scene.peer_says(relayed, PEER, b"hello");
    let (to, bytes) = on_the_wire(&decision, b"hello");
    assert_eq!(to, ana.tuple);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.class(), Class::Indication);
    assert_eq!(message.method(), Method::DATA);
    assert_eq!(message.attribute(AttributeType::DATA).unwrap(), b"hello");
    let peer = message.attribute(AttributeType::XOR_PEER_ADDRESS).unwrap();
    let peer = XorAddress::parse(peer, message.transaction_id()).unwrap();
    assert_eq!(peer.to_string(), PEER);
}

#[test]
fn a_permission_lasts_five_minutes_unless_renewed() {
    let mut scene = Scene::new();
    let (ana, relayed) = scene.allocated(ANA);
    scene.permit(&ana, PEER);
    scene.wait(299);
    assert_ne!(scene.peer_says(relayed, PEER, b"x"), Decision::Keep);
    scene.permit(&ana, PEER);
    scene.wait(299);
    assert_ne!(scene.peer_says(relayed, PEER, b"x"), Decision::Keep);
    scene.wait(1);
    assert_eq!(scene.peer_says(relayed, PEER, b"x"), Decision::Keep);
    assert_eq!(scene.say_to(&ana, PEER, b"x"), Decision::Keep);
}

#[test]
fn a_channel_carries_data_both_ways_behind_four_bytes() {
    let mut scene = Scene::new();
    let (ana, from) = scene.allocated(ANA);
    assert_eq!(scene.bind(&ana, 0x4000, PEER).error(), None);
    let to = PeerAddr::new(PEER.parse().unwrap());
    let expected = Decision::ToPeer {
        from,
        to,
        payload: 4..9,
        dont_fragment: false,
    };
    assert_eq!(scene.say_on(&ana, 0x4000, b"hello"), expected);
    let decision = scene.peer_says(from, PEER, b"world");
    let (to, bytes) = on_the_wire(&decision, b"world");
    assert_eq!(to, ana.tuple);
    assert_eq!(bytes, b"\x40\x00\x00\x05world");
    // Another port of the same peer has a permission but not the channel.
    let (_, bytes) = on_the_wire(&scene.peer_says(from, "9.9.9.9:1", b"world"), b"world");
    assert!(Message::parse(&bytes).is_ok());
}

#[test]
fn over_a_stream_channel_data_is_padded() {
    let mut scene = Scene::new();
    let ana = scene.client_over(Transport::Tcp, ANA);
    let relayed = scene.allocate(&ana);
    assert_eq!(scene.bind(&ana, 0x4000, PEER).error(), None);
    let (_, bytes) = on_the_wire(&scene.peer_says(relayed, PEER, b"hello"), b"hello");
    assert_eq!(bytes, b"\x40\x00\x00\x05hello\0\0\0");
    let padded = b"\x40\x00\x00\x05hello\0\0\0";
    let Decision::ToPeer { payload, .. } = scene.say(ana.tuple, padded) else {
        panic!("it goes to the peer");
    };
    assert_eq!(payload, 4..9);
}

#[test]
fn channel_0x3fff_is_refused_and_so_is_0x8000() {
    let mut scene = Scene::new();
    let (ana, _) = scene.allocated(ANA);
    for number in [0x0000, 0x3FFF, 0x8000, 0xFFFF] {
        let answer = scene.bind(&ana, number, PEER);
        assert_eq!(answer.error(), Some(ErrorCode::BAD_REQUEST), "{number:#x}");
    }
    assert_eq!(scene.bind(&ana, 0x7FFF, PEER).error(), None);
}

#[test]
fn a_channel_bind_without_number_or_peer_is_a_bad_request() {
    let mut scene = Scene::new();
    let (ana, _) = scene.allocated(ANA);
    let peer = PEER.parse().unwrap();
    let without_number = scene.request(&ana, Method::CHANNEL_BIND, |message| {
        message.xor_address(AttributeType::XOR_PEER_ADDRESS, peer)
    });
    assert_eq!(without_number.error(), Some(ErrorCode::BAD_REQUEST));
    let without_peer = scene.request(&ana, Method::CHANNEL_BIND, |message| {
        message.attribute(AttributeType::CHANNEL_NUMBER, &[0x40, 0, 0, 0])
    });
    assert_eq!(without_peer.error(), Some(ErrorCode::BAD_REQUEST));
}

#[test]
fn a_create_permission_with_no_peer_or_half_of_one_is_a_bad_request() {
    let mut scene = Scene::new();
    let (ana, _) = scene.allocated(ANA);
    let none = scene.request(&ana, Method::CREATE_PERMISSION, |message| message);
    assert_eq!(none.error(), Some(ErrorCode::BAD_REQUEST));
    let half = scene.request(&ana, Method::CREATE_PERMISSION, |message| {
        message.attribute(AttributeType::XOR_PEER_ADDRESS, &[0, 1, 2, 3])
    });
    assert_eq!(half.error(), Some(ErrorCode::BAD_REQUEST));
}

#[test]
fn a_bound_channel_has_one_peer_and_a_peer_one_channel() {
    let mut scene = Scene::new();
    let (ana, _) = scene.allocated(ANA);
    assert_eq!(scene.bind(&ana, 0x4000, PEER).error(), None);
    assert_eq!(scene.bind(&ana, 0x4000, PEER).error(), None);
    let taken = Some(ErrorCode::BAD_REQUEST);
    assert_eq!(scene.bind(&ana, 0x4000, OTHER_PEER).error(), taken);
    assert_eq!(scene.bind(&ana, 0x4001, PEER).error(), taken);
    assert_eq!(scene.bind(&ana, 0x4001, OTHER_PEER).error(), None);
    assert_eq!(scene.bind(&ana, 0x4001, PEER).error(), taken);
}

#[test]
fn expired_channel_cannot_be_rebound_for_five_minutes() {
    let mut scene = Scene::new();
    let (ana, relayed) = scene.allocated(ANA);
    assert_eq!(scene.refresh(&ana, 3_600).error(), None);
    assert_eq!(scene.bind(&ana, 0x4000, PEER).error(), None);
    scene.wait(599);
    scene.permit(&ana, PEER);
    assert_ne!(scene.say_on(&ana, 0x4000, b"x"), Decision::Keep);
    scene.wait(1);
    assert_eq!(scene.say_on(&ana, 0x4000, b"x"), Decision::Keep);
    assert_eq!(scene.server.counters().dropped_without_channel, 1);
    // The peer still has its permission, but is no longer announced by number.
    let (_, bytes) = on_the_wire(&scene.peer_says(relayed, PEER, b"x"), b"x");
    assert!(Message::parse(&bytes).is_ok());
    scene.wait(299);
    let taken = Some(ErrorCode::BAD_REQUEST);
    assert_eq!(scene.bind(&ana, 0x4000, OTHER_PEER).error(), taken);
    assert_eq!(scene.bind(&ana, 0x4001, PEER).error(), taken);
    scene.wait(1);
    assert_eq!(scene.bind(&ana, 0x4000, OTHER_PEER).error(), None);
    assert_eq!(scene.bind(&ana, 0x4001, PEER).error(), None);
}

#[test]
fn an_expired_channel_can_be_revived_for_the_same_peer() {
    let mut scene = Scene::new();
    let (ana, _) = scene.allocated(ANA);
    assert_eq!(scene.refresh(&ana, 3_600).error(), None);
    assert_eq!(scene.bind(&ana, 0x4000, PEER).error(), None);
    scene.wait(700);
    assert_eq!(scene.bind(&ana, 0x4000, PEER).error(), None);
    assert_ne!(scene.say_on(&ana, 0x4000, b"x"), Decision::Keep);
}

#[test]
fn a_channel_outlives_its_permission_but_does_not_replace_it() {
    // RFC 8656 §12: a channel bind renews the permission; between two binds it may run out.
    let mut scene = Scene::new();
    let (ana, relayed) = scene.allocated(ANA);
    assert_eq!(scene.bind(&ana, 0x4000, PEER).error(), None);
    scene.wait(301);
    assert_eq!(scene.say_on(&ana, 0x4000, b"x"), Decision::Keep);
    assert_eq!(scene.peer_says(relayed, PEER, b"x"), Decision::Keep);
    assert_eq!(scene.server.counters().dropped_without_permission, 2);
    scene.permit(&ana, PEER);
    assert_ne!(scene.say_on(&ana, 0x4000, b"x"), Decision::Keep);
}

#[test]
fn permissions_and_channels_are_bounded() {
    let mut small = config();
    small.limits.max_permissions_per_allocation = 3;
    small.limits.max_channels_per_allocation = 2;
    let mut scene = Scene::with(small);
    let (ana, _) = scene.allocated(ANA);
    let full = Some(ErrorCode::INSUFFICIENT_CAPACITY);
    assert_eq!(scene.bind(&ana, 0x4000, "9.9.9.1:1").error(), None);
    assert_eq!(scene.bind(&ana, 0x4001, "9.9.9.1:2").error(), None);
    assert_eq!(scene.bind(&ana, 0x4002, "9.9.9.1:3").error(), full);
    scene.permit(&ana, "9.9.9.2:1");
    scene.permit(&ana, "9.9.9.3:1");
    assert_eq!(scene.create_permission(&ana, "9.9.9.4:1").error(), full);
    scene.permit(&ana, "9.9.9.3:1");
    // Old ones make room.
    scene.wait(300);
    scene.permit(&ana, "9.9.9.4:1");
}

#[test]
fn a_create_permission_takes_all_its_peers_or_none() {
    let mut small = config();
    small.limits.max_permissions_per_allocation = 2;
    let mut scene = Scene::with(small);
    let (ana, relayed) = scene.allocated(ANA);
    let several = |peers: &[&str]| {
        let peers: Vec<_> = peers.iter().map(|peer| peer.parse().unwrap()).collect();
        move |message: crate::MessageBuilder| {
            peers.into_iter().fold(message, |message, peer| {
                message.xor_address(AttributeType::XOR_PEER_ADDRESS, peer)
            })
        }
    };
    let wish = several(&["9.9.9.1:1", "9.9.9.2:1", "9.9.9.3:1"]);
    let answer = scene.request(&ana, Method::CREATE_PERMISSION, wish);
    assert_eq!(answer.error(), Some(ErrorCode::INSUFFICIENT_CAPACITY));
    assert_eq!(scene.peer_says(relayed, "9.9.9.1:1", b"x"), Decision::Keep);
    let wish = several(&["9.9.9.1:1", "10.0.0.1:1"]);
    let answer = scene.request(&ana, Method::CREATE_PERMISSION, wish);
    assert_eq!(answer.error(), Some(ErrorCode::FORBIDDEN));
    assert_eq!(scene.peer_says(relayed, "9.9.9.1:1", b"x"), Decision::Keep);
    let wish = several(&["9.9.9.1:1", "9.9.9.1:2", "9.9.9.2:1"]);
    let answer = scene.request(&ana, Method::CREATE_PERMISSION, wish);
    assert_eq!(answer.error(), None);
    assert_ne!(scene.peer_says(relayed, "9.9.9.1:7", b"x"), Decision::Keep);
    assert_ne!(scene.peer_says(relayed, "9.9.9.2:7", b"x"), Decision::Keep);
}

#[test]
fn data_to_another_client_never_leaves_the_process() {
    let mut scene = Scene::new();
    let (ana, ana_relayed) = scene.allocated(ANA);
    let (ben, ben_relayed) = scene.allocated(BEN);
    let (at_ana, at_ben) = (ana_relayed.0.to_string(), ben_relayed.0.to_string());
    assert_eq!(scene.bind(&ana, 0x4000, &at_ben).error(), None);
    // Ben has not asked for Ana yet.
    assert_eq!(scene.say_on(&ana, 0x4000, b"hello"), Decision::Keep);
    assert_eq!(scene.server.counters().dropped_without_permission, 1);

    scene.permit(&ben, &at_ana);
    let decision = scene.say_on(&ana, 0x4000, b"hello");
    let (to, bytes) = on_the_wire(&decision, b"\x40\x00\x00\x05hello");
    assert_eq!(to, ben.tuple);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.attribute(AttributeType::DATA).unwrap(), b"hello");
    let peer = message.attribute(AttributeType::XOR_PEER_ADDRESS).unwrap();
    let peer = XorAddress::parse(peer, message.transaction_id()).unwrap();
    assert_eq!(peer, ana_relayed.0);

    assert_eq!(scene.bind(&ben, 0x4005, &at_ana).error(), None);
    let decision = scene.say_on(&ana, 0x4000, b"hello");
    let (_, bytes) = on_the_wire(&decision, b"\x40\x00\x00\x05hello");
    assert_eq!(bytes, b"\x40\x05\x00\x05hello");
    let counters = scene.server.counters();
    assert_eq!(counters.datagrams_between_clients, 2);
    assert_eq!(counters.datagrams_to_peers, 0);

    // When Ben is gone his address is an address like any other, and ours: nothing is sent there.
    assert_eq!(scene.refresh(&ben, 0).error(), None);
    assert_eq!(scene.say_on(&ana, 0x4000, b"hello"), Decision::Keep);
    assert_eq!(scene.server.counters().dropped_by_policy, 1);
}

#[test]
fn a_client_can_reach_itself_through_its_own_relayed_address() {
    let mut scene = Scene::new();
    let (ana, relayed) = scene.allocated(ANA);
    let own = relayed.0.to_string();
    scene.permit(&ana, &own);
    assert!(
        matches!(scene.say_to(&ana, &own, b"x"), Decision::ToClient { to, .. } if to == ana.tuple)
    );
}

#[test]
fn data_without_an_allocation_is_dropped_and_counted() {
    let mut scene = Scene::new();
    let eve = scene.client(ANA);
    assert_eq!(scene.say_on(&eve, 0x4000, b"x"), Decision::Keep);
    assert_eq!(scene.say_to(&eve, PEER, b"x"), Decision::Keep);
    let nobody = crate::server::RelayedAddr("198.51.100.1:50000".parse().unwrap());
    assert_eq!(scene.peer_says(nobody, PEER, b"x"), Decision::Keep);
    assert_eq!(scene.server.counters().dropped_without_allocation, 3);
    assert_eq!(scene.server.poll_transmit(), None);
}

#[test]
fn data_that_fits_no_frame_of_the_other_client_is_dropped() {
    let mut scene = Scene::new();
    let ana = scene.client_over(Transport::Tcp, ANA);
    let ana_relayed = scene.allocate(&ana);
    let (ben, ben_relayed) = scene.allocated(BEN);
    assert_eq!(
        scene.bind(&ana, 0x4000, &ben_relayed.0.to_string()).error(),
        None
    );
    scene.permit(&ben, &ana_relayed.0.to_string());
    // 65,535 bytes of channel data do not fit an indication.
    assert_eq!(scene.say_on(&ana, 0x4000, &[7; 65_535]), Decision::Keep);
    assert_eq!(scene.server.counters().dropped_malformed, 1);
}

#[test]
fn a_send_indication_with_an_unknown_required_attribute_is_dropped() {
    let mut scene = Scene::new();
    let (ana, _) = scene.allocated(ANA);
    scene.permit(&ana, PEER);
    let message = scene
        .message(Class::Indication, Method::SEND)
        .xor_address(AttributeType::XOR_PEER_ADDRESS, PEER.parse().unwrap())
        .attribute(AttributeType::DONT_FRAGMENT, b"")
        .attribute(AttributeType::DATA, b"x");
    let bytes = message.finish(None, false).unwrap();
    scene.unheard(ana.tuple, &bytes);
    assert_eq!(scene.server.counters().dropped_unexpected, 1);
}
