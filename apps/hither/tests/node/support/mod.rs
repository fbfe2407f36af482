// SPDX-License-Identifier: MIT OR Apache-2.0
//! A node as a process, a small HTTP client, and a device with its socket.

mod device;
mod http;
mod process;
mod relay;
mod turn;

pub(crate) use device::{Device, Mailbox, Socket};
pub(crate) use http::{Request, Response};
pub(crate) use process::{Node, PATIENCE, hither};
pub(crate) use relay::{RelayAlone, write_secret};
pub(crate) use turn::{Code, TurnClient, credential, expired_credential, peer};

/// Fresh random bytes.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}
