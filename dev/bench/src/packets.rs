// SPDX-License-Identifier: MIT OR Apache-2.0
//! How many datagrams a second, and at what price.

use std::fmt;
use std::time::Duration;

use crate::BenchError;
use crate::cores::Cores;
use crate::figures::{Table, maybe, median, ratio, whole};
use crate::flows::{self, End, Relation};
use crate::generator::{Shape, Tally, Traffic};
use crate::payload::Pool;
use crate::servers::Server;

/// What may be lost at the highest rate that counts.
const MAX_LOSS: f64 = 0.005;

/// The price is measured at this part of the highest rate.
const LOAD: f64 = 0.9;

/// How many flows are set up.
pub(crate) const FLOWS: usize = 500;

/// How long, how often and with what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Effort {
    pub(crate) probe: Duration,
    pub(crate) step: Duration,
    pub(crate) steps: usize,
    pub(crate) round: Duration,
    pub(crate) rounds: usize,
    /// Flows and datagrams in a burst.
    pub(crate) patterns: Vec<(usize, usize)>,
}

impl Effort {
    /// For figures that shall stand.
    pub(crate) fn full() -> Self {
        Self {
            probe: Duration::from_millis(40),
            step: Duration::from_millis(120),
            steps: 6,
            round: Duration::from_millis(150),
            rounds: 3,
            patterns: vec![
                (1, 20),
                (1, 8),
                (1, 1),
                (64, 20),
                (64, 8),
                (64, 1),
                (500, 1),
            ],
        }
    }

    /// For a look.
    pub(crate) fn quick() -> Self {
        Self {
            probe: Duration::from_millis(20),
            step: Duration::from_millis(50),
            steps: 4,
            round: Duration::from_millis(60),
            rounds: 3,
            patterns: vec![(1, 8), (64, 8), (500, 1)],
        }
    }
}

/// What one contender does with one shape.
#[derive(Debug, Default)]
struct Figure {
    /// Datagrams a second with little loss.
    rate: f64,
    /// The generator could not send more.
    is_bound: bool,
    /// Nanoseconds a datagram, of each round.
    prices: Vec<f64>,
    /// Datagrams that overtook others.
    reordered: u64,
}

impl Figure {
    fn price(&self) -> Option<f64> {
        median(self.prices.clone())
    }
}

struct Line {
    relation: Relation,
    shape: Shape,
    /// In the order of `Contender::ALL`.
    figures: Vec<Figure>,
    generator: f64,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.relation.name(), self.shape)
    }
}

/// Measures everything and prints it.
pub(crate) fn measure(cores: Cores, effort: &Effort, pool: &Pool) -> Result<(), BenchError> {
    let mut lines = Vec::new();
    let direct = flows::direct(FLOWS)?;
    for relation in [Relation::Pair, Relation::Peer] {
        let contenders = Server::all_with_flows(cores, relation, FLOWS)?;
        for payload in [160, 1_200] {
            for &(flows, burst) in &effort.patterns {
                let shape = Shape {
                    flows,
                    burst,
                    payload,
                };
                lines.push(Line {
                    relation,
                    shape,
                    figures: compare(&contenders, effort, pool, shape)?,
                    generator: Traffic::new(&direct, pool, shape)?
                        .saturate(effort.probe, window(shape))?
                        .carried(),
                });
            }
        }
    }
    print_prices(&lines);
    print_rates(&lines);
    Ok(())
}

/// The highest rate of each, then rounds in which all take turns.
fn compare(
    contenders: &[(Server, Vec<End>)],
    effort: &Effort,
    pool: &Pool,
    shape: Shape,
) -> Result<Vec<Figure>, BenchError> {
    let mut figures = Vec::new();
    for (server, ends) in contenders {
        let figure = highest_rate(&mut Traffic::new(ends, pool, shape)?, effort, shape);
        figures.push(figure.map_err(BenchError::during(server.contender(), shape))?);
    }
    for _ in 0..effort.rounds {
        for ((server, ends), figure) in contenders.iter().zip(&mut figures) {
            let mut traffic = Traffic::new(ends, pool, shape)?;
            let before = server.nanos_used()?;
            let tally = traffic.pace(figure.rate * LOAD, effort.round);
            let tally = tally.map_err(BenchError::during(server.contender(), shape))?;
            let used = server.nanos_used()? - before;
            let relayed = tally.received + tally.late;
            if relayed > 0 {
                figure.prices.push(used as f64 / relayed as f64);
            }
            figure.reordered += tally.reordered;
        }
    }
    Ok(figures)
}

/// Looks for the rate above which more is lost than may be.
fn highest_rate(
    traffic: &mut Traffic<'_>,
    effort: &Effort,
    shape: Shape,
) -> Result<Figure, BenchError> {
    let mut rate = 0.9
        * traffic
            .saturate(effort.probe, window(shape))?
            .carried()
            .max(1_000.0);
    let (mut low, mut high) = (0.0, f64::INFINITY);
    let mut step = 0;
    while step < effort.steps || (low == 0.0 && step < 2 * effort.steps) {
        step += 1;
        let mut tally = traffic.pace(rate, effort.step)?;
        let is_behind = |tally: &Tally| tally.offered() < 0.97 * rate;
        if tally.loss() > MAX_LOSS || is_behind(&tally) {
            // Once may be an accident.
            tally = traffic.pace(rate, effort.step)?;
        }
        if tally.loss() > MAX_LOSS {
            high = rate;
            rate = if low > 0.0 {
                (low + high) / 2.0
            } else {
                0.8 * rate
            };
            continue;
        }
        low = tally.offered();
        if is_behind(&tally) {
            return Ok(Figure {
                rate: low,
                is_bound: true,
                ..Figure::default()
            });
        }
        rate = if high.is_finite() {
            (low + high) / 2.0
        } else {
            1.15 * rate
        };
    }
    Ok(Figure {
        rate: low,
        ..Figure::default()
    })
}

/// How much is on its way when nothing shall be lost.
fn window(shape: Shape) -> u64 {
    let a_round = 2 * shape.flows * shape.burst;
    (a_round as u64).clamp(4 * shape.burst as u64, 512)
}

fn print_prices(lines: &[Line]) {
    println!("### Processor time of the relay for each datagram, in nanoseconds\n");
    let mut table = Table::new(&[
        "both directions",
        "Hither",
        "coturn",
        "floor, GRO/GSO",
        "floor, mmsg",
        "**Hither / coturn**",
        "Hither / floor",
    ]);
    for line in lines {
        let [hither, coturn, segmented, batched] = [0, 1, 2, 3].map(|at| line.figures[at].price());
        let floor = median_or(segmented, batched, f64::min);
        let mut row = vec![line.to_string()];
        row.extend([hither, coturn, segmented, batched].map(|price| maybe(price, whole)));
        row.extend([
            format!("**{}**", ratio(hither, coturn)),
            ratio(hither, floor),
        ]);
        table.row(row);
    }
    table.print();
}

fn print_rates(lines: &[Line]) {
    println!("### Datagrams a second with less than 0.5 % lost, on one core\n");
    let mut table = Table::new(&[
        "both directions",
        "Hither",
        "coturn",
        "floor, GRO/GSO",
        "floor, mmsg",
        "**Hither / coturn**",
        "Hither / floor",
        "generator alone",
    ]);
    for line in lines {
        let [hither, coturn, segmented, batched] = [0, 1, 2, 3].map(|at| &line.figures[at]);
        let write = |figure: &Figure| {
            let at_least = if figure.is_bound { "≥ " } else { "" };
            let mark = if figure.reordered > 0 { " †" } else { "" };
            format!("{at_least}{}{mark}", whole(figure.rate))
        };
        let mut row = vec![line.to_string()];
        row.extend([hither, coturn, segmented, batched].map(write));
        row.push(format!(
            "**{}**",
            ratio(Some(hither.rate), Some(coturn.rate))
        ));
        row.push(ratio(
            Some(hither.rate),
            Some(segmented.rate.max(batched.rate)),
        ));
        row.push(whole(line.generator));
        table.row(row);
    }
    table.print();
    println!("≥: the generator could not send more. †: some datagrams overtook others.\n");
}

fn median_or(
    one: Option<f64>,
    other: Option<f64>,
    choose: impl Fn(f64, f64) -> f64,
) -> Option<f64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(choose(one, other)),
        (one, other) => one.or(other),
    }
}
