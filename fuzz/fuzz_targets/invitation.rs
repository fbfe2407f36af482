// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any bytes, as an invitation and an answer to one, outside and inside of the seal.
#![no_main]

#[path = "../bodies/invitation.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::run(bytes));
