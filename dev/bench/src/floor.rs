// SPDX-License-Identifier: MIT OR Apache-2.0
//! The floor: what forwarding costs when nothing is decided. A static table says where each sender's
//! datagrams go; the channel number is overwritten in place, or the header taken off and put on.
//!
//! Two sets of means: *batched* receives and sends many datagrams with one system call; *segmented* also
//! takes coalesced datagrams of one sender and sends them as one (UDP GRO and GSO).

use std::collections::BTreeMap;
use std::io::{self, BufRead, IoSlice, IoSliceMut, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{
    MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmsg, setsockopt, sockopt,
};
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, SocketAddrAny, sendmmsg};

use crate::BenchError;
use crate::flows::{End, Relation, channel_of};
use crate::turn::{CHANNEL_HEADER_LEN, channel_header};

/// How the floor moves datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Means {
    /// recvmmsg and sendmmsg.
    Batched,
    /// The same, with UDP GRO and GSO.
    Segmented,
}

impl Means {
    /// As an argument of a process.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Batched => "batched",
            Self::Segmented => "segmented",
        }
    }
}

/// Where the floor's sockets are.
const IP: Ipv4Addr = Ipv4Addr::new(127, 0, 5, 1);

/// Datagrams, or coalesced ones, received at once.
const BATCH: usize = 32;

/// Datagrams that can be coalesced; what the kernel allows (UDP_MAX_SEGMENTS).
const MAX_SEGMENTS: usize = 128;

const BUFFER: usize = 1 << 20;

/// Ends the floor, whoever sends it.
pub(crate) const STOP: &[u8] = b"stop";

/// A socket on a free port, with what the means need.
fn open(means: Means) -> Result<UdpSocket, BenchError> {
    let open = || -> io::Result<UdpSocket> {
        let socket = UdpSocket::bind((IP, 0))?;
        setsockopt(&socket, sockopt::RcvBuf, &BUFFER)?;
        if means == Means::Segmented {
            setsockopt(&socket, sockopt::UdpGroSegment, &true)?;
        }
        Ok(socket)
    };
    open().map_err(BenchError::io("open a socket of the floor"))
}

/// Tells the floor, through the two ends of its pipe, which flows there are; then they are connected.
pub(crate) fn through(
    mut to_floor: impl Write,
    from_floor: impl BufRead,
    relation: Relation,
    flows: usize,
) -> Result<Vec<End>, BenchError> {
    let mut ends = (0..2 * flows)
        .map(End::open)
        .collect::<Result<Vec<_>, _>>()?;
    let talk = || -> io::Result<Vec<SocketAddr>> {
        for end in &ends {
            writeln!(to_floor, "{}", end.socket.local_addr()?)?;
        }
        writeln!(to_floor)?;
        to_floor.flush()?;
        let relays = from_floor
            .lines()
            .take_while(|line| !line.as_ref().is_ok_and(String::is_empty));
        relays
            .map(|line| line?.parse().map_err(io::Error::other))
            .collect()
    };
    let relays = talk().map_err(BenchError::io("talk to the floor"))?;
    let listener = relays.first().copied().ok_or(BenchError::Silent)?;
    for (number, end) in ends.iter_mut().enumerate() {
        let is_client = relation == Relation::Pair || number % 2 == 0;
        let relay = if is_client {
            end.channel = Some(channel_of(number));
            listener
        } else {
            relays
                .get(1 + number / 2)
                .copied()
                .ok_or(BenchError::Silent)?
        };
        end.connect(relay)?;
    }
    Ok(ends)
}

/// The floor's half of the talk, and then its work until it is told to stop.
pub(crate) fn serve(
    means: Means,
    relation: Relation,
    input: impl BufRead,
    mut output: impl Write,
) -> Result<(), BenchError> {
    let listener = open(means)?;
    let mut clients = Vec::new();
    let hear = |clients: &mut Vec<SocketAddrV4>| -> io::Result<()> {
        for line in input
            .lines()
            .take_while(|line| !line.as_ref().is_ok_and(String::is_empty))
        {
            clients.push(line?.parse().map_err(io::Error::other)?);
        }
        Ok(())
    };
    hear(&mut clients).map_err(BenchError::io("hear the floor's table"))?;
    let mut sockets = vec![listener];
    if relation == Relation::Peer {
        for flow in clients.chunks_exact(2) {
            let relayed = open(means)?;
            let connected = relayed.connect(flow[1]);
            connected.map_err(BenchError::io("connect a socket of the floor"))?;
            sockets.push(relayed);
        }
    }
    let mut tell = || -> io::Result<()> {
        for socket in &sockets {
            writeln!(output, "{}", socket.local_addr()?)?;
        }
        writeln!(output)?;
        output.flush()
    };
    tell().map_err(BenchError::io("tell the floor's addresses"))?;
    let work = match relation {
        Relation::Pair => Pairs::new(means, &sockets[0], &clients).run(),
        Relation::Peer => Peers::new(means, &sockets, &clients).and_then(Peers::run),
    };
    work.map_err(BenchError::io("forward a datagram"))
}

/// Buffers for one system call, and what was received into them.
struct Batch {
    headers: MultiHeaders<SockaddrIn>,
    bytes: Vec<u8>,
    room: usize,
    /// Sender and length of each.
    received: Vec<(SockaddrIn, usize)>,
}

impl Batch {
    fn new(means: Means) -> Self {
        let room = match means {
            Means::Batched => 2_048,
            Means::Segmented => 65_536,
        };
        Self {
            headers: MultiHeaders::preallocate(BATCH, None),
            bytes: vec![0; BATCH * room],
            room,
            received: Vec::with_capacity(BATCH),
        }
    }

    fn receive(&mut self, socket: &UdpSocket, flags: MsgFlags) -> nix::Result<()> {
        self.received.clear();
        let slices = self.bytes.chunks_exact_mut(self.room);
        let mut slices: Vec<_> = slices.map(|chunk| [IoSliceMut::new(chunk)]).collect();
        let messages = recvmmsg(
            socket.as_raw_fd(),
            &mut self.headers,
            slices.iter_mut(),
            flags,
            None,
        )?;
        for message in messages {
            let from = message
                .address
                .unwrap_or_else(|| SockaddrIn::new(0, 0, 0, 0, 0));
            self.received.push((from, message.bytes));
        }
        Ok(())
    }

    fn is_stop(&self, at: usize) -> bool {
        self.received[at].1 == STOP.len() && self.bytes[at * self.room..].starts_with(STOP)
    }
}

/// How long the datagrams of a coalesced one are: the first says it.
fn stride_of(bytes: &[u8]) -> usize {
    match bytes {
        [_, _, high, low, ..] => {
            usize::from(u16::from_be_bytes([*high, *low])) + CHANNEL_HEADER_LEN
        }
        _ => CHANNEL_HEADER_LEN,
    }
}

fn cut(socket: &UdpSocket, means: Means, stride: usize) -> nix::Result<()> {
    match (means, i32::try_from(stride)) {
        (Means::Segmented, Ok(stride)) => setsockopt(socket, sockopt::UdpGsoSegment, &stride),
        _ => Ok(()),
    }
}

/// Client to client.
struct Pairs<'a> {
    means: Means,
    listener: &'a UdpSocket,
    clients: Vec<SocketAddrAny>,
    /// The number of the client that a client's datagrams go to.
    routes: Routes<usize>,
    batch: Batch,
    stride: usize,
}

impl<'a> Pairs<'a> {
    fn new(means: Means, listener: &'a UdpSocket, clients: &[SocketAddrV4]) -> Self {
        let others = (0..clients.len()).map(|number| (clients[number], number ^ 1));
        Self {
            means,
            listener,
            clients: clients.iter().copied().map(SocketAddrAny::from).collect(),
            routes: Routes::new(others),
            batch: Batch::new(means),
            stride: 0,
        }
    }

    fn run(mut self) -> io::Result<()> {
        loop {
            self.batch
                .receive(self.listener, MsgFlags::MSG_WAITFORONE)?;
            let mut targets = Vec::with_capacity(BATCH);
            for at in 0..self.batch.received.len() {
                if self.batch.is_stop(at) {
                    return Ok(());
                }
                targets.push(self.rewrite(at)?);
            }
            self.send(&targets)?;
        }
    }

    /// Writes the other side's channel number over each header; tells where it goes.
    fn rewrite(&mut self, at: usize) -> nix::Result<Option<usize>> {
        let (from, length) = self.batch.received[at];
        let Some(&to) = self.routes.find(from) else {
            return Ok(None);
        };
        let start = at * self.batch.room;
        let datagrams = &mut self.batch.bytes[start..start + length];
        let stride = stride_of(datagrams);
        if stride != self.stride {
            self.stride = stride;
            cut(self.listener, self.means, stride)?;
        }
        let channel = channel_of(to);
        for datagram in datagrams.chunks_mut(stride) {
            if let Some(number) = datagram.first_chunk_mut() {
                *number = channel.to_be_bytes();
            }
        }
        Ok(Some(to))
    }

    fn send(&self, targets: &[Option<usize>]) -> io::Result<()> {
        let chunks = self.batch.bytes.chunks_exact(self.batch.room);
        let received = chunks.zip(&self.batch.received);
        let messages = received
            .zip(targets)
            .filter_map(|((chunk, &(_, length)), to)| {
                Some((self.clients.get((*to)?)?, [IoSlice::new(&chunk[..length])]))
            });
        send_all(self.listener, &messages.collect::<Vec<_>>())
    }
}

/// Sends to each address what goes there, with as few system calls as it takes.
fn send_all<'a, S: AsRef<[IoSlice<'a>]>>(
    socket: &UdpSocket,
    messages: &[(&SocketAddrAny, S)],
) -> io::Result<()> {
    let mut controls: Vec<_> = messages
        .iter()
        .map(|_| SendAncillaryBuffer::default())
        .collect();
    let headers = messages.iter().zip(&mut controls);
    let headers =
        headers.map(|((to, parts), control)| MMsgHdr::new_with_addr(to, parts.as_ref(), control));
    let mut headers: Vec<_> = headers.collect();
    let mut rest = headers.as_mut_slice();
    while !rest.is_empty() {
        match sendmmsg(socket, rest, SendFlags::empty()) {
            Ok(sent) => rest = &mut rest[sent..],
            // A client that has gone says so once.
            Err(rustix::io::Errno::CONNREFUSED | rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Client to peer and back.
struct Peers<'a> {
    means: Means,
    /// The listener, then a relayed socket for each flow.
    sockets: &'a [UdpSocket],
    clients: Vec<SocketAddrAny>,
    /// The number of a client's flow.
    routes: Routes<usize>,
    epoll: Epoll,
    batch: Batch,
    stride: usize,
    payload_of_flow: Vec<usize>,
}

impl<'a> Peers<'a> {
    fn new(means: Means, sockets: &'a [UdpSocket], clients: &[SocketAddrV4]) -> io::Result<Self> {
        let clients: Vec<_> = clients.iter().step_by(2).copied().collect();
        let epoll = Epoll::new(EpollCreateFlags::empty())?;
        for (number, socket) in (0..).zip(sockets) {
            epoll.add(socket, EpollEvent::new(EpollFlags::EPOLLIN, number))?;
        }
        Ok(Self {
            means,
            sockets,
            routes: Routes::new(clients.iter().copied().zip(0..)),
            clients: clients.iter().copied().map(SocketAddrAny::from).collect(),
            epoll,
            batch: Batch::new(means),
            stride: 0,
            payload_of_flow: vec![0; clients.len()],
        })
    }

    fn run(mut self) -> io::Result<()> {
        let mut events = vec![EpollEvent::empty(); 64];
        loop {
            let ready = self.epoll.wait(&mut events, EpollTimeout::NONE)?;
            for event in &events[..ready] {
                let socket = usize::try_from(event.data()).unwrap_or(0);
                match self
                    .batch
                    .receive(&self.sockets[socket], MsgFlags::MSG_DONTWAIT)
                {
                    Ok(()) => {}
                    Err(Errno::EAGAIN | Errno::ECONNREFUSED | Errno::EINTR) => continue,
                    Err(error) => return Err(error.into()),
                }
                if socket > 0 {
                    self.carry_to_client(socket - 1)?;
                } else if !self.carry_to_peers()? {
                    return Ok(());
                }
            }
        }
    }

    /// From clients; false if one of them ends the work.
    fn carry_to_peers(&mut self) -> nix::Result<bool> {
        for at in 0..self.batch.received.len() {
            if self.batch.is_stop(at) {
                return Ok(false);
            }
            let (from, length) = self.batch.received[at];
            let Some(&flow) = self.routes.find(from) else {
                continue;
            };
            let start = at * self.batch.room;
            let datagrams = &self.batch.bytes[start..start + length];
            let stride = stride_of(datagrams);
            let relayed = &self.sockets[1 + flow];
            if self.payload_of_flow[flow] != stride - CHANNEL_HEADER_LEN {
                self.payload_of_flow[flow] = stride - CHANNEL_HEADER_LEN;
                cut(relayed, self.means, stride - CHANNEL_HEADER_LEN)?;
            }
            let payloads: Vec<_> = datagrams
                .chunks(stride)
                .map(|datagram| {
                    IoSlice::new(datagram.get(CHANNEL_HEADER_LEN..).unwrap_or_default())
                })
                .collect();
            let flags = MsgFlags::empty();
            match sendmsg::<SockaddrIn>(relayed.as_raw_fd(), &payloads, &[], flags, None) {
                Ok(_) | Err(Errno::ECONNREFUSED) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn carry_to_client(&mut self, flow: usize) -> io::Result<()> {
        let payload = match self.means {
            // A datagram of its own; all in a batch are of one length here.
            Means::Batched => self.batch.received.first().map_or(0, |&(_, length)| length),
            // As long as what the client sent last.
            Means::Segmented => self.payload_of_flow[flow],
        };
        if payload == 0 {
            return Ok(());
        }
        let stride = payload + CHANNEL_HEADER_LEN;
        if stride != self.stride {
            self.stride = stride;
            cut(&self.sockets[0], self.means, stride)?;
        }
        let channel = channel_of(2 * flow);
        let head = channel_header(channel, payload);
        let chunks = self.batch.bytes.chunks_exact(self.batch.room);
        let to = &self.clients[flow];
        let messages = chunks
            .zip(&self.batch.received)
            .map(|(chunk, &(_, length))| {
                let payloads = chunk[..length].chunks(payload).take(MAX_SEGMENTS);
                let framed =
                    payloads.flat_map(|payload| [IoSlice::new(&head), IoSlice::new(payload)]);
                (to, framed.collect::<Vec<_>>())
            });
        send_all(&self.sockets[0], &messages.collect::<Vec<_>>())
    }
}

/// A table by client address that costs next to nothing: the port leads to the few that share it.
struct Routes<T>(Vec<Vec<(SockaddrIn, T)>>);

impl<T> Routes<T> {
    fn new(entries: impl Iterator<Item = (SocketAddrV4, T)>) -> Self {
        let mut by_port: BTreeMap<u16, Vec<(SockaddrIn, T)>> = BTreeMap::new();
        for (address, entry) in entries {
            let list = by_port.entry(address.port()).or_default();
            list.push((SockaddrIn::from(address), entry));
        }
        Self(
            (0..=u16::MAX)
                .map(|port| by_port.remove(&port).unwrap_or_default())
                .collect(),
        )
    }

    fn find(&self, from: SockaddrIn) -> Option<&T> {
        let list = &self.0[usize::from(from.port())];
        list.iter()
            .find(|(address, _)| *address == from)
            .map(|(_, entry)| entry)
    }
}
