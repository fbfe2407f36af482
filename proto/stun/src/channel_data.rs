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
//! Over a stream it is padded to a multiple of four, over UDP it may be; the length does not count the
//! padding.
//!
//! A system that coalesces what it receives (UDP GRO) gives datagrams of one sender in one read. [`runs`] cuts
//! such a read into [`Run`]s that are decided as one.

use core::iter::FusedIterator;
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

/// Datagrams of one sender that stand one after another, all `stride` long but the last, which may be shorter.
///
/// Never empty: no bytes are one datagram without content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run<'a> {
    bytes: &'a [u8],
    stride: usize,
    skip: usize,
}

impl<'a> Run<'a> {
    /// A single datagram, or a single frame of a stream.
    #[must_use]
    pub const fn one(bytes: &'a [u8]) -> Self {
        Self::new(bytes, bytes.len())
    }

    /// Datagrams of `stride` bytes each. A stride of zero, or beyond the end, means a single datagram.
    #[must_use]
    pub const fn new(bytes: &'a [u8], stride: usize) -> Self {
        let is_one = stride == 0 || stride > bytes.len();
        Self {
            bytes,
            stride: if is_one { bytes.len() } else { stride },
            skip: 0,
        }
    }

    /// The same datagrams, of which the first `skip` bytes each are not payload: what they came behind.
    ///
    /// [`Server::handle_shard`](crate::Server::handle_shard) is told so where the payload begins.
    #[must_use]
    pub const fn skipping(self, skip: usize) -> Self {
        Self { skip, ..self }
    }

    /// All bytes, one datagram after another.
    #[must_use]
    pub const fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// How far apart datagrams begin, in bytes; the length of all but the last.
    #[must_use]
    pub const fn stride(self) -> usize {
        self.stride
    }

    /// How many bytes at the start of each datagram are not payload.
    #[must_use]
    pub const fn skip(self) -> usize {
        self.skip
    }

    /// How many datagrams there are, at least one.
    #[must_use]
    pub const fn count(self) -> usize {
        if self.stride == 0 {
            1
        } else {
            self.bytes.len().div_ceil(self.stride)
        }
    }

    /// The first, which is as long as any.
    #[must_use]
    pub fn first(self) -> &'a [u8] {
        self.bytes.get(..self.stride).unwrap_or(self.bytes)
    }

    /// All of them, in order.
    pub fn datagrams(self) -> impl Iterator<Item = &'a [u8]> {
        (0..self.count()).map(move |index| self.datagram(index))
    }

    /// The one at this place, counted from zero; without content if there is none.
    #[must_use]
    pub fn datagram(self, index: usize) -> &'a [u8] {
        let start = self.stride.saturating_mul(index).min(self.bytes.len());
        let end = start.saturating_add(self.stride).min(self.bytes.len());
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// What of the datagram at this place a decision calls payload, given its range in the first.
    #[must_use]
    pub fn payload(self, index: usize, in_first: &Range<usize>) -> &'a [u8] {
        let datagram = self.datagram(index);
        let end = in_first.end.min(datagram.len());
        datagram.get(in_first.start..end).unwrap_or_default()
    }

    /// The payload of all datagrams together, in bytes, given its range in the first.
    pub(crate) const fn payload_len(self, in_first: &Range<usize>) -> usize {
        // A run of several has payload up to the end of each datagram.
        match self.count() {
            1 => in_first.end.saturating_sub(in_first.start),
            count => self.bytes.len().saturating_sub(in_first.start * count),
        }
    }
}

/// Cuts what one read gave, datagrams `stride` bytes apart, into runs that one decision can hold for: as many
/// datagrams in a row as are channel data of the same channel without padding. Every other one is alone.
pub const fn runs(bytes: &[u8], stride: usize) -> Runs<'_> {
    Runs {
        rest: Some(Run::new(bytes, stride)),
    }
}

/// See [`runs`].
#[derive(Clone, Debug)]
pub struct Runs<'a> {
    rest: Option<Run<'a>>,
}

impl<'a> Iterator for Runs<'a> {
    type Item = Run<'a>;

    fn next(&mut self) -> Option<Run<'a>> {
        let rest = self.rest.take()?;
        let length = length_of_run(rest);
        let (run, later) = rest.bytes.split_at_checked(length)?;
        if !later.is_empty() {
            self.rest = Some(Run::new(later, rest.stride));
        }
        Some(Run::new(run, rest.stride))
    }
}

impl FusedIterator for Runs<'_> {}

/// How many bytes the run has that begins here.
fn length_of_run(rest: Run<'_>) -> usize {
    let first = rest.first();
    let Some(channel) = unpadded_channel(first) else {
        return first.len();
    };
    let alike = rest
        .datagrams()
        .skip(1)
        .take_while(|datagram| unpadded_channel(datagram) == Some(channel));
    alike.map(<[u8]>::len).sum::<usize>() + first.len()
}

/// The channel of a datagram whose length says that it carries no padding.
fn unpadded_channel(datagram: &[u8]) -> Option<ChannelNumber> {
    let ChannelData { channel, payload } = ChannelData::parse(datagram)?;
    (payload.end == datagram.len()).then_some(channel)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

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

    #[test]
    fn datagrams_of_one_channel_are_one_run_and_the_last_may_be_shorter() {
        let read = [&data(0x4000, 8)[..], &data(0x4000, 8), &data(0x4000, 3)].concat();
        let all: Vec<_> = runs(&read, 12).collect();
        assert_eq!(all, [Run::new(&read, 12)]);
        let [run] = all[..] else { panic!("one run") };
        assert_eq!(run.count(), 3);
        assert_eq!(run.payload(0, &(4..12)).len(), 8);
        assert_eq!(run.payload(2, &(4..12)).len(), 3);
        assert_eq!(run.payload_len(&(4..12)), 19);
    }

    #[test]
    fn a_run_ends_where_the_channel_changes_and_where_there_is_none() {
        let other = [7; 12];
        let padded = [&data(0x4001, 7)[..], &[0]].concat();
        let read = [
            &data(0x4000, 8)[..],
            &data(0x4001, 8),
            &data(0x4001, 8),
            &padded,
            &other,
            &other,
            &data(0x4001, 1),
        ]
        .concat();
        let counts: Vec<_> = runs(&read, 12).map(Run::count).collect();
        assert_eq!(counts, [1, 2, 1, 1, 1, 1]);
        let bytes: Vec<_> = runs(&read, 12).map(Run::bytes).collect();
        assert_eq!(bytes.concat(), read);
    }

    #[test]
    fn no_bytes_are_one_empty_datagram() {
        for stride in [0, 1, 1_500] {
            assert_eq!(runs(&[], stride).collect::<Vec<_>>(), [Run::one(&[])]);
        }
        assert_eq!(Run::one(&[]).count(), 1);
        assert_eq!(Run::one(&[]).datagrams().count(), 1);
        assert_eq!(Run::new(&[1, 2], 0), Run::one(&[1, 2]));
    }

    proptest! {
        #[test]
        fn runs_lose_and_join_nothing(
            read in prop::collection::vec(prop_oneof![Just(0x40), Just(0), Just(2), any::<u8>()], 0..200),
            stride in 0usize..40,
        ) {
            let whole = Run::new(&read, stride);
            let cut: Vec<_> = runs(&read, stride).flat_map(Run::datagrams).collect();
            prop_assert_eq!(cut, whole.datagrams().collect::<Vec<_>>());
            for run in runs(&read, stride).filter(|run| run.count() > 1) {
                let channels = run.datagrams().map(unpadded_channel);
                let channels: BTreeSet<_> = channels.collect();
                prop_assert_eq!(channels.len(), 1);
                prop_assert!(!channels.contains(&None));
            }
        }
    }

    fn data(channel: u16, length: u16) -> Vec<u8> {
        let mut datagram = emit_header(ChannelNumber::new(channel).unwrap(), length).to_vec();
        datagram.resize(CHANNEL_HEADER_LEN + usize::from(length), 0xAA);
        datagram
    }
}
