// SPDX-License-Identifier: MIT OR Apache-2.0
//! Real browsers and real nodes under test.
//!
//! * [`Browser`]: a Chromium process with a profile of its own, driven over
//!   `--remote-debugging-pipe`. A pipe, unlike a debugging port, reaches a browser in another
//!   network namespace.
//! * [`Page`]: one tab. It clicks, types and presses keys as a person does, and waits for what a
//!   person would see.
//! * [`Node`]: the `hither` binary on a data directory of its own, which can be stopped, killed
//!   and started again.
//! * [`Person`]: somebody in front of a browser of their own, who invites, writes and calls.
//! * [`Meddler`] and [`Tap`]: a node that reads and alters what it carries, and a line that is listened to.
//! * [`Net`]: hosts in network namespaces of their own, with firewalls; a node, a browser or any program runs on one of
//!   them. A [`Client`] is a host behind a [`Router`], with a NAT of any type, over a [`Link`] that can be slow, lossy or
//!   cut; behind a [`ConnectProxy`] if that is the only way out.
//! * [`BareCall`]: a call with nothing of ours in it, to measure ours against; over networks a [`BarePhone`] at either
//!   end, with [`Coturn`] and a [`Switchboard`] for signals.
//! * [`Ear`]: measures how long a tone was not to be heard.
//! * [`FileServer`]: pages for the tests of the laboratory itself.
//!
//! # Selectors
//!
//! Methods that name an element take a CSS selector. `@name` in it is short for
//! `[data-testid="name"]`: `page.click("@send")`, `page.text("@contacts li:first-child")`.
//!
//! # Waiting
//!
//! Nothing here sleeps for a guessed time. [`Page::wait_for`] asks until the answer is yes, with a
//! deadline that a loaded machine does not reach; when it does pass, the error carries the page's
//! console and the path of a screenshot.
//!
//! This crate leaves to its tests what the pages mean.

mod artifacts;
mod bare_call;
mod bare_phone;
mod browser;
mod connection;
mod console;
mod coturn;
mod ear;
mod error;
mod files;
mod keys;
mod meddler;
mod net;
mod node;
mod page;
mod person;
mod process;
mod switchboard;
mod tap;

pub use artifacts::artifacts_dir;
pub use bare_call::{BareCall, Received};
pub use bare_phone::{BARE_PAGE, BarePhone, BareTimes, Restart};
pub use browser::{Browser, BrowserConfig};
pub use console::{ConsoleLine, Level};
pub use coturn::Coturn;
pub use ear::{EAR, Ear, Silence};
pub use error::{Evidence, LabError};
pub use files::FileServer;
pub use meddler::{Meddler, Post};
pub use net::{
    Capture, Client, ConnectProxy, Count, Counts, Cut, Dependence, Firewall, Flow, Host, Ipv4,
    Ipv6, Link, LinkShape, Nat, Net, Packet, Passage, Ports, Protocol, Range, Rebinding, Router,
    RouterConfig,
};
pub use node::{Node, NodeConfig, Ready};
pub use page::{AxNode, Page};
pub use person::{Carried, Media, PASSPHRASE, Passed, Person, PersonConfig, Shown, copy_tree};
pub use switchboard::Switchboard;
pub use tap::Tap;
