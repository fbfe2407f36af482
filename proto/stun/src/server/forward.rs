// SPDX-License-Identifier: MIT OR Apache-2.0
//! The hot path: where a datagram goes, and behind which header. The payload is not touched.

use core::ops::Range;

use hither_sansio::{Instant, Now};
use rand_core::CryptoRng;

use super::Server;
use super::tuple::{FiveTuple, PeerAddr, RelayedAddr, Transport};
use crate::address::XorAddress;
use crate::attribute::{AttributeType, padded};
use crate::channel_data::{ChannelData, ChannelNumber, emit_header};
use crate::message::{HEADER_LEN, MAGIC_COOKIE, Message};
use crate::message_type::{Class, MessageType, Method};
use crate::transaction::TransactionId;

/// What the host does with the bytes it has just handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing: they were for the server itself, or were dropped.
    Keep,
    /// Send that range of them from one of our relayed addresses to a peer.
    ToPeer {
        /// The socket to send from.
        from: RelayedAddr,
        /// The address to send to.
        to: PeerAddr,
        /// Which of the bytes.
        payload: Range<usize>,
    },
    /// Send that range of them, framed, to a client.
    ToClient {
        /// The client.
        to: FiveTuple,
        /// What goes before and after the payload.
        frame: Frame,
        /// Which of the bytes.
        payload: Range<usize>,
    },
}

/// What a client's frame has around the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    head: [u8; Self::MAX_HEAD_LEN],
    head_len: usize,
    padding_len: usize,
}

impl Frame {
    /// The longest head: a Data indication from an IPv6 peer. Room for it before a received datagram lets
    /// the host send without copying.
    pub const MAX_HEAD_LEN: usize = HEADER_LEN + 4 + 20 + 4;

    /// What goes before the payload.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        self.head.get(..self.head_len).unwrap_or(&self.head)
    }

    /// Zeros that go after it: none, one, two or three.
    #[must_use]
    pub fn padding(&self) -> &'static [u8] {
        const ZEROS: &[u8] = &[0; 3];
        ZEROS.get(..self.padding_len).unwrap_or(ZEROS)
    }

    /// ChannelData; padded over streams only (RFC 8656 §12.5).
    fn channel_data(channel: ChannelNumber, length: usize, transport: Transport) -> Option<Self> {
        let header = emit_header(channel, u16::try_from(length).ok()?);
        let padding_len = match transport {
            Transport::Udp => 0,
            Transport::Tcp => padded(length) - length,
        };
        let mut frame = Self::with_padding(padding_len);
        frame.append(&header);
        Some(frame)
    }

    /// A Data indication (RFC 8656 §11.4): everything up to and including the header of DATA.
    fn data_indication(peer: PeerAddr, length: usize, id: TransactionId) -> Option<Self> {
        let peer = XorAddress::emit(peer.socket_addr(), id);
        let data_length = u16::try_from(length).ok()?;
        let peer_length = u16::try_from(peer.as_bytes().len()).ok()?;
        let message_length = u16::try_from(4 + peer.as_bytes().len() + 4 + padded(length)).ok()?;
        let message_type = MessageType {
            class: Class::Indication,
            method: Method::DATA,
        };
        let mut frame = Self::with_padding(padded(length) - length);
        frame.append(&message_type.emit().to_be_bytes());
        frame.append(&message_length.to_be_bytes());
        frame.append(&MAGIC_COOKIE);
        frame.append(id.as_bytes());
        frame.append(&AttributeType::XOR_PEER_ADDRESS.0.to_be_bytes());
        frame.append(&peer_length.to_be_bytes());
        frame.append(peer.as_bytes());
        frame.append(&AttributeType::DATA.0.to_be_bytes());
        frame.append(&data_length.to_be_bytes());
        Some(frame)
    }

    const fn with_padding(padding_len: usize) -> Self {
        Self {
            head: [0; Self::MAX_HEAD_LEN],
            head_len: 0,
            padding_len,
        }
    }

    fn append(&mut self, bytes: &[u8]) {
        for (to, from) in self.head.iter_mut().skip(self.head_len).zip(bytes) {
            *to = *from;
        }
        self.head_len += bytes.len();
    }
}

impl<R: CryptoRng> Server<R> {
    /// Takes in what a client sent: one datagram, or one frame of its stream.
    ///
    /// Answers to requests are then in [`Self::poll_transmit`], sockets to open or close in
    /// [`Self::poll_event`].
    pub fn handle_client(&mut self, client: FiveTuple, bytes: &[u8], now: Now) -> Decision {
        let decision = match bytes.first() {
            Some(0x00..=0x3F) => self.handle_message(client, bytes, now),
            Some(0x40..=0x7F) => self.handle_channel_data(client, bytes, now.instant),
            _ => {
                self.counters.dropped_malformed += 1;
                None
            }
        };
        decision.unwrap_or(Decision::Keep)
    }

    /// Takes in a datagram that arrived at a relayed address.
    pub fn handle_peer(
        &mut self,
        relayed: RelayedAddr,
        peer: PeerAddr,
        bytes: &[u8],
        now: Now,
    ) -> Decision {
        let Some((to, frame)) = self.frame_for(relayed, peer, bytes.len(), now.instant) else {
            return Decision::Keep;
        };
        self.counters.datagrams_to_clients += 1;
        self.counters.bytes_to_clients += wide(bytes.len());
        Decision::ToClient {
            to,
            frame,
            payload: 0..bytes.len(),
        }
    }

    fn handle_channel_data(
        &mut self,
        client: FiveTuple,
        bytes: &[u8],
        now: Instant,
    ) -> Option<Decision> {
        let Some(ChannelData { channel, payload }) = ChannelData::parse(bytes) else {
            self.counters.dropped_malformed += 1;
            return None;
        };
        let Some(allocation) = self.table.allocation(&client) else {
            self.counters.dropped_without_allocation += 1;
            return None;
        };
        let Some(peer) = allocation.peer_of(channel, now) else {
            self.counters.dropped_without_channel += 1;
            return None;
        };
        let from = allocation.relayed;
        if !allocation.permits(peer.ip(), now) {
            self.counters.dropped_without_permission += 1;
            return None;
        }
        self.forward(from, peer, payload, now)
    }

    /// A Send indication (RFC 8656 §11.2): unauthenticated, so only towards peers with a permission.
    pub(super) fn handle_send(
        &mut self,
        client: FiveTuple,
        message: &Message<'_>,
        now: Instant,
    ) -> Option<Decision> {
        let peer = message
            .attribute(AttributeType::XOR_PEER_ADDRESS)
            .and_then(|value| XorAddress::parse(value, message.transaction_id()));
        let payload = message.attribute_range(AttributeType::DATA);
        let (Some(peer), Some(payload)) = (peer, payload) else {
            self.counters.dropped_unexpected += 1;
            return None;
        };
        let peer = PeerAddr::new(peer);
        let Some(allocation) = self.table.allocation(&client) else {
            self.counters.dropped_without_allocation += 1;
            return None;
        };
        if !allocation.permits(peer.ip(), now) {
            self.counters.dropped_without_permission += 1;
            return None;
        }
        let from = allocation.relayed;
        self.forward(from, peer, payload, now)
    }

    /// From a client with a permission to a peer, or straight to the client whose relayed address it is.
    fn forward(
        &mut self,
        from: RelayedAddr,
        to: PeerAddr,
        payload: Range<usize>,
        now: Instant,
    ) -> Option<Decision> {
        let length = payload.len();
        let other = RelayedAddr(to.socket_addr());
        if self.table.client_of(other).is_some() {
            let (to, frame) = self.frame_for(other, PeerAddr::new(from.0), length, now)?;
            self.counters.datagrams_between_clients += 1;
            self.counters.bytes_between_clients += wide(length);
            return Some(Decision::ToClient { to, frame, payload });
        }
        if !self.policy.permits(to) {
            self.counters.dropped_by_policy += 1;
            return None;
        }
        self.counters.datagrams_to_peers += 1;
        self.counters.bytes_to_peers += wide(length);
        Some(Decision::ToPeer { from, to, payload })
    }

    /// The client behind a relayed address, if this peer may reach it, and how it is told of the peer.
    fn frame_for(
        &mut self,
        relayed: RelayedAddr,
        peer: PeerAddr,
        length: usize,
        now: Instant,
    ) -> Option<(FiveTuple, Frame)> {
        let client = self.table.client_of(relayed);
        let Some((client, allocation)) =
            client.and_then(|client| Some((client, self.table.allocation(&client)?)))
        else {
            self.counters.dropped_without_allocation += 1;
            return None;
        };
        if !allocation.permits(peer.ip(), now) {
            self.counters.dropped_without_permission += 1;
            return None;
        }
        let frame = match allocation.channel_of(peer, now) {
            Some(channel) => Frame::channel_data(channel, length, client.transport),
            None => Frame::data_indication(peer, length, TransactionId::random(&mut self.rng)),
        };
        if frame.is_none() {
            self.counters.dropped_malformed += 1;
        }
        Some((client, frame?))
    }
}

fn wide(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
