// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether every frame went through the worker: the browser's counters against the worker's.
//!
//! A transform that a browser forgets to call lets plaintext pass without an error. With
//! `encodedInsertableStreams` Chromium passes nothing then; this is the second lock on the same door.

use crate::message::{Counters, Slot};

/// How many samples in a row make a certainty of a suspicion.
const CERTAIN: u32 = 3;

/// Fewer new packets than these may be padding.
const FEW_PACKETS: u64 = 5;

/// What the browser counted for one transceiver since the link was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Traffic {
    /// `outbound-rtp.framesEncoded`; not counted for sound.
    pub(crate) frames_encoded: u64,
    /// `outbound-rtp.packetsSent`
    pub(crate) packets_sent: u64,
    /// `inbound-rtp.framesDecoded`; not counted for sound.
    pub(crate) frames_decoded: u64,
}

/// Remembers the last sample and how long it has been suspicious.
#[derive(Debug, Default)]
pub(crate) struct Watchdog {
    last: [(Traffic, Counters); 3],
    suspicious: [u32; 3],
}

impl Watchdog {
    /// Takes a sample: first the browser's counters, then the worker's, so that a frame which the browser
    /// has counted as sent or decoded has been counted by the worker, too.
    ///
    /// `true` if something passed the worker by.
    pub(crate) fn look(&mut self, traffic: [Traffic; 3], counters: [Counters; 3]) -> bool {
        let mut certain = false;
        let slots = Slot::ALL.into_iter().zip(traffic.into_iter().zip(counters));
        for ((slot, sample), (last, streak)) in
            slots.zip(self.last.iter_mut().zip(&mut self.suspicious))
        {
            let bypassed = sent_past(slot, *last, sample) || decoded_past(sample);
            *streak = if bypassed { *streak + 1 } else { 0 };
            *last = sample;
            certain |= *streak >= CERTAIN;
        }
        certain
    }
}

/// Encoded and sent since the last sample, but nothing sealed.
fn sent_past(slot: Slot, last: (Traffic, Counters), sample: (Traffic, Counters)) -> bool {
    let ((before, sealed_before), (now, sealed_now)) = (last, sample);
    let encoded = slot == Slot::Sound || now.frames_encoded > before.frames_encoded;
    let packets = now.packets_sent.saturating_sub(before.packets_sent);
    encoded && packets >= FEW_PACKETS && sealed_now.sealed <= sealed_before.sealed
}

/// More decoded than ever opened.
fn decoded_past((traffic, counters): (Traffic, Counters)) -> bool {
    traffic.frames_decoded > counters.opened
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAMERA: usize = 1;

    /// Samples of one transceiver: frames encoded, packets sent, frames decoded, sealed, opened.
    fn alarmed(slot: usize, samples: &[[u64; 5]]) -> bool {
        let mut watchdog = Watchdog::default();
        let mut alarmed = false;
        for [encoded, sent, decoded, sealed, opened] in samples.iter().copied() {
            let mut traffic = [Traffic::default(); 3];
            let mut counters = [Counters::default(); 3];
            traffic[slot] = Traffic {
                frames_encoded: encoded,
                packets_sent: sent,
                frames_decoded: decoded,
            };
            counters[slot].sealed = sealed;
            counters[slot].opened = opened;
            alarmed |= watchdog.look(traffic, counters);
        }
        alarmed
    }

    #[test]
    fn a_protected_call_raises_no_alarm() {
        let samples: Vec<_> = (0..40)
            .map(|n| [n * 7, n * 20, n * 7, n * 7, n * 7 + 2])
            .collect();
        assert!(!alarmed(CAMERA, &samples));
    }

    #[test]
    fn frames_that_leave_unsealed_raise_the_alarm() {
        let samples: Vec<_> = (0..4).map(|n| [n * 7, n * 20, 0, 0, 0]).collect();
        assert!(alarmed(CAMERA, &samples));
        assert!(!alarmed(CAMERA, &samples[..3]));
    }

    #[test]
    fn sound_that_leaves_unsealed_raises_the_alarm() {
        let samples: Vec<_> = (0..4).map(|n| [0, n * 12, 0, 0, 0]).collect();
        assert!(alarmed(0, &samples));
    }

    #[test]
    fn a_transform_that_blocks_everything_is_no_leak() {
        let samples: Vec<_> = (0..10).map(|n| [n * 7, 3, 0, 0, 0]).collect();
        assert!(!alarmed(CAMERA, &samples));
    }

    #[test]
    fn packets_of_frames_sealed_earlier_raise_no_alarm_once_encoding_stopped() {
        let samples: Vec<_> = (0..10).map(|n| [50, 100 + n * 20, 0, 50, 0]).collect();
        assert!(!alarmed(CAMERA, &samples));
    }

    #[test]
    fn frames_decoded_but_never_opened_raise_the_alarm() {
        let samples: Vec<_> = (1..5).map(|n| [0, 0, n, 0, 0]).collect();
        assert!(alarmed(CAMERA, &samples));
    }

    #[test]
    fn one_suspicious_sample_is_no_certainty() {
        let samples = [[0, 0, 0, 0, 0], [7, 20, 0, 0, 0], [14, 40, 0, 9, 0]];
        assert!(!alarmed(CAMERA, &samples));
    }
}
