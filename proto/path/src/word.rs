// SPDX-License-Identifier: MIT OR Apache-2.0
//! What one watch tells the other.

use hither_sansio::{Duration, Instant};
use thiserror::Error;

use crate::Config;

/// A report to the other side's watch. It may be lost, doubled and reordered; every word is whole in
/// itself, and is said again until it is acknowledged. It must be authenticated by whoever carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Word {
    /// Larger for every change of `hears`; a smaller number than the last is old news.
    pub number: u32,
    /// The largest number of the other side's words that has arrived here.
    pub seen: u32,
    /// The sender does not know yet that this number has arrived: an answer is asked for.
    pub asks: bool,
    /// The sender of this word hears the other side on the main lane and trusts it.
    pub hears: bool,
}

/// The first byte of every word.
const VERSION: u8 = 1;
const ASKS: u8 = 1;
const HEARS: u8 = 2;

/// Why bytes are not a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ParseError {
    /// A word has ten bytes.
    #[error("a word of another length")]
    Length,
    /// The version or a flag is from a later time.
    #[error("a word of a version that is not known")]
    Version,
}

impl Word {
    /// Its length on the wire.
    pub const LEN: usize = 10;

    /// Version (1), number and seen (4 each, big-endian), flags (1: asks, hears from the lowest bit on).
    #[must_use]
    pub fn emit(self) -> [u8; Self::LEN] {
        let [n0, n1, n2, n3] = self.number.to_be_bytes();
        let [s0, s1, s2, s3] = self.seen.to_be_bytes();
        let asks = if self.asks { ASKS } else { 0 };
        let hears = if self.hears { HEARS } else { 0 };
        [VERSION, n0, n1, n2, n3, s0, s1, s2, s3, asks | hears]
    }

    /// Reads what `emit` wrote.
    ///
    /// # Errors
    ///
    /// If the bytes are not a word of this version.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let &[version, n0, n1, n2, n3, s0, s1, s2, s3, flags] = bytes else {
            return Err(ParseError::Length);
        };
        if version != VERSION || flags & !(ASKS | HEARS) != 0 {
            return Err(ParseError::Version);
        }
        Ok(Self {
            number: u32::from_be_bytes([n0, n1, n2, n3]),
            seen: u32::from_be_bytes([s0, s1, s2, s3]),
            asks: flags & ASKS != 0,
            hears: flags & HEARS != 0,
        })
    }
}

/// Both halves of the conversation between two watches.
#[derive(Clone, Debug)]
pub(crate) struct Talk {
    /// What was last said here.
    number: u32,
    said: bool,
    /// What the other side has acknowledged.
    acknowledged: u32,
    /// What the other side last said.
    heard_number: u32,
    heard: bool,
    /// When to repeat, and how long to wait after that.
    repeat_at: Instant,
    wait: Duration,
    /// A word is to leave now.
    due: bool,
}

impl Talk {
    /// Two watches that have said nothing assume that all is well.
    pub(crate) fn new(config: &Config, now: Instant) -> Self {
        Self {
            number: 0,
            said: true,
            acknowledged: 0,
            heard_number: 0,
            heard: true,
            repeat_at: now,
            wait: config.resend,
            due: false,
        }
    }

    /// Whether the other side hears us on main, as far as we know.
    pub(crate) fn is_heard(&self) -> bool {
        self.heard
    }

    pub(crate) fn handle(&mut self, word: Word) {
        // An old word still acknowledges; and nobody acknowledges what was never said.
        self.acknowledged = self.acknowledged.max(word.seen.min(self.number));
        if word.number > self.heard_number {
            self.heard_number = word.number;
            self.heard = word.hears;
        }
        self.due |= word.asks;
    }

    /// Says whether main is heard here, if that has changed, and repeats what is not acknowledged.
    pub(crate) fn update(&mut self, hears: bool, config: &Config, now: Instant) {
        if hears != self.said {
            self.said = hears;
            self.number = self.number.saturating_add(1);
            self.wait = config.resend;
            self.schedule(config, now);
        } else if self.repeats() && now >= self.repeat_at {
            self.schedule(config, now);
        }
    }

    fn schedule(&mut self, config: &Config, now: Instant) {
        self.due = true;
        self.repeat_at = now + self.wait;
        self.wait = self.wait.saturating_mul(2).min(config.longest_resend);
    }

    fn repeats(&self) -> bool {
        self.acknowledged < self.number
    }

    pub(crate) fn poll(&mut self) -> Option<Word> {
        core::mem::take(&mut self.due).then_some(Word {
            number: self.number,
            seen: self.heard_number,
            asks: self.repeats(),
            hears: self.said,
        })
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.repeats().then_some(self.repeat_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_in_the_protocol_is_written_and_read_as_it_says() {
        let word = Word {
            number: 3,
            seen: 2,
            asks: true,
            hears: false,
        };
        let bytes = [1, 0, 0, 0, 3, 0, 0, 0, 2, 1];
        assert_eq!(word.emit(), bytes);
        assert_eq!(Word::parse(&bytes), Ok(word));
    }

    #[test]
    fn what_is_too_long_too_short_or_of_another_version_is_no_word() {
        let bytes = [1, 0, 0, 0, 3, 0, 0, 0, 2, 1];
        assert_eq!(Word::parse(&bytes[..9]), Err(ParseError::Length));
        assert_eq!(Word::parse(&[0; 11]), Err(ParseError::Length));
        for (at, value) in [(0, 2), (9, 4)] {
            let mut bytes = bytes;
            bytes[at] = value;
            assert_eq!(Word::parse(&bytes), Err(ParseError::Version));
        }
    }
}
