// SPDX-License-Identifier: MIT OR Apache-2.0
//! Under which addresses this machine is reached, as far as it can know by itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// The addresses behind `ip`: itself, or this machine's own if it stands for all of them.
pub(crate) fn concrete(ip: IpAddr) -> Vec<IpAddr> {
    if !ip.is_unspecified() {
        return vec![ip];
    }
    behind_all(ip.is_ipv6(), route_address(ip.is_ipv6()), &interfaces())
}

/// What stands for all addresses of a family: the one that leads outwards, or on a network without a way out
/// those that its neighbours can know; and loopback.
fn behind_all(v6: bool, route: Option<IpAddr>, interfaces: &[IpAddr]) -> Vec<IpAddr> {
    let loopback = if v6 {
        IpAddr::V6(Ipv6Addr::LOCALHOST)
    } else {
        IpAddr::V4(Ipv4Addr::LOCALHOST)
    };
    let is_neighbourly =
        |ip: &&IpAddr| ip.is_ipv6() == v6 && !ip.is_loopback() && !is_of_link(**ip);
    let mut ips: Vec<IpAddr> = match route {
        Some(ip) => vec![ip],
        None => interfaces.iter().filter(is_neighbourly).copied().collect(),
    };
    ips.push(loopback);
    ips
}

/// Whether an IPv6 address means something only together with an interface.
fn is_of_link(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
}

/// The addresses of all interfaces that are up; none where the system does not tell.
pub(crate) fn interfaces() -> Vec<IpAddr> {
    #[cfg(unix)]
    {
        use nix::ifaddrs::getifaddrs;
        use nix::net::if_::InterfaceFlags;

        let mut ips: Vec<IpAddr> = Vec::new();
        for interface in getifaddrs().into_iter().flatten() {
            let Some(address) = interface.address else {
                continue;
            };
            let v4 = address.as_sockaddr_in().map(|at| IpAddr::V4(at.ip()));
            let v6 = address.as_sockaddr_in6().map(|at| IpAddr::V6(at.ip()));
            let is_up = interface.flags.contains(InterfaceFlags::IFF_UP);
            if let Some(ip) = v4.or(v6).filter(|ip| is_up && !ips.contains(ip)) {
                ips.push(ip);
            }
        }
        ips
    }
    #[cfg(not(unix))]
    {
        Vec::new()
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_network_without_a_way_out_is_served_at_the_addresses_of_its_interfaces() {
        let here = ips(&["127.0.0.1", "192.168.1.10", "::1", "fe80::1", "fd00::10"]);
        let route = |text: &str| Some(text.parse().unwrap());
        let behind = |v6, route| behind_all(v6, route, &here);
        assert_eq!(behind(false, None), ips(&["192.168.1.10", "127.0.0.1"]));
        assert_eq!(behind(true, None), ips(&["fd00::10", "::1"]));
        assert_eq!(
            behind(false, route("10.0.0.1")),
            ips(&["10.0.0.1", "127.0.0.1"])
        );
        assert_eq!(behind_all(true, None, &[]), ips(&["::1"]));
    }

    #[cfg(unix)]
    #[test]
    fn the_addresses_of_the_interfaces_are_those_that_can_be_bound() {
        let here = interfaces();
        assert!(here.contains(&Ipv4Addr::LOCALHOST.into()), "{here:?}");
        for ip in here.into_iter().filter(|ip| !is_of_link(*ip)) {
            assert!(UdpSocket::bind((ip, 0)).is_ok(), "{ip}");
        }
        for ip in route_address(false).into_iter().chain(route_address(true)) {
            assert!(interfaces().contains(&ip), "{ip}");
        }
    }
}
