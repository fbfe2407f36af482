// SPDX-License-Identifier: MIT OR Apache-2.0
//! What relaying a datagram costs: our relay, Debian's coturn and a bare forwarder, measured in the same run.
//!
//! `cargo xtask bench relay` builds and runs it. Each contender is a process on one core, the generator is
//! on another; every payload is checked byte by byte, and a damaged or misdirected one ends the bench. All
//! goes over loopback, on Linux. Browsers and calls are left to `dev/lab`.

#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this program talks to people"
)]

mod clients;
mod cores;
mod delays;
mod figures;
mod floor;
mod flows;
mod generator;
mod packets;
mod payload;
mod serve;
mod servers;
mod swarm;
mod turn;

#[cfg(test)]
mod tests;

use std::env;
use std::fs;
use std::io;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::cores::{Cores, Others};
use crate::floor::Means;
use crate::flows::Relation;
use crate::packets::Effort;
use crate::payload::Pool;
use crate::servers::Contender;

const HELP: &str = "\
Usage: cargo xtask bench relay [--quick] [--only <names>] [--shapes <flows>x<burst>]

  --quick            fewer shapes and shorter rounds: under a minute
  --only <names>     some of: packets, delays, setups, memory, crowd; with commas between
  --shapes <shapes>  what is sent for `packets`: 1x20 is one flow in bursts of twenty; with commas between
";

const SECTIONS: [&str; 5] = ["packets", "delays", "setups", "memory", "crowd"];

/// Why the bench did not come to its end.
#[derive(Debug, thiserror::Error)]
enum BenchError {
    /// The system refused something.
    #[error("could not {attempt}: {source}")]
    Io {
        /// What was attempted.
        attempt: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Our relay did not start.
    #[error("the relay did not start: {0}")]
    Start(#[source] Box<hither_relay::StartError>),
    /// A relay does not answer.
    #[error("a relay does not answer")]
    Silent,
    /// A relay refused what it should grant.
    #[error("{0} was refused with {1}")]
    Refused(&'static str, u16),
    /// A payload is not what was sent.
    #[error("a relay damages what it carries: {0}")]
    Damaged(&'static str),
    /// One of those that are measured is to blame.
    #[error("{contender}, {what}: {source}")]
    During {
        /// Who.
        contender: Contender,
        /// What it was asked to do.
        what: String,
        /// What went wrong.
        source: Box<Self>,
    },
    /// Too much was lost where nothing should be.
    #[error("{:.2} % were lost at a rate that should be easy", .0 * 100.0)]
    Lossy(f64),
    /// A measurement asks for more flows than were set up.
    #[error("there are not as many flows")]
    TooFewFlows,
    /// Relay and generator need a core each.
    #[error("the bench needs two cores")]
    OneCore,
}

impl BenchError {
    fn io(attempt: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { attempt, source }
    }

    fn during(contender: Contender, what: impl ToString) -> impl FnOnce(Self) -> Self {
        move |source| Self::During {
            contender,
            what: what.to_string(),
            source: Box::new(source),
        }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["serve-relay", listen] => match listen.parse() {
            Ok(listen) => serve::serve(listen),
            Err(_) => return usage(),
        },
        ["serve-floor", means, relation] => match (parse_means(means), parse_relation(relation)) {
            (Some(means), Some(relation)) => {
                floor::serve(means, relation, io::stdin().lock(), io::stdout().lock())
            }
            _ => return usage(),
        },
        _ => match Choice::parse(&words) {
            Some(choice) => bench(&choice),
            None => return usage(),
        },
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprint!("{HELP}");
    ExitCode::FAILURE
}

/// What shall be measured.
#[derive(Debug, PartialEq, Eq)]
struct Choice {
    is_quick: bool,
    sections: Vec<&'static str>,
    shapes: Option<Vec<(usize, usize)>>,
}

impl Choice {
    fn parse(words: &[&str]) -> Option<Self> {
        let mut choice = Self {
            is_quick: false,
            sections: SECTIONS.to_vec(),
            shapes: None,
        };
        let mut words = words.iter();
        while let Some(&word) = words.next() {
            match word {
                "--quick" => choice.is_quick = true,
                "--only" => {
                    let names = words.next()?.split(',');
                    let known = |name: &str| SECTIONS.into_iter().find(|&section| section == name);
                    choice.sections = names.map(known).collect::<Option<_>>()?;
                }
                "--shapes" => {
                    let shapes = words.next()?.split(',');
                    choice.shapes = Some(shapes.map(parse_shape).collect::<Option<_>>()?);
                }
                _ => return None,
            }
        }
        Some(choice)
    }

    fn effort(&self) -> Effort {
        let mut effort = if self.is_quick {
            Effort::quick()
        } else {
            Effort::full()
        };
        if let Some(shapes) = &self.shapes {
            effort.patterns.clone_from(shapes);
        }
        effort
    }

    fn has(&self, section: &str) -> bool {
        self.sections.contains(&section)
    }
}

fn bench(choice: &Choice) -> Result<(), BenchError> {
    let (start, others) = (Instant::now(), Others::watch());
    raise_file_limit()?;
    let cores = Cores::choose()?;
    cores.pin_generator()?;
    let pool = Pool::new();
    let is_quick = choice.is_quick;
    if choice.has("packets") {
        packets::measure(cores, &choice.effort(), &pool)?;
    }
    if choice.has("delays") {
        let round = Duration::from_millis(if is_quick { 40 } else { 100 });
        delays::measure(cores, round, &pool)?;
    }
    if choice.has("setups") {
        clients::measure_set_ups(cores, if is_quick { 500 } else { 2_000 })?;
    }
    if choice.has("memory") {
        clients::measure_memory(cores, if is_quick { 2_000 } else { 10_000 })?;
    }
    if choice.has("crowd") {
        clients::measure_crowd(cores, 50_000, &pool)?;
    }
    println!(
        "{} {:.0} s, while others used {:.0} % of the cores.",
        machine(),
        start.elapsed().as_secs_f64(),
        others.percent(),
    );
    Ok(())
}

/// coturn opens a socket for each allocation.
fn raise_file_limit() -> Result<(), BenchError> {
    let raise = || {
        let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
        setrlimit(Resource::RLIMIT_NOFILE, most, most)
    };
    raise()
        .map_err(|error: nix::Error| BenchError::io("raise the limit of open files")(error.into()))
}

/// What it was measured on.
fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let processor = read("/proc/cpuinfo");
    let model = processor
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("unknown", |line| line.trim_start_matches([' ', '\t', ':']));
    let count = processor
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let kernel = read("/proc/sys/kernel/osrelease");
    let coturn = servers::coturn_version().unwrap_or_else(|| "none".to_owned());
    format!(
        "{count} × {model}, Linux {}, Hither {}, coturn {coturn}; loopback, one core for the relay and one for the \
         generator, medians; measured in",
        kernel.trim_end(),
        env!("CARGO_PKG_VERSION"),
    )
}

/// Flows and datagrams in a burst, within what there is room for.
fn parse_shape(text: &str) -> Option<(usize, usize)> {
    let (flows, burst) = text.split_once('x')?;
    let (flows, burst) = (flows.parse().ok()?, burst.parse().ok()?);
    ((1..=packets::FLOWS).contains(&flows) && (1..=40).contains(&burst)).then_some((flows, burst))
}

fn parse_means(name: &str) -> Option<Means> {
    [Means::Batched, Means::Segmented]
        .into_iter()
        .find(|means| means.name() == name)
}

fn parse_relation(name: &str) -> Option<Relation> {
    [Relation::Pair, Relation::Peer]
        .into_iter()
        .find(|relation| relation.name() == name)
}
