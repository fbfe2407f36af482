// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two clients, and sometimes three, in one process and in virtual time.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a helper that fails is a test that fails"
)]

mod calling;
mod hostile;
mod links;
mod meeting;
mod node;
mod onboarding;
mod talking;
mod world;
