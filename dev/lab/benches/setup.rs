// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a call waits for: every step between the click and the first picture, at both ends, on one clock.
//!
//! Prints the whole course of one call and the medians of its steps. The laboratory (`cargo xtask lab`)
//! measures the same over networks; here both people sit at this machine, so that what is left is ours.

#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

#[path = "../tests/story/pair.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod pair;

use std::collections::BTreeMap;

use hither_lab::{BareCall, LabError, Person, PersonConfig};
use pair::Pair;

/// Calls of each kind.
const CALLS: usize = 7;

/// How long the callee thinks before taking a call, milliseconds: not at all, and as quickly as a person can.
const THINKING: [u32; 2] = [0, 700];

/// Writes down when the page does what a call needs. Times are milliseconds since 1970, which both pages
/// read off the same clock.
const WITNESS: &str = "(() => {
    const now = () => performance.timeOrigin + performance.now();
    const steps = window.steps = [];
    const seen = new Map();
    // The second of a kind is numbered.
    const note = window.noteStep = (what) => {
        const count = (seen.get(what) ?? 0) + 1;
        seen.set(what, count);
        steps.push([now(), count > 1 ? `${what} #${count}` : what]);
    };
    window.thinking = 0;
    window.forgetSteps = () => { steps.length = 0; seen.clear(); watched = null; taken = false; };
    const around = (of, name, what, when = () => true) => {
        const original = of[name];
        of[name] = function (...words) {
            const told = when(...words);
            if (told) note(`${what(...words)} …`);
            const result = original.apply(this, words);
            if (told && result?.then) result.then(() => note(`${what(...words)} done`), () => note(`${what(...words)} failed`));
            return result;
        };
    };
    const Peer = window.RTCPeerConnection;
    window.RTCPeerConnection = class extends Peer {
        constructor(...words) {
            super(...words);
            note('peer connection made');
            this.addEventListener('icecandidate', ({ candidate }) => {
                note(candidate ? `own candidate ${candidate.type ?? 'end'}` : 'gathered');
            });
            this.addEventListener('iceconnectionstatechange', () => note(`ICE ${this.iceConnectionState}`));
            this.addEventListener('connectionstatechange', () => note(`peer connection ${this.connectionState}`));
            this.addEventListener('datachannel', ({ channel }) => channel.addEventListener('open', () => note('channel open')));
        }
        createDataChannel(...words) {
            const channel = super.createDataChannel(...words);
            channel.addEventListener('open', () => note('channel open'));
            return channel;
        }
    };
    const proto = window.RTCPeerConnection.prototype;
    for (const name of ['createOffer', 'createAnswer', 'setLocalDescription', 'setRemoteDescription']) {
        around(Peer.prototype, name, () => name);
    }
    around(Peer.prototype, 'restartIce', () => 'restartIce');
    around(Peer.prototype, 'addIceCandidate', () => 'addIceCandidate');
    around(RTCRtpSender.prototype, 'replaceTrack', (track) => `replaceTrack ${track?.kind}`, (track) => track);
    around(MediaDevices.prototype, 'getUserMedia', () => 'getUserMedia');
    around(window, 'fetch', (what) => `${what?.method ?? 'GET'} ${new URL(what?.url ?? what, location).pathname.slice(0, 22)}`);
    const Socket = window.WebSocket;
    window.WebSocket = class extends Socket {
        constructor(...words) {
            super(...words);
            this.addEventListener('message', ({ data }) => note(`socket: ${data.byteLength > 300 ? 'envelope' : 'small'}`));
        }
    };
    const begin = IDBDatabase.prototype.transaction;
    IDBDatabase.prototype.transaction = function (...words) {
        const transaction = begin.apply(this, words);
        if (words[1] === 'readwrite') {
            note('write …');
            transaction.addEventListener('complete', () => note('write done'));
        }
        return transaction;
    };
    document.addEventListener('click', ({ target }) => {
        if (target.closest('[data-testid=call-video]')) note('click');
        if (target.closest('[data-testid=call-accept-video]')) note('taken');
    }, true);
    let watched = null;
    let taken = false;
    new MutationObserver(() => {
        const accept = document.querySelector('[data-testid=call-accept-video]');
        if (accept && !accept.disabled && !taken) {
            taken = true;
            note('rings');
            if (window.thinking) setTimeout(() => accept.click(), window.thinking); else accept.click();
        }
        const video = document.querySelector('[data-testid=video-remote]');
        if (video && video !== watched) {
            watched = video;
            note('video element');
            video.requestVideoFrameCallback(() => note('first frame'));
        }
        const stage = document.querySelector('[data-testid=call-stage]')?.dataset.stage;
        if (stage === 'active' && !seen.has('active')) note('active');
    }).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ['data-stage'] });
})();";

/// A step of one page: when, what.
type Step = (f64, String);

fn main() -> Result<(), LabError> {
    let watched = |config| PersonConfig {
        scripts: vec![WITNESS.to_owned()],
        ..config
    };
    let pair = Pair::acquainted_with(watched, watched)?;
    pair.ana.talk_to("Ben")?;
    pair.ben.talk_to("Ana")?;
    for thinking in THINKING {
        pair.ben
            .page()
            .eval(&format!("window.thinking = {thinking}"))?;
        let mut ours: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        let mut theirs = Vec::new();
        let mut last = Vec::new();
        // The first warms the browsers' codecs and is not counted.
        for round in 0..=CALLS {
            let course = one_call(&pair)?;
            let bare = BareCall::place(pair.ana.page(), pair.ben.page())?;
            if round > 0 {
                theirs.push(bare.first_frame_ms);
                for (at, what) in &course {
                    ours.entry(what.clone()).or_default().push(*at);
                }
            }
            bare.hang_up()?;
            last = course;
        }
        print(thinking, &last, &ours, &theirs);
    }
    Ok(())
}

fn print(thinking: u32, last: &[Step], ours: &BTreeMap<String, Vec<f64>>, theirs: &[f64]) {
    println!("\n## The callee thinks for {thinking} ms\n");
    println!("| ms (median) | ms (last call) | step |");
    println!("|---|---|---|");
    for (at, what) in last {
        let median = ours.get(what).map_or(f64::NAN, |all| median(all));
        println!("| {median:.0} | {at:.0} | {what} |");
    }
    let first = ours
        .get("Ana: first frame")
        .map_or(f64::NAN, |all| median(all));
    let taken = ours.get("Ben: taken").map_or(f64::NAN, |all| median(all));
    let bare = median(theirs);
    println!(
        "\nclick → first frame {first:.0} ms, taken → first frame {:.0} ms, bare {bare:.0} ms",
        first - taken
    );
    println!(
        "ratios: {:.2} and {:.2}",
        first / bare,
        (first - taken) / bare
    );
}

/// Every step at both ends, milliseconds since the click.
fn one_call(pair: &Pair) -> Result<Vec<Step>, LabError> {
    for person in [&pair.ana, &pair.ben] {
        person.page().eval("forgetSteps()")?;
    }
    pair.ana.call(true)?;
    let steps = |person: &Person, name: &str| -> Result<Vec<Step>, LabError> {
        person.page().wait_for(
            "steps.some(([, what]) => what === 'first frame') && steps.some(([, what]) => what === 'active')",
            "the first picture",
        )?;
        let steps: Vec<Step> = person.page().eval_as("steps")?;
        Ok(steps
            .into_iter()
            .map(|(at, what)| (at, format!("{name}: {what}")))
            .collect())
    };
    let mut all = steps(&pair.ana, "Ana")?;
    all.extend(steps(&pair.ben, "Ben")?);
    all.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    let start = all.iter().find(|(_, what)| what == "Ana: click");
    let start = start.map_or(0.0, |(at, _)| *at);
    pair.ana.hang_up()?;
    pair.ana.wait_for_end("hung-up")?;
    pair.ben.wait_for_end("remote-hung-up")?;
    Ok(all
        .into_iter()
        .map(|(at, what)| (at - start, what))
        .collect())
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
