// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls whose paths are cut, come back, and are cut again.

use hither_path::{Event, Lane};
use hither_sansio::{Duration, Instant};
use hither_sim::dice::Dice;
use hither_sim::nat::Behaviour;
use hither_sim::network::Line;
use hither_sim::seeds;
use hither_sim::side::Side;
use hither_sim::world::{Fault, Plan, World};

const HOME: [Behaviour; 1] = [Behaviour::HOME];

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Any two places between which a direct path exists.
fn direct_plan(dice: &mut Dice) -> Plan {
    loop {
        let plan = Plan::any(dice);
        if plan.permits_direct() {
            return plan;
        }
    }
}

/// A direct call that has run for a while, and the dice that drew it.
fn call(seed: u64) -> (World, Dice, Plan) {
    let mut dice = Dice::new(seed);
    let plan = direct_plan(&mut dice);
    let mut world = World::new(&plan, seed);
    world.run(ms(9_000));
    assert!(world.is_direct(), "{plan:?}");
    (world, dice, plan)
}

/// The threshold of a side's watch: one and a half of the largest gap of the last ten seconds and a frame,
/// measured here from what was played.
fn threshold(side: &Side, now: Instant) -> Duration {
    let usual = side.longest_gap(now - ms(8_000), now);
    (usual * 3 / 2 + ms(20)).clamp(ms(100), ms(400))
}

/// How long something takes from one side over the relay to the other and back, at most; a loss on a stream
/// costs a retransmission.
fn round_trip(plan: &Plan) -> Duration {
    let each = |line: &Line| line.delay + line.jitter;
    let lines = each(&plan.places[0].line) + each(&plan.places[1].line);
    let losses = plan.places.iter().any(|place| place.line.loss > 0);
    let retransmission = plan
        .places
        .iter()
        .map(|place| 200 + 2 * place.line.delay)
        .max();
    ms(2 * lines
        + if losses {
            retransmission.unwrap_or(0)
        } else {
            0
        })
}

/// Whether nothing goes over the relay any more, and everything directly.
fn assert_back_to_direct(world: &mut World) {
    let frames = world.relay.frames;
    world.run(ms(2_000));
    assert_eq!(world.relay.frames, frames, "the relay still carries sound");
    assert!(world.is_direct());
}

#[test]
fn when_direct_is_cut_sound_is_back_on_the_spare_within_the_threshold_and_a_round_trip() {
    seeds::each(400, |seed| {
        let (mut world, _, plan) = call(seed);
        let thresholds = world
            .sides
            .each_ref()
            .map(|side| threshold(side, world.now));
        let cut = world.now;
        world.apply(Fault::CutDirect(true));
        world.run(ms(2_500));
        for (side, threshold) in world.sides.iter().zip(thresholds) {
            let gap = side.longest_gap(cut - ms(20), world.now);
            let bound = threshold + round_trip(&plan) + ms(60);
            assert!(gap <= bound, "{gap:?} of {bound:?}, {plan:?}");
            assert_eq!(side.count(Event::BothSilent), 0);
        }
    });
}

#[test]
fn when_direct_is_cut_one_way_the_side_that_hears_nothing_tells_the_other() {
    seeds::each(200, |seed| {
        let (mut world, mut dice, plan) = call(seed);
        let who = usize::from(dice.chance(500));
        let thresholds = world
            .sides
            .each_ref()
            .map(|side| threshold(side, world.now));
        let cut = world.now;
        world.apply(Fault::CutDirectTo(Some(who)));
        world.run(ms(2_500));
        let [deaf, other] = [who, 1 - who].map(|who| &world.sides[who]);
        // Its word travels one way over the relay, and sound then comes the other.
        let bound = thresholds[who] + 2 * round_trip(&plan) + ms(60);
        let gap = deaf.longest_gap(cut - ms(20), world.now);
        assert!(gap <= bound, "{gap:?} of {bound:?}, {plan:?}");
        let spare = Event::Plays { lane: Lane::Spare };
        assert_eq!(deaf.count(spare), 1);
        // The other hears main as before, or moves without a gap when main is restarted.
        assert!(other.longest_gap(cut, world.now) <= thresholds[1 - who] + ms(60));
        assert_eq!(other.count(Event::Opened), 1, "it was told");
        world.apply(Fault::CutDirectTo(None));
        world.run(ms(15_000));
        assert_back_to_direct(&mut world);
    });
}

#[test]
fn when_direct_can_be_had_again_the_call_goes_back_and_leaves_the_relay() {
    seeds::each(200, |seed| {
        let (mut world, mut dice, plan) = call(seed);
        world.apply(Fault::CutDirect(true));
        world.run(ms(dice.between(500, 12_000)));
        world.apply(Fault::CutDirect(false));
        let healed = world.now;
        world.run(ms(20_000));
        assert_back_to_direct(&mut world);
        for side in &world.sides {
            let gap = side.longest_gap(healed, world.now);
            assert!(gap <= ms(560), "going back cost {gap:?}, {plan:?}");
        }
    });
}

#[test]
fn a_call_survives_that_everything_is_cut_for_up_to_half_a_minute() {
    seeds::each(100, |seed| {
        let (mut world, mut dice, plan) = call(seed);
        let who = usize::from(dice.chance(500));
        world.apply(Fault::CutLine(who, true));
        world.run(ms(dice.between(1_000, 28_000)));
        world.apply(Fault::CutLine(who, false));
        let back = world.now;
        // The last restart was at most three seconds ago; NATs have kept their mappings.
        world.run(ms(1_000) + 2 * round_trip(&plan));
        for side in &world.sides {
            assert!(
                side.longest_gap(world.now - ms(600), world.now) <= ms(500),
                "{plan:?}"
            );
            assert!(side.played.iter().any(|at| *at > back));
        }
        world.run(ms(40_000));
        assert_back_to_direct(&mut world);
    });
}

#[test]
fn a_call_survives_that_a_nat_forgets_everything_or_gets_another_address() {
    seeds::each(200, |seed| {
        let (mut world, mut dice, plan) = call(seed);
        let who = usize::from(dice.chance(500));
        let thresholds = world
            .sides
            .each_ref()
            .map(|side| threshold(side, world.now));
        let cut = world.now;
        world.apply(Fault::Rebind(who, dice.chance(500)));
        world.run(ms(3_000));
        for (side, threshold) in world.sides.iter().zip(thresholds) {
            let gap = side.longest_gap(cut - ms(20), world.now);
            let bound = threshold + round_trip(&plan) + ms(60);
            assert!(gap <= bound, "{gap:?} of {bound:?}, {plan:?}");
        }
        world.run(ms(20_000));
        assert_back_to_direct(&mut world);
    });
}

#[test]
fn a_call_survives_that_udp_is_blocked_in_the_middle_of_it() {
    seeds::each(120, |seed| {
        let (mut world, mut dice, plan) = call(seed);
        let who = usize::from(dice.chance(500));
        let thresholds = world
            .sides
            .each_ref()
            .map(|side| threshold(side, world.now));
        let cut = world.now;
        world.apply(Fault::BlockUdp(who, true));
        world.run(ms(15_000));
        for (side, threshold) in world.sides.iter().zip(thresholds) {
            let gap = side.longest_gap(cut - ms(20), cut + ms(3_000));
            let bound = threshold + round_trip(&plan) + ms(60);
            assert!(gap <= bound, "{gap:?} of {bound:?}, {plan:?}");
            assert!(side.path(Lane::Main).is_some_and(|path| !path.is_direct()));
        }
        world.apply(Fault::BlockUdp(who, false));
        world.run(ms(20_000));
        for side in &world.sides {
            assert!(side.longest_gap(world.now - ms(2_000), world.now) <= ms(500));
        }
    });
}

#[test]
fn a_path_that_flaps_raises_no_storm() {
    seeds::each(30, |seed| {
        let (mut world, mut dice, plan) = call(seed);
        let start = world.now;
        while world.now < start + ms(120_000) {
            world.apply(Fault::CutDirect(true));
            world.run(ms(dice.between(50, 4_000)));
            world.apply(Fault::CutDirect(false));
            world.run(ms(dice.between(50, 4_000)));
        }
        for side in &world.sides {
            // Holds of 1, 2, 4, 8, 16 and 30 seconds, on either side.
            let opened = side.count(Event::Opened);
            assert!(
                (1..=14).contains(&opened),
                "opened {opened} times, {plan:?}"
            );
        }
        world.run(ms(70_000));
        assert_back_to_direct(&mut world);
    });
}

#[test]
fn ten_per_cent_of_loss_moves_nothing_to_the_relay_for_long() {
    seeds::each(40, |seed| {
        let mut world = World::new(&Plan::calm(&HOME, &HOME, 40), seed);
        world.run(ms(5_000));
        // Five on each line.
        world.apply(Fault::Loss(50));
        world.run(ms(5_000));
        let (frames, played) = (world.relay.frames, world.sides[0].played.len());
        world.run(ms(60_000));
        let share =
            (world.relay.frames - frames) as f64 / (world.sides[0].played.len() - played) as f64;
        assert!(share < 0.2, "{share} of the sound over the relay");
        let alarms: usize = world.sides.iter().map(|s| s.count(Event::Opened)).sum();
        assert!(alarms <= 4, "{alarms} alarms in a minute");
    });
}
