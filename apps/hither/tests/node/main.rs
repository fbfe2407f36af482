// SPDX-License-Identifier: MIT OR Apache-2.0
//! The real binary, spoken to over real sockets.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say where"
)]

mod command_line;
mod devices;
mod https;
mod invitations;
mod lifecycle;
mod mailboxes;
mod malformed;
mod pages;
mod privacy;
mod registration;
mod relay;
mod support;
