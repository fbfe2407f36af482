// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a relay needs to know before it starts, and why it may not start.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hither_stun::server::{Config, ConfigError, Limits, PeerRules, PortRange};
use hither_stun::{Secrets, SharedSecret};

/// One relay.
#[derive(Clone, Debug)]
pub struct RelayConfig {
    /// Where to listen for UDP: concrete addresses, so that answers leave from the address that was asked.
    /// Port 0 lets the system choose.
    pub listen_udp: Vec<SocketAddr>,
    /// Where to listen for TCP. Port 0 lets the system choose.
    pub listen_tcp: Vec<SocketAddr>,
    /// Addresses of this machine that peers send to: concrete ones, the preferred one of a family first.
    pub relayed_ips: Vec<IpAddr>,
    /// Ports that peers send to.
    pub ports: PortRange,
    /// The realm of the credentials, in plain ASCII.
    pub realm: String,
    /// Shared with whoever mints credentials.
    pub secret: SharedSecret,
    /// Bounds on allocations.
    pub limits: Limits,
    /// Bounds on streams.
    pub streams: StreamLimits,
    /// Whether private and loopback peers may be reached from relayed addresses of the same kind.
    pub allow_private_peers: bool,
}

/// Bounds on what TCP clients can make the relay hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamLimits {
    /// Streams at one time.
    pub max_streams: usize,
    /// Bytes that wait until a slow client takes them; what comes then is dropped, as UDP would.
    pub max_queued_bytes: usize,
    /// How long a stream may have no allocation, whatever it sends, before it is closed.
    pub idle_timeout: Duration,
    /// How long a client may take nothing of what waits before its stream is closed.
    pub write_timeout: Duration,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self {
            max_streams: 1_024,
            max_queued_bytes: 256 * 1024,
            idle_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(10),
        }
    }
}

/// Why a relay did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is nothing to listen on.
    #[error("the relay has no address to listen on")]
    NoListener,
    /// A UDP listener on 0.0.0.0 or `::`: its answers could leave from another address than was asked.
    #[error("a UDP listener needs a concrete address, not a wildcard")]
    Wildcard {
        /// The listener.
        address: SocketAddr,
    },
    /// A listener cannot be bound.
    #[error("cannot listen for {protocol}")]
    Bind {
        /// `UDP` or `TCP`.
        protocol: &'static str,
        /// The listener.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The machine refuses the configuration.
    #[error("the relay's configuration cannot work")]
    Config(#[from] ConfigError),
    /// The system has no randomness.
    #[error("the system gives no random numbers")]
    Random(#[from] getrandom::Error),
}

impl RelayConfig {
    pub(crate) fn check(&self) -> Result<(), StartError> {
        if self.listen_udp.is_empty() && self.listen_tcp.is_empty() {
            return Err(StartError::NoListener);
        }
        match self
            .listen_udp
            .iter()
            .find(|address| address.ip().is_unspecified())
        {
            Some(&address) => Err(StartError::Wildcard { address }),
            None => Ok(()),
        }
    }

    /// What the machine needs of it.
    pub(crate) fn into_machine(self, listeners: Vec<SocketAddr>) -> Config {
        Config {
            realm: self.realm,
            secrets: Secrets::only(self.secret),
            relayed_ips: self.relayed_ips,
            ports: self.ports,
            listeners,
            own_ips: Vec::new(),
            service_ports: Vec::new(),
            peers: PeerRules {
                private: self.allow_private_peers,
                ..PeerRules::default()
            },
            limits: self.limits,
        }
    }
}
