// SPDX-License-Identifier: MIT OR Apache-2.0
//! The number that ties a response to its request (RFC 8489 §5).

use rand_core::Rng;

/// 96 random bits chosen by the sender of a request or indication.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId([u8; Self::LEN]);

impl TransactionId {
    /// Length on the wire, in bytes.
    pub const LEN: usize = 12;

    /// Wraps the twelve bytes as they stand in a message.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// Draws a fresh one.
    pub fn random(rng: &mut impl Rng) -> Self {
        let mut bytes = [0; Self::LEN];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// The one whose number is `count` higher.
    pub(crate) fn plus(self, count: usize) -> Self {
        let [a, b, c, d, low @ ..] = self.0;
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        let low = u64::from_be_bytes(low).wrapping_add(count).to_be_bytes();
        let mut bytes = [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0];
        for (to, from) in bytes.iter_mut().skip(4).zip(low) {
            *to = from;
        }
        Self(bytes)
    }

    /// The twelve bytes as they stand in a message.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}
