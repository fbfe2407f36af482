// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any sequence of what can happen to a relay, beside a model of it.
#![no_main]

#[path = "../bodies/turn_machine.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::run(bytes));
