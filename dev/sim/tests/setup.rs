// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which path is found, and how soon.

use hither_path::Lane;
use hither_sansio::Duration;
use hither_sim::dice::Dice;
use hither_sim::nat::{Behaviour, Dependence};
use hither_sim::oracle;
use hither_sim::seeds;
use hither_sim::world::{Fault, Plan, World};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn all_behaviours() -> Vec<Behaviour> {
    let mut all = Vec::new();
    for mapping in Dependence::ALL {
        for filtering in Dependence::ALL {
            all.push(Behaviour::new(mapping, filtering));
        }
    }
    all
}

#[test]
fn every_pair_of_nats_goes_direct_exactly_if_the_table_permits_it() {
    let mut direct = 0;
    for one in all_behaviours() {
        for other in all_behaviours() {
            seeds::each(3, |seed| {
                let mut world = World::new(&Plan::calm(&[one], &[other], 30), seed);
                world.run(ms(4_000));
                let permitted = oracle::permits_direct(&[one], &[other]);
                assert_eq!(world.is_direct(), permitted, "{one:?} with {other:?}");
            });
            direct += usize::from(oracle::permits_direct(&[one], &[other]));
        }
    }
    // Not everything, and not nothing.
    assert_eq!(direct, 42);
}

#[test]
fn any_two_places_go_direct_exactly_if_the_table_permits_it() {
    let (mut direct, mut relayed) = (0, 0);
    let counts = std::cell::RefCell::new((&mut direct, &mut relayed));
    seeds::each(1_500, |seed| {
        let plan = Plan::any(&mut Dice::new(seed));
        let mut world = World::new(&plan, seed);
        world.run(ms(9_000));
        assert_eq!(world.is_direct(), plan.permits_direct(), "{plan:?}");
        assert!(world.sides.iter().all(|side| !side.played.is_empty()));
        let counts = &mut *counts.borrow_mut();
        *(if plan.permits_direct() {
            &mut *counts.0
        } else {
            &mut *counts.1
        }) += 1;
    });
    println!("{direct} direct, {relayed} over the relay");
}

#[test]
fn the_relay_carries_by_the_head_start_and_two_round_trips_where_direct_is_impossible() {
    let home = [Behaviour::HOME];
    let per_destination = [Behaviour::PER_DESTINATION];
    for delay in [10, 40, 80] {
        seeds::each(50, |seed| {
            let plan = Plan::calm(&home, &per_destination, delay);
            let mut world = World::new(&plan, seed);
            let start = world.now;
            world.run(ms(4_000));
            let round_trip = ms(4 * delay);
            for side in &world.sides {
                let first = side.played[0].saturating_since(start);
                assert!(
                    first <= ms(820) + 2 * round_trip,
                    "{first:?} at {round_trip:?}"
                );
            }
        });
    }
}

#[test]
fn direct_is_found_within_the_head_start_and_the_relay_then_carries_no_sound() {
    // Up to 160 ms of round trip; beyond, the relay may be first, and direct takes over.
    for delay in [10, 20, 40] {
        seeds::each(50, |seed| {
            let plan = Plan::calm(&[Behaviour::HOME], &[Behaviour::HOME], delay);
            let mut world = World::new(&plan, seed);
            let start = world.now;
            world.run(ms(6_000));
            for side in &world.sides {
                assert!(side.played[0].saturating_since(start) <= ms(800));
                assert_eq!(side.paths.len(), 1, "{:?}", side.paths);
            }
            assert_eq!(world.relay.frames, 0);
        });
    }
}

#[test]
fn without_udp_the_relay_carries_over_a_stream() {
    seeds::each(100, |seed| {
        let mut plan = Plan::calm(&[Behaviour::HOME], &[Behaviour::HOME], 30);
        plan.places[0].line.udp = false;
        plan.places[1].line.udp = seed % 2 == 0;
        let mut world = World::new(&plan, seed);
        world.run(ms(4_000));
        for side in &world.sides {
            assert!(side.longest_gap(world.now - ms(2_000), world.now) <= ms(60));
            assert!(side.path(Lane::Main).is_some_and(|path| !path.is_direct()));
        }
    });
}

#[test]
fn a_call_that_began_on_the_relay_goes_direct_without_a_gap_when_it_can() {
    seeds::each(200, |seed| {
        let plan = Plan::calm(&[Behaviour::HOME], &[Behaviour::HOME], 30);
        let mut world = World::new(&plan, seed);
        world.apply(Fault::CutDirect(true));
        world.run(ms(5_000));
        assert!(!world.is_direct());
        let from = world.now;
        world.apply(Fault::CutDirect(false));
        world.run(ms(4_000));
        assert!(world.is_direct());
        let frames = world.relay.frames;
        world.run(ms(2_000));
        assert_eq!(world.relay.frames, frames, "nothing more over the relay");
        for side in &world.sides {
            // Direct is shorter: nothing waits, and what was on the way still comes.
            assert!(side.longest_gap(from, world.now) <= ms(60));
        }
    });
}
