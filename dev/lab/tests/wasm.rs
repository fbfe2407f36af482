// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tests of every crate that runs in a browser, compiled for wasm and run in the real Chromium:
//! the vectors above all, because the client computes with that build and not with the native one.
//!
//! The test harness of Rust runs on `wasm32-unknown-unknown` as well, one test after the other. It
//! has nowhere to print: success is that it returns, failure is a trap whose trace names the test.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use hither_lab::{Browser, BrowserConfig, FileServer, LabError};
use serde_json::{Value, json};

/// Crates that run in a browser; the last three run nowhere else.
const CRATES: [&str; 7] = [
    "hither-api",
    "hither-crypto",
    "hither-endpoint",
    "hither-sansio",
    "hither-browser",
    "hither-web",
    "hither-worker",
];

const PAGE: &str = "<!doctype html><title>Tests</title>";

/// Runs one test executable. Its tests may take minutes, which would freeze a page. One that needs
/// nothing from JavaScript has no bindings.
const WORKER: &str = "
Error.stackTraceLimit = 100;
onmessage = async ({ data: { name, bound } }) => {
    try {
        const exports = bound
            ? await (await import(`/${name}.js`)).default()
            : (await WebAssembly.instantiateStreaming(fetch(`/${name}.wasm`))).instance.exports;
        exports.main(0, 0);
        postMessage({ passed: true });
    } catch (error) {
        postMessage({ passed: false, trace: String(error && error.stack || error) });
    }
};";

/// What a page does to run one.
const RUN: &str = "(module) => new Promise((done) => {
    const worker = new Worker('/worker.js', { type: 'module' });
    worker.onmessage = ({ data }) => { worker.terminate(); done(data); };
    worker.onerror = ({ message }) => done({ passed: false, trace: message });
    worker.postMessage(module);
})";

#[test]
fn the_tests_of_all_crates_for_browsers_pass_in_one() -> Result<(), LabError> {
    let executables = compile(&CRATES, &[])?;
    assert!(executables.len() >= CRATES.len(), "{executables:?}");
    let failures: Vec<String> = run(&executables)?
        .into_iter()
        .filter(|(_, outcome)| outcome["passed"] != Value::Bool(true))
        .map(|(name, outcome)| format!("{name}:\n{}", our_frames(&outcome["trace"])))
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(())
}

#[test]
fn a_failing_test_is_noticed_in_a_browser() -> Result<(), LabError> {
    let dir = tempfile::tempdir().map_err(|error| LabError::Unexpected(error.to_string()))?;
    let mut harnesses = Vec::new();
    for (name, sum) in [("right", 4), ("wrong", 5)] {
        let source = dir.path().join(format!("{name}.rs"));
        let test = format!("#[test] fn addition() {{ assert_eq!(2 + 2, {sum}) }}");
        std::fs::write(&source, test).expect("a source file");
        let harness = source.with_extension("wasm");
        let compiled = Command::new("rustc")
            .args([
                "--test",
                "--edition=2024",
                "--target=wasm32-unknown-unknown",
                "-o",
            ])
            .args([&harness, &source])
            .status();
        assert!(compiled.is_ok_and(|status| status.success()), "{name}");
        harnesses.push(harness);
    }
    let outcomes = run(&harnesses)?;
    assert_eq!(outcomes[0].1["passed"], Value::Bool(true), "{outcomes:?}");
    assert_eq!(outcomes[1].1["passed"], Value::Bool(false), "{outcomes:?}");
    Ok(())
}

/// The words of a trap, and its frames without those of the standard library.
fn our_frames(trace: &Value) -> String {
    const OTHERS: [&str; 5] = ["__rustc", "alloc[", "core[", "std[", "test["];
    const SHOWN: usize = 12;
    let is_ours = |line: &&str| {
        let function = line.split(".wasm.").nth(1).unwrap_or_default();
        !OTHERS.iter().any(|other| function.starts_with(other))
    };
    let trace = trace.as_str().unwrap_or_default();
    let frames = trace
        .lines()
        .filter(is_ours)
        .map(|line| line.split(" (http").next().unwrap_or(line));
    frames.take(SHOWN).collect::<Vec<_>>().join("\n")
}

fn compile(packages: &[&str], more: &[&str]) -> Result<Vec<PathBuf>, LabError> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["test", "--no-run", "--locked", "--lib", "--tests"])
        .args([
            "--target",
            "wasm32-unknown-unknown",
            "--message-format=json",
        ])
        .args(more)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    for package in packages {
        command.args(["--package", package]);
    }
    let output = command.output().map_err(|source| LabError::Start {
        program: "cargo".to_owned(),
        source,
    })?;
    if !output.status.success() {
        return Err(LabError::Unexpected(
            "the tests do not compile for wasm".to_owned(),
        ));
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    Ok(messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
        .collect())
}

/// The outcome of each executable, by its name.
fn run(executables: &[PathBuf]) -> Result<Vec<(String, Value)>, LabError> {
    let mut files = vec![
        ("/".to_owned(), PAGE.as_bytes().to_vec()),
        ("/worker.js".to_owned(), WORKER.as_bytes().to_vec()),
    ];
    let mut modules = Vec::new();
    for executable in executables {
        let name = name_of(executable);
        let contents = read(executable)?;
        let bound = contains(&contents, b"__wbindgen_placeholder__");
        if bound {
            files.extend(bind(executable, &name)?);
        } else {
            files.push((format!("/{name}.wasm"), contents));
        }
        modules.push((name, bound));
    }
    let server = FileServer::start(files)?;
    let browser = Browser::launch(&BrowserConfig::new("wasm"))?;
    let page = browser.new_page(&server.url("/"))?;
    modules
        .into_iter()
        .map(|(name, bound)| {
            let module = json!({ "name": name, "bound": bound });
            let outcome = page.call_function(RUN, &[module])?;
            Ok((name, outcome))
        })
        .collect()
}

fn bind(executable: &Path, name: &str) -> Result<[(String, Vec<u8>); 2], LabError> {
    let dir = tempfile::tempdir().map_err(|error| LabError::Unexpected(error.to_string()))?;
    hither_webbuild::bind_with_names(executable, name, dir.path())
        .map_err(|error| LabError::Unexpected(error.to_string()))?;
    let [glue, wasm] = [format!("{name}.js"), format!("{name}_bg.wasm")];
    let contents = (
        read(&dir.path().join(&glue))?,
        read(&dir.path().join(&wasm))?,
    );
    Ok([
        (format!("/{glue}"), contents.0),
        (format!("/{wasm}"), contents.1),
    ])
}

fn read(path: &Path) -> Result<Vec<u8>, LabError> {
    std::fs::read(path).map_err(|source| LabError::Io {
        what: format!("read {}", path.display()),
        source,
    })
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}

fn name_of(executable: &Path) -> String {
    executable
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default()
}
