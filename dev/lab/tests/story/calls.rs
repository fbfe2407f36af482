// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls: heard and seen, switched on and off, and ended.

use super::pair::{Outcome, Pair};

#[test]
fn a_video_call_is_seen_and_heard_at_both_ends() -> Outcome {
    let pair = Pair::talking()?;
    pair.ana.call(true)?;
    pair.ana.wait_for_call("ringing")?;
    pair.ben.page().wait_for_text("@call-incoming", "Ana")?;
    pair.ben.accept(true)?;
    for person in [&pair.ana, &pair.ben] {
        person.wait_for_call("active")?;
        person.sees()?;
        person.hears()?;
        person.wait_for_route("same-network")?;
    }
    let number = pair.ana.page().text("@call-number")?;
    assert_eq!(pair.ben.page().text("@call-number")?, number);

    pair.ana.page().click("@call-route-icon")?;
    pair.ana
        .page()
        .wait_for_text("@route-explanation", "Who could see what")?;

    pair.ana.hang_up()?;
    pair.ana.wait_for_end("hung-up")?;
    pair.ben.wait_for_end("remote-hung-up")
}

#[test]
fn a_call_can_be_declined() -> Outcome {
    let pair = Pair::talking()?;
    pair.ana.call(false)?;
    pair.ben.page().click("@call-decline")?;
    pair.ana.wait_for_end("declined")
}

#[test]
fn a_caller_can_give_up() -> Outcome {
    let pair = Pair::talking()?;
    pair.ana.call(false)?;
    pair.ben.page().wait_for_element("@call-incoming")?;
    pair.ana.hang_up()?;
    pair.ben.wait_for_end("missed")
}

#[test]
fn voice_becomes_video_and_back_and_the_screen_is_shared() -> Outcome {
    let pair = Pair::talking()?;
    pair.ana.call(false)?;
    pair.ben.accept(false)?;
    pair.ana.wait_for_call("active")?;
    pair.ben.hears()?;

    pair.ana.page().click("@call-camera")?;
    pair.ben.sees()?;
    pair.ana.page().click("@call-camera")?;
    pair.ben
        .page()
        .wait_for_element(".tiles[data-layout=voice]")?;
    // What was under way may still come; then sound goes on while no picture comes.
    let off = pair.ben.media()?;
    let dark = pair
        .ben
        .wait_for_media(off, "now.sound_packets > before.sound_packets + 50")?;
    let still = pair
        .ben
        .wait_for_media(dark, "now.sound_packets > before.sound_packets + 100")?;
    assert_eq!(still.frames, dark.frames, "{dark:?} {still:?}");

    pair.ana.page().click("@call-screen")?;
    let before = pair.ben.media()?;
    pair.ben
        .wait_for_media(before, "now.screen_frames > before.screen_frames")?;
    pair.ben
        .page()
        .wait_for_element(".tiles[data-layout=screen]")?;
    pair.ana.page().click("@call-screen")?;
    pair.ben
        .page()
        .wait_for_element(".tiles[data-layout=voice]")
}

#[test]
fn who_is_muted_is_not_heard_and_seen_to_be_muted() -> Outcome {
    let pair = Pair::in_a_call()?;
    pair.ana.page().click("@call-mute")?;
    pair.ben.page().wait_for_element("@remote-muted")?;
    // What was under way when the button was pressed may still come. Pictures tell the time.
    let muted = pair.ben.media()?;
    let quiet = pair
        .ben
        .wait_for_media(muted, "now.frames > before.frames + 20")?;
    let still = pair
        .ben
        .wait_for_media(quiet, "now.frames > before.frames + 40")?;
    assert!(still.energy - quiet.energy < 1e-6, "{quiet:?} {still:?}");
    pair.ana.page().click("@call-mute")?;
    pair.ben.page().wait_until_gone("@remote-muted")?;
    pair.ben.hears()
}
