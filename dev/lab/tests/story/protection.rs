// SPDX-License-Identifier: MIT OR Apache-2.0
//! What happens when a browser does not do what it was told: nothing may flow that was not sealed.

use hither_lab::{Person, PersonConfig};

use super::pair::{Outcome, Pair};

/// Transforms are taken and never used.
const IGNORE_TRANSFORMS: &str = "for (const kind of [RTCRtpSender, RTCRtpReceiver]) {
    Object.defineProperty(kind.prototype, 'transform', {
        get() { return this.pretended ?? null; },
        set(value) { this.pretended = value; },
    });
}";

/// The browser does not know the option that makes it fail closed.
const FORGET_INSERTABLE: &str = "{
    const Known = window.RTCPeerConnection;
    window.RTCPeerConnection = class extends Known {
        constructor(options = {}) {
            const { encodedInsertableStreams, ...rest } = options;
            super(rest);
        }
    };
}";

#[test]
fn without_transforms_nothing_arrives_at_all() -> Outcome {
    let sabotaged = with_scripts(&[IGNORE_TRANSFORMS]);
    let pair = Pair::acquainted_with(&sabotaged, &sabotaged)?;
    pair.ana.talk_to("Ben")?;
    pair.ana.call(true)?;
    pair.ben.accept(true)?;
    for person in [&pair.ana, &pair.ben] {
        person.wait_for_call("active")?;
        // The camera runs and is encoded; only then does silence mean something.
        let before = person.media()?;
        person.wait_for_media(before, "now.encoded > 60")?;
    }
    nothing_came(&pair.ana)?;
    nothing_came(&pair.ben)
}

#[test]
fn a_browser_that_would_send_in_clear_is_stopped_and_the_person_told() -> Outcome {
    let sabotaged = with_scripts(&[IGNORE_TRANSFORMS, FORGET_INSERTABLE]);
    let pair = Pair::acquainted_with(&sabotaged, |config| config)?;
    pair.ana.talk_to("Ben")?;
    pair.ana.call(true)?;
    pair.ben.accept(true)?;
    let said = pair.ana.wait_for_words("media-unprotected")?;
    assert!(said.contains("without its encryption"), "{said}");
    nothing_came(&pair.ben)
}

#[test]
fn a_transform_taken_away_during_a_call_stops_the_picture() -> Outcome {
    let pair = Pair::in_a_call()?;
    // From the link that carries the call and from its spare, to which pictures would move on a bad path.
    pair.ana.page().wait_for(
        "lab.open().filter((one) => one.connectionState === 'connected').length === 2",
        "a spare link",
    )?;
    pair.ana
        .page()
        .eval("for (const one of lab.open()) one.getTransceivers()[1].sender.transform = null")?;
    // What was sealed before may still come. Sound tells the time.
    pair.ben.wait_for_rest(
        "now.frames === before.frames",
        "now.sound_packets > before.sound_packets + 150",
    )?;
    pair.ben.hears()
}

fn with_scripts(scripts: &[&str]) -> impl Fn(PersonConfig) -> PersonConfig + use<> {
    let scripts: Vec<String> = scripts.iter().map(|&script| script.to_owned()).collect();
    move |config| PersonConfig {
        scripts: scripts.clone(),
        ..config
    }
}

fn nothing_came(person: &Person) -> Outcome {
    let media = person.media()?;
    assert_eq!(media.frames, 0, "{media:?}");
    assert!(media.energy == 0.0, "{media:?}");
    Ok(())
}
