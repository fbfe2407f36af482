// SPDX-License-Identifier: MIT OR Apache-2.0
//! `hither-sim rate`: the share of calls that go directly. `hither-sim gaps`: how long sound is missing when a
//! path is cut, in virtual time.

#![expect(clippy::print_stdout, reason = "this program talks to people")]

use std::env;
use std::process::ExitCode;

use hither_sansio::Duration;
use hither_sim::dice::Dice;
use hither_sim::nat::Dependence;
use hither_sim::rate::{POPULATIONS, Population, direct};
use hither_sim::world::{Fault, Plan, World};

/// People whose network has no UDP, of a thousand: 9 % of calls needed TURN over TCP or TLS (callstats.io,
/// 2016), and 1 − (1 − 0.046)² = 0.09.
const BLOCKED: u32 = 46;

const SEEDS: u64 = 1_000;

fn main() -> ExitCode {
    match env::args().nth(1).as_deref() {
        Some("rate") => rate(),
        Some("gaps") => gaps(),
        _ => {
            println!("Usage: hither-sim rate | gaps");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn rate() {
    println!("| pairs of | direct, at least | at most | … with 4.6 % without UDP |");
    println!("|---|---:|---:|---:|");
    for population in &POPULATIONS {
        row(population.name, population, population);
    }
    row(
        "a fixed and a mobile line, 2016",
        &POPULATIONS[2],
        &POPULATIONS[3],
    );
}

/// At least: every filter depends on the port. At most: none does.
fn row(name: &str, these: &Population, those: &Population) {
    let share = |blocked: u32, filtering| {
        100.0
            * direct(
                &these.without_udp(blocked),
                &those.without_udp(blocked),
                filtering,
            )
    };
    let [low, high] = [Dependence::AddressAndPort, Dependence::Address].map(|f| share(0, f));
    let [blocked_low, blocked_high] =
        [Dependence::AddressAndPort, Dependence::Address].map(|f| share(BLOCKED, f));
    println!("| {name} | {low:.0} % | {high:.0} % | {blocked_low:.0}–{blocked_high:.0} % |");
}

fn gaps() {
    println!("| direct call, then | median gap | 95th percentile | longest | calls |");
    println!("|---|---:|---:|---:|---:|");
    let cut = |who, cut| Fault::CutLine(who, cut);
    let faults = [
        ("direct cut", Fault::CutDirect(true), None),
        ("a NAT forgets its mappings", Fault::Rebind(0, false), None),
        ("a NAT gets another address", Fault::Rebind(0, true), None),
        ("UDP blocked", Fault::BlockUdp(0, true), None),
        ("everything cut for 3 s", cut(0, true), Some(cut(0, false))),
    ];
    for (name, fault, end) in faults {
        let gaps = (0..SEEDS).flat_map(|seed| gap(seed, fault, end));
        let mut found: Vec<u128> = gaps.collect();
        found.sort_unstable();
        let at = |share: usize| found.get(found.len() * share / 100).copied().unwrap_or(0);
        let (median, late) = (at(50), at(95));
        let longest = found.last().copied().unwrap_or(0);
        let calls = found.len() / 2;
        println!("| {name} | {median} ms | {late} ms | {longest} ms | {calls} |");
    }
}

/// The longest gap of each side around a fault, if the call was direct before; the fault ends after 3 s, if it
/// does.
fn gap(seed: u64, fault: Fault, end: Option<Fault>) -> Vec<u128> {
    let plan = Plan::any(&mut Dice::new(seed));
    if !plan.permits_direct() {
        return Vec::new();
    }
    let mut world = World::new(&plan, seed);
    world.run(Duration::from_secs(9));
    let start = world.now;
    world.apply(fault);
    if let Some(end) = end {
        world.after(Duration::from_secs(3), end);
    }
    world.run(Duration::from_secs(8));
    let gap = |side: &hither_sim::side::Side| side.longest_gap(start, world.now).as_millis();
    world.sides.iter().map(gap).collect()
}
