// SPDX-License-Identifier: MIT OR Apache-2.0
//! What goes around a peer's payload on its way to a client.

use core::ops::Deref;

use super::super::tuple::{PeerAddr, Transport};
use crate::address::XorAddress;
use crate::attribute::{AttributeType, padded};
use crate::channel_data::{ChannelNumber, emit_header};
use crate::message::{HEADER_LEN, MAGIC_COOKIE};
use crate::message_type::{Class, MessageType, Method};
use crate::transaction::TransactionId;

/// What a client's frames have around the payload, for each datagram of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    kind: Kind,
    is_padded: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    ChannelData(ChannelNumber),
    DataIndication {
        peer: PeerAddr,
        /// Of the first; each further one has a number one higher.
        id: TransactionId,
    },
}

/// What goes before one payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    bytes: [u8; Frame::MAX_HEAD_LEN],
    len: usize,
}

impl Frame {
    /// The longest head: a Data indication from an IPv6 peer. Room for it before a received datagram lets
    /// the host send without copying.
    pub const MAX_HEAD_LEN: usize = HEADER_LEN + 4 + 20 + 4;

    /// ChannelData; padded over streams only (RFC 8656 §12.5).
    pub(super) fn channel_data(
        channel: ChannelNumber,
        longest: usize,
        transport: Transport,
    ) -> Option<Self> {
        u16::try_from(longest).ok()?;
        Some(Self {
            kind: Kind::ChannelData(channel),
            is_padded: transport == Transport::Tcp,
        })
    }

    /// A Data indication (RFC 8656 §11.4).
    pub(super) fn data_indication(
        peer: PeerAddr,
        longest: usize,
        id: TransactionId,
    ) -> Option<Self> {
        let frame = Self {
            kind: Kind::DataIndication { peer, id },
            is_padded: true,
        };
        let message = (frame.head_len() - HEADER_LEN).checked_add(padded(longest))?;
        u16::try_from(message).ok()?;
        Some(frame)
    }

    /// The channel, if the frames are channel data: then a head is only four bytes, which fit where those of
    /// the sender's channel data were.
    #[must_use]
    pub const fn channel(&self) -> Option<ChannelNumber> {
        match self.kind {
            Kind::ChannelData(channel) => Some(channel),
            Kind::DataIndication { .. } => None,
        }
    }

    /// How long each head is, in bytes.
    #[must_use]
    pub const fn head_len(&self) -> usize {
        match self.kind {
            Kind::ChannelData(_) => 4,
            Kind::DataIndication { peer, .. } => match peer.ip() {
                core::net::IpAddr::V4(_) => HEADER_LEN + 4 + 8 + 4,
                core::net::IpAddr::V6(_) => Self::MAX_HEAD_LEN,
            },
        }
    }

    /// What goes before the payload of the datagram at this place of the run, which is `length` bytes long.
    #[must_use]
    pub fn head(&self, index: usize, length: usize) -> Head {
        // The longest payload of the run was found to fit.
        let data_length = u16::try_from(length).unwrap_or(u16::MAX);
        let mut head = Head {
            bytes: [0; Self::MAX_HEAD_LEN],
            len: 0,
        };
        match self.kind {
            Kind::ChannelData(channel) => head.append(&emit_header(channel, data_length)),
            Kind::DataIndication { peer, id } => {
                let message_length = self.head_len() - HEADER_LEN + padded(length);
                let message_length = u16::try_from(message_length).unwrap_or(u16::MAX);
                head.append_indication(peer, id.plus(index), message_length, data_length);
            }
        }
        head
    }

    /// Zeros that go after a payload of `length` bytes: none, one, two or three.
    #[must_use]
    pub fn padding(&self, length: usize) -> &'static [u8] {
        const ZEROS: &[u8] = &[0; 3];
        let missing = if self.is_padded {
            padded(length) - length
        } else {
            0
        };
        ZEROS.get(..missing).unwrap_or(ZEROS)
    }
}

impl Head {
    /// Everything up to and including the header of DATA.
    fn append_indication(
        &mut self,
        peer: PeerAddr,
        id: TransactionId,
        message_length: u16,
        data_length: u16,
    ) {
        let message_type = MessageType {
            class: Class::Indication,
            method: Method::DATA,
        };
        let peer = XorAddress::emit(peer.socket_addr(), id);
        // An address is 8 or 20 bytes long.
        let peer_length = u16::try_from(peer.as_bytes().len()).unwrap_or(u16::MAX);
        self.append(&message_type.emit().to_be_bytes());
        self.append(&message_length.to_be_bytes());
        self.append(&MAGIC_COOKIE);
        self.append(id.as_bytes());
        self.append(&AttributeType::XOR_PEER_ADDRESS.0.to_be_bytes());
        self.append(&peer_length.to_be_bytes());
        self.append(peer.as_bytes());
        self.append(&AttributeType::DATA.0.to_be_bytes());
        self.append(&data_length.to_be_bytes());
    }

    fn append(&mut self, bytes: &[u8]) {
        let room = self.bytes.get_mut(self.len..self.len + bytes.len());
        if let Some(room) = room {
            room.copy_from_slice(bytes);
            self.len += bytes.len();
        }
    }
}

impl Deref for Head {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&self.bytes)
    }
}
