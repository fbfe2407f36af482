// SPDX-License-Identifier: MIT OR Apache-2.0
//! How large the camera's picture is sent: small at first, whole once the path has room for it for a while, small
//! again as soon as it has not. And how many bits sound takes: half of the usual on a thin path, where the repetition in
//! every packet would leave nothing for pictures, and fill the queue before the path.
//!
//! The browser by itself begins with the whole picture at a bit rate that does not carry it, drops the first
//! frames, and finds its size from below. Beginning small, the first frame is a quarter and fits. Between the two
//! sizes, and below the small one, the browser's own adaptation goes on.

/// Lines of the small picture: 640 × 360 of the usual 1280 × 720.
const SMALL_HEIGHT: f64 = 360.0;

/// What the path must have room for until the whole picture is sent, bit/s.
const ROOM_BPS: u64 = 1_100_000;

/// Below this the whole picture is a smear, bit/s.
const TIGHT_BPS: u64 = 600_000;

/// Below this, sound takes half; above this, all of it again. bit/s
const THIN_BPS: u64 = 200_000;
const NOT_THIN_BPS: u64 = 350_000;

/// Samples in a row that make a path roomy. After every disappointment they are twice as many.
const CALM: u32 = 8;
const MOST_CALM: u32 = 240;

/// Samples in a row that make it tight. One may be a hiccup of the estimate.
const TIGHT: u32 = 2;

/// What was measured on the way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Outgoing {
    /// `candidate-pair.availableOutgoingBitrate`, bit/s: what congestion control believes the path carries.
    pub(crate) available_bps: Option<u64>,
    /// `outbound-rtp.qualityLimitationReason` of the camera is `cpu`, or its encoder does not keep up.
    pub(crate) machine_is_busy: bool,
    /// Frames of the camera were encoded since the link was opened.
    pub(crate) camera_runs: bool,
}

/// How large the picture is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Size {
    /// About 360 lines.
    #[default]
    Small,
    /// As it comes from the camera.
    Whole,
}

impl Size {
    /// By how much a picture of so many lines is divided in both directions.
    pub(crate) fn divisor(self, height: f64) -> f64 {
        match self {
            Self::Small => (height / SMALL_HEIGHT).max(1.0),
            Self::Whole => 1.0,
        }
    }

    /// The most that it is worth, bit/s. For the small picture enough for the estimate to grow beyond
    /// [`ROOM_BPS`]: congestion control believes in one and a half times what it has seen arrive.
    pub(crate) const fn most_bps(self) -> u32 {
        match self {
            Self::Small => 1_000_000,
            Self::Whole => 2_000_000,
        }
    }
}

/// What sound is encoded with, each time that it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Sound {
    /// What browsers give to Opus with one channel.
    #[default]
    Full,
    /// Still the whole range of a voice.
    Thin,
}

impl Sound {
    /// Its bit rate.
    pub(crate) const fn most_bps(self) -> u32 {
        match self {
            Self::Full => 32_000,
            Self::Thin => 16_000,
        }
    }
}

/// Follows the path.
#[derive(Debug)]
pub(crate) struct Sizing {
    size: Size,
    streak: u32,
    calm: u32,
    sound: Sound,
    sound_streak: u32,
}

impl Default for Sizing {
    fn default() -> Self {
        Self {
            size: Size::default(),
            streak: 0,
            calm: CALM,
            sound: Sound::default(),
            sound_streak: 0,
        }
    }
}

impl Sizing {
    /// The size of now.
    pub(crate) const fn size(&self) -> Size {
        self.size
    }

    /// What sound takes now.
    pub(crate) const fn sound(&self) -> Sound {
        self.sound
    }

    /// Takes a sample. Without an estimate everything stays.
    pub(crate) fn look(&mut self, outgoing: Outgoing) {
        let Some(available) = outgoing.available_bps else {
            return;
        };
        self.look_at_sound(available);
        if outgoing.camera_runs {
            self.look_at_picture(available, outgoing);
        }
    }

    fn look_at_sound(&mut self, available: u64) {
        let (wants_change, needed, other) = match self.sound {
            Sound::Full => (available < THIN_BPS, TIGHT, Sound::Thin),
            Sound::Thin => (available >= NOT_THIN_BPS, CALM, Sound::Full),
        };
        self.sound_streak = if wants_change {
            self.sound_streak + 1
        } else {
            0
        };
        if self.sound_streak >= needed {
            self.sound_streak = 0;
            self.sound = other;
        }
    }

    fn look_at_picture(&mut self, available: u64, outgoing: Outgoing) {
        let (wants_change, needed) = match self.size {
            Size::Small => (
                available >= ROOM_BPS && !outgoing.machine_is_busy,
                self.calm,
            ),
            Size::Whole if available < TIGHT_BPS => (true, TIGHT),
            Size::Whole => (outgoing.machine_is_busy, CALM),
        };
        self.streak = if wants_change { self.streak + 1 } else { 0 };
        if self.streak >= needed {
            self.turn();
        }
    }

    fn turn(&mut self) {
        self.streak = 0;
        self.size = match self.size {
            Size::Small => Size::Whole,
            Size::Whole => {
                self.calm = (self.calm * 2).min(MOST_CALM);
                Size::Small
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOMY: u64 = 2_500_000;

    fn sample(available_bps: u64) -> Outgoing {
        Outgoing {
            available_bps: Some(available_bps),
            machine_is_busy: false,
            camera_runs: true,
        }
    }

    /// The size after so many equal samples.
    fn after(sizing: &mut Sizing, count: u32, outgoing: Outgoing) -> Size {
        for _ in 0..count {
            sizing.look(outgoing);
        }
        sizing.size()
    }

    #[test]
    fn a_picture_begins_small_and_grows_when_there_has_been_room_for_a_while() {
        let mut sizing = Sizing::default();
        assert_eq!(sizing.size(), Size::Small);
        assert_eq!(after(&mut sizing, CALM - 1, sample(ROOMY)), Size::Small);
        assert_eq!(after(&mut sizing, 1, sample(ROOMY)), Size::Whole);
    }

    #[test]
    fn a_path_that_shrinks_makes_the_picture_small_at_the_second_look() {
        let mut sizing = Sizing::default();
        after(&mut sizing, CALM, sample(ROOMY));
        assert_eq!(after(&mut sizing, 1, sample(250_000)), Size::Whole);
        assert_eq!(after(&mut sizing, 1, sample(250_000)), Size::Small);
    }

    #[test]
    fn room_that_comes_and_goes_is_no_room() {
        let mut sizing = Sizing::default();
        for _ in 0..50 {
            after(&mut sizing, CALM - 1, sample(ROOMY));
            assert_eq!(after(&mut sizing, 1, sample(ROOM_BPS - 1)), Size::Small);
        }
    }

    #[test]
    fn after_every_disappointment_it_takes_longer_up_to_a_bound() {
        let mut sizing = Sizing::default();
        let mut needed = Vec::new();
        for _ in 0..8 {
            let mut count = 0;
            while after(&mut sizing, 1, sample(ROOMY)) == Size::Small {
                count += 1;
            }
            needed.push(count + 1);
            after(&mut sizing, TIGHT, sample(0));
        }
        assert_eq!(needed, [8, 16, 32, 64, 128, 240, 240, 240]);
    }

    #[test]
    fn a_busy_machine_sends_the_small_picture() {
        let mut sizing = Sizing::default();
        let busy = Outgoing {
            machine_is_busy: true,
            ..sample(ROOMY)
        };
        assert_eq!(after(&mut sizing, 100, busy), Size::Small);
        after(&mut sizing, CALM, sample(ROOMY));
        assert_eq!(after(&mut sizing, CALM - 1, busy), Size::Whole);
        assert_eq!(after(&mut sizing, 1, busy), Size::Small);
    }

    #[test]
    fn without_a_camera_or_an_estimate_nothing_changes() {
        let mut sizing = Sizing::default();
        let none = Outgoing::default();
        let dark = Outgoing {
            camera_runs: false,
            ..sample(ROOMY)
        };
        assert_eq!(after(&mut sizing, 100, none), Size::Small);
        assert_eq!(after(&mut sizing, 100, dark), Size::Small);
    }

    #[test]
    fn on_a_thin_path_sound_takes_half_until_there_is_room_again() {
        let mut sizing = Sizing::default();
        let mut sound_after = |count, available| {
            after(&mut sizing, count, sample(available));
            sizing.sound()
        };
        assert_eq!(sound_after(1, THIN_BPS - 1), Sound::Full);
        assert_eq!(sound_after(1, THIN_BPS - 1), Sound::Thin);
        assert_eq!(sound_after(100, NOT_THIN_BPS - 1), Sound::Thin);
        assert_eq!(sound_after(CALM - 1, NOT_THIN_BPS), Sound::Thin);
        assert_eq!(sound_after(1, NOT_THIN_BPS), Sound::Full);
    }

    #[test]
    fn small_means_the_same_lines_for_every_camera() {
        let lines = |height: f64| height / Size::Small.divisor(height);
        for height in [360.0, 480.0, 720.0, 1080.0] {
            assert!((lines(height) - 360.0).abs() < 1e-9, "{height}");
        }
        assert!((Size::Small.divisor(240.0) - 1.0).abs() < 1e-9);
        assert!((Size::Whole.divisor(1080.0) - 1.0).abs() < 1e-9);
    }
}
