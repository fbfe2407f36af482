// SPDX-License-Identifier: MIT OR Apache-2.0
//! Under which names and addresses this machine is reached.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::failure::Failure;
use crate::own_address::route_address;

/// What a certificate is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    /// From the configuration: must be certified.
    pub(super) wanted: BTreeSet<Name>,
    /// This machine's own: certified if the authority may.
    pub(super) own: BTreeSet<Name>,
}

/// A host name or an address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name {
    Dns(String),
    Ip(IpAddr),
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Dns(name) => f.write_str(name),
            Self::Ip(ip) => ip.fmt(f),
        }
    }
}

impl Name {
    fn parse(text: &str) -> Option<Self> {
        if let Ok(ip) = text.trim_matches(['[', ']']).parse() {
            return Some(Self::Ip(ip));
        }
        let host = crate::node::grants::host_of(text)?;
        (host == text).then(|| Self::Dns(host.to_lowercase()))
    }
}

impl Names {
    /// Everything a node with these listeners is reached under.
    pub(super) fn of(
        listen: &[SocketAddr],
        public_url: Option<&str>,
        configured: &[String],
    ) -> Result<Self, Failure> {
        let mut names = Self::default();
        for text in configured {
            let name = Name::parse(text).ok_or_else(|| {
                Failure::new("an entry of tls.names is neither a host name nor an address")
            })?;
            names.wanted.insert(name);
        }
        let public_host = public_url
            .and_then(|url| url.split_once("://"))
            .and_then(|(_, authority)| crate::node::grants::host_of(authority))
            .and_then(Name::parse);
        names.wanted.extend(public_host);
        for at in listen {
            if at.ip().is_unspecified() {
                names.own.extend(route_address(at.is_ipv6()).map(Name::Ip));
            } else {
                names.own.insert(Name::Ip(at.ip()));
            }
        }
        names.own.insert(Name::Dns("localhost".into()));
        names.own.insert(Name::Ip(Ipv4Addr::LOCALHOST.into()));
        names.own.insert(Name::Ip(Ipv6Addr::LOCALHOST.into()));
        names.own.extend(local_name().map(Name::Dns));
        Ok(names)
    }
}

/// What people on the local network can open: the name in mDNS, or an address.
pub(crate) fn own_name_or_address() -> String {
    match route_address(false).or_else(|| route_address(true)) {
        Some(IpAddr::V4(ip)) => ip.to_string(),
        Some(IpAddr::V6(ip)) => format!("[{ip}]"),
        None => local_name().unwrap_or_else(|| "localhost".to_owned()),
    }
}

/// `host.local`, the machine's name in mDNS (RFC 6762 §3).
fn local_name() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .or_else(|_| std::fs::read_to_string("/etc/hostname"))
        .ok()?;
    let host = text.trim().split('.').next()?.to_lowercase();
    let host = crate::node::grants::host_of(&host)?;
    let plain = host.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    (plain && host != "localhost").then(|| format!("{host}.local"))
}
