// SPDX-License-Identifier: MIT OR Apache-2.0
//! A NAT in the words of RFC 4787.

use std::collections::{BTreeMap, BTreeSet};

use hither_sansio::{Duration, Instant};

use crate::address::{Addr, Ip};
use crate::dice::Dice;

/// A mapping is forgotten after so long without an outgoing packet (RFC 4787 section 4.3: not less than two
/// minutes).
const MAPPING_LIFETIME: Duration = Duration::from_secs(120);

/// On what a mapping (RFC 4787 section 4.1) or a filter (section 5) depends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dependence {
    /// Endpoint-independent.
    Endpoint,
    /// Address-dependent.
    Address,
    /// Address- and port-dependent.
    AddressAndPort,
}

use Dependence::{Address, AddressAndPort, Endpoint};

impl Dependence {
    /// All three.
    pub const ALL: [Self; 3] = [Endpoint, Address, AddressAndPort];
}

/// How a NAT treats what passes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Behaviour {
    /// Which destinations share a mapping.
    pub mapping: Dependence,
    /// Which sources may use one.
    pub filtering: Dependence,
    /// The outside port is the inside one where possible (section 4.2.1), else a random one.
    pub preserves_ports: bool,
    /// Hosts inside reach each other through their outside addresses (section 6).
    pub hairpins: bool,
}

impl Behaviour {
    /// What most home routers do: endpoint-independent mapping, address- and port-dependent filtering.
    pub const HOME: Self = Self::new(Endpoint, AddressAndPort);
    /// A mapping for every destination, with random ports.
    pub const PER_DESTINATION: Self = Self::new(AddressAndPort, AddressAndPort);

    /// Random ports and no hairpinning.
    #[must_use]
    pub const fn new(mapping: Dependence, filtering: Dependence) -> Self {
        Self {
            mapping,
            filtering,
            preserves_ports: false,
            hairpins: false,
        }
    }
}

#[derive(Clone, Debug)]
struct Mapping {
    inside: Addr,
    outside: u16,
    sent_to: BTreeSet<Addr>,
    used: Instant,
}

/// A NAT's table.
#[derive(Clone, Debug)]
pub struct Nat {
    /// How it behaves.
    pub behaviour: Behaviour,
    /// Its outside address.
    pub ip: Ip,
    mappings: BTreeMap<(Addr, Option<Ip>, Option<u16>), Mapping>,
}

impl Nat {
    /// A NAT that has seen nothing.
    #[must_use]
    pub fn new(behaviour: Behaviour, ip: Ip) -> Self {
        Self {
            behaviour,
            ip,
            mappings: BTreeMap::new(),
        }
    }

    /// From which outside address a packet leaves.
    pub fn outbound(&mut self, inside: Addr, to: Addr, now: Instant, dice: &mut Dice) -> Addr {
        let key = match self.behaviour.mapping {
            Endpoint => (inside, None, None),
            Address => (inside, Some(to.ip), None),
            AddressAndPort => (inside, Some(to.ip), Some(to.port)),
        };
        let fresh = self.mappings.get(&key).is_none_or(|m| is_old(m, now));
        if fresh {
            let outside = self.choose_port(inside, dice);
            let mapping = Mapping {
                inside,
                outside,
                sent_to: BTreeSet::new(),
                used: now,
            };
            self.mappings.insert(key, mapping);
        }
        let mapping = self
            .mappings
            .get_mut(&key)
            .expect("it is there or was made");
        mapping.used = now;
        mapping.sent_to.insert(to);
        Addr::new(self.ip, mapping.outside)
    }

    /// To which inside address a packet goes on that came to this port, if it may.
    #[must_use]
    pub fn inbound(&self, port: u16, from: Addr, now: Instant) -> Option<Addr> {
        let open = |m: &&Mapping| m.outside == port && !is_old(m, now) && self.permits(m, from);
        self.mappings.values().find(open).map(|m| m.inside)
    }

    /// Forgets every mapping, as after a restart; with a new address if one is given.
    pub fn rebind(&mut self, ip: Option<Ip>) {
        self.mappings.clear();
        self.ip = ip.unwrap_or(self.ip);
    }

    fn permits(&self, mapping: &Mapping, from: Addr) -> bool {
        match self.behaviour.filtering {
            Endpoint => true,
            Address => mapping.sent_to.iter().any(|to| to.ip == from.ip),
            AddressAndPort => mapping.sent_to.contains(&from),
        }
    }

    /// The inside port if no other host has it, else a random one that is free.
    fn choose_port(&self, inside: Addr, dice: &mut Dice) -> u16 {
        let taken = |port: u16| self.mappings.values().any(|m| m.outside == port);
        let others = |port: u16| {
            let mut mappings = self.mappings.values();
            mappings.any(|m| m.outside == port && m.inside != inside)
        };
        if self.behaviour.preserves_ports && !others(inside.port) {
            return inside.port;
        }
        loop {
            let port = u16::try_from(dice.between(1_024, 65_535)).unwrap_or(1_024);
            if !taken(port) {
                return port;
            }
        }
    }
}

fn is_old(mapping: &Mapping, now: Instant) -> bool {
    now.saturating_since(mapping.used) > MAPPING_LIFETIME
}

#[cfg(test)]
mod tests {
    use super::*;

    const INSIDE: Addr = Addr::new(Ip(1), 5_000);

    fn nat(mapping: Dependence, filtering: Dependence) -> (Nat, Dice) {
        (
            Nat::new(Behaviour::new(mapping, filtering), Ip(99)),
            Dice::new(1),
        )
    }

    fn peer(ip: u32, port: u16) -> Addr {
        Addr::new(Ip(ip), port)
    }

    /// How many outside ports three destinations see: two on one host, one on another.
    fn ports(nat: &mut Nat, dice: &mut Dice) -> usize {
        let seen: BTreeSet<u16> = [peer(7, 1), peer(7, 2), peer(8, 1)]
            .into_iter()
            .map(|to| nat.outbound(INSIDE, to, Instant::ZERO, dice).port)
            .collect();
        seen.len()
    }

    #[test]
    fn a_mapping_depends_on_what_its_name_says() {
        for (mapping, expected) in [(Endpoint, 1), (Address, 2), (AddressAndPort, 3)] {
            let (mut nat, mut dice) = nat(mapping, Endpoint);
            assert_eq!(ports(&mut nat, &mut dice), expected, "{mapping:?}");
        }
    }

    #[test]
    fn a_filter_depends_on_what_its_name_says() {
        for (filtering, same_host, other_host) in [
            (Endpoint, true, true),
            (Address, true, false),
            (AddressAndPort, false, false),
        ] {
            let (mut nat, mut dice) = nat(Endpoint, filtering);
            let out = nat.outbound(INSIDE, peer(7, 1), Instant::ZERO, &mut dice);
            let passes = |from| nat.inbound(out.port, from, Instant::ZERO) == Some(INSIDE);
            assert!(passes(peer(7, 1)), "{filtering:?}");
            assert_eq!(passes(peer(7, 2)), same_host, "{filtering:?}");
            assert_eq!(passes(peer(8, 1)), other_host, "{filtering:?}");
        }
    }

    #[test]
    fn preserved_ports_are_the_same_for_every_destination() {
        let (mut nat, mut dice) = nat(AddressAndPort, AddressAndPort);
        nat.behaviour.preserves_ports = true;
        assert_eq!(ports(&mut nat, &mut dice), 1);
        let other = Addr::new(Ip(2), INSIDE.port);
        let out = nat.outbound(other, peer(7, 1), Instant::ZERO, &mut dice);
        assert_ne!(out.port, INSIDE.port, "another host has it");
    }

    #[test]
    fn a_mapping_that_is_not_used_is_forgotten() {
        let (mut nat, mut dice) = nat(Endpoint, Endpoint);
        let out = nat.outbound(INSIDE, peer(7, 1), Instant::ZERO, &mut dice);
        let later = Instant::ZERO + MAPPING_LIFETIME + Duration::from_millis(1);
        assert_eq!(nat.inbound(out.port, peer(7, 1), later), None);
    }
}
