// SPDX-License-Identifier: MIT OR Apache-2.0
//! The calendar, read in one place.

use std::time::{SystemTime, UNIX_EPOCH};

use hither_sansio::UnixTime;

/// The time now. Before 1970 it is 1970.
pub(crate) fn now() -> UnixTime {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UnixTime::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
