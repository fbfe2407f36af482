// SPDX-License-Identifier: MIT OR Apache-2.0
//! How often a source may do what costs or could be guessed. Sources are kept in memory only, bounded, and
//! forgotten when they have been quiet.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::source::Source;
use crate::config::Limits;

/// Sources remembered at the same time; when there are more, the quiet ones are forgotten first.
const MAX_SOURCES: usize = 16_384;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Registrations that failed, or needed no token.
    Registration,
    /// Parked invitations that were fetched.
    Invitation,
    /// Wrong capabilities, keys and signatures.
    Failure,
    /// Sockets that were opened.
    Socket,
}

/// Too often; again in so many seconds.
#[derive(Debug, thiserror::Error)]
#[error("this happens too often from one place")]
pub(crate) struct TooOften {
    pub(crate) retry_after_secs: u64,
}

/// A bucket that fills up by `per_minute` and holds as many.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

/// All buckets.
#[derive(Debug)]
pub(crate) struct Rates {
    limits: Limits,
    buckets: Mutex<BTreeMap<(Kind, Source), Bucket>>,
}

impl Rates {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            buckets: Mutex::default(),
        }
    }

    /// Takes one from the source's bucket.
    pub(crate) fn spend(&self, kind: Kind, ip: IpAddr) -> Result<(), TooOften> {
        self.take(kind, ip, 1.0, Instant::now())
    }

    /// Whether there is one left, without taking it.
    pub(crate) fn check(&self, kind: Kind, ip: IpAddr) -> Result<(), TooOften> {
        self.take(kind, ip, 0.0, Instant::now())
    }

    fn take(&self, kind: Kind, ip: IpAddr, amount: f64, now: Instant) -> Result<(), TooOften> {
        let full = f64::from(self.per_minute(kind));
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MAX_SOURCES {
            self.forget_quiet(&mut buckets, now);
        }
        let key = (kind, Source::of(ip));
        let level = buckets
            .get(&key)
            .map_or(full, |bucket| level(*bucket, full, now));
        if level < 1.0 {
            let missing = (1.0 - level) * 60.0 / full;
            return Err(TooOften {
                retry_after_secs: whole_seconds(missing),
            });
        }
        if amount > 0.0 {
            let left = level - amount;
            buckets.insert(key, Bucket { left, at: now });
        }
        Ok(())
    }

    fn per_minute(&self, kind: Kind) -> u32 {
        match kind {
            Kind::Registration => self.limits.registrations_per_minute,
            Kind::Invitation => self.limits.invitations_per_minute,
            Kind::Failure => self.limits.failures_per_minute,
            Kind::Socket => self.limits.sockets_per_minute,
        }
    }

    /// Forgets buckets that are full again; if that is not enough, all of them.
    fn forget_quiet(&self, buckets: &mut BTreeMap<(Kind, Source), Bucket>, now: Instant) {
        buckets.retain(|(kind, _), bucket| {
            let full = f64::from(self.per_minute(*kind));
            level(*bucket, full, now) < full
        });
        if buckets.len() >= MAX_SOURCES {
            buckets.clear();
        }
    }
}

fn level(bucket: Bucket, full: f64, now: Instant) -> f64 {
    let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
    (bucket.left + passed * full / 60.0).min(full)
}

/// At least one.
fn whole_seconds(seconds: f64) -> u64 {
    std::time::Duration::try_from_secs_f64(seconds.ceil())
        .map_or(60, |duration| duration.as_secs().max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const LIMITS: Limits = Limits {
        max_connections: 1,
        connections_per_source: 1,
        max_storage_bytes: 1,
        registrations_per_minute: 2,
        invitations_per_minute: 60,
        failures_per_minute: 1,
        sockets_per_minute: 1,
    };

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_source_is_refused_until_its_bucket_has_filled_up_again() {
        let (rates, start) = (Rates::new(LIMITS), Instant::now());
        let take = |at| rates.take(Kind::Registration, ip("192.0.2.1"), 1.0, at);
        assert!(take(start).is_ok());
        assert!(take(start).is_ok());
        let refused = take(start).expect_err("a third");
        assert_eq!(refused.retry_after_secs, 30);
        assert!(take(start + Duration::from_secs(29)).is_err());
        assert!(take(start + Duration::from_secs(31)).is_ok());
    }

    #[test]
    fn sources_and_kinds_do_not_disturb_each_other() {
        let rates = Rates::new(LIMITS);
        assert!(rates.spend(Kind::Failure, ip("192.0.2.1")).is_ok());
        assert!(rates.spend(Kind::Failure, ip("192.0.2.1")).is_err());
        assert!(rates.spend(Kind::Failure, ip("192.0.2.2")).is_ok());
        assert!(rates.spend(Kind::Socket, ip("192.0.2.1")).is_ok());
    }

    #[test]
    fn one_site_has_one_bucket_however_many_addresses_it_has() {
        let rates = Rates::new(LIMITS);
        assert!(rates.spend(Kind::Failure, ip("2001:db8::1")).is_ok());
        assert!(rates.spend(Kind::Failure, ip("2001:db8::ffff")).is_err());
        assert!(rates.spend(Kind::Failure, ip("2001:db8:0:1::1")).is_ok());
    }

    #[test]
    fn looking_does_not_spend() {
        let rates = Rates::new(LIMITS);
        for _ in 0..10 {
            assert!(rates.check(Kind::Failure, ip("192.0.2.1")).is_ok());
        }
    }

    #[test]
    fn endless_sources_do_not_fill_the_memory() {
        let (rates, now) = (Rates::new(LIMITS), Instant::now());
        for n in 0..40_000_u32 {
            let source = IpAddr::V4(n.into());
            assert!(rates.take(Kind::Socket, source, 1.0, now).is_ok());
        }
        let kept = rates.buckets.lock().expect("no panic").len();
        assert!(kept <= MAX_SOURCES, "{kept}");
    }
}
