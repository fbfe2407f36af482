// SPDX-License-Identifier: MIT OR Apache-2.0
//! Addresses in attributes, mostly XORed against NATs that rewrite what looks like one (RFC 8489 §14.2).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::message::MAGIC_COOKIE;
use crate::transaction::TransactionId;

/// IPv4 or IPv6, as numbered in attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddressFamily {
    /// Family 0x01.
    V4,
    /// Family 0x02.
    V6,
}

impl AddressFamily {
    /// The family with this number.
    #[must_use]
    pub const fn parse(number: u8) -> Option<Self> {
        match number {
            0x01 => Some(Self::V4),
            0x02 => Some(Self::V6),
            _ => None,
        }
    }

    /// The family's number.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::V4 => 0x01,
            Self::V6 => 0x02,
        }
    }

    /// The family of an address.
    #[must_use]
    pub const fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

/// The value of an XOR-…-ADDRESS attribute, in a buffer of its own.
#[derive(Clone, Copy, Debug)]
pub struct XorAddress {
    bytes: [u8; 20],
    len: usize,
}

impl XorAddress {
    /// Writes `address` for a message with this transaction id.
    #[must_use]
    pub fn emit(address: SocketAddr, id: TransactionId) -> Self {
        let [c0, c1, ..] = MAGIC_COOKIE;
        let [p0, p1] = address.port().to_be_bytes();
        let mut bytes = [0; 20];
        let len = match address.ip() {
            IpAddr::V4(ip) => {
                let ip = xor(ip.octets(), MAGIC_COOKIE);
                let (head, _) = bytes.split_at_mut(8);
                let family = AddressFamily::V4.number();
                let [a, b, c, d] = ip;
                head.copy_from_slice(&[0, family, p0 ^ c0, p1 ^ c1, a, b, c, d]);
                8
            }
            IpAddr::V6(ip) => {
                let (head, tail) = bytes.split_at_mut(4);
                head.copy_from_slice(&[0, AddressFamily::V6.number(), p0 ^ c0, p1 ^ c1]);
                tail.copy_from_slice(&xor(ip.octets(), mask_v6(id)));
                20
            }
        };
        Self { bytes, len }
    }

    /// The value as it goes into the attribute: 8 or 20 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&self.bytes)
    }

    /// Reads the value of an XOR-…-ADDRESS attribute.
    #[must_use]
    pub fn parse(value: &[u8], id: TransactionId) -> Option<SocketAddr> {
        let (&[_, family, p0, p1], ip) = value.split_first_chunk()?;
        let [c0, c1, ..] = MAGIC_COOKIE;
        let port = u16::from_be_bytes([p0 ^ c0, p1 ^ c1]);
        let ip = match AddressFamily::parse(family)? {
            AddressFamily::V4 => IpAddr::V4(Ipv4Addr::from(xor(ip.try_into().ok()?, MAGIC_COOKIE))),
            AddressFamily::V6 => IpAddr::V6(Ipv6Addr::from(xor(ip.try_into().ok()?, mask_v6(id)))),
        };
        Some(SocketAddr::new(ip, port))
    }
}

fn mask_v6(id: TransactionId) -> [u8; 16] {
    let mut mask = [0; 16];
    let (head, tail) = mask.split_at_mut(4);
    head.copy_from_slice(&MAGIC_COOKIE);
    tail.copy_from_slice(id.as_bytes());
    mask
}

fn xor<const N: usize>(mut bytes: [u8; N], mask: [u8; N]) -> [u8; N] {
    for (byte, mask) in bytes.iter_mut().zip(mask) {
        *byte ^= mask;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_both_families_survive_the_round_trip() {
        let id = TransactionId::from_bytes([7; 12]);
        for address in ["192.0.2.1:32853", "[2001:db8::1]:1"] {
            let address: SocketAddr = address.parse().unwrap();
            let value = XorAddress::emit(address, id);
            assert_eq!(XorAddress::parse(value.as_bytes(), id), Some(address));
        }
    }

    #[test]
    fn an_address_of_the_wrong_length_is_refused() {
        let id = TransactionId::from_bytes([7; 12]);
        assert_eq!(XorAddress::parse(&[0, 1, 0, 0, 1, 2, 3], id), None);
        assert_eq!(XorAddress::parse(&[0, 1, 0, 0, 1, 2, 3, 4, 5], id), None);
        assert_eq!(XorAddress::parse(&[0, 2, 0, 0, 1, 2, 3, 4], id), None);
        assert_eq!(XorAddress::parse(&[0, 3, 0, 0, 1, 2, 3, 4], id), None);
        assert_eq!(XorAddress::parse(&[], id), None);
    }
}
