// SPDX-License-Identifier: MIT OR Apache-2.0
//! What lies on the disk: records sealed under a root key, and the root key sealed under a passphrase.
//!
//! ```text
//! header = version (1) ‖ segments (1) ‖ segment…
//! segment = type 1 (1) ‖ salt (16) ‖ memory KiB (4) ‖ passes (4) ‖ lanes (4) ‖ nonce (12) ‖ AES-256-GCM( root key )
//! record = version (1) ‖ salt (32) ‖ AES-256-GCM( name length (2) ‖ name ‖ value )
//! ```
//!
//! Today there is exactly one segment, the passphrase. The list leaves room for the device and for something
//! that can be taken away, of which two of three will be needed.

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::identity::{ParseError, random};
use crate::primitives::{self, NONCE, TAG};
use crate::secret::Secret;
use crate::stretch::{Stretch, StretchParams, Stretched};
use crate::wire::Reader;

const VERSION: u8 = 1;
const PASSPHRASE_SEGMENT: u8 = 1;
const KEY_LABEL: &[u8] = b"hither/v1/vault key";
const ID_LABEL: &[u8] = b"hither/v1/record id";
const RECORD_LABEL: &[u8] = b"hither/v1/record key";
const SALT: usize = 32;

/// What is needed besides the passphrase to get at the root key. Not secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VaultHeader {
    salt: [u8; 16],
    params: StretchParams,
    nonce: [u8; NONCE],
    wrapped: Vec<u8>,
}

/// Makes a vault with a fresh root key, to be opened by a passphrase that was stretched with this salt and
/// these parameters.
#[must_use]
pub fn create(
    passphrase_key: &Stretched,
    salt: [u8; 16],
    params: StretchParams,
    rng: &mut (impl CryptoRng + ?Sized),
) -> (VaultHeader, RootKey) {
    let root = RootKey(random(rng));
    let header = VaultHeader::wrap(&root, passphrase_key, salt, params, rng);
    (header, root)
}

impl VaultHeader {
    fn wrap(
        root: &RootKey,
        passphrase_key: &Stretched,
        salt: [u8; 16],
        params: StretchParams,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Self {
        let mut header = Self {
            salt,
            params,
            nonce: [0; NONCE],
            wrapped: Vec::new(),
        };
        rng.fill_bytes(&mut header.nonce);
        header.wrapped = primitives::seal(
            &Self::key(passphrase_key),
            &header.nonce,
            &header.bound(),
            root.0.as_bytes(),
        );
        header
    }

    fn key(passphrase_key: &Stretched) -> Secret<32> {
        primitives::derive(&[], passphrase_key.as_bytes(), &[KEY_LABEL])
    }

    /// Everything before the nonce: authenticated, so that nobody lowers the price of guessing unnoticed.
    fn bound(&self) -> Vec<u8> {
        let mut out = vec![VERSION, 1, PASSPHRASE_SEGMENT];
        out.extend_from_slice(&self.salt);
        out.extend_from_slice(&self.params.memory_kib.to_be_bytes());
        out.extend_from_slice(&self.params.passes.to_be_bytes());
        out.extend_from_slice(&self.params.lanes.to_be_bytes());
        out
    }

    /// The header's bytes.
    #[must_use]
    pub fn emit(&self) -> Vec<u8> {
        let mut out = self.bound();
        out.extend_from_slice(&self.nonce);
        out.extend_from_slice(&self.wrapped);
        out
    }

    /// Reads what [`VaultHeader::emit`] wrote.
    ///
    /// # Errors
    /// If it is of another length or version, has other segments, or asks for more than a device can give.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(bytes);
        if reader.array()? != [VERSION, 1, PASSPHRASE_SEGMENT] {
            return Err(ParseError::Malformed);
        }
        let header = Self {
            salt: reader.array()?,
            params: StretchParams {
                memory_kib: reader.u32()?,
                passes: reader.u32()?,
                lanes: reader.u32()?,
            },
            nonce: reader.array()?,
            wrapped: reader.take(32 + TAG)?.to_vec(),
        };
        reader.end()?;
        header
            .params
            .validate()
            .map_err(|_| ParseError::Malformed)?;
        Ok(header)
    }

    /// The job that turns the passphrase into the key for [`VaultHeader::unlock`].
    #[must_use]
    pub fn stretch(&self, passphrase: &str) -> Stretch {
        Stretch {
            password: Zeroizing::new(passphrase.as_bytes().to_vec()),
            salt: self.salt,
            params: self.params,
        }
    }

    /// Opens the vault.
    ///
    /// # Errors
    /// If the passphrase was another, or the header was changed.
    pub fn unlock(&self, key: &Stretched) -> Result<RootKey, UnlockError> {
        let root = primitives::open(&Self::key(key), &self.nonce, &self.bound(), &self.wrapped);
        let root = Zeroizing::new(root.ok_or(UnlockError::WrongPassphrase)?);
        let root = root.first_chunk().ok_or(UnlockError::WrongPassphrase)?;
        Ok(RootKey(Secret::from_bytes(*root)))
    }

    /// Puts the vault under another passphrase. Records stay as they are; so does what the old passphrase
    /// opens in an old copy of the header.
    pub fn rewrap(
        &mut self,
        root: &RootKey,
        passphrase_key: &Stretched,
        salt: [u8; 16],
        params: StretchParams,
        rng: &mut (impl CryptoRng + ?Sized),
    ) {
        *self = Self::wrap(root, passphrase_key, salt, params, rng);
    }
}

/// The key of all records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootKey(Secret<32>);

impl RootKey {
    /// A copy of the bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Secret<32> {
        self.0.clone()
    }

    /// Takes the bytes as they are.
    #[must_use]
    pub const fn from_bytes(bytes: Secret<32>) -> Self {
        Self(bytes)
    }

    /// Under which id the record of this name is stored: HKDF-SHA-512 over the name, 16 bytes. Without the
    /// root key it says nothing.
    #[must_use]
    pub fn record_id(&self, name: &str) -> [u8; 16] {
        *primitives::derive(&[], self.0.as_bytes(), &[ID_LABEL, name.as_bytes()]).as_bytes()
    }

    /// Seals a record. Its name is inside, and its id authenticated. Names have at most 65,535 bytes.
    #[must_use]
    pub fn seal_record(
        &self,
        name: &str,
        value: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Vec<u8> {
        debug_assert!(name.len() <= usize::from(u16::MAX), "names are short");
        let length = u16::try_from(name.len()).unwrap_or(u16::MAX);
        let mut plaintext = Zeroizing::new(Vec::with_capacity(2 + name.len() + value.len()));
        plaintext.extend_from_slice(&length.to_be_bytes());
        plaintext.extend_from_slice(name.as_bytes());
        plaintext.extend_from_slice(value);
        let mut salt = [0; SALT];
        rng.fill_bytes(&mut salt);
        let (key, aad) = self.record_key(&self.record_id(name), &salt);
        let mut out = vec![VERSION];
        out.extend_from_slice(&salt);
        out.extend(primitives::seal(&key, &[0; NONCE], &aad, &plaintext));
        out
    }

    /// Opens the record that is stored under `id`: its name and its value.
    ///
    /// # Errors
    /// If it is no record, was changed, or belongs under another id or into another vault.
    pub fn open_record(
        &self,
        id: &[u8; 16],
        bytes: &[u8],
    ) -> Result<(String, Vec<u8>), RecordError> {
        let malformed = |_| RecordError::Malformed;
        let mut reader = Reader::new(bytes);
        if reader.u8().map_err(malformed)? != VERSION {
            return Err(RecordError::Malformed);
        }
        let salt = reader.array::<SALT>().map_err(malformed)?;
        let (key, aad) = self.record_key(id, &salt);
        let plaintext = primitives::open(&key, &[0; NONCE], &aad, reader.rest());
        let plaintext = Zeroizing::new(plaintext.ok_or(RecordError::Forged)?);
        let mut reader = Reader::new(&plaintext);
        let length = usize::from(reader.u16().map_err(malformed)?);
        let name = reader.take(length).map_err(malformed)?;
        let name = core::str::from_utf8(name).map_err(|_| RecordError::Malformed)?;
        if self.record_id(name) != *id {
            return Err(RecordError::Forged);
        }
        Ok((name.to_owned(), reader.rest().to_vec()))
    }

    /// Every sealed record has a key of its own, so one random salt stands for key and nonce.
    fn record_key(&self, id: &[u8; 16], salt: &[u8; SALT]) -> (Secret<32>, Vec<u8>) {
        let key = primitives::derive(salt, self.0.as_bytes(), &[RECORD_LABEL, id]);
        let mut aad = vec![VERSION];
        aad.extend_from_slice(id);
        (key, aad)
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
