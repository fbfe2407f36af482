// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the operator decides.

use core::net::{IpAddr, SocketAddr};

use hither_sansio::Duration;

use super::peer_policy::{MAX_NETS, PeerRules};
use crate::credential::Secrets;

/// The longest realm that is accepted, in bytes (RFC 8489 §14.9 allows 128 characters).
pub const MAX_REALM_LEN: usize = 128;

/// How one server behaves.
#[derive(Clone, Debug)]
pub struct Config {
    /// The realm of the long-term credentials: a name people may see, in plain ASCII.
    pub realm: String,
    /// Shared with whoever mints credentials.
    pub secrets: Secrets,
    /// Addresses that relayed ports are opened on, the preferred one of a family first. Concrete ones:
    /// clients are told them.
    pub relayed_ips: Vec<IpAddr>,
    /// Which ports are opened.
    pub ports: PortRange,
    /// Addresses that clients send to. Nothing is ever relayed to them.
    pub listeners: Vec<SocketAddr>,
    /// What other addresses this machine has: those it binds where clients are told another one.
    pub own_ips: Vec<IpAddr>,
    /// Ports of what else the node runs. Nothing is relayed to them on this machine's own addresses.
    pub service_ports: Vec<u16>,
    /// Whether the host can forbid routers to fragment a datagram; otherwise clients that wish it are
    /// refused (RFC 8656 §14).
    pub dont_fragment: bool,
    /// Which peers may be reached.
    pub peers: PeerRules,
    /// Where clients can explore what is between, if they can.
    pub behaviour: Option<Behaviour>,
    /// How much of everything.
    pub limits: Limits,
}

/// The ports from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// The lowest port.
    pub first: u16,
    /// The highest port.
    pub last: u16,
}

impl PortRange {
    /// The dynamic ports (RFC 6335 §6), which RFC 8656 §7.2 asks for.
    pub const DYNAMIC: Self = Self {
        first: 49_152,
        last: 65_535,
    };

    pub(crate) const fn contains(self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }
}

/// Bounds on what clients can make the relay hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Allocations in all, of all shards together.
    pub max_allocations: usize,
    /// Allocations of one username.
    pub max_allocations_per_username: usize,
    /// Allocations of clients behind one IPv4 address or in one IPv6 /64.
    pub max_allocations_per_source: usize,
    /// Payload that one allocation may carry in a second, both ways together, in bytes; no bound if none is
    /// given. What is more is dropped.
    pub max_bytes_per_second: Option<u64>,
    /// Peer addresses that may reach one allocation.
    pub max_permissions_per_allocation: usize,
    /// Channels of one allocation, expired ones that may not yet be bound anew included.
    pub max_channels_per_allocation: usize,
    /// An allocation's lifetime when the client asks for none or for less.
    pub default_lifetime: Duration,
    /// The longest lifetime that a client is given at once.
    pub max_lifetime: Duration,
    /// How long after the expiry of its credential an allocation can still be refreshed. New allocations
    /// need a credential that has not expired; calls outlive their credentials this long.
    pub refresh_after_expiry: Duration,
    /// How long a nonce is good.
    pub nonce_lifetime: Duration,
    /// Bytes by which answers over UDP to one source that is not authenticated (bindings and challenges) may
    /// be longer than its requests. They are what a relay can be abused for against others. A source is one
    /// IPv4 address or one IPv6 /64, and has this at each shard that its clients happen to speak with.
    pub unauthenticated: Allowance,
    /// How often one source may fail to authenticate before its new credentials are no longer looked at.
    pub failures: Allowance,
}

impl Limits {
    /// What RFC 8656 recommends, and room for a few thousand calls.
    pub const RECOMMENDED: Self = Self {
        max_allocations: 4_096,
        max_allocations_per_username: 32,
        max_allocations_per_source: 1_024,
        max_bytes_per_second: None,
        max_permissions_per_allocation: 64,
        max_channels_per_allocation: 64,
        default_lifetime: Duration::from_secs(600),
        max_lifetime: Duration::from_secs(3_600),
        refresh_after_expiry: Duration::from_secs(24 * 3_600),
        nonce_lifetime: Duration::from_secs(3_600),
        unauthenticated: Allowance {
            burst: 64 * 1_024,
            per_second: 4 * 1_024,
        },
        failures: Allowance {
            burst: 60,
            per_second: 1,
        },
    };
}

/// How much of something a source has: a burst at once, and so much again every second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// How much at once.
    pub burst: u32,
    /// How much comes back in a second.
    pub per_second: u32,
}

impl Allowance {
    /// More than anybody can use.
    pub const UNLIMITED: Self = Self {
        burst: u32::MAX,
        per_second: u32::MAX,
    };
}

/// The addresses from which a client can explore what is between it and the relay (RFC 5780). There are
/// four, of two IP addresses and two ports, and all must be listeners, without a NAT before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behaviour {
    /// The one that clients know.
    pub primary: SocketAddr,
    /// One with another IP address of the same family, and another port.
    pub other: SocketAddr,
}

impl Behaviour {
    /// All four.
    #[must_use]
    pub const fn listeners(&self) -> [SocketAddr; 4] {
        let (first, second) = (self.primary, self.other);
        [
            first,
            SocketAddr::new(first.ip(), second.port()),
            SocketAddr::new(second.ip(), first.port()),
            second,
        ]
    }

    fn is_possible(&self, listeners: &[SocketAddr]) -> bool {
        let (first, second) = (self.primary, self.other);
        first.is_ipv4() == second.is_ipv4()
            && first.ip() != second.ip()
            && first.port() != second.port()
            && self.listeners().iter().all(|each| listeners.contains(each))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::RECOMMENDED
    }
}

/// Why a configuration cannot work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// An empty realm, a long one, or one with quotes, control characters or non-ASCII.
    #[error("the realm must be 1 to {MAX_REALM_LEN} printable ASCII characters without quotes")]
    Realm,
    /// An empty shared secret.
    #[error("the shared secret is empty")]
    Secret,
    /// No relayed address, or one that nobody can send to.
    #[error(
        "there must be at least one relayed address, and each must be a concrete unicast address"
    )]
    RelayedIps,
    /// A port range without ports, or with port 0.
    #[error("the range of relayed ports is empty")]
    Ports,
    /// More networks than are walked through for each peer.
    #[error("a list of peer networks has more than {MAX_NETS} entries; join some of them")]
    PeerRules,
    /// Two addresses for RFC 5780 that do not make four.
    #[error(
        "behaviour discovery needs two IP addresses of one family and two ports, with a UDP listener on each of the four"
    )]
    Behaviour,
}

impl Config {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let realm_is_plain = self.realm.bytes().all(|byte| match byte {
            b'"' | b'\\' => false,
            _ => byte == b' ' || byte.is_ascii_graphic(),
        });
        if self.realm.is_empty() || self.realm.len() > MAX_REALM_LEN || !realm_is_plain {
            return Err(ConfigError::Realm);
        }
        if self.secrets.is_empty() {
            return Err(ConfigError::Secret);
        }
        let is_concrete = |ip: &IpAddr| !ip.is_unspecified() && !ip.is_multicast();
        if self.relayed_ips.is_empty() || !self.relayed_ips.iter().all(is_concrete) {
            return Err(ConfigError::RelayedIps);
        }
        if self.ports.first == 0 || self.ports.first > self.ports.last {
            return Err(ConfigError::Ports);
        }
        if !self.peers.are_bounded() {
            return Err(ConfigError::PeerRules);
        }
        let is_possible = |behaviour: &Behaviour| behaviour.is_possible(&self.listeners);
        if !self.behaviour.as_ref().is_none_or(is_possible) {
            return Err(ConfigError::Behaviour);
        }
        Ok(())
    }
}
