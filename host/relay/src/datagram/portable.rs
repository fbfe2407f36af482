// SPDX-License-Identifier: MIT OR Apache-2.0
//! One system call a datagram, which every system has.

use std::io;

use super::inbox::Inbox;
use super::outbox::{Message, Outbox};
use super::socket::{Socket, SocketTable};
use crate::counters::DatagramCounters;

/// The plain path. It holds the memory in which a message is put together before it is cut into datagrams.
#[derive(Debug, Default)]
pub(crate) struct Portable {
    scratch: Vec<u8>,
}

impl Portable {
    pub(super) fn receive(
        socket: &Socket,
        inbox: &mut Inbox,
        counters: &mut DatagramCounters,
    ) -> io::Result<bool> {
        let mut is_first = true;
        while inbox.room() > 0 {
            let Some(buffer) = inbox.buffers().next() else {
                break;
            };
            match socket.io().recv_from(buffer) {
                Ok((len, from)) => {
                    counters.note_read(1);
                    inbox.note(from, len, len);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                // What came before it is not lost.
                Err(_) if !is_first => return Ok(false),
                Err(error) => return Err(error),
            }
            is_first = false;
        }
        Ok(false)
    }

    pub(super) fn flush(
        &mut self,
        outbox: &Outbox,
        bytes: &[u8],
        sockets: &SocketTable,
        counters: &mut DatagramCounters,
    ) {
        for message in outbox.messages() {
            if let Some(socket) = sockets.get(message.way.socket) {
                self.send_each(outbox, message, bytes, socket, counters);
            }
        }
    }

    /// Sends the datagrams of a message one by one.
    pub(super) fn send_each(
        &mut self,
        outbox: &Outbox,
        message: &Message,
        bytes: &[u8],
        socket: &Socket,
        counters: &mut DatagramCounters,
    ) {
        self.scratch.clear();
        for piece in outbox.pieces_of(message, bytes) {
            self.scratch.extend_from_slice(piece);
        }
        let mut rest = self.scratch.as_slice();
        for _ in 0..message.datagrams {
            let (datagram, later) = rest.split_at(message.segment.min(rest.len()));
            rest = later;
            match socket.io().send_to(datagram, message.way.to) {
                Ok(_) => counters.note_sent(1),
                Err(error) => counters.note_unsent(&error, 1),
            }
        }
    }
}
