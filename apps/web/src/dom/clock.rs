// SPDX-License-Identifier: MIT OR Apache-2.0
//! Times as people read them.

use hither_sansio::UnixTime;
use js_sys::{Array, Date, Intl, Object, Reflect};
use web_sys::wasm_bindgen::{JsCast as _, JsValue};

/// Now, as this device believes.
pub(crate) fn now() -> UnixTime {
    UnixTime::from_millis(whole(Date::now()))
}

/// `14:05`, or `2:05 PM` where people write so.
pub(crate) fn time_of_day(time: UnixTime) -> String {
    format(time, None, &[("hour", "numeric"), ("minute", "2-digit")])
}

/// `2026-11-20T14:05:00.000Z`, for machines; nothing for times that no calendar has.
pub(crate) fn machine(time: UnixTime) -> Option<String> {
    let date = date(time);
    let exists = date.get_time().is_finite();
    exists.then(|| String::from(date.to_iso_string()))
}

/// `Friday, 20 November 2026`.
pub(crate) fn long_day(time: UnixTime) -> String {
    format(
        time,
        Some("en-GB"),
        &[
            ("weekday", "long"),
            ("day", "numeric"),
            ("month", "long"),
            ("year", "numeric"),
        ],
    )
}

/// `20 Nov`.
pub(crate) fn short_day(time: UnixTime) -> String {
    format(
        time,
        Some("en-GB"),
        &[("day", "numeric"), ("month", "short")],
    )
}

/// `Friday`.
pub(crate) fn weekday(time: UnixTime) -> String {
    format(time, Some("en-GB"), &[("weekday", "long")])
}

/// Days between the local day of `time` and today; 0 is today, negative is the future.
pub(crate) fn days_ago(time: UnixTime) -> i64 {
    local_day(now()) - local_day(time)
}

/// A number for the local calendar day.
pub(crate) fn local_day(time: UnixTime) -> i64 {
    let date = date(time);
    let shifted = date.get_time() - date.get_timezone_offset() * 60_000.0;
    let day = whole((shifted / 86_400_000.0).floor());
    i64::try_from(day).unwrap_or(0)
}

/// `1:07` or `1:02:07`.
pub(crate) fn duration(since: UnixTime, now: UnixTime) -> String {
    let seconds = now.as_secs().saturating_sub(since.as_secs());
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

fn format(time: UnixTime, locale: Option<&str>, options: &[(&str, &str)]) -> String {
    let locales = Array::new();
    if let Some(locale) = locale {
        locales.push(&JsValue::from_str(locale));
    }
    let settings = Object::new();
    for (key, value) in options {
        // Setting a property of a fresh object does not fail.
        drop(Reflect::set(
            &settings,
            &JsValue::from_str(key),
            &JsValue::from_str(value),
        ));
    }
    let format = Intl::DateTimeFormat::new(&locales, settings.unchecked_ref());
    let text = format.format().call1(&JsValue::UNDEFINED, &date(time));
    text.ok()
        .and_then(|text| text.as_string())
        .unwrap_or_default()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds of any calendar date fit 53 bits"
)]
fn date(time: UnixTime) -> Date {
    Date::new(&JsValue::from_f64(time.as_millis() as f64))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates; a clock before 1970 reads as 1970"
)]
fn whole(number: f64) -> u64 {
    number as u64
}
