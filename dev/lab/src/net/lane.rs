// SPDX-License-Identifier: MIT OR Apache-2.0
//! One direction of a link: when what is put in comes out, if it does.
//!
//! It reckons in time that it is told, and holds no packets.

use std::time::Duration;

use super::dice::Dice;

/// What a link does to what it carries, in one direction.
///
/// Packets keep their order: one that is delayed longer delays those behind it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinkShape {
    /// How long every packet takes, one way: half of what the link adds to a round trip.
    pub delay: Duration,
    /// How much longer than that it may take, each time up to which is as likely.
    pub jitter: Duration,
    /// The share of packets that is lost at random, 0 to 1.
    pub loss: f64,
    /// Bits a second, from IP upwards; `None`: no limit.
    pub rate: Option<u64>,
    /// Bytes that wait for their turn, where there is a rate; the packet that has no room is lost.
    pub queue: usize,
}

impl LinkShape {
    /// A link that does nothing.
    pub const NONE: Self = Self {
        delay: Duration::ZERO,
        jitter: Duration::ZERO,
        loss: 0.0,
        rate: None,
        queue: 64 << 10,
    };

    /// A link that adds this much to a round trip, half of it each way.
    #[must_use]
    pub fn round_trip(time: Duration) -> Self {
        Self {
            delay: time / 2,
            ..Self::NONE
        }
    }

    /// The same with this share of packets lost.
    #[must_use]
    pub fn lossy(self, loss: f64) -> Self {
        Self { loss, ..self }
    }

    /// The same with this many bits a second.
    #[must_use]
    pub fn limited(self, rate: u64) -> Self {
        Self {
            rate: Some(rate),
            ..self
        }
    }
}

impl Default for LinkShape {
    fn default() -> Self {
        Self::NONE
    }
}

/// What became of packets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Passage {
    /// Packets that came out or will.
    pub passed: u64,
    /// Their bytes, from IP upwards.
    pub bytes: u64,
    /// Packets lost at random.
    pub lost: u64,
    /// Packets for which there was no room.
    pub overflowed: u64,
    /// Packets that ran into a cut.
    pub cut: u64,
}

/// One direction of a link at work.
#[derive(Debug)]
pub(super) struct Lane {
    shape: LinkShape,
    /// When the last byte that was admitted is on the line.
    busy_until: Duration,
    /// When the last packet comes out.
    last: Duration,
    dice: Dice,
    pub(super) passage: Passage,
}

impl Lane {
    pub(super) fn new(dice: Dice) -> Self {
        Self {
            shape: LinkShape::NONE,
            busy_until: Duration::ZERO,
            last: Duration::ZERO,
            dice,
            passage: Passage::default(),
        }
    }

    /// From the next packet on.
    pub(super) fn set(&mut self, shape: LinkShape) {
        self.shape = shape;
    }

    /// When a packet of this many bytes comes out that is put in now; `None` when it is lost.
    pub(super) fn admit(&mut self, bytes: usize, now: Duration) -> Option<Duration> {
        if self.shape.loss > 0.0 && self.dice.share() < self.shape.loss {
            self.passage.lost += 1;
            return None;
        }
        let Some(sent) = self.sent(bytes, now) else {
            self.passage.overflowed += 1;
            return None;
        };
        let out = sent + self.shape.delay + self.shape.jitter.mul_f64(self.dice.share());
        self.last = self.last.max(out);
        self.passage.passed += 1;
        self.passage.bytes += bytes as u64;
        Some(self.last)
    }

    /// When the last byte is on the line; `None` when the queue is full.
    fn sent(&mut self, bytes: usize, now: Duration) -> Option<Duration> {
        let Some(rate) = self.shape.rate.filter(|rate| *rate > 0) else {
            return Some(now);
        };
        let takes = |bytes: usize| {
            let nanos = bytes as u128 * 8 * 1_000_000_000 / u128::from(rate);
            Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
        };
        let begins = self.busy_until.max(now);
        if begins - now > takes(self.shape.queue) {
            return None;
        }
        self.busy_until = begins.saturating_add(takes(bytes));
        Some(self.busy_until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(shape: LinkShape) -> Lane {
        let mut lane = Lane::new(Dice::new(7));
        lane.set(shape);
        lane
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_lane_without_a_shape_passes_everything_at_once() {
        let mut lane = lane(LinkShape::NONE);
        for at in [0, 5, 5, 9] {
            assert_eq!(lane.admit(1500, ms(at)), Some(ms(at)));
        }
        assert_eq!(lane.passage.passed, 4);
        assert_eq!(lane.passage.bytes, 6000);
    }

    #[test]
    fn a_delay_is_the_same_for_all_and_jitter_never_changes_the_order() {
        let mut steady = lane(LinkShape::round_trip(ms(80)));
        assert_eq!(steady.admit(100, ms(3)), Some(ms(43)));
        let mut lane = lane(LinkShape {
            jitter: ms(20),
            ..LinkShape::round_trip(ms(80))
        });
        let mut last = Duration::ZERO;
        let mut delays = Vec::new();
        for at in 0..1000 {
            let out = lane.admit(100, ms(at)).expect("nothing is lost");
            assert!(out >= last);
            last = out;
            delays.push(out - ms(at));
        }
        assert!(delays.iter().all(|delay| (ms(40)..=ms(60)).contains(delay)));
        assert!(delays.iter().max() > delays.iter().min());
    }

    #[test]
    fn a_tenth_is_lost_when_a_tenth_shall_be() {
        let mut lane = lane(LinkShape::NONE.lossy(0.1));
        let passed = (0..100_000).filter(|at| lane.admit(100, ms(*at)).is_some());
        let passed = passed.count();
        assert!((89_000..91_000).contains(&passed), "{passed}");
        assert_eq!(lane.passage.lost, 100_000 - passed as u64);
    }

    #[test]
    fn a_rate_spaces_packets_and_its_queue_is_bounded() {
        // A byte a microsecond.
        let mut lane = lane(LinkShape {
            queue: 10_000,
            ..LinkShape::NONE.limited(8_000_000)
        });
        for number in 1..=11 {
            assert_eq!(lane.admit(1000, ms(0)), Some(ms(number)));
        }
        assert_eq!(lane.admit(1000, ms(0)), None);
        assert_eq!(lane.passage.overflowed, 1);
        assert_eq!(lane.admit(1000, ms(1)), Some(ms(12)));
        assert_eq!(lane.admit(1000, ms(100)), Some(ms(101)));
    }

    #[test]
    fn a_shape_that_changes_does_not_let_packets_overtake() {
        let mut lane = lane(LinkShape::round_trip(ms(200)));
        assert_eq!(lane.admit(100, ms(0)), Some(ms(100)));
        lane.set(LinkShape::NONE);
        assert_eq!(lane.admit(100, ms(1)), Some(ms(100)));
        assert_eq!(lane.admit(100, ms(101)), Some(ms(101)));
    }
}
