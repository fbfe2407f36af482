// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls: heard and seen, switched on and off, and ended.

use super::pair::{Outcome, Pair};

#[test]
fn a_video_call_is_seen_and_heard_at_both_ends() -> Outcome {
    let pair = Pair::talking()?;
    pair.ana.call(true)?;
    pair.ana.wait_for_call("ringing")?;
    pair.ben.page().wait_for_text("@call-incoming", "Ana")?;
    pair.ben.page().wait_for_text("@ring-kind", "Video call")?;
    pair.ben.accept(true)?;
    for person in [&pair.ana, &pair.ben] {
        person.wait_for_call("active")?;
        person.sees()?;
        person.hears()?;
        person.wait_for_route("same-network")?;
    }
    assert_eq!(pair.ana.call_number()?, pair.ben.call_number()?);

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
    pair.ben.wait_for_end("missed")?;
    pair.ana.wait_for_end("hung-up")?;
    pair.ana
        .page()
        .wait_for_text("@past-call", "Your call was not answered")?;
    pair.ben.page().wait_for_text("@past-call", "Missed call")?;

    pair.ben.page().click("@call-back")?;
    pair.ana.page().wait_for_text("@call-incoming", "Ben")?;
    pair.ben.page().reload()?;
    pair.ben.unlock()?;
    pair.ben.talk_to("Ana")?;
    pair.ben.page().wait_for_text("@past-call", "Missed call")
}

#[test]
fn who_is_in_a_call_is_busy_for_a_third_and_sees_later_who_called() -> Outcome {
    let pair = Pair::talking()?;
    let eve = pair.arrive_third("Eve")?;
    pair.ana.talk_to("Ben")?;
    pair.ana.call(false)?;
    pair.ben.accept(false)?;
    pair.ana.wait_for_call("active")?;

    eve.talk_to("Ana")?;
    eve.call(false)?;
    eve.wait_for_end("busy")?;
    pair.ana
        .page()
        .wait_for_text("@contact-item[data-name='Eve']", "Missed call")?;
    pair.ana.wait_for_call("active")?;
    pair.ben.hears()
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
    // Sound goes on while no picture comes.
    pair.ben.wait_for_rest(
        "now.frames === before.frames",
        "now.sound_packets > before.sound_packets + 100",
    )?;

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
    // Pictures tell the time.
    pair.ben.wait_for_rest(
        "now.energy - before.energy < 1e-6",
        "now.frames > before.frames + 40",
    )?;
    pair.ana.page().click("@call-mute")?;
    pair.ben.page().wait_until_gone("@remote-muted")?;
    pair.ben.hears()
}
