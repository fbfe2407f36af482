// SPDX-License-Identifier: MIT OR Apache-2.0
//! (skeleton)
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::secret::Secret;
use crate::stretch::Stretch;

/// skeleton
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code(Secret<16>);

impl Code {
    /// skeleton
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let _ = rng;
        todo!()
    }
    /// skeleton
    pub fn to_words(&self) -> Zeroizing<String> {
        todo!()
    }
    /// skeleton
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        let _ = text;
        todo!()
    }
    /// skeleton
    pub fn stretch(&self, salt: [u8; 16]) -> Stretch {
        let _ = salt;
        todo!()
    }
}

/// skeleton
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// skeleton
    #[error("a code has 12 words, here are {found}")]
    WordCount {
        /// skeleton
        found: usize,
    },
    /// skeleton
    #[error("word {position} is not one of the words of a code")]
    UnknownWord {
        /// skeleton
        position: usize,
        /// skeleton
        nearest: Option<&'static str>,
    },
    /// skeleton
    #[error("these are words of a code, but not in this order or not all of them")]
    Checksum,
}
