// SPDX-License-Identifier: MIT OR Apache-2.0
//! What OpenMLS is given to work with: RustCrypto's primitives, and a map in memory for every session.
//!
//! The map is how a session is persisted. OpenMLS writes every change of state into it; [`Snapshot::since`]
//! tells what is different from before, and the endpoint seals and stores just that.

#![expect(
    clippy::disallowed_methods,
    reason = "OpenMLS's map is a HashMap: what leaves it is sorted, and erasing knows no order"
)]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLockReadGuard, RwLockWriteGuard};

use openmls_memory_storage::MemoryStorage;
use openmls_rust_crypto::RustCrypto;
use openmls_traits::OpenMlsProvider;
use openmls_traits::random::OpenMlsRand;
use rand_core::CryptoRng;
use zeroize::Zeroize as _;

use crate::primitives::sha512_256;
use crate::session::Change;

/// How OpenMLS's map begins the key of a pre-shared key.
const PSK_PREFIX: &[u8] = b"Psk";

type Map = std::collections::HashMap<Vec<u8>, Vec<u8>>;

/// RustCrypto and one session's storage.
#[derive(Debug, Default)]
pub(crate) struct Provider {
    crypto: RustCrypto,
    storage: MemoryStorage,
}

impl OpenMlsProvider for Provider {
    type CryptoProvider = RustCrypto;
    type RandProvider = RustCrypto;
    type StorageProvider = MemoryStorage;

    fn storage(&self) -> &Self::StorageProvider {
        &self.storage
    }

    fn crypto(&self) -> &Self::CryptoProvider {
        &self.crypto
    }

    fn rand(&self) -> &Self::RandProvider {
        &self.crypto
    }
}

impl Provider {
    pub(crate) fn from_entries(
        entries: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>,
    ) -> Option<Self> {
        let provider = Self::default();
        let decoded = entries
            .into_iter()
            .map(|(key, value)| Some((key, crate::compact::decode(&value)?)));
        let decoded: Option<Map> = decoded.collect();
        *provider.write() = decoded?;
        Some(provider)
    }

    pub(crate) fn put(&self, key: &[u8], value: Vec<u8>) {
        self.write().insert(key.to_vec(), value);
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.read().get(key).cloned()
    }

    /// Deletes every pre-shared key: it has done its work, or will never do it.
    pub(crate) fn forget_psks(&self) {
        self.write().retain(|key, value| {
            let keep = !key.starts_with(PSK_PREFIX);
            if !keep {
                value.zeroize();
            }
            keep
        });
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let map = self.read();
        let entries = map.iter().map(|(key, value)| (key.clone(), value.clone()));
        Snapshot {
            entries: entries.collect(),
        }
    }

    /// Puts the storage back to a snapshot; says whether anything was different.
    pub(crate) fn reset(&self, to: &Snapshot) -> bool {
        let mut map = self.write();
        let same = map.len() == to.entries.len()
            && to
                .entries
                .iter()
                .all(|(key, value)| map.get(key) == Some(value));
        if !same {
            map.values_mut().for_each(|value| value.zeroize());
            *map = to.entries.clone().into_iter().collect();
        }
        !same
    }

    // A panic while the lock is held cannot leave a map half-written: it is the same map.
    fn read(&self) -> RwLockReadGuard<'_, Map> {
        self.storage
            .values
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Map> {
        self.storage
            .values
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.write().values_mut().for_each(|value| value.zeroize());
    }
}

/// Everything a provider's storage held at some moment.
pub(crate) struct Snapshot {
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// The digests of everything that was persisted. Not the values: what a session erased stays erased.
#[derive(Default)]
pub(crate) struct Digests(BTreeMap<Vec<u8>, [u8; 32]>);

impl Snapshot {
    pub(crate) fn digests(&self) -> Digests {
        let digest = |value: &Vec<u8>| sha512_256(&[value]);
        let entries = self.entries.iter();
        Digests(
            entries
                .map(|(key, value)| (key.clone(), digest(value)))
                .collect(),
        )
    }

    /// What is different from what was persisted, smallest key first.
    pub(crate) fn since(&self, persisted: &Digests, now: &Digests) -> Vec<Change> {
        let written = self
            .entries
            .iter()
            .filter(|(key, _)| now.0.get(*key) != persisted.0.get(*key));
        let written = written.map(|(key, value)| Change {
            key: key.clone(),
            value: Some(crate::compact::encode(value)),
        });
        let gone = persisted
            .0
            .keys()
            .filter(|key| !self.entries.contains_key(*key));
        let gone = gone.map(|key| Change {
            key: key.clone(),
            value: None,
        });
        written.chain(gone).collect()
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        self.entries.values_mut().for_each(|value| value.zeroize());
    }
}

/// RustCrypto with the caller's randomness, for what is made outside a session: key packages.
pub(crate) struct SeededProvider<'rng> {
    crypto: RustCrypto,
    rand: ArgumentRng<'rng>,
    storage: MemoryStorage,
}

impl<'rng> SeededProvider<'rng> {
    pub(crate) fn new(rng: &'rng mut dyn CryptoRng) -> Self {
        Self {
            crypto: RustCrypto::default(),
            rand: ArgumentRng(RefCell::new(rng)),
            storage: MemoryStorage::default(),
        }
    }

    /// What OpenMLS stored, in the form that [`Provider::from_entries`] takes.
    pub(crate) fn into_entries(self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut map = self
            .storage
            .values
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let entries = map
            .iter()
            .map(|(key, value)| (key.clone(), crate::compact::encode(value)));
        let entries = entries.collect::<BTreeMap<_, _>>().into_iter().collect();
        map.values_mut().for_each(|value| value.zeroize());
        entries
    }
}

impl<'rng> OpenMlsProvider for SeededProvider<'rng> {
    type CryptoProvider = RustCrypto;
    type RandProvider = ArgumentRng<'rng>;
    type StorageProvider = MemoryStorage;

    fn storage(&self) -> &Self::StorageProvider {
        &self.storage
    }

    fn crypto(&self) -> &Self::CryptoProvider {
        &self.crypto
    }

    fn rand(&self) -> &Self::RandProvider {
        &self.rand
    }
}

/// The caller's generator in the shape OpenMLS asks for.
pub(crate) struct ArgumentRng<'rng>(RefCell<&'rng mut dyn CryptoRng>);

impl OpenMlsRand for ArgumentRng<'_> {
    type Error = std::cell::BorrowMutError;

    fn random_array<const N: usize>(&self) -> Result<[u8; N], Self::Error> {
        let mut out = [0; N];
        self.0.try_borrow_mut()?.fill_bytes(&mut out);
        Ok(out)
    }

    fn random_vec(&self, length: usize) -> Result<Vec<u8>, Self::Error> {
        let mut out = vec![0; length];
        self.0.try_borrow_mut()?.fill_bytes(&mut out);
        Ok(out)
    }
}
