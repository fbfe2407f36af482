// SPDX-License-Identifier: MIT OR Apache-2.0
//! How much one allocation may carry: a bucket that holds one second's worth of bytes and fills at that rate.

use hither_sansio::Instant;

/// What is left, in thousandths of a byte: so a millisecond of a rate is a whole number.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Bandwidth {
    left: u64,
    filled: Instant,
}

impl Bandwidth {
    /// A full one.
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            left: u64::MAX,
            filled: now,
        }
    }

    /// Takes that many bytes out; false, and nothing taken, if they are not there.
    ///
    /// An empty datagram costs nothing; a run longer than what the bucket can hold passes when it is full.
    pub(in super::super) fn spend(
        &mut self,
        bytes: u64,
        bytes_per_second: Option<u64>,
        now: Instant,
    ) -> bool {
        let Some(rate) = bytes_per_second else {
            return true;
        };
        let capacity = rate.saturating_mul(1_000);
        let passed = now.as_millis().saturating_sub(self.filled.as_millis());
        self.filled = self.filled.max(now);
        self.left = self
            .left
            .saturating_add(passed.saturating_mul(rate))
            .min(capacity);
        let price = bytes.saturating_mul(1_000).min(capacity);
        match self.left.checked_sub(price) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_carries_a_second_s_worth_and_a_burst_no_more_than_another() {
        let mut bandwidth = Bandwidth::new(Instant::ZERO);
        let at = Instant::from_millis;
        assert!(bandwidth.spend(600, Some(1_000), at(0)));
        assert!(!bandwidth.spend(600, Some(1_000), at(0)));
        assert!(bandwidth.spend(400, Some(1_000), at(0)));
        assert!(!bandwidth.spend(1, Some(1_000), at(0)));
        assert!(bandwidth.spend(1, Some(1_000), at(1)));
        assert!(!bandwidth.spend(1, Some(1_000), at(1)));
        // However long it rests, it holds one second's worth.
        assert!(bandwidth.spend(1_000, Some(1_000), at(1_000_000)));
        assert!(!bandwidth.spend(1, Some(1_000), at(1_000_000)));
        // A clock that stands or goes back fills nothing.
        assert!(!bandwidth.spend(1, Some(1_000), at(5)));
        assert!(bandwidth.spend(1, None, at(5)));
    }

    #[test]
    fn over_a_long_time_no_more_passes_than_the_rate_and_one_burst() {
        let mut bandwidth = Bandwidth::new(Instant::ZERO);
        let tries = (0..10_000).map(Instant::from_millis);
        let passed = tries.filter(|now| bandwidth.spend(160, Some(7_777), *now));
        let bytes = 160 * passed.count();
        assert!(bytes <= 11 * 7_777, "{bytes}");
        assert!(bytes >= 10 * 7_777, "{bytes}");
    }
}
