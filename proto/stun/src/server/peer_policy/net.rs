// SPDX-License-Identifier: MIT OR Apache-2.0
//! Networks as operators write them: `10.0.0.0/8`, `2a00:1::/32`, or one address.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

/// The longest text that is looked at, in bytes; the longest that can be right is 43.
const MAX_TEXT_LEN: usize = 64;

/// The addresses that begin with the same bits (RFC 4632 §3.1, RFC 4291 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Net {
    first: IpAddr,
    prefix_len: u8,
}

/// Why a text is no network, and how to write it instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetError {
    /// There is no address before the slash.
    #[error("write an address and how many of its bits count, as in 10.0.0.0/8 or fd00::/8")]
    Address,
    /// The number after the slash is none, or larger than the address.
    #[error("write after the slash how many bits count: up to 32 for IPv4, up to 128 for IPv6")]
    PrefixLength,
    /// Bits after the prefix are set, so that it is not clear what was meant.
    #[error(
        "write the network's first address: the bits that do not count must be zero, as in 10.0.0.0/8"
    )]
    HostBits,
    /// An IPv4 network in IPv6 clothes. Rules for IPv4 networks already hold for those.
    #[error("write the IPv4 network itself: rules for it hold for all its IPv6 forms")]
    Embedded,
}

impl Net {
    /// The network that is this one address.
    #[must_use]
    pub const fn one(ip: IpAddr) -> Self {
        let prefix_len = width(ip);
        Self {
            first: ip,
            prefix_len,
        }
    }

    /// The network of the addresses that share the first `prefix_len` bits of `first`.
    pub fn new(first: IpAddr, prefix_len: u8) -> Result<Self, NetError> {
        if prefix_len > width(first) {
            return Err(NetError::PrefixLength);
        }
        let is_embedded = match first {
            IpAddr::V4(_) => false,
            IpAddr::V6(ip) => ip.to_ipv4_mapped().is_some() && prefix_len >= 96,
        };
        if is_embedded {
            return Err(NetError::Embedded);
        }
        if masked(first, prefix_len) != first {
            return Err(NetError::HostBits);
        }
        Ok(Self { first, prefix_len })
    }

    /// Whether the address is in the network. An IPv4 network holds no IPv6 addresses.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        ip.is_ipv4() == self.first.is_ipv4() && masked(ip, self.prefix_len) == self.first
    }

    /// Whether the network is this one address.
    #[must_use]
    pub fn is_just(&self, ip: IpAddr) -> bool {
        *self == Self::one(ip)
    }
}

impl FromStr for Net {
    type Err = NetError;

    fn from_str(text: &str) -> Result<Self, NetError> {
        if text.len() > MAX_TEXT_LEN {
            return Err(NetError::Address);
        }
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let first: IpAddr = address.parse().map_err(|_| NetError::Address)?;
        let prefix_len = match length {
            None => width(first),
            Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().map_err(|_| NetError::PrefixLength)?
            }
            Some(_) => return Err(NetError::PrefixLength),
        };
        Self::new(first, prefix_len)
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix_len)
    }
}

/// Bits of an address of this family.
const fn width(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// The address with all bits after the prefix cleared.
fn masked(ip: IpAddr, prefix_len: u8) -> IpAddr {
    let dropped = u32::from(width(ip).saturating_sub(prefix_len));
    match ip {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(dropped).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() & mask))
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(dropped).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & mask))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_what_begins_like_it() {
        for (net, inside, outside) in [
            ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
            ("192.0.2.128/25", "192.0.2.128", "192.0.2.127"),
            ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("2a00:1::/32", "2a00:1:ffff::1", "2a00:2::"),
            ("::/0", "ff02::1", "10.0.0.1"),
            ("fd00::1/128", "fd00::1", "fd00::2"),
        ] {
            let net: Net = net.parse().unwrap();
            assert!(net.contains(inside.parse().unwrap()), "{net}");
            assert!(!net.contains(outside.parse().unwrap()), "{net}");
        }
    }

    #[test]
    fn a_network_is_printed_as_it_is_read() {
        for text in ["10.0.0.0/8", "0.0.0.0/0", "2a00:1::/32", "192.0.2.1/32"] {
            assert_eq!(text.parse::<Net>().unwrap().to_string(), text);
        }
        assert_eq!("::1".parse::<Net>().unwrap().to_string(), "::1/128");
    }

    #[test]
    fn what_is_no_network_is_refused_with_the_way_to_write_it() {
        let endless = "1".repeat(1_000_000);
        for (text, error) in [
            ("", NetError::Address),
            ("10.0.0.0-10.0.0.9", NetError::Address),
            ("example.org/8", NetError::Address),
            ("10.0.0/8", NetError::Address),
            (&endless, NetError::Address),
            ("10.0.0.0/", NetError::PrefixLength),
            ("10.0.0.0/33", NetError::PrefixLength),
            ("10.0.0.0/+8", NetError::PrefixLength),
            ("10.0.0.0/8/8", NetError::PrefixLength),
            ("::/129", NetError::PrefixLength),
            ("::/256", NetError::PrefixLength),
            ("10.0.0.1/8", NetError::HostBits),
            ("2a00:1::1/32", NetError::HostBits),
            ("::ffff:10.0.0.0/104", NetError::Embedded),
            ("::ffff:10.0.0.1", NetError::Embedded),
        ] {
            assert_eq!(text.parse::<Net>(), Err(error), "{text:.40}");
        }
    }
}
