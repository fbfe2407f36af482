// SPDX-License-Identifier: MIT OR Apache-2.0
//! The relay from its configuration: the same in a node and alone.

pub(crate) mod alone;
pub(crate) mod counted;
mod drain;
pub(crate) mod secret;
pub(crate) mod tls;
mod words;

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;

use hither_relay::{
    Behaviour, Limits, PortRange, Relay, RelayConfig, RelayHandle, Reload, Secrets, StartError,
    StreamLimits,
};

use crate::config;
use crate::failure::Failure;
use crate::node::grants::OwnPorts;
use crate::own_address;
pub(crate) use drain::drain;
pub(crate) use words::Described;

/// The realm of the credentials. Nobody types it in; every relay of a node has the same.
const REALM: &str = "hither";

/// What whoever runs one in a cloud needs to hear.
const TRANSLATED: &str =
    "An address that a cloud translates to this machine belongs in relay.external_ips.";

/// A relay that runs.
pub(crate) struct Running {
    pub(crate) handle: Arc<RelayHandle>,
    /// Listens only for those who explore what is between.
    behaviour: Option<Behaviour>,
    /// Where it listens besides; clients try it after the others.
    besides: Vec<SocketAddr>,
    /// What somebody should know, one sentence each.
    pub(crate) remarks: Vec<String>,
}

impl Running {
    /// Under which ports clients reach it; TLS is somebody else's.
    pub(crate) fn ports(&self) -> OwnPorts {
        let other = self.behaviour.map(|behaviour| behaviour.other);
        let is_other = |at: &SocketAddr| {
            other.is_some_and(|other| at.ip() == other.ip() || at.port() == other.port())
        };
        let ports = |addresses: &[SocketAddr]| {
            let mut ports = Vec::new();
            for at in addresses {
                if !is_other(at) && !ports.contains(&at.port()) {
                    ports.push(at.port());
                }
            }
            ports
        };
        let mut udp = self.handle.local_udp_addrs().to_vec();
        udp.sort_by_key(|at| self.besides.contains(at));
        OwnPorts {
            udp: ports(&udp),
            tcp: ports(self.handle.local_tcp_addrs()),
            tls: Vec::new(),
        }
    }
}

/// Starts it. `services` are the ports of what else this process serves; nothing is relayed to them.
pub(crate) fn start(
    config: &config::Relay,
    secrets: Secrets,
    services: &[u16],
) -> Result<Running, Failure> {
    let mut remarks = Vec::new();
    let relay = relay_config(config, secrets, services, &mut remarks)?;
    let handle = Relay::start(relay).map_err(|error| explain(&error))?;
    Ok(Running {
        handle: Arc::new(handle),
        behaviour: config.behaviour,
        besides: config.listen_udp_too.clone(),
        remarks,
    })
}

fn relay_config(
    config: &config::Relay,
    secrets: Secrets,
    services: &[u16],
    remarks: &mut Vec<String>,
) -> Result<RelayConfig, Failure> {
    let usable = |address: &&SocketAddr| is_usable(address.ip());
    let mut listen_udp: Vec<_> = config.listen_udp.iter().filter(usable).copied().collect();
    for at in &listen_udp {
        probe(*at)?;
    }
    let relayed_ips: Vec<_> = config
        .relayed_ips
        .iter()
        .filter(|ip| is_usable(ip.bind))
        .copied()
        .collect();
    for ip in &relayed_ips {
        probe_relayed(ip.bind)?;
    }
    for at in config.listen_udp_too.iter().filter(usable) {
        match UdpSocket::bind(at) {
            Ok(_) => listen_udp.push(*at),
            Err(error) => remarks.push(not_on_443(&error)),
        }
    }
    remarks.dedup();
    Ok(RelayConfig {
        listen_udp,
        listen_tcp: config.listen_tcp.iter().filter(usable).copied().collect(),
        relayed_ips,
        own_ips: own_address::interfaces(),
        ports: PortRange {
            first: *config.ports.start(),
            last: *config.ports.end(),
        },
        realm: REALM.into(),
        limits: limits(config),
        streams: StreamLimits {
            max_streams: wide(config.max_streams),
            ..StreamLimits::default()
        },
        peers: config.peers.rules.clone(),
        service_ports: services.to_vec(),
        behaviour: config.behaviour,
        workers: usize::from(config.workers),
        ..RelayConfig::new(secrets)
    })
}

/// Follows other settings, as far as they concern a relay that runs. Allocations stay.
pub(crate) async fn reload(
    relay: &RelayHandle,
    config: &config::Relay,
    secrets: &Secrets,
) -> Result<(), Failure> {
    let told = relay.reload(Reload {
        secrets: secrets.clone(),
        limits: limits(config),
        peers: config.peers.rules.clone(),
    });
    told.await
        .map_err(|error| Failure::caused_by("the relay cannot work with these settings", &error))
}

fn limits(config: &config::Relay) -> Limits {
    Limits {
        max_allocations: wide(config.max_allocations),
        max_allocations_per_username: wide(config.max_allocations_per_username),
        max_allocations_per_source: wide(config.max_allocations_per_source),
        max_bytes_per_second: match config.max_kib_per_second {
            0 => None,
            kib => Some(u64::from(kib) * 1_024),
        },
        ..Limits::RECOMMENDED
    }
}

fn wide(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// The sockets of several workers share a port, and would share it with those of another program as well.
fn probe(at: SocketAddr) -> Result<(), Failure> {
    let free = UdpSocket::bind(at).map(drop);
    free.map_err(|source| {
        explain(&StartError::Bind {
            protocol: "UDP",
            address: at,
            source,
        })
    })
}

/// The relay opens sockets there only when somebody needs one.
fn probe_relayed(ip: IpAddr) -> Result<(), Failure> {
    let bound = UdpSocket::bind((ip, 0)).map(drop);
    bound.map_err(|error| {
        let attempt = format!("the relay cannot relay from {ip}");
        if error.kind() != std::io::ErrorKind::AddrNotAvailable {
            return Failure::caused_by(attempt, &error);
        }
        Failure::new(format!(
            "{attempt}: this machine does not have this address"
        ))
        .hint("Name an address of this machine in relay.relayed_ips.")
        .hint(TRANSLATED)
    })
}

/// A machine without IPv6 has no `::1`; the defaults name it all the same.
fn is_usable(ip: IpAddr) -> bool {
    ip.is_ipv4() || !ip.is_loopback() || UdpSocket::bind((ip, 0)).is_ok()
}

fn not_on_443(error: &std::io::Error) -> String {
    let why = match error.kind() {
        std::io::ErrorKind::PermissionDenied => {
            "ports below 1024 need a privilege, such as CAP_NET_BIND_SERVICE"
        }
        std::io::ErrorKind::AddrInUse => "another program uses it, perhaps for HTTP/3",
        _ => "the system does not allow it",
    };
    format!(
        "the relay does not listen on 443/UDP: {why}. Who may send UDP to that port only is \
         relayed over TLS. relay.udp_on_443 = false ends this remark"
    )
}

fn explain(error: &StartError) -> Failure {
    let failure = Failure::caused_by("the relay cannot start", error);
    match error {
        StartError::Bind {
            address, source, ..
        } => match source.kind() {
            std::io::ErrorKind::AddrInUse => Failure::new(format!(
                "the relay cannot listen on {address}: another program uses this port"
            ))
            .hint("Stop the other program; it may be another hither.")
            .hint(
                "Or change the setting relay.port (or relay.listen_udp and relay.listen_tcp): \
                 HITHER_RELAY__PORT=0 hither serve takes any free port.",
            ),
            std::io::ErrorKind::PermissionDenied => Failure::new(format!(
                "the relay cannot listen on {address}: ports below 1024 need a privilege"
            ))
            .hint("Choose a higher port, or give the binary CAP_NET_BIND_SERVICE."),
            std::io::ErrorKind::AddrNotAvailable => Failure::new(format!(
                "the relay cannot listen on {address}: this machine does not have this address"
            ))
            .hint("Name an address of this machine in relay.listen_udp and relay.listen_tcp.")
            .hint(TRANSLATED),
            _ => failure.hint(format!("The address is {address}.")),
        },
        _ => failure,
    }
}
