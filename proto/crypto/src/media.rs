// SPDX-License-Identifier: MIT OR Apache-2.0
//! (skeleton)
use crate::secret::Secret;

/// skeleton
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaKey(Secret<32>);

impl MediaKey {
    /// skeleton
    pub fn derive(media: &Secret<32>, call: &[u8; 16], sender_leaf: u32, salt: &[u8; 16]) -> Self {
        let _ = (media, call, sender_leaf, salt);
        todo!()
    }
    /// skeleton
    pub const fn to_bytes(&self) -> [u8; 32] {
        *self.0.as_bytes()
    }
    /// skeleton
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Secret::from_bytes(bytes))
    }
}

/// skeleton
#[derive(Debug)]
pub struct FrameSealer {}

impl FrameSealer {
    /// skeleton
    pub fn new(key: &MediaKey, key_id: u64) -> Self {
        let _ = (key, key_id);
        todo!()
    }
    /// skeleton
    pub fn seal(&mut self, frame: &[u8], clear: usize) -> Result<Vec<u8>, FrameError> {
        let _ = (frame, clear);
        todo!()
    }
}

/// skeleton
#[derive(Debug)]
pub struct FrameOpener {}

impl FrameOpener {
    /// skeleton
    pub fn new(key: &MediaKey) -> Self {
        let _ = key;
        todo!()
    }
    /// skeleton
    pub fn open(&mut self, frame: &[u8], clear: usize) -> Result<Vec<u8>, FrameError> {
        let _ = (frame, clear);
        todo!()
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

/// How many leading bytes of a frame stay readable for the browser's packetiser.
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
    /// Too short, or not an SFrame header.
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
