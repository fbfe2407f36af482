// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which codecs are offered, and that each of them survives having its frames sealed.

use std::time::Duration;

use hither_lab::{LabError, Person};

use super::scene::{Counts, SMALL, Scene};
use crate::place::Outcome;

/// Codecs for pictures that are offered, the one that is chosen first.
const OFFERED: [&str; 2] = ["video/vp8", "video/vp9"];

#[test]
fn every_codec_that_is_offered_is_seen_sealed_and_no_other_is_offered() -> Outcome {
    let Some(scene) = Scene::new_or_skip("codecs under seal", SMALL)? else {
        return Ok(());
    };
    scene.call()?;
    for person in [&scene.ana, &scene.ben] {
        assert_eq!(sent_codec(person)?, OFFERED[0], "chosen by itself");
        descriptions_are_ours(person)?;
    }
    scene.hang_up()?;

    for forced in OFFERED {
        for person in [&scene.ana, &scene.ben] {
            let force = format!("quality.forced = '{forced}'");
            person.page().eval(&force)?;
        }
        scene.call()?;
        for person in [&scene.ana, &scene.ben] {
            assert_eq!(sent_codec(person)?, forced);
        }
        scene.hang_up()?;
    }
    Ok(())
}

/// The codec of the pictures that leave.
fn sent_codec(person: &Person) -> Result<String, LabError> {
    let is_known = |counts: &Counts| !counts.pictures.codec.is_empty();
    let look = Duration::from_millis(200);
    let counts = super::scene::wait_until(person.page(), "a codec", look, is_known)?;
    // Every packet repeats the one before it.
    assert_eq!(counts.sound.codec, "audio/red", "{}", person.name());
    Ok(counts.pictures.codec)
}

/// What this browser has offered or answered: VP8 and VP9, each with repair; Opus within RED, with repair of its own
/// and without discontinuous transmission, of which the watch over the path would make a silent path.
fn descriptions_are_ours(person: &Person) -> Outcome {
    let said: Vec<String> = person.page().eval_as("quality.said")?;
    assert!(!said.is_empty(), "{} has said nothing", person.name());
    for description in said {
        for codec in [
            "VP8/90000",
            "VP9/90000",
            "rtx/90000",
            "opus/48000/2",
            "red/48000/2",
        ] {
            assert!(
                has(&description, "a=rtpmap:", codec),
                "{codec}: {description}"
            );
        }
        // H.264 is packetised by its content, which is sealed; an AV1 frame is put together anew on its way.
        for codec in ["H264", "AV1", "H265", "CN/8000", "PCMU"] {
            assert!(!description.contains(codec), "{codec}: {description}");
        }
        assert!(
            has(&description, "a=fmtp:", "useinbandfec=1"),
            "{description}"
        );
        assert!(!description.contains("usedtx=1"), "{description}");
        for feedback in [" nack\r\n", " nack pli\r\n", " transport-cc\r\n"] {
            let line = description
                .split_inclusive('\n')
                .any(|line| line.starts_with("a=rtcp-fb:") && line.ends_with(feedback));
            assert!(line, "{feedback:?}: {description}");
        }
    }
    Ok(())
}

fn has(description: &str, start: &str, word: &str) -> bool {
    description
        .lines()
        .any(|line| line.starts_with(start) && line.contains(word))
}
