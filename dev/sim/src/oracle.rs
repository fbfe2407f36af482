// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which pairs of NATs permit a direct path: derived on paper, not by simulation, so that the two can be
//! compared.
//!
//! With checks from both sides and peer-reflexive candidates (RFC 8445; RFC 5128 section 3.3 for UDP hole
//! punching):
//!
//! - if both mappings are endpoint-independent, always: each side sends to the mapping that the node saw,
//!   and by that opens its own filter;
//! - if one is (call it A) and the other (B) is not, B's packets come from a port that A cannot know. A's
//!   filter lets them in unless it depends on the port; what A then answers passes B's filter, whatever that
//!   is, because B has sent exactly there;
//! - if neither is, each must let in a stranger's packet to begin with: one filter must be
//!   endpoint-independent and the other must not depend on the port. And one mapping must not depend on the
//!   port: else every answer comes from a new one, and no check is ever answered from where it was sent to.
//!
//! A NAT that preserves ports maps like an endpoint-independent one as long as nobody else uses the port.

use crate::nat::Behaviour;
use crate::nat::Dependence::{self, AddressAndPort, Endpoint};

/// What all NATs between a side and the public network do together; no NAT at all is the most permissive.
#[derive(Clone, Copy, Debug)]
struct Outlook {
    /// The mapping that depends on most.
    mapping: Dependence,
    /// Something from a host that was sent to, but from a port that was not, comes in.
    admits_other_ports: bool,
    /// So does something that comes to the mapping that the node saw. A NAT that maps, and is given,
    /// everything from one port has sent to the other side from it; another has not.
    admits_strangers: bool,
}

impl Outlook {
    /// From the innermost NAT outwards.
    fn of(nats: &[Behaviour]) -> Self {
        let mut outlook = Self {
            mapping: Endpoint,
            admits_other_ports: true,
            admits_strangers: true,
        };
        for nat in nats {
            let mapping = if nat.preserves_ports {
                Endpoint
            } else {
                nat.mapping
            };
            outlook.mapping = outlook.mapping.max(mapping);
            outlook.admits_other_ports &= nat.filtering != AddressAndPort;
            outlook.admits_strangers &= match outlook.mapping {
                Endpoint => nat.filtering != AddressAndPort,
                Dependence::Address | AddressAndPort => nat.filtering == Endpoint,
            };
        }
        outlook
    }
}

/// Whether two sides, each with these NATs between it and the public network, reach each other directly.
#[must_use]
pub fn permits_direct(one: &[Behaviour], other: &[Behaviour]) -> bool {
    let (one, other) = (Outlook::of(one), Outlook::of(other));
    match (one.mapping, other.mapping) {
        (Endpoint, Endpoint) => true,
        (Endpoint, _) => one.admits_other_ports,
        (_, Endpoint) => other.admits_other_ports,
        (AddressAndPort, AddressAndPort) => false,
        _ => {
            (one.admits_strangers && other.admits_other_ports)
                || (other.admits_strangers && one.admits_other_ports)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nat::Dependence::Address;

    #[test]
    fn the_table_of_everyday_pairs_is_the_known_one() {
        let home = [Behaviour::HOME];
        let per_destination = [Behaviour::PER_DESTINATION];
        let address = [Behaviour::new(Endpoint, Address)];
        assert!(permits_direct(&[], &per_destination));
        assert!(permits_direct(&home, &home));
        assert!(permits_direct(&address, &per_destination));
        assert!(!permits_direct(&home, &per_destination));
        assert!(!permits_direct(&per_destination, &per_destination));
    }
}
