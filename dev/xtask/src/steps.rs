// SPDX-License-Identifier: MIT OR Apache-2.0
//! A list of steps with their times, and how it ended.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::TaskError;

/// Runs steps one after the other. A step that fails does not stop those that do not need it: one
/// run shows all that is wrong.
pub(crate) struct Steps {
    root: PathBuf,
    done: Vec<(&'static str, Duration, bool)>,
}

impl Steps {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self {
            root,
            done: Vec::new(),
        }
    }

    /// Runs a step that no later step needs.
    pub(crate) fn run(
        &mut self,
        name: &'static str,
        step: impl FnOnce(&Path) -> Result<(), TaskError>,
    ) {
        let _succeeded = self.run_or_stop(name, step);
    }

    /// Runs a step and says whether it succeeded.
    pub(crate) fn run_or_stop(
        &mut self,
        name: &'static str,
        step: impl FnOnce(&Path) -> Result<(), TaskError>,
    ) -> bool {
        println!("\n=== {name}");
        let start = Instant::now();
        let outcome = step(&self.root);
        let took = start.elapsed();
        match &outcome {
            Ok(()) => println!("=== {name}: {}", spoken(took)),
            Err(error) => println!("=== {name}: FAILED after {}: {error}", spoken(took)),
        }
        self.done.push((name, took, outcome.is_ok()));
        outcome.is_ok()
    }

    /// Prints the summary.
    pub(crate) fn conclude(self) -> ExitCode {
        println!("\n=== summary");
        let mut total = Duration::ZERO;
        let mut failed = 0;
        for (name, took, succeeded) in &self.done {
            total += *took;
            failed += usize::from(!succeeded);
            let word = if *succeeded { "ok" } else { "FAILED" };
            println!("{word:>8}  {:>10}  {name}", spoken(*took));
        }
        println!("{:>8}  {:>10}  in all", "", spoken(total));
        if failed == 0 {
            ExitCode::SUCCESS
        } else {
            println!("\n{failed} of {} steps failed", self.done.len());
            ExitCode::FAILURE
        }
    }
}

fn spoken(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 60 {
        format!("{:.1} s", time.as_secs_f64())
    } else {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    }
}
