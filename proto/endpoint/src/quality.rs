// SPDX-License-Identifier: MIT OR Apache-2.0
//! How well media came through, as a line of a link's timeline.
//!
//! The counters are the host's; what is done about loss is the browser's business and the host's.

use crate::{MediaReport, PicturesReport, SoundReport};

/// `sound: 12 of 600 packets lost, 0.4 % made up, 3 repaired; pictures: 5 of 300 lost, 4 asked again (NACK), …`
pub(crate) fn media_words(media: &MediaReport) -> String {
    format!("{}; {}", sound(&media.sound), pictures(&media.pictures))
}

fn sound(sound: &SoundReport) -> String {
    let all = sound.packets.saturating_add(sound.lost);
    format!(
        "sound: {} of {all} packets lost, {} made up, {} with repair (FEC)",
        sound.lost,
        per_cent(sound.concealed, sound.samples),
        sound.repaired
    )
}

fn pictures(pictures: &PicturesReport) -> String {
    let all = pictures.packets.saturating_add(pictures.lost);
    format!(
        "pictures: {} of {all} packets lost, {} asked again (NACK), {} came again (RTX); \
         {} asked of us, {} sent again",
        pictures.lost,
        pictures.asked_again,
        pictures.came_again,
        pictures.asked_of_us,
        pictures.sent_again
    )
}

/// With one digit after the point; of nothing, nothing.
fn per_cent(part: u64, whole: u64) -> String {
    let per_mille = part.saturating_mul(1000).checked_div(whole).unwrap_or(0);
    format!("{}.{} %", per_mille / 10, per_mille % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_was_lost_and_what_was_done_about_it() {
        let media = MediaReport {
            sound: SoundReport {
                packets: 588,
                lost: 12,
                samples: 48_000,
                concealed: 240,
                concealed_by_silence: 0,
                repaired: 3,
            },
            pictures: PicturesReport {
                packets: 295,
                lost: 5,
                asked_again: 4,
                came_again: 6,
                asked_of_us: 2,
                sent_again: 7,
            },
            ..MediaReport::default()
        };
        assert_eq!(
            media_words(&media),
            "sound: 12 of 600 packets lost, 0.5 % made up, 3 with repair (FEC); pictures: 5 of 300 packets lost, \
             4 asked again (NACK), 6 came again (RTX); 2 asked of us, 7 sent again"
        );
    }

    #[test]
    fn before_anything_came_there_is_no_share() {
        assert!(media_words(&MediaReport::default()).contains("0.0 % made up"));
    }
}
