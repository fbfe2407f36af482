// SPDX-License-Identifier: MIT OR Apache-2.0
//! (skeleton)
use rand_core::CryptoRng;

use crate::session::EpochSecrets;

/// skeleton
#[derive(Debug)]
pub struct QuickSealer {}

impl QuickSealer {
    /// skeleton
    pub fn new(secrets: &EpochSecrets, own_leaf: u32, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let _ = (secrets, own_leaf, rng);
        todo!()
    }
    /// skeleton
    pub fn seal(&mut self, plaintext: &[u8]) -> Result<Vec<u8>, SealError> {
        let _ = plaintext;
        todo!()
    }
}

/// skeleton
#[derive(Debug)]
pub struct QuickOpener {}

impl QuickOpener {
    /// skeleton
    pub fn new(secrets: &EpochSecrets, peer_leaf: u32) -> Self {
        let _ = (secrets, peer_leaf);
        todo!()
    }
    /// skeleton
    pub fn open(&mut self, body: &[u8]) -> Result<Vec<u8>, OpenError> {
        let _ = body;
        todo!()
    }
}

/// Why nothing was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Longer than an envelope carries.
    #[error("the message is too long")]
    TooLong,
    /// The counter is used up.
    #[error("the counter is used up")]
    Exhausted,
}

/// Why a message did not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Too short.
    #[error("the message is malformed")]
    Malformed,
    /// Seen before, or too old to tell.
    #[error("the message was received before")]
    Replayed,
    /// Does not authenticate.
    #[error("the message is forged")]
    Forged,
}
