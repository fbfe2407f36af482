// SPDX-License-Identifier: MIT OR Apache-2.0
//! Everybody: one person in a network of each kind.

use std::collections::BTreeSet;
use std::net::IpAddr;

use hither_lab::{Firewall, Flow, Host, LabError, Protocol};

use super::expectation::{Class, Rung, Udp};
use super::pair::Dweller;
use crate::place::Place;

/// A kind of network. People are called after theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Public addresses of both families, nothing in between.
    Open,
    /// No UDP at all.
    NoUdp,
    /// Nothing but port 443 of others, over TCP and UDP.
    Only443,
    /// Nothing but port 443 of others, over TCP.
    OnlyHttps,
}

impl Kind {
    pub(super) const ALL: [Self; 4] = [Self::Open, Self::NoUdp, Self::Only443, Self::OnlyHttps];

    /// What it is called, and whoever lives there.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Open => "Open",
            Self::NoUdp => "NoUdp",
            Self::Only443 => "Only443",
            Self::OnlyHttps => "OnlyHttps",
        }
    }

    fn class(self) -> Class {
        let closed = |rung| Class {
            v4: None,
            v6: None,
            rung,
            lan: None,
            behind: None,
        };
        match self {
            Self::Open => Class {
                v4: Some(Udp::OPEN),
                v6: Some(Udp::OPEN),
                ..closed(Rung::Udp)
            },
            Self::NoUdp => closed(Rung::Tcp),
            Self::Only443 => closed(Rung::UdpOn443),
            Self::OnlyHttps => closed(Rung::Tls),
        }
    }

    fn host(self, place: &Place) -> Result<Host, LabError> {
        let host = place.net.host(self.name())?;
        match self {
            Self::Open => {}
            Self::NoUdp => host.firewall(&Firewall::open_but_for(&[Flow::all(Protocol::Udp)]))?,
            Self::Only443 => {
                host.firewall(&Firewall::closed_but_for(&[Flow::tcp(443), Flow::udp(443)]))?;
            }
            Self::OnlyHttps => host.firewall(&Firewall::closed_but_for(&[Flow::tcp(443)]))?,
        }
        Ok(host)
    }

    /// The addresses of the node that the names of this network lead to.
    fn node(self, place: &Place) -> Vec<IpAddr> {
        place.addresses().to_vec()
    }
}

/// Everybody there is, the owner of the node first.
pub(super) struct Town {
    pub(super) place: Place,
    dwellers: Vec<(Kind, Dweller)>,
    /// Pairs who know each other.
    acquainted: BTreeSet<(Kind, Kind)>,
}

impl Town {
    /// Somebody in each of these networks.
    pub(super) fn new_or_skip(test: &str, kinds: &[Kind]) -> Result<Option<Self>, LabError> {
        let Some(place) = Place::new_or_skip(test)? else {
            return Ok(None);
        };
        let mut town = Self {
            place,
            dwellers: Vec::new(),
            acquainted: BTreeSet::new(),
        };
        for kind in kinds {
            town.arrive(*kind)?;
        }
        Ok(Some(town))
    }

    fn arrive(&mut self, kind: Kind) -> Result<(), LabError> {
        let host = kind.host(&self.place)?;
        let config = self
            .place
            .person(kind.name(), &host, &kind.node(&self.place))?;
        let person = match self.dwellers.first() {
            None => self.place.arrive_as_owner(kind.name(), config)?,
            Some((first, owner)) => {
                let person = self
                    .place
                    .arrive_invited(&owner.person, kind.name(), config)?;
                self.acquainted.insert((*first, kind));
                person
            }
        };
        let class = kind.class();
        self.dwellers.push((
            kind,
            Dweller {
                person,
                host,
                class,
            },
        ));
        Ok(())
    }

    /// Who lives in such a network.
    pub(super) fn dweller(&self, kind: Kind) -> &Dweller {
        let mut all = self.dwellers.iter();
        let found = all.find(|(lives, _)| *lives == kind);
        &found.expect("everybody has arrived").1
    }

    /// Two people who know each other, if need be from now on.
    pub(super) fn pair(&mut self, one: Kind, two: Kind) -> Result<[&Dweller; 2], LabError> {
        let pair = (one.min(two), one.max(two));
        if self.acquainted.insert(pair) {
            super::pair::acquaint(&self.dweller(one).person, &self.dweller(two).person)?;
        }
        Ok([self.dweller(one), self.dweller(two)])
    }
}
