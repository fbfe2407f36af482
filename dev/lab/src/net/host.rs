// SPDX-License-Identifier: MIT OR Apache-2.0
//! A machine with a link to the backbone.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::process::Command;

use super::backbone::Place;
use super::capture::Capture;
use super::firewall::{Counts, Firewall};
use super::namespace::Namespace;
use crate::LabError;

/// A network namespace with a link to the backbone. Dropping it ends the processes in it.
#[derive(Debug)]
pub struct Host {
    namespace: Namespace,
    ipv4: Ipv4Addr,
    ipv6: Ipv6Addr,
    /// Clients of a router have none.
    place: Option<Place>,
}

impl Host {
    /// A machine with a place of its own on the backbone.
    pub(super) fn new(name: &str, place: Place) -> Result<Self, LabError> {
        let namespace = Namespace::new(name)?;
        let (ipv4, ipv6) = (place.ipv4(), place.at_v6(2));
        place.link(&namespace, "eth0", "")?;
        namespace.ip(&format!(
            "address add {ipv4}/30 dev eth0\n\
             address add {ipv6}/64 nodad dev eth0\n\
             link set eth0 up\n\
             route add default via {gateway}\n\
             route add default via {gateway_v6}\n",
            gateway = place.gateway(),
            gateway_v6 = place.gateway_v6(),
        ))?;
        namespace.wait_for_link("eth0")?;
        namespace.wait_for_address(ipv6)?;
        place.wait_for_link()?;
        place.backbone().add_host([ipv4.into(), ipv6.into()]);
        Ok(Self {
            namespace,
            ipv4,
            ipv6,
            place: Some(place),
        })
    }

    /// A machine whose links somebody else has laid.
    pub(super) fn behind(namespace: Namespace, ipv4: Ipv4Addr, ipv6: Ipv6Addr) -> Self {
        Self {
            namespace,
            ipv4,
            ipv6,
            place: None,
        }
    }

    pub(super) fn namespace(&self) -> &Namespace {
        &self.namespace
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

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(place) = &self.place {
            let addresses = [self.ipv4.into(), self.ipv6.into()];
            place.backbone().remove_host(addresses);
        }
    }
}
