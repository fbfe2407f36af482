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

/// The policy of one server. Its lists are short, and walked through for each run of datagrams to a peer.
#[derive(Clone, Debug)]
pub(super) struct PeerPolicy {
    /// Where other clients' relayed ports are.
    relayed_ips: Vec<IpAddr>,
    /// Every address of this machine that we know of.
    own_ips: Vec<IpAddr>,
    /// Ports of our listeners and of the node's other services.
    closed_ports: Vec<u16>,
    /// Classes besides [`AddressClass::Global`].
    extra: Vec<AddressClass>,
    rules: PeerRules,
}

impl PeerPolicy {
    pub(super) fn new(config: &Config) -> Self {
        let listener_ips = config.listeners.iter().map(SocketAddr::ip);
        let listener_ports = config.listeners.iter().map(SocketAddr::port);
        Self {
            relayed_ips: config.relayed_ips.clone(),
            own_ips: each_once(
                listener_ips
                    .chain(config.relayed_ips.iter().copied())
                    .chain(config.own_ips.iter().copied()),
            ),
            closed_ports: each_once(listener_ports.chain(config.service_ports.iter().copied())),
            extra: each_once(config.peers.extra_classes(&config.relayed_ips)),
            rules: config.peers.clone(),
        }
    }

    /// Whether a permission may be made for this address. For the relayed addresses it may: another
    /// client's port can be behind it; [`Self::permits`] then looks at the port.
    pub(super) fn permits_ip(&self, ip: IpAddr) -> bool {
        self.relayed_ips.contains(&ip) || self.opens_ip(ip)
    }

    /// Whether data may be sent to this peer, which is none of our relayed addresses.
    pub(super) fn permits(&self, peer: PeerAddr) -> bool {
        let class = AddressClass::of(peer.ip());
        self.permits_port(peer, class) && self.opens(peer.ip(), class)
    }

    /// Whether a channel may be bound to this peer.
    pub(super) fn permits_channel(&self, peer: PeerAddr) -> bool {
        self.permits_port(peer, AddressClass::of(peer.ip())) && self.permits_ip(peer.ip())
    }

    fn permits_port(&self, peer: PeerAddr, class: AddressClass) -> bool {
        let port = peer.socket_addr().port();
        let is_here = || class == AddressClass::Loopback || self.own_ips.contains(&peer.ip());
        port != 0 && !(self.closed_ports.contains(&port) && is_here())
    }

    /// Whether packets may leave for this address: then a relayed address that talks with it needs a socket.
    pub(super) fn opens_ip(&self, ip: IpAddr) -> bool {
        self.opens(ip, AddressClass::of(ip))
    }

    fn opens(&self, ip: IpAddr, class: AddressClass) -> bool {
        if class == AddressClass::Never || self.denies(ip) {
            return false;
        }
        // A relay that is heard on this machine only is there for this machine.
        let is_closed = self.own_ips.contains(&ip) && !self.extra.contains(&AddressClass::Loopback);
        if is_closed {
            // What else runs on this machine is nobody's business, unless the operator opened it.
            return self.rules.allow.iter().any(|net| net.is_just(ip));
        }
        class == AddressClass::Global
            || self.extra.contains(&class)
            || self.rules.allow.iter().any(|net| net.contains(ip))
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

fn each_once<T: Ord>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let unique: BTreeSet<T> = items.into_iter().collect();
    unique.into_iter().collect()
}
