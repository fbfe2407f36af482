// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whose address an address is.

use core::net::{IpAddr, SocketAddr};

/// What a client speaks with the relay over. TLS is the stream's own affair and counts as TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// One frame a datagram.
    Udp,
    /// Frames one after another, channel data padded.
    Tcp,
}

/// What tells one client from another (RFC 8656 §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FiveTuple {
    /// The client's address as the relay sees it.
    pub client: SocketAddr,
    /// The relay's address that the client sent to, and that answers must come from.
    pub local: SocketAddr,
    /// The protocol between them.
    pub transport: Transport,
}

/// An address on the relay that peers send to. Its port is what an allocation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelayedAddr(pub SocketAddr);

/// The address of what TURN calls a peer: whoever a client reaches through the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerAddr(SocketAddr);

impl PeerAddr {
    /// The peer at this address; flow label and scope are no part of who it is.
    #[must_use]
    pub const fn new(address: SocketAddr) -> Self {
        Self(SocketAddr::new(address.ip(), address.port()))
    }

    /// Its address and port.
    #[must_use]
    pub const fn socket_addr(self) -> SocketAddr {
        self.0
    }

    /// Its address alone, which is what a permission is about.
    #[must_use]
    pub const fn ip(self) -> IpAddr {
        self.0.ip()
    }
}
