// SPDX-License-Identifier: MIT OR Apache-2.0
//! (skeleton)
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// The key that seals envelopes between two people in one epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderKey(Secret<32>);

impl HeaderKey {
    /// skeleton
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Secret::from_bytes(bytes))
    }
    /// skeleton
    pub const fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

/// skeleton
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// An MLS PrivateMessage.
    Mls = 1,
    /// A message of the quick channel.
    Quick = 2,
}

/// The longest body an envelope carries, in bytes.
pub const MAX_BODY: usize = 256 * 1024;

/// skeleton
pub fn seal(
    key: &HeaderKey,
    mailbox: &[u8; 32],
    kind: Kind,
    sequence: u64,
    body: &[u8],
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Vec<u8>, SealError> {
    let _ = (key, mailbox, kind, sequence, body, rng);
    todo!()
}

/// skeleton
pub fn mailbox(envelope: &[u8]) -> Option<[u8; 32]> {
    envelope.first_chunk().copied()
}

/// skeleton
#[derive(Debug, PartialEq, Eq)]
pub struct Opened {
    /// Which of the keys opened it.
    pub key_index: usize,
    /// What the body is.
    pub kind: Kind,
    /// The sender's number for it.
    pub sequence: u64,
    /// The body.
    pub body: Vec<u8>,
}

/// skeleton
pub fn open(keys: &[&HeaderKey], envelope: &[u8]) -> Result<Opened, OpenError> {
    let _ = (keys, envelope);
    todo!()
}

/// Why nothing was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The body is longer than [`MAX_BODY`].
    #[error("the body is too long for an envelope")]
    TooLong,
}

/// Why an envelope did not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Not an envelope, or broken inside.
    #[error("the envelope is malformed")]
    Malformed,
    /// Of a version this program does not speak.
    #[error("the envelope is of another version")]
    Version,
    /// None of the keys opens it.
    #[error("no key opens this envelope")]
    NoKey,
}
