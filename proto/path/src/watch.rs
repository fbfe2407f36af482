// SPDX-License-Identifier: MIT OR Apache-2.0
//! The watch itself: alarms, the choice of the lane that plays, and the spare's gate.

use std::collections::VecDeque;

use hither_sansio::{Duration, Instant};

use crate::hearing::Hearing;
use crate::word::{Talk, Word};
use crate::{Config, Lane};

/// More events than this are not kept; the oldest go.
const MAX_EVENTS: usize = 32;

/// What the host may want to act on or to write down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// Sound was expected on this lane and does not come. For main: restart ICE at once.
    Silent {
        /// The lane.
        lane: Lane,
    },
    /// This lane is heard again: main after the hold, the spare with its first frame.
    Heard {
        /// The lane.
        lane: Lane,
    },
    /// Neither lane is heard: everything has to be found anew.
    BothSilent,
    /// The spare is open for sending, because this side or the other does not hear main: video follows.
    Opened,
    /// Both sides trust main again (or the spare is gone), and nothing more is sent on the spare.
    Shut,
    /// From now on this lane is the one that plays.
    Plays {
        /// The lane.
        lane: Lane,
    },
}

/// Watches over the two lanes of one call, on one side.
#[derive(Clone, Debug)]
pub struct Watch {
    config: Config,
    main: Hearing,
    spare: Hearing,
    /// Main has been up or heard at least once.
    begun: bool,
    /// The other side's microphone sends.
    expecting: bool,
    /// A sound frame has come, ever. Before, the other side's microphone may still be waiting for a person
    /// to permit it, and silence says nothing about the path.
    sounded: bool,
    /// Main is trusted: no alarm since it was last heard for the hold.
    trusted: bool,
    /// When main was last trusted anew.
    trusted_since: Option<Instant>,
    /// How long main must now be heard to be trusted again.
    hold: Duration,
    /// Main is up as far as its connection knows; without sound to listen to, that is all the evidence. Counts
    /// from here.
    up_since: Option<Instant>,
    playing: Lane,
    open: bool,
    all_silent: bool,
    talk: Talk,
    events: VecDeque<Event>,
}

impl Watch {
    /// A watch over two lanes of which neither is up, and no sound expected.
    #[must_use]
    pub fn new(config: Config, now: Instant) -> Self {
        Self {
            main: Hearing::new(now),
            spare: Hearing::new(now),
            begun: false,
            expecting: false,
            sounded: false,
            trusted: true,
            trusted_since: None,
            hold: config.hold,
            up_since: None,
            playing: Lane::Main,
            open: false,
            all_silent: false,
            talk: Talk::new(&config, now),
            events: VecDeque::new(),
            config,
        }
    }

    /// An authenticated sound frame of the other side arrived on this lane.
    pub fn handle_arrival(&mut self, lane: Lane, now: Instant) {
        self.notice_silence(now);
        self.all_silent = false;
        self.sounded = true;
        match lane {
            Lane::Main => {
                self.begun = true;
                self.main.arrival(&self.config, now);
                if !self.trusted && self.main.is_steady(self.hold, now) {
                    self.trust(now);
                }
            }
            Lane::Spare => {
                let was_heard = self.spare.is_heard();
                self.spare.arrival(&self.config, now);
                if !was_heard {
                    self.raise(Event::Heard { lane });
                }
            }
        }
        self.settle(now);
    }

    /// The other side's microphone sends at all, or not: if not, silence means nothing.
    pub fn handle_expecting(&mut self, expecting: bool, now: Instant) {
        self.notice_silence(now);
        if expecting && !self.expecting {
            for hearing in [&mut self.main, &mut self.spare] {
                if hearing.live {
                    hearing.expect(self.config.first, now);
                }
            }
        }
        if !expecting && self.expecting && !self.trusted {
            self.up_since = self.main.ready.then_some(now + self.doubt());
        }
        self.expecting = expecting;
        self.settle(now);
    }

    /// A lane's connection came up or went down. That main is up may be said again at any time, and is worth
    /// saying when ICE has restarted: while no sound is expected it is the only sign that main is back.
    pub fn handle_ready(&mut self, lane: Lane, up: bool, now: Instant) {
        self.notice_silence(now);
        let was_up = core::mem::replace(&mut self.hearing(lane).ready, up);
        match (lane, up) {
            (Lane::Main, true) => self.main_is_up(was_up, now),
            (Lane::Main, false) => {
                self.up_since = None;
                let was_live = core::mem::replace(&mut self.main.live, false);
                if self.begun && (was_up || was_live) {
                    self.distrust(now);
                }
            }
            (Lane::Spare, true) if !was_up && !self.trusted => self.hope_for_spare(now),
            (Lane::Spare, true) => {}
            (Lane::Spare, false) => {
                let was_live = core::mem::replace(&mut self.spare.live, false);
                if was_live && !self.trusted {
                    self.raise(Event::Silent { lane });
                }
            }
        }
        self.settle(now);
    }

    /// The other side's watch said this.
    pub fn handle_word(&mut self, word: Word, now: Instant) {
        self.notice_silence(now);
        self.talk.handle(word);
        self.settle(now);
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.notice_silence(now);
        self.settle(now);
    }

    /// Whether a sound frame of ours may leave on this lane.
    #[must_use]
    pub fn sends_on(&self, lane: Lane) -> bool {
        match lane {
            // Also while it is in doubt: the other side has to hear that it is back.
            Lane::Main => true,
            Lane::Spare => self.open,
        }
    }

    /// Whether a sound frame that arrived on this lane is handed on. Exactly one lane plays at any time; ask
    /// after `handle_arrival`.
    #[must_use]
    pub fn plays(&self, lane: Lane) -> bool {
        self.playing == lane
    }

    /// Whether sound arrives on this lane now: a frame came, and none is overdue.
    #[must_use]
    pub fn hears(&self, lane: Lane) -> bool {
        match lane {
            Lane::Main => self.main.is_heard(),
            Lane::Spare => self.spare.is_heard(),
        }
    }

    /// What happened, oldest first.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// What to tell the other side, on every way that there is.
    pub fn poll_word(&mut self) -> Option<Word> {
        self.talk.poll()
    }

    /// When `handle_timeout` is due, and why.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        let silence = |hearing: &Hearing| hearing.silent_at().filter(|_| self.is_listening());
        [
            silence(&self.main).map(|at| (at, "silence on main")),
            silence(&self.spare).map(|at| (at, "silence on the spare")),
            self.back_without_sound().map(|at| (at, "main back")),
            self.talk.poll_timeout().map(|at| (at, "word")),
        ]
        .into_iter()
        .flatten()
        .min_by_key(|(at, _)| *at)
    }

    fn hearing(&mut self, lane: Lane) -> &mut Hearing {
        match lane {
            Lane::Main => &mut self.main,
            Lane::Spare => &mut self.spare,
        }
    }

    /// Whether silence means anything.
    fn is_listening(&self) -> bool {
        self.expecting && self.sounded
    }

    fn main_is_up(&mut self, was_up: bool, now: Instant) {
        self.begun = true;
        if !self.trusted {
            let since = self.up_since.map_or(now, |since| since.min(now));
            self.up_since = Some(since);
        } else if !was_up && !self.main.live {
            self.main.expect(self.config.first, now);
        }
    }

    /// Raises the alarms that are due. Comes first in every step, so that what is handled then finds the
    /// lanes as they are.
    fn notice_silence(&mut self, now: Instant) {
        if self.is_listening() {
            if self.main.falls_silent(&self.config, now) {
                self.distrust(now);
            }
            if self.spare.falls_silent(&self.config, now) && !self.trusted {
                self.raise(Event::Silent { lane: Lane::Spare });
            }
        }
        if self.back_without_sound().is_some_and(|at| now >= at) {
            self.trust(now);
        }
    }

    /// How much longer than the hold main is doubted when sound ends to be expected. If the spare was heard
    /// and main was not, main was dead and no microphone silent: then its connection has to find out first.
    fn doubt(&self) -> Duration {
        if self.spare.is_heard() && !self.main.is_heard() {
            self.config.longest_hold
        } else {
            Duration::ZERO
        }
    }

    /// When main is trusted again although there is no sound to listen to.
    fn back_without_sound(&self) -> Option<Instant> {
        if self.trusted || self.expecting {
            return None;
        }
        self.up_since.map(|since| since + self.hold)
    }

    /// Main is in doubt.
    fn distrust(&mut self, now: Instant) {
        self.up_since = None;
        if !self.trusted {
            return;
        }
        self.trusted = false;
        self.hold = match self.trusted_since {
            Some(since) if now.saturating_since(since) < self.config.calm => {
                self.hold.saturating_mul(2).min(self.config.longest_hold)
            }
            _ => self.config.hold,
        };
        self.raise(Event::Silent { lane: Lane::Main });
        if self.spare.ready && !self.spare.is_heard() {
            self.hope_for_spare(now);
        }
    }

    fn hope_for_spare(&mut self, now: Instant) {
        self.spare.expect(self.config.grace, now);
    }

    fn trust(&mut self, now: Instant) {
        self.trusted = true;
        self.trusted_since = Some(now);
        self.up_since = None;
        self.raise(Event::Heard { lane: Lane::Main });
        if !self.main.live {
            self.main.expect(self.config.first, now);
        }
    }

    /// Draws the conclusions from what has just been handled. Comes last in every step.
    fn settle(&mut self, now: Instant) {
        self.choose_lane();
        self.talk.update(self.trusted, &self.config, now);
        let in_doubt = !self.trusted || !self.talk.is_heard() || !self.begun;
        let open = in_doubt && self.spare.ready;
        if open != self.open {
            self.open = open;
            self.raise(if open { Event::Opened } else { Event::Shut });
        }
        let all_silent = self.begun && !self.main.live && !self.spare.live;
        if all_silent && !self.all_silent {
            self.raise(Event::BothSilent);
        }
        self.all_silent = all_silent;
    }

    /// A lane keeps playing until it is silent and the other is not. Only main, once trusted, takes over from
    /// a spare that is heard; and the spare from a main that is down, whatever is still in flight there.
    fn choose_lane(&mut self) {
        let other = self.playing.other();
        let must = !self.hears(self.playing) && self.hears(other);
        let better = match other {
            Lane::Main => self.trusted,
            Lane::Spare => !self.trusted && !self.main.ready,
        };
        let may = better && self.hears(other);
        if must || may {
            self.playing = other;
            self.raise(Event::Plays { lane: other });
        }
    }

    fn raise(&mut self, event: Event) {
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }
}
