// SPDX-License-Identifier: MIT OR Apache-2.0
//! How long a person waits: for a contact, for the first picture of a call; and how much comes over
//! the wire. Prints a table for `docs/benchmarks.md`.
//!
//! Every call of ours is followed by one of the same two browsers with a bare `RTCPeerConnection`, so
//! that the ratio says something even on a busy machine.

#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

#[path = "../tests/story/pair.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod pair;

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use hither_lab::{BareCall, LabError, Meddler, Node, NodeConfig, Person, PersonConfig};
use pair::{Pair, arrive_as_owner_at, turn};
use serde::Deserialize;

/// Calls of each kind.
const CALLS: usize = 20;

/// Acquaintances made.
const ACQUAINTANCES: usize = 7;

/// Takes every call at once, and remembers when; remembers when the first picture of each call came.
/// Times are milliseconds since 1970, which both pages read off the same clock.
const STOPWATCH: &str = "(() => {
    const now = () => performance.timeOrigin + performance.now();
    const times = window.times = {};
    document.addEventListener('click', ({ target }) => {
        if (target.closest('[data-testid=call-video]')) times.called = now();
    }, true);
    let watched = null;
    new MutationObserver(() => {
        const accept = document.querySelector('[data-testid=call-accept-video]');
        if (accept && !accept.disabled) {
            times.rang ??= now();
            times.accepted ??= now();
            accept.click();
        }
        const video = document.querySelector('[data-testid=video-remote]');
        if (video && video !== watched) {
            watched = video;
            video.requestVideoFrameCallback(() => { times.seen ??= now(); });
        }
        const stage = document.querySelector('[data-testid=call-stage]')?.dataset.stage;
        if (stage === 'active') times.active ??= now();
    }).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ['data-stage'] });
})();";

/// When something happened in a page.
#[derive(Debug, Clone, Copy, Deserialize)]
struct Times {
    called: Option<f64>,
    accepted: Option<f64>,
    seen: Option<f64>,
    active: Option<f64>,
}

fn main() -> Result<(), LabError> {
    println!("| what | median | 95th percentile | runs |");
    println!("|---|---|---|---|");
    calls()?;
    acquaintances()?;
    sizes()
}

// ---- calls

fn calls() -> Result<(), LabError> {
    let watched = |config| PersonConfig {
        scripts: vec![STOPWATCH.to_owned()],
        ..config
    };
    let pair = Pair::acquainted_with(watched, watched)?;
    pair.ana.talk_to("Ben")?;
    pair.ben.talk_to("Ana")?;
    let mut whole = Vec::new();
    let mut from_acceptance = Vec::new();
    let mut until_rung = Vec::new();
    let mut callee = Vec::new();
    let mut active = Vec::new();
    let mut theirs = Vec::new();
    // The bare call is placed in the same pages: a fake camera serves one page of a browser only.
    // The first of each warms the browsers' codecs and is not counted.
    for round in 0..=CALLS {
        let (ana, ben) = one_call(&pair)?;
        let bare = BareCall::place(pair.ana.page(), pair.ben.page())?;
        let bare_ms = bare.first_frame_ms;
        bare.hang_up()?;
        if round > 0 {
            theirs.push(bare_ms);
            whole.push(between(ana.called, ana.seen)?);
            until_rung.push(between(ana.called, ben.accepted)?);
            from_acceptance.push(between(ben.accepted, ana.seen)?);
            callee.push(between(ben.accepted, ben.seen)?);
            active.push(between(ana.called, ana.active)?);
        }
    }
    row(
        "click on “call” → first remote frame at the caller, taken by script",
        &whole,
    );
    row(
        "… of it: click → it rings at the other side and is taken",
        &until_rung,
    );
    row(
        "… of it: taken → first remote frame at the caller",
        &from_acceptance,
    );
    row("taken → first remote frame at the callee", &callee);
    row("click → connected", &active);
    row(
        "bare `RTCPeerConnection`, same browsers, same run: decision → first remote frame",
        &theirs,
    );
    let ratio = |ours: &[f64]| median(ours) / median(&theirs);
    println!(
        "| ratio of medians, click → frame / bare | {:.2} | | |",
        ratio(&whole)
    );
    println!(
        "| ratio of medians, taken → frame / bare | {:.2} | | |",
        ratio(&from_acceptance)
    );
    Ok(())
}

fn one_call(pair: &Pair) -> Result<(Times, Times), LabError> {
    for person in [&pair.ana, &pair.ben] {
        person
            .page()
            .eval("for (const key in times) delete times[key]")?;
    }
    pair.ana.call(true)?;
    let times = |person: &Person| {
        person
            .page()
            .wait_for("times.seen && times.active", "the first picture")?;
        person.page().eval_as("times")
    };
    let measured = (times(&pair.ana)?, times(&pair.ben)?);
    pair.ana.hang_up()?;
    pair.ana.wait_for_end("hung-up")?;
    pair.ben.wait_for_end("remote-hung-up")?;
    Ok(measured)
}

// ---- acquaintances

fn acquaintances() -> Result<(), LabError> {
    let _turn = turn();
    let node = Node::start(NodeConfig::new("bench")?)?;
    let meddler = Meddler::before(&node, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let ana = arrive_as_owner_at(&meddler.url(""), &node)?;
    ana.page().eval(
        "new MutationObserver(() => document.querySelector('[data-testid=approve-yes]')?.click())
            .observe(document.body, { subtree: true, childList: true })",
    )?;
    let mut fetched = Vec::new();
    let mut confirmed = Vec::new();
    let mut bytes = Vec::new();
    for round in 0..ACQUAINTANCES {
        let passed = ana.invite("for the bench", true)?;
        let ben = Person::arrive("Ben", &passed.link, PersonConfig::default())?;
        ben.onboard()?;
        ben.discard_invitation()?;
        let before = meddler.seen().len();
        let times = ben
            .page()
            .call_function(ANSWER, &[passed.link.into(), passed.words.into()])?;
        let times: [f64; 2] = serde_json::from_value(times)
            .map_err(|error| LabError::Unexpected(error.to_string()))?;
        if round > 0 {
            fetched.push(times[0]);
            confirmed.push(times[1]);
            bytes.push(as_f64(meddler.seen().len() - before));
        }
    }
    row("invitation opened → asks for the words", &fetched);
    row(
        "words typed → contact confirmed, approved by script",
        &confirmed,
    );
    println!(
        "| bytes for it through the node, both sides, HTTP and WebSocket | {:.0} | | {} |",
        median(&bytes),
        bytes.len()
    );
    Ok(())
}

/// Opens a link by hand and types its words, as quickly as the page allows.
const ANSWER: &str = "async (link, words) => {
    const find = (id) => document.querySelector(`[data-testid=${id}]`);
    const until = async (look) => {
        for (const start = performance.now(); ; ) {
            const found = look();
            if (found) return found;
            if (performance.now() - start > 60000) throw new Error(`waited in vain for ${look}`);
            await new Promise((next) => setTimeout(next, 2));
        }
    };
    const type = (field, text) => {
        field.value = text;
        field.dispatchEvent(new Event('input', { bubbles: true }));
    };
    find('join-open').click();
    type(await until(() => find('join-link')), link);
    const opened = performance.now();
    find('join-open-link').click();
    const field = await until(() => find('join-words'));
    const asked = performance.now();
    type(field, words);
    find('join-submit').click();
    await until(() => document.querySelector('[data-testid=contact-item][data-state=active]'));
    return [asked - opened, performance.now() - asked];
}";

// ---- sizes

fn sizes() -> Result<(), LabError> {
    let node = Node::start(NodeConfig::new("bench-sizes")?)?;
    let page = get(&node, "/", "identity")?;
    let page = String::from_utf8_lossy(&page.1).into_owned();
    let assets = page
        .split('"')
        .find_map(|word| word.strip_suffix("boot.js"));
    let assets =
        assets.ok_or_else(|| LabError::Unexpected("the page has no boot.js".to_owned()))?;
    for file in [
        "hither_web_bg.wasm",
        "hither_worker_bg.wasm",
        "hither_web.js",
        "style.css",
    ] {
        let (encoded, body) = get(&node, &format!("{assets}{file}"), "br")?;
        let how = if encoded { "Brotli" } else { "plain" };
        println!(
            "| `{file}`, {how} | {:.0} kB | | |",
            as_f64(body.len()) / 1000.0
        );
    }
    println!(
        "| node, resident after its start | {:.1} MB | | |",
        resident(&node)?
    );
    Ok(())
}

/// Whether the body is compressed, and the body as it came.
fn get(node: &Node, path: &str, encoding: &str) -> Result<(bool, Vec<u8>), LabError> {
    let io = |source| LabError::Io {
        what: format!("get {path}"),
        source,
    };
    let mut stream = TcpStream::connect(node.address()?).map_err(io)?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: localhost\r\naccept-encoding: {encoding}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).map_err(io)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).map_err(io)?;
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .ok_or_else(|| LabError::Unexpected(format!("{path}: no head")))?;
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    if head.contains("transfer-encoding") || !head.starts_with("http/1.1 200") {
        return Err(LabError::Unexpected(format!("{path}: {head}")));
    }
    Ok((
        head.contains("content-encoding: br"),
        answer[end + 4..].to_vec(),
    ))
}

fn resident(node: &Node) -> Result<f64, LabError> {
    let pid = node.pid().unwrap_or_default();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kilobytes = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.trim().split(' ').next()?.parse::<f64>().ok());
    kilobytes
        .map(|kilobytes| kilobytes / 1024.0)
        .ok_or_else(|| LabError::Unexpected("the node's memory is not known".to_owned()))
}

// ---- figures

fn between(from: Option<f64>, to: Option<f64>) -> Result<f64, LabError> {
    match (from, to) {
        (Some(from), Some(to)) => Ok(to - from),
        _ => Err(LabError::Unexpected(format!("{from:?} … {to:?}"))),
    }
}

fn row(what: &str, times: &[f64]) {
    println!(
        "| {what} | {:.0} ms | {:.0} ms | {} |",
        median(times),
        percentile(times, 95),
        times.len()
    );
}

fn median(values: &[f64]) -> f64 {
    percentile(values, 50)
}

/// The smallest value that so many per cent of all do not exceed.
fn percentile(values: &[f64], per_cent: usize) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let rank = (values.len() * per_cent).div_ceil(100).max(1);
    values.get(rank - 1).copied().unwrap_or(f64::NAN)
}

#[expect(clippy::cast_precision_loss, reason = "sizes here are far below 2^52")]
fn as_f64(size: usize) -> f64 {
    size as f64
}
