// SPDX-License-Identifier: MIT OR Apache-2.0
//! MESSAGE-INTEGRITY and MESSAGE-INTEGRITY-SHA256: an HMAC under a key that both sides derive
//! (RFC 8489 §9, §14.5, §14.6).

use core::fmt;

use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use sha1::Sha1;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::attribute::AttributeType;
use crate::fingerprint::update_with_length;
use crate::nonce::hmac_sha256;

/// Which attribute carries the HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Integrity {
    /// MESSAGE-INTEGRITY: what every client speaks.
    Sha1,
    /// MESSAGE-INTEGRITY-SHA256, never truncated: TURN does not allow it (RFC 8489 §14.6).
    Sha256,
}

impl Integrity {
    /// Length of the attribute's value, in bytes.
    #[must_use]
    pub const fn value_len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// The attribute.
    #[must_use]
    pub const fn attribute(self) -> AttributeType {
        match self {
            Self::Sha1 => AttributeType::MESSAGE_INTEGRITY,
            Self::Sha256 => AttributeType::MESSAGE_INTEGRITY_SHA256,
        }
    }

    pub(crate) fn of(kind: AttributeType) -> Option<Self> {
        [Self::Sha1, Self::Sha256]
            .into_iter()
            .find(|integrity| integrity.attribute() == kind)
    }
}

/// How a long-term password becomes a key (RFC 8489 §18.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PasswordAlgorithm {
    /// 0x0001: what a client that names none means.
    Md5,
    /// 0x0002.
    Sha256,
}

impl PasswordAlgorithm {
    /// The value of a PASSWORD-ALGORITHM: the number and no parameters.
    #[must_use]
    pub const fn emit(self) -> [u8; 4] {
        match self {
            Self::Md5 => [0, 1, 0, 0],
            Self::Sha256 => [0, 2, 0, 0],
        }
    }

    /// Reads the value of a PASSWORD-ALGORITHM.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        [Self::Md5, Self::Sha256]
            .into_iter()
            .find(|algorithm| algorithm.emit() == value)
    }
}

/// The key of a MESSAGE-INTEGRITY or MESSAGE-INTEGRITY-SHA256.
#[derive(Clone)]
pub struct IntegrityKey {
    key: Zeroizing<Vec<u8>>,
    negotiated: Option<PasswordAlgorithm>,
}

impl IntegrityKey {
    /// The key of a long-term credential, as clients have it that name no algorithm: MD5 over
    /// `username:realm:password` (RFC 8489 §9.2.2). What it signs bears a MESSAGE-INTEGRITY.
    ///
    /// The three must already be in the form that OpaqueString gives them; plain ASCII is.
    #[must_use]
    pub fn long_term(username: &str, realm: &str, password: &str) -> Self {
        let key = digest::<Md5>(&[username, realm, password]);
        Self::new(key, None)
    }

    /// The key of a long-term credential whose algorithm was negotiated (RFC 8489 §18.5.1). What it signs
    /// bears a MESSAGE-INTEGRITY-SHA256, whichever algorithm it was (§9.2.4).
    #[must_use]
    pub fn negotiated(
        algorithm: PasswordAlgorithm,
        username: &str,
        realm: &str,
        password: &str,
    ) -> Self {
        let parts = [username, realm, password];
        let key = match algorithm {
            PasswordAlgorithm::Md5 => digest::<Md5>(&parts),
            PasswordAlgorithm::Sha256 => digest::<Sha256>(&parts),
        };
        Self::new(key, Some(algorithm))
    }

    /// The key of a short-term credential: the password itself (RFC 8489 §9.1.1). What it signs bears a
    /// MESSAGE-INTEGRITY, as ICE has it (RFC 8445 §7.2.2).
    #[must_use]
    pub fn short_term(password: &str) -> Self {
        Self::new(password.as_bytes().to_vec(), None)
    }

    /// Which attribute a message signed with this key bears.
    #[must_use]
    pub const fn integrity(&self) -> Integrity {
        match self.negotiated {
            None => Integrity::Sha1,
            Some(_) => Integrity::Sha256,
        }
    }

    /// The algorithm that was negotiated, if any was.
    pub(crate) const fn negotiated_algorithm(&self) -> Option<PasswordAlgorithm> {
        self.negotiated
    }

    fn new(key: Vec<u8>, negotiated: Option<PasswordAlgorithm>) -> Self {
        Self {
            key: Zeroizing::new(key),
            negotiated,
        }
    }

    /// The value of the attribute that follows `before`, with the header saying `length`.
    pub(crate) fn compute(&self, integrity: Integrity, before: &[u8], length: u16) -> Value {
        let mut value = Value {
            bytes: [0; 32],
            len: integrity.value_len(),
        };
        match integrity {
            Integrity::Sha1 => {
                let mut mac = hmac_sha1(&self.key);
                update_with_length(before, length, |bytes| mac.update(bytes));
                value.fill(&mac.finalize().into_bytes());
            }
            Integrity::Sha256 => {
                let mut mac = hmac_sha256(&self.key);
                update_with_length(before, length, |bytes| mac.update(bytes));
                value.fill(&mac.finalize().into_bytes());
            }
        }
        value
    }

    /// Whether `value` is that value, compared without haste.
    pub(crate) fn verify(
        &self,
        integrity: Integrity,
        before: &[u8],
        length: u16,
        value: &[u8],
    ) -> bool {
        let computed = self.compute(integrity, before, length);
        computed.as_bytes().ct_eq(value).into()
    }
}

impl fmt::Debug for IntegrityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IntegrityKey(…)")
    }
}

/// The value of either attribute.
pub(crate) struct Value {
    bytes: [u8; 32],
    len: usize,
}

impl Value {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&self.bytes)
    }

    fn fill(&mut self, from: &[u8]) {
        for (to, from) in self.bytes.iter_mut().zip(from) {
            *to = *from;
        }
    }
}

/// The value of a USERHASH (RFC 8489 §14.4).
#[must_use]
pub fn userhash(username: &str, realm: &str) -> [u8; 32] {
    let mut sha256 = Sha256::new();
    for part in [username, ":", realm] {
        sha256.update(part.as_bytes());
    }
    sha256.finalize().into()
}

/// A digest over the parts, with colons between them.
fn digest<D: Digest>(parts: &[&str; 3]) -> Vec<u8> {
    let [username, realm, password] = parts;
    let mut digest = D::new();
    for part in [username, ":", realm, ":", password] {
        digest.update(part.as_bytes());
    }
    digest.finalize().to_vec()
}

#[expect(
    clippy::expect_used,
    reason = "HMAC takes keys of any length (RFC 2104 §2)"
)]
pub(crate) fn hmac_sha1(key: &[u8]) -> Hmac<Sha1> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_the_rfcs_example_is_the_rfcs() {
        // RFC 8489 §9.2.2.
        let key = IntegrityKey::long_term("user", "realm", "pass");
        let hex: String = key.key.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "8493fbc53ba582fb4c044c456bdc40eb");
    }

    #[test]
    fn the_sha256_key_is_what_others_compute() {
        // printf %s user:realm:pass | sha256sum
        let key = IntegrityKey::negotiated(PasswordAlgorithm::Sha256, "user", "realm", "pass");
        let hex: String = key.key.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, SHA256_OF_USER_REALM_PASS);
    }

    #[test]
    fn an_algorithm_with_parameters_or_an_unknown_number_is_none() {
        assert_eq!(
            PasswordAlgorithm::parse(&[0, 1, 0, 0]),
            Some(PasswordAlgorithm::Md5)
        );
        assert_eq!(
            PasswordAlgorithm::parse(&[0, 2, 0, 0]),
            Some(PasswordAlgorithm::Sha256)
        );
        for value in [
            &[0, 0, 0, 0][..],
            &[0, 3, 0, 0],
            &[0, 2, 0, 1],
            &[0, 2, 0, 4, 1, 2, 3, 4],
            &[0, 2],
            &[],
        ] {
            assert_eq!(PasswordAlgorithm::parse(value), None);
        }
    }

    #[test]
    fn nothing_secret_can_be_printed() {
        let key = IntegrityKey::short_term("hush");
        assert_eq!(format!("{key:?}"), "IntegrityKey(…)");
    }

    const SHA256_OF_USER_REALM_PASS: &str =
        "07e934117abd40836e7c6329b54731b2b2d2a5f9a71f544922d75e0730d8251b";
}
