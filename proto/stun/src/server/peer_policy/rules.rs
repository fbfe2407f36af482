// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an operator says about peers.

use core::net::IpAddr;
use std::collections::BTreeSet;

use super::{AddressClass, Net};

/// How many networks a list of [`PeerRules`] may have: they are walked through for each peer.
pub const MAX_NETS: usize = 256;

/// Which peers may be reached besides those on the Internet, and which of those may not.
///
/// Nothing opens what can never be right ([`AddressClass::Never`]), nor the node's own ports. The relayed
/// addresses of other clients of the same relay can always be reached: no packet leaves for those.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerRules {
    /// Networks that may be reached although their class may not. This machine's own addresses are opened
    /// only by naming each alone.
    pub allow: Vec<Net>,
    /// Networks that may not be reached, whatever else is said. Holds for IPv6 addresses that embed one of
    /// the network's, too.
    pub deny: Vec<Net>,
    /// Whether addresses of the same class as the relayed addresses may be reached, so that a relay on a
    /// closed network relays there: from a private address the private ones, but for this machine's own; from
    /// loopback addresses alone this machine and the private ones. From a global address this opens nothing.
    pub private: bool,
}

impl PeerRules {
    /// Which classes are open, for one line at the start: names no address.
    #[must_use]
    pub fn spoken(&self, relayed_ips: &[IpAddr]) -> String {
        let mut open = vec!["the Internet".to_owned()];
        let extra = self.extra_classes(relayed_ips);
        open.extend(extra.into_iter().filter_map(name).map(str::to_owned));
        let networks = |nets: &[Net], what| match nets.len() {
            0 => None,
            1 => Some(format!("1 network {what}")),
            more => Some(format!("{more} networks {what}")),
        };
        open.extend(networks(&self.allow, "allowed besides"));
        open.extend(networks(&self.deny, "denied"));
        open.join(", ")
    }

    pub(in crate::server) fn are_bounded(&self) -> bool {
        self.allow.len() <= MAX_NETS && self.deny.len() <= MAX_NETS
    }

    /// Classes besides [`AddressClass::Global`]. From a loopback address the system lets datagrams go to
    /// this machine only, so there its private addresses are open too.
    pub(super) fn extra_classes(&self, relayed_ips: &[IpAddr]) -> BTreeSet<AddressClass> {
        if !self.private {
            return BTreeSet::new();
        }
        let mut own: BTreeSet<_> = relayed_ips.iter().map(|ip| AddressClass::of(*ip)).collect();
        // Whoever else is reached must not reach this machine because it also relays to itself.
        if own.len() > 1 {
            own.remove(&AddressClass::Loopback);
        }
        if own.contains(&AddressClass::Loopback) {
            own.extend([AddressClass::Private, AddressClass::Documentation]);
        }
        own.retain(|class| !matches!(class, AddressClass::Never | AddressClass::Global));
        own
    }
}

const fn name(class: AddressClass) -> Option<&'static str> {
    match class {
        AddressClass::Global | AddressClass::Never => None,
        AddressClass::Loopback => Some("this machine"),
        AddressClass::Private => Some("private networks"),
        AddressClass::LinkLocal => Some("the local link"),
        AddressClass::Documentation => Some("networks for documentation"),
        AddressClass::Reserved => Some("reserved networks"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_is_said_in_one_line() {
        let private = PeerRules {
            private: true,
            ..PeerRules::default()
        };
        let spoken = |rules: &PeerRules, ip: &str| rules.spoken(&[ip.parse().unwrap()]);
        assert_eq!(spoken(&PeerRules::default(), "127.0.0.1"), "the Internet");
        assert_eq!(spoken(&private, "9.1.1.1"), "the Internet");
        assert_eq!(
            spoken(&private, "192.168.1.1"),
            "the Internet, private networks"
        );
        assert_eq!(
            spoken(&private, "127.0.0.1"),
            "the Internet, this machine, private networks, networks for documentation"
        );
        let listed = PeerRules {
            allow: vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()],
            deny: vec!["9.9.9.0/24".parse().unwrap()],
            private: false,
        };
        assert_eq!(
            spoken(&listed, "9.1.1.1"),
            "the Internet, 2 networks allowed besides, 1 network denied"
        );
    }
}
