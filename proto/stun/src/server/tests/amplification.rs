// SPDX-License-Identifier: MIT OR Apache-2.0
//! What somebody gets out of the relay who asks in another's name, and who guesses.

use core::net::Ipv6Addr;

use super::scene::{Client, REALM, Scene, config, udp_transport};
use crate::attribute::AttributeType;
use crate::error_code::ErrorCode;
use crate::message_type::{Class, Method};
use crate::server::{Allowance, Config, Decision, FiveTuple, Limits, Transport};

const ANA: &str = "192.0.2.1:1000";
const VICTIM: &str = "203.0.113.7:53";

/// The table is printed, so that docs/relay-conformance.md can be checked against it:
/// `cargo test -p hither-stun how_long -- --nocapture`.
#[test]
fn how_long_unauthenticated_answers_are_is_known_to_the_byte() {
    let mut scene = Scene::new();
    let v4 = scene.client(ANA).tuple;
    let v6 = scene.client("[2001:db8::1]:1000").tuple;
    let shortest = |scene: &mut Scene, method| {
        let message = scene.message(Class::Request, method);
        message.finish(None, false).unwrap()
    };
    let allocate = udp_transport(scene.message(Class::Request, Method::ALLOCATE));
    let allocate = allocate.finish(None, false).unwrap();
    let unknown = scene.message(Class::Request, Method::BINDING);
    let unknown = unknown.attribute(AttributeType(0x7F01), b"");
    let unknown = unknown.finish(None, false).unwrap();
    let no_username = udp_transport(scene.message(Class::Request, Method::ALLOCATE))
        .finish(Some(&scene.client(ANA).key()), false)
        .unwrap();
    let binding = shortest(&mut scene, Method::BINDING);
    let refresh = shortest(&mut scene, Method::REFRESH);
    // What the realm is too long by, compared with none.
    let realm_len = REALM.len().next_multiple_of(4);
    assert_eq!(realm_len, 12);
    for (what, tuple, request, expected) in [
        ("Binding over IPv4", v4, &binding, (20, 32)),
        ("Binding over IPv6", v6, &binding, (20, 44)),
        ("Binding with an unknown attribute", v4, &unknown, (24, 36)),
        ("Allocate without integrity", v4, &allocate, (28, 88)),
        ("Refresh without integrity", v4, &refresh, (20, 88)),
        ("Allocate without username", v4, &no_username, (52, 28)),
    ] {
        let answer = scene.hear(tuple, request).bytes.len();
        println!(
            "{what}: {} in, {answer} out, {:.1} ×",
            request.len(),
            answer as f64 / request.len() as f64
        );
        assert_eq!((request.len(), answer), expected, "{what}");
    }
}

#[test]
fn no_answer_to_a_stranger_has_a_reason_phrase_or_names_the_software() {
    let mut scene = Scene::new();
    let tuple = scene.client(ANA).tuple;
    for method in [Method::ALLOCATE, Method::REFRESH] {
        let request = scene.message(Class::Request, method);
        let answer = scene.hear(tuple, &request.finish(None, true).unwrap());
        let code = answer.message().attribute(AttributeType::ERROR_CODE);
        assert_eq!(code.unwrap().len(), 4);
        let software = answer.message().attribute(AttributeType::SOFTWARE);
        assert_eq!(software, None);
    }
}

#[test]
fn over_any_time_a_victim_is_sent_no_more_than_was_asked_in_its_name_and_an_allowance() {
    let allowance = Allowance {
        burst: 2_000,
        per_second: 100,
    };
    let mut scene = with_limits(|limits| limits.unauthenticated = allowance);
    let victim = FiveTuple {
        client: VICTIM.parse().unwrap(),
        ..scene.client(ANA).tuple
    };
    let (mut asked, mut answered) = (0, 0);
    for round in 0..5_000u64 {
        let method = match round % 3 {
            0 => Method::BINDING,
            _ => Method::ALLOCATE,
        };
        let request = scene.message(Class::Request, method);
        let request = request.finish(None, false).unwrap();
        assert_eq!(scene.say(victim, &request), Decision::Keep);
        while let Some(transmit) = scene.server.poll_transmit() {
            asked += request.len();
            answered += transmit.payload.len();
        }
        if round % 10 == 9 {
            scene.wait(1);
        }
    }
    let bound = asked + 2_000 + 100 * 500;
    assert!(answered <= bound, "{answered} > {bound}");
    assert!(scene.server.counters().dropped_by_budget > 1_000);
}

#[test]
fn who_is_silenced_can_still_authenticate_and_who_has_a_stream_is_answered() {
    let allowance = Allowance {
        burst: 80,
        per_second: 12,
    };
    let mut scene = with_limits(|limits| limits.unauthenticated = allowance);
    // 68 of her 80 bytes go to the challenge that gives her a nonce, the rest to a binding.
    let ana = scene.client(ANA);
    let binding = scene.message(Class::Request, Method::BINDING);
    let binding = binding.finish(None, false).unwrap();
    assert_eq!(scene.hear(ana.tuple, &binding).error(), None);
    scene.unheard(ana.tuple, &binding);
    let challenged = scene.message(Class::Request, Method::ALLOCATE);
    scene.unheard(ana.tuple, &challenged.finish(None, false).unwrap());
    assert_eq!(scene.server.counters().dropped_by_budget, 2);
    let mut stream = ana.tuple;
    stream.transport = Transport::Tcp;
    assert_eq!(scene.hear(stream, &binding).error(), None);
    // That she authenticates proves that she is there, and gives her as much as she had.
    scene.allocate(&ana);
    assert_eq!(scene.hear(ana.tuple, &binding).error(), None);
}

#[test]
fn bytes_come_back_with_time() {
    let allowance = Allowance {
        burst: 80,
        per_second: 12,
    };
    let mut scene = with_limits(|limits| limits.unauthenticated = allowance);
    let ana = scene.client(ANA);
    let binding = scene.message(Class::Request, Method::BINDING);
    let binding = binding.finish(None, false).unwrap();
    assert_eq!(scene.hear(ana.tuple, &binding).error(), None);
    scene.unheard(ana.tuple, &binding);
    scene.wait(1);
    assert_eq!(scene.hear(ana.tuple, &binding).error(), None);
    scene.unheard(ana.tuple, &binding);
}

#[test]
fn who_guesses_too_often_is_not_told_that_it_guessed_wrong_and_locks_nobody_out() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut scene = with_limits(|limits| limits.failures = three_failures());
        let ana = scene.client_over(transport, ANA);
        let wrong = wrong(&ana);
        for _ in 0..3 {
            let answer = scene.request(&wrong, Method::ALLOCATE, udp_transport);
            assert_eq!(answer.error(), Some(ErrorCode::UNAUTHENTICATED));
        }
        for _ in 0..2 {
            let request = scene.authenticated(&wrong, Method::ALLOCATE, udp_transport);
            scene.unheard(wrong.tuple, &request);
        }
        assert_eq!(scene.server.counters().authentication_failures, 5);
        assert_eq!(scene.server.counters().dropped_by_throttle, 2);
        // Whoever is behind the same address and has a credential is none of it.
        scene.allocate(&ana);
        scene.wait(60);
        let answer = scene.request(&wrong, Method::REFRESH, |message| message);
        assert_eq!(answer.error(), Some(ErrorCode::UNAUTHENTICATED));
    }
}

#[test]
fn a_whole_network_that_guesses_locks_nobody_out() {
    let mut scene = with_limits(|limits| limits.failures = three_failures());
    let template = scene.client(ANA);
    for network in 0..2_000 {
        let mut one = template.clone();
        let ip = Ipv6Addr::new(0x2a00, 1, 2, network, 0, 0, 0, 1);
        one.tuple.client = (ip, 1_000).into();
        scene.renew_nonce(&mut one);
        let wrong = wrong(&one);
        for _ in 0..4 {
            let request = scene.authenticated(&wrong, Method::ALLOCATE, udp_transport);
            scene.say(wrong.tuple, &request);
        }
        while scene.server.poll_transmit().is_some() {}
    }
    assert!(scene.server.counters().dropped_by_throttle >= 2_000);
    let elsewhere = scene.client("192.0.2.77:1000");
    scene.allocate(&elsewhere);
}

#[test]
fn who_has_an_allocation_keeps_it_whoever_guesses_at_the_same_address() {
    let mut scene = with_limits(|limits| limits.failures = three_failures());
    let (ana, _) = scene.allocated(ANA);
    let eve = wrong(&scene.client("192.0.2.1:6666"));
    for _ in 0..3 {
        scene.request(&eve, Method::ALLOCATE, udp_transport);
    }
    let request = scene.authenticated(&eve, Method::ALLOCATE, udp_transport);
    scene.unheard(eve.tuple, &request);
    assert_eq!(scene.refresh(&ana, 600).error(), None);
    scene.permit(&ana, super::scene::PEER);
}

#[test]
fn nobody_fails_in_anothers_name() {
    // Without a nonce, which only the victim could have, nothing is spent of its failures.
    let mut scene = with_limits(|limits| limits.failures = three_failures());
    let ana = scene.client(ANA);
    let mut spoofed = wrong(&ana);
    spoofed.nonce = "obMatJos2AAABnotanonceofours".into();
    for _ in 0..50 {
        let answer = scene.request(&spoofed, Method::ALLOCATE, udp_transport);
        assert_eq!(answer.error(), Some(ErrorCode::STALE_NONCE));
        // An answer shorter than its request costs no bytes either.
        assert!(answer.bytes.len() < 120);
    }
    scene.allocate(&ana);
}

fn three_failures() -> Allowance {
    Allowance {
        burst: 3,
        per_second: 1,
    }
}

fn wrong(client: &Client) -> Client {
    let mut wrong = client.clone();
    wrong.credential.password.push('x');
    wrong
}

fn with_limits(change: impl FnOnce(&mut Limits)) -> Scene {
    let mut limits = Limits::RECOMMENDED;
    change(&mut limits);
    Scene::with(Config { limits, ..config() })
}
