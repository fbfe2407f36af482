// SPDX-License-Identifier: MIT OR Apache-2.0
//! STUN (RFC 8489) and TURN (RFC 8656) without I/O.
//!
//! - [`message`]: STUN messages, parsed as a view over the received bytes and emitted by a builder;
//! - [`channel_data`] and [`framing`]: what else travels on the same port, and how a stream is cut into frames;
//! - [`integrity`], [`nonce`] and [`credential`]: who may have an allocation;
//! - [`server`]: the TURN server as a value. Its hot path answers *where to* and *behind which header*; the
//!   payload stays where the host received it.
//!
//! Sockets, clocks and randomness are left to hosts. A packet from a stranger never stops the machine:
//! what cannot be understood is dropped and counted.
//!
//! Deliberately absent: classic STUN (RFC 3489), relaying over TCP (RFC 6062), mobility (RFC 8016), and
//! third-party authorization (RFC 7635): the ephemeral credentials of [`credential`] do what it is for.

#![forbid(unsafe_code)]
#![warn(clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg_attr(
    test,
    allow(
        clippy::expect_used,
        clippy::unwrap_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "a test may fail loudly"
    )
)]

pub mod address;
pub mod attribute;
pub mod channel_data;
pub mod credential;
pub mod error_code;
pub mod fingerprint;
pub mod framing;
pub mod integrity;
pub mod message;
pub mod message_type;
pub mod nonce;
pub mod server;
pub mod transaction;

#[cfg(test)]
mod rfc5769;
#[cfg(test)]
mod rfc8489;

pub use channel_data::ChannelNumber;
pub use credential::{Secrets, SharedSecret, TurnCredential};
pub use message::{Message, MessageBuilder};
pub use server::{Config, Server};
pub use transaction::TransactionId;
