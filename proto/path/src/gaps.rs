// SPDX-License-Identifier: MIT OR Apache-2.0
//! The largest gap between two frames of the last ten seconds, in constant space.

use hither_sansio::{Duration, Instant};

/// How many seconds are remembered.
const SECONDS: usize = 10;
/// Fewer frames than this say nothing about what is usual.
const ENOUGH: u32 = 25;

/// The gaps of one lane, in buckets of one second.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gaps {
    buckets: [Bucket; SECONDS],
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    /// Which second this is, from 1: 0 is a bucket that was never used.
    second: u64,
    largest: Duration,
    frames: u32,
}

impl Gaps {
    /// Remembers the time between a frame that arrived now and the one before it.
    pub(crate) fn record(&mut self, gap: Duration, now: Instant) {
        let second = second(now);
        let index = usize::try_from(second).unwrap_or(0) % SECONDS;
        let Some(bucket) = self.buckets.get_mut(index) else {
            return;
        };
        if bucket.second != second {
            *bucket = Bucket {
                second,
                ..Bucket::default()
            };
        }
        bucket.largest = bucket.largest.max(gap);
        bucket.frames = bucket.frames.saturating_add(1);
    }

    /// The largest gap, if enough frames have come to say what is usual.
    pub(crate) fn largest(&self, now: Instant) -> Option<Duration> {
        let oldest = second(now).saturating_sub(SECONDS as u64 - 1).max(1);
        let recent = self.buckets.iter().filter(|b| b.second >= oldest);
        let (frames, largest) = recent.fold((0_u32, Duration::ZERO), |(frames, largest), b| {
            (frames.saturating_add(b.frames), largest.max(b.largest))
        });
        (frames >= ENOUGH).then_some(largest)
    }
}

fn second(now: Instant) -> u64 {
    now.as_millis() / 1_000 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_few_frames_say_nothing() {
        let mut gaps = Gaps::default();
        for n in 0..24 {
            gaps.record(ms(20), at(20 * n));
        }
        assert_eq!(gaps.largest(at(480)), None);
        gaps.record(ms(20), at(480));
        assert_eq!(gaps.largest(at(480)), Some(ms(20)));
    }

    #[test]
    fn a_gap_is_forgotten_after_ten_seconds() {
        let mut gaps = Gaps::default();
        gaps.record(ms(90), at(0));
        for n in 1..500 {
            gaps.record(ms(20), at(20 * n));
        }
        assert_eq!(gaps.largest(at(9_999)), Some(ms(90)));
        assert_eq!(gaps.largest(at(10_000)), Some(ms(20)));
    }

    #[test]
    fn after_a_long_pause_nothing_is_known() {
        let mut gaps = Gaps::default();
        for n in 0..100 {
            gaps.record(ms(20), at(20 * n));
        }
        assert_eq!(gaps.largest(at(60_000)), None);
    }
}
