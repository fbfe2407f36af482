// SPDX-License-Identifier: MIT OR Apache-2.0
//! A STUN message as a view over the bytes that hold it (RFC 8489 §5).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |0 0|     STUN Message Type     |         Message Length        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                         Magic Cookie                          |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                     Transaction ID (96 bits)                  |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

mod builder;

pub use builder::{EmitError, MessageBuilder};

use core::ops::Range;

use crate::attribute::{AttributeType, Attributes};
use crate::fingerprint;
use crate::integrity::{Integrity, IntegrityKey};
use crate::message_type::{Class, MessageType, Method};
use crate::transaction::TransactionId;

/// Length of the header, in bytes.
pub const HEADER_LEN: usize = 20;

/// What bytes 4 to 7 of every message are.
pub const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];

/// How many attributes a message may have before it is refused unread.
pub const MAX_ATTRIBUTES: usize = 64;

/// Why bytes are not a STUN message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Shorter than a header, or its two highest bits are not zero, or the cookie is missing.
    #[error("not a STUN message")]
    NotStun,
    /// The length field disagrees with the number of bytes, or is not a multiple of four.
    #[error("the length field does not fit the message")]
    Length,
    /// An attribute reaches beyond the end.
    #[error("an attribute reaches beyond the end of the message")]
    Attribute,
    /// More attributes than [`MAX_ATTRIBUTES`].
    #[error("too many attributes")]
    TooManyAttributes,
    /// A MESSAGE-INTEGRITY that is not 20 bytes long, or a MESSAGE-INTEGRITY-SHA256 that is not 32.
    #[error("a message integrity of the wrong length")]
    Integrity,
    /// A FINGERPRINT that is wrong, or not the last attribute.
    #[error("the fingerprint does not match")]
    Fingerprint,
}

/// A well-formed message: bounds, attribute list and fingerprint (if any) have been checked.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
    message_type: MessageType,
    id: TransactionId,
    /// Where the MESSAGE-INTEGRITY begins.
    sha1: Option<usize>,
    /// Where the MESSAGE-INTEGRITY-SHA256 begins.
    sha256: Option<usize>,
    has_fingerprint: bool,
}

impl<'a> Message<'a> {
    /// Reads the whole of `bytes` as one message.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let (header, list) = bytes
            .split_first_chunk::<HEADER_LEN>()
            .ok_or(ParseError::NotStun)?;
        let &[t0, t1, l0, l1, c0, c1, c2, c3, ref id @ ..] = header;
        if [c0, c1, c2, c3] != MAGIC_COOKIE {
            return Err(ParseError::NotStun);
        }
        let message_type =
            MessageType::parse(u16::from_be_bytes([t0, t1])).ok_or(ParseError::NotStun)?;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        if length != list.len() || length % 4 != 0 {
            return Err(ParseError::Length);
        }
        let mut message = Self {
            bytes,
            message_type,
            id: TransactionId::from_bytes(*id),
            sha1: None,
            sha256: None,
            has_fingerprint: false,
        };
        message.walk(list)?;
        Ok(message)
    }

    /// Class: request, indication, success or error.
    #[must_use]
    pub const fn class(&self) -> Class {
        self.message_type.class
    }

    /// Method, known or not.
    #[must_use]
    pub const fn method(&self) -> Method {
        self.message_type.method
    }

    /// Transaction id.
    #[must_use]
    pub const fn transaction_id(&self) -> TransactionId {
        self.id
    }

    /// How many bytes it has, the header included.
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        self.bytes.len()
    }

    /// The attributes that count: those before the first integrity and FINGERPRINT (RFC 8489 §14.5, §14.6).
    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        // Of the two, MESSAGE-INTEGRITY stands first.
        let end = match (self.sha1.or(self.sha256), self.has_fingerprint) {
            (Some(integrity), _) => integrity,
            (None, true) => self.bytes.len().saturating_sub(8),
            (None, false) => self.bytes.len(),
        };
        Attributes::new(self.bytes.get(HEADER_LEN..end).unwrap_or_default())
    }

    /// The value of the first attribute of this type (RFC 8489 §14: later ones are ignored).
    #[must_use]
    pub fn attribute(&self, kind: AttributeType) -> Option<&'a [u8]> {
        self.attributes()
            .find(|attribute| attribute.kind == kind)
            .map(|attribute| attribute.value)
    }

    /// Where in the message the value of the first attribute of this type stands, without padding.
    #[must_use]
    pub fn attribute_range(&self, kind: AttributeType) -> Option<Range<usize>> {
        let mut attributes = self.attributes();
        let end = HEADER_LEN + attributes.remaining();
        loop {
            let value = end - attributes.remaining() + 4;
            let attribute = attributes.next()?;
            if attribute.kind == kind {
                return Some(value..value + attribute.value.len());
            }
        }
    }

    /// The integrity that the message carries; of two, the one that counts (RFC 8489 §9.2.4).
    #[must_use]
    pub const fn integrity(&self) -> Option<Integrity> {
        match (self.sha1, self.sha256) {
            (_, Some(_)) => Some(Integrity::Sha256),
            (Some(_), None) => Some(Integrity::Sha1),
            (None, None) => None,
        }
    }

    /// Whether the message carries an integrity of either kind.
    #[must_use]
    pub const fn has_integrity(&self) -> bool {
        self.integrity().is_some()
    }

    /// Whether the message carries a (correct) FINGERPRINT.
    #[must_use]
    pub const fn has_fingerprint(&self) -> bool {
        self.has_fingerprint
    }

    /// Whether the message's [`Self::integrity`] was made with this key.
    #[must_use]
    pub fn verify_integrity(&self, key: &IntegrityKey) -> bool {
        let (Some(integrity), Some(offset)) = (self.integrity(), self.sha256.or(self.sha1)) else {
            return false;
        };
        let Some((before, rest)) = self.bytes.split_at_checked(offset) else {
            return false;
        };
        let value = rest.get(4..4 + integrity.value_len()).unwrap_or_default();
        let length =
            u16::try_from(offset + 4 + integrity.value_len() - HEADER_LEN).unwrap_or(u16::MAX);
        key.verify(integrity, before, length, value)
    }

    fn walk(&mut self, list: &'a [u8]) -> Result<(), ParseError> {
        let mut attributes = Attributes::new(list);
        let mut count = 0;
        let mut offset = HEADER_LEN;
        while let Some(attribute) = attributes.next() {
            count += 1;
            if count > MAX_ATTRIBUTES {
                return Err(ParseError::TooManyAttributes);
            }
            match attribute.kind {
                AttributeType::FINGERPRINT => {
                    self.check_fingerprint(offset, attribute.value)?;
                    if !attributes.is_exhausted() {
                        return Err(ParseError::Fingerprint);
                    }
                }
                kind => {
                    if let Some(integrity) = Integrity::of(kind) {
                        self.note_integrity(integrity, offset, attribute.value)?;
                    }
                }
            }
            offset = self.bytes.len() - attributes.remaining();
        }
        if attributes.is_exhausted() {
            Ok(())
        } else {
            Err(ParseError::Attribute)
        }
    }

    /// Of each kind the first one counts; a MESSAGE-INTEGRITY after the other kind does not (RFC 8489 §14.6).
    fn note_integrity(
        &mut self,
        integrity: Integrity,
        offset: usize,
        value: &[u8],
    ) -> Result<(), ParseError> {
        let slot = match integrity {
            _ if self.sha256.is_some() => return Ok(()),
            Integrity::Sha1 => &mut self.sha1,
            Integrity::Sha256 => &mut self.sha256,
        };
        if slot.is_some() {
            return Ok(());
        }
        if value.len() != integrity.value_len() {
            return Err(ParseError::Integrity);
        }
        *slot = Some(offset);
        Ok(())
    }

    fn check_fingerprint(&mut self, offset: usize, value: &[u8]) -> Result<(), ParseError> {
        let before = self.bytes.get(..offset).ok_or(ParseError::Fingerprint)?;
        let length = u16::try_from(offset + 8 - HEADER_LEN).map_err(|_| ParseError::Fingerprint)?;
        if fingerprint::compute(before, length) != value {
            return Err(ParseError::Fingerprint);
        }
        self.has_fingerprint = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
