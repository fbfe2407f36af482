// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is to be sent at the end of a turn: datagrams for one destination joined where the system can send them
//! as one.

use std::net::SocketAddr;
use std::ops::Range;

use super::MAX_SEGMENTS;
use super::socket::SocketId;

/// Messages before the outbox has to be flushed.
const MAX_MESSAGES: usize = 64;

/// Pieces before the outbox has to be flushed. One message never has more than [`MAX_PIECES_OF_MESSAGE`].
const MAX_PIECES: usize = 1_024;

/// Pieces of one message: a head, a payload, and padding for every datagram.
pub(super) const MAX_PIECES_OF_MESSAGE: usize = 3 * MAX_SEGMENTS;

/// Bytes of heads, answers and short payloads before the outbox has to be flushed.
const MAX_OWN_BYTES: usize = 32 * 1024;

/// The longest message, in bytes, headers of UDP and IPv6 left off.
const MAX_MESSAGE_LEN: usize = 65_000;

/// Bytes of a datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// In the bytes that the flush is told.
    Received(Range<usize>),
    /// In the outbox's own bytes.
    Own(Range<usize>),
}

impl Piece {
    fn len(&self) -> usize {
        match self {
            Self::Received(range) | Self::Own(range) => range.len(),
        }
    }

    /// Joins a piece that stands right behind this one.
    fn extend(&mut self, next: &Self) -> bool {
        match (self, next) {
            (Self::Received(range), Self::Received(next)) | (Self::Own(range), Self::Own(next))
                if range.end == next.start =>
            {
                range.end = next.end;
                true
            }
            _ => false,
        }
    }

    fn bytes<'a>(&self, received: &'a [u8], own: &'a [u8]) -> &'a [u8] {
        match self {
            Self::Received(range) => received.get(range.clone()),
            Self::Own(range) => own.get(range.clone()),
        }
        .unwrap_or_default()
    }
}

/// The way that a datagram takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) socket: SocketId,
    pub(crate) to: SocketAddr,
    /// Whether routers must not fragment it; where the system cannot promise that, they may.
    pub(crate) dont_fragment: bool,
}

impl Way {
    /// One on which routers may fragment.
    pub(crate) const fn new(socket: SocketId, to: SocketAddr) -> Self {
        Self {
            socket,
            to,
            dont_fragment: false,
        }
    }
}

/// Datagrams that take one way, all `segment` bytes long but the last, which may be shorter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) way: Way,
    pub(super) segment: usize,
    pub(super) datagrams: usize,
    len: usize,
    pieces: Range<usize>,
}

impl Message {
    /// In how many pieces its bytes stand.
    pub(super) fn piece_count(&self) -> usize {
        self.pieces.len()
    }

    /// Whether a datagram of this length may follow.
    fn takes(&self, way: Way, len: usize, pieces: usize) -> bool {
        self.way == way
            && self.len == self.segment * self.datagrams
            && (1..=self.segment).contains(&len)
            && self.datagrams < MAX_SEGMENTS
            && self.len + len <= MAX_MESSAGE_LEN
            && self.pieces.len() + pieces <= MAX_PIECES_OF_MESSAGE
    }
}

/// Messages that wait for the flush. It holds ranges, not bytes, so that nothing is copied.
#[derive(Debug)]
pub(crate) struct Outbox {
    messages: Vec<Message>,
    pieces: Vec<Piece>,
    own: Vec<u8>,
}

impl Outbox {
    pub(crate) fn new() -> Self {
        Self {
            messages: Vec::with_capacity(MAX_MESSAGES),
            pieces: Vec::with_capacity(MAX_PIECES),
            own: Vec::with_capacity(MAX_OWN_BYTES),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Whether another datagram fits that brings so many bytes of its own.
    pub(crate) fn has_room(&self, own: usize) -> bool {
        self.messages.len() < MAX_MESSAGES
            && self.pieces.len() + 3 <= MAX_PIECES
            && self.own.len() + own <= MAX_OWN_BYTES
    }

    /// Bytes that belong to the outbox, to be filled before they are pushed.
    pub(crate) fn own(&mut self, len: usize) -> (Piece, &mut [u8]) {
        let start = self.own.len();
        self.own.resize(start + len, 0);
        let bytes = self.own.get_mut(start..).unwrap_or_default();
        (Piece::Own(start..start + len), bytes)
    }

    /// One datagram. It joins the one before it if both have the same destination and fitting lengths.
    pub(crate) fn push(&mut self, way: Way, pieces: &[Piece]) {
        let len = pieces.iter().map(Piece::len).sum();
        let joins = self
            .messages
            .last()
            .is_some_and(|last| last.takes(way, len, pieces.len()));
        if !joins {
            let start = self.pieces.len();
            self.messages.push(Message {
                way,
                segment: len,
                datagrams: 0,
                len: 0,
                pieces: start..start,
            });
        }
        let Some(message) = self.messages.last_mut() else {
            return;
        };
        message.datagrams += 1;
        message.len += len;
        for piece in pieces.iter().filter(|piece| piece.len() > 0) {
            let extends = !message.pieces.is_empty()
                && self
                    .pieces
                    .last_mut()
                    .is_some_and(|last| last.extend(piece));
            if !extends {
                self.pieces.push(piece.clone());
            }
        }
        message.pieces.end = self.pieces.len();
    }

    pub(super) fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// The bytes of a message, piece by piece.
    pub(super) fn pieces_of<'a>(
        &'a self,
        message: &Message,
        received: &'a [u8],
    ) -> impl ExactSizeIterator<Item = &'a [u8]> {
        let pieces = self.pieces.get(message.pieces.clone()).unwrap_or_default();
        pieces.iter().map(|piece| piece.bytes(received, &self.own))
    }

    pub(super) fn clear(&mut self) {
        self.messages.clear();
        self.pieces.clear();
        self.own.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(socket: usize, port: u16) -> Way {
        let to = SocketAddr::from(([192, 0, 2, 1], port));
        Way::new(SocketId::new(socket), to)
    }

    fn datagrams(outbox: &Outbox) -> Vec<(u16, usize, usize)> {
        let of = |message: &Message| (message.way.to.port(), message.segment, message.datagrams);
        outbox.messages().iter().map(of).collect()
    }

    #[test]
    fn datagrams_of_equal_length_to_one_destination_are_one_message() {
        let mut outbox = Outbox::new();
        for start in [0, 100, 200] {
            outbox.push(way(1, 1), &[Piece::Received(start..start + 100)]);
        }
        assert_eq!(datagrams(&outbox), [(1, 100, 3)]);
        assert_eq!(outbox.pieces, [Piece::Received(0..300)]);
    }

    #[test]
    fn a_shorter_datagram_ends_a_message_and_a_longer_one_begins_another() {
        let mut outbox = Outbox::new();
        for length in [100, 60, 100, 120, 0, 120] {
            outbox.push(way(1, 1), &[Piece::Received(0..length)]);
        }
        let expected = [
            (1, 100, 2),
            (1, 100, 1),
            (1, 120, 1),
            (1, 0, 1),
            (1, 120, 1),
        ];
        assert_eq!(datagrams(&outbox), expected);
    }

    #[test]
    fn another_destination_or_socket_begins_a_message() {
        let mut outbox = Outbox::new();
        for (socket, port) in [(1, 1), (1, 2), (2, 2), (2, 2)] {
            outbox.push(way(socket, port), &[Piece::Received(0..9)]);
        }
        assert_eq!(datagrams(&outbox), [(1, 9, 1), (2, 9, 1), (2, 9, 2)]);
    }

    #[test]
    fn heads_and_payloads_come_out_in_order() {
        let mut outbox = Outbox::new();
        let received = *b"abcdef";
        for range in [0..2, 2..4, 4..5] {
            let (head, bytes) = outbox.own(1);
            bytes.copy_from_slice(b"-");
            outbox.push(way(1, 1), &[head, Piece::Received(range)]);
        }
        let [message] = outbox.messages() else {
            panic!("one message")
        };
        let bytes: Vec<_> = outbox.pieces_of(message, &received).collect();
        assert_eq!(bytes.concat(), b"-ab-cd-e");
        assert_eq!((message.segment, message.datagrams), (3, 3));
    }

    #[test]
    fn no_message_is_longer_than_the_system_takes() {
        let mut outbox = Outbox::new();
        for _ in 0..100 {
            outbox.push(way(1, 1), &[Piece::Received(0..1_200)]);
        }
        for message in outbox.messages() {
            assert!(message.datagrams <= MAX_SEGMENTS && message.len <= MAX_MESSAGE_LEN);
        }
        assert_eq!(
            outbox.messages().iter().map(|m| m.datagrams).sum::<usize>(),
            100
        );
        outbox.clear();
        for _ in 0..100 {
            outbox.push(way(1, 1), &[Piece::Received(0..9)]);
        }
        assert_eq!(datagrams(&outbox), [(1, 9, 64), (1, 9, 36)]);
    }
}
