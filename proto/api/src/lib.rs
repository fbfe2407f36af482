// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a node and its clients say to each other: types, versions, limits.
//!
//! HTTP carries what happens once (registration, parking, an envelope put into a mailbox) and a WebSocket
//! carries what happens all the time (envelopes arriving, credentials for the relay). Small requests are
//! JSON, blobs are raw bytes, frames are one version byte and a postcard value.
//!
//! Nothing here knows a person: a mailbox is written with a capability and read with a key, and neither
//! names an account. What the sealed bytes mean is left to `hither-crypto` and `hither-endpoint`.

#![forbid(unsafe_code)]
#![warn(clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod frame;
mod http;
mod ident;
pub mod limits;
pub mod link;
mod problem;
pub mod sheet;

pub use frame::{ClientFrame, FrameError, ServerFrame, sign_in_transcript};
pub use http::{
    AccountSummary, AddDeviceRequest, DeviceSummary, NodeDescription, RegisterRequest,
    RegisterResponse, RegistrationRequest, RegistrationResponse, RenameDeviceRequest, Role,
    TurnGrant, header, path,
};
pub use ident::{
    AccountId, Bearer, Capability, DeviceAuthKey, DeviceId, IdentError, InvitationId, KeyHash,
    MailboxId, ReadKey, RegistrationToken, WithdrawKey,
};
pub use problem::Problem;

/// The version of everything in this crate; part of every path and the first byte of every frame.
pub const VERSION: u8 = 1;
