// SPDX-License-Identifier: MIT OR Apache-2.0
//! The test vectors of RFC 5769.

use crate::address::XorAddress;
use crate::attribute::AttributeType;
use crate::integrity::IntegrityKey;
use crate::message::{Message, MessageBuilder};
use crate::message_type::{Class, Method};

const PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";

/// §2.1
const REQUEST: &str = "\
    00010058 2112a442 b7e7a701 bc34d686 fa87dfae 80220010 5354554e 20746573 7420636c 69656e74 \
    00240004 6e0001ff 80290008 932ff9b1 51263b36 00060009 6576746a 3a683676 59202020 \
    00080014 9aeaa70c bfd8cb56 781ef2b5 b2d3f249 c1b571a2 80280004 e57a3bcf";

/// §2.2
const RESPONSE_V4: &str = "\
    0101003c 2112a442 b7e7a701 bc34d686 fa87dfae 8022000b 74657374 20766563 746f7220 \
    00200008 0001a147 e112a643 00080014 2b91f599 fd9e90c3 8c7489f9 2af9ba53 f06be7d7 \
    80280004 c07d4c96";

/// §2.3
const RESPONSE_V6: &str = "\
    01010048 2112a442 b7e7a701 bc34d686 fa87dfae 8022000b 74657374 20766563 746f7220 \
    00200014 0002a147 0113a9fa a5d3f179 bc25f4b5 bed2b9d9 \
    00080014 a382954e 4be67bf1 1784c97c 8292c275 bfe3ed41 80280004 c8fb0b4c";

/// §2.4
const REQUEST_LONG_TERM: &str = "\
    00010060 2112a442 78ad3433 c6ad72c0 29da412e \
    00060012 e3839ee3 8388e383 aae38383 e382afe3 82b90000 \
    0015001c 662f2f34 39396b39 35346436 4f4c3334 6f4c3946 53547679 36347341 \
    0014000b 6578616d 706c652e 6f726700 \
    00080014 f6702465 6dd64a3e 02b8e071 2e85c9a2 8ca89666";

#[test]
fn the_sample_request_is_read_and_verified() {
    let bytes = bytes(REQUEST);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.class(), Class::Request);
    assert_eq!(message.method(), Method::BINDING);
    assert_eq!(
        message.attribute(AttributeType::SOFTWARE).unwrap(),
        b"STUN test client"
    );
    assert_eq!(
        message.attribute(AttributeType::USERNAME).unwrap(),
        b"evtj:h6vY"
    );
    assert_eq!(
        message.attribute(AttributeType(0x0024)).unwrap(),
        [0x6e, 0, 1, 0xff]
    );
    assert!(message.has_fingerprint());
    assert!(message.verify_integrity(&IntegrityKey::short_term(PASSWORD)));
    assert!(!message.verify_integrity(&IntegrityKey::short_term("another")));
}

#[test]
fn the_sample_responses_carry_the_mapped_address() {
    for (vector, expected) in [
        (RESPONSE_V4, "192.0.2.1:32853"),
        (RESPONSE_V6, "[2001:db8:1234:5678:11:2233:4455:6677]:32853"),
    ] {
        let bytes = bytes(vector);
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.class(), Class::Success);
        let value = message
            .attribute(AttributeType::XOR_MAPPED_ADDRESS)
            .unwrap();
        let address = XorAddress::parse(value, message.transaction_id()).unwrap();
        assert_eq!(address.to_string(), expected);
        assert!(message.verify_integrity(&IntegrityKey::short_term(PASSWORD)));
        assert!(message.has_fingerprint());
    }
}

#[test]
fn the_sample_request_with_a_long_term_credential_is_verified() {
    let bytes = bytes(REQUEST_LONG_TERM);
    let message = Message::parse(&bytes).unwrap();
    let username = core::str::from_utf8(message.attribute(AttributeType::USERNAME).unwrap());
    let key = IntegrityKey::long_term(username.unwrap(), "example.org", "TheMatrIX");
    assert!(message.verify_integrity(&key));
    assert!(!message.has_fingerprint());
}

#[test]
fn the_sample_request_with_a_long_term_credential_is_emitted_byte_for_byte() {
    // Of the four only this one pads with zeros, as we do.
    let expected = bytes(REQUEST_LONG_TERM);
    let sample = Message::parse(&expected).unwrap();
    let key = IntegrityKey::long_term("マトリックス", "example.org", "TheMatrIX");
    let mut message = MessageBuilder::new(sample.class(), sample.method(), sample.transaction_id());
    for attribute in sample.attributes() {
        message = message.attribute(attribute.kind, attribute.value);
    }
    assert_eq!(message.finish(Some(&key), false).unwrap(), expected);
}

#[test]
fn no_flipped_bit_of_the_sample_request_goes_unnoticed() {
    let original = bytes(REQUEST);
    let key = IntegrityKey::short_term(PASSWORD);
    for bit in 0..original.len() * 8 {
        let mut flipped = original.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        // A damaged type or length can hide the fingerprint, but then the integrity is gone too, unless
        // only the fingerprint itself was hit.
        if let Ok(message) = Message::parse(&flipped) {
            assert!(!message.has_fingerprint(), "bit {bit}");
            let is_in_fingerprint = bit / 8 >= original.len() - 8;
            assert_eq!(
                message.verify_integrity(&key),
                is_in_fingerprint,
                "bit {bit}"
            );
        }
    }
}

pub(crate) fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}
