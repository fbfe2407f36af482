// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writes a message, attribute by attribute.

use core::net::{IpAddr, SocketAddr};

use super::{HEADER_LEN, MAGIC_COOKIE};
use crate::address::{AddressFamily, XorAddress};
use crate::attribute::{AttributeType, padded};
use crate::fingerprint;
use crate::integrity::IntegrityKey;
use crate::message_type::{Class, MessageType, Method};
use crate::transaction::TransactionId;

/// Why a message cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmitError {
    /// The attributes are longer than the 65,535 bytes that the length field can say.
    #[error("the message would be too long")]
    TooLong,
}

/// A message being written.
///
/// Attributes are appended in the order of the calls; the integrity and the fingerprint come with `finish`.
#[derive(Clone, Debug)]
pub struct MessageBuilder {
    bytes: Vec<u8>,
    id: TransactionId,
}

impl MessageBuilder {
    /// Begins a message.
    #[must_use]
    pub fn new(class: Class, method: Method, id: TransactionId) -> Self {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(&MessageType { class, method }.emit().to_be_bytes());
        bytes.extend_from_slice(&[0, 0]);
        bytes.extend_from_slice(&MAGIC_COOKIE);
        bytes.extend_from_slice(id.as_bytes());
        Self { bytes, id }
    }

    /// Appends an attribute. A value that can be in no message is noticed by `finish`.
    #[must_use]
    pub fn attribute(mut self, kind: AttributeType, value: &[u8]) -> Self {
        let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
        self.bytes.extend_from_slice(&kind.0.to_be_bytes());
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(value);
        // Zeroed: padding must not leak what the buffer held before (RFC 8489 §14).
        self.bytes.resize(padded(self.bytes.len()), 0);
        self
    }

    /// Appends an address in clear (RFC 8489 §14.1).
    #[must_use]
    pub fn address(self, kind: AttributeType, address: SocketAddr) -> Self {
        let [p0, p1] = address.port().to_be_bytes();
        let head = [0, AddressFamily::of(address.ip()).number(), p0, p1];
        match address.ip() {
            IpAddr::V4(ip) => self.attribute(kind, &[head, ip.octets()].concat()),
            IpAddr::V6(ip) => self.attribute(kind, &[&head[..], &ip.octets()].concat()),
        }
    }

    /// Appends an address, XORed.
    #[must_use]
    pub fn xor_address(self, kind: AttributeType, address: SocketAddr) -> Self {
        let value = XorAddress::emit(address, self.id);
        self.attribute(kind, value.as_bytes())
    }

    /// Appends an address in clear.
    #[must_use]
    pub fn plain_address(self, kind: AttributeType, address: SocketAddr) -> Self {
        let [p0, p1] = address.port().to_be_bytes();
        let family = AddressFamily::of(address.ip()).number();
        match address.ip() {
            IpAddr::V4(ip) => {
                let [a, b, c, d] = ip.octets();
                self.attribute(kind, &[0, family, p0, p1, a, b, c, d])
            }
            IpAddr::V6(ip) => {
                let mut value = [0; 20];
                let (head, tail) = value.split_at_mut(4);
                head.copy_from_slice(&[0, family, p0, p1]);
                tail.copy_from_slice(&ip.octets());
                self.attribute(kind, &value)
            }
        }
    }

    /// Ends the message, with the integrity that the key is for, if there is one, and a FINGERPRINT if wished.
    pub fn finish(
        mut self,
        key: Option<&IntegrityKey>,
        with_fingerprint: bool,
    ) -> Result<Vec<u8>, EmitError> {
        if let Some(key) = key {
            let integrity = key.integrity();
            let length = self.length_after(4 + integrity.value_len())?;
            let value = key.compute(integrity, &self.bytes, length);
            self = self.attribute(integrity.attribute(), value.as_bytes());
        }
        if with_fingerprint {
            let length = self.length_after(8)?;
            let value = fingerprint::compute(&self.bytes, length);
            self = self.attribute(AttributeType::FINGERPRINT, &value);
        }
        let length = self.length_after(0)?.to_be_bytes();
        for (byte, value) in self.bytes.iter_mut().skip(2).zip(length) {
            *byte = value;
        }
        Ok(self.bytes)
    }

    /// What the length field must say once `more` bytes are appended.
    fn length_after(&self, more: usize) -> Result<u16, EmitError> {
        u16::try_from(self.bytes.len() - HEADER_LEN + more).map_err(|_| EmitError::TooLong)
    }
}
