// SPDX-License-Identifier: MIT OR Apache-2.0
//! Voice and video: SFrame (RFC 9605) with AES_256_GCM_SHA512_128.
//!
//! ```text
//! clear bytes of the codec ‖ SFrame header ‖ ciphertext ‖ tag (16)
//! ```
//!
//! The browser's packetiser reads the first bytes of a video frame, so they stay in clear, and are
//! authenticated as SFrame metadata (RFC 9605 section 4.4.3). A base key belongs to one sender in one call;
//! its random salt makes that true even if somebody hangs up and calls again in the same epoch.

use sframe::CipherSuite;
use sframe::error::SframeError;
use sframe::frame::validation::{ReplayAttackProtection, ReplayAttackProtectionError, Tolerance};
use sframe::frame::{EncryptedFrameView, MediaFrameView, MonotonicCounter};
use sframe::key::{DecryptionKey, EncryptionKey};

use crate::primitives::{TAG, derive};
use crate::secret::Secret;

const SUITE: CipherSuite = CipherSuite::AesGcm256Sha512;
const LABEL: &[u8] = b"hither/v1/media key";
/// Key ids of one base key: one for every track of a call.
const KEY_IDS: usize = 16;
/// How far behind the newest frame one may arrive.
const TOLERANCE: usize = 1024;

/// The base key of one sender in one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaKey(Secret<32>);

impl MediaKey {
    /// HKDF-SHA-512(salt, media secret of the epoch, label ‖ call ‖ sender's leaf (4)).
    ///
    /// The sender draws the salt once for every call and every time it makes a new [`FrameSealer`].
    #[must_use]
    pub fn derive(media: &Secret<32>, call: &[u8; 16], sender_leaf: u32, salt: &[u8; 16]) -> Self {
        let info: [&[u8]; 3] = [LABEL, call, &sender_leaf.to_be_bytes()];
        Self(derive(salt, media.as_bytes(), &info))
    }

    /// The bytes, for crossing a worker's boundary.
    #[must_use]
    pub const fn to_bytes(&self) -> [u8; 32] {
        *self.0.as_bytes()
    }

    /// Takes the bytes in the worker.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Secret::from_bytes(bytes))
    }
}

/// Seals the frames of one track.
///
/// There must never be two for the same key and key id: both would count from zero.
pub struct FrameSealer {
    key: Option<EncryptionKey>,
    counter: MonotonicCounter,
}

impl FrameSealer {
    /// A sealer that counts from zero. Key ids go from 0 to 15; with another one it seals nothing.
    #[must_use]
    pub fn new(key: &MediaKey, key_id: u64) -> Self {
        let known = key_id < KEY_IDS as u64;
        let key = known.then(|| EncryptionKey::derive_from(SUITE, key_id, key.0.as_bytes()));
        Self {
            key: key.and_then(Result::ok),
            counter: MonotonicCounter::default(),
        }
    }

    /// Seals a frame, leaving its first `clear` bytes readable.
    ///
    /// # Errors
    /// If the frame is shorter than that, or the key id was out of range.
    pub fn seal(&mut self, frame: &[u8], clear: usize) -> Result<Vec<u8>, FrameError> {
        let key = self.key.as_ref().ok_or(FrameError::UnknownKey)?;
        let (clear, payload) = frame.split_at_checked(clear).ok_or(FrameError::Malformed)?;
        let frame = MediaFrameView::try_with_meta_data(&mut self.counter, payload, clear)
            .map_err(|_| FrameError::Exhausted)?;
        let mut out = Vec::with_capacity(clear.len() + payload.len() + 17 + TAG);
        frame
            .encrypt_into(key, &mut out)
            .map_err(|_| FrameError::Malformed)?;
        Ok(out)
    }
}

impl core::fmt::Debug for FrameSealer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("FrameSealer")
            .field("next", &self.counter.current())
            .finish_non_exhaustive()
    }
}

/// Opens the frames of one sender, each once.
pub struct FrameOpener {
    base: MediaKey,
    tracks: [Option<Track>; KEY_IDS],
}

struct Track {
    key: DecryptionKey,
    seen: ReplayAttackProtection,
}

impl FrameOpener {
    /// An opener that has seen nothing yet.
    #[must_use]
    pub fn new(key: &MediaKey) -> Self {
        Self {
            base: key.clone(),
            tracks: Default::default(),
        }
    }

    /// Opens a frame whose first `clear` bytes are readable.
    ///
    /// # Errors
    /// If it is no SFrame frame, names a key id above 15, does not authenticate, or was opened before.
    pub fn open(&mut self, frame: &[u8], clear: usize) -> Result<Vec<u8>, FrameError> {
        let (clear, sealed) = frame.split_at_checked(clear).ok_or(FrameError::Malformed)?;
        let view = EncryptedFrameView::try_with_meta_data(sealed, clear)
            .map_err(|_| FrameError::Malformed)?;
        if view.cipher_text().len() < TAG {
            return Err(FrameError::Malformed);
        }
        let track = self.track(view.header().key_id())?;
        let mut out = Vec::with_capacity(frame.len());
        view.validated_decrypt_into(&track.key, &mut out, &mut track.seen)
            .map_err(|error| Self::why(&error))?;
        out.truncate(frame.len().saturating_sub(view.header().len() + TAG));
        Ok(out)
    }

    fn track(&mut self, key_id: u64) -> Result<&mut Track, FrameError> {
        let slot = usize::try_from(key_id).ok();
        let slot = slot.and_then(|index| self.tracks.get_mut(index));
        let slot = slot.ok_or(FrameError::UnknownKey)?;
        if slot.is_none() {
            let key = DecryptionKey::derive_from(SUITE, key_id, self.base.0.as_bytes())
                .map_err(|_| FrameError::UnknownKey)?;
            let tolerance = Tolerance::try_new(TOLERANCE).map_err(|_| FrameError::Malformed)?;
            let seen = ReplayAttackProtection::new(key_id, tolerance);
            *slot = Some(Track { key, seen });
        }
        slot.as_mut().ok_or(FrameError::UnknownKey)
    }

    fn why(error: &SframeError) -> FrameError {
        if error.source_as::<ReplayAttackProtectionError>().is_some() {
            FrameError::Replayed
        } else {
            FrameError::Forged
        }
    }
}

impl core::fmt::Debug for FrameOpener {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("FrameOpener").finish_non_exhaustive()
    }
}

/// What kind of encoded frame it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// Sound.
    Audio,
    /// A VP8 or VP9 key frame.
    VideoKey,
    /// A VP8 or VP9 delta frame.
    VideoDelta,
}

/// How many leading bytes of a frame stay readable for the browser's packetiser (RFC 6386 section 9.1: the
/// frame tag, and for key frames start code and dimensions).
#[must_use]
pub const fn clear_bytes(kind: FrameKind) -> usize {
    match kind {
        FrameKind::Audio => 0,
        FrameKind::VideoKey => 10,
        FrameKind::VideoDelta => 3,
    }
}

/// Why a frame was not sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Too short, or without an SFrame header.
    #[error("the frame is malformed")]
    Malformed,
    /// Key ids above 15 are not used.
    #[error("the frame names an unknown key")]
    UnknownKey,
    /// Wrong key, or changed on the way.
    #[error("the frame does not authenticate")]
    Forged,
    /// Seen before, or too old to tell.
    #[error("the frame was received before")]
    Replayed,
    /// The counter is used up.
    #[error("the counter is used up")]
    Exhausted,
}
