// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls of two watches whose lanes fail and come back.

mod pair;

use hither_path::{Event, Lane};
use hither_sansio::Duration;
use pair::{FRAME, Mischief, Pair, Way};

const MAIN: Event = Event::Silent { lane: Lane::Main };

/// The longest threshold that a lane without loss and jitter can have.
const THRESHOLD: u64 = 100;

/// A call that has run for five seconds.
fn call(delay: u64) -> Pair {
    let mut pair = Pair::new(1, delay);
    pair.run(5_000);
    pair
}

#[test]
fn nothing_leaves_on_the_spare_of_a_healthy_call() {
    let mut pair = call(40);
    pair.run(60_000);
    for side in &pair.sides {
        assert_eq!(side.sent[1], 0);
        assert_eq!(side.events, []);
        assert!(side.longest_gap(200, pair.now) <= 2 * FRAME);
    }
}

#[test]
fn sound_is_back_on_the_spare_a_threshold_after_main_is_cut() {
    for delay in [5, 40, 150] {
        let mut pair = call(delay);
        pair.set_open(Lane::Main, false);
        let cut = pair.now;
        pair.run(3_000);
        for side in &pair.sides {
            let gap = side.longest_gap(cut - 1_000, pair.now);
            assert!(
                gap <= THRESHOLD + delay + 2 * FRAME,
                "{gap} ms at {delay} ms"
            );
            assert!(side.watch.plays(Lane::Spare));
            assert_eq!(side.count(MAIN), 1);
            assert_eq!(side.count(Event::Opened), 1);
            assert_eq!(side.count(Event::BothSilent), 0);
        }
    }
}

#[test]
fn main_cut_one_way_costs_a_threshold_and_a_round_trip_on_that_side_only() {
    for delay in [5, 40, 150] {
        let mut pair = call(delay);
        pair.ways[0][0].open = false;
        let cut = pair.now;
        pair.run(3_000);
        let [talker, listener] = &pair.sides;
        let gap = listener.longest_gap(cut - 1_000, pair.now);
        assert!(
            gap <= THRESHOLD + 2 * delay + 2 * FRAME,
            "{gap} ms at {delay} ms"
        );
        assert!(talker.longest_gap(cut - 1_000, pair.now) <= 2 * FRAME);
        assert!(talker.watch.plays(Lane::Main), "it hears main still");
        assert!(talker.watch.sends_on(Lane::Spare), "it was told");
    }
}

#[test]
fn everything_goes_back_once_both_have_heard_main_for_a_second() {
    let mut pair = call(40);
    pair.set_open(Lane::Main, false);
    pair.run(2_000);
    pair.set_open(Lane::Main, true);
    let healed = pair.now;
    pair.run(900);
    assert!(
        pair.sides
            .iter()
            .all(|side| side.watch.sends_on(Lane::Spare))
    );
    pair.run(400);
    let spare = pair.sides.each_ref().map(|side| side.sent[1]);
    pair.run(5_000);
    for (side, spare) in pair.sides.iter().zip(spare) {
        assert!(side.watch.plays(Lane::Main));
        assert_eq!(side.sent[1], spare, "the spare is shut");
        assert_eq!(side.count(Event::Shut), 1);
        assert!(
            side.longest_gap(healed, pair.now) <= 2 * FRAME,
            "going back costs nothing"
        );
    }
}

#[test]
fn a_path_that_flaps_is_trusted_later_and_later() {
    let mut pair = call(40);
    // Good for three seconds, dead for one, for ten minutes.
    for _ in 0..150 {
        pair.set_open(Lane::Main, false);
        pair.run(1_000);
        pair.set_open(Lane::Main, true);
        pair.run(3_000);
    }
    for side in &pair.sides {
        // Holds of 1 and 2 s fit into three good seconds, 4 s do not.
        assert_eq!(side.count(Event::Opened), 3);
        assert_eq!(side.count(MAIN), 3);
    }
    pair.run(6_000);
    assert!(pair.sides.iter().all(|side| side.watch.plays(Lane::Main)));
    // A minute later all is forgiven: one second is enough again.
    pair.run(70_000);
    pair.set_open(Lane::Main, false);
    pair.run(1_000);
    pair.set_open(Lane::Main, true);
    pair.run(1_300);
    assert!(
        !pair
            .sides
            .iter()
            .any(|side| side.watch.sends_on(Lane::Spare))
    );
}

#[test]
fn ten_per_cent_of_loss_raises_less_than_an_alarm_in_ten_minutes() {
    let (mut alarms, mut minutes) = (0, 0);
    for seed in 0..12 {
        let mut pair = Pair::new(seed, 40);
        for way in &mut pair.ways[0] {
            *way = Way {
                loss: 100,
                jitter: 15,
                ..*way
            };
        }
        pair.run(600_000);
        minutes += 20; // ten on each side
        alarms += pair
            .sides
            .iter()
            .map(|side| side.count(MAIN))
            .sum::<usize>();
    }
    println!("{alarms} false alarms in {minutes} minutes of 10 % loss and 15 ms of jitter");
    assert!(alarms * 10 <= minutes, "{alarms} in {minutes} minutes");
}

#[test]
fn a_muted_side_raises_no_alarm_and_is_missed_again_once_it_speaks() {
    let mut pair = call(40);
    pair.expecting(1, false);
    pair.sides[0].mic = false;
    pair.run(60_000);
    assert_eq!(pair.sides[1].events, []);
    pair.expecting(1, true);
    pair.run(900); // its microphone has to be opened
    pair.sides[0].mic = true;
    pair.run(5_000);
    assert_eq!(pair.sides[1].events, []);
    pair.sides[0].mic = false; // and now it is not its owner who made it silent
    pair.run(1_000);
    assert_eq!(pair.sides[1].count(MAIN), 1);
}

#[test]
fn before_the_first_frame_of_a_call_a_microphone_may_take_as_long_as_a_person_thinks() {
    let mut pair = Pair::new(1, 40);
    for side in &mut pair.sides {
        side.mic = false;
    }
    pair.run(60_000);
    assert!(pair.sides.iter().all(|side| side.events.is_empty()));
    for side in &mut pair.sides {
        side.mic = true;
    }
    pair.run(5_000);
    assert!(pair.sides.iter().all(|side| side.events.is_empty()));
    pair.set_open(Lane::Main, false);
    pair.run(200);
    assert!(pair.sides.iter().all(|side| side.count(MAIN) == 1));
}

#[test]
fn a_microphone_that_turns_out_to_be_off_is_not_held_against_main() {
    let mut pair = call(40);
    pair.sides[0].mic = false;
    pair.run(2_000);
    assert_eq!(pair.sides[1].count(MAIN), 1, "it cannot know");
    pair.expecting(1, false);
    pair.run(1_300);
    assert!(
        pair.sides
            .iter()
            .all(|side| !side.watch.sends_on(Lane::Spare))
    );
    assert_eq!(pair.sides[1].count(Event::Heard { lane: Lane::Main }), 1);
}

#[test]
fn a_main_that_was_dead_while_the_spare_was_heard_is_doubted_longer_when_sound_ends() {
    let mut pair = call(40);
    pair.set_open(Lane::Main, false);
    pair.run(2_000);
    for who in 0..2 {
        pair.sides[who].mic = false;
        pair.expecting(who, false);
    }
    pair.run(20_000);
    assert!(
        pair.sides
            .iter()
            .all(|side| side.watch.sends_on(Lane::Spare))
    );
    pair.run(15_000);
    assert!(
        pair.sides
            .iter()
            .all(|side| !side.watch.sends_on(Lane::Spare))
    );
}

#[test]
fn without_sound_main_is_back_when_its_connection_says_so() {
    let mut pair = call(40);
    for who in 0..2 {
        pair.sides[who].mic = false;
        pair.expecting(who, false);
    }
    pair.run(1_000);
    pair.ready(0, Lane::Main, false);
    pair.run(10_000);
    assert!(
        pair.sides
            .iter()
            .all(|side| side.watch.sends_on(Lane::Spare))
    );
    pair.ready(0, Lane::Main, true);
    pair.run(2_000);
    assert!(
        !pair
            .sides
            .iter()
            .any(|side| side.watch.sends_on(Lane::Spare))
    );
}

#[test]
fn a_spare_that_comes_up_after_the_alarm_is_used_at_once() {
    let mut pair = call(40);
    for who in 0..2 {
        pair.ready(who, Lane::Spare, false);
    }
    pair.run(1_000);
    pair.set_open(Lane::Main, false);
    pair.run(2_000);
    for side in &pair.sides {
        assert_eq!(side.count(Event::BothSilent), 1);
        assert!(!side.watch.sends_on(Lane::Spare));
    }
    for who in 0..2 {
        pair.ready(who, Lane::Spare, true);
    }
    let up = pair.now;
    pair.run(1_000);
    for side in &pair.sides {
        assert!(side.longest_gap(up, pair.now) <= 40 + 2 * FRAME);
    }
}

#[test]
fn losing_both_lanes_is_said_once_and_either_one_brings_the_sound_back() {
    for lane in Lane::ALL {
        let mut pair = call(40);
        pair.set_open(Lane::Main, false);
        pair.set_open(Lane::Spare, false);
        pair.run(20_000);
        assert!(
            pair.sides
                .iter()
                .all(|side| side.count(Event::BothSilent) == 1)
        );
        pair.set_open(lane, true);
        let up = pair.now;
        pair.run(3_000);
        for side in &pair.sides {
            assert!(side.longest_gap(up, pair.now) <= 40 + 2 * FRAME, "{lane:?}");
            assert!(side.watch.plays(lane));
        }
    }
}

#[test]
fn a_spare_that_dies_in_use_gives_way_to_a_main_that_is_heard() {
    let mut pair = call(40);
    pair.set_open(Lane::Main, false);
    pair.run(1_000);
    pair.set_open(Lane::Main, true);
    pair.run(300);
    pair.set_open(Lane::Spare, false);
    let cut = pair.now;
    pair.run(500);
    for side in &pair.sides {
        assert!(side.watch.plays(Lane::Main));
        assert!(side.longest_gap(cut, pair.now) <= 400 + 2 * FRAME);
    }
}

#[test]
fn the_spare_alone_carries_a_call_whose_main_is_not_up() {
    let mut pair = call(40);
    for who in 0..2 {
        pair.ready(who, Lane::Main, false);
    }
    pair.set_open(Lane::Main, false);
    let cut = pair.now;
    pair.run(1_000);
    for side in &pair.sides {
        assert!(
            side.longest_gap(cut, pair.now) <= 40 + 2 * FRAME,
            "no threshold to wait for"
        );
    }
}

#[test]
fn a_word_is_repeated_until_it_arrives_and_not_longer() {
    let mut pair = call(40);
    pair.mischief = Mischief {
        lost: 1_000,
        ..Mischief::default()
    };
    pair.ways[0][0].open = false;
    pair.run(4_000);
    assert!(
        !pair.sides[0].watch.sends_on(Lane::Spare),
        "it does not know"
    );
    pair.mischief = Mischief::default();
    pair.run(1_200);
    assert!(pair.sides[0].watch.sends_on(Lane::Spare));
    pair.run(1_000);
    for side in &pair.sides {
        let word_due = side
            .watch
            .poll_timeout()
            .is_some_and(|(_, why)| why == "word");
        assert!(!word_due, "nothing is left to say");
    }
}

#[test]
fn a_host_that_slept_raises_no_alarm_for_frames_that_wait_in_its_queue() {
    let mut pair = call(40);
    let later = pair.instant() + Duration::from_secs(2);
    let watch = &mut pair.sides[0].watch;
    watch.handle_timeout(later);
    watch.handle_arrival(Lane::Main, later);
    assert_eq!(watch.poll_event(), None);
    // It is excused once, not for ever.
    let mut now = later;
    for _ in 0..2 {
        now += Duration::from_secs(2);
        watch.handle_timeout(now);
    }
    assert_eq!(watch.poll_event(), Some(MAIN));
}
