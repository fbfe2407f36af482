// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls over networks: everybody with everybody; and beside those of a bare browser in the same networks and the same
//! run, how long until the first picture, and how long nothing is heard when a network changes in mid-call. Prints
//! tables for `docs/benchmarks.md`.
//!
//! `cargo xtask lab --matrix`, `--setup` and `--gaps` start it. Words after these choose among the rows.

#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]
#![expect(clippy::expect_used, reason = "a bench may fail loudly")]

#[path = "network/duel.rs"]
mod duel;
#[path = "../tests/paths/expectation.rs"]
mod expectation;
#[path = "network/figures.rs"]
mod figures;
#[path = "network/gaps.rs"]
mod gaps;
#[path = "network/matrix.rs"]
mod matrix;
#[path = "../tests/paths/pair.rs"]
mod pair;
#[path = "../tests/paths/place.rs"]
mod place;
#[path = "network/setup.rs"]
mod setup;
#[path = "../tests/paths/town.rs"]
mod town;
#[path = "../tests/paths/traffic.rs"]
mod traffic;

use std::env;

use hither_lab::LabError;

fn main() -> Result<(), LabError> {
    // Cargo adds a flag of its own.
    let words: Vec<String> = env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let (flags, chosen): (Vec<String>, Vec<String>) =
        words.into_iter().partition(|word| word.starts_with("--"));
    let asked = |flag: &str| flags.is_empty() || flags.iter().any(|one| one == flag);
    let runs = env::var("HITHER_RUNS")
        .ok()
        .and_then(|runs| runs.parse().ok());
    if asked("--matrix") {
        matrix::print(&chosen)?;
    }
    if asked("--setup") {
        setup::print(&chosen, runs.unwrap_or(15))?;
    }
    if asked("--gaps") {
        gaps::print(&chosen, runs.unwrap_or(5))?;
    }
    Ok(())
}
