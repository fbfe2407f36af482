// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the network around this device does to packets: planned and judged here, measured by the host.
//!
//! ```text
//!   probe ──► Observe   one gathering at all UDP ports of the node: where do packets seem to come from?
//!         ├─► Filter    a relayed address checks a mapped one that never sent to it: does it get through?
//!         └─► Climb     a loop through the relay over one rung of the ladder, for each: open? how far?
//!   answers ──► findings (RFC 4787 words) ──► a verdict on direct calls ──► what an administrator should open
//! ```
//! Only the own node, and relays that it names, are contacted. A finding says what was measured; what could not
//! be measured stays unknown, with the reason. Nothing is kept beyond the run, and nothing is told to anybody.

mod judge;
mod run;

#[cfg(test)]
mod tests;

use core::net::IpAddr;

use hither_api::sheet::Line;

use crate::{CandidateKind, IceConfig, TransportProtocol};

pub(crate) use run::Network;

/// What the machine asks of the host. Every run has a number; answers to an older one are thrown away.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ProbeAction {
    /// Gather once with all these servers and no policy, from one socket a family as far as the host can, and
    /// report every candidate.
    Observe {
        /// Echoed.
        run: u32,
        /// UDP servers only.
        servers: IceConfig,
        /// When to report what there is, milliseconds.
        patience_ms: u32,
    },
    /// Send connectivity checks from a relayed address to a mapped address of this device that never sent
    /// anything there; then, as a control, let it send there.
    Filter {
        /// Echoed.
        run: u32,
        /// Echoed: which of several.
        number: usize,
        /// Where the mapped address is learnt: one server, over UDP.
        observer: IceConfig,
        /// Where the relayed address is: one server.
        sender: IceConfig,
        /// When to give up, milliseconds.
        patience_ms: u32,
    },
    /// Connect two relayed addresses of this one server with each other.
    Climb {
        /// Echoed.
        run: u32,
        /// Echoed: which rung.
        number: usize,
        /// One server.
        server: IceConfig,
        /// When to give up, milliseconds.
        patience_ms: u32,
    },
    /// Close everything that is still open for earlier actions.
    Stop,
}

/// What the host reports.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ProbeEvent {
    /// Answers [`ProbeAction::Observe`], once.
    Observed {
        /// From the action.
        run: u32,
        /// Everything that was gathered.
        candidates: Vec<Gathered>,
    },
    /// Answers [`ProbeAction::Filter`], once.
    Filtered {
        /// From the action.
        run: u32,
        /// From the action.
        number: usize,
        /// What came of it.
        passage: Passage,
    },
    /// Answers [`ProbeAction::Climb`], once.
    Climbed {
        /// From the action.
        run: u32,
        /// From the action.
        number: usize,
        /// What came of it.
        climb: Climb,
    },
}

/// A gathered candidate, as far as it matters here.
#[derive(Clone, PartialEq, Eq)]
pub struct Gathered {
    /// RFC 8445 §4.
    pub kind: CandidateKind,
    /// Absent if the browser hides it behind a name (mDNS).
    pub address: Option<IpAddr>,
    /// Its port.
    pub port: u16,
    /// `raddr` and `rport`: for a relayed candidate, the mapped address that its server saw.
    pub related: Option<(IpAddr, u16)>,
    /// The server that it comes from.
    pub url: String,
}

impl core::fmt::Debug for Gathered {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Gathered")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// What became of checks to a mapped address that did not expect them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// They arrived.
    Passed {
        /// The relayed address that they came from.
        from: Option<IpAddr>,
    },
    /// They did not arrive, and did as soon as this device had sent there: something held them back.
    Held {
        /// The relayed address that they came from.
        from: Option<IpAddr>,
    },
    /// No server told a mapped address.
    Unmapped,
    /// There was no relayed address.
    Unrelayed,
    /// They did not arrive whatever this device did: the relay does not send there, so nothing is known.
    Unsent,
}

/// What became of a loop through the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Climb {
    /// It carries.
    Open {
        /// Round trip between this device and the relay, if it could be measured.
        rtt_ms: Option<u32>,
    },
    /// Nothing came back.
    Silent,
    /// The server answered with this error of STUN or TURN (RFC 8489 §14.8).
    Refused {
        /// Its number, from 300 to 699.
        code: u16,
    },
}

/// Something that is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding<T> {
    /// Not yet.
    Waiting,
    /// Measured.
    Found(T),
    /// It could not be.
    Unknown(Unknown),
}

impl<T> Finding<T> {
    /// What was found.
    #[must_use]
    pub fn found(&self) -> Option<&T> {
        match self {
            Self::Found(found) => Some(found),
            Self::Waiting | Self::Unknown(_) => None,
        }
    }
}

/// Why something could not be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// Nothing came back over UDP.
    NoAnswer,
    /// Nothing came back from the node at all, and it is not signed in to: it may be away.
    NodeAway,
    /// The node was not reached over this family: it, or this network, has none.
    NoFamily,
    /// The node sees an address that means nothing on the Internet: it stands inside, and cannot see the way out.
    NodeInside,
    /// The node is on this very device: nothing that was measured left it.
    NodeHere,
    /// The node listens on one UDP port only, and one answer compares with nothing.
    OnePort,
    /// The answers contradict each other, as behind several NATs in parallel.
    Contradiction,
    /// The node's relay does not send to addresses like this one.
    RelayRefuses,
    /// There was no relayed address to send from.
    NoRelay,
    /// What was measured does not suffice.
    TooLittle,
}

/// An own address as the node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnAddress {
    /// As written.
    pub address: String,
    /// Where it means something.
    pub scope: Scope,
}

/// Where an address means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everywhere.
    Internet,
    /// Between a provider and its customers, several of whom share one public address (RFC 6598).
    Provider,
    /// Within some network (RFC 1918, RFC 4193, link-local).
    Network,
    /// Not known beyond this device: the node is on it, and sees what nobody else may see.
    Device,
}

/// How a NAT chooses the address that others see (RFC 4787 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mapping {
    /// There is no translation: the node sees the device's own address.
    Untranslated,
    /// The same one whoever is being talked to.
    EndpointIndependent,
    /// The same one for all ports of an address; whether for other addresses too cannot be told with one address.
    EndpointIndependentOrAddressDependent,
    /// Another one for another address, whatever its port.
    AddressDependent,
    /// Another one for another address; whether for other ports too was not measured.
    AddressOrAddressAndPortDependent,
    /// Another one for every address and port.
    AddressAndPortDependent,
}

/// What a NAT or firewall lets in (RFC 4787 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filtering {
    /// Whatever is sent to a mapped address.
    EndpointIndependent,
    /// What comes from an address that was sent to, whatever the port; whether from others too cannot be told.
    EndpointIndependentOrAddressDependent,
    /// What comes from an address that was sent to.
    AddressDependent,
    /// Not what comes from another address; whether from another port was not measured.
    AddressOrAddressAndPortDependent,
    /// What comes from the very address and port that was sent to.
    AddressAndPortDependent,
}

/// Whether two people get a direct path with this network at one end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direct {
    /// With nearly everybody.
    NearlyAlways,
    /// Unless the other network maps per destination.
    Mostly,
    /// Only if the other side is easy to reach.
    Seldom,
    /// Only within this network: no UDP gets out.
    SameNetworkOnly,
}

/// A rung of the ladder to the relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rung {
    /// What it is spoken over.
    pub transport: TransportProtocol,
    /// Name or address; brackets around an IPv6 address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The node's own relay, not one elsewhere.
    pub own: bool,
}

/// A rung and how it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RungView {
    /// Which.
    pub rung: Rung,
    /// Whether it carries.
    pub climb: Finding<Climb>,
}

/// How far the measuring is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeState {
    /// It has not been asked for.
    Idle,
    /// Under way.
    Running,
    /// Everything is in.
    Done,
    /// There is no access to the relay: the node was not reached since this client was opened.
    Offline,
    /// The node has no relay and names none: there is nobody to ask.
    NoRelay,
}

/// Everything that the page "Your network" shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkView {
    /// How far it is.
    pub state: ProbeState,
    /// As the node sees it over IPv4.
    pub ipv4: Finding<OwnAddress>,
    /// As the node sees it over IPv6.
    pub ipv6: Finding<OwnAddress>,
    /// Whether UDP gets to the node and back.
    pub udp: Finding<bool>,
    /// How addresses are translated.
    pub mapping: Finding<Mapping>,
    /// What is let in.
    pub filtering: Finding<Filtering>,
    /// Whether calls can be direct.
    pub direct: Finding<Direct>,
    /// The ladder, best first.
    pub rungs: Vec<RungView>,
    /// Ways that the node does not offer.
    pub not_offered: Vec<TransportProtocol>,
    /// What an administrator should open for this network to be as good as it can be; empty if nothing is closed.
    pub wanted: Vec<Line>,
    /// Everything that this client needs of a network.
    pub sheet: Vec<Line>,
}

impl NetworkView {
    /// Before anything was measured.
    #[must_use]
    pub const fn idle() -> Self {
        Self {
            state: ProbeState::Idle,
            ipv4: Finding::Waiting,
            ipv6: Finding::Waiting,
            udp: Finding::Waiting,
            mapping: Finding::Waiting,
            filtering: Finding::Waiting,
            direct: Finding::Waiting,
            rungs: Vec::new(),
            not_offered: Vec::new(),
            wanted: Vec::new(),
            sheet: Vec::new(),
        }
    }
}
