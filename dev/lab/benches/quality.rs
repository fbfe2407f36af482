// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sound and pictures on links that lose packets, and on one that shrinks and becomes wide again: ours beside a call of
//! the bare browser, one after the other between the same two pages. Prints tables for `docs/benchmarks.md`.
//!
//! `cargo xtask lab --quality` starts it. Words behind it choose: `loss`, `shrink`, per cent of loss (`0`, `5`, `10`),
//! `hither`, `bare`.

#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]
#![expect(clippy::expect_used, reason = "a bench may fail loudly")]

#[path = "../tests/paths/place.rs"]
mod place;

#[path = "../tests/quality/camera.rs"]
mod camera;
#[path = "../tests/quality/scene.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod scene;

use std::env;
use std::thread;
use std::time::Duration;

use camera::Size;
use hither_lab::{BareCall, LabError, LinkShape};
use scene::{Counts, ROUND_TRIP, Scene};

/// After a change of the link, before anything is counted.
const SETTLING: Duration = Duration::from_secs(5);

/// For which is counted.
const COUNTED: Duration = Duration::from_secs(20);

/// Per cent of packets lost in each direction.
const LOSSES: [u32; 3] = [0, 5, 10];
const WORDS: [&str; 3] = ["0", "5", "10"];

/// What a narrow link carries, bit/s.
const NARROW: u64 = 300_000;

/// Bytes that wait before it: what a cheap router keeps.
const QUEUE: usize = 32 << 10;

/// What cameras give.
const USUAL: Size = Size {
    width: 1280,
    height: 720,
};

/// Whose call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Ours,
    Bare,
}

/// What to measure: everything that no word excludes.
struct Chosen(Vec<String>);

impl Chosen {
    fn has(&self, word: &str, among: &[&str]) -> bool {
        let named = |word: &str| self.0.iter().any(|one| one == word);
        named(word) || !among.iter().any(|other| named(other))
    }

    fn whose(&self) -> Vec<Whose> {
        let mut all = vec![Whose::Ours, Whose::Bare];
        all.retain(|whose| self.has(name(*whose), &["hither", "bare"]));
        all
    }
}

fn main() -> Result<(), LabError> {
    let chosen = Chosen(env::args().skip(1).collect());
    let parts = ["loss", "shrink"];
    let Some(scene) = Scene::new_or_skip("quality", USUAL)? else {
        return Ok(());
    };
    if chosen.has("loss", &parts) {
        loss(&scene, &chosen)?;
    }
    if chosen.has("shrink", &parts) {
        shrink(&scene, &chosen)?;
    }
    Ok(())
}

/// During a call of ours, or of the bare browser between the same two pages.
fn during(
    scene: &Scene,
    whose: Whose,
    work: impl FnOnce() -> Result<(), LabError>,
) -> Result<(), LabError> {
    scene.link().set(LinkShape::round_trip(ROUND_TRIP));
    match whose {
        Whose::Ours => {
            scene.call()?;
            work()?;
            scene.link().set(LinkShape::round_trip(ROUND_TRIP));
            scene.hang_up()
        }
        Whose::Bare => {
            let call = BareCall::place(scene.ana.page(), scene.ben.page())?;
            work()?;
            call.hang_up()
        }
    }
}

// ---- loss

fn loss(scene: &Scene, chosen: &Chosen) -> Result<(), LabError> {
    println!(
        "| loss each way | call | packets of sound lost | sound made up | … with silence | packets with FEC | \
         buffered | sound | pictures | lines | freezes | NACK | RTX |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    for (per_cent, word) in LOSSES.into_iter().zip(WORDS) {
        if !chosen.has(word, &WORDS) {
            continue;
        }
        for whose in chosen.whose() {
            during(scene, whose, || lose(scene, whose, per_cent))?;
        }
    }
    Ok(())
}

/// One row: both ends together.
fn lose(scene: &Scene, whose: Whose, per_cent: u32) -> Result<(), LabError> {
    let pages = [scene.ana.page(), scene.ben.page()];
    let lossy = LinkShape::round_trip(ROUND_TRIP).lossy(f64::from(per_cent) / 100.0);
    scene.link().set(lossy);
    thread::sleep(SETTLING);
    let before = [Counts::at(pages[0])?, Counts::at(pages[1])?];
    thread::sleep(COUNTED);
    let [ana, ben] = [
        Counts::at(pages[0])?.since(&before[0]),
        Counts::at(pages[1])?.since(&before[1]),
    ];
    let mean = |of: fn(&Counts) -> f64| f64::midpoint(of(&ana), of(&ben));
    let sum = |of: fn(&Counts) -> f64| of(&ana) + of(&ben);
    println!(
        "| {per_cent} % | {} | {:.1} % | **{:.2} %** | {:.2} % | {:.0} | {:.0} ms | {:.0} kbit/s | {:.0}/s, {:.0} kbit/s | \
         {:.0} | {:.0} | {:.0} | {:.0} |",
        name(whose),
        mean(Counts::lost) * 100.0,
        mean(Counts::concealed) * 100.0,
        mean(|one| one.sound.silent / one.sound.samples.max(1.0)) * 100.0,
        sum(|one| one.sound.fec),
        mean(|one| one.sound.buffer_s * 1000.0 / one.sound.buffered.max(1.0)),
        mean(Counts::sound_kbit),
        mean(|one| one.pictures.decoded * 1000.0 / one.at_ms),
        mean(Counts::pictures_kbit),
        mean(|one| one.pictures.height),
        sum(|one| one.pictures.freezes),
        sum(|one| one.pictures.nacks),
        sum(|one| one.pictures.rtx),
    );
    Ok(())
}

fn name(whose: Whose) -> &'static str {
    match whose {
        Whose::Ours => "hither",
        Whose::Bare => "bare",
    }
}

// ---- a link that shrinks

fn shrink(scene: &Scene, chosen: &Chosen) -> Result<(), LabError> {
    println!(
        "\n| second | link | call | pictures sent | lines | decoded | sound made up | buffered | round trip | estimate |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for whose in chosen.whose() {
        during(scene, whose, || follow(scene, whose))?;
    }
    Ok(())
}

/// From free to narrow and back, a row for every other second. Ana's way out is narrow: she sends, Ben sees.
fn follow(scene: &Scene, whose: Whose) -> Result<(), LabError> {
    let free = LinkShape::round_trip(ROUND_TRIP);
    let narrow = LinkShape {
        queue: QUEUE,
        ..free.limited(NARROW)
    };
    thread::sleep(3 * SETTLING);
    let mut second = 0;
    for (what, shape, looks) in [
        ("free", free, 2),
        ("300 kbit/s", narrow, 10),
        ("free", free, 15),
    ] {
        scene.link().set_up(shape);
        for _ in 0..looks {
            second += 2;
            row(scene, whose, (second, what))?;
        }
    }
    Ok(())
}

fn row(scene: &Scene, whose: Whose, (second, what): (u32, &str)) -> Result<(), LabError> {
    let (ana, ben) = (scene.ana.page(), scene.ben.page());
    let before = [Counts::at(ana)?, Counts::at(ben)?];
    thread::sleep(Duration::from_secs(2));
    let sent = Counts::at(ana)?.since(&before[0]);
    let seen = Counts::at(ben)?.since(&before[1]);
    println!(
        "| {second} | {what} | {} | {:.0} kbit/s | {:.0} {} | {:.0}/s | {:.1} % | {:.0} ms | {:.0} ms | {:.0} kbit/s |",
        name(whose),
        sent.pictures_kbit(),
        sent.pictures.height,
        sent.pictures.limited_by,
        seen.pictures.decoded * 1000.0 / seen.at_ms,
        seen.concealed() * 100.0,
        seen.sound.buffer_s * 1000.0 / seen.sound.buffered.max(1.0),
        sent.rtt_ms,
        sent.available / 1000.0,
    );
    Ok(())
}
