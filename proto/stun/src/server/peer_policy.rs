// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which addresses clients may reach through the relay.
//!
//! A relay stands inside somebody's network and lends strangers its address there: everything that is not
//! plainly the Internet is denied unless the operator says otherwise.

mod address_class;
mod net;
mod rules;

use core::net::{IpAddr, SocketAddr};
use std::collections::BTreeSet;

pub use address_class::AddressClass;
pub use net::{Net, NetError};
pub use rules::{MAX_NETS, PeerRules};

use super::config::Config;
use super::tuple::PeerAddr;
use address_class::embedded_v4;

/// The policy of one server.
#[derive(Clone, Debug)]
pub(super) struct PeerPolicy {
    /// Where other clients' relayed ports are.
    relayed_ips: BTreeSet<IpAddr>,
    /// Every address of this machine that we know of.
    own_ips: BTreeSet<IpAddr>,
    /// Ports of our listeners and of the node's other services.
    closed_ports: BTreeSet<u16>,
    /// Classes besides [`AddressClass::Global`].
    extra: BTreeSet<AddressClass>,
    rules: PeerRules,
}

impl PeerPolicy {
    pub(super) fn new(config: &Config) -> Self {
        let listener_ips = config.listeners.iter().map(SocketAddr::ip);
        let listener_ports = config.listeners.iter().map(SocketAddr::port);
        Self {
            relayed_ips: config.relayed_ips.iter().copied().collect(),
            own_ips: listener_ips
                .chain(config.relayed_ips.iter().copied())
                .chain(config.own_ips.iter().copied())
                .collect(),
            closed_ports: listener_ports
                .chain(config.service_ports.iter().copied())
                .collect(),
            extra: config.peers.extra_classes(&config.relayed_ips),
            rules: config.peers.clone(),
        }
    }

    /// Whether a permission may be made for this address. For the relayed addresses it may: another
    /// client's port can be behind it; [`Self::permits`] then looks at the port.
    pub(super) fn permits_ip(&self, ip: IpAddr) -> bool {
        self.relayed_ips.contains(&ip) || self.opens(ip)
    }

    /// Whether data may be sent to this peer, which is none of our relayed addresses.
    pub(super) fn permits(&self, peer: PeerAddr) -> bool {
        self.permits_port(peer) && self.opens(peer.ip())
    }

    /// Whether a channel may be bound to this peer.
    pub(super) fn permits_channel(&self, peer: PeerAddr) -> bool {
        self.permits_port(peer) && self.permits_ip(peer.ip())
    }

    fn permits_port(&self, peer: PeerAddr) -> bool {
        let ip = peer.ip();
        let is_here = self.own_ips.contains(&ip) || AddressClass::of(ip) == AddressClass::Loopback;
        let port = peer.socket_addr().port();
        port != 0 && !(is_here && self.closed_ports.contains(&port))
    }

    /// Whether packets may leave for this address.
    fn opens(&self, ip: IpAddr) -> bool {
        let class = AddressClass::of(ip);
        if class == AddressClass::Never || self.denies(ip) {
            return false;
        }
        if self.extra.contains(&class) {
            return true;
        }
        if self.own_ips.contains(&ip) {
            // What else runs on this machine is nobody's business, unless the operator opened it.
            return self.rules.allow.iter().any(|net| net.is_just(ip));
        }
        class == AddressClass::Global || self.rules.allow.iter().any(|net| net.contains(ip))
    }

    /// Whether the operator denies the address, or one that is embedded in it; or it leads back here.
    fn denies(&self, ip: IpAddr) -> bool {
        let is_listed = |ip| self.rules.deny.iter().any(|net| net.contains(ip));
        let IpAddr::V6(v6) = ip else {
            return is_listed(ip);
        };
        let mut hidden = embedded_v4(v6).map(IpAddr::V4);
        is_listed(ip) || hidden.any(|ip| self.own_ips.contains(&ip) || is_listed(ip))
    }
}
