// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is heard on one lane: when it falls silent, and since when it has had no gap.

use hither_sansio::{Duration, Instant};

use crate::Config;
use crate::gaps::Gaps;

/// A healthy sender's frames are not further apart than this on average.
const SPARSE: Duration = Duration::from_millis(100);

/// The ear on one lane.
#[derive(Clone, Debug)]
pub(crate) struct Hearing {
    /// The connection is up.
    pub(crate) ready: bool,
    /// Not (yet) found silent.
    pub(crate) live: bool,
    /// No frame has come since frames began to be expected.
    fresh: bool,
    /// The last frame.
    last: Instant,
    /// When the lane counts as silent if nothing comes.
    due: Instant,
    /// The run of frames without a gap.
    run: Instant,
    run_frames: u32,
    gaps: Gaps,
    /// `due` was put off once, because the host had slept.
    excused: bool,
}

impl Hearing {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            ready: false,
            live: false,
            fresh: true,
            last: now,
            due: now,
            run: now,
            run_frames: 0,
            gaps: Gaps::default(),
            excused: false,
        }
    }

    /// Frames arrive on this lane, and none is overdue.
    pub(crate) fn is_heard(&self) -> bool {
        self.live && !self.fresh
    }

    /// Frames should arrive from now on, the first within `patience`.
    pub(crate) fn expect(&mut self, patience: Duration, now: Instant) {
        self.live = true;
        self.fresh = true;
        self.due = now + patience;
        self.excused = false;
    }

    pub(crate) fn arrival(&mut self, config: &Config, now: Instant) {
        let gap = now.saturating_since(self.last);
        // A short gap that raised an alarm teaches the threshold; an outage does not.
        if !self.fresh && gap <= config.ceiling {
            self.gaps.record(gap, now);
        }
        if self.is_heard() && gap <= config.ceiling {
            self.run_frames = self.run_frames.saturating_add(1);
        } else {
            self.run = now;
            self.run_frames = 0;
        }
        self.live = true;
        self.fresh = false;
        self.last = now;
        self.due = now + self.threshold(config, now);
        self.excused = false;
    }

    /// Whether frames have come without a gap, and densely enough, for this long.
    pub(crate) fn is_steady(&self, hold: Duration, now: Instant) -> bool {
        let run = now.saturating_since(self.run);
        let enough = u128::from(self.run_frames) * SPARSE.as_millis() >= hold.as_millis();
        self.is_heard() && run >= hold && enough
    }

    /// When this lane counts as silent if nothing comes.
    pub(crate) fn silent_at(&self) -> Option<Instant> {
        self.live.then_some(self.due)
    }

    /// Finds out whether the lane has fallen silent; true once.
    pub(crate) fn falls_silent(&mut self, config: &Config, now: Instant) -> bool {
        if !self.live || now < self.due {
            return false;
        }
        if !self.excused && now.saturating_since(self.due) > config.oversleep {
            // What arrived while the host slept is still in its queue.
            self.excused = true;
            self.due = now + config.nap;
            return false;
        }
        self.live = false;
        true
    }

    fn threshold(&self, config: &Config, now: Instant) -> Duration {
        let usual = self
            .gaps
            .largest(now)
            .map(|largest| largest * 3 / 2 + config.frame);
        usual
            .unwrap_or(config.ceiling)
            .min(config.ceiling)
            .max(config.floor)
    }
}
