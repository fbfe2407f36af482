// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a node says no: RFC 9457 problem details with a sentence for people.
//!
//! Of the words that stand in [`Problem::kind`], programs act on these; the others are for people only:
//!
//! | kind | where | meaning |
//! |---|---|---|
//! | `device-unknown` | sign-in | revoked, or never known: do not try again |
//! | `signed-out` | HTTP | the bearer's socket is gone: sign in again |
//! | `token-spent` | registration | used, too old, or never given out |
//! | `unknown-mailbox` | put, subscribe, delete | no such mailbox, or not its key |
//! | `mailbox-full`, `node-full` | put | again later |
//! | `invitation-taken` | park | draw another id |
//! | `unknown-invitation` | fetch, withdraw | withdrawn, used, or too old |
//! | `too-often` | HTTP, sign-in | again after `Retry-After` |
//! | `stopping` | socket | the node restarts: connect again in a moment |

use serde::{Deserialize, Serialize};

/// `application/problem+json` (RFC 9457 §3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// A stable word for programs, as a relative URI: `unknown-mailbox`, `token-spent`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// What went wrong, one sentence.
    pub title: String,
    /// What to do, one sentence; may be empty.
    #[serde(default)]
    pub detail: String,
    /// The HTTP status code.
    pub status: u16,
}

impl Problem {
    /// The media type of its body.
    pub const MEDIA_TYPE: &str = "application/problem+json";

    /// A problem with its sentence and its remedy.
    #[must_use]
    pub fn new(status: u16, kind: &str, title: &str, detail: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            title: title.to_owned(),
            detail: detail.to_owned(),
            status,
        }
    }
}
