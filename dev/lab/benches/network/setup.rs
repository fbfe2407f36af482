// SPDX-License-Identifier: MIT OR Apache-2.0
//! How long from "call" to the first picture.

use std::time::Duration;

use hither_lab::{BareTimes, LabError, Restart};
use serde_json::json;

use crate::duel::{Both, Duel};
use crate::figures::{median, percentile};

const CLASSES: [Both; 4] = [Both::Open, Both::Home, Both::Narrow, Both::Https];

/// Milliseconds from one side to the other and back.
const ROUND_TRIPS: [u64; 2] = [20, 80];

/// For how long it rings, milliseconds.
const RINGS: [u32; 2] = [0, 1000];

/// One call's steps, milliseconds since the click, without the ringing.
#[derive(Debug, Clone, Copy)]
struct Steps {
    rung: f64,
    connected: f64,
    seen: f64,
}

/// Prints the table of set-up times.
pub(super) fn print(chosen: &[String], runs: usize) -> Result<(), LabError> {
    println!(
        "| pair | round trip | rings | first picture, median / p95 | bare | ratio | until it rings | bare | until connected | bare |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for both in CLASSES {
        let name = both.name();
        if chosen.is_empty() || chosen.iter().any(|word| name.contains(word.as_str())) {
            class(both, runs)?;
        }
    }
    Ok(())
}

fn class(both: Both, runs: usize) -> Result<(), LabError> {
    let duel = Duel::between(both, 1)?;
    for round_trip in ROUND_TRIPS {
        duel.round_trip(Duration::from_millis(round_trip));
        for ring in RINGS {
            let (mut ours, mut bare) = (Vec::new(), Vec::new());
            // The first of each warms everything up and is not counted.
            for run in 0..=runs {
                let times = (our_call(&duel, ring)?, bare_call(&duel, ring)?);
                if run > 0 {
                    ours.push(times.0);
                    bare.push(times.1);
                }
            }
            row(both, round_trip, ring, &ours, &bare);
        }
    }
    Ok(())
}

fn row(both: Both, round_trip: u64, ring: u32, ours: &[Steps], bare: &[Steps]) {
    let all = |steps: &[Steps], of: fn(&Steps) -> f64| steps.iter().map(of).collect::<Vec<_>>();
    let seen = [all(ours, |one| one.seen), all(bare, |one| one.seen)];
    let of = |of: fn(&Steps) -> f64| [median(&all(ours, of)), median(&all(bare, of))];
    let (rung, connected) = (of(|one| one.rung), of(|one| one.connected));
    println!(
        "| {} | {round_trip} ms | {ring} ms | {:.0} / {:.0} ms | {:.0} / {:.0} ms | {:.2} / {:.2} | {:.0} | {:.0} | {:.0} | {:.0} |",
        both.name(),
        median(&seen[0]),
        percentile(&seen[0], 95),
        median(&seen[1]),
        percentile(&seen[1], 95),
        median(&seen[0]) / median(&seen[1]),
        percentile(&seen[0], 95) / percentile(&seen[1], 95),
        rung[0],
        rung[1],
        connected[0],
        connected[1],
    );
}

fn our_call(duel: &Duel, ring: u32) -> Result<Steps, LabError> {
    let [ana, ben] = [&duel.sides[0].person, &duel.sides[1].person];
    for person in [ana, ben] {
        let set = "(ring) => { stopwatch.ring = ring; stopwatch.begin() }";
        person.page().call_function(set, &[json!(ring)])?;
    }
    ana.call(true)?;
    let mut times = Vec::new();
    for person in [ana, ben] {
        person.page().wait_for(
            "stopwatch.times.seen && stopwatch.times.connected",
            "the first picture",
        )?;
        times.push(person.page().eval_as("stopwatch.times")?);
    }
    // Whoever hangs up before the path has settled would measure another call than people make.
    ana.wait_for_route(duel.best())?;
    ana.hang_up()?;
    ana.wait_for_end("hung-up")?;
    ben.wait_for_end("remote-hung-up")?;
    steps(times[0], times[1])
}

fn bare_call(duel: &Duel, ring: u32) -> Result<Steps, LabError> {
    let [ana, ben] = [&duel.sides[0].bare, &duel.sides[1].bare];
    for phone in [ana, ben] {
        phone.set(ring, Restart::OnDisconnected)?;
    }
    ana.call()?;
    let times = (ana.times()?, ben.times()?);
    ana.hang_up()?;
    ben.page().wait_for("!bare.pc", "the call to end")?;
    steps(times.0, times.1)
}

/// The caller's steps; how long it rang is the callee's affair.
fn steps(caller: BareTimes, callee: BareTimes) -> Result<Steps, LabError> {
    let missing = || LabError::Unexpected(format!("{caller:?} {callee:?}"));
    let called = caller.called.ok_or_else(missing)?;
    let rang = callee.rang.ok_or_else(missing)?;
    let rung_for = callee.accepted.ok_or_else(missing)? - rang;
    Ok(Steps {
        rung: rang - called,
        connected: caller.connected.ok_or_else(missing)? - called - rung_for,
        seen: caller.seen.ok_or_else(missing)? - called - rung_for,
    })
}
