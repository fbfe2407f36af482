// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who counts as one source of requests.

use std::net::{IpAddr, Ipv6Addr};

/// An IPv4 address, or the /64 that one site's IPv6 addresses share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Source(IpAddr);

impl Source {
    /// Where this address is counted.
    pub(crate) fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(v4) => Self(IpAddr::V4(v4)),
            IpAddr::V6(v6) => {
                let network = u128::from(v6) & (u128::MAX << 64);
                Self(IpAddr::V6(Ipv6Addr::from(network)))
            }
        }
    }
}
