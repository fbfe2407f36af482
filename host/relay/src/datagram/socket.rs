// SPDX-License-Identifier: MIT OR Apache-2.0
//! The UDP sockets of a worker.

use std::io;
use std::net::SocketAddr;

use hither_stun::server::RelayedAddr;
use mio::net::UdpSocket;
use socket2::{Domain, Protocol, SockAddr, Socket as RawSocket, Type};

/// The place of a socket in its worker's table. It is given to another one when the socket is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SocketId(usize);

impl SocketId {
    pub(crate) const fn new(index: usize) -> Self {
        Self(index)
    }

    pub(crate) const fn index(self) -> usize {
        self.0
    }
}

/// Whom a socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Clients, that send to this address.
    Listener(SocketAddr),
    /// Peers, that send to what one client was given.
    Relayed(RelayedAddr),
}

/// One UDP socket. Dropped, it is closed.
#[derive(Debug)]
pub(crate) struct Socket {
    io: UdpSocket,
    pub(crate) role: Role,
    /// Whether it waits for its turn.
    pub(crate) is_ready: bool,
    /// Whether it brought little the last time.
    pub(super) holds_little: bool,
    /// Whether the system sends several datagrams at once from it.
    pub(super) sends_segments: bool,
    /// Whether what it sends may not be fragmented on the way.
    pub(super) forbids_fragments: bool,
    /// Errors in a row that were not about one datagram.
    pub(crate) errors: u8,
}

impl Socket {
    pub(crate) fn new(socket: RawSocket, role: Role) -> Self {
        Self {
            io: UdpSocket::from_std(socket.into()),
            role,
            is_ready: false,
            holds_little: matches!(role, Role::Relayed(_)),
            sends_segments: false,
            forbids_fragments: false,
            errors: 0,
        }
    }

    pub(crate) const fn io(&self) -> &UdpSocket {
        &self.io
    }

    pub(crate) const fn io_mut(&mut self) -> &mut UdpSocket {
        &mut self.io
    }
}

/// Binds one socket that nobody else can have.
pub(crate) fn bind(address: SocketAddr, buffer: usize) -> io::Result<RawSocket> {
    let socket = open(address, buffer)?;
    socket.bind(&SockAddr::from(address))?;
    Ok(socket)
}

/// Binds `count` sockets to one address, among which the system shares out the senders.
///
/// The first is bound alone, so that an address in use is noticed.
pub(crate) fn bind_shared(
    address: SocketAddr,
    buffer: usize,
    count: usize,
) -> io::Result<(SocketAddr, Vec<RawSocket>)> {
    let first = bind(address, buffer)?;
    let local = first.local_addr()?.as_socket();
    let local = local.ok_or(io::ErrorKind::AddrNotAvailable)?;
    let mut sockets = vec![first];
    if count > 1 {
        for first in &sockets {
            share(first)?;
        }
        for _ in 1..count {
            let socket = open(local, buffer)?;
            share(&socket)?;
            socket.bind(&SockAddr::from(local))?;
            sockets.push(socket);
        }
    }
    Ok((local, sockets))
}

#[cfg(unix)]
fn share(socket: &RawSocket) -> io::Result<()> {
    socket.set_reuse_port(true)
}

#[cfg(not(unix))]
fn share(_socket: &RawSocket) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

fn open(address: SocketAddr, buffer: usize) -> io::Result<RawSocket> {
    let socket = RawSocket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // The system may give less; that is no reason to stop.
    let set = socket
        .set_recv_buffer_size(buffer)
        .and_then(|()| socket.set_send_buffer_size(buffer));
    if let Err(error) = set {
        tracing::debug!(kind = ?error.kind(), "the buffers stay as they are");
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// The sockets of one worker.
#[derive(Debug, Default)]
pub(crate) struct SocketTable {
    slots: Vec<Option<Socket>>,
    free: Vec<SocketId>,
}

impl SocketTable {
    pub(crate) fn get(&self, id: SocketId) -> Option<&Socket> {
        self.slots.get(id.0)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, id: SocketId) -> Option<&mut Socket> {
        self.slots.get_mut(id.0)?.as_mut()
    }

    pub(crate) fn insert(&mut self, socket: Socket) -> SocketId {
        let id = self.free.pop().unwrap_or(SocketId(self.slots.len()));
        match self.slots.get_mut(id.0) {
            Some(slot) => *slot = Some(socket),
            None => self.slots.push(Some(socket)),
        }
        id
    }

    pub(crate) fn remove(&mut self, id: SocketId) -> Option<Socket> {
        let socket = self.slots.get_mut(id.0)?.take()?;
        self.free.push(id);
        Some(socket)
    }
}
