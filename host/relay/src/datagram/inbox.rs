// SPDX-License-Identifier: MIT OR Apache-2.0
//! What one call received, and the memory it stands in.

use std::net::SocketAddr;
use std::ops::Range;

/// How many reads one call may bring.
pub(super) const MAX_READS: usize = 32;

/// The most that one read can bring, in bytes: the longest datagram, or as many as GRO joins.
const READ_LEN: usize = 65_536;

/// Buffers begin this far apart, so that the first bytes of all of them do not compete for the same lines of
/// the processor's cache.
const SPACING: usize = READ_LEN + 5 * 64;

/// Datagrams of one sender, `stride` bytes apart; the last may be shorter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) from: SocketAddr,
    /// Where they stand in the inbox.
    pub(crate) range: Range<usize>,
    pub(crate) stride: usize,
}

/// The fewest buffers with which a socket is asked.
const MIN_ROOM: usize = 4;

/// What is received shall still be in the processor's cache when it is sent, in bytes.
pub(super) const CACHED_LEN: usize = 256 * 1024;

/// The buffers that datagrams are received into: those of one socket, and then of the next, until all is sent.
#[derive(Debug)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    /// What the last call brought.
    reads: Vec<Read>,
    /// Buffers that hold something.
    filled: usize,
    /// Bytes in them.
    held: usize,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self {
            bytes: vec![0; MAX_READS * SPACING],
            reads: Vec::with_capacity(MAX_READS),
            filled: 0,
            held: 0,
        }
    }

    /// What was received, and the memory it stands in.
    pub(crate) fn parts(&mut self) -> (&[Read], &mut [u8]) {
        (&self.reads, &mut self.bytes)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Whether another socket can be asked before what is here is sent.
    pub(crate) const fn has_room(&self) -> bool {
        self.filled + MIN_ROOM <= MAX_READS && self.held < CACHED_LEN
    }

    /// Forgets everything. What is to be sent of it has been.
    pub(crate) fn clear(&mut self) {
        self.reads.clear();
        (self.filled, self.held) = (0, 0);
    }

    /// Forgets what the last call brought, but keeps its bytes.
    pub(super) fn begin(&mut self) {
        self.reads.clear();
    }

    /// How many buffers are free.
    pub(super) const fn room(&self) -> usize {
        MAX_READS - self.filled
    }

    /// The buffers that are free, in order.
    pub(super) fn buffers(&mut self) -> impl Iterator<Item = &mut [u8]> {
        let spaced = self.bytes.chunks_exact_mut(SPACING).skip(self.filled);
        spaced.filter_map(|spaced| spaced.get_mut(..READ_LEN))
    }

    /// Notes what stands in the first free buffer.
    pub(super) fn note(&mut self, from: SocketAddr, len: usize, stride: usize) {
        let start = self.filled * SPACING;
        let range = start..start + len.min(READ_LEN);
        self.filled += 1;
        self.held += len;
        self.reads.push(Read {
            from,
            range,
            stride,
        });
    }
}
