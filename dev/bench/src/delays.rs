// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a relay adds to the time a datagram is on its way.

use std::time::Duration;

use crate::BenchError;
use crate::cores::Cores;
use crate::figures::{Table, maybe, quantile, ratio};
use crate::flows::{self, End, Relation};
use crate::generator::{Shape, Traffic};
use crate::payload::Pool;
use crate::servers::{Contender, Server};

const RATE: f64 = 20_000.0;
const FLOWS: usize = 20;
/// Many short ones, because one time slice of something else fills the last percent of a round.
const ROUNDS: usize = 12;
const ATTEMPTS: usize = 5;

/// Median and 99th percentile, in microseconds.
type Delay = (Option<f64>, Option<f64>);

/// Measures it at 20,000 datagrams a second and prints it.
pub(crate) fn measure(cores: Cores, round: Duration, pool: &Pool) -> Result<(), BenchError> {
    println!(
        "### Added delay at 20,000 datagrams a second, in microseconds: median / 99th percentile of calm rounds\n"
    );
    let mut table = Table::new(&[
        "20 flows, single",
        "Hither",
        "coturn",
        "floor, GRO/GSO",
        "floor, mmsg",
        "**Hither / coturn**",
        "without a relay",
    ]);
    let direct = flows::direct(FLOWS)?;
    for relation in [Relation::Pair, Relation::Peer] {
        let contenders = Server::all_with_flows(cores, relation, FLOWS)?;
        for payload in [160, 1_200] {
            let all: Vec<_> = contenders
                .iter()
                .map(|(server, ends)| (server.contender(), ends))
                .collect();
            let (alone, added) = compare(&direct, &all, round, pool, payload)?;
            let mut row = vec![format!("{}, {payload} B", relation.name())];
            row.extend(added.iter().map(write));
            let ((median, tail), (other_median, other_tail)) = (added[0], added[1]);
            row.push(format!(
                "**{} / {}**",
                ratio(median, other_median),
                ratio(tail, other_tail)
            ));
            row.push(write(&alone));
            table.row(row);
        }
    }
    table.print();
    Ok(())
}

fn compare(
    direct: &[End],
    all: &[(Contender, &Vec<End>)],
    round: Duration,
    pool: &Pool,
    payload: usize,
) -> Result<(Delay, Vec<Delay>), BenchError> {
    let shape = Shape {
        flows: FLOWS,
        burst: 1,
        payload,
    };
    let mut alone = Vec::new();
    let mut relayed = vec![Vec::new(); all.len()];
    for _ in 0..ROUNDS {
        alone.push(one_round(direct, pool, shape, round)?);
        for (&(contender, ends), rounds) in all.iter().zip(&mut relayed) {
            let delays = one_round(ends, pool, shape, round);
            rounds.push(delays.map_err(BenchError::during(contender, shape))?);
        }
    }
    let alone = middle(&alone);
    let less = |one: Option<f64>, other: Option<f64>| Some(one? - other?);
    let added = relayed.iter().map(|rounds| {
        let (median, tail) = middle(rounds);
        (less(median, alone.0), less(tail, alone.1))
    });
    Ok((alone, added.collect()))
}

/// A round that something else on the machine has spoilt is repeated, but not for ever.
fn one_round(
    ends: &[End],
    pool: &Pool,
    shape: Shape,
    time: Duration,
) -> Result<Vec<u64>, BenchError> {
    let mut traffic = Traffic::new(ends, pool, shape)?;
    let mut left = ATTEMPTS;
    loop {
        left -= 1;
        match traffic.delays(RATE, time) {
            Err(BenchError::Lossy(_)) if left > 0 => {}
            done => return done,
        }
    }
}

/// Over all rounds the median of the medians, and of the 99th percentiles the lower quartile: a quarter of
/// the rounds is calm even on a machine that does something else besides.
fn middle(rounds: &[Vec<u64>]) -> Delay {
    let micros = |thousandths: usize, of_rounds: usize| {
        let each = rounds.iter();
        let mut each: Vec<u64> = each.filter_map(|it| quantile(it, thousandths)).collect();
        each.sort_unstable();
        quantile(&each, of_rounds).map(|nanos| nanos as f64 / 1_000.0)
    };
    (micros(500, 500), micros(990, 250))
}

fn write(delay: &Delay) -> String {
    let one = |micros: Option<f64>| maybe(micros, |micros| format!("{micros:.1}"));
    format!("{} / {}", one(delay.0), one(delay.1))
}
