// SPDX-License-Identifier: MIT OR Apache-2.0
//! The browser as a host of the client machine: peer connections, workers, IndexedDB, `fetch` and WebSocket.
//!
//! [`Client`] owns a [`hither_endpoint::Endpoint`], feeds it with what happens outside and carries out what
//! it asks for, in the documented order. Every module brings one thing of the browser; none of them knows
//! what it is for. Decisions are the machine's, pictures and words are the app's.

mod capture;
mod clock;
mod device;
mod driver;
mod http;
mod link;
mod links;
mod listen;
mod lock;
// The worker is a module of its own, with a start function: it cannot be linked into the page.
#[path = "../../worker/src/message.rs"]
mod message;
mod probe;
mod socket;
mod store;
mod streams;
mod sys;
mod workers;

pub use driver::{Client, Hooks, StartError};
pub use links::Links;
pub use streams::Stream;
