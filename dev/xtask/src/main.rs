// SPDX-License-Identifier: MIT OR Apache-2.0
//! One command for everything a developer or CI does: `cargo xtask`.
//!
//! The order of the steps, and the flags that they share, are chosen so that every dependency is
//! compiled once for each of four purposes: checked and built natively, checked for wasm, and
//! released. A flag that differs between two steps compiles hundreds of crates again.

#![expect(clippy::print_stdout, reason = "this program talks to people")]

mod cargo;
mod metadata;
mod steps;
mod tidy;
mod tools;

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use steps::Steps;

const HELP: &str = "\
Usage: cargo xtask <task>

Tasks:
  check   what to run at the desk: format, tidy, lints for native and wasm
  test    everything, from a clean clone: the tools that tests need, all of `check`, unit, property
          and vector tests, documentation, licences, the release build, and the tests in Chromium
  e2e     only the release build and the tests in Chromium; words after `e2e` choose among them
  lab     only those of networks: routers of every type, and calls between them; words after `lab`
          choose among them
  lab --matrix | --setup | --gaps
          every network with every other; times until the first picture, and gaps in sound when a
          network changes, beside a bare browser with coturn; words after these choose among the
          rows, and HITHER_RUNS says how many calls a row has
  lab --quality [words]
          sound and pictures on links that lose packets or shrink, beside the bare browser; words choose:
          loss, shrink, 0, 5, 10, hither, bare
  lab --rate
          the share of calls that go directly among published distributions of NATs, by simulation;
          and the gaps in sound when a path is cut, in virtual time
  bench   the release build and the benches; words after `bench` name those to run
  bench relay [--quick] [--only <names>]
          the relay beside coturn and a bare forwarder, without a build of the client
  tidy    the laws of the tree that no compiler knows
  deny    licences, sources and bans of dependencies
  tools   install what tests need, or say what to install

Environment:
  HITHER_BIN        the hither binary that `e2e` tests, instead of a release build
  HITHER_ARTIFACTS  where pictures and logs go (default: artifacts/)
  CHROMIUM          the Chromium to use (default: Debian's)
  HITHER_SIM_SEED   the only seed that simulations run, to see one fail again
";

/// What `lab` prints instead of testing.
const MEASURES: [&str; 3] = ["--matrix", "--setup", "--gaps"];

/// Why a task did not succeed.
#[derive(Debug, thiserror::Error)]
enum TaskError {
    /// A program could not be started.
    #[error("{program} could not be started: {source}")]
    Start {
        /// The program.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A program ran and failed; it has said why.
    #[error("{0} failed")]
    Failed(String),
    /// A file could not be read.
    #[error("{} could not be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Cargo described the workspace in a way that is not understood.
    #[error("cargo metadata is not understood: {0}")]
    Metadata(&'static str),
    /// Laws of the tree are broken.
    #[error("{} broken:\n{}", plural(.0.len(), "law is", "laws are"), .0.join("\n"))]
    Untidy(Vec<String>),
    /// Something has to be installed by hand.
    #[error("{0}")]
    Missing(String),
}

fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let task = arguments.next();
    let rest: Vec<String> = arguments.collect();
    let mut steps = Steps::new(root());
    match task.as_deref() {
        Some("check") => check(&mut steps),
        Some("test") => test(&mut steps),
        Some("e2e") => e2e(&mut steps, &rest),
        Some("lab") if rest == ["--rate"] => {
            steps.run("the direct rate", |root| cargo::simulate(root, "rate"));
            steps.run("gaps in virtual time", |root| cargo::simulate(root, "gaps"));
        }
        Some("lab") if rest.first().is_some_and(|word| word == "--quality") => {
            quality(&mut steps, &rest);
        }
        Some("lab") if rest.iter().any(|word| MEASURES.contains(&word.as_str())) => {
            measure(&mut steps, &rest);
        }
        Some("lab") => lab(&mut steps, &rest),
        Some("bench") => match rest.split_first() {
            Some((name, options)) if name == "relay" => bench_relay(&mut steps, options),
            _ => bench(&mut steps, &rest),
        },
        Some("tidy") => steps.run("tidy", tidy::tidy),
        Some("deny") => steps.run("dependencies", tools::deny),
        Some("tools") => steps.run("tools", tools::install),
        Some("help" | "--help" | "-h") => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        _ => {
            println!("{HELP}");
            return ExitCode::FAILURE;
        }
    }
    steps.conclude()
}

fn check(steps: &mut Steps) {
    steps.run("format", cargo::format);
    steps.run("tidy", tidy::tidy);
    steps.run("lints, native", cargo::lint_native);
    steps.run("lints, wasm", cargo::lint_wasm);
}

fn test(steps: &mut Steps) {
    steps.run("tools", tools::install);
    check(steps);
    steps.run("unit, property and vector tests", cargo::test);
    steps.run("documentation", cargo::document);
    steps.run("dependencies", tools::deny);
    e2e(steps, &[]);
}

fn e2e(steps: &mut Steps, chosen: &[String]) {
    // Without a binary there is nothing to test.
    if steps.run_or_stop("release build", cargo::release) {
        steps.run("tests in Chromium", |root| cargo::e2e(root, chosen));
    }
}

/// Where network namespaces are not allowed, its tests say so and pass.
/// The bench of calls over networks.
fn measure(steps: &mut Steps, flags: &[String]) {
    if steps.run_or_stop("tools", tools::install)
        && steps.run_or_stop("release build", cargo::release)
    {
        steps.run("the bench of networks", |root| {
            cargo::bench_network(root, flags)
        });
    }
}

fn quality(steps: &mut Steps, words: &[String]) {
    if steps.run_or_stop("tools", tools::install)
        && steps.run_or_stop("release build", cargo::release)
    {
        steps.run("the bench of quality", |root| {
            cargo::bench_quality(root, words)
        });
    }
}

fn lab(steps: &mut Steps, chosen: &[String]) {
    if steps.run_or_stop("tools", tools::install)
        && steps.run_or_stop("release build", cargo::release)
    {
        steps.run("the laboratory", |root| cargo::lab(root, chosen));
    }
}

fn bench(steps: &mut Steps, chosen: &[String]) {
    if steps.run_or_stop("release build", cargo::release) {
        steps.run("benches", |root| cargo::bench(root, chosen));
    }
}

fn bench_relay(steps: &mut Steps, options: &[String]) {
    if steps.run_or_stop("coturn", |root| tools::install_only(root, "turnserver")) {
        steps.run("bench of the relay", |root| {
            cargo::bench_relay(root, options)
        });
    }
}

/// Tells the person at the terminal something.
fn say(words: &str) {
    println!("{words}");
}

/// The root of the workspace.
fn root() -> PathBuf {
    // `cargo run` says where this package is; a binary that was moved asks the directory it is in.
    let manifest_dir = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let start = manifest_dir.or_else(|| env::current_dir().ok());
    let start = start.unwrap_or_else(|| PathBuf::from("."));
    start
        .ancestors()
        .find(|dir| dir.join("Cargo.lock").is_file())
        .map_or_else(|| start.clone(), Path::to_owned)
}
