// SPDX-License-Identifier: MIT OR Apache-2.0
//! What holds for every history of two lanes, and for every input at all.

mod pair;

use hither_path::{Config, Lane, Watch, Word};
use hither_sansio::Instant;
use pair::{FRAME, Mischief, Pair, Way, check};
use proptest::prelude::*;

/// Longer than the longest hold, and every repetition of a word.
const HEALING: u64 = 35_000;

#[derive(Clone, Debug)]
enum Step {
    Way(usize, usize, Way),
    Mischief(Mischief),
    Ready(usize, Lane, bool),
    Mute(usize, bool),
    Run(u64),
}

fn way() -> impl Strategy<Value = Way> {
    (any::<bool>(), 1..250_u64, 0..60_u64, 0..400_u64).prop_map(|(open, delay, jitter, loss)| Way {
        open,
        delay,
        jitter,
        loss,
    })
}

fn mischief() -> impl Strategy<Value = Mischief> {
    (0..1_000_u64, 0..1_000_u64, 0..2_000_u64).prop_map(|(lost, doubled, late)| Mischief {
        lost,
        doubled,
        late,
    })
}

fn lane() -> impl Strategy<Value = Lane> {
    prop_oneof![Just(Lane::Main), Just(Lane::Spare)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..2_usize, 0..2_usize, way()).prop_map(|(lane, from, way)| Step::Way(lane, from, way)),
        1 => mischief().prop_map(Step::Mischief),
        1 => (0..2_usize, lane(), any::<bool>()).prop_map(|(who, lane, up)| Step::Ready(who, lane, up)),
        1 => (0..2_usize, any::<bool>()).prop_map(|(who, mute)| Step::Mute(who, mute)),
        4 => (1..3_000_u64).prop_map(Step::Run),
    ]
}

fn apply(pair: &mut Pair, step: &Step) {
    match *step {
        Step::Way(lane, from, way) => pair.ways[lane][from] = way,
        Step::Mischief(mischief) => pair.mischief = mischief,
        Step::Ready(who, lane, up) => pair.ready(who, lane, up),
        Step::Mute(who, mute) => {
            pair.sides[who].mic = !mute;
            pair.expecting(1 - who, !mute);
        }
        Step::Run(millis) => pair.run(millis),
    }
}

/// Everything works again.
fn heal(pair: &mut Pair, main: bool) {
    pair.mischief = Mischief::default();
    for who in 0..2 {
        pair.sides[who].mic = true;
        pair.expecting(who, true);
        for lane in Lane::ALL {
            pair.ways[lane as usize][who] = Way::good(40);
            pair.ready(who, lane, true);
        }
    }
    pair.set_open(Lane::Main, main);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever happened before: both trust main, play it, and the spare carries nothing.
    #[test]
    fn two_sides_always_find_back_to_main(seed: u64, steps in prop::collection::vec(step(), 0..40)) {
        let mut pair = Pair::new(seed, 40);
        pair.run(500);
        steps.iter().for_each(|step| apply(&mut pair, step));
        heal(&mut pair, true);
        pair.run(HEALING);
        let spare = pair.sides.each_ref().map(|side| side.sent[1]);
        let from = pair.now;
        pair.run(5_000);
        for (side, spare) in pair.sides.iter().zip(spare) {
            prop_assert!(side.watch.plays(Lane::Main));
            prop_assert_eq!(side.sent[1], spare);
            prop_assert!(side.longest_gap(from, pair.now) <= 2 * FRAME);
        }
    }

    /// Whatever happened before: if only the spare works, it is the spare that carries.
    #[test]
    fn a_spare_that_works_always_carries_when_main_does_not(
        seed: u64,
        steps in prop::collection::vec(step(), 0..40),
    ) {
        let mut pair = Pair::new(seed, 40);
        pair.run(500);
        steps.iter().for_each(|step| apply(&mut pair, step));
        heal(&mut pair, false);
        pair.run(3_000);
        let from = pair.now;
        pair.run(5_000);
        for side in &pair.sides {
            prop_assert!(side.watch.plays(Lane::Spare));
            prop_assert!(side.longest_gap(from, pair.now) <= 2 * FRAME);
        }
    }

    /// Whatever happened before: once both connections are up and nobody speaks, the spare is shut in the end.
    #[test]
    fn without_sound_a_main_that_is_up_is_trusted_in_the_end(
        seed: u64,
        steps in prop::collection::vec(step(), 0..40),
    ) {
        let mut pair = Pair::new(seed, 40);
        pair.run(500);
        steps.iter().for_each(|step| apply(&mut pair, step));
        heal(&mut pair, true);
        for who in 0..2 {
            pair.sides[who].mic = false;
            pair.expecting(who, false);
        }
        pair.run(2 * HEALING);
        for side in &pair.sides {
            prop_assert!(!side.watch.sends_on(Lane::Spare));
        }
    }

    /// The gate opens at most as often as the holds allow, whatever main does.
    #[test]
    fn no_history_of_main_makes_the_gate_toggle_quickly(
        seed: u64,
        times in prop::collection::vec((1..5_000_u64, 1..5_000_u64), 1..100),
    ) {
        let mut pair = Pair::new(seed, 40);
        pair.run(5_000);
        for (dead, alive) in times {
            pair.set_open(Lane::Main, false);
            pair.run(dead);
            pair.set_open(Lane::Main, true);
            pair.run(alive);
        }
        // Holds of 1, 2, 4, 8, 16 s, then one of 30 s each time; two sides may do so in turns.
        let minutes = usize::try_from(pair.now / 60_000).unwrap();
        for side in &pair.sides {
            let opened = side.count(hither_path::Event::Opened);
            prop_assert!(opened <= 2 * (6 + 2 * minutes), "{opened} times in {minutes} min");
        }
    }
}

#[derive(Clone, Debug)]
enum Input {
    Arrival(Lane),
    Expecting(bool),
    Ready(Lane, bool),
    Word(Word),
    Timeout,
    /// As the machine asks for.
    Due,
}

fn word() -> impl Strategy<Value = Word> {
    let number = || prop_oneof![0..5_u32, any::<u32>()];
    (number(), number(), any::<bool>(), any::<bool>()).prop_map(|(number, seen, asks, hears)| {
        Word {
            number,
            seen,
            asks,
            hears,
        }
    })
}

fn input() -> impl Strategy<Value = Input> {
    prop_oneof![
        4 => lane().prop_map(Input::Arrival),
        1 => any::<bool>().prop_map(Input::Expecting),
        1 => (lane(), any::<bool>()).prop_map(|(lane, up)| Input::Ready(lane, up)),
        1 => word().prop_map(Input::Word),
        1 => Just(Input::Timeout),
        2 => Just(Input::Due),
    ]
}

/// Mostly forward by little; sometimes far, and sometimes back.
fn moves() -> impl Strategy<Value = i64> {
    prop_oneof![8 => 0..60_i64, 1 => -500..500_i64, 1 => any::<i64>()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// No input breaks it, nothing in it grows, and what is due is done.
    #[test]
    fn any_input_at_any_time_is_survived(
        inputs in prop::collection::vec((input(), moves()), 0..200),
        drains: bool,
    ) {
        let mut now = Instant::from_millis(1_000);
        let mut watch = Watch::new(Config::sound(), now);
        for (input, millis) in inputs {
            now = Instant::from_millis(now.as_millis().saturating_add_signed(millis));
            match input {
                Input::Arrival(lane) => watch.handle_arrival(lane, now),
                Input::Expecting(expecting) => watch.handle_expecting(expecting, now),
                Input::Ready(lane, up) => watch.handle_ready(lane, up, now),
                Input::Word(word) => watch.handle_word(word, now),
                Input::Timeout => watch.handle_timeout(now),
                Input::Due => {
                    if let Some((at, _)) = watch.poll_timeout() {
                        now = now.max(at);
                        watch.handle_timeout(now);
                    }
                }
            }
            check(&watch);
            if drains {
                while watch.poll_event().is_some() || watch.poll_word().is_some() {}
            }
        }
        let events = core::iter::from_fn(|| watch.poll_event()).count();
        prop_assert!(events <= 32);
        prop_assert!(watch.poll_word().is_none() || watch.poll_word().is_none());
        // A machine that sleeps until it asks to be woken makes progress.
        for _ in 0..50 {
            let Some((at, why)) = watch.poll_timeout() else { break };
            now = now.max(at);
            watch.handle_timeout(now);
            let again = watch.poll_timeout();
            prop_assert!(again.is_none_or(|(at, _)| at > now || now.as_millis() == u64::MAX), "{}", why);
        }
    }

    /// A word survives being written and read, and what is read was a word.
    #[test]
    fn a_word_is_read_as_it_was_written(word in word()) {
        prop_assert_eq!(Word::parse(&word.emit()), Ok(word));
    }

    /// Whatever is read as a word is written the same way, and nothing else is read.
    #[test]
    fn bytes_are_a_word_or_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..13), repaired: bool) {
        if let [first, .., last] = bytes.as_mut_slice() && repaired {
            *first = 1;
            *last &= 3;
        }
        if let Ok(word) = Word::parse(&bytes) {
            prop_assert_eq!(word.emit().to_vec(), bytes);
        }
    }
}
