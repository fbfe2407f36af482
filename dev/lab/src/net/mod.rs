// SPDX-License-Identifier: MIT OR Apache-2.0
//! Networks made for a test: hosts that know each other only over a backbone, and clients behind routers.
//!
//! ```text
//!  [Client] eth0 ──link── [Router] ──link──┐
//!  [Client] eth0 ──link──/                 │
//!                                          │              ┌── [Host]: the node
//!  [Client] eth0 ──link── [Router] ──link──┤── backbone ──┤
//!           eth1 ──link── [Router] ──link──┤              └── [Host]: anybody else
//!                                          │
//!  [Client] eth0 ──link── [Router] ──link── [Router: carrier] ──link── …
//!           \──link── [ConnectProxy] ──────┘
//! ```
//!
//! A [`Net`] is a backbone that routes and nothing else, as the Internet does. A [`Host`] has one address of each family
//! from the ranges for documentation (RFC 5737, RFC 3849) and a link to it; so has a [`Router`], which passes on what its
//! [`Client`]s say, or does not. All of them are Linux network namespaces. They go with the values, also when a test
//! panics; what a killed test left behind, the next [`Net`] removes.
//!
//! # Routers
//!
//! The system's own NAT is one kind of NAT, and none of RFC 4787's: it maps by remote address where ports run out or an
//! early probe has taken one, and is filtered by what else stands in the tables. Therefore a router is a thread of this
//! process between packet sockets, and its [`Nat`] is a value: mapping, filtering, ports, hairpinning. What a router
//! does is measured from outside by the tests (RFC 5780), not believed. ICMP passes a NAT only as an echo and its answer:
//! all links have the same MTU, so that no error is needed to find it.
//!
//! # Links
//!
//! Every link of a client or a router is a [`Link`] that can be given a [`LinkShape`] (delay, jitter, loss, rate) and
//! a [`Cut`], in mid-flow and for each direction. The kernel's netem would do it where there is one.
//!
//! ```no_run
//! # fn main() -> Result<(), hither_lab::LabError> {
//! use std::time::Duration;
//! use hither_lab::{Cut, Dependence, LinkShape, Nat, Net, Rebinding, RouterConfig};
//! let net = Net::new()?;
//! let node = net.host("node")?;
//! let home = Nat::endpoint_independent(Dependence::AddressAndPortDependent);
//! let carrier = net.router("carrier", &RouterConfig::carrier(Nat::address_and_port_dependent()))?;
//! let router = carrier.router("home", &RouterConfig::nat(home))?;
//! router.link().set(LinkShape::round_trip(Duration::from_millis(80)).lossy(0.05));
//! let ana = router.client("ana")?;
//! let said = ana.command("ip").args(["route"]).output();
//! router.link().cut(Cut::DirectUdp);
//! router.rebind(Rebinding::Udp);
//! # drop((said, node));
//! # Ok(())
//! # }
//! ```
//!
//! What is left to others: who runs on a host, and what is said. A host does not mind what its link leads to.

mod backbone;
mod capture;
mod client;
mod dice;
mod firewall;
mod forwarder;
mod frame;
mod host;
mod lane;
mod link;
mod namespace;
mod nat;
mod proxy;
mod router;
mod routing;
mod wire;

use std::sync::Arc;

use crate::LabError;
use backbone::Backbone;

pub use capture::{Capture, Packet, Protocol};
pub use client::Client;
pub use firewall::{Count, Counts, Firewall, Flow};
pub use host::Host;
pub use lane::{LinkShape, Passage};
pub use link::{Cut, Link};
pub use nat::{Dependence, Nat, Ports, Rebinding};
pub use proxy::ConnectProxy;
pub use router::{Ipv4, Ipv6, Range, Router, RouterConfig};

/// A backbone that hosts and routers are linked to. They keep it up for as long as they live.
#[derive(Debug)]
pub struct Net {
    backbone: Arc<Backbone>,
}

impl Net {
    /// A backbone without hosts. Removes what dead processes have left behind.
    ///
    /// # Errors
    ///
    /// [`LabError::NoNamespaces`] where this process may not make network namespaces; others when the
    /// system's tools fail.
    pub fn new() -> Result<Self, LabError> {
        namespace::remove_leftovers();
        Ok(Self {
            backbone: Backbone::new()?,
        })
    }

    /// The same, or `None` and a line on the terminal where this process may not make namespaces: for tests
    /// that are skipped there.
    ///
    /// # Errors
    ///
    /// Those of [`Net::new`] but for [`LabError::NoNamespaces`].
    pub fn new_or_skip(test: &str) -> Result<Option<Self>, LabError> {
        match Self::new() {
            Ok(net) => Ok(Some(net)),
            Err(why @ LabError::NoNamespaces(_)) => {
                skip(test, &why);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// A new host with addresses of its own, linked to the backbone.
    ///
    /// # Errors
    ///
    /// When the system's tools fail, or there are no more addresses.
    pub fn host(&self, name: &str) -> Result<Host, LabError> {
        Host::new(name, self.backbone.place()?)
    }

    /// A new router with a public address, linked to the backbone; clients are behind it.
    ///
    /// # Errors
    ///
    /// When the system's tools fail, or there are no more addresses.
    pub fn router(&self, name: &str, config: &RouterConfig) -> Result<Router, LabError> {
        Router::on_backbone(name, config, &self.backbone)
    }
}

/// Says so on the terminal itself: the test harness would keep it to itself.
fn skip(test: &str, why: &LabError) {
    use std::io::Write;
    // Without a terminal there is nobody to tell.
    let _told = writeln!(std::io::stderr(), "SKIPPED {test}: {why}");
}
