// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which addresses clients may reach through the relay.
//!
//! A relay stands inside somebody's network and lends strangers its address there: everything that is not
//! plainly the Internet is denied unless the operator says otherwise.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::collections::BTreeSet;

use super::config::Config;
use super::tuple::PeerAddr;

/// What kind of address this is (RFC 6890 and the registries that it names).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AddressClass {
    /// The Internet.
    Global,
    /// This machine: 127/8, `::1`.
    Loopback,
    /// A site's own: 10/8, 172.16/12, 192.168/16, 100.64/10, `fc00::/7`.
    Private,
    /// This wire: 169.254/16, `fe80::/10`.
    LinkLocal,
    /// Set aside for documentation and measurement.
    Documentation,
    /// Never a peer: unspecified, multicast, broadcast, reserved, cloud metadata, and IPv6 addresses that are
    /// IPv4 ones in disguise.
    Never,
}

impl AddressClass {
    /// The class of an address; one that embeds an IPv4 address is at most as good as that one.
    #[must_use]
    pub fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => Self::of_v4(ip),
            IpAddr::V6(ip) => Self::of_v6(ip),
        }
    }

    fn of_v4(ip: Ipv4Addr) -> Self {
        match ip.octets() {
            // "This network", protocol assignments, reserved and broadcast, multicast.
            [0, ..] | [192, 0, 0, _] | [224..=255, ..] => Self::Never,
            // Where clouds keep their secrets.
            [169, 254, 169, 254] | [169, 254, 170, 2 | 23] | [100, 100, 100, 200] => Self::Never,
            [168, 63, 129, 16] => Self::Never,
            // The former anycast prefix of 6to4 relays.
            [192, 88, 99, _] => Self::Never,
            [127, ..] => Self::Loopback,
            [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Self::Private,
            [169, 254, ..] => Self::LinkLocal,
            [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] | [198, 18 | 19, ..] => {
                Self::Documentation
            }
            _ => Self::Global,
        }
    }

    fn of_v6(ip: Ipv6Addr) -> Self {
        let embedded = |high: u16, low: u16| {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            match Self::of_v4(Ipv4Addr::new(a, b, c, d)) {
                Self::Global => Self::Global,
                _ => Self::Never,
            }
        };
        match ip.segments() {
            [0, 0, 0, 0, 0, 0, 0, 1] => Self::Loopback,
            // Unspecified, IPv4-compatible, IPv4-mapped, IPv4-translated: on no wire.
            [0, 0, 0, 0, ..] => Self::Never,
            // NAT64 (RFC 6052), 6to4 (RFC 3056).
            [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
            [0x2002, high, low, ..] => embedded(high, low),
            // Teredo (RFC 4380): the client's address is inverted.
            [0x2001, 0, _, _, _, _, high, low] => embedded(!high, !low),
            // Local NAT64 (RFC 8215), discard (RFC 6666), cloud metadata.
            [0x64, 0xff9b, ..] | [0x100, 0, 0, 0, ..] | [0xfd00, 0xec2, ..] => Self::Never,
            [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] | [0x2001, 2, 0, ..] => {
                Self::Documentation
            }
            // The other protocol assignments under 2001::/23: ORCHID, benchmarking and their like.
            [0x2001, 0..=0x1ff, ..] => Self::Never,
            [0xfc00..=0xfdff, ..] => Self::Private,
            [0xfe80..=0xfebf, ..] => Self::LinkLocal,
            // Global unicast so far; all else is multicast, site-local or not assigned.
            [0x2000..=0x3fff, ..] => Self::Global,
            _ => Self::Never,
        }
    }
}

/// The policy of one server.
#[derive(Clone, Debug)]
pub(super) struct PeerPolicy {
    own_ips: BTreeSet<IpAddr>,
    listener_ports: BTreeSet<u16>,
    /// Classes besides [`AddressClass::Global`].
    extra: BTreeSet<AddressClass>,
}

impl PeerPolicy {
    pub(super) fn new(config: &Config) -> Self {
        let listener_ips = config.listeners.iter().map(SocketAddr::ip);
        Self {
            own_ips: listener_ips
                .chain(config.relayed_ips.iter().copied())
                .collect(),
            listener_ports: config.listeners.iter().map(SocketAddr::port).collect(),
            extra: extra_classes(config),
        }
    }

    /// Whether a permission may be made for this address. For the relay's own addresses it may: another
    /// client's relayed port can be behind it; [`Self::permits`] then looks at the port.
    pub(super) fn permits_ip(&self, ip: IpAddr) -> bool {
        self.own_ips.contains(&ip) || self.permits_class(ip)
    }

    /// Whether data may be sent to this peer, which is none of our relayed addresses.
    pub(super) fn permits(&self, peer: PeerAddr) -> bool {
        let ip = peer.ip();
        let is_own = self.own_ips.contains(&ip);
        let is_here = is_own || AddressClass::of(ip) == AddressClass::Loopback;
        let port = peer.socket_addr().port();
        if port == 0 || (is_here && self.listener_ports.contains(&port)) {
            return false;
        }
        if is_own {
            // What else runs on this machine is nobody's business, unless the operator opened it.
            return self.extra.contains(&AddressClass::of(ip));
        }
        self.permits_class(ip)
    }

    /// Whether a channel may be bound to this peer.
    pub(super) fn permits_channel(&self, peer: PeerAddr) -> bool {
        let port = peer.socket_addr().port();
        if self.own_ips.contains(&peer.ip()) {
            port != 0 && !self.listener_ports.contains(&port)
        } else {
            self.permits(peer)
        }
    }

    fn permits_class(&self, ip: IpAddr) -> bool {
        let class = AddressClass::of(ip);
        class == AddressClass::Global || self.extra.contains(&class)
    }
}

/// Classes that the relay's own relayed addresses are of, if the operator opens them. From a loopback
/// address the system lets datagrams go to this machine only, so there its private addresses are open too.
fn extra_classes(config: &Config) -> BTreeSet<AddressClass> {
    if !config.allow_private_peers {
        return BTreeSet::new();
    }
    let own = config.relayed_ips.iter().map(|ip| AddressClass::of(*ip));
    let mut extra: BTreeSet<_> = own
        .filter(|class| !matches!(class, AddressClass::Never | AddressClass::Global))
        .collect();
    if extra.contains(&AddressClass::Loopback) {
        extra.extend([AddressClass::Private, AddressClass::Documentation]);
    }
    extra
}
