// SPDX-License-Identifier: MIT OR Apache-2.0
//! A client explores what is between it and the relay (RFC 5780).

use core::net::{IpAddr, SocketAddr};

use super::scene::{Answer, LISTENER, Scene, config, udp_transport};
use crate::attribute::AttributeType;
use crate::error_code::ErrorCode;
use crate::message::MessageBuilder;
use crate::message_type::{Class, Method};
use crate::server::{Behaviour, Config, Decision, FiveTuple, Transport};

const OTHER: &str = "198.51.100.2:3479";
const CLIENT: &str = "192.0.2.1:1000";

#[test]
fn an_answer_says_where_it_comes_from_and_where_else_to_ask() {
    let mut scene = exploring();
    let (from, answer) = ask(&mut scene, LISTENER, |request| request);
    assert_eq!(from, address(LISTENER));
    for (kind, expected) in [
        (AttributeType::MAPPED_ADDRESS, CLIENT),
        (AttributeType::RESPONSE_ORIGIN, LISTENER),
        (AttributeType::OTHER_ADDRESS, OTHER),
    ] {
        assert_eq!(plain(&answer, kind), address(expected));
    }
    let mapped = answer.address(AttributeType::XOR_MAPPED_ADDRESS);
    assert_eq!(mapped, address(CLIENT));
}

#[test]
fn an_answer_leaves_from_where_the_client_wants_it_to() {
    let mut scene = exploring();
    // RFC 5780 §6.1, table 1, from each of the four.
    for (asked, opposite) in [
        ("198.51.100.1:3478", "198.51.100.2:3479"),
        ("198.51.100.2:3478", "198.51.100.1:3479"),
        ("198.51.100.1:3479", "198.51.100.2:3478"),
        ("198.51.100.2:3479", "198.51.100.1:3478"),
    ] {
        let (here, there) = (address(asked), address(opposite));
        for (flags, expected) in [
            (0x00, here),
            (0x04, SocketAddr::new(there.ip(), here.port())),
            (0x02, SocketAddr::new(here.ip(), there.port())),
            (0x06, there),
        ] {
            let (from, answer) = ask(&mut scene, asked, |request| {
                request.attribute(AttributeType::CHANGE_REQUEST, &[0, 0, 0, flags])
            });
            assert_eq!(from, expected);
            assert_eq!(plain(&answer, AttributeType::RESPONSE_ORIGIN), expected);
            assert_eq!(plain(&answer, AttributeType::OTHER_ADDRESS), there);
        }
    }
}

#[test]
fn padding_comes_back_no_longer_than_it_was_and_than_a_packet() {
    let mut scene = exploring();
    for (sent, expected) in [(0, 0), (64, 64), (1_280, 1_280), (9_000, 1_280)] {
        let (_, answer) = ask(&mut scene, LISTENER, |request| {
            request.attribute(AttributeType::PADDING, &vec![0xAA; sent])
        });
        let message = answer.message();
        let padding = message.attribute(AttributeType::PADDING).unwrap();
        assert_eq!(padding, vec![0; expected]);
    }
    let (_, answer) = ask(&mut scene, LISTENER, |request| request);
    assert_eq!(answer.message().attribute(AttributeType::PADDING), None);
}

#[test]
fn an_answer_is_never_sent_to_another_port() {
    let mut scene = exploring();
    let (_, answer) = ask(&mut scene, LISTENER, |request| {
        request.attribute(AttributeType::RESPONSE_PORT, &[0, 53, 0, 0])
    });
    assert_eq!(answer.error(), Some(ErrorCode::UNKNOWN_ATTRIBUTE));
}

#[test]
fn a_change_request_of_the_wrong_length_is_a_bad_request() {
    let mut scene = exploring();
    for value in [&[][..], &[6], &[0; 8]] {
        let (_, answer) = ask(&mut scene, LISTENER, |request| {
            request.attribute(AttributeType::CHANGE_REQUEST, value)
        });
        assert_eq!(answer.error(), Some(ErrorCode::BAD_REQUEST));
    }
}

#[test]
fn without_a_second_address_and_over_streams_there_is_nothing_to_explore() {
    let udp = (Transport::Udp, LISTENER);
    for (mut scene, (transport, asked)) in [
        (Scene::new(), udp),
        (exploring(), (Transport::Tcp, LISTENER)),
        (exploring(), (Transport::Udp, "198.51.100.9:3478")),
    ] {
        let tuple = FiveTuple {
            transport,
            local: address(asked),
            client: address(CLIENT),
        };
        let plain = scene.message(Class::Request, Method::BINDING);
        let answer = scene.hear(tuple, &plain.finish(None, false).unwrap());
        assert_eq!(answer.error(), None);
        let other = answer.message().attribute(AttributeType::OTHER_ADDRESS);
        assert_eq!(other, None);
        for kind in [AttributeType::CHANGE_REQUEST, AttributeType::PADDING] {
            let request = scene.message(Class::Request, Method::BINDING);
            let request = request.attribute(kind, &[0; 4]);
            let answer = scene.hear(tuple, &request.finish(None, false).unwrap());
            assert_eq!(answer.error(), Some(ErrorCode::UNKNOWN_ATTRIBUTE));
        }
    }
}

#[test]
fn only_bindings_are_explored() {
    let mut scene = exploring();
    let ana = scene.client(CLIENT);
    let answer = scene.request(&ana, Method::ALLOCATE, |message| {
        udp_transport(message).attribute(AttributeType::CHANGE_REQUEST, &[0, 0, 0, 6])
    });
    assert_eq!(answer.error(), Some(ErrorCode::UNKNOWN_ATTRIBUTE));
}

fn exploring() -> Scene {
    let behaviour = Behaviour {
        primary: address(LISTENER),
        other: address(OTHER),
    };
    Scene::with(Config {
        listeners: behaviour.listeners().to_vec(),
        behaviour: Some(behaviour),
        ..config()
    })
}

/// Where the answer to a Binding leaves from, and what it is.
fn ask(
    scene: &mut Scene,
    local: &str,
    attributes: impl FnOnce(MessageBuilder) -> MessageBuilder,
) -> (SocketAddr, Answer) {
    let tuple = FiveTuple {
        transport: Transport::Udp,
        local: address(local),
        client: address(CLIENT),
    };
    let request = attributes(scene.message(Class::Request, Method::BINDING));
    let decision = scene.say(tuple, &request.finish(None, false).unwrap());
    assert_eq!(decision, Decision::Keep);
    let transmit = scene.server.poll_transmit().expect("there is an answer");
    assert_eq!(transmit.to.client, tuple.client);
    let bytes = transmit.payload;
    (transmit.to.local, Answer { bytes })
}

fn plain(answer: &Answer, kind: AttributeType) -> SocketAddr {
    let message = answer.message();
    let Some(&[0, 1, p0, p1, a, b, c, d]) = message.attribute(kind) else {
        panic!("an IPv4 address in clear");
    };
    SocketAddr::new(IpAddr::from([a, b, c, d]), u16::from_be_bytes([p0, p1]))
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}
