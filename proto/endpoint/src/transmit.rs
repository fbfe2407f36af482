// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the machine wants done in the outside world, other than showing something.

use hither_crypto::stretch::{Stretch, Stretched};

use crate::LinkAction;
use crate::network::ProbeAction;

/// One thing to do. The host does them in order but need not wait for one before the next.
#[derive(Debug)]
#[non_exhaustive]
pub enum Transmit {
    /// Make an HTTP request; answer with [`crate::Endpoint::handle_http`].
    Http(HttpRequest),
    /// The one socket to the node.
    Socket(SocketAction),
    /// A peer connection.
    Link(LinkAction),
    /// Measure the network around this device; answer with [`crate::Endpoint::handle_probe`].
    Probe(ProbeAction),
    /// Run Argon2id elsewhere; answer with [`crate::Endpoint::handle_stretched`].
    Stretch(StretchJob),
}

/// HTTP methods in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET.
    Get,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
}

impl Method {
    /// As written in a request line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// A request, complete. Sent without cookies, cache or referrer.
pub struct HttpRequest {
    /// Echoed in the answer.
    pub id: u32,
    /// The method.
    pub method: Method,
    /// Absolute URL.
    pub url: String,
    /// Name and value.
    pub headers: Vec<(&'static str, String)>,
    /// May be empty.
    pub body: Vec<u8>,
}

impl core::fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("HttpRequest")
            .field("id", &self.id)
            .field("method", &self.method)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// The answer to an [`HttpRequest`].
#[derive(Debug)]
pub struct HttpResponse {
    /// From the request.
    pub id: u32,
    /// Status and body (at most 512 KiB), or why there is none.
    pub result: Result<(u16, Vec<u8>), HttpFailure>,
}

/// No answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpFailure {
    /// No connection, or it broke, or 30 s passed.
    #[error("the node cannot be reached")]
    Unreachable,
    /// The answer was larger than allowed.
    #[error("the node's answer is too long")]
    TooLong,
}

/// What to do with the WebSocket to the node. There is one at most.
#[derive(Debug)]
pub enum SocketAction {
    /// Open it (closing an older one); report [`SocketEvent`]s.
    Open {
        /// `ws://` or `wss://`.
        url: String,
    },
    /// Send a binary frame.
    Send(Vec<u8>),
    /// Close it.
    Close,
}

/// What the WebSocket reports.
#[derive(Debug)]
pub enum SocketEvent {
    /// It is open.
    Opened,
    /// A binary frame came.
    Frame(Vec<u8>),
    /// It closed or could not be opened.
    Closed,
}

/// A key derivation for a worker or thread.
#[derive(Debug)]
pub struct StretchJob {
    /// Echoed in the answer.
    pub id: u32,
    /// What to run.
    pub stretch: Stretch,
}

impl StretchJob {
    /// Runs it here and now. For hosts with threads, and for tests.
    #[must_use]
    pub fn run(&self) -> Option<Stretched> {
        self.stretch.run().ok()
    }
}

/// Writes that belong together: all or none. Values are sealed already.
pub struct WriteBatch {
    /// For [`crate::Endpoint::handle_written`].
    pub number: u64,
    /// Record id and its new value; `None` deletes.
    pub writes: Vec<([u8; 16], Option<Vec<u8>>)>,
}

impl core::fmt::Debug for WriteBatch {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("WriteBatch")
            .field("number", &self.number)
            .field("writes", &self.writes.len())
            .finish()
    }
}
