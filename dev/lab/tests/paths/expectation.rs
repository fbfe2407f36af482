// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the best path between two networks is, by what RFC 4787 says of their NATs and by what their firewalls
//! let through. Knows nothing of Hither: this is what any two programs with UDP and a relay could reach.

/// When one inner address and port is seen as the same outer one (RFC 4787 §4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mapping {
    EndpointIndependent,
    AddressAndPortDependent,
}

/// From whom packets are let in (RFC 4787 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filtering {
    EndpointIndependent,
    AddressDependent,
    AddressAndPortDependent,
}

/// What stands between a client and the Internet, for UDP of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Udp {
    pub(super) mapping: Mapping,
    pub(super) filtering: Filtering,
}

/// A client's network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Class {
    /// UDP over IPv4 with strangers, if there is any.
    pub(super) v4: Option<Udp>,
    /// The same over IPv6.
    pub(super) v6: Option<Udp>,
    /// Those with the same one are in the same local network.
    pub(super) lan: Option<&'static str>,
    /// Those with the same one are behind the same outer NAT, which does not lead back in.
    pub(super) behind: Option<&'static str>,
}

/// Which way a call goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Best {
    SameNetwork,
    Direct,
    Relay,
}

impl Udp {
    /// Neither NAT nor firewall.
    pub(super) const OPEN: Self =
        Self::of(Mapping::EndpointIndependent, Filtering::EndpointIndependent);

    pub(super) const fn of(mapping: Mapping, filtering: Filtering) -> Self {
        Self { mapping, filtering }
    }

    /// Whether two of the same family reach each other, once both have sent to what they know of the other. It takes
    /// one packet that gets in: it shows where its sender really is, and the answer to it is let in by every NAT.
    fn reaches(self, other: Self) -> bool {
        self.hears(other) || other.hears(self)
    }

    /// Whether packets of `other` get in here, after this side has sent to where others see `other`.
    fn hears(self, other: Self) -> bool {
        use Filtering::AddressAndPortDependent as Narrow;
        use Mapping::{AddressAndPortDependent, EndpointIndependent};
        match (self.mapping, other.mapping) {
            // They come from where this side has sent to, to where it has sent from.
            (EndpointIndependent, EndpointIndependent) => true,
            // They come from another port of the same address.
            (EndpointIndependent, AddressAndPortDependent) => self.filtering != Narrow,
            // They go to a port of this side that was opened for the relay alone.
            (AddressAndPortDependent, _) => self.filtering == Filtering::EndpointIndependent,
        }
    }
}

impl Class {
    /// The best path of a call with somebody in another network.
    pub(super) fn with(self, other: Self) -> Best {
        let same = |one: Option<&str>, two: Option<&str>| one.is_some() && one == two;
        let meet = |one: Option<Udp>, two: Option<Udp>| {
            one.zip(two).is_some_and(|(one, two)| one.reaches(two))
        };
        let over_v6 = meet(self.v6, other.v6);
        let over_v4 = meet(self.v4, other.v4) && !same(self.behind, other.behind);
        if same(self.lan, other.lan) {
            Best::SameNetwork
        } else if over_v6 || over_v4 {
            Best::Direct
        } else {
            Best::Relay
        }
    }
}

impl Best {
    /// The word of the icon, and its name.
    pub(super) fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::SameNetwork => ("same-network", "Same network"),
            Self::Direct => ("direct", "Direct"),
            Self::Relay => ("relay", "Relay"),
        }
    }
}

/// Who reaches whom directly, as RFC 5128 §3.3 and measurements with a bare browser have it.
#[test]
fn the_table_says_what_is_known_of_pairs_of_nats() {
    use Filtering as F;
    use Mapping::{AddressAndPortDependent as Apdm, EndpointIndependent as Eim};
    let open = Udp::OPEN;
    let (eif, adf, apdf) = (
        Udp::of(Eim, F::EndpointIndependent),
        Udp::of(Eim, F::AddressDependent),
        Udp::of(Eim, F::AddressAndPortDependent),
    );
    let apdm = Udp::of(Apdm, F::AddressAndPortDependent);
    for one in [open, eif, adf, apdf] {
        for two in [open, eif, adf, apdf] {
            assert!(one.reaches(two), "{one:?} {two:?}");
        }
    }
    for (with, reached) in [
        (open, true),
        (eif, true),
        (adf, true),
        (apdf, false),
        (apdm, false),
    ] {
        assert_eq!(apdm.reaches(with), reached, "{with:?}");
        assert_eq!(with.reaches(apdm), reached, "{with:?}");
    }
}
