// SPDX-License-Identifier: MIT OR Apache-2.0
//! The node's small JSON answers.

use serde::{Serialize, de::DeserializeOwned};

/// Longest body that is looked at: sixteen devices with their sealed labels, and some air.
const MAX_BODY: usize = 64 * 1024;

/// Reads a body of at most 64 KiB.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    if body.len() > MAX_BODY {
        return None;
    }
    serde_json::from_slice(body).ok()
}

/// Writes a body.
pub(crate) fn emit<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}
