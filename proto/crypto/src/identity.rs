// SPDX-License-Identifier: MIT OR Apache-2.0
//! (skeleton)
use core::fmt;

use hither_sansio::UnixTime;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// skeleton
pub struct Identity {
    public: PublicIdentity,
}

impl Identity {
    /// skeleton
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let _ = rng;
        todo!()
    }
    /// skeleton
    pub fn to_seed(&self) -> Secret<64> {
        todo!()
    }
    /// skeleton
    pub fn from_seed(seed: &Secret<64>) -> Self {
        let _ = seed;
        todo!()
    }
    /// skeleton
    pub fn public(&self) -> &PublicIdentity {
        &self.public
    }
    /// skeleton
    pub fn fingerprint(&self) -> Fingerprint {
        self.public.fingerprint()
    }
    /// skeleton
    pub fn sign(&self, label: &str, message: &[u8]) -> Vec<u8> {
        let _ = (label, message);
        todo!()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(…)")
    }
}

/// skeleton
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublicIdentity {}

impl PublicIdentity {
    /// skeleton
    pub fn emit(&self) -> Vec<u8> {
        todo!()
    }
    /// skeleton
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let _ = bytes;
        todo!()
    }
    /// skeleton
    pub fn fingerprint(&self) -> Fingerprint {
        todo!()
    }
    /// skeleton
    pub fn verify(
        &self,
        label: &str,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        let _ = (label, message, signature);
        todo!()
    }
}

/// skeleton
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// skeleton
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
    /// skeleton
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint(…)")
    }
}

/// skeleton
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceCert {
    /// skeleton
    pub fingerprint: Fingerprint,
    /// skeleton
    pub device: [u8; 16],
    /// skeleton
    pub not_before: UnixTime,
    /// skeleton
    pub not_after: UnixTime,
}

/// skeleton
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// skeleton
    #[error("malformed")]
    Malformed,
}

/// skeleton
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not hold")]
pub struct SignatureError;
