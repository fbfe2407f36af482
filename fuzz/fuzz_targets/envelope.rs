// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any bytes, as everything that is sealed, and as the content of it.
#![no_main]

#[path = "../bodies/envelope.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::run(bytes));
