// SPDX-License-Identifier: MIT OR Apache-2.0
//! Datagrams in and out: the seam between the worker and the system.
//!
//! ```text
//!  socket ─► receive ─► Inbox: reads, each of one sender, maybe many datagrams (UDP GRO)
//!                         │ a decision a run, heads rewritten in place
//!  socket ◄── flush ◄─── Outbox: messages, each to one destination, maybe many datagrams (UDP GSO)
//! ```
//! [`Inbox`] and [`Outbox`] are plain memory and allocated once. Two paths know how to fill and empty them:
//! `linux.rs` with batched system calls, GRO and GSO, and `portable.rs` with one call a datagram. What goes into
//! a datagram, and whether it goes anywhere, is decided elsewhere.

mod inbox;
#[cfg(target_os = "linux")]
mod linux;
mod outbox;
mod portable;
mod socket;

use std::io;

pub(crate) use inbox::{Inbox, Read};
pub(crate) use outbox::{Outbox, Piece, Way};
pub(crate) use socket::{Role, Socket, SocketId, SocketTable, bind, bind_shared};

use crate::config::DatagramPath;
use crate::counters::DatagramCounters;

/// How many datagrams one message may have. The kernel took 64 at first and more of late.
pub(crate) const MAX_SEGMENTS: usize = 64;

/// How a worker receives and sends.
#[derive(Debug)]
pub(crate) enum Path {
    /// Many datagrams a system call.
    #[cfg(target_os = "linux")]
    Linux(linux::Linux),
    /// One datagram a system call.
    Portable(portable::Portable),
}

impl Path {
    /// The best that this system has, unless the operator wants the plain one.
    pub(crate) fn new(wanted: DatagramPath) -> io::Result<Self> {
        match wanted {
            #[cfg(target_os = "linux")]
            DatagramPath::Best => Ok(Self::Linux(linux::Linux::new()?)),
            #[cfg(not(target_os = "linux"))]
            DatagramPath::Best => Ok(Self::Portable(portable::Portable::default())),
            DatagramPath::Portable => Ok(Self::Portable(portable::Portable::default())),
        }
    }

    /// Whether datagrams can forbid routers to fragment them.
    pub(crate) const fn can_forbid_fragments(wanted: DatagramPath) -> bool {
        cfg!(target_os = "linux") && matches!(wanted, DatagramPath::Best)
    }

    /// Makes a new socket ready for this path.
    pub(crate) fn adopt(&self, socket: &mut Socket) {
        match self {
            #[cfg(target_os = "linux")]
            Self::Linux(_) => linux::Linux::adopt(socket),
            Self::Portable(_) => {}
        }
    }

    /// Fills what room the inbox has with what waits; true if the socket has nothing more for now.
    pub(crate) fn receive(
        &mut self,
        socket: &mut Socket,
        inbox: &mut Inbox,
        counters: &mut DatagramCounters,
    ) -> io::Result<bool> {
        inbox.begin();
        match self {
            #[cfg(target_os = "linux")]
            Self::Linux(linux) => linux.receive(socket, inbox, counters),
            Self::Portable(_) => portable::Portable::receive(socket, inbox, counters),
        }
    }

    /// Sends everything in the outbox now or not at all: a full socket loses datagrams, as the network would.
    /// Pieces refer to `bytes`.
    pub(crate) fn flush(
        &mut self,
        outbox: &mut Outbox,
        bytes: &[u8],
        sockets: &mut SocketTable,
        counters: &mut DatagramCounters,
    ) {
        if outbox.is_empty() {
            return;
        }
        match self {
            #[cfg(target_os = "linux")]
            Self::Linux(linux) => linux.flush(outbox, bytes, sockets, counters),
            Self::Portable(portable) => portable.flush(outbox, bytes, sockets, counters),
        }
        outbox.clear();
    }
}
