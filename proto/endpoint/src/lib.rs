// SPDX-License-Identifier: MIT OR Apache-2.0
//! The whole client as one state machine: contacts, categories, conversations, delivery, calls, paths.
//!
//! The same code runs in the browser and natively. A host brings time, randomness and bytes, and carries
//! out what the machine asks for; it makes no protocol decision of its own.
//!
//! # The loop
//! ```text
//!   one handle_*(…, now)                     then drain, in this order:
//!     handle_command     a person              poll_write     → put into the store, then handle_written
//!     handle_http        an answer             poll_transmit  → requests, frames, peer connections, Argon2id
//!     handle_socket      frames, open, closed  poll_event     → the person
//!     handle_link        a peer connection     poll_timeout   → when to call handle_timeout
//!     handle_stretched   Argon2id              view           → what to show, if an event says it changed
//!     handle_probe       the network around
//!     handle_written     the store
//!     handle_timeout     time
//! ```
//! Nothing leaves before it is safe: [`Endpoint::poll_transmit`] holds back whatever rests on an unconfirmed
//! write, so a ratchet step is on disk before its message is on the wire.
//!
//! # What it leaves to others
//! Keys and their use are `hither-crypto`'s; the words on the node's wire are `hither-api`'s; peer
//! connections, sockets, IndexedDB and workers are the host's; sentences for people are the app's.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    warn(clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod base;
mod calls;
mod client;
mod command;
mod contact;
mod endpoint;
mod event;
mod hiding;
mod ident;
mod json;
mod leaving;
mod leftovers;
mod link;
mod links;
mod meet;
pub mod network;
mod node;
mod payload;
mod quality;
mod show;
mod spare;
mod stream;
mod talk;
mod transmit;
mod view;

#[cfg(test)]
mod tests;

pub use command::Command;
pub use endpoint::{Config, Endpoint};
pub use event::{Event, Notice};
pub use hiding::RelayOnly;
pub use ident::{CallId, ContactId, InvitationKey, LinkId, MessageId};
pub use link::{
    Candidate, CandidateKind, CaptureKind, DescriptionKind, IceConfig, LinkAction, LinkEvent,
    LinkRole, LinkState, MediaReport, PathReport, PicturesReport, SoundReport, TransportProtocol,
};
pub use transmit::{
    HttpFailure, HttpRequest, HttpResponse, Method, SocketAction, SocketEvent, StretchJob,
    Transmit, WriteBatch,
};
pub use view::{
    CallDirection, CallStage, CallView, ContactState, ContactView, ConversationView, Delivery,
    DeviceView, EndReason, InvitationState, InvitationView, JoinStage, JoiningView, MeView,
    MessageView, NodeState, PastCallView, Phase, Route, RouteView, TimelineEntry, View,
};
