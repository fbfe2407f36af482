// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ends of the flows: sockets with allocations, or plain peers, in pairs.
//!
//! Ends `2n` and `2n + 1` belong to flow `n`; the even one always has an allocation.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};

use crate::BenchError;
use crate::turn::{Outcome, Session, sessions};

/// The lowest channel number; each end has another one, so that a number that was not rewritten is noticed.
const FIRST_CHANNEL: u16 = 0x4000;

const RECEIVE_BUFFER: usize = 1 << 20;
const ATTEMPTS: usize = 5;

/// How the two ends of a flow are related to the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    /// Both have an allocation on it, as two callers behind one node.
    Pair,
    /// The second is a plain socket.
    Peer,
}

impl Relation {
    /// As an argument of a process.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Pair => "pair",
            Self::Peer => "peer",
        }
    }
}

/// A socket, and the channel that it speaks through if it has an allocation.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) socket: UdpSocket,
    pub(crate) channel: Option<u16>,
}

impl End {
    /// A socket on an address of its own that takes coalesced datagrams.
    pub(crate) fn open(number: usize) -> Result<Self, BenchError> {
        let open = || -> io::Result<UdpSocket> {
            let socket = UdpSocket::bind((address_of(number), 0))?;
            setsockopt(&socket, sockopt::UdpGroSegment, &true)?;
            setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_BUFFER)?;
            socket.set_read_timeout(Some(Duration::from_millis(200)))?;
            Ok(socket)
        };
        let socket = open().map_err(BenchError::io("open a socket of the generator"))?;
        Ok(Self {
            socket,
            channel: None,
        })
    }

    pub(crate) fn address(&self) -> Result<SocketAddr, BenchError> {
        let address = self.socket.local_addr();
        address.map_err(BenchError::io("ask for a socket's address"))
    }

    /// From now on it sends to `to`, receives from there only, and never waits.
    pub(crate) fn connect(&self, to: SocketAddr) -> Result<(), BenchError> {
        let connected = self.socket.connect(to);
        let connected = connected.and_then(|()| self.socket.set_nonblocking(true));
        connected.map_err(BenchError::io("connect a socket"))
    }

    /// Cuts what is sent into datagrams of this length; 0 sends it as it is.
    pub(crate) fn segment(&self, stride: usize) -> Result<(), BenchError> {
        let stride = i32::try_from(stride).unwrap_or(0);
        setsockopt(&self.socket, sockopt::UdpGsoSegment, &stride)
            .map_err(|error| BenchError::io("ask for segmentation")(error.into()))
    }

    /// How many bytes stand before each payload.
    pub(crate) fn head_len(&self) -> usize {
        match self.channel {
            Some(_) => crate::turn::CHANNEL_HEADER_LEN,
            None => 0,
        }
    }
}

/// Ends of the generator live on a few addresses, as callers do.
fn address_of(number: usize) -> Ipv4Addr {
    let host = u8::try_from(number % 8).unwrap_or(0);
    Ipv4Addr::new(127, 0, 1, 1 + host)
}

/// Two plain ends that send to each other: what the generator and the kernel cost without a relay.
pub(crate) fn direct(flows: usize) -> Result<Vec<End>, BenchError> {
    let ends: Vec<End> = (0..2 * flows).map(End::open).collect::<Result<_, _>>()?;
    for pair in ends.chunks_exact(2) {
        let (one, two) = (&pair[0], &pair[1]);
        one.connect(two.address()?)?;
        two.connect(one.address()?)?;
    }
    Ok(ends)
}

/// Flows through the TURN server that listens at `relay`.
pub(crate) fn through(
    relay: SocketAddr,
    relation: Relation,
    flows: usize,
) -> Result<Vec<End>, BenchError> {
    let mut ends = Vec::with_capacity(2 * flows);
    let mut sessions = sessions(2 * flows).into_iter();
    for flow in 0..flows {
        let mut client = Client::allocate(2 * flow, relay, sessions.next())?;
        match relation {
            Relation::Pair => {
                let mut other = Client::allocate(2 * flow + 1, relay, sessions.next())?;
                client.bind(other.relayed)?;
                other.bind(client.relayed)?;
                ends.extend([client.end, other.end]);
            }
            Relation::Peer => {
                let peer = End::open(2 * flow + 1)?;
                client.bind(peer.address()?)?;
                peer.connect(client.relayed)?;
                ends.extend([client.end, peer]);
            }
        }
    }
    for end in &ends {
        let silent = end.socket.set_nonblocking(true);
        silent.map_err(BenchError::io("prepare a socket"))?;
    }
    Ok(ends)
}

/// The channel of an end.
pub(crate) fn channel_of(number: usize) -> u16 {
    FIRST_CHANNEL + u16::try_from(number % 0x0FFF).unwrap_or(0)
}

/// An end while it gets its allocation.
struct Client {
    end: End,
    number: usize,
    session: Session,
    relayed: SocketAddr,
}

impl Client {
    fn allocate(
        number: usize,
        relay: SocketAddr,
        session: Option<Session>,
    ) -> Result<Self, BenchError> {
        let end = End::open(number)?;
        let connected = end.socket.connect(relay);
        connected.map_err(BenchError::io("connect a socket"))?;
        let mut session = session.ok_or(BenchError::Refused("an allocation", 0))?;
        let mut outcome = exchange(&end, &mut session, |session| session.allocate(1))?;
        if outcome == Outcome::Refused(401) {
            outcome = exchange(&end, &mut session, |session| session.allocate(2))?;
        }
        match outcome {
            Outcome::Granted(Some(relayed)) => Ok(Self {
                end,
                number,
                session,
                relayed,
            }),
            Outcome::Granted(None) => Err(BenchError::Refused("an allocation's address", 0)),
            Outcome::Refused(code) => Err(BenchError::Refused("an allocation", code)),
        }
    }

    fn bind(&mut self, peer: SocketAddr) -> Result<(), BenchError> {
        let channel = channel_of(self.number);
        let end = &self.end;
        let permitted = exchange(end, &mut self.session, |session| {
            session.create_permission(3, peer)
        })?;
        if let Outcome::Refused(code) = permitted {
            return Err(BenchError::Refused("a permission", code));
        }
        let bound = exchange(end, &mut self.session, |session| {
            session.bind_channel(4, channel, peer)
        })?;
        if let Outcome::Refused(code) = bound {
            return Err(BenchError::Refused("a channel", code));
        }
        self.end.channel = Some(channel);
        Ok(())
    }
}

/// Sends a request until it is answered.
fn exchange(
    end: &End,
    session: &mut Session,
    request: impl Fn(&Session) -> Vec<u8>,
) -> Result<Outcome, BenchError> {
    let request = request(session);
    let mut answer = [0; 1_500];
    for _ in 0..ATTEMPTS {
        let sent = end.socket.send(&request);
        sent.map_err(BenchError::io("send a request"))?;
        while let Ok(length) = end.socket.recv(&mut answer) {
            // The transaction id is in bytes 8 to 19 of both.
            if let Some(answer) = session.read(&answer[..length])
                && request[12..20] == answer.id.to_be_bytes()
            {
                return Ok(answer.outcome);
            }
        }
    }
    Err(BenchError::Silent)
}
