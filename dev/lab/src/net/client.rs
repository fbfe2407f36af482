// SPDX-License-Identifier: MIT OR Apache-2.0
//! A machine behind a router, or behind several.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Deref;

use super::host::Host;
use super::link::Link;
use super::namespace::Namespace;
use super::router::{Plug, Router};
use crate::LabError;

/// The first routing table of ours; each uplink has one of its own.
const TABLE: usize = 100;

/// A [`Host`] whose links lead to routers. Its addresses are those of its first uplink; one that it does not have is
/// unspecified (`0.0.0.0`, `::`).
#[derive(Debug)]
pub struct Client {
    host: Host,
    uplinks: Vec<Uplink>,
}

/// A link of a client, and how it is used.
#[derive(Debug)]
struct Uplink {
    plug: Plug,
    interface: String,
    number: usize,
}

impl Client {
    pub(super) fn new(name: &str, router: &Router) -> Result<Self, LabError> {
        let namespace = Namespace::new(name)?;
        let uplink = Uplink::new(&namespace, router, 0)?;
        if uplink.plug.ipv6.is_none() {
            namespace.without_ipv6()?;
        }
        uplink.set_up(&namespace)?;
        let ipv4 = uplink.plug.ipv4.unwrap_or(Ipv4Addr::UNSPECIFIED);
        let ipv6 = uplink.plug.ipv6.unwrap_or(Ipv6Addr::UNSPECIFIED);
        Ok(Self {
            host: Host::behind(namespace, ipv4, ipv6),
            uplinks: vec![uplink],
        })
    }

    /// Its (first) link to the router.
    #[must_use]
    pub fn link(&self) -> Link {
        self.uplinks[0].plug.link()
    }

    /// Another uplink, behind another router: used for what is sent from its address, and for everything once those
    /// before it are down. Returns its number; the first is 0.
    ///
    /// # Errors
    ///
    /// When the system's tools fail, or there are no more addresses.
    pub fn add_uplink(&mut self, router: &Router) -> Result<usize, LabError> {
        let number = self.uplinks.len();
        let namespace = self.host.namespace();
        let uplink = Uplink::new(namespace, router, number)?;
        uplink.set_up(namespace)?;
        self.uplinks.push(uplink);
        for uplink in &self.uplinks {
            uplink.set_rules(namespace)?;
        }
        Ok(number)
    }

    /// The link of an uplink.
    ///
    /// # Errors
    ///
    /// When there is no such uplink.
    pub fn uplink(&self, number: usize) -> Result<Link, LabError> {
        Ok(self.numbered(number)?.plug.link())
    }

    /// Its address on an uplink, if that has IPv4.
    ///
    /// # Errors
    ///
    /// When there is no such uplink.
    pub fn uplink_ipv4(&self, number: usize) -> Result<Option<Ipv4Addr>, LabError> {
        Ok(self.numbered(number)?.plug.ipv4)
    }

    /// Takes an uplink down, as when a cable is pulled: the machine knows.
    ///
    /// # Errors
    ///
    /// When the system's tools fail, or there is no such uplink.
    pub fn take_down(&self, number: usize) -> Result<(), LabError> {
        let interface = &self.numbered(number)?.interface;
        self.host
            .namespace()
            .ip(&format!("link set {interface} down"))
    }

    /// Brings an uplink up again, with the addresses that it had.
    ///
    /// # Errors
    ///
    /// When the system's tools fail, or there is no such uplink.
    pub fn bring_up(&self, number: usize) -> Result<(), LabError> {
        let uplink = self.numbered(number)?;
        let namespace = self.host.namespace();
        // The system has forgotten routes, and addresses of IPv6.
        uplink.set_up(namespace)?;
        if self.uplinks.len() > 1 {
            namespace.ip(&uplink.own_table())?;
        }
        Ok(())
    }

    fn numbered(&self, number: usize) -> Result<&Uplink, LabError> {
        let missing = || LabError::Unexpected(format!("there is no uplink {number}"));
        self.uplinks.get(number).ok_or_else(missing)
    }
}

impl Deref for Client {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.host
    }
}

impl Uplink {
    fn new(namespace: &Namespace, router: &Router, number: usize) -> Result<Self, LabError> {
        let interface = format!("eth{number}");
        Ok(Self {
            plug: router.plug(namespace, &interface)?,
            interface,
            number,
        })
    }

    fn set_up(&self, namespace: &Namespace) -> Result<(), LabError> {
        let interface = &self.interface;
        let (addresses, routes) = (self.plug.addresses(interface), self.routes());
        namespace.ip(&format!("link set {interface} up\n{addresses}{routes}"))?;
        namespace.wait_for_link(interface)?;
        if let Some(ip) = self.plug.ipv6 {
            namespace.wait_for_address(ip)?;
        }
        self.plug.wait_for_link()
    }

    /// The way to everybody, after those of the uplinks before it.
    fn routes(&self) -> String {
        let metric = 100 + self.number;
        let route = |gateway| {
            let interface = &self.interface;
            format!("route replace default via {gateway} dev {interface} metric {metric}\n")
        };
        self.plug.gateways().into_iter().map(route).collect()
    }

    fn own_table(&self) -> String {
        let table = TABLE + self.number;
        let route = |gateway| {
            let interface = &self.interface;
            format!("route replace default via {gateway} dev {interface} table {table}\n")
        };
        self.plug.gateways().into_iter().map(route).collect()
    }

    /// What is sent from an uplink's address leaves by it.
    fn set_rules(&self, namespace: &Namespace) -> Result<(), LabError> {
        let table = TABLE + self.number;
        namespace.ip(&self.own_table())?;
        if let Some(ip) = self.plug.ipv4 {
            let preference = 1000 + table;
            namespace.ip_of(
                "-4",
                &format!("rule add from {ip} lookup {table} pref {preference}"),
            )?;
        }
        Ok(())
    }
}
