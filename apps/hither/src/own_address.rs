// SPDX-License-Identifier: MIT OR Apache-2.0
//! Under which addresses this machine is reached, as far as it can know by itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// The addresses behind `ip`: itself, or this machine's own if it stands for all of them.
pub(crate) fn concrete(ip: IpAddr) -> Vec<IpAddr> {
    if !ip.is_unspecified() {
        return vec![ip];
    }
    let loopback = if ip.is_ipv6() {
        IpAddr::V6(Ipv6Addr::LOCALHOST)
    } else {
        IpAddr::V4(Ipv4Addr::LOCALHOST)
    };
    route_address(ip.is_ipv6())
        .into_iter()
        .chain([loopback])
        .collect()
}

/// The address from which this machine would reach others. Connecting a UDP socket sends nothing; the far
/// addresses are reserved for documentation (RFC 5737, RFC 3849).
pub(crate) fn route_address(v6: bool) -> Option<IpAddr> {
    let (here, far): (SocketAddr, SocketAddr) = if v6 {
        (
            (Ipv6Addr::UNSPECIFIED, 0).into(),
            (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), 9).into(),
        )
    } else {
        (
            (Ipv4Addr::UNSPECIFIED, 0).into(),
            (Ipv4Addr::new(192, 0, 2, 1), 9).into(),
        )
    };
    let socket = UdpSocket::bind(here).ok()?;
    socket.connect(far).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_unspecified()).then_some(ip)
}
