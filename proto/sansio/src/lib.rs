// SPDX-License-Identifier: MIT OR Apache-2.0
//! What every machine of Hither shares: time as a value, and the grammar of its loop.
//!
//! A machine is made by `new(config, rng, now)`, fed by `handle_*(…, now)` and emptied by `poll_*`:
//! one mutation, then drain. Nothing else has side effects. The machine never reads a clock, so time
//! here is a number that the host brings along.
//!
//! `std::time::Instant` cannot serve: in a browser it compiles and traps when it is asked for the time,
//! and nobody but the clock itself can make one. This crate leaves clocks, sockets and randomness to hosts.

#![forbid(unsafe_code)]
#![warn(clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use core::fmt;
use core::ops::{Add, AddAssign, Sub};
pub use core::time::Duration;

use serde::{Deserialize, Serialize};

/// A point on a monotonic clock, in milliseconds since an origin that only its host knows.
///
/// Two instants can be compared only if they come from the same host and the same run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

impl Instant {
    /// The origin of the host's clock.
    pub const ZERO: Self = Self(0);

    /// The point `millis` milliseconds after the host's origin.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the host's origin.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Time that passed since `earlier`, or zero if `earlier` is later.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "t+{}ms", self.0)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(millis(rhs)))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, rhs: Duration) {
        *self = *self + rhs;
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    fn sub(self, rhs: Duration) -> Self {
        Self(self.0.saturating_sub(millis(rhs)))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Calendar time: milliseconds since 1970-01-01T00:00:00Z, as the device believes it to be.
///
/// Used for expiries and for what a person reads, never for ordering or time-outs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixTime(u64);

impl UnixTime {
    /// The time `millis` milliseconds after the epoch.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// The time `secs` seconds after the epoch.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the epoch.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// Whole days since the epoch.
    #[must_use]
    pub const fn day(self) -> u64 {
        self.0 / 86_400_000
    }

    /// Time that passed since `earlier`, or zero if `earlier` is later.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Debug for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unix+{}ms", self.0)
    }
}

impl Add<Duration> for UnixTime {
    type Output = Self;

    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(millis(rhs)))
    }
}

/// Both clocks of a host, read at the same moment.
///
/// Machines that keep calendar expiries take a `Now`; those that only wait take an [`Instant`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Now {
    /// The monotonic clock.
    pub instant: Instant,
    /// The calendar.
    pub unix: UnixTime,
}

impl Now {
    /// The moment `duration` later on both clocks.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self {
            instant: self.instant + duration,
            unix: self.unix + duration,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_never_wraps_around() {
        let end = Instant::from_millis(u64::MAX);
        assert_eq!(end + Duration::from_secs(1), end);
        assert_eq!(Instant::ZERO - Duration::from_secs(1), Instant::ZERO);
    }

    #[test]
    fn time_since_the_future_is_zero() {
        let early = Instant::from_millis(5);
        let late = Instant::from_millis(9);
        assert_eq!(early.saturating_since(late), Duration::ZERO);
        assert_eq!(late.saturating_since(early), Duration::from_millis(4));
    }

    #[test]
    fn both_clocks_advance_together() {
        let now = Now::default().after(Duration::from_secs(2));
        assert_eq!(now.instant.as_millis(), 2000);
        assert_eq!(now.unix.as_secs(), 2);
    }
}
