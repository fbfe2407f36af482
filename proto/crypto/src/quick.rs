// SPDX-License-Identifier: MIT OR Apache-2.0
//! The quick channel: what is frequent and transient does not pay for a signature.
//!
//! ```text
//! instance (16) ‖ counter (8) ‖ AES-256-GCM( message )
//! key   = HKDF-SHA-512(salt = instance, key = quick secret of the epoch, info = label ‖ sender's leaf (4))
//! nonce = 0 (4) ‖ counter (8);   instance and counter are authenticated
//! ```
//!
//! Every sealer draws a random instance and counts from zero, so one that is made again after a reload has
//! another key and never repeats a nonce. What is sealed here is authenticated as the peer's by a key that
//! both sides hold: enough for a candidate or a receipt, not for what must be provable.

use std::collections::VecDeque;

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::envelope::MAX_BODY;
use crate::primitives::{self, NONCE, TAG};
use crate::replay::Window;
use crate::secret::Secret;
use crate::session::EpochSecrets;
use crate::wire::{Reader, Truncated};

/// The longest message, in bytes.
pub const MAX_MESSAGE: usize = MAX_BODY - OVERHEAD;
/// What sealing adds, in bytes.
pub const OVERHEAD: usize = INSTANCE + 8 + TAG;

const INSTANCE: usize = 16;
const LABEL: &[u8] = b"hither/v1/quick key";
/// Instances of a peer that are live at the same time.
const LIVE: usize = 8;
/// Instances that were closed, and are remembered so that nothing of them is taken again.
const CLOSED: usize = 1024;

fn instance_key(quick: &Secret<32>, leaf: u32, instance: &[u8; INSTANCE]) -> Secret<32> {
    primitives::derive(instance, quick.as_bytes(), &[LABEL, &leaf.to_be_bytes()])
}

fn nonce(counter: u64) -> [u8; NONCE] {
    let mut nonce = [0; NONCE];
    for (to, from) in nonce.iter_mut().skip(4).zip(counter.to_be_bytes()) {
        *to = from;
    }
    nonce
}

/// Seals this side's messages of one epoch.
pub struct QuickSealer {
    instance: [u8; INSTANCE],
    key: Secret<32>,
    next: Option<u64>,
}

impl QuickSealer {
    /// A sealer with a fresh instance.
    #[must_use]
    pub fn new(secrets: &EpochSecrets, own_leaf: u32, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut instance = [0; INSTANCE];
        rng.fill_bytes(&mut instance);
        Self {
            instance,
            key: instance_key(&secrets.quick, own_leaf, &instance),
            next: Some(0),
        }
    }

    /// Seals one message.
    ///
    /// # Errors
    /// If it is longer than [`MAX_MESSAGE`], or 2^64 messages were sealed.
    pub fn seal(&mut self, plaintext: &[u8]) -> Result<Vec<u8>, SealError> {
        if plaintext.len() > MAX_MESSAGE {
            return Err(SealError::TooLong);
        }
        let counter = self.next.ok_or(SealError::Exhausted)?;
        self.next = counter.checked_add(1);
        let mut out = Vec::with_capacity(plaintext.len() + OVERHEAD);
        out.extend_from_slice(&self.instance);
        out.extend_from_slice(&counter.to_be_bytes());
        let sealed = primitives::seal(&self.key, &nonce(counter), &out, plaintext);
        out.extend_from_slice(&sealed);
        Ok(out)
    }
}

impl core::fmt::Debug for QuickSealer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("QuickSealer")
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

struct Instance {
    id: [u8; INSTANCE],
    key: Secret<32>,
    window: Window,
}

/// What an opener has opened, to be stored beside the secrets of its epoch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Opened {
    live: Vec<([u8; INSTANCE], Window)>,
    closed: VecDeque<[u8; INSTANCE]>,
}

/// Opens the peer's messages of one epoch, each once.
pub struct QuickOpener {
    quick: Secret<32>,
    peer_leaf: u32,
    /// The most recently started first.
    live: VecDeque<Instance>,
    closed: VecDeque<[u8; INSTANCE]>,
}

impl QuickOpener {
    /// An opener that has seen nothing yet.
    #[must_use]
    pub fn new(secrets: &EpochSecrets, peer_leaf: u32) -> Self {
        Self {
            quick: secrets.quick.clone(),
            peer_leaf,
            live: VecDeque::new(),
            closed: VecDeque::new(),
        }
    }

    /// An opener that refuses what another one of the same epoch has opened.
    #[must_use]
    pub fn restore(secrets: &EpochSecrets, peer_leaf: u32, opened: Opened) -> Self {
        let live = opened.live.into_iter().map(|(id, window)| Instance {
            id,
            key: instance_key(&secrets.quick, peer_leaf, &id),
            window,
        });
        Self {
            live: live.collect(),
            closed: opened.closed,
            ..Self::new(secrets, peer_leaf)
        }
    }

    /// What was opened so far.
    #[must_use]
    pub fn opened(&self) -> Opened {
        let live = self.live.iter();
        Opened {
            live: live.map(|one| (one.id, one.window.clone())).collect(),
            closed: self.closed.clone(),
        }
    }

    /// Opens one message.
    ///
    /// Eight instances are live; a ninth closes the one that was started first, for good.
    ///
    /// # Errors
    /// If it is too short, does not authenticate, was opened before, or is too old to tell.
    pub fn open(&mut self, body: &[u8]) -> Result<Vec<u8>, OpenError> {
        let mut reader = Reader::new(body);
        let id = reader.array::<INSTANCE>()?;
        let counter = reader.u64()?;
        let sealed = reader.rest();
        let aad = body.get(..INSTANCE + 8).ok_or(OpenError::Malformed)?;
        if sealed.len() < TAG {
            return Err(OpenError::Malformed);
        }
        if self.closed.contains(&id) {
            return Err(OpenError::Replayed);
        }
        let decrypt = |key: &Secret<32>| {
            primitives::open(key, &nonce(counter), aad, sealed).ok_or(OpenError::Forged)
        };
        if let Some(instance) = self.live.iter_mut().find(|live| live.id == id) {
            if !instance.window.is_fresh(counter) {
                return Err(OpenError::Replayed);
            }
            let plaintext = decrypt(&instance.key)?;
            instance.window.record(counter);
            return Ok(plaintext);
        }
        let key = instance_key(&self.quick, self.peer_leaf, &id);
        let plaintext = decrypt(&key)?;
        self.start(id, key, counter)?;
        Ok(plaintext)
    }

    fn start(
        &mut self,
        id: [u8; INSTANCE],
        key: Secret<32>,
        counter: u64,
    ) -> Result<(), OpenError> {
        if self.live.len() == LIVE {
            // Forgetting a closed instance would allow its replay: rather nothing new until the next epoch.
            if self.closed.len() == CLOSED {
                return Err(OpenError::Exhausted);
            }
            let oldest = self.live.pop_back().map(|oldest| oldest.id);
            self.closed.extend(oldest);
        }
        let mut window = Window::new();
        window.record(counter);
        self.live.push_front(Instance { id, key, window });
        Ok(())
    }
}

impl core::fmt::Debug for QuickOpener {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("QuickOpener")
            .field("peer_leaf", &self.peer_leaf)
            .field("live", &self.live.len())
            .field("closed", &self.closed.len())
            .finish_non_exhaustive()
    }
}

/// Why nothing was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Longer than [`MAX_MESSAGE`].
    #[error("the message is too long for the quick channel")]
    TooLong,
    /// The counter is used up.
    #[error("the counter of the quick channel is used up")]
    Exhausted,
}

/// Why a message did not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Too short.
    #[error("the quick message is malformed")]
    Malformed,
    /// Seen before, or too old to tell.
    #[error("the quick message was received before")]
    Replayed,
    /// Does not authenticate.
    #[error("the quick message is forged")]
    Forged,
    /// The peer started more than a thousand instances in one epoch.
    #[error("the peer started too many quick channels in one epoch")]
    Exhausted,
}

impl From<Truncated> for OpenError {
    fn from(_: Truncated) -> Self {
        Self::Malformed
    }
}
