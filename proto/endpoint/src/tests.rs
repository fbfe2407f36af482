// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two clients, and sometimes three, in one process and in virtual time.
//!
//! A browser runs one story only, to see that the machine works there as well: all the others would take it
//! minutes. More seeds: `PROPTEST_CASES=200 cargo test -p hither-endpoint storm`.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test names what it looks for"
)]
#![cfg_attr(
    target_arch = "wasm32",
    expect(dead_code, reason = "what only the other stories need")
)]

mod links;
mod node;
mod story;
mod vectors;
mod world;

#[cfg(not(target_arch = "wasm32"))]
mod calling;
#[cfg(not(target_arch = "wasm32"))]
mod hiding;
#[cfg(not(target_arch = "wasm32"))]
mod hostile;
#[cfg(not(target_arch = "wasm32"))]
mod meeting;
#[cfg(not(target_arch = "wasm32"))]
mod onboarding;
#[cfg(not(target_arch = "wasm32"))]
mod ringing;
#[cfg(not(target_arch = "wasm32"))]
mod sparing;
#[cfg(not(target_arch = "wasm32"))]
mod talking;
