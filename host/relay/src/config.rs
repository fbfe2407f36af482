// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a relay needs to know before it starts, and why it may not start.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZero;
use std::thread;
use std::time::Duration;

use hither_stun::Secrets;
use hither_stun::server::{Behaviour, Config, ConfigError, Limits, PeerRules, PortRange};

use crate::datagram::Path;

/// One relay.
#[derive(Clone, Debug)]
pub struct RelayConfig {
    /// Where to listen for UDP: concrete addresses, so that answers leave from the address that was asked.
    /// Port 0 lets the system choose.
    pub listen_udp: Vec<SocketAddr>,
    /// Where to listen for TCP. Port 0 lets the system choose.
    pub listen_tcp: Vec<SocketAddr>,
    /// Addresses that peers send to, the preferred one of a family first.
    pub relayed_ips: Vec<RelayedIp>,
    /// Ports that peers send to.
    pub ports: PortRange,
    /// The realm of the credentials, in plain ASCII.
    pub realm: String,
    /// Shared with whoever mints credentials.
    pub secrets: Secrets,
    /// Bounds on allocations.
    pub limits: Limits,
    /// Bounds on streams.
    pub streams: StreamLimits,
    /// Which peers may be reached.
    pub peers: PeerRules,
    /// Where clients can explore what is between (RFC 5780), if they can.
    pub behaviour: Option<Behaviour>,
    /// Every address of this machine that the application knows of; those of listeners and relayed ones belong to it
    /// anyway. Peers there are this machine, and closed as such.
    pub own_ips: Vec<IpAddr>,
    /// Ports of what else this machine serves; nothing is relayed to them.
    pub service_ports: Vec<u16>,
    /// Threads that move datagrams, at most [`MAX_WORKERS`]; 0 is one a processor.
    pub workers: usize,
    /// How datagrams are received and sent.
    pub datagrams: DatagramPath,
    /// How much may wait in sockets.
    pub buffers: Buffers,
}

/// The most workers that a relay can have.
pub const MAX_WORKERS: usize = 16;

impl RelayConfig {
    /// A relay that listens nowhere yet, with everything else as is recommended.
    #[must_use]
    pub fn new(secrets: Secrets) -> Self {
        Self {
            listen_udp: Vec::new(),
            listen_tcp: Vec::new(),
            relayed_ips: Vec::new(),
            ports: PortRange::DYNAMIC,
            realm: "hither".into(),
            secrets,
            limits: Limits::RECOMMENDED,
            streams: StreamLimits::default(),
            peers: PeerRules::default(),
            behaviour: None,
            own_ips: Vec::new(),
            service_ports: Vec::new(),
            workers: 0,
            datagrams: DatagramPath::Best,
            buffers: Buffers::default(),
        }
    }
}

/// An address that peers send to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelayedIp {
    /// The address of this machine: a concrete one.
    pub bind: IpAddr,
    /// What clients are told; another one where a cloud translates addresses one to one.
    pub advertised: IpAddr,
}

impl From<IpAddr> for RelayedIp {
    /// An address that peers know as this machine does.
    fn from(ip: IpAddr) -> Self {
        Self {
            bind: ip,
            advertised: ip,
        }
    }
}

/// How datagrams are received and sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DatagramPath {
    /// As fast as this system can: on Linux in batches, coalesced and segmented by the kernel.
    #[default]
    Best,
    /// One system call a datagram, as every system can.
    Portable,
}

/// How much the system is asked to let wait in a socket in each direction, in bytes. Larger buffers lose less in a
/// burst and hide an overload in delay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffers {
    /// In each listener of each worker.
    pub listener: usize,
    /// In each relayed socket.
    pub relayed: usize,
}

impl Default for Buffers {
    fn default() -> Self {
        Self {
            listener: 2 * 1024 * 1024,
            relayed: 512 * 1024,
        }
    }
}

/// Bounds on what TCP clients can make the relay hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamLimits {
    /// Streams at one time.
    pub max_streams: usize,
    /// Streams at one time of one IPv4 address or IPv6 /64.
    pub max_streams_per_source: usize,
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
            max_streams_per_source: 512,
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
    /// The system gives a worker no thread, no way to wait for sockets, or no room for one.
    #[error("the system does not let the relay's workers start")]
    Worker(#[source] io::Error),
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

    /// How many workers there will be.
    pub(crate) fn worker_count(&self) -> usize {
        let wanted = match self.workers {
            0 => thread::available_parallelism().map_or(1, NonZero::get),
            workers => workers,
        };
        // Elsewhere the system does not share out senders among sockets.
        let most = if cfg!(target_os = "linux") {
            MAX_WORKERS
        } else {
            1
        };
        wanted.min(most)
    }

    /// What the machine needs of it.
    pub(crate) fn machine(&self, listeners: Vec<SocketAddr>) -> Config {
        let bound = self.relayed_ips.iter().map(|ip| ip.bind);
        Config {
            realm: self.realm.clone(),
            secrets: self.secrets.clone(),
            relayed_ips: self.advertised_ips(),
            ports: self.ports,
            listeners,
            own_ips: bound.chain(self.own_ips.iter().copied()).collect(),
            service_ports: self.service_ports.clone(),
            dont_fragment: Path::can_forbid_fragments(self.datagrams),
            peers: self.peers.clone(),
            behaviour: self.behaviour,
            limits: self.limits,
        }
    }

    pub(crate) fn advertised_ips(&self) -> Vec<IpAddr> {
        self.relayed_ips.iter().map(|ip| ip.advertised).collect()
    }
}
