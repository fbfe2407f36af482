// SPDX-License-Identifier: MIT OR Apache-2.0
//! Networks made for a test: hosts that know each other only over a backbone, each with a firewall of its
//! own.
//!
//! A [`Net`] is a backbone that routes and nothing else, as the Internet does; a [`Host`] has one address
//! of each family from the ranges for documentation (RFC 5737, RFC 3849), and a link to it. Both are Linux
//! network namespaces. They go with the values, also when a test panics; what a killed test left behind,
//! the next [`Net`] removes.
//!
//! ```no_run
//! # fn main() -> Result<(), hither_lab::LabError> {
//! use hither_lab::{Firewall, Flow, Net};
//! let net = Net::new()?;
//! let (node, client) = (net.host("node")?, net.host("client")?);
//! client.firewall(&Firewall::closed_but_for(&[Flow::tcp(443).with(node.ipv4().into())]))?;
//! let said = client.command("ip").args(["route"]).output();
//! # drop(said);
//! # Ok(())
//! # }
//! ```
//!
//! What is left to others: routers with their NATs, and links that are slow or lose packets. A host does not
//! mind what its link leads to.

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
