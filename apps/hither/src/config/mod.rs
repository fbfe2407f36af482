// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a node is told: merged from the defaults, a file, the environment and flags, then checked once.

mod merge;
mod nearest;
mod origin;
mod raw;

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) use merge::{DEFAULTS, Flags, load, unknown_variables};
pub(crate) use raw::{default_data_dir, origin};

/// Everything a node needs to know, checked.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) name: String,
    pub(crate) open_registration: bool,
    pub(crate) data_dir: PathBuf,
    pub(crate) listen: Vec<SocketAddr>,
    /// Without a trailing slash.
    pub(crate) public_url: Option<String>,
    pub(crate) behind_proxy: bool,
    pub(crate) tls: Tls,
    pub(crate) relay: Option<Relay>,
    pub(crate) limits: Limits,
    pub(crate) log_filter: String,
}

/// How HTTP is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tls {
    Off,
    OwnCa { names: Vec<String> },
    Files { certificate: PathBuf, key: PathBuf },
}

/// The relay's part.
#[derive(Clone, Debug)]
pub(crate) struct Relay {
    pub(crate) listen_udp: Vec<SocketAddr>,
    pub(crate) listen_tcp: Vec<SocketAddr>,
    pub(crate) relayed_ips: Vec<IpAddr>,
    pub(crate) ports: RangeInclusive<u16>,
    pub(crate) public_host: Option<String>,
    pub(crate) allow_private_peers: bool,
    pub(crate) grant: Duration,
}

/// Bounds on what strangers may do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) max_connections: usize,
    pub(crate) connections_per_source: usize,
    pub(crate) max_storage_bytes: u64,
    pub(crate) registrations_per_minute: u32,
    pub(crate) invitations_per_minute: u32,
    pub(crate) failures_per_minute: u32,
    pub(crate) sockets_per_minute: u32,
}

impl Config {
    /// `http` or `https`, as the node itself speaks it.
    pub(crate) fn scheme(&self) -> &'static str {
        match self.tls {
            Tls::Off => "http",
            Tls::OwnCa { .. } | Tls::Files { .. } => "https",
        }
    }
}
