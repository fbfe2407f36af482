// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a request is refused: every error of an operation becomes a problem with a sentence.
//!
//! What goes out is written here, never taken from an error's text; a fault of the node itself is logged
//! once, here, and sent without its reason.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hither_api::Problem;
use hither_store as store;

use crate::node::rate::TooOften;

/// An error that a client may hear about.
pub(crate) trait Fault {
    /// What the client hears.
    fn problem(&self) -> Problem;

    /// Seconds after which trying again makes sense.
    fn retry_after_secs(&self) -> Option<u64> {
        None
    }
}

/// A refusal on its way out.
#[derive(Debug)]
pub(crate) struct Refused {
    problem: Problem,
    retry_after_secs: Option<u64>,
}

impl<F: Fault> From<F> for Refused {
    fn from(fault: F) -> Self {
        Self {
            problem: fault.problem(),
            retry_after_secs: fault.retry_after_secs(),
        }
    }
}

impl Refused {
    /// Nothing is here.
    pub(crate) fn not_found() -> Self {
        Self::plain(Problem::new(404, "not-found", "Nothing is here.", ""))
    }

    /// Something is here, but not for this method.
    pub(crate) fn method_not_allowed() -> Self {
        Self::plain(Problem::new(
            405,
            "method-not-allowed",
            "This address does not take this method.",
            "",
        ))
    }

    fn plain(problem: Problem) -> Self {
        Self {
            problem,
            retry_after_secs: None,
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self.problem).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(Problem::MEDIA_TYPE),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(secs) = self.retry_after_secs {
            headers.insert(header::RETRY_AFTER, secs.into());
        }
        response
    }
}

/// The node could not do its part.
pub(crate) fn internal() -> Problem {
    Problem::new(
        500,
        "internal",
        "The node could not do this.",
        "Try again; if it stays so, tell the operator.",
    )
}

impl Fault for store::Unavailable {
    fn problem(&self) -> Problem {
        Problem::new(
            503,
            "store-unavailable",
            "The node cannot reach its records right now.",
            "Try again in a moment.",
        )
    }
}

impl Fault for store::StoreError {
    fn problem(&self) -> Problem {
        tracing::error!(error = self as &dyn std::error::Error, "the store failed");
        internal()
    }
}

impl Fault for getrandom::Error {
    fn problem(&self) -> Problem {
        tracing::error!("the system gives no random numbers");
        internal()
    }
}

impl Fault for TooOften {
    fn problem(&self) -> Problem {
        Problem::new(
            429,
            "too-often",
            "This happens too often from one place.",
            "Wait a little, then try again.",
        )
    }

    fn retry_after_secs(&self) -> Option<u64> {
        Some(self.retry_after_secs)
    }
}

impl Fault for store::RegisterError {
    fn problem(&self) -> Problem {
        match self {
            Self::TokenUnknown => Problem::new(
                403,
                "token-spent",
                "This registration link is not valid: it was used already, is too old, or was never given out.",
                "Ask for a new link.",
            ),
            Self::OwnerExists => Problem::new(
                409,
                "owner-exists",
                "This node has an owner already.",
                "Ask the owner for a link.",
            ),
            Self::Store(error) => error.problem(),
        }
    }
}

impl Fault for store::RemoveAccountError {
    fn problem(&self) -> Problem {
        match self {
            Self::Unknown => Problem::new(404, "unknown-account", "There is no such account.", ""),
            Self::Owner => Problem::new(
                403,
                "owner-stays",
                "An owner's account can only be deleted by the owner.",
                "",
            ),
            Self::Store(error) => error.problem(),
        }
    }
}

/// The operator has to make room.
fn node_full() -> Problem {
    Problem::new(
        507,
        "node-full",
        "The node keeps as much as it can keep.",
        "Try again later, and tell the operator.",
    )
}

impl Fault for store::ProfileError {
    fn problem(&self) -> Problem {
        match self {
            Self::NodeFull => node_full(),
            Self::Unknown => Problem::new(404, "unknown-account", "There is no such account.", ""),
            Self::Store(error) => error.problem(),
        }
    }
}

impl Fault for store::AddDeviceError {
    fn problem(&self) -> Problem {
        match self {
            Self::Unknown => Problem::new(404, "unknown-account", "There is no such account.", ""),
            Self::TooMany => Problem::new(
                409,
                "too-many-devices",
                "This account has as many devices as it can have.",
                "Remove one that is no longer used.",
            ),
            Self::Store(error) => error.problem(),
        }
    }
}

fn unknown_device() -> Problem {
    Problem::new(
        404,
        "unknown-device",
        "This account has no such device.",
        "",
    )
}

impl Fault for store::RenameDeviceError {
    fn problem(&self) -> Problem {
        match self {
            Self::Unknown => unknown_device(),
            Self::Store(error) => error.problem(),
        }
    }
}

impl Fault for store::RevokeDeviceError {
    fn problem(&self) -> Problem {
        match self {
            Self::Unknown => unknown_device(),
            Self::Store(error) => error.problem(),
        }
    }
}

/// The same words whether the mailbox or the key is wrong.
fn unknown_mailbox() -> Problem {
    Problem::new(
        404,
        "unknown-mailbox",
        "There is no such mailbox, or the key is not its own.",
        "",
    )
}

impl Fault for store::CreateMailboxError {
    fn problem(&self) -> Problem {
        match self {
            Self::Taken => Problem::new(
                409,
                "mailbox-taken",
                "A mailbox with this id and other keys exists.",
                "Draw another id.",
            ),
            Self::TooMany => Problem::new(
                507,
                "too-many-mailboxes",
                "This account has as many mailboxes as it can have.",
                "Delete some that are no longer used.",
            ),
            Self::Store(error) => error.problem(),
        }
    }
}

impl Fault for store::SubscribeError {
    fn problem(&self) -> Problem {
        match self {
            Self::Refused => unknown_mailbox(),
            Self::Store(error) => error.problem(),
        }
    }
}

impl Fault for store::DeleteMailboxError {
    fn problem(&self) -> Problem {
        match self {
            Self::Refused => unknown_mailbox(),
            Self::Store(error) => error.problem(),
        }
    }
}

impl Fault for store::PutError {
    fn problem(&self) -> Problem {
        match self {
            Self::Refused => unknown_mailbox(),
            Self::Full => Problem::new(
                507,
                "mailbox-full",
                "The mailbox is full.",
                "Try again after its reader has been there.",
            ),
            Self::NodeFull => node_full(),
            Self::Store(error) => error.problem(),
        }
    }
}

impl Fault for store::ParkError {
    fn problem(&self) -> Problem {
        match self {
            Self::Taken => Problem::new(
                409,
                "invitation-taken",
                "An invitation with this id is parked already.",
                "Draw another id.",
            ),
            Self::TooMany => Problem::new(
                507,
                "too-many-invitations",
                "This account has as many invitations parked as it can have.",
                "Places become free when invitations expire.",
            ),
            Self::NodeFull => node_full(),
            Self::Store(error) => error.problem(),
        }
    }
}

impl Fault for store::FetchError {
    fn problem(&self) -> Problem {
        match self {
            Self::Unknown => Problem::new(
                404,
                "unknown-invitation",
                "This invitation is not here: it was withdrawn or used, or it is too old.",
                "Ask for a new one.",
            ),
            Self::Store(error) => error.problem(),
        }
    }
}

impl Fault for store::WithdrawError {
    fn problem(&self) -> Problem {
        match self {
            Self::Refused => Problem::new(
                404,
                "unknown-invitation",
                "There is no such invitation, or the key is not its own.",
                "",
            ),
            Self::Store(error) => error.problem(),
        }
    }
}
