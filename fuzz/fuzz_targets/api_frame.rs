// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any bytes as everything that a node and a client say to each other.
#![no_main]

#[path = "../bodies/api_frame.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::run(bytes));
