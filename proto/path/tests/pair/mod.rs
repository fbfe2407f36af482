// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two watches in a bottle: frames of 20 ms both ways over two lanes, and words, in virtual time.

use std::collections::BTreeMap;

use hither_path::{Config, Event, Lane, Watch, Word};
use hither_sansio::Instant;

/// Milliseconds between two frames.
pub(crate) const FRAME: u64 = 20;

/// One lane in one direction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    pub(crate) open: bool,
    pub(crate) delay: u64,
    pub(crate) jitter: u64,
    /// Of a thousand frames.
    pub(crate) loss: u64,
}

impl Way {
    pub(crate) const fn good(delay: u64) -> Self {
        Self {
            open: true,
            delay,
            jitter: 0,
            loss: 0,
        }
    }
}

/// What happens to words besides what happens to their lane.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mischief {
    /// Of a thousand words.
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    /// At most so many milliseconds later than the lane would be.
    pub(crate) late: u64,
}

#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) watch: Watch,
    pub(crate) mic: bool,
    pub(crate) events: Vec<(u64, Event)>,
    /// When a frame was played.
    pub(crate) played: Vec<u64>,
    /// Frames sent on main and on the spare.
    pub(crate) sent: [u64; 2],
}

impl Side {
    pub(crate) fn count(&self, event: Event) -> usize {
        self.events.iter().filter(|(_, e)| *e == event).count()
    }

    /// The longest time between two frames that were played, from `start` on.
    pub(crate) fn longest_gap(&self, start: u64, end: u64) -> u64 {
        let within = self.played.iter().copied().filter(|at| *at >= start);
        let (last, longest) = within.fold((start, 0), |(last, longest), at| {
            (at, longest.max(at - last))
        });
        longest.max(end.saturating_sub(last))
    }
}

#[derive(Debug)]
enum Item {
    /// A side's microphone has a frame.
    Tick(usize),
    Frame(usize, Lane),
    Word(usize, Word),
}

#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) now: u64,
    pub(crate) sides: [Side; 2],
    /// By lane, then by the side that sends.
    pub(crate) ways: [[Way; 2]; 2],
    pub(crate) mischief: Mischief,
    queue: BTreeMap<(u64, u64), Item>,
    number: u64,
    rng: u64,
}

impl Pair {
    /// A call with both lanes up and both microphones on; the watch of one side began a little later.
    pub(crate) fn new(seed: u64, delay: u64) -> Self {
        let side = || Side {
            watch: Watch::new(Config::sound(), Instant::ZERO),
            mic: true,
            events: Vec::new(),
            played: Vec::new(),
            sent: [0, 0],
        };
        let mut pair = Self {
            now: 0,
            sides: [side(), side()],
            ways: [[Way::good(delay); 2]; 2],
            mischief: Mischief::default(),
            queue: BTreeMap::new(),
            number: 0,
            rng: seed,
        };
        for who in 0..2 {
            for lane in Lane::ALL {
                pair.ready(who, lane, true);
            }
            pair.expecting(who, true);
            pair.push(7 * who as u64, Item::Tick(who));
        }
        pair
    }

    pub(crate) fn ready(&mut self, who: usize, lane: Lane, up: bool) {
        let now = self.instant();
        self.sides[who].watch.handle_ready(lane, up, now);
        self.drain(who);
    }

    pub(crate) fn expecting(&mut self, who: usize, expecting: bool) {
        let now = self.instant();
        self.sides[who].watch.handle_expecting(expecting, now);
        self.drain(who);
    }

    /// Opens or cuts a lane in both directions.
    pub(crate) fn set_open(&mut self, lane: Lane, open: bool) {
        for way in &mut self.ways[lane as usize] {
            way.open = open;
        }
    }

    pub(crate) fn run(&mut self, millis: u64) {
        let end = self.now + millis;
        while let Some(at) = self.next().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            while let Some(entry) = self.queue.first_entry().filter(|e| e.key().0 <= self.now) {
                let item = entry.remove();
                self.handle(item);
            }
            for who in 0..2 {
                let now = self.instant();
                let due = self.sides[who].watch.poll_timeout();
                if let Some((_, reason)) = due.filter(|(at, _)| *at <= now) {
                    self.sides[who].watch.handle_timeout(now);
                    self.drain(who);
                    let next = self.sides[who].watch.poll_timeout();
                    assert!(next.is_none_or(|(at, _)| at > now), "{reason} is still due");
                }
            }
        }
        self.now = end;
    }

    fn next(&self) -> Option<u64> {
        let timeouts = self
            .sides
            .iter()
            .filter_map(|side| side.watch.poll_timeout());
        let items = self.queue.first_key_value().map(|((at, _), _)| *at);
        timeouts.map(|(at, _)| at.as_millis()).chain(items).min()
    }

    fn handle(&mut self, item: Item) {
        let now = self.instant();
        match item {
            Item::Tick(who) => {
                self.push(self.now + FRAME, Item::Tick(who));
                if self.sides[who].mic {
                    self.speak(who);
                }
            }
            Item::Frame(who, lane) => {
                let side = &mut self.sides[who];
                side.watch.handle_arrival(lane, now);
                if side.watch.plays(lane) {
                    side.played.push(self.now);
                }
                self.drain(who);
            }
            Item::Word(who, word) => {
                self.sides[who].watch.handle_word(word, now);
                self.drain(who);
            }
        }
    }

    fn speak(&mut self, who: usize) {
        for lane in Lane::ALL {
            if !self.sides[who].watch.sends_on(lane) {
                continue;
            }
            self.sides[who].sent[lane as usize] += 1;
            let way = self.ways[lane as usize][who];
            if way.open && !self.chance(way.loss) {
                let at = self.now + way.delay + self.below(way.jitter + 1);
                self.push(at, Item::Frame(1 - who, lane));
            }
        }
    }

    fn tell(&mut self, who: usize, word: Word) {
        for lane in Lane::ALL {
            let way = self.ways[lane as usize][who];
            if !way.open || self.chance(self.mischief.lost) {
                continue;
            }
            let copies = if self.chance(self.mischief.doubled) {
                2
            } else {
                1
            };
            for _ in 0..copies {
                let at = self.now + way.delay + self.below(self.mischief.late + 1);
                self.push(at, Item::Word(1 - who, word));
            }
        }
    }

    /// Empties a machine, and checks what must hold after every step.
    fn drain(&mut self, who: usize) {
        while let Some(event) = self.sides[who].watch.poll_event() {
            self.sides[who].events.push((self.now, event));
        }
        while let Some(word) = self.sides[who].watch.poll_word() {
            self.tell(who, word);
        }
        check(&self.sides[who].watch);
    }

    pub(crate) fn instant(&self) -> Instant {
        Instant::from_millis(self.now)
    }

    fn push(&mut self, at: u64, item: Item) {
        self.number += 1;
        self.queue.insert((at, self.number), item);
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        // SplitMix64.
        self.rng = self.rng.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.rng;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound.max(1)
    }

    fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1_000) < per_mille
    }
}

/// Exactly one lane plays, and never a silent one while the other is heard.
pub(crate) fn check(watch: &Watch) {
    let playing: Vec<Lane> = Lane::ALL.into_iter().filter(|l| watch.plays(*l)).collect();
    let [lane] = playing.as_slice() else {
        panic!("{} lanes play", playing.len());
    };
    assert!(
        watch.hears(*lane) || !watch.hears(lane.other()),
        "{lane:?} plays and is silent, {:?} is heard",
        lane.other()
    );
    assert!(watch.sends_on(Lane::Main), "main is always sent on");
}
