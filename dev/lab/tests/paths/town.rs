// SPDX-License-Identifier: MIT OR Apache-2.0
//! Everybody: one person in a network of each kind.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use hither_lab::{
    Client, ConnectProxy, Dependence, Firewall, Flow, Ipv6, LabError, Nat, Protocol, Router,
    RouterConfig,
};

use super::expectation::{Best, Class, Filtering, Mapping, Udp};
use super::pair::{Dweller, acquaint, call, goes, hang_up, write_to_each_other};
use crate::place::Place;

/// A kind of network. People are called after theirs. `Eim` and `Apdm` are how it maps, `Eif`, `Adf` and `Apdf` how it
/// filters (RFC 4787 §4.1, §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Public addresses of both families, nothing in between.
    Open,
    EimEif,
    EimAdf,
    /// What most homes have.
    EimApdf,
    /// In the same local network as the one before.
    Neighbour,
    Apdm,
    /// Another of those.
    OtherApdm,
    /// A home behind a provider's NAT that leads back in.
    Cgnat,
    /// Another home behind it.
    OtherCgnat,
    /// A home behind a provider's NAT that does not.
    Blind,
    /// Another home behind it.
    OtherBlind,
    /// No UDP at all.
    NoUdp,
    /// Nothing but port 443 of others, over TCP and UDP.
    Only443,
    /// Nothing but port 443 of others, over TCP.
    OnlyHttps,
    /// Nothing but an HTTP CONNECT proxy.
    Office,
    /// In the same local network as the one before.
    Colleague,
    /// IPv6 and nothing else.
    Ipv6Only,
    /// A home with IPv6 beside its NAT; what nobody asked for does not get in.
    Dual,
    /// Two homes' uplinks at once.
    TwoUplinks,
}

/// What is put up once and has several people in it.
#[derive(Default)]
struct Shared {
    routers: BTreeMap<&'static str, Router>,
    proxy: Option<ConnectProxy>,
}

impl Kind {
    /// Those who reach the node over IPv4.
    pub(super) const OVER_IPV4: [Self; 18] = [
        Self::Open,
        Self::EimEif,
        Self::EimAdf,
        Self::EimApdf,
        Self::Neighbour,
        Self::Apdm,
        Self::OtherApdm,
        Self::Cgnat,
        Self::OtherCgnat,
        Self::Blind,
        Self::OtherBlind,
        Self::NoUdp,
        Self::Only443,
        Self::OnlyHttps,
        Self::Office,
        Self::Colleague,
        Self::Dual,
        Self::TwoUplinks,
    ];

    /// Those who reach it over IPv6.
    pub(super) const OVER_IPV6: [Self; 3] = [Self::Open, Self::Dual, Self::Ipv6Only];

    /// What it is called, and whoever lives there.
    pub(super) fn name(self) -> String {
        format!("{self:?}")
    }

    /// What is known of it, without asking anybody.
    pub(super) fn class(self) -> Class {
        use Filtering::{AddressAndPortDependent, AddressDependent, EndpointIndependent};
        let eim = |filtering| Some(Udp::of(Mapping::EndpointIndependent, filtering));
        let apdm = Udp::of(Mapping::AddressAndPortDependent, AddressAndPortDependent);
        let closed = Class {
            v4: None,
            v6: None,
            lan: None,
            behind: None,
        };
        let home = Class {
            v4: eim(AddressAndPortDependent),
            ..closed
        };
        let lan = |class: Class, lan| Class {
            lan: Some(lan),
            ..class
        };
        match self {
            Self::Open => Class {
                v4: Some(Udp::OPEN),
                v6: Some(Udp::OPEN),
                ..closed
            },
            Self::EimEif => Class {
                v4: eim(EndpointIndependent),
                ..closed
            },
            Self::EimAdf => Class {
                v4: eim(AddressDependent),
                ..closed
            },
            Self::EimApdf | Self::Neighbour => lan(home, "home"),
            Self::Apdm | Self::OtherApdm => Class {
                v4: Some(apdm),
                ..closed
            },
            Self::Blind | Self::OtherBlind => Class {
                behind: Some("a provider"),
                ..home
            },
            Self::NoUdp | Self::Only443 | Self::OnlyHttps => closed,
            Self::Office | Self::Colleague => lan(closed, "office"),
            Self::Ipv6Only => Class {
                v6: Some(Udp::OPEN),
                ..closed
            },
            Self::Dual => Class {
                v6: eim(AddressAndPortDependent),
                ..home
            },
            Self::Cgnat | Self::OtherCgnat | Self::TwoUplinks => home,
        }
    }

    /// What a home of this kind has for a router.
    fn config(self) -> RouterConfig {
        let narrow = Dependence::AddressAndPortDependent;
        let home = Nat::endpoint_independent(narrow);
        let walled =
            |flows: &[Flow]| RouterConfig::nat(home).firewall(Firewall::closed_but_for(flows));
        let filtering = |filtering| RouterConfig::nat(Nat::endpoint_independent(filtering));
        match self {
            Self::Open => RouterConfig::open(),
            Self::EimEif => filtering(Dependence::EndpointIndependent),
            Self::EimAdf => filtering(Dependence::AddressDependent),
            Self::EimApdf
            | Self::Neighbour
            | Self::Cgnat
            | Self::OtherCgnat
            | Self::Blind
            | Self::OtherBlind
            | Self::TwoUplinks => RouterConfig::nat(home),
            Self::Apdm | Self::OtherApdm => RouterConfig::nat(Nat::address_and_port_dependent()),
            Self::NoUdp => RouterConfig::nat(home)
                .firewall(Firewall::open_but_for(&[Flow::all(Protocol::Udp)])),
            Self::Only443 => walled(&[Flow::tcp(443), Flow::udp(443)]),
            Self::OnlyHttps => walled(&[Flow::tcp(443)]),
            Self::Office | Self::Colleague => walled(&[]),
            Self::Ipv6Only => RouterConfig::open().without_ipv4(),
            Self::Dual => RouterConfig::nat(home).ipv6(Ipv6::Filtered(narrow)),
        }
    }

    /// Puts it up, with a machine in it.
    fn client(self, place: &Place, shared: &mut Shared) -> Result<Client, LabError> {
        let (name, config) = (self.name(), self.config());
        let provider = |leads_back_in| {
            let narrow = Dependence::AddressAndPortDependent;
            let nat = Nat::endpoint_independent(narrow).hairpinning(leads_back_in);
            RouterConfig::nat(nat).isolating()
        };
        let home = match self {
            Self::EimApdf | Self::Neighbour => shared.router(place, "home", &config)?,
            Self::Office | Self::Colleague => shared.router(place, "office", &config)?,
            Self::Cgnat | Self::OtherCgnat => shared
                .router(place, "provider", &provider(true))?
                .router(&name, &config)?,
            Self::Blind | Self::OtherBlind => shared
                .router(place, "blind", &provider(false))?
                .router(&name, &config)?,
            Self::Open
            | Self::EimEif
            | Self::EimAdf
            | Self::Apdm
            | Self::OtherApdm
            | Self::NoUdp
            | Self::Only443
            | Self::OnlyHttps
            | Self::Ipv6Only
            | Self::Dual
            | Self::TwoUplinks => place.net.router(&name, &config)?,
        };
        let mut client = home.client(&name)?;
        if self == Self::TwoUplinks {
            client.add_uplink(&place.net.router("second", &config)?)?;
        }
        Ok(client)
    }

    /// Flags for the browser of somebody who lives there.
    fn flags(self, shared: &mut Shared) -> Result<Vec<String>, LabError> {
        if !matches!(self, Self::Office | Self::Colleague) {
            return Ok(Vec::new());
        }
        if shared.proxy.is_none() {
            shared.proxy = Some(shared.routers["office"].proxy("proxy")?);
        }
        let proxy = shared.proxy.iter();
        Ok(proxy.map(ConnectProxy::flag).collect())
    }
}

impl Shared {
    /// The router of this name, put up if need be.
    fn router(
        &mut self,
        place: &Place,
        name: &'static str,
        config: &RouterConfig,
    ) -> Result<Router, LabError> {
        if let Some(router) = self.routers.get(name) {
            return Ok(router.clone());
        }
        let router = place.net.router(name, config)?;
        self.routers.insert(name, router.clone());
        Ok(router)
    }
}

/// Everybody there is, the owner of the node first.
pub(super) struct Town {
    dwellers: Vec<(Kind, Dweller)>,
    /// Pairs who know each other.
    acquainted: BTreeSet<(Kind, Kind)>,
    shared: Shared,
    /// Where everybody reaches the node.
    node: IpAddr,
    pub(super) place: Place,
}

impl Town {
    /// Somebody in each of these networks.
    pub(super) fn new_or_skip(test: &str, kinds: &[Kind]) -> Result<Option<Self>, LabError> {
        let Some(place) = Place::new_or_skip(test)? else {
            return Ok(None);
        };
        let [v4, v6] = place.addresses();
        // A mailbox has one address, and everybody who writes to it must reach it.
        let alone = kinds.contains(&Kind::Ipv6Only);
        let mut town = Self {
            node: if alone { v6 } else { v4 },
            place,
            dwellers: Vec::new(),
            acquainted: BTreeSet::new(),
            shared: Shared::default(),
        };
        for kind in kinds {
            town.arrive(*kind)?;
        }
        Ok(Some(town))
    }

    fn arrive(&mut self, kind: Kind) -> Result<(), LabError> {
        let (place, name) = (&self.place, kind.name());
        let client = kind.client(place, &mut self.shared)?;
        let mut config = place.person(&name, &client);
        config.extra_args = kind.flags(&mut self.shared)?;
        let person = match self.dwellers.first() {
            None => place.arrive_as_owner_at(self.node, &name, config)?,
            Some((first, owner)) => {
                self.acquainted.insert((kind.min(*first), kind.max(*first)));
                place.arrive_invited(&owner.person, &name, config, self.node)?
            }
        };
        let dweller = Dweller {
            person,
            client,
            class: kind.class(),
        };
        self.dwellers.push((kind, dweller));
        Ok(())
    }

    /// Lets these people end whatever they were in by loading their pages anew.
    pub(super) fn start_over(&self, kinds: &[Kind]) -> Result<(), LabError> {
        for kind in kinds {
            let person = &self.dweller(*kind).person;
            person.page().reload()?;
            person.unlock()?;
        }
        Ok(())
    }

    /// Who lives in such a network.
    fn dweller(&self, kind: Kind) -> &Dweller {
        let mut all = self.dwellers.iter();
        let found = all.find(|(lives, _)| *lives == kind);
        &found.expect("everybody has arrived").1
    }

    /// Two people who know each other, if need be from now on.
    pub(super) fn pair(&mut self, one: Kind, two: Kind) -> Result<[&Dweller; 2], LabError> {
        if self.acquainted.insert((one.min(two), one.max(two))) {
            acquaint(&self.dweller(one).person, &self.dweller(two).person)?;
        }
        Ok([self.dweller(one), self.dweller(two)])
    }
}

/// One pair's call, from the invitation to the end, by the best path there is between the two; says which it was.
pub(super) fn meet(town: &mut Town, one: Kind, two: Kind) -> Result<Best, LabError> {
    town.pair(one, two)?;
    let pair = [town.dweller(one), town.dweller(two)];
    let best = pair[0].class.with(pair[1].class);
    let [caller, callee] = pair.map(|dweller| &dweller.person);
    call(caller, callee)?;
    write_to_each_other(caller, callee)?;
    goes(&town.place, pair, best)?;
    hang_up(caller, callee)?;
    Ok(best)
}
