// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the generator sends: payloads of which every byte is known to whoever receives them.
//!
//! ```text
//! run (4) | lane (4) | slot (4) | zero (4) | sequence (8) | sent at, ns (8) | check over all before (8) | noise …
//! ```
//! The noise is a piece of a pool that lane and slot choose, so a piece of another flow's payload does not pass.

/// Length of what stands before the noise, in bytes.
pub(crate) const STAMP_LEN: usize = 40;

/// The longest payload.
pub(crate) const MAX_PAYLOAD: usize = 1_400;

const PIECES: u32 = 1_021;
const PIECE_STEP: usize = 64;

/// What stands before the noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Which measurement it belongs to; what is left over from an earlier one is not looked at.
    pub(crate) run: u32,
    /// Which direction of which flow.
    pub(crate) lane: u32,
    /// The place within a burst.
    pub(crate) slot: u32,
    /// Counts the lane's datagrams.
    pub(crate) sequence: u64,
    /// When it was sent, in nanoseconds since the run began.
    pub(crate) nanos: u64,
}

impl Stamp {
    /// Writes the stamp over the first bytes of a payload.
    pub(crate) fn emit(self, payload: &mut [u8]) {
        payload[0..4].copy_from_slice(&self.run.to_le_bytes());
        payload[4..8].copy_from_slice(&self.lane.to_le_bytes());
        payload[8..12].copy_from_slice(&self.slot.to_le_bytes());
        payload[12..16].copy_from_slice(&[0; 4]);
        payload[16..24].copy_from_slice(&self.sequence.to_le_bytes());
        payload[24..32].copy_from_slice(&self.nanos.to_le_bytes());
        payload[32..40].copy_from_slice(&self.check().to_le_bytes());
    }

    /// Reads the stamp; `None` if a bit of it is not what it was.
    pub(crate) fn parse(payload: &[u8]) -> Option<Self> {
        let (head, _) = payload.split_first_chunk::<STAMP_LEN>()?;
        let word =
            |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let long = |at: usize| u64::from(word(at)) | (u64::from(word(at + 4)) << 32);
        let stamp = Self {
            run: word(0),
            lane: word(4),
            slot: word(8),
            sequence: long(16),
            nanos: long(24),
        };
        (word(12) == 0 && long(32) == stamp.check()).then_some(stamp)
    }

    fn check(self) -> u64 {
        let words = [
            (u64::from(self.run) << 32) | u64::from(self.lane),
            u64::from(self.slot),
            self.sequence,
            self.nanos,
        ];
        words
            .into_iter()
            .fold(0x9E37_79B9_7F4A_7C15, |sum, word| mix(sum ^ word))
    }
}

/// Noise that both ends know.
#[derive(Debug)]
pub(crate) struct Pool(Vec<u8>);

impl Pool {
    pub(crate) fn new() -> Self {
        let len = PIECES as usize * PIECE_STEP + MAX_PAYLOAD;
        let noise = (0_u64..).flat_map(|at| mix(at + 1).to_le_bytes());
        Self(noise.take(len).collect())
    }

    /// What follows the stamp in the payload of this lane and slot.
    pub(crate) fn body(&self, lane: u32, slot: u32, len: usize) -> &[u8] {
        let piece = (lane.wrapping_mul(31).wrapping_add(slot.wrapping_mul(7))) % PIECES;
        let start = piece as usize * PIECE_STEP;
        &self.0[start..start + len]
    }
}

/// Spreads every bit over all others (the finisher of SplitMix64).
const fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp {
        run: 1,
        lane: 2,
        slot: 3,
        sequence: 4,
        nanos: 5,
    };

    #[test]
    fn a_stamp_survives_the_round_trip() {
        let mut bytes = [0xFF; STAMP_LEN];
        STAMP.emit(&mut bytes);
        assert_eq!(Stamp::parse(&bytes), Some(STAMP));
    }

    #[test]
    fn a_stamp_with_any_bit_flipped_is_noticed() {
        let mut bytes = [0; STAMP_LEN];
        STAMP.emit(&mut bytes);
        for bit in 0..STAMP_LEN * 8 {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Stamp::parse(&damaged), None, "bit {bit}");
        }
    }
}
