// SPDX-License-Identifier: MIT OR Apache-2.0
//! Keys and counters by link, and what happens to a frame: sealed, opened, or dropped.

use std::collections::BTreeMap;

use hither_crypto::media::{FrameKind, FrameOpener, FrameSealer, MediaKey, clear_bytes};

use crate::message::{Counters, Slot};

/// Every link that has a key.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    by_link: BTreeMap<u32, Link>,
}

#[derive(Debug, Default)]
struct Link {
    /// One for each transceiver, under a key id of its own. They outlive the transforms: a transform that is
    /// made again must not start its counter again.
    sealers: Option<[FrameSealer; 3]>,
    /// One for all, with one replay window for each key id.
    opener: Option<(MediaKey, FrameOpener)>,
    counters: [Counters; 3],
}

impl Frames {
    /// Sets the key for sending, unless there is one.
    pub(crate) fn set_send_key(&mut self, link: u32, key: &MediaKey) {
        let link = self.by_link.entry(link).or_default();
        if link.sealers.is_none() {
            link.sealers = Some(Slot::ALL.map(|slot| FrameSealer::new(key, slot.index() as u64)));
        }
    }

    /// Sets the key for receiving. The same key again keeps its replay window.
    pub(crate) fn set_receive_key(&mut self, link: u32, key: MediaKey) {
        let link = self.by_link.entry(link).or_default();
        if link.opener.as_ref().is_none_or(|(known, _)| *known != key) {
            let opener = FrameOpener::new(&key);
            link.opener = Some((key, opener));
        }
    }

    /// Forgets a link and its keys.
    pub(crate) fn forget(&mut self, link: u32) {
        self.by_link.remove(&link);
    }

    /// What went through so far.
    pub(crate) fn counters(&self, link: u32) -> [Counters; 3] {
        self.by_link
            .get(&link)
            .map_or_else(Default::default, |link| link.counters)
    }

    /// A frame on its way to the network. `None`: it must not go there.
    pub(crate) fn seal(
        &mut self,
        link: u32,
        slot: Slot,
        kind: FrameKind,
        frame: &[u8],
    ) -> Option<Vec<u8>> {
        let link = self.by_link.get_mut(&link)?;
        let sealer = link.sealers.as_mut()?.get_mut(slot.index())?;
        let sealed = sealer.seal(frame, clear_bytes(kind)).ok()?;
        link.counters.get_mut(slot.index())?.sealed += 1;
        Some(sealed)
    }

    /// A frame on its way to the decoder. `None`: it must not go there.
    pub(crate) fn open(
        &mut self,
        link: u32,
        slot: Slot,
        kind: FrameKind,
        frame: &[u8],
    ) -> Option<Vec<u8>> {
        let link = self.by_link.get_mut(&link)?;
        let opened = link
            .opener
            .as_mut()
            .and_then(|(_, opener)| opener.open(frame, clear_bytes(kind)).ok());
        let counters = link.counters.get_mut(slot.index())?;
        match opened {
            Some(_) => counters.opened += 1,
            None => counters.refused += 1,
        }
        opened
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: FrameKind = FrameKind::VideoDelta;

    fn key(byte: u8) -> MediaKey {
        MediaKey::from_bytes([byte; 32])
    }

    fn frame() -> Vec<u8> {
        (0..200).collect()
    }

    #[test]
    fn without_a_key_nothing_passes() {
        let mut frames = Frames::default();
        assert!(frames.seal(1, Slot::Camera, KIND, &frame()).is_none());
        frames.set_receive_key(1, key(1));
        assert!(frames.seal(1, Slot::Camera, KIND, &frame()).is_none());
        assert_eq!(frames.counters(1), [Counters::default(); 3]);

        frames.set_send_key(2, &key(2));
        assert!(frames.open(2, Slot::Camera, KIND, &frame()).is_none());
        assert_eq!(frames.counters(2)[1].refused, 1);
    }

    #[test]
    fn what_one_side_seals_the_other_opens_once() {
        let mut frames = Frames::default();
        frames.set_send_key(1, &key(5));
        frames.set_receive_key(2, key(5));
        let sealed = frames
            .seal(1, Slot::Camera, KIND, &frame())
            .expect("a sealed frame");
        assert_ne!(sealed, frame());
        let opened = frames.open(2, Slot::Camera, KIND, &sealed);
        assert_eq!(opened, Some(frame()));
        assert!(frames.open(2, Slot::Camera, KIND, &sealed).is_none());
        assert_eq!(frames.counters(1)[1].sealed, 1);
        assert_eq!(
            frames.counters(2)[1],
            Counters {
                sealed: 0,
                opened: 1,
                refused: 1
            }
        );
    }

    #[test]
    fn a_second_send_key_does_not_start_the_counters_again() {
        let mut frames = Frames::default();
        frames.set_send_key(1, &key(5));
        let first = frames.seal(1, Slot::Sound, FrameKind::Audio, &frame());
        frames.set_send_key(1, &key(5));
        let second = frames.seal(1, Slot::Sound, FrameKind::Audio, &frame());
        assert!(first.is_some() && second.is_some());
        assert_ne!(first, second);
    }

    #[test]
    fn the_three_transceivers_never_seal_alike() {
        let mut frames = Frames::default();
        frames.set_send_key(1, &key(5));
        let sealed = Slot::ALL.map(|slot| frames.seal(1, slot, KIND, &frame()));
        assert!(sealed.iter().all(Option::is_some));
        assert_ne!(sealed[0], sealed[1]);
        assert_ne!(sealed[1], sealed[2]);
        assert_ne!(sealed[0], sealed[2]);
    }

    #[test]
    fn the_same_receive_key_again_keeps_the_replay_window() {
        let mut frames = Frames::default();
        frames.set_send_key(1, &key(5));
        frames.set_receive_key(1, key(5));
        let sealed = frames
            .seal(1, Slot::Camera, KIND, &frame())
            .expect("a sealed frame");
        assert!(frames.open(1, Slot::Camera, KIND, &sealed).is_some());
        frames.set_receive_key(1, key(5));
        assert!(frames.open(1, Slot::Camera, KIND, &sealed).is_none());
    }

    #[test]
    fn a_forgotten_link_passes_nothing() {
        let mut frames = Frames::default();
        frames.set_send_key(1, &key(5));
        frames.forget(1);
        assert!(frames.seal(1, Slot::Camera, KIND, &frame()).is_none());
    }
}
