// SPDX-License-Identifier: MIT OR Apache-2.0
//! A machine on the backbone.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::process::Command;
use std::sync::Arc;

use super::capture::Capture;
use super::firewall::{Counts, Firewall};
use super::namespace::Namespace;
use crate::LabError;

/// The IPv4 ranges for documentation (RFC 5737 §3). Hosts are strewn over them, so that no two look like
/// neighbours.
const RANGES: [[u8; 3]; 3] = [[192, 0, 2], [198, 51, 100], [203, 0, 113]];

/// Addresses of a link: network, gateway, host, broadcast.
const LINK: u8 = 4;

/// A network namespace with a link to the backbone. Dropping it ends the processes in it.
#[derive(Debug)]
pub struct Host {
    namespace: Namespace,
    ipv4: Ipv4Addr,
    ipv6: Ipv6Addr,
    /// The other end of the link.
    _backbone: Arc<Namespace>,
}

impl Host {
    pub(super) fn new(name: &str, number: u8, backbone: &Arc<Namespace>) -> Result<Self, LabError> {
        let range = RANGES[usize::from(number) % RANGES.len()];
        let link = number / 3;
        let first = link.checked_mul(LINK).ok_or_else(|| {
            LabError::Unexpected("the ranges for documentation are used up".to_owned())
        })?;
        let at = |offset| Ipv4Addr::new(range[0], range[1], range[2], first + offset);
        let at_v6 = |host| Ipv6Addr::new(0x2001, 0xdb8, 0, number.into(), 0, 0, 0, host);
        let host = Self {
            namespace: Namespace::new(name)?,
            ipv4: at(2),
            ipv6: at_v6(2),
            _backbone: Arc::clone(backbone),
        };
        backbone.ip(&format!(
            "link add to-{number} type veth peer name eth0 netns {netns}\n\
             address add {gateway}/30 dev to-{number}\n\
             address add {gateway_v6}/64 dev to-{number}\n\
             link set to-{number} up\n",
            netns = host.netns(),
            gateway = at(1),
            gateway_v6 = at_v6(1),
        ))?;
        host.namespace.ip(&format!(
            "address add {ipv4}/30 dev eth0\n\
             address add {ipv6}/64 dev eth0\n\
             link set eth0 up\n\
             route add default via {gateway}\n\
             route add default via {gateway_v6}\n",
            ipv4 = host.ipv4,
            ipv6 = host.ipv6,
            gateway = at(1),
            gateway_v6 = at_v6(1),
        ))?;
        host.namespace.wait_for_link("eth0")?;
        Ok(host)
    }

    /// The namespace, as `ip netns` knows it: for [`NodeConfig`](crate::NodeConfig),
    /// [`BrowserConfig`](crate::BrowserConfig) and [`PersonConfig`](crate::PersonConfig).
    #[must_use]
    pub fn netns(&self) -> &str {
        self.namespace.name()
    }

    /// Its IPv4 address.
    #[must_use]
    pub fn ipv4(&self) -> Ipv4Addr {
        self.ipv4
    }

    /// Its IPv6 address.
    #[must_use]
    pub fn ipv6(&self) -> Ipv6Addr {
        self.ipv6
    }

    /// A program to be started on this host.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        self.namespace.command(program)
    }

    /// Runs `work` on a thread of this host: the sockets that it opens belong to it, wherever they are used.
    ///
    /// # Errors
    ///
    /// When the namespace cannot be entered.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, LabError> {
        self.namespace.inside(work)
    }

    /// From now on this firewall stands between the host and its link, instead of any other before.
    ///
    /// # Errors
    ///
    /// When `nft` refuses it.
    pub fn firewall(&self, firewall: &Firewall) -> Result<(), LabError> {
        self.namespace.nft(&["-f", "-"], &firewall.script())?;
        Ok(())
    }

    /// What the firewall has counted since it stands.
    ///
    /// # Errors
    ///
    /// When there is no firewall.
    pub fn counts(&self) -> Result<Counts, LabError> {
        let listed = self.namespace.nft(&Firewall::LIST, "")?;
        Counts::parse(&listed)
    }

    /// Writes down, from now on, what comes and goes over the link.
    ///
    /// # Errors
    ///
    /// When the system gives no such socket.
    pub fn capture(&self) -> Result<Capture, LabError> {
        self.inside(Capture::start)?
    }
}
