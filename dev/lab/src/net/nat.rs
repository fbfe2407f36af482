// SPDX-License-Identifier: MIT OR Apache-2.0
//! A NAT, in the words of RFC 4787: which outside port a flow gets, and what may come back in through it.
//!
//! Only addresses and a clock go in, and only addresses come out; frames are the router's business. TCP
//! is mapped and filtered as UDP is (RFC 5382 §4), so is the identifier of an ICMP query (RFC 5508 §3).

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::dice::Dice;
use super::frame::Transport;

/// How long a mapping lasts without use (RFC 4787 REQ-5 asks for two minutes and recommends five).
const LIFETIME: Duration = Duration::from_secs(300);

/// Mappings of one NAT: more than browsers open, and a bound.
const MOST: usize = 4096;

/// Remote sides that one mapping lets in.
const MOST_PERMITTED: usize = 4096;

/// On what part of a remote address something depends (RFC 4787 §4.1 and §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dependence {
    /// The same for all remote addresses and ports.
    EndpointIndependent,
    /// The same for all ports of a remote address.
    AddressDependent,
    /// For each remote address and port another.
    AddressAndPortDependent,
}

impl Dependence {
    /// What of a remote address counts.
    fn part(self, remote: SocketAddr) -> Part {
        match self {
            Self::EndpointIndependent => (None, None),
            Self::AddressDependent => (Some(remote.ip()), None),
            Self::AddressAndPortDependent => (Some(remote.ip()), Some(remote.port())),
        }
    }
}

type Part = (Option<IpAddr>, Option<u16>);

/// How the outside port of a new mapping is chosen (RFC 4787 §4.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ports {
    /// The inside port, unless it is taken.
    Preserved,
    /// Any.
    Random,
}

/// A kind of NAT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Nat {
    /// Which flows share an outside port.
    pub mapping: Dependence,
    /// Who may send to one.
    pub filtering: Dependence,
    /// Which it is.
    pub ports: Ports,
    /// Whether those inside reach each other by their outside addresses (RFC 4787 §6).
    pub hairpinning: bool,
}

impl Nat {
    /// Endpoint-independent mapping with ports preserved, and this filtering; it hairpins.
    #[must_use]
    pub fn endpoint_independent(filtering: Dependence) -> Self {
        Self {
            mapping: Dependence::EndpointIndependent,
            filtering,
            ports: Ports::Preserved,
            hairpinning: true,
        }
    }

    /// Mapping and filtering by remote address and port, with random ports: what gives no two remote sides the
    /// same address. It does not hairpin.
    #[must_use]
    pub fn address_and_port_dependent() -> Self {
        Self {
            mapping: Dependence::AddressAndPortDependent,
            filtering: Dependence::AddressAndPortDependent,
            ports: Ports::Random,
            hairpinning: false,
        }
    }

    /// The same, but for this.
    #[must_use]
    pub fn hairpinning(self, hairpinning: bool) -> Self {
        Self {
            hairpinning,
            ..self
        }
    }
}

/// Which mappings go when a NAT forgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rebinding {
    /// Those of UDP, as when they have expired early.
    Udp,
    /// All, as when the router has started anew: connections of TCP do not outlive it.
    Everything,
}

/// Who may send through a mapping.
#[derive(Debug, Default)]
pub(super) struct Permitted(BTreeSet<Part>);

impl Permitted {
    fn add(&mut self, filtering: Dependence, remote: SocketAddr) {
        if self.0.len() < MOST_PERMITTED {
            self.0.insert(filtering.part(remote));
        }
    }

    fn contains(&self, filtering: Dependence, remote: SocketAddr) -> bool {
        self.0.contains(&filtering.part(remote))
    }
}

/// What flows share a mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    transport: Transport,
    inside: SocketAddr,
    remote: Part,
}

#[derive(Debug)]
struct Mapping {
    key: Key,
    permitted: Permitted,
    used: Duration,
}

/// A NAT at work.
#[derive(Debug)]
pub(super) struct Translator {
    nat: Nat,
    outside: Ipv4Addr,
    ports: BTreeMap<Key, u16>,
    mappings: BTreeMap<(Transport, u16), Mapping>,
    /// Ports from before a rebinding: a flow does not get its old one again.
    forgotten: BTreeSet<(Transport, u16)>,
    dice: Dice,
}

impl Translator {
    pub(super) fn new(nat: Nat, outside: Ipv4Addr, dice: Dice) -> Self {
        Self {
            nat,
            outside,
            ports: BTreeMap::new(),
            mappings: BTreeMap::new(),
            forgotten: BTreeSet::new(),
            dice,
        }
    }

    pub(super) fn outside(&self) -> Ipv4Addr {
        self.outside
    }

    pub(super) fn hairpinning(&self) -> bool {
        self.nat.hairpinning
    }

    /// The address that `remote` sees when `inside` sends to it. `None` when there is no port left, or nothing that
    /// could be told apart.
    pub(super) fn outbound(
        &mut self,
        transport: Transport,
        inside: SocketAddr,
        remote: SocketAddr,
        now: Duration,
    ) -> Option<SocketAddr> {
        if transport == Transport::Other {
            return None;
        }
        let remote = without_identifier(transport, remote);
        let key = Key {
            transport,
            inside,
            remote: self.nat.mapping.part(remote),
        };
        let port = match self.ports.get(&key) {
            Some(port) if !self.is_stale(transport, *port, now) => *port,
            _ => self.map(key, now)?,
        };
        let mapping = self.mappings.get_mut(&(transport, port))?;
        mapping.used = now;
        mapping.permitted.add(self.nat.filtering, remote);
        Some(SocketAddr::new(self.outside.into(), port))
    }

    /// Whom it is for, when `remote` sends to this port and may.
    pub(super) fn inbound(
        &self,
        transport: Transport,
        port: u16,
        remote: SocketAddr,
        now: Duration,
    ) -> Option<SocketAddr> {
        let mapping = self.mappings.get(&(transport, port))?;
        let remote = without_identifier(transport, remote);
        let permitted = mapping.permitted.contains(self.nat.filtering, remote);
        (permitted && !mapping.is_stale(now)).then_some(mapping.key.inside)
    }

    /// Forgets mappings. The same flows get others.
    pub(super) fn rebind(&mut self, what: Rebinding) {
        let goes =
            |transport: Transport| what == Rebinding::Everything || transport == Transport::Udp;
        self.ports.retain(|key, _| !goes(key.transport));
        let old: Vec<_> = self.mappings.keys().copied().collect();
        for (transport, port) in old.into_iter().filter(|(transport, _)| goes(*transport)) {
            self.mappings.remove(&(transport, port));
            self.forgotten.insert((transport, port));
        }
    }

    fn is_stale(&self, transport: Transport, port: u16, now: Duration) -> bool {
        let mapping = self.mappings.get(&(transport, port));
        mapping.is_none_or(|mapping| mapping.is_stale(now))
    }

    fn map(&mut self, key: Key, now: Duration) -> Option<u16> {
        self.remove_stale(now);
        if self.mappings.len() >= MOST {
            return None;
        }
        let port = self.choose(key)?;
        let mapping = Mapping {
            key,
            permitted: Permitted::default(),
            used: now,
        };
        self.mappings.insert((key.transport, port), mapping);
        self.ports.insert(key, port);
        Some(port)
    }

    fn choose(&mut self, key: Key) -> Option<u16> {
        const FIRST: u16 = 1024;
        const ATTEMPTS: usize = 1000;
        let is_free = |port: u16| {
            let place = (key.transport, port);
            !self.mappings.contains_key(&place) && !self.forgotten.contains(&place)
        };
        if self.nat.ports == Ports::Preserved && is_free(key.inside.port()) {
            return Some(key.inside.port());
        }
        let dice = &mut self.dice;
        let drawn = std::iter::repeat_with(|| {
            let drawn = dice.below(u64::from(u16::MAX - FIRST));
            FIRST + u16::try_from(drawn).unwrap_or_default()
        });
        drawn.take(ATTEMPTS).find(|port| is_free(*port))
    }

    fn remove_stale(&mut self, now: Duration) {
        let ports = &mut self.ports;
        self.mappings.retain(|_, mapping| {
            let stays = !mapping.is_stale(now);
            if !stays {
                ports.remove(&mapping.key);
            }
            stays
        });
    }
}

/// The identifier of an echo is the inside's, and another outside: of the remote side it says nothing.
fn without_identifier(transport: Transport, remote: SocketAddr) -> SocketAddr {
    match transport {
        Transport::Echo => SocketAddr::new(remote.ip(), 0),
        Transport::Tcp | Transport::Udp | Transport::Other => remote,
    }
}

impl Mapping {
    fn is_stale(&self, now: Duration) -> bool {
        now.saturating_sub(self.used) > LIFETIME
    }
}

/// A firewall of IPv6 that translates nothing and lets in what was asked for (RFC 6092 §3.2).
#[derive(Debug)]
pub(super) struct Gate {
    filtering: Dependence,
    open: BTreeMap<(Transport, SocketAddr), (Permitted, Duration)>,
}

impl Gate {
    pub(super) fn new(filtering: Dependence) -> Self {
        Self {
            filtering,
            open: BTreeMap::new(),
        }
    }

    /// Notes that `inside` sends to `remote`.
    pub(super) fn outbound(
        &mut self,
        transport: Transport,
        inside: SocketAddr,
        remote: SocketAddr,
        now: Duration,
    ) {
        let key = (transport, inside);
        if !self.open.contains_key(&key) {
            let is_fresh = |used: Duration| now.saturating_sub(used) <= LIFETIME;
            self.open.retain(|_, (_, used)| is_fresh(*used));
            if self.open.len() >= MOST {
                return;
            }
        }
        let (permitted, used) = self.open.entry(key).or_default();
        permitted.add(self.filtering, remote);
        *used = now;
    }

    /// Whether `remote` may send to `inside`.
    pub(super) fn lets_in(
        &self,
        transport: Transport,
        inside: SocketAddr,
        remote: SocketAddr,
    ) -> bool {
        self.open
            .get(&(transport, inside))
            .is_some_and(|(permitted, _)| permitted.contains(self.filtering, remote))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTSIDE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
    const NOW: Duration = Duration::from_secs(1);

    fn at(last: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([192, 168, 1, last], port))
    }

    fn remote(last: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, last], port))
    }

    fn translator(nat: Nat) -> Translator {
        Translator::new(nat, OUTSIDE, Dice::new(1))
    }

    #[test]
    fn two_clients_with_one_port_get_two() {
        let mut nat = translator(Nat::endpoint_independent(Dependence::EndpointIndependent));
        let mut outside = |inside| {
            nat.outbound(Transport::Udp, inside, remote(1, 7), NOW)
                .unwrap()
        };
        let (one, two) = (outside(at(2, 5000)), outside(at(3, 5000)));
        assert_eq!(one, SocketAddr::new(OUTSIDE.into(), 5000));
        assert_ne!(two.port(), 5000);
        for (outside, inside) in [(one, at(2, 5000)), (two, at(3, 5000))] {
            let found = nat.inbound(Transport::Udp, outside.port(), remote(9, 9), NOW);
            assert_eq!(found, Some(inside));
        }
        // TCP has ports of its own.
        let tcp = nat.outbound(Transport::Tcp, at(3, 5000), remote(1, 7), NOW);
        assert_eq!(tcp.unwrap().port(), 5000);
    }

    #[test]
    fn a_mapping_lasts_as_long_as_it_is_used_from_inside() {
        let mut nat = translator(Nat::address_and_port_dependent());
        let minutes = |count: u64| NOW + Duration::from_secs(count * 60);
        let mut send = |now| nat.outbound(Transport::Udp, at(2, 5000), remote(1, 7), now);
        let first = send(minutes(0)).unwrap();
        assert_eq!(send(minutes(4)), Some(first));
        assert_eq!(send(minutes(9)), Some(first));
        let inbound =
            |nat: &Translator, now| nat.inbound(Transport::Udp, first.port(), remote(1, 7), now);
        assert_eq!(inbound(&nat, minutes(14)), Some(at(2, 5000)));
        assert_eq!(inbound(&nat, minutes(15)), None);
        let second = nat.outbound(Transport::Udp, at(2, 5000), remote(1, 7), minutes(15));
        assert_ne!(second, Some(first));
        assert_eq!(nat.mappings.len(), 1);
    }

    #[test]
    fn what_cannot_be_told_apart_is_not_translated() {
        let mut nat = translator(Nat::endpoint_independent(Dependence::EndpointIndependent));
        assert_eq!(
            nat.outbound(Transport::Other, at(2, 0), remote(1, 0), NOW),
            None
        );
    }

    #[test]
    fn mappings_are_bounded() {
        let mut nat = translator(Nat::endpoint_independent(Dependence::EndpointIndependent));
        let inside = |number: u16| at(2, 1 + number);
        for number in 0..u16::try_from(MOST).unwrap() {
            let mapped = nat.outbound(Transport::Udp, inside(number), remote(1, 7), NOW);
            assert!(mapped.is_some(), "{number}");
        }
        let mut outbound = |number| nat.outbound(Transport::Udp, inside(number), remote(1, 7), NOW);
        assert_eq!(outbound(20_000), None);
        assert!(outbound(0).is_some());
    }
}
