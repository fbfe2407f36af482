// SPDX-License-Identifier: MIT OR Apache-2.0
//! Binding: what a client looks like from here (RFC 8489 §2).

use super::reply::{Answer, Refusal};
use super::requests::{Outcome, unknown_attributes};
use super::tuple::FiveTuple;
use crate::message::Message;

/// RFC 8489 §12.
pub(super) fn binding(client: &FiveTuple, request: &Message<'_>) -> Outcome {
    let unknown = unknown_attributes(request);
    if !unknown.is_empty() {
        return Err(Refusal::UnknownAttributes(unknown));
    }
    let mapped = client.client;
    Ok(Some(Answer::Bound { mapped }))
}
