// SPDX-License-Identifier: MIT OR Apache-2.0
//! (skeleton)
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::identity::ParseError;
use crate::secret::Secret;
use crate::stretch::{Stretch, StretchParams, Stretched};

/// skeleton
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VaultHeader {}

/// skeleton
pub fn create(
    passphrase_key: &Stretched,
    salt: [u8; 16],
    params: StretchParams,
    rng: &mut (impl CryptoRng + ?Sized),
) -> (VaultHeader, RootKey) {
    let _ = (passphrase_key, salt, params, rng);
    todo!()
}

impl VaultHeader {
    /// skeleton
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let _ = bytes;
        todo!()
    }
    /// skeleton
    pub fn emit(&self) -> Vec<u8> {
        todo!()
    }
    /// skeleton
    pub fn stretch(&self, passphrase: &str) -> Stretch {
        let _ = passphrase;
        todo!()
    }
    /// skeleton
    pub fn unlock(&self, key: &Stretched) -> Result<RootKey, UnlockError> {
        let _ = key;
        todo!()
    }
    /// skeleton
    pub fn rewrap(
        &mut self,
        root: &RootKey,
        passphrase_key: &Stretched,
        salt: [u8; 16],
        params: StretchParams,
        rng: &mut (impl CryptoRng + ?Sized),
    ) {
        let _ = (root, passphrase_key, salt, params, rng);
        todo!()
    }
}

/// skeleton
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootKey(Secret<32>);

impl RootKey {
    /// skeleton
    pub fn to_bytes(&self) -> Secret<32> {
        self.0.clone()
    }
    /// skeleton
    pub const fn from_bytes(bytes: Secret<32>) -> Self {
        Self(bytes)
    }
    /// skeleton
    pub fn record_id(&self, name: &str) -> [u8; 16] {
        let _ = name;
        todo!()
    }
    /// skeleton
    pub fn seal_record(
        &self,
        name: &str,
        value: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Vec<u8> {
        let _ = (name, value, rng);
        todo!()
    }
    /// skeleton
    pub fn open_record(
        &self,
        id: &[u8; 16],
        bytes: &[u8],
    ) -> Result<(String, Vec<u8>), RecordError> {
        let _ = (id, bytes);
        todo!()
    }
}

/// Why the vault stayed shut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnlockError {
    /// The passphrase is not the vault's.
    #[error("this is not the passphrase of this vault")]
    WrongPassphrase,
}

/// Why a record did not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Not a record.
    #[error("the record is malformed")]
    Malformed,
    /// Not sealed by this vault, not under this id, or changed since.
    #[error("the record does not authenticate")]
    Forged,
}
