// SPDX-License-Identifier: MIT OR Apache-2.0
//! Firewalls as values: which flows they let through, and what they have counted.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use serde_json::Value;

use super::capture::Protocol;
use super::frame::Transport;
use crate::LabError;

/// Packets between this host and others, in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    protocol: Protocol,
    /// The other side's port.
    port: Option<u16>,
    /// The other side's address.
    with: Option<IpAddr>,
}

impl Flow {
    /// UDP to and from this port of others.
    #[must_use]
    pub fn udp(port: u16) -> Self {
        Self {
            port: Some(port),
            ..Self::all(Protocol::Udp)
        }
    }

    /// TCP to and from this port of others.
    #[must_use]
    pub fn tcp(port: u16) -> Self {
        Self {
            port: Some(port),
            ..Self::all(Protocol::Tcp)
        }
    }

    /// Everything of a protocol.
    #[must_use]
    pub fn all(protocol: Protocol) -> Self {
        Self {
            protocol,
            port: None,
            with: None,
        }
    }

    /// Only what goes to this address or comes from it.
    #[must_use]
    pub fn with(self, address: IpAddr) -> Self {
        Self {
            with: Some(address),
            ..self
        }
    }

    fn includes(self, transport: Transport, remote: SocketAddr) -> bool {
        let protocol = match self.protocol {
            Protocol::Tcp => Transport::Tcp,
            Protocol::Udp => Transport::Udp,
        };
        transport == protocol
            && self.port.is_none_or(|port| port == remote.port())
            && self.with.is_none_or(|address| address == remote.ip())
    }

    /// The match, in nft's words, where the other side is `side` (`saddr` and `sport`, or `daddr` and `dport`).
    fn matches(self, side: Side) -> String {
        let Self {
            protocol,
            port,
            with,
        } = self;
        let mut words = match with {
            Some(IpAddr::V4(ip)) => format!("ip {}addr {ip} ", side.letter()),
            Some(IpAddr::V6(ip)) => format!("ip6 {}addr {ip} ", side.letter()),
            None => String::new(),
        };
        let protocol = match protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        };
        match port {
            Some(port) => words.extend([format!("{protocol} {}port {port}", side.letter())]),
            None => words.extend([format!("meta l4proto {protocol}")]),
        }
        words
    }
}

/// Where the other side's address is in a packet.
#[derive(Clone, Copy)]
enum Side {
    Source,
    Destination,
}

impl Side {
    fn letter(self) -> char {
        match self {
            Self::Source => 's',
            Self::Destination => 'd',
        }
    }
}

/// What the firewall of a host or of a router does with flows. What it does not let through it drops without an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Firewall {
    named: Vec<Flow>,
    lets_named_through: bool,
}

impl Firewall {
    /// What `nft` is asked to print what has been counted.
    pub(super) const LIST: [&'static str; 6] =
        ["-j", "list", "counters", "table", "inet", "hither"];

    /// Lets these flows through and nothing else.
    #[must_use]
    pub fn closed_but_for(flows: &[Flow]) -> Self {
        Self {
            named: flows.to_vec(),
            lets_named_through: true,
        }
    }

    /// Lets everything through but for these flows.
    #[must_use]
    pub fn open_but_for(flows: &[Flow]) -> Self {
        Self {
            named: flows.to_vec(),
            lets_named_through: false,
        }
    }

    /// Whether a router that has it lets this through, to the remote side or from it.
    pub(super) fn lets_through(&self, transport: Transport, remote: SocketAddr) -> bool {
        let named = self
            .named
            .iter()
            .any(|flow| flow.includes(transport, remote));
        named == self.lets_named_through
    }

    /// The commands that put it up. Loopback and IPv6's neighbour discovery are not the network's business, and
    /// what systems say to everybody on the wire by themselves is not counted.
    pub(super) fn script(&self) -> String {
        let mut script =
            String::from("table inet hither\ndelete table inet hither\ntable inet hither {\n");
        for number in 0..self.named.len() {
            script.extend([format!("counter named-{number} {{ }}\n")]);
        }
        script.push_str("counter rest { }\n");
        let (named, rest) = match self.lets_named_through {
            true => ("accept", "drop"),
            false => ("drop", "accept"),
        };
        for (hook, interface, side) in [
            ("input", "iif", Side::Source),
            ("output", "oif", Side::Destination),
        ] {
            script.extend([format!(
                "chain {hook} {{\n\
                 type filter hook {hook} priority filter\n\
                 {interface} lo accept\n\
                 icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert }} accept\n\
                 ip daddr 224.0.0.0/4 {rest}\n\
                 ip6 daddr ff00::/8 {rest}\n"
            )]);
            for (number, flow) in self.named.iter().enumerate() {
                let matches = flow.matches(side);
                // Writing to a string does not fail.
                let _written = writeln!(script, "{matches} counter name named-{number} {named}");
            }
            script.extend([format!("counter name rest {rest}\n}}\n")]);
        }
        script.push_str("}\n");
        script
    }
}

/// Packets, and their bytes with all headers from IP upwards.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

/// What a firewall has counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// For each flow that was named, in that order.
    pub named: Vec<Count>,
    /// Everything else.
    pub rest: Count,
}

impl Counts {
    /// Reads what `nft -j` printed for [`Firewall::LIST`].
    pub(super) fn parse(listed: &str) -> Result<Self, LabError> {
        let unclear =
            || LabError::Unexpected(format!("nft's counters are not understood: {listed}"));
        let listed: Value = serde_json::from_str(listed).map_err(|_| unclear())?;
        let counters = listed["nftables"].as_array().ok_or_else(unclear)?;
        let counted = |name: &str| {
            let mut counters = counters.iter().map(|one| &one["counter"]);
            let counter = counters.find(|counter| counter["name"] == name)?;
            Some(Count {
                packets: counter["packets"].as_u64()?,
                bytes: counter["bytes"].as_u64()?,
            })
        };
        let named = (0..).map_while(|number| counted(&format!("named-{number}")));
        Ok(Self {
            named: named.collect(),
            rest: counted("rest").ok_or_else(unclear)?,
        })
    }
}
