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

use super::inbox::{CACHED_LEN, Inbox, MAX_READS};
use super::outbox::{MAX_PIECES_OF_MESSAGE, Message, Outbox, Way};
use super::portable::Portable;
use super::socket::{Socket, SocketTable};
use crate::counters::DatagramCounters;

/// How many reads a socket is asked for that brought fewer the last time.
const FEW_READS: usize = 4;

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
        socket: &mut Socket,
        inbox: &mut Inbox,
        counters: &mut DatagramCounters,
    ) -> io::Result<bool> {
        // Most relayed sockets hold one datagram at a time.
        let wanted = inbox.room().min(self.reads);
        let (received, wanted) = if socket.holds_little {
            (
                self.read::<FEW_READS>(socket, inbox, counters, wanted)?,
                wanted.min(FEW_READS),
            )
        } else {
            (
                self.read::<MAX_READS>(socket, inbox, counters, wanted)?,
                wanted,
            )
        };
        socket.holds_little = received < FEW_READS;
        // A call that could have brought more found the socket empty.
        Ok(received < wanted)
    }

    fn read<const N: usize>(
        &mut self,
        socket: &Socket,
        inbox: &mut Inbox,
        counters: &mut DatagramCounters,
        wanted: usize,
    ) -> io::Result<usize> {
        let mut metas = [RecvMeta::default(); N];
        let received = {
            let mut buffers = inbox.buffers();
            let mut slices: [_; N] =
                array::from_fn(|_| IoSliceMut::new(buffers.next().unwrap_or_default()));
            let wanted = slices.get_mut(..wanted.min(N)).unwrap_or_default();
            self.receiver
                .recv(UdpSockRef::from(socket.io()), wanted, &mut metas)?
        };
        let mut bytes = 0;
        for meta in metas.iter().take(received) {
            bytes += meta.len;
            counters.note_read(meta.len.div_ceil(meta.stride.max(1)).max(1));
            inbox.note(meta.addr, meta.len, meta.stride);
        }
        self.reads = reads_for(received, bytes);
        Ok(received)
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
    let count = pieces.len();
    // The kernel is quickest with a single piece, and slower with every one, be it empty.
    if count <= PIECES_OF_ONE {
        let slices = slices::<PIECES_OF_ONE>(&mut pieces);
        send_slices(socket, &to, slices.get(..count).unwrap_or(&slices), control)
    } else {
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
    let counts = batch.iter().map(Message::piece_count);
    let mut parts = addresses.iter().zip(&buffers).zip(counts);
    let mut headers = controls.each_mut().map(|control| match parts.next() {
        Some(((address, buffers), count)) => {
            let buffers = buffers.get(..count).unwrap_or(buffers);
            MMsgHdr::new_with_addr(address, buffers, control)
        }
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

#[cfg(test)]
mod tests {
    use hither_stun::server::RelayedAddr;

    use super::*;
    use crate::datagram::{Piece, Role, SocketId, bind};

    const DATAGRAMS: [usize; 5] = [100, 100, 100, 100, 30];

    fn sender() -> (SocketTable, SocketId) {
        let raw = bind((Ipv4Addr::LOCALHOST, 0).into(), 65_536).unwrap();
        let address = raw.local_addr().unwrap().as_socket().unwrap();
        let mut socket = Socket::new(raw, Role::Relayed(RelayedAddr(address)));
        Linux::adopt(&mut socket);
        let mut sockets = SocketTable::default();
        let id = sockets.insert(socket);
        (sockets, id)
    }

    /// Sends what is one message if the system segments.
    fn send(sockets: &mut SocketTable, way: Way) -> DatagramCounters {
        let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(DATAGRAMS.iter().sum()).collect();
        let mut outbox = Outbox::new();
        let mut start = 0;
        for length in DATAGRAMS {
            outbox.push(way, &[Piece::Received(start..start + length)]);
            start += length;
        }
        let mut counters = DatagramCounters::default();
        let mut linux = Linux::new().unwrap();
        linux.flush(&outbox, &bytes, sockets, &mut counters);
        counters
    }

    #[test]
    fn a_socket_that_cannot_segment_sends_one_by_one() {
        let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (mut sockets, id) = sender();
        let way = Way::new(id, receiver.local_addr().unwrap());
        for segments in [true, false] {
            sockets.get_mut(id).unwrap().sends_segments = segments;
            let counters = send(&mut sockets, way);
            assert_eq!(counters.messages_sent, if segments { 1 } else { 5 });
            assert_eq!(counters.datagrams_sent, 5);
            for length in DATAGRAMS {
                let mut buffer = [0; 2_048];
                assert_eq!(receiver.recv(&mut buffer).unwrap(), length);
            }
        }
    }

    #[test]
    fn what_the_system_refuses_as_a_whole_is_tried_one_by_one_and_counted() {
        let (mut sockets, id) = sender();
        // Nobody can be at port 0, though a stranger can claim to be.
        let way = Way::new(id, (Ipv4Addr::LOCALHOST, 0).into());
        let counters = send(&mut sockets, way);
        assert_eq!(counters.gso_refused, 1);
        assert_eq!((counters.datagrams_sent, counters.dropped()), (0, 5));
        assert!(sockets.get(id).unwrap().sends_segments);
    }

    #[test]
    fn in_a_batch_only_what_cannot_be_sent_is_lost() {
        let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (mut sockets, id) = sender();
        let there = receiver.local_addr().unwrap();
        let nowhere = (Ipv4Addr::LOCALHOST, 0).into();
        let mut outbox = Outbox::new();
        let bytes: Vec<u8> = (0..40).collect();
        for number in 0..40 {
            let to = if number % 3 == 0 { nowhere } else { there };
            outbox.push(Way::new(id, to), &[Piece::Received(number..number + 1)]);
        }
        let mut counters = DatagramCounters::default();
        let mut linux = Linux::new().unwrap();
        linux.flush(&outbox, &bytes, &mut sockets, &mut counters);
        assert_eq!(counters.dropped(), 14);
        assert_eq!(counters.datagrams_sent, 26);
        let mut buffer = [0; 2];
        for number in (0..40).filter(|number| number % 3 != 0) {
            assert_eq!(receiver.recv(&mut buffer).unwrap(), 1);
            assert_eq!(buffer[0], number);
        }
    }

    #[test]
    fn long_reads_are_asked_for_in_small_number() {
        assert_eq!(reads_for(0, 0), MAX_READS);
        assert_eq!(reads_for(32, 32 * 160), MAX_READS);
        assert_eq!(reads_for(2, 2 * 65_000), MIN_READS);
        assert_eq!(reads_for(10, 10 * 25_000), 10);
    }
}
