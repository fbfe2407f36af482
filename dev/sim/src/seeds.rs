// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs a scenario with many seeds, and names the one that fails.

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Runs only this seed of every scenario.
pub const SEED: &str = "HITHER_SIM_SEED";

/// Runs a scenario for `count` seeds, or for the one in the environment's `HITHER_SIM_SEED`.
///
/// # Panics
///
/// If the scenario does, after naming the seed.
#[expect(clippy::print_stderr, reason = "a test's seed is for people")]
pub fn each(count: u64, scenario: impl Fn(u64)) {
    let only = env::var(SEED).ok().and_then(|seed| seed.parse().ok());
    let seeds = only.map_or(0..count, |seed: u64| seed..seed + 1);
    for seed in seeds {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| scenario(seed))) {
            eprintln!("this seed fails; run it alone with {SEED}={seed}");
            resume_unwind(panic);
        }
    }
}
