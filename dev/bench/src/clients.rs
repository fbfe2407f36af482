// SPDX-License-Identifier: MIT OR Apache-2.0
//! What clients cost before they send anything: set-ups, memory, and a crowd of allocations.

use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use crate::BenchError;
use crate::cores::{Cores, Memory};
use crate::figures::{Table, maybe, median, ratio, whole};
use crate::payload::Pool;
use crate::servers::{Contender, Server};
use crate::swarm::{Goal, Swarm, plain_peer};

const ROUNDS: usize = 3;

/// How many pairs of a crowd are tried.
const SAMPLE: usize = 500;

const TURN: [Contender; 2] = [Contender::Hither, Contender::Coturn];

/// Allocate with its challenge, permission and channel, `count` times a round.
pub(crate) fn measure_set_ups(cores: Cores, count: usize) -> Result<(), BenchError> {
    println!("### Set-ups: allocate (with its 401), permission, channel\n");
    let mut table = Table::new(&["to", "", "Hither", "coturn", "**Hither / coturn**"]);
    let (_peer, address) = plain_peer()?;
    for (name, goal) in [
        ("another allocation on this relay", Goal::Pair),
        ("a peer elsewhere", Goal::Peer(address)),
    ] {
        let mut figures = Vec::new();
        for contender in TURN {
            figures.push(set_ups(contender, cores, count, goal)?);
        }
        let rows = [
            "a second, measured",
            "µs of processor time each",
            "a second and core",
        ];
        for (row, what) in rows.into_iter().enumerate() {
            let picked = |contender: usize| figures[contender].map(|figures| figures[row]);
            table.row(vec![
                name.to_owned(),
                what.to_owned(),
                maybe(picked(0), whole),
                maybe(picked(1), whole),
                format!("**{}**", ratio(picked(0), picked(1))),
            ]);
        }
    }
    table.print();
    Ok(())
}

/// Set-ups a second, microseconds each, and how many of those a second has: medians.
fn set_ups(
    contender: Contender,
    cores: Cores,
    count: usize,
    goal: Goal,
) -> Result<Option<[f64; 3]>, BenchError> {
    let server = Server::turn(contender, cores)?;
    let mut swarm = Swarm::new(server.address()?, ROUNDS * count)?;
    let (mut rates, mut prices) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let before = server.nanos_used()?;
        let time = swarm.bring(round * count..(round + 1) * count, goal)?;
        let used = server.nanos_used()? - before;
        rates.push(count as f64 / time.as_secs_f64());
        prices.push(used as f64 / 1_000.0 / count as f64);
    }
    let both = median(rates).zip(median(prices));
    Ok(both.map(|(rate, price)| [rate, price, 1e6 / price]))
}

/// What `count` allocations hold, idle and with a permission and a channel each.
pub(crate) fn measure_memory(cores: Cores, count: usize) -> Result<(), BenchError> {
    println!(
        "### Memory for each of {} allocations, in KiB\n",
        whole(count as f64)
    );
    let mut table = Table::new(&["", "", "Hither", "coturn", "**Hither / coturn**"]);
    let mut columns = Vec::new();
    for contender in TURN {
        let server = Server::turn(contender, cores)?;
        let mut swarm = Swarm::new(server.address()?, count)?;
        let at_first = server.memory()?;
        swarm.bring(0..count, Goal::Allocation)?;
        let idle = server.memory()?;
        swarm.bring(0..count, Goal::Pair)?;
        let bound = server.memory()?;
        columns.push([idle, bound].map(|memory| each(at_first, memory, count)));
    }
    for (state, name) in ["idle", "with permission and channel"]
        .into_iter()
        .enumerate()
    {
        let rows = ["private", "resident", "kernel (slab of the whole machine)"];
        for (at, what) in rows.into_iter().enumerate() {
            let [hither, coturn] = [0, 1].map(|contender: usize| columns[contender][state][at]);
            let write = |figure: f64| format!("{figure:.2}");
            table.row(vec![
                name.to_owned(),
                what.to_owned(),
                write(hither),
                write(coturn),
                format!("**{}**", ratio(Some(hither), Some(coturn))),
            ]);
        }
    }
    table.print();
    Ok(())
}

/// Growth of private, resident and kernel memory for each allocation, in KiB.
fn each(before: Memory, after: Memory, count: usize) -> [f64; 3] {
    let grown = |before: u64, after: u64| (after as f64 - before as f64) / count as f64;
    [
        grown(before.private, after.private),
        grown(before.resident, after.resident),
        grown(before.kernel, after.kernel),
    ]
}

/// Makes `count` allocations in pairs, refreshes each, and lets a sample of the pairs talk.
pub(crate) fn measure_crowd(cores: Cores, count: usize, pool: &Pool) -> Result<(), BenchError> {
    println!(
        "### {} allocations at once on our relay\n",
        whole(count as f64)
    );
    let server = Server::turn(Contender::Hither, cores)?;
    let before = server.memory()?;
    let mut swarm = Swarm::new(server.address()?, count)?;
    let made = swarm.bring(0..count, Goal::Pair)?;
    let refreshed = swarm.bring(0..count, Goal::Refresh)?;
    let mut rng = ChaCha20Rng::seed_from_u64(count as u64);
    for _ in 0..SAMPLE {
        let pairs = count as u64 / 2;
        let pair = usize::try_from(rng.next_u64() % pairs).unwrap_or(0);
        swarm.talk(pair, pool)?;
    }
    let held = each(before, server.memory()?, count);
    let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
    let mut table = Table::new(&["what", "figure"]);
    table.row(vec![
        "made, each with permission and channel".to_owned(),
        seconds(made),
    ]);
    table.row(vec![
        "all refreshed, none lost".to_owned(),
        seconds(refreshed),
    ]);
    table.row(vec![
        format!("pairs that talked, of {SAMPLE}"),
        SAMPLE.to_string(),
    ]);
    table.row(vec![
        "requests repeated".to_owned(),
        swarm.repeats.to_string(),
    ]);
    table.row(vec![
        "KiB each, private".to_owned(),
        format!("{:.2}", held[0]),
    ]);
    table.print();
    Ok(())
}
