// SPDX-License-Identifier: MIT OR Apache-2.0
//! What cargo is asked to do.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::TaskError;
use crate::metadata::packages;

/// Crates that only a browser can run.
const BROWSER_ONLY: [&str; 3] = ["hither-browser", "hither-web", "hither-worker"];

/// Crates that run in a browser as well as natively.
const SHARED: [&str; 5] = [
    "hither-api",
    "hither-crypto",
    "hither-endpoint",
    "hither-path",
    "hither-sansio",
];

/// The package whose tests start browsers.
const LABORATORY: &str = "hither-lab";

/// Its tests of networks: the routers and links themselves, and calls through them.
const NETWORKS: [&str; 5] = ["net", "paths", "quality", "ringing", "survive"];

/// The bench of calls over networks, which takes long and runs when asked for by name.
const NETWORK: &str = "network";

/// The bench of sound and pictures, likewise.
const QUALITY: &str = "quality";

/// Turns on the tests that start browsers. Lints compile them too, so that the two agree.
const E2E: [&str; 2] = ["--features", "hither-lab/e2e"];

/// The format of every file.
pub(crate) fn format(root: &Path) -> Result<(), TaskError> {
    run(cargo(root).args(["fmt", "--all", "--check"]))
}

/// Lints of everything that runs natively, tests included.
pub(crate) fn lint_native(root: &Path) -> Result<(), TaskError> {
    run(native(root, "clippy")
        .arg("--all-targets")
        .args(E2E)
        .args(["--", "-D", "warnings"]))
}

/// Lints of everything that runs in a browser.
pub(crate) fn lint_wasm(root: &Path) -> Result<(), TaskError> {
    let mut command = cargo(root);
    command.args(["clippy", "--locked", "--target", "wasm32-unknown-unknown"]);
    for package in BROWSER_ONLY.iter().chain(&SHARED) {
        command.args(["--package", package]);
    }
    run(command.args(["--", "-D", "warnings"]))
}

/// Unit, property, vector and documentation tests: all that need neither browser nor release.
pub(crate) fn test(root: &Path) -> Result<(), TaskError> {
    run(native(root, "test").arg("--no-fail-fast"))
}

/// The documentation, where every link must lead somewhere.
pub(crate) fn document(root: &Path) -> Result<(), TaskError> {
    run(native(root, "doc")
        .arg("--no-deps")
        .env("RUSTDOCFLAGS", "-D warnings"))
}

/// What `cargo build --release` gives to a person, client included; or what `HITHER_BIN` names.
pub(crate) fn release(root: &Path) -> Result<(), TaskError> {
    if env::var_os("HITHER_BIN").is_some() {
        return Ok(());
    }
    run(cargo(root).args(["build", "--release", "--locked"]))
}

/// The tests that start browsers and nodes: those of the laboratory.
pub(crate) fn e2e(root: &Path, chosen: &[String]) -> Result<(), TaskError> {
    suites(root, |_| true, chosen)
}

/// Those of them that are about networks.
pub(crate) fn lab(root: &Path, chosen: &[String]) -> Result<(), TaskError> {
    suites(root, |suite| NETWORKS.contains(&suite), chosen)
}

/// A task of the simulation, which needs no browser.
pub(crate) fn simulate(root: &Path, task: &str) -> Result<(), TaskError> {
    run(cargo(root).args(["run", "--locked", "--package", "hither-sim", "--", task]))
}

fn suites(root: &Path, wanted: impl Fn(&str) -> bool, chosen: &[String]) -> Result<(), TaskError> {
    let mut command = native(root, "test");
    command
        .args(E2E)
        .env("HITHER_BIN", binary(root))
        .arg("--no-fail-fast");
    for package in packages(root)? {
        if package.name == LABORATORY {
            let suites = package.tests.iter().filter(|suite| wanted(suite));
            command.args(suites.flat_map(|suite| ["--test", suite]));
        }
    }
    // A call needs two browsers, and both cores.
    run(command.args(["--", "--test-threads=1"]).args(chosen))
}

/// The benches of all packages, or only those that are named.
pub(crate) fn bench(root: &Path, chosen: &[String]) -> Result<(), TaskError> {
    let mut benches = BTreeSet::new();
    for package in packages(root)? {
        benches.extend(package.benches);
    }
    if chosen.is_empty() {
        benches.remove(NETWORK);
        benches.remove(QUALITY);
    } else {
        benches.retain(|bench| chosen.contains(bench));
    }
    if benches.is_empty() {
        return Err(TaskError::Missing("there is no such bench".to_owned()));
    }
    let mut command = native(root, "bench");
    command.args(E2E).env("HITHER_BIN", binary(root));
    command.args(benches.iter().flat_map(|bench| ["--bench", bench]));
    run(&mut command)
}

/// The bench of networks, with its flags: what it prints is for people.
pub(crate) fn bench_network(root: &Path, flags: &[String]) -> Result<(), TaskError> {
    bench_with(root, NETWORK, flags)
}

/// The bench of sound and pictures on bad links, with words that choose.
pub(crate) fn bench_quality(root: &Path, words: &[String]) -> Result<(), TaskError> {
    bench_with(root, QUALITY, words)
}

fn bench_with(root: &Path, bench: &str, words: &[String]) -> Result<(), TaskError> {
    let mut command = native(root, "bench");
    command
        .args(E2E)
        .env("HITHER_BIN", binary(root))
        .args(["--bench", bench, "--"]);
    run(command.args(words))
}

/// The relay beside others; needs nothing but its own package, and that as it is released.
pub(crate) fn bench_relay(root: &Path, options: &[String]) -> Result<(), TaskError> {
    run(cargo(root)
        .args([
            "run",
            "--release",
            "--locked",
            "--package",
            "hither-bench",
            "--",
        ])
        .args(options))
}

/// The program that tests and benches start.
fn binary(root: &Path) -> OsString {
    env::var_os("HITHER_BIN").unwrap_or_else(|| target(root).join("release/hither").into())
}

/// Where cargo builds.
pub(crate) fn target(root: &Path) -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root.join(dir),
        None => root.join("target"),
    }
}

/// Cargo, for every package that compiles natively, with the client left out of the binary.
///
/// The packages are always the same: with others, cargo would choose other features for the
/// dependencies and compile them again.
fn native(root: &Path, task: &str) -> Command {
    let mut command = cargo(root);
    command
        .args([task, "--locked", "--workspace"])
        .env("HITHER_SKIP_WEB", "1");
    for package in BROWSER_ONLY {
        command.args(["--exclude", package]);
    }
    command
}

/// Cargo, as the one that started this program.
pub(crate) fn cargo(root: &Path) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command.current_dir(root);
    // `cargo run` describes this package to it; cargo and build scripts below must not see that.
    for (name, _) in env::vars_os() {
        let described = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
        });
        if described {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a program that says itself what goes wrong.
pub(crate) fn run(command: &mut Command) -> Result<(), TaskError> {
    let words: Vec<_> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect();
    let program = Path::new(words[0].as_ref()).file_name().map_or_else(
        || words[0].to_string(),
        |name| name.to_string_lossy().into_owned(),
    );
    let line = format!("{program} {}", words[1..].join(" "));
    println!("$ {line}");
    let status = command.status().map_err(|source| TaskError::Start {
        program: program.clone(),
        source,
    })?;
    if status.success() {
        Ok(())
    } else {
        Err(TaskError::Failed(line))
    }
}
