// SPDX-License-Identifier: MIT OR Apache-2.0
//! What kind of address an address is, whatever form it is written in.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

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
    /// Set aside for nothing in particular, but used as private space by some: 240/4, `fec0::/10`.
    Reserved,
    /// Never a peer: unspecified, multicast, broadcast, cloud metadata, and IPv6 addresses that are IPv4
    /// ones in disguise, unless those are [`Self::Global`] and the disguise is used on the Internet.
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
            // "This network", which systems take for this machine; protocol assignments; multicast.
            [0, ..] | [192, 0, 0, _] | [224..=239, ..] | [255, 255, 255, 255] => Self::Never,
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
            [240..=255, ..] => Self::Reserved,
            _ => Self::Global,
        }
    }

    fn of_v6(ip: Ipv6Addr) -> Self {
        let hides_worse = embedded_v4(ip).any(|ip| Self::of_v4(ip) != Self::Global);
        if hides_worse {
            return Self::Never;
        }
        match ip.segments() {
            [0, 0, 0, 0, 0, 0, 0, 1] => Self::Loopback,
            // Unspecified, IPv4-compatible, IPv4-mapped, IPv4-translated: on no wire.
            [0, 0, 0, 0, ..] => Self::Never,
            // NAT64 (RFC 6052). Where a local one (RFC 8215) puts the IPv4 address, only its network knows.
            [0x64, 0xff9b, 0, 0, 0, 0, _, _] => Self::Global,
            // Cloud metadata.
            [0xfd00, 0xec2, ..] | [0xfd20, 0xce, ..] => Self::Never,
            [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] | [0x2001, 2, 0, ..] => {
                Self::Documentation
            }
            // The other protocol assignments under 2001::/23: ORCHID, benchmarking and their like.
            [0x2001, 1..=0x1ff, ..] => Self::Never,
            [0xfc00..=0xfdff, ..] => Self::Private,
            [0xfe80..=0xfebf, ..] => Self::LinkLocal,
            [0xfec0..=0xfeff, ..] => Self::Reserved,
            // Global unicast so far; all else is multicast, discarded (RFC 6666) or not assigned.
            [0x2000..=0x3fff, ..] => Self::Global,
            _ => Self::Never,
        }
    }
}

/// The IPv4 addresses that a packet to this IPv6 address may end at, as far as the address itself says.
///
/// ```text
/// ::a.b.c.d              compatible (RFC 4291 §2.5.5.1)   2002:AABB:CCDD::      6to4 (RFC 3056)
/// ::ffff:a.b.c.d         mapped (RFC 4291 §2.5.5.2)       2001::/32             Teredo (RFC 4380), two of them
/// ::ffff:0:a.b.c.d       translated (RFC 2765 §2.1)       …:[02]00:5efe:a.b.c.d ISATAP (RFC 5214 §6.1)
/// 64:ff9b::a.b.c.d       NAT64 (RFC 6052)
/// ```
pub(in crate::server) fn embedded_v4(ip: Ipv6Addr) -> impl Iterator<Item = Ipv4Addr> {
    let [s0, s1, s2, s3, s4, s5, s6, s7] = ip.segments();
    let low = v4(s6, s7);
    let by_prefix = match [s0, s1, s2, s3, s4, s5] {
        // The unspecified address and the loopback address are nobody else's.
        [0, 0, 0, 0, 0, 0] if s6 == 0 && s7 <= 1 => None,
        [0, 0, 0, 0, 0, 0 | 0xffff] | [0, 0, 0, 0, 0xffff, 0] => Some(low),
        [0x64, 0xff9b, 0, 0, 0, 0] => Some(low),
        [0x2002, high, low, ..] => Some(v4(high, low)),
        // The server's; the client's is inverted.
        [0x2001, 0, high, low, ..] => Some(v4(high, low)),
        _ => None,
    };
    let by_interface = match [s0, s1, s4, s5] {
        [0x2001, 0, ..] => Some(v4(!s6, !s7)),
        [_, _, 0 | 0x200, 0x5efe] => Some(low),
        _ => None,
    };
    by_prefix.into_iter().chain(by_interface)
}

const fn v4(high: u16, low: u16) -> Ipv4Addr {
    let [a, b] = high.to_be_bytes();
    let [c, d] = low.to_be_bytes();
    Ipv4Addr::new(a, b, c, d)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All the ways to write an IPv4 address as an IPv6 one.
    fn disguises(ip: Ipv4Addr) -> Vec<String> {
        let [a, b, c, d] = ip.octets();
        vec![
            format!("::{ip}"),
            format!("::ffff:{ip}"),
            format!("::ffff:0:{ip}"),
            format!("64:ff9b::{ip}"),
            format!("2002:{a:02x}{b:02x}:{c:02x}{d:02x}::1"),
            format!("2001:0:808:808::{:02x}{:02x}:{:02x}{:02x}", !a, !b, !c, !d),
            format!("2001:0:{a:02x}{b:02x}:{c:02x}{d:02x}::f7f7:f7f7"),
            format!("2a00:1::5efe:{ip}"),
            format!("2a00:1::200:5efe:{ip}"),
            format!("fe80::5efe:{ip}"),
            format!("2002:808:808::5efe:{ip}"),
        ]
    }

    #[test]
    fn every_disguise_of_an_address_that_is_not_global_is_never_a_peer() {
        for hidden in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.168.0.1",
            "192.0.2.1",
            "224.0.0.1",
            "255.255.255.255",
        ] {
            for disguise in disguises(hidden.parse().unwrap()) {
                let ip = disguise.parse().unwrap();
                assert_eq!(AddressClass::of(ip), AddressClass::Never, "{disguise}");
            }
        }
    }

    #[test]
    fn every_disguise_is_seen_through() {
        let hidden = "9.8.7.6".parse().unwrap();
        for disguise in disguises(hidden) {
            let ip = disguise.parse().unwrap();
            assert!(embedded_v4(ip).any(|ip| ip == hidden), "{disguise}");
        }
    }

    #[test]
    fn ordinary_addresses_hide_nothing() {
        for ip in ["::", "::1", "2a00:1::2", "fd00::1", "64:ff9b:1::909:909"] {
            assert_eq!(embedded_v4(ip.parse().unwrap()).next(), None, "{ip}");
        }
    }
}
