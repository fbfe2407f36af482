// SPDX-License-Identifier: MIT OR Apache-2.0
//! The relay of a node, and access to it and to relays elsewhere.

use std::net::SocketAddr;
use std::sync::Arc;

use hither_relay::RelayHandle;
use tokio::task::JoinSet;

use super::listen::Listeners;
use crate::config::{self, Config};
use crate::failure::Failure;
use crate::node::grants::RelayAccess;
use crate::relay::secret;
use crate::relay::tls::TlsListeners;
use crate::relay::{self, Described};
use crate::tls;
use crate::words::remark;

/// The node's relay, if it has one, and access to it and to others.
pub(super) struct Relaying<'a> {
    config: Option<&'a config::Relay>,
    pub(super) handle: Option<Arc<RelayHandle>>,
    pub(super) access: RelayAccess,
    pub(super) secrets: secret::Loaded,
    /// Where TLS is taken off for it: the places of HTTPS, and those of its own.
    tls: Vec<SocketAddr>,
    /// Ends with this.
    pub(super) accepting: Option<JoinSet<()>>,
}

impl Relaying<'_> {
    pub(super) fn described(&self) -> Option<Described<'_>> {
        Some(Described {
            config: self.config?,
            handle: self.handle.as_ref()?,
            tls: &self.tls,
        })
    }
}

/// Starts what the configuration asks for.
pub(super) fn start<'a>(
    config: &'a Config,
    listeners: &Listeners,
    metrics: Option<SocketAddr>,
    protection: &tls::Protection,
) -> Result<Relaying<'a>, Failure> {
    let secrets = secret::at_start(&config.access)?;
    let mut access = RelayAccess::new(&config.access, secrets.secrets.current.clone());
    let Some(relay) = &config.relay else {
        return Ok(Relaying {
            config: None,
            handle: None,
            access,
            secrets,
            tls: Vec::new(),
            accepting: None,
        });
    };
    let own = TlsListeners::bind(&relay.listen_tls)?;
    let places = [listeners.places(), own.places()].concat();
    let services = places.iter().chain(&metrics).map(SocketAddr::port);
    let running = relay::start(
        relay,
        secrets.secrets.clone(),
        &services.collect::<Vec<_>>(),
    )?;
    for text in &running.remarks {
        remark(text);
    }
    let mut ports = running.ports();
    let mut tls = Vec::new();
    let mut accepting = None;
    if let Some(acceptor) = &protection.acceptor {
        ports.tls.extend(listeners.port(config));
        ports.tls.extend(own.places().iter().map(SocketAddr::port));
        ports.tls.dedup();
        tls = places;
        accepting = Some(own.serve(acceptor, &running.handle, &config.limits));
    }
    warn_if_only_here(config, &running.handle);
    access.own = Some(ports);
    Ok(Relaying {
        config: Some(relay),
        handle: Some(running.handle),
        access,
        secrets,
        tls,
        accepting,
    })
}

fn warn_if_only_here(config: &Config, relay: &RelayHandle) {
    let others_come =
        config.public_url.is_some() || config.behind_proxy || !are_only_here(&config.listen);
    if others_come && are_only_here(relay.local_udp_addrs()) {
        tracing::warn!(
            "the relay listens on this machine only, so it helps nobody else: \
             set relay.listen_udp, relay.listen_tcp and relay.relayed_ips"
        );
    }
}

/// Whether nobody elsewhere reaches any of these places.
fn are_only_here(places: &[SocketAddr]) -> bool {
    places.iter().all(|at| at.ip().is_loopback())
}
