// SPDX-License-Identifier: MIT OR Apache-2.0
//! The clocks that the machine does not have.

use std::time::{Duration, Instant as StdInstant, SystemTime, UNIX_EPOCH};

use hither_sansio::{Instant, Now, UnixTime};

/// Reads both clocks of this machine. All workers of a relay have the same one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: StdInstant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            origin: StdInstant::now(),
        }
    }

    pub(crate) fn now(self) -> Now {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH);
        Now {
            instant: Instant::ZERO + self.origin.elapsed(),
            unix: UnixTime::from_millis(0) + unix.unwrap_or_default(),
        }
    }

    /// How long it is until then.
    pub(crate) fn until(self, at: Instant) -> Duration {
        Duration::from_millis(at.as_millis()).saturating_sub(self.origin.elapsed())
    }
}
