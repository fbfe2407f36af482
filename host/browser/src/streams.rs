// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which media element shows which stream.

/// What a media element can show or play.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Our camera, as we send it.
    LocalCamera,
    /// Our screen, as we send it.
    LocalScreen,
    /// Their camera.
    RemoteCamera,
    /// Their screen.
    RemoteScreen,
    /// Their sound.
    RemoteSound,
}
