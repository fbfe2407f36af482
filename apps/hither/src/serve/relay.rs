// SPDX-License-Identifier: MIT OR Apache-2.0
//! Starts the relay, with a secret that lives as long as the process.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;

use hither_relay::{
    PeerRules, PortRange, Relay, RelayConfig, RelayHandle, Secrets, SharedSecret, StartError,
};

use crate::config;
use crate::failure::Failure;
use crate::node::grants::RelayAccess;
use crate::node::random;

/// A relay, and what is needed to let people use it.
pub(super) struct Running {
    pub(super) handle: Arc<RelayHandle>,
    pub(super) access: RelayAccess,
}

/// Starts the relay if the configuration wants one. `tls_port` is where it shares a socket with HTTPS.
pub(super) fn start(
    config: &config::Config,
    tls_port: Option<u16>,
) -> Result<Option<Running>, Failure> {
    let reached_from_elsewhere = config.public_url.is_some() || config.behind_proxy;
    let Some(config) = &config.relay else {
        return Ok(None);
    };
    let no_random = |error| Failure::caused_by("the system gives no random numbers", &error);
    let secret = SharedSecret::new(random::<32>().map_err(no_random)?);
    let usable = |address: &&SocketAddr| is_usable(address.ip());
    let handle = Relay::start(RelayConfig {
        listen_udp: config.listen_udp.iter().filter(usable).copied().collect(),
        listen_tcp: config.listen_tcp.iter().filter(usable).copied().collect(),
        relayed_ips: config
            .relayed_ips
            .iter()
            .filter(|ip| is_usable(**ip))
            .map(|ip| (*ip).into())
            .collect(),
        ports: PortRange {
            first: *config.ports.start(),
            last: *config.ports.end(),
        },
        peers: PeerRules {
            private: config.allow_private_peers,
            ..PeerRules::default()
        },
        ..RelayConfig::new(Secrets::only(secret.clone()))
    })
    .map_err(|error| explain(&error))?;
    let port = |addresses: &[SocketAddr]| addresses.first().map(SocketAddr::port);
    if handle
        .local_udp_addrs()
        .iter()
        .all(|at| at.ip().is_loopback())
        && reached_from_elsewhere
    {
        tracing::warn!(
            "the relay listens on this machine only, so it helps nobody else: \
             set relay.listen_udp, relay.listen_tcp and relay.relayed_ips"
        );
    }
    let access = RelayAccess {
        secret,
        udp_port: port(handle.local_udp_addrs()),
        tcp_port: port(handle.local_tcp_addrs()),
        tls_port,
        public_host: config.public_host.clone(),
        lasts: config.grant,
    };
    Ok(Some(Running {
        handle: Arc::new(handle),
        access,
    }))
}

/// A machine without IPv6 has no `::1`; the defaults name it all the same.
fn is_usable(ip: IpAddr) -> bool {
    ip.is_ipv4() || !ip.is_loopback() || UdpSocket::bind((ip, 0)).is_ok()
}

fn explain(error: &StartError) -> Failure {
    let failure = Failure::caused_by("the relay cannot start", error);
    match error {
        StartError::Bind {
            address, source, ..
        } if source.kind() == std::io::ErrorKind::AddrInUse => Failure::new(format!(
            "the relay cannot listen on {address}: another program uses this port"
        ))
        .hint("Stop the other program; it may be another hither.")
        .hint(
            "Or change the setting relay.port (or relay.listen_udp and relay.listen_tcp): \
             HITHER_RELAY__PORT=0 hither serve takes any free port.",
        ),
        StartError::Wildcard { .. } => failure.hint(
            "Name each address of this machine in relay.listen_udp instead of 0.0.0.0 or [::].",
        ),
        StartError::Bind { address, .. } => failure.hint(format!("The address is {address}.")),
        StartError::NoListener
        | StartError::Worker(_)
        | StartError::Config(_)
        | StartError::Random(_) => failure,
    }
}
