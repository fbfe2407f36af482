// SPDX-License-Identifier: MIT OR Apache-2.0
//! ChannelData: four bytes before a peer's datagram instead of an indication's thirty-six (RFC 8656 §12.4).
//!
//! ```text
//! +-------------------------------+-------------------------------+
//! |         Channel Number        |            Length             |
//! +-------------------------------+-------------------------------+
//! |                     Application Data …                        |
//! +---------------------------------------------------------------+
//! ```
//! Over a stream it is padded to a multiple of four; the length does not count the padding.

use core::ops::Range;

/// Length of the header, in bytes.
pub const CHANNEL_HEADER_LEN: usize = 4;

/// A channel: 0x4000 to 0x7FFF.
///
/// RFC 8656 §12 lets clients choose up to 0x4FFF, so that whoever multiplexes TURN with QUIC on one port can
/// tell them apart (RFC 9443); clients of RFC 5766, coturn's among them, choose up to 0x7FFF. A relay's port
/// carries nothing else, so it takes both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelNumber(u16);

impl ChannelNumber {
    /// The lowest.
    pub const MIN: Self = Self(0x4000);
    /// The highest.
    pub const MAX: Self = Self(0x7FFF);

    /// The channel with this number, if it can be one.
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        if number >= Self::MIN.0 && number <= Self::MAX.0 {
            Some(Self(number))
        } else {
            None
        }
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }

    /// Reads the value of a CHANNEL-NUMBER attribute. `None` if it has the wrong length; `Some(None)` if the
    /// number cannot be a channel.
    #[must_use]
    pub fn parse_attribute(value: &[u8]) -> Option<Option<Self>> {
        let &[n0, n1, _, _] = value else { return None };
        Some(Self::new(u16::from_be_bytes([n0, n1])))
    }
}

/// The header before `length` bytes on `channel`.
#[must_use]
pub const fn emit_header(channel: ChannelNumber, length: u16) -> [u8; CHANNEL_HEADER_LEN] {
    let [n0, n1] = channel.number().to_be_bytes();
    let [l0, l1] = length.to_be_bytes();
    [n0, n1, l0, l1]
}

/// Where in a frame the application data stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelData {
    /// The channel it travels on.
    pub channel: ChannelNumber,
    /// The application data, as a range of the frame.
    pub payload: Range<usize>,
}

impl ChannelData {
    /// Reads a frame; what follows the announced length is padding and is ignored (RFC 8656 §12.5).
    #[must_use]
    pub fn parse(frame: &[u8]) -> Option<Self> {
        let (&[n0, n1, l0, l1], rest) = frame.split_first_chunk()?;
        let channel = ChannelNumber::new(u16::from_be_bytes([n0, n1]))?;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        (length <= rest.len()).then_some(Self {
            channel,
            payload: CHANNEL_HEADER_LEN..CHANNEL_HEADER_LEN + length,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_begin_at_0x4000_and_end_at_0x7fff() {
        assert_eq!(ChannelNumber::new(0x3FFF), None);
        assert!(ChannelNumber::new(0x4000).is_some());
        assert!(ChannelNumber::new(0x7FFF).is_some());
        assert_eq!(ChannelNumber::new(0x8000), None);
    }

    #[test]
    fn padding_is_not_part_of_the_data() {
        let parsed = ChannelData::parse(&[0x40, 1, 0, 2, 0xAA, 0xBB, 0, 0]).unwrap();
        assert_eq!(parsed.payload, 4..6);
    }

    #[test]
    fn a_length_beyond_the_frame_is_refused() {
        assert_eq!(ChannelData::parse(&[0x40, 1, 0, 3, 0xAA, 0xBB]), None);
    }

    #[test]
    fn empty_data_is_data() {
        let header = emit_header(ChannelNumber::MIN, 0);
        assert_eq!(ChannelData::parse(&header).unwrap().payload, 4..4);
    }
}
