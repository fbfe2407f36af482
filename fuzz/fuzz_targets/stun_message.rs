// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any bytes, as everything that a TURN client or a peer can send.
#![no_main]

#[path = "../bodies/stun_message.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::run(bytes));
