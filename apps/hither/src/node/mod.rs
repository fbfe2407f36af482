// SPDX-License-Identifier: MIT OR Apache-2.0
//! A running node: its records, and what it remembers only while it runs.

pub(crate) mod bus;
pub(crate) mod grants;
pub(crate) mod per_source;
pub(crate) mod rate;
pub(crate) mod sessions;
pub(crate) mod source;

use std::sync::Arc;

use hither_store::Store;
use tokio::sync::{Semaphore, watch};

use bus::Bus;
use grants::Grants;
use rate::Rates;
use sessions::Sessions;

/// What every handler reaches.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) open_registration: bool,
    pub(crate) behind_proxy: bool,
    pub(crate) store: Store,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) bus: Bus,
    pub(crate) rates: Rates,
    pub(crate) grants: Grants,
    /// The certificate authority's certificate, if the node has its own; PEM.
    pub(crate) own_ca: Option<String>,
    /// One permit per socket; all are back when every socket has ended.
    pub(crate) sockets: Arc<Semaphore>,
    /// Turns true when the node stops.
    pub(crate) stopping: watch::Sender<bool>,
}

/// Fresh random bytes from the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
