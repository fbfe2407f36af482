// SPDX-License-Identifier: MIT OR Apache-2.0
//! The audit boundary: everything in Hither that touches a key.
//!
//! [`identity`] says who somebody is, [`invitation`] brings two of them together with the help of a
//! [`code`], [`session`] keeps them together (MLS, RFC 9420), [`envelope`], [`quick`] and [`media`] are what
//! travels, [`safety`] is what people compare, and [`vault`] is what lies on the disk.
//!
//! The crate holds no primitive of its own and decides nothing about when, where and how often: bytes, time
//! and randomness are arguments. One exception is stated where it stands: inside an MLS session, OpenMLS
//! draws from the operating system's random source ([`session`]). Storage, networks, retries, and the words
//! that a person reads are left to others. Every byte is drawn in `docs/protocol.md`.

#![forbid(unsafe_code)]
#![warn(clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod code;
pub mod envelope;
pub mod identity;
pub mod invitation;
pub mod media;
pub mod quick;
pub mod safety;
pub mod secret;
pub mod session;
pub mod stretch;
pub mod vault;
#[cfg(feature = "vectors")]
pub mod vectors;

mod compact;
mod primitives;
mod replay;
mod storage;
mod wire;
#[cfg(test)]
mod wycheproof;

pub use code::{Code, CodeError};
pub use envelope::HeaderKey;
pub use identity::{DeviceCert, Fingerprint, Identity, ParseError, PublicIdentity, SignatureError};
pub use invitation::{
    CreateError, InvitationError, JoinError, JoinRequest, Joined, Meeting, OpenedInvitation,
    PendingInvitation, RedeemError, Transcript,
};
pub use media::{FrameKind, FrameOpener, FrameSealer, MediaKey, clear_bytes};
pub use quick::{QuickOpener, QuickSealer};
pub use safety::{call_number, safety_number};
pub use secret::Secret;
pub use session::{Change, EpochSecrets, GroupSession, Received, Session};
pub use stretch::{Stretch, StretchError, StretchParams, Stretched};
pub use vault::{RootKey, VaultHeader};
