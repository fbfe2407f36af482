// SPDX-License-Identifier: MIT OR Apache-2.0
//! (skeleton)
use crate::identity::Fingerprint;

/// skeleton
#[must_use]
pub fn safety_number(a: &Fingerprint, b: &Fingerprint) -> String {
    let _ = (a, b);
    todo!()
}

/// skeleton
#[must_use]
pub fn call_number(authenticator: &[u8], call: &[u8; 16]) -> String {
    let _ = (authenticator, call);
    todo!()
}
