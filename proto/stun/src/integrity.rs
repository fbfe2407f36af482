// SPDX-License-Identifier: MIT OR Apache-2.0
//! MESSAGE-INTEGRITY: HMAC-SHA1 under a key that both sides derive (RFC 8489 §9, §14.5).

use core::fmt;

use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use sha1::Sha1;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::fingerprint::update_with_length;

/// Length of the attribute's value, in bytes.
pub const INTEGRITY_LEN: usize = 20;

/// The key of a MESSAGE-INTEGRITY.
#[derive(Clone)]
pub struct IntegrityKey(Zeroizing<Vec<u8>>);

impl IntegrityKey {
    /// The key of a long-term credential: MD5 over `username:realm:password` (RFC 8489 §9.2.2).
    ///
    /// The three must already be in the form that SASLprep gives them; plain ASCII is.
    #[must_use]
    pub fn long_term(username: &str, realm: &str, password: &str) -> Self {
        let mut md5 = Md5::new();
        for part in [username, ":", realm, ":", password] {
            md5.update(part.as_bytes());
        }
        Self(Zeroizing::new(md5.finalize().to_vec()))
    }

    /// The key of a short-term credential: the password itself (RFC 8489 §9.1.1).
    #[must_use]
    pub fn short_term(password: &str) -> Self {
        Self(Zeroizing::new(password.as_bytes().to_vec()))
    }

    /// The value of a MESSAGE-INTEGRITY that follows `before`, with the header saying `length`.
    pub(crate) fn compute(&self, before: &[u8], length: u16) -> [u8; INTEGRITY_LEN] {
        let mut mac = hmac_sha1(&self.0);
        update_with_length(before, length, |bytes| mac.update(bytes));
        mac.finalize().into_bytes().into()
    }

    /// Whether `value` is that value, compared without haste.
    pub(crate) fn verify(&self, before: &[u8], length: u16, value: &[u8]) -> bool {
        self.compute(before, length).ct_eq(value).into()
    }
}

impl fmt::Debug for IntegrityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IntegrityKey(…)")
    }
}

#[expect(
    clippy::expect_used,
    reason = "HMAC takes keys of any length (RFC 2104 §2)"
)]
pub(crate) fn hmac_sha1(key: &[u8]) -> Hmac<Sha1> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}
