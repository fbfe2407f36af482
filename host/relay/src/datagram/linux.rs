// SPDX-License-Identifier: MIT OR Apache-2.0
//! Batched receive with UDP_GRO, batched send with UDP_SEGMENT, without allocation.
//!
//! Each call comes from the crate that offers it soundly and without allocating: `recvmmsg` with control messages
//! from quinn-udp, `sendmmsg` from rustix, `sendmsg` with a control message from socket2, the socket options
//! from nix.

use std::array;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};
use quinn_udp::{RecvMeta, UdpSockRef, UdpSocketState};
use rustix::net::addr::SocketAddrArg as _;
use rustix::net::sockopt::{
    Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, set_ip_mtu_discover, set_ipv6_mtu_discover,
};
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, sendmmsg};
use socket2::{MsgHdr, SockAddr, SockRef};

use super::inbox::{Inbox, MAX_READS};
use super::outbox::{MAX_PIECES_OF_MESSAGE, Message, Outbox, Way};
use super::portable::Portable;
use super::socket::{Socket, SocketTable};
use crate::counters::DatagramCounters;

/// What is received at once, in bytes, shall still be in the processor's cache when it is sent.
const CACHED_LEN: usize = 256 * 1024;

/// The fewest reads that are asked for.
const MIN_READS: usize = 4;

/// How many datagrams go into one `sendmmsg`.
const MAX_BATCH: usize = 32;

/// The pieces of a message of one datagram: head, payload, padding.
const PIECES_OF_ONE: usize = 3;

/// The batched path.
#[derive(Debug)]
pub(crate) struct Linux {
    /// It receives from any socket; what it remembers is about sending, which it does not do here.
    receiver: UdpSocketState,
    /// How many reads are asked for.
    reads: usize,
    one_by_one: Portable,
}

impl Linux {
    pub(super) fn new() -> io::Result<Self> {
        // The receiver sets options on the socket that it is made with, which relayed data has no use for.
        let aside = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
            .or_else(|_| UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)))?;
        Ok(Self {
            receiver: UdpSocketState::new(UdpSockRef::from(&aside))?,
            reads: MAX_READS,
            one_by_one: Portable::default(),
        })
    }

    /// Asks for coalesced reads, and finds out whether there are segmented sends.
    pub(super) fn adopt(socket: &mut Socket) {
        if setsockopt(socket.io(), sockopt::UdpGroSegment, &true).is_err() {
            tracing::debug!("the system does not coalesce datagrams");
        }
        socket.sends_segments = setsockopt(socket.io(), sockopt::UdpGsoSegment, &0).is_ok();
    }

    pub(super) fn receive(
        &mut self,
        socket: &Socket,
        inbox: &mut Inbox,
        counters: &mut DatagramCounters,
    ) -> io::Result<bool> {
        let mut metas = [RecvMeta::default(); MAX_READS];
        let received = {
            let mut buffers = inbox.buffers();
            let mut slices: [_; MAX_READS] =
                array::from_fn(|_| IoSliceMut::new(buffers.next().unwrap_or_default()));
            let socket = UdpSockRef::from(socket.io());
            let wanted = slices.get_mut(..self.reads).unwrap_or_default();
            self.receiver.recv(socket, wanted, &mut metas)?
        };
        let wanted = self.reads;
        let bytes = metas.iter().take(received).map(|meta| meta.len).sum();
        self.reads = reads_for(received, bytes);
        for (index, meta) in metas.iter().take(received).enumerate() {
            counters.note_read(meta.len.div_ceil(meta.stride.max(1)).max(1));
            inbox.note(index, meta.addr, meta.len, meta.stride);
        }
        // A call that could have brought more found the socket empty.
        Ok(received < wanted)
    }

    pub(super) fn flush(
        &mut self,
        outbox: &Outbox,
        bytes: &[u8],
        sockets: &mut SocketTable,
        counters: &mut DatagramCounters,
    ) {
        let mut rest = outbox.messages();
        while let Some((first, later)) = rest.split_first() {
            let Some(socket) = sockets.get_mut(first.way.socket) else {
                rest = later;
                continue;
            };
            forbid_fragments(socket, first.way.dont_fragment);
            if first.datagrams > 1 {
                self.send_segmented(outbox, first, bytes, socket, counters);
                rest = later;
                continue;
            }
            let (batch, later) = rest.split_at(batch_len(rest, first.way));
            if batch.len() > 4 {
                send_batch::<MAX_BATCH>(outbox, batch, bytes, socket, counters);
            } else if batch.len() > 1 {
                send_batch::<4>(outbox, batch, bytes, socket, counters);
            } else {
                send_one(outbox, first, bytes, socket, counters);
            }
            rest = later;
        }
    }

    /// Hands a message to the system as a whole, or datagram by datagram where it does not want that.
    fn send_segmented(
        &mut self,
        outbox: &Outbox,
        message: &Message,
        bytes: &[u8],
        socket: &mut Socket,
        counters: &mut DatagramCounters,
    ) {
        if let (true, Ok(segment)) = (socket.sends_segments, u16::try_from(message.segment)) {
            let sent = send_message(outbox, message, bytes, socket, &control(segment));
            match sent {
                Ok(()) => return counters.note_sent(message.datagrams),
                Err(error) if is_refusal(&error) => {
                    counters.note_gso_refused();
                    // EIO is about the interface; EINVAL about the length, which is a client's choice and
                    // must not slow down others.
                    socket.sends_segments = error.raw_os_error() != Some(libc::EIO);
                }
                Err(error) => return counters.note_unsent(&error, message.datagrams),
            }
        }
        self.one_by_one
            .send_each(outbox, message, bytes, socket, counters);
    }
}

/// How many reads to ask for next, after so many brought so many bytes.
fn reads_for(received: usize, bytes: usize) -> usize {
    let each = bytes.div_ceil(received.max(1)).max(1);
    (CACHED_LEN / each).clamp(MIN_READS, MAX_READS)
}

/// How many messages from the first on are single datagrams that leave one socket alike.
fn batch_len(messages: &[Message], way: Way) -> usize {
    let alike = |message: &&Message| {
        message.way.socket == way.socket
            && message.way.dont_fragment == way.dont_fragment
            && message.datagrams == 1
    };
    messages.iter().take(MAX_BATCH).take_while(alike).count()
}

/// Sets or clears the bit in the header of what this socket sends, if it is not so already. For clients that find
/// out how long a datagram can be; others want theirs to arrive.
fn forbid_fragments(socket: &mut Socket, forbid: bool) {
    if socket.forbids_fragments == forbid {
        return;
    }
    let is_ipv4 = socket
        .io()
        .local_addr()
        .is_ok_and(|address| address.is_ipv4());
    let set = match (is_ipv4, forbid) {
        (true, true) => set_ip_mtu_discover(socket.io(), Ipv4PathMtuDiscovery::DO),
        (true, false) => set_ip_mtu_discover(socket.io(), Ipv4PathMtuDiscovery::WANT),
        (false, true) => set_ipv6_mtu_discover(socket.io(), Ipv6PathMtuDiscovery::DO),
        (false, false) => set_ipv6_mtu_discover(socket.io(), Ipv6PathMtuDiscovery::WANT),
    };
    if set.is_err() {
        tracing::debug!("the system does not let datagrams forbid to be fragmented");
    }
    socket.forbids_fragments = forbid;
}

fn is_refusal(error: &io::Error) -> bool {
    // A segment beyond the MTU is EINVAL or EMSGSIZE, depending on the kernel; alone it may be fragmented.
    matches!(
        error.raw_os_error(),
        Some(libc::EINVAL | libc::EIO | libc::EMSGSIZE)
    )
}

fn send_one(
    outbox: &Outbox,
    message: &Message,
    bytes: &[u8],
    socket: &Socket,
    counters: &mut DatagramCounters,
) {
    match send_message(outbox, message, bytes, socket, &[]) {
        Ok(()) => counters.note_sent(1),
        Err(error) => counters.note_unsent(&error, 1),
    }
}

fn send_message(
    outbox: &Outbox,
    message: &Message,
    bytes: &[u8],
    socket: &Socket,
    control: &[u8],
) -> io::Result<()> {
    let to = SockAddr::from(message.way.to);
    let mut pieces = outbox.pieces_of(message, bytes);
    if pieces.len() <= PIECES_OF_ONE {
        let slices = slices::<PIECES_OF_ONE>(&mut pieces);
        send_slices(socket, &to, &slices, control)
    } else {
        let count = pieces.len();
        let slices = slices::<MAX_PIECES_OF_MESSAGE>(&mut pieces);
        send_slices(socket, &to, slices.get(..count).unwrap_or(&slices), control)
    }
}

fn send_slices(
    socket: &Socket,
    to: &SockAddr,
    slices: &[IoSlice<'_>],
    control: &[u8],
) -> io::Result<()> {
    let mut header = MsgHdr::new().with_addr(to).with_buffers(slices);
    if !control.is_empty() {
        header = header.with_control(control);
    }
    SockRef::from(socket.io()).sendmsg(&header, 0).map(|_| ())
}

fn slices<'a, const N: usize>(pieces: &mut impl Iterator<Item = &'a [u8]>) -> [IoSlice<'a>; N] {
    array::from_fn(|_| IoSlice::new(pieces.next().unwrap_or_default()))
}

/// Sends up to `N` single datagrams in one call.
fn send_batch<const N: usize>(
    outbox: &Outbox,
    batch: &[Message],
    bytes: &[u8],
    socket: &Socket,
    counters: &mut DatagramCounters,
) {
    const NOBODY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
    let addresses: [_; N] = array::from_fn(|index| {
        batch
            .get(index)
            .map_or(NOBODY, |message| message.way.to)
            .as_any()
    });
    let buffers: [_; N] = array::from_fn(|index| match batch.get(index) {
        Some(message) => slices::<PIECES_OF_ONE>(&mut outbox.pieces_of(message, bytes)),
        None => [IoSlice::new(&[]); PIECES_OF_ONE],
    });
    let mut controls: [_; N] = array::from_fn(|_| SendAncillaryBuffer::default());
    let mut parts = addresses.iter().zip(&buffers);
    let mut headers = controls.each_mut().map(|control| match parts.next() {
        Some((address, buffers)) => MMsgHdr::new_with_addr(address, buffers, control),
        None => MMsgHdr::new(&[], control),
    });
    let mut rest = headers.get_mut(..batch.len()).unwrap_or_default();
    while !rest.is_empty() {
        let done = match sendmmsg(socket.io(), rest, SendFlags::empty()) {
            Ok(sent) => {
                (0..sent).for_each(|_| counters.note_sent(1));
                sent.max(1)
            }
            Err(error) => {
                let error = io::Error::from(error);
                // A full socket stays full for the rest; anything else is about the first.
                let lost = match error.kind() {
                    io::ErrorKind::WouldBlock => rest.len(),
                    _ => 1,
                };
                counters.note_unsent(&error, lost);
                lost
            }
        };
        rest = rest.get_mut(done..).unwrap_or_default();
    }
}

/// The length of a control message's header (`cmsghdr`): a length and two integers.
const CONTROL_HEAD_LEN: usize = size_of::<usize>() + 4 + 4;

/// With its content, and room to the next multiple of the header's alignment.
const CONTROL_LEN: usize = CONTROL_HEAD_LEN + size_of::<usize>();

/// UDP_SEGMENT as a control message: cut what follows into datagrams of this length.
fn control(segment: u16) -> [u8; CONTROL_LEN] {
    let length = CONTROL_HEAD_LEN + size_of::<u16>();
    let parts = length
        .to_ne_bytes()
        .into_iter()
        .chain(libc::SOL_UDP.to_ne_bytes())
        .chain(libc::UDP_SEGMENT.to_ne_bytes())
        .chain(segment.to_ne_bytes());
    let mut control = [0; CONTROL_LEN];
    for (to, from) in control.iter_mut().zip(parts) {
        *to = from;
    }
    control
}
