// SPDX-License-Identifier: MIT OR Apache-2.0
//! Argon2id (RFC 9106) as a job to be done elsewhere.
//!
//! Stretching takes a good part of a second and 64 MiB or more. Whoever needs it makes a [`Stretch`], and the
//! host runs it where it hurts nobody: a thread, or a worker in the browser.

use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::secret::Secret;

/// What Argon2id costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StretchParams {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl StretchParams {
    /// For an invitation's code: 64 MiB, three passes.
    pub const INVITATION: Self = Self::mebibytes(64);
    /// For a vault's passphrase in a browser: 64 MiB, three passes.
    pub const VAULT_BROWSER: Self = Self::mebibytes(64);
    /// For a vault's passphrase on a native device: 256 MiB, three passes.
    pub const VAULT_NATIVE: Self = Self::mebibytes(256);

    const fn mebibytes(mebibytes: u32) -> Self {
        Self {
            memory_kib: mebibytes * 1024,
            passes: 3,
            lanes: 1,
        }
    }

    /// Checks that nobody asks for less than 8 MiB or more than 1 GiB, 10 passes or 4 lanes.
    ///
    /// # Errors
    /// [`StretchError::Params`] if they do.
    pub fn validate(&self) -> Result<(), StretchError> {
        let sane = (8 * 1024..=1024 * 1024).contains(&self.memory_kib)
            && (1..=10).contains(&self.passes)
            && (1..=4).contains(&self.lanes);
        if sane {
            Ok(())
        } else {
            Err(StretchError::Params)
        }
    }
}

/// A passphrase or code that is to be made expensive to guess.
#[derive(Clone)]
pub struct Stretch {
    /// What somebody typed.
    pub password: Zeroizing<Vec<u8>>,
    /// The salt that lies beside what the key opens.
    pub salt: [u8; 16],
    /// The price.
    pub params: StretchParams,
}

impl core::fmt::Debug for Stretch {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Stretch")
            .field("params", &self.params)
            .finish_non_exhaustive()
    }
}

impl Stretch {
    /// Does the work. Slow.
    ///
    /// # Errors
    /// If the parameters are out of bounds, or the memory cannot be had.
    pub fn run(&self) -> Result<Stretched, StretchError> {
        self.params.validate()?;
        let params = Params::new(
            self.params.memory_kib,
            self.params.passes,
            self.params.lanes,
            Some(32),
        )
        .map_err(|_| StretchError::Params)?;
        let mut out = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(&self.password, &self.salt, out.as_mut_slice())
            .map_err(|_| StretchError::Failed)?;
        Ok(Stretched::from_bytes(*out))
    }
}

/// What came out: 32 secret bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretched(Secret<32>);

impl Stretched {
    /// Takes the bytes from the worker that computed them.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Secret::from_bytes(bytes))
    }

    /// The bytes, for crossing a worker's boundary.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

/// Why nothing was stretched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StretchError {
    /// Less than 8 MiB or more than 1 GiB, more than 10 passes or 4 lanes.
    #[error("the stretching parameters are out of bounds")]
    Params,
    /// Argon2id refused, most likely for want of memory.
    #[error("stretching failed, perhaps for want of memory")]
    Failed,
}
