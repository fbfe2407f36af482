// SPDX-License-Identifier: MIT OR Apache-2.0

use proptest::prelude::*;

use super::*;
use crate::integrity::PasswordAlgorithm;

#[test]
fn a_message_must_be_as_long_as_it_says() {
    let bytes = binding().finish(None, false).unwrap();
    assert!(Message::parse(&bytes).is_ok());
    let mut longer = bytes.clone();
    longer.extend([0; 4]);
    assert_eq!(Message::parse(&longer).unwrap_err(), ParseError::Length);
    assert_eq!(
        Message::parse(&bytes[..19]).unwrap_err(),
        ParseError::NotStun
    );
    let mut odd = bytes;
    odd[3] = 3;
    odd.extend([0; 3]);
    assert_eq!(Message::parse(&odd).unwrap_err(), ParseError::Length);
}

#[test]
fn an_attribute_beyond_the_end_is_refused() {
    let mut bytes = binding()
        .attribute(AttributeType::SOFTWARE, b"abcd")
        .finish(None, false)
        .unwrap();
    bytes[HEADER_LEN + 3] = 5;
    assert_eq!(Message::parse(&bytes).unwrap_err(), ParseError::Attribute);
}

#[test]
fn a_message_without_the_cookie_is_not_stun() {
    let mut bytes = binding().finish(None, false).unwrap();
    bytes[4] ^= 1;
    assert_eq!(Message::parse(&bytes).unwrap_err(), ParseError::NotStun);
}

#[test]
fn more_attributes_than_the_bound_are_refused() {
    let with = |count| {
        let message = (0..count).fold(binding(), |message, _| {
            message.attribute(AttributeType::SOFTWARE, b"")
        });
        message.finish(None, false).unwrap()
    };
    assert!(Message::parse(&with(MAX_ATTRIBUTES)).is_ok());
    let refused = Message::parse(&with(MAX_ATTRIBUTES + 1)).unwrap_err();
    assert_eq!(refused, ParseError::TooManyAttributes);
}

#[test]
fn an_integrity_of_the_wrong_length_is_refused() {
    let bytes = binding()
        .attribute(AttributeType::MESSAGE_INTEGRITY, &[0; 16])
        .finish(None, false)
        .unwrap();
    assert_eq!(Message::parse(&bytes).unwrap_err(), ParseError::Integrity);
}

#[test]
fn a_truncated_sha256_integrity_is_refused() {
    // RFC 8489 §14.6: only where a usage allows it, and TURN does not.
    for length in [0, 16, 28, 31, 33, 36] {
        let bytes = binding()
            .attribute(AttributeType::MESSAGE_INTEGRITY_SHA256, &vec![0; length])
            .finish(None, false)
            .unwrap();
        assert_eq!(Message::parse(&bytes).unwrap_err(), ParseError::Integrity);
    }
}

#[test]
fn an_integrity_after_the_other_kind_counts_only_in_the_right_order() {
    let negotiated = IntegrityKey::negotiated(PasswordAlgorithm::Sha256, "u", "r", "p");
    let both = binding()
        .attribute(AttributeType::MESSAGE_INTEGRITY, &[1; 20])
        .finish(Some(&negotiated), true)
        .unwrap();
    let message = Message::parse(&both).unwrap();
    assert_eq!(message.integrity(), Some(Integrity::Sha256));
    assert!(message.verify_integrity(&negotiated));
    assert_eq!(message.attributes().count(), 0);
    // The other way round the second is one of the attributes that anyone could have added.
    let short = IntegrityKey::short_term("key");
    let swapped = binding()
        .attribute(AttributeType::MESSAGE_INTEGRITY_SHA256, &[1; 32])
        .finish(Some(&short), true)
        .unwrap();
    let message = Message::parse(&swapped).unwrap();
    assert_eq!(message.integrity(), Some(Integrity::Sha256));
    assert!(!message.verify_integrity(&short));
    assert_eq!(message.attributes().count(), 0);
}

#[test]
fn nothing_may_follow_the_fingerprint() {
    let mut bytes = binding().finish(None, true).unwrap();
    bytes.extend([0x80, 0x22, 0, 0]);
    bytes[3] += 4;
    assert_eq!(Message::parse(&bytes).unwrap_err(), ParseError::Fingerprint);
}

#[test]
fn what_follows_the_integrity_does_not_count() {
    // RFC 8489 §14.5: it could have been added by anyone.
    let key = IntegrityKey::short_term("key");
    let mut bytes = binding().finish(Some(&key), false).unwrap();
    bytes.extend([0x00, 0x0D, 0, 4, 0, 0, 0, 9]);
    bytes[3] += 8;
    let message = Message::parse(&bytes).unwrap();
    assert!(message.verify_integrity(&key));
    assert_eq!(message.attribute(AttributeType::LIFETIME), None);
}

#[test]
fn a_message_that_cannot_be_is_not_emitted() {
    let refused = binding()
        .attribute(AttributeType::DATA, &[0; 65_536])
        .finish(None, false);
    assert_eq!(refused, Err(EmitError::TooLong));
    let key = IntegrityKey::short_term("key");
    let full = binding().attribute(AttributeType::DATA, &[0; 65_528]);
    assert!(full.clone().finish(None, false).is_ok());
    assert!(full.clone().finish(Some(&key), false).is_err());
    assert!(full.finish(None, true).is_err());
}

#[derive(Clone, Debug)]
struct Sample {
    class: Class,
    method: u16,
    id: [u8; 12],
    attributes: Vec<(u16, Vec<u8>)>,
    key: Option<String>,
    fingerprint: bool,
}

fn sample() -> impl Strategy<Value = Sample> {
    let class = prop_oneof![
        Just(Class::Request),
        Just(Class::Indication),
        Just(Class::Success),
        Just(Class::Error)
    ];
    let kind = any::<u16>().prop_filter("written by finish", |kind| {
        ![0x0008, 0x001C, 0x8028].contains(kind)
    });
    let attribute = (kind, prop::collection::vec(any::<u8>(), 0..80));
    (
        class,
        0u16..0x1000,
        any::<[u8; 12]>(),
        prop::collection::vec(attribute, 0..20),
        prop::option::of("[a-z]{1,20}"),
        any::<bool>(),
    )
        .prop_map(|(class, method, id, attributes, key, fingerprint)| Sample {
            class,
            method,
            id,
            attributes,
            key,
            fingerprint,
        })
}

fn emit(sample: &Sample) -> Vec<u8> {
    let id = TransactionId::from_bytes(sample.id);
    let message = sample.attributes.iter().fold(
        MessageBuilder::new(sample.class, Method::new(sample.method), id),
        |message, (kind, value)| message.attribute(AttributeType(*kind), value),
    );
    let key = sample.key.as_deref().map(IntegrityKey::short_term);
    message.finish(key.as_ref(), sample.fingerprint).unwrap()
}

proptest! {
    #[test]
    fn what_is_emitted_is_what_is_parsed(sample in sample()) {
        let bytes = emit(&sample);
        let message = Message::parse(&bytes).unwrap();
        prop_assert_eq!(message.class(), sample.class);
        prop_assert_eq!(message.method(), Method::new(sample.method));
        prop_assert_eq!(*message.transaction_id().as_bytes(), sample.id);
        prop_assert_eq!(message.has_fingerprint(), sample.fingerprint);
        prop_assert_eq!(message.has_integrity(), sample.key.is_some());
        if let Some(key) = &sample.key {
            prop_assert!(message.verify_integrity(&IntegrityKey::short_term(key)));
            prop_assert!(!message.verify_integrity(&IntegrityKey::short_term("KEY")));
        }
        let attributes: Vec<_> = message
            .attributes()
            .map(|attribute| (attribute.kind.0, attribute.value.to_vec()))
            .collect();
        prop_assert_eq!(&attributes, &sample.attributes);
        for (kind, _) in &attributes {
            let kind = AttributeType(*kind);
            let range = message.attribute_range(kind).unwrap();
            prop_assert_eq!(&bytes[range], message.attribute(kind).unwrap());
        }
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        read_everything(&bytes);
    }

    #[test]
    fn no_damage_to_a_message_makes_the_parser_panic(
        sample in sample(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..10),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = emit(&sample);
        for (index, byte) in damage {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        read_everything(&bytes);
        bytes.truncate(cut.index(bytes.len()));
        read_everything(&bytes);
    }
}

fn read_everything(bytes: &[u8]) {
    if let Ok(message) = Message::parse(bytes) {
        assert!(message.attributes().count() <= MAX_ATTRIBUTES);
        assert!(!message.verify_integrity(&IntegrityKey::short_term("a key nobody has")));
        assert_eq!(
            message.attribute_range(AttributeType::DATA).is_some(),
            message.attribute(AttributeType::DATA).is_some()
        );
    }
}

fn binding() -> MessageBuilder {
    let id = TransactionId::from_bytes(*b"abcdefghijkl");
    MessageBuilder::new(Class::Request, Method::BINDING, id)
}
