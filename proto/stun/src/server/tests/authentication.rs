// SPDX-License-Identifier: MIT OR Apache-2.0

use hither_sansio::Duration;

use super::scene::{Scene, udp_transport};
use crate::attribute::AttributeType;
use crate::credential::{Secrets, SharedSecret};
use crate::error_code::ErrorCode;
use crate::message::Message;
use crate::message_type::{Class, Method};
use crate::nonce::NONCE_LEN;

const ANA: &str = "192.0.2.1:1000";

#[test]
fn binding_tells_the_address_to_anyone() {
    let mut scene = Scene::new();
    let tuple = scene.client(ANA).tuple;
    let request = scene.message(Class::Request, Method::BINDING);
    let answer = scene.hear(tuple, &request.finish(None, false).unwrap());
    assert_eq!(answer.error(), None);
    assert_eq!(
        answer.address(AttributeType::XOR_MAPPED_ADDRESS),
        tuple.client
    );
    assert!(!answer.message().has_integrity());
    assert!(!answer.message().has_fingerprint());
}

#[test]
fn an_answer_has_a_fingerprint_if_its_request_had_one() {
    let mut scene = Scene::new();
    let tuple = scene.client(ANA).tuple;
    let request = scene.message(Class::Request, Method::BINDING);
    let answer = scene.hear(tuple, &request.finish(None, true).unwrap());
    assert!(answer.message().has_fingerprint());
}

#[test]
fn a_request_without_integrity_is_challenged_and_leaves_nothing_behind() {
    let mut scene = Scene::new();
    let tuple = scene.client(ANA).tuple;
    for method in [
        Method::ALLOCATE,
        Method::REFRESH,
        Method::CREATE_PERMISSION,
        Method::CHANNEL_BIND,
    ] {
        let request = udp_transport(scene.message(Class::Request, method));
        let answer = scene.hear(tuple, &request.finish(None, false).unwrap());
        assert_eq!(answer.error(), Some(ErrorCode::UNAUTHENTICATED));
        assert_eq!(answer.text(AttributeType::REALM), super::scene::REALM);
        assert_eq!(answer.text(AttributeType::NONCE).len(), NONCE_LEN);
        assert!(!answer.message().has_integrity());
    }
    assert!(!scene.server.has_allocation(&tuple));
    assert_eq!(scene.server.poll_timeout(), None);
}

#[test]
fn a_wrong_integrity_is_answered_with_401_and_not_with_400() {
    let mut scene = Scene::new();
    let mut eve = scene.client(ANA);
    eve.credential.password.push('x');
    let answer = scene.request(&eve, Method::ALLOCATE, udp_transport);
    assert_eq!(answer.error(), Some(ErrorCode::UNAUTHENTICATED));
    assert_eq!(answer.text(AttributeType::NONCE).len(), NONCE_LEN);
    assert!(!answer.message().has_integrity());
    assert_eq!(scene.server.counters().authentication_failures, 1);
    assert!(!scene.server.has_allocation(&eve.tuple));
}

#[test]
fn integrity_without_username_realm_or_nonce_is_a_bad_request() {
    let mut scene = Scene::new();
    let ana = scene.client(ANA);
    let username = (AttributeType::USERNAME, ana.credential.username.clone());
    let realm = (AttributeType::REALM, "hither.test".to_owned());
    let nonce = (AttributeType::NONCE, ana.nonce.clone());
    for present in [[&username, &realm], [&username, &nonce], [&realm, &nonce]] {
        let request = present.iter().fold(
            udp_transport(scene.message(Class::Request, Method::ALLOCATE)),
            |request, (kind, value)| request.attribute(*kind, value.as_bytes()),
        );
        let answer = scene.hear(ana.tuple, &request.finish(Some(&ana.key()), false).unwrap());
        assert_eq!(answer.error(), Some(ErrorCode::BAD_REQUEST));
    }
}

#[test]
fn a_stale_nonce_is_answered_with_438_and_a_fresh_one_that_works() {
    let mut scene = Scene::new();
    let mut ana = scene.client(ANA);
    scene.allocate(&ana);
    scene.refresh(&ana, 3_600);
    scene.wait(3_590);
    assert_eq!(scene.refresh(&ana, 3_600).error(), None);
    scene.wait(20);
    let answer = scene.refresh(&ana, 600);
    assert_eq!(answer.error(), Some(ErrorCode::STALE_NONCE));
    ana.nonce = answer.text(AttributeType::NONCE);
    assert_eq!(scene.refresh(&ana, 600).error(), None);
}

#[test]
fn a_nonce_of_another_client_is_stale() {
    let mut scene = Scene::new();
    let (mut ana, ben) = (scene.client(ANA), scene.client("192.0.2.2:1000"));
    ana.nonce = ben.nonce;
    let answer = scene.request(&ana, Method::ALLOCATE, udp_transport);
    assert_eq!(answer.error(), Some(ErrorCode::STALE_NONCE));
}

#[test]
fn a_credential_from_another_secret_is_refused() {
    let mut scene = Scene::new();
    let mut config = super::scene::config();
    config.secrets = Secrets::only(SharedSecret::new(*b"another"));
    let mut eve = Scene::with(config).client(ANA);
    eve.nonce = scene.client(ANA).nonce;
    let answer = scene.request(&eve, Method::ALLOCATE, udp_transport);
    assert_eq!(answer.error(), Some(ErrorCode::UNAUTHENTICATED));
}

#[test]
fn a_username_without_expiry_is_refused_even_with_the_right_integrity() {
    let mut scene = Scene::new();
    let mut eve = scene.client(ANA);
    for username in ["eve".to_owned(), ":".to_owned(), "9".repeat(509) + ":x"] {
        let key = SharedSecret::new(*b"shared").integrity_key(None, &username, super::scene::REALM);
        eve.credential.username = username;
        let request = udp_transport(scene.message(Class::Request, Method::ALLOCATE))
            .attribute(AttributeType::USERNAME, eve.credential.username.as_bytes())
            .attribute(AttributeType::REALM, super::scene::REALM.as_bytes())
            .attribute(AttributeType::NONCE, eve.nonce.as_bytes());
        let answer = scene.hear(eve.tuple, &request.finish(Some(&key), false).unwrap());
        assert_eq!(answer.error(), Some(ErrorCode::UNAUTHENTICATED));
    }
}

#[test]
fn an_expired_credential_makes_no_allocation() {
    let mut scene = Scene::new();
    let ana = scene.client(ANA);
    scene.wait(3_599);
    let mut early = ana.clone();
    scene.renew_nonce(&mut early);
    scene.allocate(&early);
    scene.refresh(&early, 0);
    scene.wait(1);
    let answer = scene.request(&early, Method::ALLOCATE, udp_transport);
    assert_eq!(answer.error(), Some(ErrorCode::UNAUTHENTICATED));
}

#[test]
fn an_allocation_outlives_its_credential_for_a_day_and_no_longer() {
    let mut scene = Scene::new();
    let mut ana = scene.client(ANA);
    scene.allocate(&ana);
    let mut waited = Duration::ZERO;
    let last = loop {
        scene.wait(500);
        waited += Duration::from_secs(500);
        let mut answer = scene.refresh(&ana, 600);
        if answer.error() == Some(ErrorCode::STALE_NONCE) {
            ana.nonce = answer.text(AttributeType::NONCE);
            answer = scene.refresh(&ana, 600);
        }
        if answer.error().is_some() {
            break answer;
        }
        assert!(waited < Duration::from_secs(100_000), "it must end");
    };
    assert_eq!(last.error(), Some(ErrorCode::UNAUTHENTICATED));
    // An hour of credential, a day of grace.
    assert_eq!(waited, Duration::from_secs(90_000));
}

#[test]
fn an_unknown_attribute_that_must_be_understood_is_answered_with_420_and_named() {
    let mut scene = Scene::new();
    let ana = scene.client(ANA);
    let answer = scene.request(&ana, Method::ALLOCATE, |message| {
        udp_transport(message)
            .attribute(AttributeType::DONT_FRAGMENT, b"")
            .attribute(AttributeType(0x8055), b"may be ignored")
            .attribute(AttributeType(0x7F01), b"must be understood")
    });
    assert_eq!(answer.error(), Some(ErrorCode::UNKNOWN_ATTRIBUTE));
    let message = answer.message();
    let named = message
        .attribute(AttributeType::UNKNOWN_ATTRIBUTES)
        .unwrap();
    assert_eq!(named, [0x00, 0x1A, 0x7F, 0x01]);
    assert!(!scene.server.has_allocation(&ana.tuple));
}

#[test]
fn unknown_attributes_are_named_to_strangers_only_in_bindings() {
    let mut scene = Scene::new();
    let tuple = scene.client(ANA).tuple;
    for (method, code) in [
        (Method::BINDING, ErrorCode::UNKNOWN_ATTRIBUTE),
        (Method::ALLOCATE, ErrorCode::UNAUTHENTICATED),
    ] {
        let request = scene.message(Class::Request, method);
        let request = request.attribute(AttributeType(0x7F01), b"");
        let answer = scene.hear(tuple, &request.finish(None, false).unwrap());
        assert_eq!(answer.error(), Some(code));
    }
}

#[test]
fn a_printed_server_names_nobody() {
    let mut scene = Scene::new();
    scene.allocated(ANA);
    let printed = format!("{:?}", scene.server);
    assert_eq!(printed, "Server { allocations: 1, .. }");
}

#[test]
fn a_stranger_that_sends_anything_else_hears_nothing_and_is_counted() {
    let mut scene = Scene::new();
    let tuple = scene.client(ANA).tuple;
    let before = scene.server.counters();
    let binding = scene
        .message(Class::Request, Method::BINDING)
        .finish(None, true)
        .unwrap();
    let mut damaged = binding.clone();
    *damaged.last_mut().unwrap() ^= 1;
    for malformed in [
        &b""[..],
        b"\x00",
        b"GET / HTTP/1.1",
        &[0xFF; 40],
        &binding[..19],
        &damaged,
    ] {
        scene.unheard(tuple, malformed);
    }
    assert!(Message::parse(&binding).is_ok());
    for (class, method) in [
        (Class::Success, Method::BINDING),
        (Class::Error, Method::ALLOCATE),
        (Class::Indication, Method::DATA),
        (Class::Indication, Method::SEND),
        (Class::Request, Method::new(0x00A)),
        (Class::Request, Method::SEND),
    ] {
        let bytes = scene.message(class, method).finish(None, false).unwrap();
        scene.unheard(tuple, &bytes);
    }
    let after = scene.server.counters();
    assert_eq!(after.dropped_malformed - before.dropped_malformed, 6);
    assert_eq!(after.dropped_unexpected - before.dropped_unexpected, 6);
    assert_eq!(after.requests_refused, before.requests_refused);
}
