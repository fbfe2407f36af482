// SPDX-License-Identifier: MIT OR Apache-2.0
//! Cuts a stream into STUN messages and ChannelData (RFC 8489 §6.2.2, RFC 8656 §12.5).

use core::ops::Range;

use crate::attribute::padded;
use crate::channel_data::{CHANNEL_HEADER_LEN, ChannelNumber};
use crate::message::{HEADER_LEN, MAGIC_COOKIE};

/// The longest frame there is: a STUN header and 65,535 bytes, rounded up.
pub const MAX_FRAME_LEN: usize = padded(HEADER_LEN + 0xFFFF);

/// An empty buffer that has room for more than this is given back.
const KEPT_LEN: usize = 32 * 1024;

/// Why no frame can be taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// The stream carries something else; nothing after this point can be trusted to begin a frame.
    #[error("the stream is not made of STUN messages and channel data")]
    Foreign,
    /// The next frame will be longer than the limit. Raise it or give the stream up.
    #[error("the stream has a frame that is longer than allowed")]
    TooLong,
}

/// Bytes of a stream that wait to be a whole frame.
///
/// The buffer grows with what arrived, never with what a header promises, and never beyond one frame of the
/// longest allowed length and one [`Self::push`].
#[derive(Clone, Debug)]
pub struct Deframer {
    buffer: Vec<u8>,
    start: usize,
    limit: usize,
}

impl Default for Deframer {
    fn default() -> Self {
        Self::new()
    }
}

impl Deframer {
    /// An empty one, for frames of any length.
    #[must_use]
    pub const fn new() -> Self {
        Self::with_limit(MAX_FRAME_LEN)
    }

    /// An empty one, for frames of at most so many bytes, padding included.
    #[must_use]
    pub const fn with_limit(limit: usize) -> Self {
        Self {
            buffer: Vec::new(),
            start: 0,
            limit,
        }
    }

    /// Changes how many bytes a frame may have, padding included.
    pub const fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Appends what the stream brought. Take all frames out before the next call.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.start);
        self.start = 0;
        if self.buffer.is_empty() && self.buffer.capacity() > KEPT_LEN {
            self.buffer = Vec::new();
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Takes the next whole frame out, padding included; `None` until more bytes arrive.
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>, FramingError> {
        let waiting = self.buffer.get(self.start..).unwrap_or_default();
        let Some(length) = frame_len(waiting)? else {
            return Ok(None);
        };
        if length > self.limit {
            return Err(FramingError::TooLong);
        }
        if waiting.len() < length {
            return Ok(None);
        }
        let frame: Range<usize> = self.start..self.start + length;
        self.start = frame.end;
        Ok(self.buffer.get(frame))
    }

    /// How many bytes wait for the rest of their frame.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.buffer.len().saturating_sub(self.start)
    }
}

/// How long the frame is that begins here, padding included; `None` if too little of it is there to tell.
fn frame_len(bytes: &[u8]) -> Result<Option<usize>, FramingError> {
    let Some((&[b0, b1, l0, l1], rest)) = bytes.split_first_chunk() else {
        return Ok(None);
    };
    let first = u16::from_be_bytes([b0, b1]);
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    if ChannelNumber::new(first).is_some() {
        return Ok(Some(padded(CHANNEL_HEADER_LEN + length)));
    }
    // Refuse as early as can be: a TLS client that lost its way shall not fill the buffer.
    let cookie_so_far = rest.iter().zip(MAGIC_COOKIE).all(|(&a, b)| a == b);
    if first & 0xC000 != 0 || length % 4 != 0 || !cookie_so_far {
        return Err(FramingError::Foreign);
    }
    Ok(Some(HEADER_LEN + length))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::channel_data::emit_header;
    use crate::message::MessageBuilder;
    use crate::message_type::{Class, Method};
    use crate::transaction::TransactionId;

    #[test]
    fn bytes_that_are_neither_stun_nor_channel_data_end_the_stream() {
        let mut deframer = Deframer::new();
        // The beginning of a TLS ClientHello.
        deframer.push(&[0x16, 3, 1, 2, 0, 1, 0, 1]);
        assert_eq!(deframer.next_frame(), Err(FramingError::Foreign));
    }

    #[test]
    fn a_wrong_cookie_ends_the_stream_before_the_message_is_complete() {
        let mut deframer = Deframer::new();
        deframer.push(&[0, 1, 0, 0, 0x21]);
        assert_eq!(deframer.next_frame(), Ok(None));
        deframer.push(&[0x13]);
        assert_eq!(deframer.next_frame(), Err(FramingError::Foreign));
    }

    #[test]
    fn a_number_beyond_the_channels_ends_the_stream() {
        let mut deframer = Deframer::new();
        deframer.push(&[0x80, 0, 0, 0]);
        assert_eq!(deframer.next_frame(), Err(FramingError::Foreign));
    }

    #[test]
    fn a_frame_longer_than_allowed_is_refused_by_its_head_and_taken_once_it_is_allowed() {
        let channel = ChannelNumber::new(0x4001).unwrap();
        let mut deframer = Deframer::with_limit(104);
        for length in [100, 97] {
            deframer.push(&emit_header(channel, length));
            assert_eq!(deframer.next_frame(), Ok(None));
            deframer.push(&[7; 100]);
            assert_eq!(deframer.next_frame().unwrap().unwrap().len(), 104);
        }
        deframer.push(&emit_header(channel, 101));
        assert_eq!(deframer.next_frame(), Err(FramingError::TooLong));
        deframer.set_limit(MAX_FRAME_LEN);
        assert_eq!(deframer.next_frame(), Ok(None));
        deframer.push(&[7; 104]);
        assert_eq!(deframer.next_frame().unwrap().unwrap().len(), 108);
    }

    #[test]
    fn the_room_of_a_long_frame_is_given_back() {
        let channel = ChannelNumber::new(0x4001).unwrap();
        let mut deframer = Deframer::new();
        deframer.push(&emit_header(channel, 0xFFFC));
        deframer.push(&vec![7; 0xFFFC]);
        assert!(deframer.next_frame().unwrap().is_some());
        deframer.push(&emit_header(channel, 0));
        assert!(deframer.next_frame().unwrap().is_some());
        assert!(deframer.buffer.capacity() <= KEPT_LEN);
    }

    fn frame() -> impl Strategy<Value = Vec<u8>> {
        let channel_data = (
            0x4000u16..=0x7FFF,
            prop::collection::vec(any::<u8>(), 0..300),
        )
            .prop_map(|(number, payload)| {
                let channel = ChannelNumber::new(number).unwrap();
                let length = u16::try_from(payload.len()).unwrap();
                let mut frame = emit_header(channel, length).to_vec();
                frame.extend(payload);
                frame.resize(padded(frame.len()), 0);
                frame
            });
        let message = any::<[u8; 12]>().prop_map(|id| {
            MessageBuilder::new(
                Class::Request,
                Method::BINDING,
                TransactionId::from_bytes(id),
            )
            .finish(None, true)
            .unwrap()
        });
        prop_oneof![channel_data, message]
    }

    proptest! {
        #[test]
        fn frames_come_out_whole_however_the_stream_was_split(
            frames in prop::collection::vec(frame(), 1..20),
            cuts in prop::collection::vec(1usize..400, 1..200),
        ) {
            let stream = frames.concat();
            let mut deframer = Deframer::new();
            let mut out = Vec::new();
            let mut rest = stream.as_slice();
            let mut cuts = cuts.iter().cycle();
            while !rest.is_empty() {
                let cut = (*cuts.next().unwrap()).min(rest.len());
                let (now, later) = rest.split_at(cut);
                rest = later;
                deframer.push(now);
                while let Some(frame) = deframer.next_frame().unwrap() {
                    out.push(frame.to_vec());
                }
            }
            prop_assert_eq!(out, frames);
            prop_assert_eq!(deframer.buffered(), 0);
        }

        #[test]
        fn no_stream_makes_the_deframer_panic_or_hoard(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..50),
        ) {
            let mut deframer = Deframer::new();
            for chunk in chunks {
                deframer.push(&chunk);
                while let Ok(Some(_)) = deframer.next_frame() {}
                prop_assert!(deframer.buffered() <= MAX_FRAME_LEN + chunk.len());
                if deframer.next_frame().is_err() {
                    break;
                }
            }
        }
    }
}
