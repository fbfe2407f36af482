// SPDX-License-Identifier: MIT OR Apache-2.0
//! The share of calls that go directly, among networks as they are distributed in the world.
//!
//! What the distributions are, and who says so, is in [`POPULATIONS`]; which two of them reach each other is
//! found by simulating a call between each pair of classes. Sources rarely tell filters apart, and a home
//! router with one that depends on the port is not reached by somebody whose mapping depends on the
//! destination. So every share has two ends: all filters depend on the port, or none does.

use hither_sansio::Duration;

use crate::nat::{Behaviour, Dependence};
use crate::network::Line;
use crate::world::{Place, Plan, World};

/// One way of two lines' delay, in milliseconds.
const DELAY: u64 = 30;
/// How long a path may take.
const PATIENCE: Duration = Duration::from_secs(4);

/// What is between a person and the public network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Nothing that keeps anybody out.
    Open,
    /// NATs whose mapping is endpoint-independent: hole punching works.
    Independent,
    /// A NAT with a mapping for every destination.
    Dependent,
    /// No UDP.
    NoUdp,
}

/// People, by what is between them and the public network.
#[derive(Clone, Copy, Debug)]
pub struct Population {
    /// Who they are.
    pub name: &'static str,
    /// Shares of a thousand, and of what.
    pub shares: [(u32, Class); 4],
}

/// Published distributions. Where each figure comes from, and how it was read, is in `docs/benchmarks.md`.
pub const POPULATIONS: [Population; 4] = [
    Population {
        name: "peers of a file sharing network, 2010 (Halkes and Pouwelse)",
        shares: [
            (210, Class::Open),
            (640, Class::Independent),
            (110, Class::Dependent),
            (40, Class::NoUdp),
        ],
    },
    Population {
        name: "home routers tested by volunteers, 2005 (Ford et al.)",
        shares: [
            (0, Class::Open),
            (820, Class::Independent),
            (180, Class::Dependent),
            (0, Class::NoUdp),
        ],
    },
    Population {
        // 82.5 % behind a home router (2 % dependent), 17.5 % behind a carrier's NAT too (11 %).
        name: "fixed lines, 2016 (Richter et al.)",
        shares: [
            (0, Class::Open),
            (964, Class::Independent),
            (36, Class::Dependent),
            (0, Class::NoUdp),
        ],
    },
    Population {
        // 92 % behind a carrier's NAT (40 % dependent), the rest open.
        name: "mobile lines, 2016 (Richter et al.)",
        shares: [
            (80, Class::Open),
            (552, Class::Independent),
            (368, Class::Dependent),
            (0, Class::NoUdp),
        ],
    },
];

impl Population {
    /// The same with so many of a thousand whose network has no UDP, whatever NAT they are behind.
    #[must_use]
    pub fn without_udp(&self, blocked: u32) -> Vec<(f64, Class)> {
        let with = |share: u32| f64::from(share) / 1_000.0 * f64::from(1_000 - blocked) / 1_000.0;
        let mut shares: Vec<_> = self
            .shares
            .map(|(share, class)| (with(share), class))
            .to_vec();
        shares.push((f64::from(blocked) / 1_000.0, Class::NoUdp));
        shares
    }
}

/// The share of pairs of one of these and one of those that go directly, found by simulation.
#[must_use]
pub fn direct(these: &[(f64, Class)], those: &[(f64, Class)], filtering: Dependence) -> f64 {
    let mut sum = 0.0;
    for (share, one) in these {
        for (other_share, other) in those {
            let weight = share * other_share;
            if weight > 0.0 && is_direct(*one, *other, filtering) {
                sum += weight;
            }
        }
    }
    sum
}

/// Simulates a call between two classes.
fn is_direct(one: Class, other: Class, filtering: Dependence) -> bool {
    let places = [one, other].map(|class| place(class, filtering));
    let mut world = World::new(&Plan { places, shared: 0 }, 1);
    world.run(PATIENCE);
    world.is_direct()
}

fn place(class: Class, filtering: Dependence) -> Place {
    let nats = match class {
        Class::Open | Class::NoUdp => Vec::new(),
        Class::Independent => vec![Behaviour::new(Dependence::Endpoint, filtering)],
        Class::Dependent => vec![Behaviour::new(Dependence::AddressAndPort, filtering)],
    };
    let line = Line {
        udp: class != Class::NoUdp,
        ..Line::new(DELAY)
    };
    Place { nats, line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_population_is_whole() {
        for population in POPULATIONS {
            let sum: u32 = population.shares.iter().map(|(share, _)| share).sum();
            assert_eq!(sum, 1_000, "{}", population.name);
        }
    }

    #[test]
    fn shares_are_what_the_pairs_of_classes_add_up_to() {
        let homes = [(0.8, Class::Independent), (0.2, Class::Dependent)];
        let narrow = direct(&homes, &homes, Dependence::AddressAndPort);
        let wide = direct(&homes, &homes, Dependence::Address);
        assert!((narrow - 0.64).abs() < 1e-9, "{narrow}");
        assert!((wide - 0.96).abs() < 1e-9, "{wide}");
        let blocked = [(1.0, Class::NoUdp)];
        assert!(direct(&homes, &blocked, Dependence::Address).abs() < 1e-9);
    }
}
