// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a source may cost the relay, and others, before it has proved that it may.
//!
//! Over UDP anyone can ask in another's name, and a challenge is longer than what provokes it. So each source
//! has an allowance of bytes that answers may be longer than requests; then the relay is silent. And a source
//! that fails to authenticate has an allowance of failures; then its credentials are not looked at. The two
//! are apart, so that nobody who speaks in another's name can spend the other's failures.
//!
//! Sources share a fixed number of buckets, each source one in either of two rows, under a keyed hash: a flood
//! from many names can neither fill a table nor aim at a victim's buckets, and one that shares a bucket with
//! a victim by chance does not share the other. An allowance is spent in both and is used up when it is in
//! both. (Who can fill other's buckets at will can so double its own allowance, not more.)

use core::fmt;
use core::net::IpAddr;

use hither_sansio::Instant;
use hmac::Mac;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::config::Allowance;
use crate::nonce::hmac_sha256;

/// A power of two: how many buckets a row has.
const BUCKETS: usize = 8_192;

const ROWS: usize = 2;

/// The allowances of all sources.
pub(super) struct Budget {
    key: Zeroizing<[u8; 32]>,
    answers: Buckets,
    failures: Buckets,
}

impl Budget {
    pub(super) fn new(rng: &mut impl CryptoRng) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        rng.fill_bytes(key.as_mut_slice());
        Self {
            key,
            answers: Buckets::full(),
            failures: Buckets::full(),
        }
    }

    /// Takes the bytes by which an answer is longer than its request; false if there are not as many left.
    pub(super) fn answer(
        &mut self,
        source: IpAddr,
        excess: usize,
        allowance: Allowance,
        now: Instant,
    ) -> bool {
        let at = self.places(source);
        self.answers.spend(at, Cost::of(excess, allowance), now)
    }

    /// Gives bytes back: a source that authenticates was there, and was not sent what it did not want.
    pub(super) fn refund(&mut self, source: IpAddr, bytes: usize, allowance: Allowance) {
        let at = self.places(source);
        self.answers.refund(at, Cost::of(bytes, allowance));
    }

    /// Whether the source may fail once more.
    pub(super) fn may_fail(&self, source: IpAddr, allowance: Allowance, now: Instant) -> bool {
        let at = self.places(source);
        self.failures.can_spend(at, Cost::of(1, allowance), now)
    }

    /// The source failed.
    pub(super) fn fail(&mut self, source: IpAddr, allowance: Allowance, now: Instant) {
        let at = self.places(source);
        self.failures.spend(at, Cost::of(1, allowance), now);
    }

    /// The source's bucket in either row.
    fn places(&self, source: IpAddr) -> [usize; ROWS] {
        let mut mac = hmac_sha256(self.key.as_slice());
        match source {
            IpAddr::V4(ip) => mac.update(&ip.octets()),
            // Whoever has one IPv6 address has a whole /64.
            IpAddr::V6(ip) => {
                let [prefix @ .., _, _, _, _, _, _, _, _] = ip.octets();
                mac.update(&prefix);
            }
        }
        let [a, b, c, d, ..]: [u8; 32] = mac.finalize().into_bytes().into();
        [[a, b], [c, d]].map(|bits| usize::from(u16::from_be_bytes(bits)) % BUCKETS)
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Budget(…)")
    }
}

/// What is spent, and what can be at once, in the microseconds that it takes to come back.
#[derive(Clone, Copy)]
struct Cost {
    spent: u64,
    burst: u64,
}

impl Cost {
    fn of(amount: usize, allowance: Allowance) -> Self {
        let per_second = u64::from(allowance.per_second.max(1));
        let micros = |amount: u64| amount.saturating_mul(1_000_000) / per_second;
        Self {
            spent: micros(u64::try_from(amount).unwrap_or(u64::MAX)),
            burst: micros(allowance.burst.into()),
        }
    }
}

/// Of each bucket the moment at which it is, or was, full again, in microseconds of the host's clock.
struct Buckets([Vec<u64>; ROWS]);

impl Buckets {
    fn full() -> Self {
        Self([vec![0; BUCKETS], vec![0; BUCKETS]])
    }

    fn can_spend(&self, at: [usize; ROWS], cost: Cost, now: Instant) -> bool {
        let mut buckets = self.0.iter().zip(at).filter_map(|(row, at)| row.get(at));
        buckets.any(|full_at| after(*full_at, cost, now).is_some())
    }

    /// Spends in both rows, where there is enough left.
    fn spend(&mut self, at: [usize; ROWS], cost: Cost, now: Instant) -> bool {
        let mut is_spent = false;
        for (row, at) in self.0.iter_mut().zip(at) {
            let Some(full_at) = row.get_mut(at) else {
                continue;
            };
            if let Some(later) = after(*full_at, cost, now) {
                *full_at = later;
                is_spent = true;
            }
        }
        is_spent
    }

    fn refund(&mut self, at: [usize; ROWS], cost: Cost) {
        for (row, at) in self.0.iter_mut().zip(at) {
            if let Some(full_at) = row.get_mut(at) {
                *full_at = full_at.saturating_sub(cost.spent);
            }
        }
    }
}

/// When a bucket is full again after one more cost; none if there is too little in it.
fn after(full_at: u64, cost: Cost, now: Instant) -> Option<u64> {
    let now = now.as_millis().saturating_mul(1_000);
    let later = full_at.max(now).saturating_add(cost.spent);
    (later <= now.saturating_add(cost.burst)).then_some(later)
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    const SMALL: Allowance = Allowance {
        burst: 1_000,
        per_second: 100,
    };

    #[test]
    fn over_any_time_a_source_is_given_its_burst_and_what_comes_back() {
        let mut budget = budget();
        let source = "192.0.2.1".parse().unwrap();
        let mut given = 0;
        for tick in 0..1_000 {
            let now = Instant::from_millis(5_000 + tick * 20);
            while budget.answer(source, 60, SMALL, now) {
                given += 60;
            }
            let seconds = tick * 20 / 1_000;
            assert!(given <= 1_000 + 100 * (seconds + 1), "{given} at {tick}");
        }
        // And it is given that much: 20 s and the burst.
        assert!(given >= 2_900, "{given}");
    }

    #[test]
    fn an_answer_no_longer_than_its_request_costs_nothing() {
        let mut budget = budget();
        let source = "192.0.2.1".parse().unwrap();
        let now = Instant::ZERO;
        while budget.answer(source, 1, SMALL, now) {}
        assert!(budget.answer(source, 0, SMALL, now));
        assert!(!budget.answer(source, 1, SMALL, now));
    }

    #[test]
    fn failures_and_answers_are_spent_apart_and_failures_come_back() {
        let mut budget = budget();
        let source = "192.0.2.1".parse().unwrap();
        let allowance = Allowance {
            burst: 3,
            per_second: 1,
        };
        let now = Instant::from_millis(10_000);
        while budget.answer(source, 100, SMALL, now) {}
        for _ in 0..3 {
            assert!(budget.may_fail(source, allowance, now));
            budget.fail(source, allowance, now);
        }
        assert!(!budget.may_fail(source, allowance, now));
        let later = Instant::from_millis(11_000);
        assert!(budget.may_fail(source, allowance, later));
        budget.fail(source, allowance, later);
        assert!(!budget.may_fail(source, allowance, later));
    }

    #[test]
    fn a_refund_never_gives_more_than_the_burst() {
        let mut budget = budget();
        let source = "192.0.2.1".parse().unwrap();
        let now = Instant::from_millis(50_000);
        for _ in 0..100 {
            budget.refund(source, 1_000, SMALL);
        }
        let given = (0..100).filter(|_| budget.answer(source, 100, SMALL, now));
        assert_eq!(given.count(), 10);
        budget.refund(source, 200, SMALL);
        let given = (0..100).filter(|_| budget.answer(source, 100, SMALL, now));
        assert_eq!(given.count(), 2);
    }

    #[test]
    fn all_addresses_of_one_ipv6_network_share_a_budget() {
        let mut budget = budget();
        let now = Instant::ZERO;
        let one = Allowance {
            burst: 1,
            per_second: 1,
        };
        assert!(budget.answer("2a00:1:2:3::1".parse().unwrap(), 1, one, now));
        assert!(!budget.answer("2a00:1:2:3:ffff::2".parse().unwrap(), 1, one, now));
        assert!(budget.answer("2a00:1:2:4::1".parse().unwrap(), 1, one, now));
    }

    #[test]
    fn a_flood_from_a_thousand_names_silences_nearly_nobody_else() {
        let mut budget = budget();
        let now = Instant::ZERO;
        for name in 0..1_000u32 {
            let source = IpAddr::V4((0x0900_0000 + name).into());
            while budget.answer(source, 100, SMALL, now) {}
        }
        let others = (0..1_000u32).map(|name| IpAddr::V4((0x0A00_0000 + name).into()));
        let silenced = others.filter(|source| !budget.answer(*source, 100, SMALL, now));
        // One in eight shares a bucket with the flood; one in sixty-four both.
        assert!(silenced.count() < 40);
    }

    #[test]
    fn without_limits_everything_is_answered() {
        let mut budget = budget();
        let source = "192.0.2.1".parse().unwrap();
        let mut answers = 0..100_000;
        assert!(answers.all(|_| budget.answer(source, 100, Allowance::UNLIMITED, Instant::ZERO)));
    }

    fn budget() -> Budget {
        Budget::new(&mut ChaCha20Rng::seed_from_u64(1))
    }
}
