// SPDX-License-Identifier: MIT OR Apache-2.0
//! Clients that know RFC 8489's password algorithms, those that do not, and whoever stands between.

use super::scene::{Answer, Client, REALM, Scene, config, udp_transport};
use crate::attribute::AttributeType;
use crate::credential::{Secrets, SharedSecret};
use crate::error_code::ErrorCode;
use crate::integrity::{Integrity, IntegrityKey, PasswordAlgorithm, userhash};
use crate::message::MessageBuilder;
use crate::message_type::{Class, Method};
use crate::nonce::NONCE_COOKIE;

const ANA: &str = "192.0.2.1:1000";
const OFFERED: [u8; 8] = [0, 2, 0, 0, 0, 1, 0, 0];

#[test]
fn a_challenge_offers_sha256_before_md5_and_its_nonce_says_that_it_does() {
    let mut scene = Scene::new();
    let tuple = scene.client(ANA).tuple;
    let request = scene.message(Class::Request, Method::ALLOCATE);
    let answer = scene.hear(tuple, &request.finish(None, false).unwrap());
    assert_eq!(answer.error(), Some(ErrorCode::UNAUTHENTICATED));
    assert_eq!(algorithms(&answer), OFFERED);
    // RFC 8489 §9.2 and §18.1: bit 0 is set, bit 1 is not.
    assert!(answer.text(AttributeType::NONCE).starts_with(NONCE_COOKIE));
    assert_eq!(NONCE_COOKIE, "obMatJos2AAAB");
    for absent in [
        AttributeType::USERNAME,
        AttributeType::USERHASH,
        AttributeType::SOFTWARE,
    ] {
        assert_eq!(answer.message().attribute(absent), None);
    }
}

#[test]
fn every_challenge_for_whatever_reason_offers_the_same() {
    let mut scene = Scene::new();
    let mut ana = scene.client(ANA);
    ana.nonce = "stale".into();
    let stale = scene.request(&ana, Method::ALLOCATE, udp_transport);
    assert_eq!(stale.error(), Some(ErrorCode::STALE_NONCE));
    assert_eq!(algorithms(&stale), OFFERED);
    ana.nonce = stale.text(AttributeType::NONCE);
    ana.credential.password.push('x');
    let wrong = scene.request(&ana, Method::ALLOCATE, udp_transport);
    assert_eq!(wrong.error(), Some(ErrorCode::UNAUTHENTICATED));
    assert_eq!(algorithms(&wrong), OFFERED);
}

#[test]
fn who_negotiates_is_answered_with_sha256_whichever_algorithm_it_chose() {
    for algorithm in [PasswordAlgorithm::Sha256, PasswordAlgorithm::Md5] {
        let mut scene = Scene::new();
        let ana = scene.client(ANA);
        let key = negotiated(&ana, algorithm);
        for method in [Method::ALLOCATE, Method::REFRESH] {
            let request = negotiating(&mut scene, &ana, method, algorithm);
            let answer = scene.hear(ana.tuple, &request.finish(Some(&key), true).unwrap());
            assert_eq!(answer.error(), None);
            assert_eq!(answer.message().integrity(), Some(Integrity::Sha256));
            assert!(answer.message().verify_integrity(&key));
            assert!(answer.message().has_fingerprint());
            for absent in [
                AttributeType::REALM,
                AttributeType::NONCE,
                AttributeType::USERNAME,
            ] {
                assert_eq!(answer.message().attribute(absent), None);
            }
        }
    }
}

#[test]
fn each_request_of_an_allocation_is_answered_as_it_was_negotiated_itself() {
    let mut scene = Scene::new();
    let ana = scene.client(ANA);
    scene.allocate(&ana);
    for algorithm in [
        Some(PasswordAlgorithm::Md5),
        None,
        Some(PasswordAlgorithm::Sha256),
        None,
    ] {
        let (request, key) = match algorithm {
            Some(algorithm) => (
                negotiating(&mut scene, &ana, Method::REFRESH, algorithm),
                negotiated(&ana, algorithm),
            ),
            None => (identified(&mut scene, &ana, Method::REFRESH), ana.key()),
        };
        let answer = scene.hear(ana.tuple, &request.finish(Some(&key), false).unwrap());
        assert_eq!(answer.error(), None);
        assert_eq!(answer.message().integrity(), Some(key.integrity()));
        assert!(answer.message().verify_integrity(&key));
    }
}

#[test]
fn who_negotiates_is_refused_with_sha256_too() {
    let mut scene = Scene::new();
    let ana = scene.client(ANA);
    let algorithm = PasswordAlgorithm::Sha256;
    let request = negotiating(&mut scene, &ana, Method::REFRESH, algorithm);
    let key = negotiated(&ana, algorithm);
    let answer = scene.hear(ana.tuple, &request.finish(Some(&key), false).unwrap());
    assert_eq!(answer.error(), Some(ErrorCode::ALLOCATION_MISMATCH));
    assert!(answer.message().verify_integrity(&key));
}

#[test]
fn who_negotiates_nothing_is_answered_with_sha1_even_to_sha256() {
    // RFC 8489 §9.2.4: processed as though PASSWORD-ALGORITHM were MD5.
    let mut scene = Scene::new();
    let ana = scene.client(ANA);
    for (sent, method) in [
        (ana.key(), Method::ALLOCATE),
        (negotiated(&ana, PasswordAlgorithm::Md5), Method::REFRESH),
    ] {
        let request = identified(&mut scene, &ana, method);
        let answer = scene.hear(ana.tuple, &request.finish(Some(&sent), false).unwrap());
        assert_eq!(answer.error(), None);
        assert_eq!(answer.message().integrity(), Some(Integrity::Sha1));
        assert!(answer.is_authenticated_by(&ana));
    }
}

#[test]
fn a_negotiation_that_is_not_what_was_offered_is_a_bad_request() {
    let mut scene = Scene::new();
    let ana = scene.client(ANA);
    let key = negotiated(&ana, PasswordAlgorithm::Sha256);
    let sha256 = &PasswordAlgorithm::Sha256.emit()[..];
    let md5 = &PasswordAlgorithm::Md5.emit()[..];
    for (chosen, offered) in [
        (Some(sha256), None),
        (None, Some(&OFFERED[..])),
        // The better one was taken out, or put last, on the way.
        (Some(md5), Some(md5)),
        (Some(md5), Some(&[0, 1, 0, 0, 0, 2, 0, 0][..])),
        (Some(sha256), Some(&[][..])),
        // One that was not offered, and ones that are none.
        (Some(&[0, 3, 0, 0][..]), Some(&OFFERED[..])),
        (Some(&[0, 2, 0, 4, 1, 1, 1, 1][..]), Some(&OFFERED[..])),
        (Some(&[][..]), Some(&OFFERED[..])),
    ] {
        let mut request = identified(&mut scene, &ana, Method::ALLOCATE);
        for (kind, value) in [
            (AttributeType::PASSWORD_ALGORITHM, chosen),
            (AttributeType::PASSWORD_ALGORITHMS, offered),
        ] {
            if let Some(value) = value {
                request = request.attribute(kind, value);
            }
        }
        let answer = scene.hear(ana.tuple, &request.finish(Some(&key), false).unwrap());
        assert_eq!(answer.error(), Some(ErrorCode::BAD_REQUEST));
        assert!(!answer.message().has_integrity());
        for absent in [AttributeType::REALM, AttributeType::NONCE] {
            assert_eq!(answer.message().attribute(absent), None);
        }
    }
    assert!(!scene.server.has_allocation(&ana.tuple));
}

#[test]
fn who_takes_the_feature_bit_out_of_the_nonce_gains_nothing() {
    let mut scene = Scene::new();
    let mut ana = scene.client(ANA);
    for cookie in ["obMatJos2AAAA", "obMatJos2AAAC", "obMatJos2gAAA", ""] {
        let rest = ana.nonce.strip_prefix(NONCE_COOKIE).unwrap().to_owned();
        let mut bid_down = ana.clone();
        bid_down.nonce = format!("{cookie}{rest}");
        let answer = scene.request(&bid_down, Method::ALLOCATE, udp_transport);
        assert_eq!(answer.error(), Some(ErrorCode::STALE_NONCE), "{cookie}");
        ana.nonce = answer.text(AttributeType::NONCE);
        assert!(ana.nonce.starts_with(NONCE_COOKIE));
    }
    scene.allocate(&ana);
}

#[test]
fn of_two_integrities_sha256_is_the_one_that_counts() {
    let mut scene = Scene::new();
    let ana = scene.client(ANA);
    let algorithm = PasswordAlgorithm::Sha256;
    let wrong = IntegrityKey::negotiated(algorithm, "x", "x", "x");
    for (key, expected) in [
        (wrong, Some(ErrorCode::UNAUTHENTICATED)),
        (negotiated(&ana, algorithm), None),
    ] {
        let request = negotiating(&mut scene, &ana, Method::ALLOCATE, algorithm);
        // A MESSAGE-INTEGRITY before it, right only in its length.
        let request = request.attribute(AttributeType::MESSAGE_INTEGRITY, &[7; 20]);
        let answer = scene.hear(ana.tuple, &request.finish(Some(&key), false).unwrap());
        assert_eq!(answer.error(), expected);
    }
}

#[test]
fn a_userhash_names_nobody_here() {
    let mut scene = Scene::new();
    let ana = scene.client(ANA);
    let algorithm = PasswordAlgorithm::Sha256;
    let hash = userhash(&ana.credential.username, REALM);
    let request = udp_transport(scene.message(Class::Request, Method::ALLOCATE))
        .attribute(AttributeType::USERHASH, &hash)
        .attribute(AttributeType::REALM, REALM.as_bytes())
        .attribute(AttributeType::NONCE, ana.nonce.as_bytes())
        .attribute(AttributeType::PASSWORD_ALGORITHM, &algorithm.emit())
        .attribute(AttributeType::PASSWORD_ALGORITHMS, &OFFERED);
    let key = negotiated(&ana, algorithm);
    let answer = scene.hear(ana.tuple, &request.finish(Some(&key), false).unwrap());
    assert_eq!(answer.error(), Some(ErrorCode::UNAUTHENTICATED));
    assert_eq!(algorithms(&answer), OFFERED);
}

#[test]
fn credentials_of_the_previous_secret_are_good_and_those_before_it_are_not() {
    let secret = |text: &str| SharedSecret::new(text.as_bytes());
    let client_of = |text: &str| {
        let mut other = config();
        other.secrets = Secrets::only(secret(text));
        Scene::with(other).client(ANA)
    };
    let mut rotated = config();
    rotated.secrets = Secrets {
        current: secret("new"),
        previous: Some(secret("old")),
    };
    for (text, expected) in [
        ("new", None),
        ("old", None),
        ("older", Some(ErrorCode::UNAUTHENTICATED)),
    ] {
        let mut scene = Scene::with(rotated.clone());
        let mut ana = client_of(text);
        scene.renew_nonce(&mut ana);
        let answer = scene.request(&ana, Method::ALLOCATE, udp_transport);
        assert_eq!(answer.error(), expected, "{text}");
        let mut ben = client_of(text);
        ben.tuple.client = "192.0.2.2:1000".parse().unwrap();
        scene.renew_nonce(&mut ben);
        let algorithm = PasswordAlgorithm::Sha256;
        let request = negotiating(&mut scene, &ben, Method::ALLOCATE, algorithm);
        let key = negotiated(&ben, algorithm);
        let answer = scene.hear(ben.tuple, &request.finish(Some(&key), false).unwrap());
        assert_eq!(answer.error(), expected, "{text}");
    }
}

fn algorithms(answer: &Answer) -> Vec<u8> {
    let message = answer.message();
    let value = message.attribute(AttributeType::PASSWORD_ALGORITHMS);
    value.unwrap_or_default().to_vec()
}

fn negotiated(client: &Client, algorithm: PasswordAlgorithm) -> IntegrityKey {
    let credential = &client.credential;
    IntegrityKey::negotiated(algorithm, &credential.username, REALM, &credential.password)
}

/// With username, realm and nonce.
fn identified(scene: &mut Scene, client: &Client, method: Method) -> MessageBuilder {
    let username = client.credential.username.as_bytes();
    let message = scene.message(Class::Request, method);
    let message = match method {
        Method::ALLOCATE => udp_transport(message),
        _ => message,
    };
    message
        .attribute(AttributeType::USERNAME, username)
        .attribute(AttributeType::REALM, REALM.as_bytes())
        .attribute(AttributeType::NONCE, client.nonce.as_bytes())
}

fn negotiating(
    scene: &mut Scene,
    client: &Client,
    method: Method,
    algorithm: PasswordAlgorithm,
) -> MessageBuilder {
    identified(scene, client, method)
        .attribute(AttributeType::PASSWORD_ALGORITHM, &algorithm.emit())
        .attribute(AttributeType::PASSWORD_ALGORITHMS, &OFFERED)
}
