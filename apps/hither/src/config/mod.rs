// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a node is told: merged from the defaults, a file, the environment and flags, then checked once.

mod merge;
mod nearest;
mod origin;
mod raw;

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use hither_relay::{Behaviour, PeerRules, RelayedIp};
use toml::Table;

pub(crate) use merge::{DEFAULTS, Flags, load, unknown_variables};
pub(crate) use raw::{default_data_dir, origin};

/// What is started with a configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// `hither serve`, and the commands that look at its data.
    #[default]
    Node,
    /// `hither relay`.
    RelayAlone,
}

/// Everything a node needs to know, checked.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// All of it as it was written, section by section.
    pub(crate) settings: Table,
    pub(crate) name: String,
    pub(crate) open_registration: bool,
    pub(crate) data_dir: PathBuf,
    pub(crate) listen: Vec<SocketAddr>,
    /// Without a trailing slash.
    pub(crate) public_url: Option<String>,
    pub(crate) behind_proxy: bool,
    pub(crate) tls: Tls,
    pub(crate) access: Access,
    pub(crate) relay: Option<Relay>,
    /// Where Prometheus is answered.
    pub(crate) metrics: Option<SocketAddr>,
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

/// How people get access to relays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    /// Where the secret is; `None` for one that lives as long as the process.
    pub(crate) secret_file: Option<PathBuf>,
    pub(crate) previous_secret_file: Option<PathBuf>,
    /// The host of the own relay, if it is not that of the page.
    pub(crate) public_host: Option<String>,
    /// URLs of relays that know the same secret.
    pub(crate) elsewhere: Vec<String>,
    /// How long a grant is good.
    pub(crate) lasts: Duration,
}

/// The relay's part.
#[derive(Clone, Debug)]
pub(crate) struct Relay {
    pub(crate) listen_udp: Vec<SocketAddr>,
    /// Besides, if the system allows it: the port of HTTPS.
    pub(crate) listen_udp_too: Vec<SocketAddr>,
    pub(crate) listen_tcp: Vec<SocketAddr>,
    pub(crate) listen_tls: Vec<SocketAddr>,
    pub(crate) relayed_ips: Vec<RelayedIp>,
    pub(crate) ports: RangeInclusive<u16>,
    pub(crate) peers: Peers,
    pub(crate) max_allocations: u32,
    pub(crate) max_allocations_per_username: u32,
    pub(crate) max_allocations_per_source: u32,
    /// 0 for no bound.
    pub(crate) max_kib_per_second: u32,
    pub(crate) max_streams: u32,
    /// 0 for as many as there are cores.
    pub(crate) workers: u8,
    pub(crate) drain: Duration,
    pub(crate) alternate_servers: Vec<SocketAddr>,
    /// Where clients can explore what is between (RFC 5780); all of it is in `listen_udp`.
    pub(crate) behaviour: Option<Behaviour>,
}

/// Which peers may be reached.
#[derive(Clone, Debug)]
pub(crate) struct Peers {
    pub(crate) rules: PeerRules,
    pub(crate) because: PeersBecause,
}

/// Why private peers may or may not be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PeersBecause {
    Told,
    PrivateAddressesOnly,
    PublicAddress,
    PublicName,
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
