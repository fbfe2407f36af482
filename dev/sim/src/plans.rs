// SPDX-License-Identifier: MIT OR Apache-2.0
//! Places drawn by dice.

use crate::dice::Dice;
use crate::nat::{Behaviour, Dependence};
use crate::network::Line;
use crate::oracle;
use crate::world::{Place, Plan};

impl Behaviour {
    /// Any NAT.
    #[must_use]
    pub fn any(dice: &mut Dice) -> Self {
        Self {
            mapping: dice.pick(&Dependence::ALL),
            filtering: dice.pick(&Dependence::ALL),
            preserves_ports: dice.chance(250),
            hairpins: dice.chance(300),
        }
    }
}

impl Line {
    /// A line as people have them: 5 to 80 ms, some jitter, up to two per cent of loss, sometimes slow.
    #[must_use]
    pub fn any(dice: &mut Dice) -> Self {
        Self {
            jitter: dice.below(12),
            loss: dice.below(20),
            rate: dice.chance(200).then(|| dice.between(300, 2_000)),
            ..Self::new(dice.between(5, 80))
        }
    }
}

impl Plan {
    /// Two places with these NATs on lines without loss.
    #[must_use]
    pub fn calm(one: &[Behaviour], other: &[Behaviour], delay: u64) -> Self {
        let place = |nats: &[Behaviour]| Place {
            nats: nats.to_vec(),
            line: Line::new(delay),
        };
        Self {
            places: [place(one), place(other)],
            shared: 0,
        }
    }

    /// Any two places: up to two NATs each; now and then in one network, or with a home each behind one
    /// carrier's NAT.
    #[must_use]
    pub fn any(dice: &mut Dice) -> Self {
        let mut nats =
            |count: usize| -> Vec<Behaviour> { (0..count).map(|_| Behaviour::any(dice)).collect() };
        let (one, other, carrier) = (nats(2), nats(2), nats(1));
        let depths = [dice.pick(&[0, 1, 1, 1, 2]), dice.pick(&[0, 1, 1, 1, 2])];
        let (caller, callee, shared) = match dice.below(6) {
            0 => (
                one[..depths[0]].to_vec(),
                one[..depths[0]].to_vec(),
                depths[0],
            ),
            1 => {
                let home = |nat: Behaviour| vec![nat, carrier[0]];
                (home(one[0]), home(other[0]), 1)
            }
            _ => (one[..depths[0]].to_vec(), other[..depths[1]].to_vec(), 0),
        };
        let places = [caller, callee].map(|nats| Place {
            nats,
            line: Line::any(dice),
        });
        Self { places, shared }
    }

    /// Whether a direct path exists: by the [`oracle`], and by what the two share.
    #[must_use]
    pub fn permits_direct(&self) -> bool {
        let [caller, callee] = &self.places;
        if !caller.line.udp || !callee.line.udp {
            return false;
        }
        let outermost = |place: &Place| place.nats.last().copied();
        let inside = |place: &Place| place.nats.len() == self.shared;
        let permitted = oracle::permits_direct(&caller.nats, &callee.nats);
        match self.shared {
            0 => permitted,
            // In one network.
            _ if inside(caller) && inside(callee) => true,
            // What they know of each other are addresses outside of the carrier's NAT.
            _ => permitted && outermost(caller).is_some_and(|nat| nat.hairpins),
        }
    }
}
