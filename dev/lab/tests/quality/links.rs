// SPDX-License-Identifier: MIT OR Apache-2.0
//! Links that lose packets, and links that shrink.

use std::time::Duration;

use hither_lab::LinkShape;

use super::scene::{ROUND_TRIP, Scene, wait_until};
use crate::place::Outcome;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(2);

#[test]
fn sound_survives_a_loss_of_a_tenth_and_pictures_are_asked_for_again() -> Outcome {
    let Some(scene) = Scene::new_or_skip("loss")? else {
        return Ok(());
    };
    scene.call()?;
    let lossy = LinkShape::round_trip(ROUND_TRIP).lossy(0.1);
    scene.link().set(lossy);
    for person in [&scene.ana, &scene.ben] {
        // What is lost without being repaired is all made up, and more; here most of it is repaired.
        let what = "less made up than lost";
        let passed = wait_until(person.page(), what, 3 * LOOK, |passed| {
            passed.sound.lost > 8.0 && passed.concealed() < 0.7 * passed.lost()
        })?;
        assert!(passed.sound.packets > 0.0);
        let what = "pictures that were asked for again";
        wait_until(person.page(), what, LOOK, |passed| {
            passed.pictures.nacks > 0.0
                && passed.pictures.rtx > 0.0
                && passed.pictures.decoded > 0.0
        })?;
        person.page().click("@call-route-icon")?;
        person
            .page()
            .wait_for(
                "/sound: [1-9]\\d* of \\d+ packets lost.*pictures: [1-9].* [1-9]\\d* asked again \\(NACK\\), [1-9]\\d* came again/
                    .test(document.querySelector('[data-testid=route-timeline]')?.textContent)",
                "a timeline that counts what was lost and came again",
            )?;
        person.page().press("Escape")?;
    }
    scene.hang_up()
}

#[test]
fn pictures_follow_a_link_that_shrinks_and_sound_stays() -> Outcome {
    const NARROW: u64 = 300_000;
    let Some(scene) = Scene::new_or_skip("a shrinking link")? else {
        return Ok(());
    };
    scene.call()?;
    let (ana, ben) = (scene.ana.page(), scene.ben.page());
    wait_until(ana, "pictures as on a free link", LOOK, |passed| {
        passed.pictures_kbit() > 400.0
    })?;

    let free = LinkShape::round_trip(ROUND_TRIP);
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
        passed.pictures_kbit() > 400.0
    })?;
    scene.hang_up()
}
