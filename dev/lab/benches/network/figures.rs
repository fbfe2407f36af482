// SPDX-License-Identifier: MIT OR Apache-2.0
//! Medians and percentiles.

/// The value in the middle.
pub(super) fn median(values: &[f64]) -> f64 {
    percentile(values, 50)
}

/// The smallest value that so many per cent of all do not exceed.
pub(super) fn percentile(values: &[f64], per_cent: usize) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let rank = (values.len() * per_cent).div_ceil(100).max(1);
    values.get(rank - 1).copied().unwrap_or(f64::NAN)
}

/// All of them, for people.
pub(super) fn list(values: &[f64]) -> String {
    let words: Vec<String> = values.iter().map(|value| format!("{value:.0}")).collect();
    words.join(" ")
}
