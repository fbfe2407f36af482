// SPDX-License-Identifier: MIT OR Apache-2.0
//! The WebSocket: sign-in first, then requests one way and envelopes the other.
//!
//! ```text
//!   open ──Challenge──▶ wait for SignIn ──Welcome──▶ serve ──▶ Goodbye | Revoked | closed
//!                          │ 10 s, wrong signature
//!                          ▼
//!                       Goodbye
//! ```
//!
//! One task serves one socket. It never holds more than one page of envelopes: what waits, waits in the store,
//! and a mailbox with something new is only a mark in the socket's [`Inbox`]. A client that does not read is
//! left waiting and then dropped; whatever it did not acknowledge comes again.
//!
//! [`Inbox`]: crate::node::bus::Inbox

mod pump;
mod serve;
mod sign_in;

use std::sync::Arc;

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use hither_api::{Problem, limits};

use super::extract::Source;
use super::{Fault, Refused};
use crate::node::Node;
use crate::node::rate::Kind;

/// Small, because there may be thousands of sockets; larger frames make their buffer grow and shrink.
const BUFFER: usize = 4 * 1024;

/// A socket was not opened.
#[derive(Debug, thiserror::Error)]
enum OpenFault {
    #[error("the request is no WebSocket handshake")]
    NoHandshake,
    #[error("as many sockets are open as the node takes")]
    Full,
    #[error("the node is stopping")]
    Stopping,
}

impl Fault for OpenFault {
    fn problem(&self) -> Problem {
        match self {
            Self::NoHandshake => Problem::new(
                400,
                "no-handshake",
                "This address takes WebSocket handshakes only.",
                "",
            ),
            Self::Full => Problem::new(
                503,
                "sockets-full",
                "The node has as many connections as it takes.",
                "Try again later.",
            ),
            Self::Stopping => stopping(),
        }
    }
}

fn stopping() -> Problem {
    Problem::new(
        503,
        "stopping",
        "The node is stopping.",
        "Connect again in a moment.",
    )
}

/// `GET /api/v1/socket`
pub(super) async fn open(
    State(node): State<Arc<Node>>,
    Source(source): Source,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Refused> {
    node.rates.spend(Kind::Socket, source)?;
    let upgrade = upgrade.map_err(|_| OpenFault::NoHandshake)?;
    if *node.stopping.borrow() {
        return Err(OpenFault::Stopping.into());
    }
    let permit = Arc::clone(&node.sockets)
        .try_acquire_owned()
        .map_err(|_| OpenFault::Full)?;
    let host = headers
        .get(header::HOST)
        .and_then(|value| value.to_str().ok())
        .and_then(crate::node::grants::host_of)
        .unwrap_or("localhost")
        .to_owned();
    let response = upgrade
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .max_write_buffer_size(limits::MAX_SERVER_FRAME + 16 * BUFFER)
        .max_message_size(limits::MAX_CLIENT_FRAME)
        .max_frame_size(limits::MAX_CLIENT_FRAME)
        .on_upgrade(move |socket| async move {
            Box::pin(serve::serve(node, source, host, socket)).await;
            drop(permit);
        });
    Ok(response.into_response())
}
