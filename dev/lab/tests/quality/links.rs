// SPDX-License-Identifier: MIT OR Apache-2.0
//! A link that loses packets, and then shrinks.

use std::time::Duration;

use hither_lab::{LinkShape, Page};

use super::scene::{ROUND_TRIP, SMALL, Scene, wait_until};
use crate::place::Outcome;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(2);

/// What the narrow link carries, bit/s.
const NARROW: u64 = 300_000;

/// The line of the timeline when sound was lost, and pictures were asked for and came again.
const COUNTED: &str = "/sound: [1-9]\\d* of \\d+ packets lost.*pictures: .* [1-9]\\d* asked again \\(NACK\\), [1-9]\\d* came again/
    .test(document.querySelector('[data-testid=route-timeline]')?.textContent)";

#[test]
fn sound_stays_on_a_link_that_loses_a_tenth_and_on_one_that_shrinks_and_pictures_follow() -> Outcome
{
    let Some(scene) = Scene::new_or_skip("bad links", SMALL)? else {
        return Ok(());
    };
    let (ana, ben) = (scene.ana.page(), scene.ben.page());
    let free = LinkShape::round_trip(ROUND_TRIP);
    scene.call()?;

    scene.link().set(free.lossy(0.1));
    loss_is_repaired(ben)?;
    scene.link().set(free);
    wait_until(ana, "pictures as on a free link", LOOK, |passed| {
        passed.pictures_kbit() > 400.0
    })?;

    scene.link().set_up(free.limited(NARROW));
    wait_until(ana, "pictures that fit", LOOK, |passed| {
        let kbit = passed.pictures_kbit() + passed.sound_kbit();
        kbit < 300.0 && passed.pictures.encoded > 0.0 && passed.sound.sent > 80.0
    })?;
    wait_until(ben, "clean sound and pictures", LOOK, |passed| {
        passed.concealed() < 0.05 && passed.sound.packets > 80.0 && passed.pictures.decoded > 0.0
    })?;

    scene.link().set_up(free);
    wait_until(ana, "pictures that grow again", LOOK, |passed| {
        passed.pictures_kbit() > 300.0
    })?;
    scene.hang_up()
}

/// What is lost without being repaired is all made up, and more; here most of it is repaired.
fn loss_is_repaired(page: &Page) -> Outcome {
    wait_until(page, "less made up than lost", 3 * LOOK, |passed| {
        passed.sound.lost > 8.0 && passed.concealed() < 0.7 * passed.lost()
    })?;
    wait_until(page, "pictures that were asked for again", LOOK, |passed| {
        passed.pictures.nacks > 0.0 && passed.pictures.rtx > 0.0 && passed.pictures.decoded > 0.0
    })?;
    page.click("@call-route-icon")?;
    page.wait_for(COUNTED, "a timeline that counts what was lost")?;
    page.press("Escape")
}
