// SPDX-License-Identifier: MIT OR Apache-2.0
//! Chance that can be repeated: the same seed, the same throws.

/// SplitMix64 (Steele, Lea and Flood 2014).
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number, each as likely.
    pub(super) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.number() % end
    }

    /// At least 0 and less than 1.
    pub(super) fn share(&mut self) -> f64 {
        // As many bits as the fraction of a double holds.
        f64::from(u32::try_from(self.number() >> 32).unwrap_or_default()) / 4_294_967_296.0
    }
}
