// SPDX-License-Identifier: MIT OR Apache-2.0
//! From what was measured to what it means. Pure functions over evidence; each answers only what it can.

use core::net::{IpAddr, Ipv4Addr};
use std::collections::{BTreeMap, BTreeSet};

use super::{
    Climb, Direct, Filtering, Finding, Gathered, Mapping, OwnAddress, Passage, Scope, Unknown,
};
use crate::CandidateKind;

/// An address and port as some server saw it.
type Seen = (IpAddr, u16);

/// Where packets of one family seemed to come from, by server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sightings {
    /// By URL.
    seen: BTreeMap<String, BTreeSet<Seen>>,
    /// The device has this address itself.
    untranslated: bool,
}

impl Sightings {
    /// What the candidates tell about one family.
    ///
    /// A relayed candidate carries the mapped address that its server saw (RFC 8839 §5.1). Where none is told, a
    /// reflexive one stands in. A mapped address for which there is no reflexive candidate is the device's own:
    /// such candidates are redundant and left out (RFC 8445 §5.1.3).
    pub(super) fn of(candidates: &[Gathered], v6: bool) -> Self {
        let mut seen: BTreeMap<String, BTreeSet<Seen>> = BTreeMap::new();
        let reflexive: BTreeSet<Seen> = candidates
            .iter()
            .filter(|one| one.kind == CandidateKind::ServerReflexive)
            .filter_map(|one| Some((one.address?, one.port)))
            .filter(|(address, _)| address.is_ipv6() == v6)
            .collect();
        for one in candidates {
            let related = one
                .related
                .filter(|(address, _)| address.is_ipv6() == v6 && !address.is_unspecified());
            if let (CandidateKind::Relayed, Some(mapped)) = (one.kind, related) {
                seen.entry(one.url.clone()).or_default().insert(mapped);
            }
        }
        let mapped: BTreeSet<Seen> = seen.values().flatten().copied().collect();
        let untranslated = !mapped.is_empty() && mapped.is_disjoint(&reflexive);
        if mapped.is_empty() && !reflexive.is_empty() {
            seen.insert(String::new(), reflexive);
        }
        Self { seen, untranslated }
    }

    /// The first address that anybody saw.
    fn address(&self) -> Option<IpAddr> {
        let first = self.seen.values().flatten().next();
        first.map(|(address, _)| *address)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }
}

/// The own address of a family.
pub(super) fn own_address(sightings: &Sightings) -> Finding<OwnAddress> {
    sightings
        .address()
        .map_or(Finding::Unknown(Unknown::NoFamily), |address| {
            Finding::Found(OwnAddress {
                address: address.to_string(),
                scope: scope(address),
            })
        })
}

/// How addresses are mapped, from what servers on several ports, and perhaps several hosts, saw.
pub(super) fn mapping(sightings: &Sightings, host_of: impl Fn(&str) -> String) -> Finding<Mapping> {
    if sightings.is_empty() {
        return Finding::Unknown(Unknown::NoAnswer);
    }
    if sightings.untranslated {
        return Finding::Found(Mapping::Untranslated);
    }
    let mut by_host: BTreeMap<String, Vec<&BTreeSet<Seen>>> = BTreeMap::new();
    for (url, seen) in &sightings.seen {
        by_host.entry(host_of(url)).or_default().push(seen);
    }
    let Ok(across_ports) = Agreement::over(by_host.values().map(Vec::as_slice)) else {
        return Finding::Unknown(Unknown::Contradiction);
    };
    let firsts: Vec<&BTreeSet<Seen>> = by_host
        .values()
        .filter_map(|seen| seen.first())
        .copied()
        .collect();
    let Ok(across_hosts) = Agreement::of(&firsts) else {
        return Finding::Unknown(Unknown::Contradiction);
    };
    Finding::Found(match (across_ports, across_hosts) {
        (Agreement::Differs, _) => Mapping::AddressAndPortDependent,
        (Agreement::Same, Agreement::Same) => Mapping::EndpointIndependent,
        // Who maps alike for other hosts does so for other ports of one.
        (Agreement::Nothing, Agreement::Same) => Mapping::EndpointIndependent,
        (Agreement::Same, Agreement::Differs) => Mapping::AddressDependent,
        (Agreement::Same, Agreement::Nothing) => Mapping::EndpointIndependentOrAddressDependent,
        (Agreement::Nothing, Agreement::Differs) => Mapping::AddressOrAddressAndPortDependent,
        (Agreement::Nothing, Agreement::Nothing) => return Finding::Unknown(Unknown::OnePort),
    })
}

/// Whether several servers saw the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Agreement {
    /// There was nothing to compare.
    Nothing,
    Same,
    Differs,
}

/// Some saw the same and some did not.
struct Contradiction;

impl Agreement {
    fn of(seen: &[&BTreeSet<Seen>]) -> Result<Self, Contradiction> {
        let [first, others @ ..] = seen else {
            return Ok(Self::Nothing);
        };
        if others.is_empty() {
            return Ok(Self::Nothing);
        }
        if others.iter().all(|other| other == first) {
            return Ok(Self::Same);
        }
        if others.iter().all(|other| other.is_disjoint(first)) {
            return Ok(Self::Differs);
        }
        Err(Contradiction)
    }

    /// Of each group by itself; one that differs decides.
    fn over<'a>(
        groups: impl Iterator<Item = &'a [&'a BTreeSet<Seen>]>,
    ) -> Result<Self, Contradiction> {
        let mut all = Self::Nothing;
        for group in groups {
            all = match (all, Self::of(group)?) {
                (Self::Differs, _) | (_, Self::Differs) => Self::Differs,
                (Self::Same, _) | (_, Self::Same) => Self::Same,
                (Self::Nothing, Self::Nothing) => Self::Nothing,
            };
        }
        Ok(all)
    }
}

/// What is let in. The first passage is from another port of the address that was sent to, if it is from the
/// same address at all; a second one is from another address.
pub(super) fn filtering(passages: &[Finding<(Passage, Nearness)>]) -> Finding<Filtering> {
    if passages.contains(&Finding::Waiting) {
        return Finding::Waiting;
    }
    let found: Vec<&(Passage, Nearness)> = passages.iter().filter_map(Finding::found).collect();
    let of = |near: Nearness| {
        let ones = found.iter().filter(|(_, nearness)| *nearness == near);
        ones.filter_map(|(passage, _)| arrived(*passage)).next()
    };
    let (same, other) = (of(Nearness::SameAddress), of(Nearness::OtherAddress));
    Finding::Found(match (same, other) {
        (_, Some(true)) => Filtering::EndpointIndependent,
        (Some(false), _) => Filtering::AddressAndPortDependent,
        (Some(true), Some(false)) => Filtering::AddressDependent,
        (Some(true), None) => Filtering::EndpointIndependentOrAddressDependent,
        (None, Some(false)) => Filtering::AddressOrAddressAndPortDependent,
        (None, None) => {
            let why = found.first().map(|(passage, _)| why_unknown(*passage));
            return Finding::Unknown(why.unwrap_or(Unknown::NoAnswer));
        }
    })
}

/// Where checks came from, seen from the address that was sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nearness {
    SameAddress,
    OtherAddress,
}

fn arrived(passage: Passage) -> Option<bool> {
    match passage {
        Passage::Passed { .. } => Some(true),
        Passage::Held { .. } => Some(false),
        Passage::Unmapped | Passage::Unrelayed | Passage::Unsent => None,
    }
}

fn why_unknown(passage: Passage) -> Unknown {
    match passage {
        Passage::Unmapped => Unknown::NoAnswer,
        Passage::Unrelayed => Unknown::NoRelay,
        Passage::Unsent => Unknown::RelayRefuses,
        Passage::Passed { .. } | Passage::Held { .. } => Unknown::TooLittle,
    }
}

/// Whether UDP gets to the node and back. One answer proves it; silence counts only when all are silent.
pub(super) fn udp(observed: Option<bool>, rungs: &[Finding<Climb>]) -> Finding<bool> {
    let answers = |climb: &Finding<Climb>| {
        matches!(
            climb,
            Finding::Found(Climb::Open { .. } | Climb::Refused { .. })
        )
    };
    if observed == Some(true) || rungs.iter().any(answers) {
        return Finding::Found(true);
    }
    if observed.is_none() || rungs.contains(&Finding::Waiting) {
        return Finding::Waiting;
    }
    let silent = |climb: &Finding<Climb>| *climb == Finding::Found(Climb::Silent);
    if rungs.iter().all(silent) {
        Finding::Found(false)
    } else {
        Finding::Unknown(Unknown::TooLittle)
    }
}

/// Where the node stands, seen from this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Packets to it may have taken the way to the Internet.
    Outside,
    /// In some network with this device: it cannot see what is between there and the Internet.
    Inside,
    /// On this very device.
    Here,
}

/// Where the node stands that has this host, name or address, judged by what it saw of this device.
///
/// A device may be seen with a public address by a node that is on it, for that is the address that it sends from.
/// Translation is judged over IPv4 if there is any, so an address that means nothing there decides alone.
pub(super) fn standing(host: &str, candidates: &[Gathered], seen: &[Sightings; 2]) -> Standing {
    let host = host.trim_matches(['[', ']']);
    let told: BTreeSet<Seen> = seen
        .iter()
        .flat_map(|family| family.seen.values().flatten().copied())
        .collect();
    if is_here(host) || told.iter().any(|(address, _)| is_loopback(*address)) {
        return Standing::Here;
    }
    // The node relays from its own address: whoever is seen with it is behind the same translator, or is the node.
    let node: BTreeSet<IpAddr> = candidates
        .iter()
        .filter(|one| one.kind == CandidateKind::Relayed)
        .filter_map(|one| one.address)
        .chain(host.parse())
        .collect();
    let shares = |family: &Sightings| {
        let mut seen = family.seen.values().flatten();
        seen.any(|(address, _)| node.contains(address))
    };
    if seen
        .iter()
        .any(|family| family.untranslated && shares(family))
    {
        return Standing::Here;
    }
    let [v4, v6] = seen;
    let decides = if v4.is_empty() { v6 } else { v4 };
    let is_narrow = decides
        .address()
        .is_some_and(|address| scope(address) != Scope::Internet);
    if seen.iter().any(shares) || is_narrow || is_within(host) {
        Standing::Inside
    } else {
        Standing::Outside
    }
}

/// Whether a host is this device: loopback, or "localhost" and what is below it (RFC 6761 §6.3).
fn is_here(host: &str) -> bool {
    host.parse().map_or_else(
        |_| host == "localhost" || host.ends_with(".localhost"),
        is_loopback,
    )
}

/// Whether a host is written as one that means something only within some network: its address, or its name
/// (RFC 6762 §3, RFC 8375 §3).
fn is_within(host: &str) -> bool {
    host.parse().map_or_else(
        |_| {
            [".local", ".home.arpa", ".internal"]
                .iter()
                .any(|end| host.ends_with(end))
        },
        |address| scope(address) != Scope::Internet,
    )
}

/// The same for a node that stands inside some network with this device: nothing good can be promised.
pub(super) fn direct_from_inside(direct: Finding<Direct>) -> Finding<Direct> {
    match direct {
        Finding::Found(Direct::NearlyAlways | Direct::Mostly) => {
            Finding::Unknown(Unknown::NodeInside)
        }
        other => other,
    }
}

/// Something about the network around, measured by a node that is on this device: nothing of it is known.
pub(super) fn from_here<T>(finding: &Finding<T>) -> Finding<T> {
    match finding {
        Finding::Waiting => Finding::Waiting,
        Finding::Found(_) | Finding::Unknown(_) => Finding::Unknown(Unknown::NodeHere),
    }
}

/// Whether calls can be direct.
pub(super) fn direct(
    udp: &Finding<bool>,
    mapping: &Finding<Mapping>,
    filtering: &Finding<Filtering>,
) -> Finding<Direct> {
    match udp {
        Finding::Waiting => return Finding::Waiting,
        Finding::Unknown(why) => return Finding::Unknown(*why),
        Finding::Found(false) => return Finding::Found(Direct::SameNetworkOnly),
        Finding::Found(true) => {}
    }
    if *mapping == Finding::Waiting || *filtering == Finding::Waiting {
        return Finding::Waiting;
    }
    let lets_in = match filtering.found() {
        Some(
            Filtering::EndpointIndependent
            | Filtering::EndpointIndependentOrAddressDependent
            | Filtering::AddressDependent,
        ) => Some(true),
        Some(Filtering::AddressAndPortDependent) => Some(false),
        Some(Filtering::AddressOrAddressAndPortDependent) | None => None,
    };
    let open = *filtering == Finding::Found(Filtering::EndpointIndependent);
    match mapping.found() {
        Some(
            Mapping::Untranslated
            | Mapping::EndpointIndependent
            | Mapping::EndpointIndependentOrAddressDependent,
        ) => Finding::Found(if lets_in == Some(true) {
            Direct::NearlyAlways
        } else {
            Direct::Mostly
        }),
        // Whoever sends to the mapped address that others were told gets in, whatever the mapping.
        Some(_) if open => Finding::Found(Direct::Mostly),
        Some(
            Mapping::AddressDependent
            | Mapping::AddressOrAddressAndPortDependent
            | Mapping::AddressAndPortDependent,
        ) => Finding::Found(Direct::Seldom),
        None if open => Finding::Found(Direct::Mostly),
        None => Finding::Unknown(Unknown::TooLittle),
    }
}

/// Where an address means something. Addresses of documentation are as good as any: laboratories use them.
pub(super) fn scope(address: IpAddr) -> Scope {
    match address.to_canonical() {
        address if is_loopback(address) => Scope::Device,
        IpAddr::V4(v4) if is_shared(v4) => Scope::Provider,
        IpAddr::V4(v4) if v4.is_private() || v4.is_link_local() => Scope::Network,
        IpAddr::V6(v6) if v6.is_unique_local() || v6.is_unicast_link_local() => Scope::Network,
        IpAddr::V4(_) | IpAddr::V6(_) => Scope::Internet,
    }
}

/// RFC 6598: 100.64.0.0/10.
fn is_shared(v4: Ipv4Addr) -> bool {
    let [a, b, ..] = v4.octets();
    a == 100 && (64..128).contains(&b)
}

/// Whether packets to it stay on the device; those to no address do.
fn is_loopback(address: IpAddr) -> bool {
    let address = address.to_canonical();
    address.is_loopback() || address.is_unspecified()
}
