// SPDX-License-Identifier: MIT OR Apache-2.0
//! The browser's two clocks.

use hither_sansio::{Instant, Now, UnixTime};

use crate::sys::window;

/// Both, read at the same moment. The monotonic one starts with the page.
pub(crate) fn now() -> Now {
    let monotonic = window()
        .performance()
        .map_or_else(js_sys::Date::now, |performance| performance.now());
    Now {
        instant: Instant::from_millis(whole(monotonic)),
        unix: UnixTime::from_millis(whole(js_sys::Date::now())),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "neither clock is negative, and `as` saturates"
)]
fn whole(millis: f64) -> u64 {
    millis as u64
}
