// SPDX-License-Identifier: MIT OR Apache-2.0
//! How precisely the node remembers when something ends.
//!
//! An expiry that was counted from the moment of arrival would tell that moment. So it is rounded up, the
//! more the longer it lasts: to a day from one day on, to an hour from one hour on, to a minute below.

use hither_sansio::UnixTime;

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;
const DAY: u64 = 86_400;

/// Days that a mailbox lives without anybody subscribing to it.
pub const MAILBOX_DAYS: u64 = 90;

/// When something put at `now` for `lasts` seconds ends, in seconds since 1970, rounded up.
#[must_use]
pub fn coarse(now: UnixTime, lasts: u64) -> u64 {
    let grain = match lasts {
        DAY.. => DAY,
        HOUR.. => HOUR,
        _ => MINUTE,
    };
    now.as_secs()
        .saturating_add(lasts)
        .div_ceil(grain)
        .saturating_mul(grain)
}

/// The first day on which something that ends at `expires` (seconds since 1970) is gone.
pub(crate) fn day_after(expires: u64) -> u64 {
    expires.div_ceil(DAY)
}

/// The last day of a mailbox that was used at `now`.
pub(crate) fn mailbox_until(now: UnixTime) -> u64 {
    now.day().saturating_add(MAILBOX_DAYS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn two_envelopes_of_the_same_day_expire_at_the_same_moment() {
        let morning = UnixTime::from_secs(20_000 * DAY + 8 * HOUR);
        let evening = UnixTime::from_secs(20_000 * DAY + 20 * HOUR + 17);
        assert_eq!(coarse(morning, 30 * DAY), coarse(evening, 30 * DAY));
    }

    proptest! {
        #[test]
        fn nothing_ends_before_it_was_asked_to(now in 0..4_000_000_000_u64, lasts in 0..40 * DAY) {
            let ends = coarse(UnixTime::from_secs(now), lasts);
            prop_assert!(ends >= now + lasts);
            prop_assert!(ends < now + lasts + DAY);
            prop_assert_eq!(ends % MINUTE, 0);
        }
    }
}
