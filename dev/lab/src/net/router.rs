// SPDX-License-Identifier: MIT OR Apache-2.0
//! A router: what stands between clients and the backbone, or another router.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::backbone::{BARE, Backbone, Place};
use super::capture::Capture;
use super::client::Client;
use super::dice::Dice;
use super::firewall::Firewall;
use super::forwarder::Forwarder;
use super::link::Link;
use super::namespace::Namespace;
use super::nat::{Dependence, Gate, Nat, Rebinding, Translator};
use super::proxy::ConnectProxy;
use super::routing::{Routing, UPLINK};
use super::wire::Wire;
use crate::LabError;

/// Clients of one router, of all that there ever were.
const MOST_CLIENTS: u8 = 200;

/// The router's own host number in its networks; clients follow.
const GATEWAY: u8 = 1;

/// What a router does with IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ipv4 {
    /// There is none.
    Absent,
    /// It passes as it is: the only client has the router's own address.
    Routed,
    /// A NAT translates it.
    Translated(Nat),
}

/// What a router does with IPv6. It never translates it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ipv6 {
    /// There is none.
    Absent,
    /// It passes in both directions.
    Routed,
    /// It passes inwards when a client has asked for it (RFC 6092): the filtering of RFC 4787, without a NAT.
    Filtered(Dependence),
}

/// Which addresses of IPv4 a NAT gives to those behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// 192.168.0.0/16 (RFC 1918), a /24 of it for each router.
    Home,
    /// 100.64.0.0/10 (RFC 6598): between a carrier's NAT and the homes or telephones behind it. A /24 for each
    /// router.
    Carrier,
}

/// A kind of router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouterConfig {
    /// What it does with IPv4.
    pub ipv4: Ipv4,
    /// What it does with IPv6. Behind another router there is none.
    pub ipv6: Ipv6,
    /// The addresses behind a NAT.
    pub range: Range,
    /// What it lets through, in both directions.
    pub firewall: Option<Firewall>,
    /// Whether its clients reach each other without it, as on one local network; else only by hairpinning.
    pub switching: bool,
}

impl RouterConfig {
    /// No NAT and no filter, in both families: its one client has public addresses.
    #[must_use]
    pub fn open() -> Self {
        Self {
            ipv4: Ipv4::Routed,
            ipv6: Ipv6::Routed,
            range: Range::Home,
            firewall: None,
            switching: true,
        }
    }

    /// Only IPv4, behind this NAT; clients share a local network.
    #[must_use]
    pub fn nat(nat: Nat) -> Self {
        Self {
            ipv4: Ipv4::Translated(nat),
            ipv6: Ipv6::Absent,
            range: Range::Home,
            firewall: None,
            switching: true,
        }
    }

    /// A carrier's NAT: clients, or the homes behind it, are kept from each other.
    #[must_use]
    pub fn carrier(nat: Nat) -> Self {
        Self {
            range: Range::Carrier,
            switching: false,
            ..Self::nat(nat)
        }
    }

    /// The same with this IPv6.
    #[must_use]
    pub fn ipv6(self, ipv6: Ipv6) -> Self {
        Self { ipv6, ..self }
    }

    /// The same without IPv4.
    #[must_use]
    pub fn without_ipv4(self) -> Self {
        Self {
            ipv4: Ipv4::Absent,
            ..self
        }
    }

    /// The same behind this firewall.
    #[must_use]
    pub fn firewall(self, firewall: Firewall) -> Self {
        Self {
            firewall: Some(firewall),
            ..self
        }
    }

    /// The same, and clients are kept from each other.
    #[must_use]
    pub fn isolating(self) -> Self {
        Self {
            switching: false,
            ..self
        }
    }
}

/// A router. Its clients keep it up.
#[derive(Debug, Clone)]
pub struct Router {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    // Before the namespace that its wires are in.
    forwarder: Forwarder,
    namespace: Namespace,
    config: RouterConfig,
    uplink: Uplink,
    /// The third byte of the network that it gives addresses of.
    network: u8,
    clients: AtomicU8,
    backbone: Arc<Backbone>,
}

/// Where the first link of a router leads.
#[derive(Debug)]
enum Uplink {
    Backbone(Place),
    Router(Plug),
}

/// A link into a router's network, and the addresses on it; unplugged when it is dropped.
#[derive(Debug)]
pub(super) struct Plug {
    router: Router,
    number: u8,
    port: usize,
    pub(super) ipv4: Option<Ipv4Addr>,
    pub(super) ipv6: Option<Ipv6Addr>,
}

impl Router {
    /// A router with a place of its own on the backbone.
    pub(super) fn on_backbone(
        name: &str,
        config: &RouterConfig,
        backbone: &Arc<Backbone>,
    ) -> Result<Self, LabError> {
        let namespace = Namespace::new(name)?;
        namespace.without_ipv6()?;
        let place = backbone.place()?;
        place.link(&namespace, "wan", BARE)?;
        let address = place.ipv4();
        Self::start(
            namespace,
            config,
            Uplink::Backbone(place),
            address,
            backbone,
        )
    }

    /// A router behind this one, with an address of its network: of IPv4, and nothing else.
    ///
    /// # Errors
    ///
    /// When the system's tools fail.
    pub fn router(&self, name: &str, config: &RouterConfig) -> Result<Self, LabError> {
        let namespace = Namespace::new(name)?;
        namespace.without_ipv6()?;
        let plug = self.plug(&namespace, "wan")?;
        let address = plug.ipv4.ok_or_else(|| {
            LabError::Unexpected("a router without IPv4 has no routers behind it".to_owned())
        })?;
        let config = config.clone().ipv6(Ipv6::Absent);
        let backbone = Arc::clone(&self.inner.backbone);
        Self::start(namespace, &config, Uplink::Router(plug), address, &backbone)
    }

    fn start(
        namespace: Namespace,
        config: &RouterConfig,
        uplink: Uplink,
        address: Ipv4Addr,
        backbone: &Arc<Backbone>,
    ) -> Result<Self, LabError> {
        let network = backbone.network();
        let seed = u64::from(network);
        let translator = match config.ipv4 {
            Ipv4::Translated(nat) => Some(Translator::new(nat, address, Dice::new(seed))),
            Ipv4::Absent | Ipv4::Routed => None,
        };
        let gate = match config.ipv6 {
            Ipv6::Filtered(filtering) => Some(Gate::new(filtering)),
            Ipv6::Absent | Ipv6::Routed => None,
        };
        let routing = Routing::new(translator, gate, config.firewall.clone(), config.switching);
        let forwarder = Forwarder::start(backbone, routing, seed)?;
        namespace.ip("link set wan up")?;
        match &uplink {
            Uplink::Backbone(place) => place.wait_for_link()?,
            Uplink::Router(plug) => plug.wait_for_link()?,
        }
        let wire = Wire::open(&namespace, "wan")?;
        forwarder.shared().plug(wire, &[])?;
        Ok(Self {
            inner: Arc::new(Inner {
                forwarder,
                namespace,
                config: config.clone(),
                uplink,
                network,
                clients: AtomicU8::new(0),
                backbone: Arc::clone(backbone),
            }),
        })
    }

    /// A client behind this router.
    ///
    /// # Errors
    ///
    /// When the system's tools fail, or there are no more addresses.
    pub fn client(&self, name: &str) -> Result<Client, LabError> {
        Client::new(name, self)
    }

    /// A proxy in this router's network, with a link of its own to the backbone: the way out where the firewall
    /// leaves none.
    ///
    /// # Errors
    ///
    /// When the system's tools fail, or there are no more addresses.
    pub fn proxy(&self, name: &str) -> Result<ConnectProxy, LabError> {
        ConnectProxy::new(name, self, &self.inner.backbone)
    }

    /// The link towards the backbone, which all of its clients share.
    #[must_use]
    pub fn link(&self) -> Link {
        Link::new(self.inner.forwarder.shared(), UPLINK)
    }

    /// Its address on that link: what the next machine towards the backbone sees of IPv4.
    #[must_use]
    pub fn ipv4(&self) -> Ipv4Addr {
        match &self.inner.uplink {
            Uplink::Backbone(place) => place.ipv4(),
            // There is none without; see `Router::router`.
            Uplink::Router(plug) => plug.ipv4.unwrap_or(Ipv4Addr::UNSPECIFIED),
        }
    }

    /// What machines on the backbone see of IPv4: its own address, or that of the outermost router before it.
    #[must_use]
    pub fn public_ipv4(&self) -> Ipv4Addr {
        match &self.inner.uplink {
            Uplink::Backbone(place) => place.ipv4(),
            Uplink::Router(plug) => plug.router.public_ipv4(),
        }
    }

    /// From now on this firewall stands in it, instead of any other before; or none.
    pub fn firewall(&self, firewall: Option<&Firewall>) {
        let firewall = firewall.cloned();
        let shared = self.inner.forwarder.shared();
        shared.with_routing(|routing| routing.set_firewall(firewall));
    }

    /// Forgets mappings in mid-flow. Every flow that goes on gets a new one, with another port than any before.
    pub fn rebind(&self, what: Rebinding) {
        let shared = self.inner.forwarder.shared();
        shared.with_routing(|routing| routing.rebind(what));
    }

    /// Writes down, from now on, what comes and goes over all of its links: what it forwards is seen twice, with the
    /// addresses that it has on each side.
    ///
    /// # Errors
    ///
    /// When the system gives no such socket.
    pub fn capture(&self) -> Result<Capture, LabError> {
        self.inner.namespace.inside(Capture::start)?
    }

    /// Lays a link from its network into a namespace, without addresses yet.
    pub(super) fn plug(&self, end: &Namespace, interface: &str) -> Result<Plug, LabError> {
        let inner = &self.inner;
        let number = inner.clients.fetch_add(1, Ordering::Relaxed);
        let one_too_many = number > 0 && inner.config.ipv4 == Ipv4::Routed;
        if number >= MOST_CLIENTS || one_too_many {
            return Err(LabError::Unexpected(
                "the router has no more addresses".to_owned(),
            ));
        }
        inner.namespace.ip(&format!(
            "link add lan-{number} {BARE} type veth peer name {interface} {BARE} netns {}\n\
             link set lan-{number} up\n",
            end.name()
        ))?;
        let wire = Wire::open(&inner.namespace, &format!("lan-{number}"))?;
        let (ipv4, ipv6) = self.addresses(GATEWAY + 1 + number);
        let addresses = [ipv4.map(IpAddr::from), ipv6.map(IpAddr::from)];
        let addresses: Vec<_> = addresses.into_iter().flatten().collect();
        let port = inner.forwarder.shared().plug(wire, &addresses)?;
        Ok(Plug {
            router: self.clone(),
            number,
            port,
            ipv4,
            ipv6,
        })
    }

    fn addresses(&self, number: u8) -> (Option<Ipv4Addr>, Option<Ipv6Addr>) {
        let ipv4 = match self.inner.config.ipv4 {
            Ipv4::Absent => None,
            Ipv4::Routed => Some(self.ipv4()),
            Ipv4::Translated(_) => Some(self.at(number)),
        };
        let ipv6 = match (&self.inner.uplink, self.inner.config.ipv6) {
            (Uplink::Router(_), _) | (_, Ipv6::Absent) => None,
            (Uplink::Backbone(place), _) => Some(place.at_v6(number.into())),
        };
        (ipv4, ipv6)
    }

    /// An address in its network.
    fn at(&self, number: u8) -> Ipv4Addr {
        let [first, second] = match self.inner.config.range {
            Range::Home => [192, 168],
            Range::Carrier => [100, 64],
        };
        Ipv4Addr::new(first, second, self.inner.network, number)
    }
}

impl Plug {
    /// The link, as the router sees it.
    pub(super) fn link(&self) -> Link {
        Link::new(self.router.inner.forwarder.shared(), self.port)
    }

    /// Waits until the router's end of the link carries, once the other end is up.
    pub(super) fn wait_for_link(&self) -> Result<(), LabError> {
        let namespace = &self.router.inner.namespace;
        namespace.wait_for_link(&format!("lan-{}", self.number))
    }

    /// The commands of `ip` that give an interface its addresses.
    pub(super) fn addresses(&self, interface: &str) -> String {
        let length = match self.router.inner.config.ipv4 {
            Ipv4::Translated(_) => 24,
            Ipv4::Absent | Ipv4::Routed => 30,
        };
        let ipv4 = self
            .ipv4
            .map(|ip| format!("address replace {ip}/{length} dev {interface}\n"));
        let ipv6 = self
            .ipv6
            .map(|ip| format!("address replace {ip}/64 nodad dev {interface}\n"));
        [ipv4, ipv6].into_iter().flatten().collect()
    }

    /// Whom to send to what is not for the network, in both families.
    pub(super) fn gateways(&self) -> Vec<IpAddr> {
        let ipv4 = self.ipv4.map(|_| match &self.router.inner.uplink {
            Uplink::Backbone(place) if self.router.inner.config.ipv4 == Ipv4::Routed => {
                place.gateway()
            }
            _ => self.router.at(GATEWAY),
        });
        let ipv6 = self.ipv6.and_then(|_| match &self.router.inner.uplink {
            Uplink::Backbone(place) => Some(place.gateway_v6()),
            Uplink::Router(_) => None,
        });
        [ipv4.map(IpAddr::from), ipv6.map(IpAddr::from)]
            .into_iter()
            .flatten()
            .collect()
    }
}

impl Drop for Plug {
    fn drop(&mut self) {
        self.router.inner.forwarder.shared().unplug(self.port);
    }
}
