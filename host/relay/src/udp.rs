// SPDX-License-Identifier: MIT OR Apache-2.0
//! Datagrams in and out, one system call each. Whoever wants batches, GRO and GSO replaces this file.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use tokio::net::UdpSocket;

use crate::config::StartError;

/// Receive buffer of a listener, in bytes: enough for a burst, too small to hide an overload in delay.
const LISTENER_BUFFER: usize = 1024 * 1024;

/// Receive buffer of a relayed socket, in bytes.
pub(crate) const RELAY_BUFFER: usize = 256 * 1024;

/// How many datagrams of one socket are handled before others get their turn.
const BURST: usize = 32;

/// How long to wait after an error that is not about one datagram.
const ERROR_PAUSE: Duration = Duration::from_millis(20);

thread_local! {
    /// Where datagrams stand while they are handled: one a thread, not one a socket.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; 65_536]);
}

/// Binds the UDP listeners; the keys say which ports the system chose.
pub(crate) fn bind_listeners(
    addresses: &[SocketAddr],
) -> Result<BTreeMap<SocketAddr, Arc<UdpSocket>>, StartError> {
    let mut listeners = BTreeMap::new();
    for &address in addresses {
        let bound = bind(address, LISTENER_BUFFER)
            .and_then(|socket| Ok((socket.local_addr()?, Arc::new(socket))));
        let (local, socket) = bound.map_err(|source| StartError::Bind {
            protocol: "UDP",
            address,
            source,
        })?;
        listeners.insert(local, socket);
    }
    Ok(listeners)
}

/// Binds one socket.
pub(crate) fn bind(address: SocketAddr, receive_buffer: usize) -> io::Result<UdpSocket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // The system may give less; that is no reason to stop.
    if let Err(error) = socket.set_recv_buffer_size(receive_buffer) {
        tracing::debug!(kind = ?error.kind(), "the receive buffer stays as it is");
    }
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::from(address))?;
    UdpSocket::from_std(socket.into())
}

/// Hands every datagram to `handle`, with its sender, for ever.
pub(crate) async fn receive(socket: &UdpSocket, handle: impl Fn(SocketAddr, &[u8])) {
    loop {
        let received = match socket.readable().await {
            Ok(()) => receive_burst(socket, &handle),
            Err(error) => Err(error),
        };
        match received {
            Ok(()) => tokio::task::yield_now().await,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => {
                tracing::debug!(kind = ?error.kind(), "cannot receive a datagram");
                tokio::time::sleep(ERROR_PAUSE).await;
            }
        }
    }
}

fn receive_burst(socket: &UdpSocket, handle: &impl Fn(SocketAddr, &[u8])) -> io::Result<()> {
    SCRATCH.with_borrow_mut(|scratch| {
        for _ in 0..BURST {
            let (length, from) = socket.try_recv_from(scratch)?;
            handle(from, scratch.get(..length).unwrap_or_default());
        }
        Ok(())
    })
}

/// Sends one datagram now or not at all. It does not wait for the runtime to say that the socket is
/// writable: a full socket loses the datagram, as the network would.
pub(crate) fn send(socket: &UdpSocket, to: SocketAddr, parts: &[IoSlice<'_>]) -> io::Result<()> {
    let to = SockAddr::from(to);
    SockRef::from(socket)
        .send_to_vectored(parts, &to)
        .map(|_| ())
}
