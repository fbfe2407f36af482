// SPDX-License-Identifier: MIT OR Apache-2.0
//! The test vector of RFC 8489 appendix B.1, as erratum 6268 corrects it.

use crate::attribute::AttributeType;
use crate::integrity::{Integrity, IntegrityKey, PasswordAlgorithm, userhash};
use crate::message::{Message, MessageBuilder};
use crate::rfc5769::bytes;

const USERNAME: &str = "マトリックス";
const REALM: &str = "example.org";
const PASSWORD: &str = "TheMatrIX";

const REQUEST: &str = "\
    00010090 2112a442 78ad3433 c6ad72c0 29da412e \
    001e0020 4a3cf38f ef6992bd a952c678 0417da0f 24819415 569e60b2 05c46e41 407f1704 \
    00150029 6f624d61 744a6f73 32414141 43662f2f 3439396b 39353464 364f4c33 346f4c39 46535476 79363473 \
    41000000 \
    0014000b 6578616d 706c652e 6f726700 \
    001d0004 00020000 \
    001c0020 b5c7bf00 5b6c52a2 1c51c5e8 92f81924 136296cb 927c4314 9309278c c6518e65";

fn key() -> IntegrityKey {
    IntegrityKey::negotiated(PasswordAlgorithm::Sha256, USERNAME, REALM, PASSWORD)
}

#[test]
fn the_sample_request_with_sha256_is_read_and_verified() {
    let bytes = bytes(REQUEST);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.integrity(), Some(Integrity::Sha256));
    assert!(message.verify_integrity(&key()));
    let md5 = IntegrityKey::negotiated(PasswordAlgorithm::Md5, USERNAME, REALM, PASSWORD);
    assert!(!message.verify_integrity(&md5));
    let hash = message.attribute(AttributeType::USERHASH).unwrap();
    assert_eq!(hash, userhash(USERNAME, REALM));
    let chosen = message
        .attribute(AttributeType::PASSWORD_ALGORITHM)
        .unwrap();
    assert_eq!(
        PasswordAlgorithm::parse(chosen),
        Some(PasswordAlgorithm::Sha256)
    );
}

#[test]
fn the_sample_request_with_sha256_is_emitted_byte_for_byte() {
    let expected = bytes(REQUEST);
    let sample = Message::parse(&expected).unwrap();
    let mut message = MessageBuilder::new(sample.class(), sample.method(), sample.transaction_id());
    for attribute in sample.attributes() {
        message = message.attribute(attribute.kind, attribute.value);
    }
    assert_eq!(message.finish(Some(&key()), false).unwrap(), expected);
}

#[test]
fn no_flipped_bit_of_the_sample_request_goes_unnoticed() {
    let original = bytes(REQUEST);
    for bit in 0..original.len() * 8 {
        let mut flipped = original.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        if let Ok(message) = Message::parse(&flipped) {
            assert!(!message.verify_integrity(&key()), "bit {bit}");
        }
    }
}
