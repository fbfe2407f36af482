// SPDX-License-Identifier: MIT OR Apache-2.0
//! What travels, on every path: a mailbox in clear, everything else sealed and padded.
//!
//! ```text
//! mailbox (32) ‖ version (1) ‖ nonce (12) ‖ AES-256-GCM( kind (1) ‖ sequence (8) ‖ length (4) ‖ body ‖ zeros )
//! ```
//!
//! The plaintext is padded to 1, 8, 16, 32, 64, 128 or 256 KiB, so an observer sees one of seven sizes, each
//! [`OVERHEAD`] bytes more. Mailbox and version are authenticated. No group, epoch or sender is in clear.

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::primitives::{self, NONCE, TAG};
use crate::secret::Secret;
use crate::wire::{Reader, Truncated, put_bytes};

/// The version of the layout.
pub const VERSION: u8 = 1;
/// The sizes to which the plaintext is padded, in bytes.
pub const BUCKETS: [usize; 7] = [
    1 << 10,
    8 << 10,
    16 << 10,
    32 << 10,
    64 << 10,
    128 << 10,
    256 << 10,
];
/// What the envelope adds to the padded plaintext, in bytes.
pub const OVERHEAD: usize = MAILBOX + 1 + NONCE + TAG;
/// The longest body an envelope carries, in bytes.
pub const MAX_BODY: usize = (256 << 10) - PREFIX;

const MAILBOX: usize = 32;
/// kind ‖ sequence ‖ length.
const PREFIX: usize = 1 + 8 + 4;

/// The key that seals envelopes between two people in one epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HeaderKey(Secret<32>);

impl HeaderKey {
    /// Takes the bytes as they are.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Secret::from_bytes(bytes))
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl From<Secret<32>> for HeaderKey {
    fn from(secret: Secret<32>) -> Self {
        Self(secret)
    }
}

/// What a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum Kind {
    /// An MLS PrivateMessage ([`crate::session`]).
    Mls = 1,
    /// A message of the quick channel ([`crate::quick`]).
    Quick = 2,
    /// An answer to an invitation ([`crate::invitation`]); under a key that only the code gives.
    Join = 3,
}

impl Kind {
    const fn parse(byte: u8) -> Result<Self, OpenError> {
        match byte {
            1 => Ok(Self::Mls),
            2 => Ok(Self::Quick),
            3 => Ok(Self::Join),
            _ => Err(OpenError::Malformed),
        }
    }
}

/// Seals a body for a mailbox.
///
/// The sequence is the sender's own, and means what the sender's peer takes it to mean.
///
/// # Errors
/// If the body is longer than [`MAX_BODY`].
pub fn seal(
    key: &HeaderKey,
    mailbox: &[u8; 32],
    kind: Kind,
    sequence: u64,
    body: &[u8],
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Vec<u8>, SealError> {
    let needed = PREFIX + body.len();
    let bucket = BUCKETS.into_iter().find(|bucket| needed <= *bucket);
    let bucket = bucket.ok_or(SealError::TooLong)?;
    let mut plaintext = zeroize::Zeroizing::new(Vec::with_capacity(bucket));
    plaintext.push(kind as u8);
    plaintext.extend_from_slice(&sequence.to_be_bytes());
    put_bytes(&mut plaintext, body);
    plaintext.resize(bucket, 0);

    let mut nonce = [0; NONCE];
    rng.fill_bytes(&mut nonce);
    let mut out = Vec::with_capacity(bucket + OVERHEAD);
    out.extend_from_slice(mailbox);
    out.push(VERSION);
    let sealed = primitives::seal(&key.0, &nonce, &out, &plaintext);
    out.extend_from_slice(&nonce);
    out.extend_from_slice(&sealed);
    Ok(out)
}

/// The mailbox an envelope is for; all that a node reads.
#[must_use]
pub fn mailbox(envelope: &[u8]) -> Option<[u8; 32]> {
    envelope.first_chunk().copied()
}

/// An envelope's content.
#[derive(PartialEq, Eq)]
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

impl core::fmt::Debug for Opened {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Opened")
            .field("key_index", &self.key_index)
            .field("kind", &self.kind)
            .field("sequence", &self.sequence)
            .finish_non_exhaustive()
    }
}

/// Opens an envelope with the first of the keys that fits.
///
/// # Errors
/// If it is no envelope of this version, no key fits, or what is inside is not as [`seal`] writes it.
pub fn open(keys: &[&HeaderKey], envelope: &[u8]) -> Result<Opened, OpenError> {
    let mut reader = Reader::new(envelope);
    let aad = envelope.get(..=MAILBOX).ok_or(OpenError::Malformed)?;
    reader.take(MAILBOX)?;
    if reader.u8()? != VERSION {
        return Err(OpenError::Version);
    }
    let nonce = reader.array::<NONCE>()?;
    let sealed = reader.rest();
    if !BUCKETS.iter().any(|bucket| bucket + TAG == sealed.len()) {
        return Err(OpenError::Malformed);
    }
    let (key_index, plaintext) = keys
        .iter()
        .enumerate()
        .find_map(|(index, key)| Some((index, primitives::open(&key.0, &nonce, aad, sealed)?)))
        .ok_or(OpenError::NoKey)?;
    let plaintext = zeroize::Zeroizing::new(plaintext);

    let mut reader = Reader::new(&plaintext);
    let kind = Kind::parse(reader.u8()?)?;
    let sequence = reader.u64()?;
    let body = reader.bytes()?.to_vec();
    reader.zeros()?;
    Ok(Opened {
        key_index,
        kind,
        sequence,
        body,
    })
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
    /// Not an envelope, or not what this version writes inside.
    #[error("the envelope is malformed")]
    Malformed,
    /// Of a version this program does not speak.
    #[error("the envelope is of another version")]
    Version,
    /// None of the keys opens it: not for us, of another epoch, or changed on the way.
    #[error("no key opens this envelope")]
    NoKey,
}

impl From<Truncated> for OpenError {
    fn from(_: Truncated) -> Self {
        Self::Malformed
    }
}
