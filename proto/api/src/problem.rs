// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a node says no: RFC 9457 problem details with a sentence for people.

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
