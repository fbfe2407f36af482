// SPDX-License-Identifier: MIT OR Apache-2.0
//! The main link of a call and its warm spare as two lanes: which of them a frame may leave on, which of
//! them is played, and what the page is to be told.
//!
//! When a lane counts as silent is decided by `hither-path`; the page decides what that costs.

use std::collections::{BTreeSet, VecDeque};

use hither_crypto::media::FrameKind;
use hither_path::{Config, Event, Lane, Watch, Word};
use hither_sansio::{Duration, Instant};

use crate::message::{News, Slot};

/// News that wait for the page; it is always hearing, so they never should be many.
const MAX_NEWS: usize = 64;
/// Calls have one pair each, and there is one call.
const MAX_PAIRS: usize = 8;
/// A picture that came by the other lane is shown once nothing has come by this one for so long.
const PICTURE_MOVED: Duration = Duration::from_millis(150);

/// Every pair of lanes.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    pairs: Vec<Pair>,
    /// Links that are connected.
    up: BTreeSet<u32>,
    news: VecDeque<(u32, News)>,
}

#[derive(Debug)]
struct Pair {
    main: Option<u32>,
    spare: Option<u32>,
    watch: Watch,
    expecting: bool,
    /// Sound is missed on both lanes, and the page knows it.
    deaf: bool,
    /// Where camera and screen were seen last.
    pictures: [Picture; 2],
}

#[derive(Clone, Copy, Debug)]
struct Picture {
    shown: Lane,
    last: Option<Instant>,
}

impl Picture {
    const NEW: Self = Self {
        shown: Lane::Main,
        last: None,
    };

    /// Notes a frame; `true` if the picture has moved to its lane. A sender starts with a key frame.
    fn moved(&mut self, lane: Lane, key: bool, now: Instant) -> bool {
        if lane == self.shown {
            self.last = Some(now);
            return false;
        }
        let quiet = self
            .last
            .is_none_or(|last| now.saturating_since(last) >= PICTURE_MOVED);
        let moved = key || quiet;
        if moved {
            self.shown = lane;
            self.last = Some(now);
        }
        moved
    }
}

impl Pair {
    fn new(main: Option<u32>, spare: Option<u32>, now: Instant) -> Self {
        Self {
            main,
            spare,
            watch: Watch::new(Config::sound(), now),
            expecting: false,
            deaf: false,
            pictures: [Picture::NEW; 2],
        }
    }

    fn lane(&self, link: u32) -> Option<Lane> {
        if self.main == Some(link) {
            Some(Lane::Main)
        } else if self.spare == Some(link) {
            Some(Lane::Spare)
        } else {
            None
        }
    }

    fn link(&self, lane: Lane) -> Option<u32> {
        match lane {
            Lane::Main => self.main,
            Lane::Spare => self.spare,
        }
    }

    /// By this the page finds the pair.
    fn name(&self) -> Option<u32> {
        self.main.or(self.spare)
    }
}

impl Lanes {
    /// `spare` is the spare of `main` from now on.
    pub(crate) fn pair(&mut self, main: u32, spare: u32, now: Instant) {
        if let Some(pair) = self.with(main) {
            if pair.spare != Some(spare) {
                pair.spare = Some(spare);
                pair.watch.handle_ready(Lane::Spare, false, now);
            }
        } else if let Some(pair) = self.with(spare) {
            // Another main link for the same call: what was known of the old one means nothing for it.
            *pair = Pair::new(Some(main), Some(spare), now);
        } else {
            self.add(Pair::new(Some(main), Some(spare), now));
        }
        self.pairs
            .retain(|pair| pair.main == Some(main) || pair.spare != Some(spare));
        self.tell_readiness(main, now);
    }

    /// Whether the other side sends sound.
    pub(crate) fn expect(&mut self, main: u32, sound: bool, now: Instant) {
        if self.with(main).is_none() {
            if !sound {
                return;
            }
            self.add(Pair::new(Some(main), None, now));
            self.tell_readiness(main, now);
        }
        if let Some(pair) = self.with(main) {
            pair.expecting = sound;
            pair.deaf &= sound;
            pair.watch.handle_expecting(sound, now);
        }
        self.collect();
    }

    /// A link is connected, or no more.
    pub(crate) fn ready(&mut self, link: u32, up: bool, now: Instant) {
        if up {
            self.up.insert(link);
        } else {
            self.up.remove(&link);
        }
        if let Some(pair) = self.with(link)
            && let Some(lane) = pair.lane(link)
        {
            pair.watch.handle_ready(lane, up, now);
        }
        self.collect();
    }

    /// What the other side's watch says. What is none is ignored: it came sealed, so it is of a later version.
    pub(crate) fn word(&mut self, main: u32, word: &[u8], now: Instant) {
        let word = Word::parse(word);
        if let (Some(pair), Ok(word)) = (self.with(main), word) {
            pair.watch.handle_word(word, now);
        }
        self.collect();
    }

    /// A link is gone.
    pub(crate) fn forget(&mut self, link: u32, now: Instant) {
        self.up.remove(&link);
        if let Some(pair) = self.with(link)
            && let Some(lane) = pair.lane(link)
        {
            pair.watch.handle_ready(lane, false, now);
            match lane {
                Lane::Main => pair.main = None,
                Lane::Spare => {
                    pair.spare = None;
                    pair.pictures = [Picture::NEW; 2];
                }
            }
        }
        self.collect();
        self.pairs.retain(|pair| pair.name().is_some());
    }

    /// When [`Self::handle_timeout`] is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let due = |pair: &Pair| pair.watch.poll_timeout().map(|(at, _)| at);
        self.pairs.iter().filter_map(due).min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        for pair in &mut self.pairs {
            pair.watch.handle_timeout(now);
        }
        self.collect();
    }

    /// Whether a frame may leave on this link.
    pub(crate) fn sends_on(&self, link: u32) -> bool {
        let lane = self
            .pairs
            .iter()
            .find_map(|pair| Some((pair, pair.lane(link)?)));
        lane.is_none_or(|(pair, lane)| pair.watch.sends_on(lane))
    }

    /// A frame of the other side was opened; whether it is handed on.
    pub(crate) fn arrived(&mut self, link: u32, slot: Slot, kind: FrameKind, now: Instant) -> bool {
        let Some(pair) = self.with(link) else {
            return true;
        };
        let (Some(lane), Some(name)) = (pair.lane(link), pair.name()) else {
            return true;
        };
        let picture = match slot {
            Slot::Sound => {
                pair.watch.handle_arrival(lane, now);
                let plays = pair.watch.plays(lane);
                self.collect();
                return plays;
            }
            Slot::Camera => &mut pair.pictures[0],
            Slot::Screen => &mut pair.pictures[1],
        };
        if picture.moved(lane, kind == FrameKind::VideoKey, now) {
            let spare = lane == Lane::Spare;
            self.tell(name, News::Picture { slot, spare });
        }
        true
    }

    /// What the page is to be told, and of which link's pair.
    pub(crate) fn poll_news(&mut self) -> Option<(u32, News)> {
        self.news.pop_front()
    }

    fn with(&mut self, link: u32) -> Option<&mut Pair> {
        self.pairs.iter_mut().find(|pair| pair.lane(link).is_some())
    }

    fn add(&mut self, pair: Pair) {
        if self.pairs.len() >= MAX_PAIRS {
            self.pairs.remove(0);
        }
        self.pairs.push(pair);
    }

    /// Tells a watch what is connected already.
    fn tell_readiness(&mut self, main: u32, now: Instant) {
        let up = self.up.clone();
        if let Some(pair) = self.with(main) {
            for lane in Lane::ALL {
                if pair.link(lane).is_some_and(|link| up.contains(&link)) {
                    pair.watch.handle_ready(lane, true, now);
                }
            }
        }
        self.collect();
    }

    fn tell(&mut self, link: u32, news: News) {
        if self.news.len() >= MAX_NEWS {
            self.news.pop_front();
        }
        self.news.push_back((link, news));
    }

    /// Takes out of the watches what they have to say.
    fn collect(&mut self) {
        let mut all = Vec::new();
        for pair in &mut self.pairs {
            pair.collect(&mut all);
        }
        for (link, news) in all {
            self.tell(link, news);
        }
    }
}

impl Pair {
    fn collect(&mut self, all: &mut Vec<(u32, News)>) {
        let Some(name) = self.name() else {
            return;
        };
        while let Some(event) = self.watch.poll_event() {
            match event {
                Event::Silent { lane } => {
                    all.extend(self.link(lane).map(|link| (link, News::Silent)));
                }
                Event::Heard { lane } => {
                    all.extend(self.link(lane).map(|link| (link, News::Heard)));
                }
                Event::BothSilent if self.expecting => {
                    self.deaf = true;
                    all.push((name, News::Sound { heard: false }));
                }
                Event::BothSilent | Event::Plays { .. } => {}
                Event::Opened => all.push((name, News::Open { open: true })),
                Event::Shut => all.push((name, News::Open { open: false })),
            }
        }
        let heard = Lane::ALL.into_iter().any(|lane| self.watch.hears(lane));
        if self.deaf && heard {
            self.deaf = false;
            all.push((name, News::Sound { heard: true }));
        }
        while let Some(word) = self.watch.poll_word() {
            let word = word.emit().to_vec();
            all.push((name, News::Word { word }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIN: u32 = 1;
    const SPARE: u32 = 2;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn news(lanes: &mut Lanes) -> Vec<(u32, News)> {
        core::iter::from_fn(|| lanes.poll_news()).collect()
    }

    /// A call that has been heard for a second, with its spare.
    fn running() -> Lanes {
        let mut lanes = Lanes::default();
        lanes.ready(MAIN, true, at(0));
        lanes.expect(MAIN, true, at(0));
        lanes.pair(MAIN, SPARE, at(10));
        lanes.ready(SPARE, true, at(20));
        for frame in 0..50 {
            assert!(lanes.arrived(MAIN, Slot::Sound, FrameKind::Audio, at(20 * frame)));
        }
        news(&mut lanes);
        lanes
    }

    /// Lets time pass as the scope does.
    fn run(lanes: &mut Lanes, until: u64) {
        while let Some(due) = lanes.poll_timeout().filter(|due| *due <= at(until)) {
            lanes.handle_timeout(due);
        }
    }

    #[test]
    fn a_link_that_is_no_part_of_a_pair_sends_and_plays() {
        let mut lanes = Lanes::default();
        assert!(lanes.sends_on(7));
        assert!(lanes.arrived(7, Slot::Sound, FrameKind::Audio, at(0)));
    }

    #[test]
    fn a_spare_sends_nothing_while_the_main_link_is_heard() {
        let lanes = running();
        assert!(lanes.sends_on(MAIN));
        assert!(!lanes.sends_on(SPARE));
    }

    #[test]
    fn a_spare_sends_nothing_before_it_is_connected() {
        let mut lanes = Lanes::default();
        lanes.pair(MAIN, SPARE, at(0));
        assert!(!lanes.sends_on(SPARE));
    }

    #[test]
    fn a_main_link_that_falls_silent_opens_the_spare_and_says_so() {
        let mut lanes = running();
        run(&mut lanes, 2_000);
        assert!(lanes.sends_on(SPARE) && lanes.sends_on(MAIN));
        let told = news(&mut lanes);
        assert!(told.contains(&(MAIN, News::Silent)), "{told:?}");
        assert!(
            told.contains(&(MAIN, News::Open { open: true })),
            "{told:?}"
        );
        let word = |(_, one): &(u32, News)| matches!(one, News::Word { .. });
        assert!(told.iter().any(word), "{told:?}");
    }

    #[test]
    fn what_comes_by_both_is_played_once() {
        let mut lanes = running();
        run(&mut lanes, 2_000);
        assert!(lanes.arrived(SPARE, Slot::Sound, FrameKind::Audio, at(2_000)));
        assert!(!lanes.arrived(MAIN, Slot::Sound, FrameKind::Audio, at(2_001)));
    }

    #[test]
    fn nothing_heard_at_all_is_told_once_and_taken_back_with_the_first_frame() {
        let mut lanes = running();
        run(&mut lanes, 5_000);
        let told = news(&mut lanes);
        let deaf = |one: &&(u32, News)| one.1 == News::Sound { heard: false };
        assert_eq!(told.iter().filter(deaf).count(), 1, "{told:?}");
        lanes.arrived(SPARE, Slot::Sound, FrameKind::Audio, at(5_000));
        let told = news(&mut lanes);
        assert!(
            told.contains(&(MAIN, News::Sound { heard: true })),
            "{told:?}"
        );
    }

    #[test]
    fn silence_that_nobody_expects_to_end_means_nothing() {
        let mut lanes = running();
        lanes.expect(MAIN, false, at(1_000));
        run(&mut lanes, 20_000);
        assert!(!lanes.sends_on(SPARE));
        assert!(news(&mut lanes).is_empty());
    }

    #[test]
    fn the_word_of_one_watch_opens_the_gate_of_the_other() {
        let mut deaf = running();
        run(&mut deaf, 2_000);
        let mut other = running();
        assert!(!other.sends_on(SPARE));
        for (_, one) in news(&mut deaf) {
            if let News::Word { word } = one {
                other.word(MAIN, &word, at(1_000));
            }
        }
        assert!(other.sends_on(SPARE));
    }

    #[test]
    fn what_is_no_word_changes_nothing() {
        let mut lanes = running();
        for garbage in [&[][..], &[0xff; 32], &[1, 2]] {
            lanes.word(MAIN, garbage, at(1_000));
        }
        assert!(!lanes.sends_on(SPARE));
        assert!(news(&mut lanes).is_empty());
    }

    #[test]
    fn a_new_main_link_leaves_the_spare_carrying_until_it_is_heard() {
        let mut lanes = running();
        lanes.forget(MAIN, at(1_000));
        assert!(lanes.sends_on(SPARE));
        lanes.expect(9, true, at(1_100));
        lanes.pair(9, SPARE, at(1_200));
        assert!(lanes.sends_on(SPARE) && lanes.sends_on(9));
        lanes.ready(9, true, at(1_300));
        lanes.expect(9, true, at(1_300));
        for frame in 0..100 {
            lanes.arrived(9, Slot::Sound, FrameKind::Audio, at(1_300 + 20 * frame));
        }
        assert!(!lanes.sends_on(SPARE));
    }

    #[test]
    fn a_picture_moves_with_a_key_frame_or_after_a_pause_and_not_by_one_straggler() {
        let mut lanes = running();
        let moved = |lanes: &mut Lanes, link, kind, ms| {
            lanes.arrived(link, Slot::Camera, kind, at(ms));
            news(lanes).pop().map(|(_, news)| news)
        };
        let to = |spare| {
            let slot = Slot::Camera;
            Some(News::Picture { slot, spare })
        };
        assert_eq!(moved(&mut lanes, MAIN, FrameKind::VideoKey, 1_000), None);
        assert_eq!(moved(&mut lanes, SPARE, FrameKind::VideoDelta, 1_010), None);
        assert_eq!(
            moved(&mut lanes, SPARE, FrameKind::VideoKey, 1_020),
            to(true)
        );
        assert_eq!(moved(&mut lanes, MAIN, FrameKind::VideoDelta, 1_030), None);
        assert_eq!(
            moved(&mut lanes, MAIN, FrameKind::VideoDelta, 1_300),
            to(false)
        );
    }

    #[test]
    fn pairs_and_news_are_bounded() {
        let mut lanes = Lanes::default();
        for link in 0..1_000 {
            lanes.expect(link, true, at(0));
            lanes.ready(link, true, at(0));
            lanes.ready(link, false, at(1));
        }
        assert!(lanes.pairs.len() <= MAX_PAIRS && lanes.news.len() <= MAX_NEWS);
    }
}
