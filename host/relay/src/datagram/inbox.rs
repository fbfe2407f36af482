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

/// The buffers that datagrams are received into.
#[derive(Debug)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    reads: Vec<Read>,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self {
            bytes: vec![0; MAX_READS * SPACING],
            reads: Vec::with_capacity(MAX_READS),
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

    pub(super) fn clear(&mut self) {
        self.reads.clear();
    }

    /// The buffers, in order.
    pub(super) fn buffers(&mut self) -> impl Iterator<Item = &mut [u8]> {
        let spaced = self.bytes.chunks_exact_mut(SPACING);
        spaced.filter_map(|spaced| spaced.get_mut(..READ_LEN))
    }

    /// Notes what stands in the buffer of this index.
    pub(super) fn note(&mut self, index: usize, from: SocketAddr, len: usize, stride: usize) {
        let start = index * SPACING;
        let range = start..start + len.min(READ_LEN);
        self.reads.push(Read {
            from,
            range,
            stride,
        });
    }
}
