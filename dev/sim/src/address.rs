// SPDX-License-Identifier: MIT OR Apache-2.0
//! Addresses. The same private address may exist in two networks, as in life.

/// An address of a host or of the outside of a NAT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ip(pub u32);

/// An address and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Addr {
    /// The address.
    pub ip: Ip,
    /// The port.
    pub port: u16,
}

impl Addr {
    /// An address and a port.
    #[must_use]
    pub const fn new(ip: Ip, port: u16) -> Self {
        Self { ip, port }
    }
}
