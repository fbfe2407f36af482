// SPDX-License-Identifier: MIT OR Apache-2.0
//! The clocks that the machine does not have.

use std::time::{Instant as StdInstant, SystemTime, UNIX_EPOCH};

use hither_sansio::{Duration, Instant, Now, UnixTime};

/// Reads both clocks of this machine.
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

    /// When the runtime's clock shows this instant.
    pub(crate) fn deadline(self, at: Instant) -> tokio::time::Instant {
        let after = Duration::from_millis(at.as_millis());
        tokio::time::Instant::from_std(self.origin + after)
    }
}
