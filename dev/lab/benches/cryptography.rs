// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a message and a frame cost in a browser: `message_cost` of `host/browser`, compiled as the client
//! is and run in Chromium. Natively: `cargo run --release -p hither-crypto --example figures`.

#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use hither_lab::{Browser, BrowserConfig, FileServer, LabError};
use serde_json::Value;

const NAME: &str = "message_cost";

/// Runs in a worker, as the client's frames do; what it says goes to the page.
const WORKER: &str = "
const said = [];
console.log = (text) => said.push(text);
const { default: init } = await import('/message_cost.js');
(await init()).main(0, 0);
postMessage(said);";

/// What a page does to run it.
const RUN: &str = "new Promise((done, failed) => {
    const worker = new Worker('/worker.js', { type: 'module' });
    worker.onmessage = ({ data }) => done(data);
    worker.onerror = ({ message }) => failed(new Error(message));
})";

fn main() -> Result<(), LabError> {
    let wasm = compile()?;
    let dir = tempfile::tempdir().map_err(|error| LabError::Unexpected(error.to_string()))?;
    hither_webbuild::bind_with_names(&wasm, NAME, dir.path())
        .map_err(|error| LabError::Unexpected(error.to_string()))?;
    let server = FileServer::start([
        (
            "/".to_owned(),
            b"<!doctype html><title>Bench</title>".to_vec(),
        ),
        ("/worker.js".to_owned(), WORKER.as_bytes().to_vec()),
        (
            format!("/{NAME}.js"),
            read(&dir.path().join(format!("{NAME}.js")))?,
        ),
        (
            format!("/{NAME}_bg.wasm"),
            read(&dir.path().join(format!("{NAME}_bg.wasm")))?,
        ),
    ])?;
    let browser = Browser::launch(&BrowserConfig::new("cryptography"))?;
    let page = browser.new_page(&server.url("/"))?;
    let lines: Vec<String> = page.eval_as(RUN)?;
    println!("| in Chromium (wasm) | mean of 100 |");
    println!("|---|---|");
    for line in &lines {
        println!("{line}");
    }
    if lines.is_empty() || lines.iter().any(|line| line.contains("failed")) {
        return Err(LabError::Unexpected(
            "a step failed, or nothing was measured".to_owned(),
        ));
    }
    Ok(())
}

/// Compiles with the profile and in the directory of the client.
fn compile() -> Result<PathBuf, LabError> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(&root)
        .args([
            "build",
            "--locked",
            "--package",
            "hither-browser",
            "--example",
            NAME,
        ])
        .args(["--profile", "web", "--target", "wasm32-unknown-unknown"])
        .args(["--target-dir", "target/web", "--message-format=json"])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|source| LabError::Start {
            program: "cargo".to_owned(),
            source,
        })?;
    let messages = String::from_utf8_lossy(&output.stdout);
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
        .next_back()
        .ok_or_else(|| LabError::Unexpected(format!("{NAME} does not compile for wasm")))
}

fn read(path: &Path) -> Result<Vec<u8>, LabError> {
    std::fs::read(path).map_err(|source| LabError::Io {
        what: format!("read {}", path.display()),
        source,
    })
}
