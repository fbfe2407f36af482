// SPDX-License-Identifier: MIT OR Apache-2.0
//! Binding: what a client looks like from here (RFC 8489 §2), and from another address of ours (RFC 5780).

use core::net::SocketAddr;

use super::config::Behaviour;
use super::reply::{Answer, Refusal};
use super::requests::{Outcome, unknown_attributes};
use super::tuple::{FiveTuple, Transport};
use crate::attribute::AttributeType;
use crate::error_code::ErrorCode;
use crate::message::Message;

/// The most bytes of PADDING that are sent back: with the headers, one packet on Ethernet.
pub(super) const MAX_PADDING_LEN: usize = 1_280;

/// What an answer says about where it comes from, for a client that explores what is between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    /// The address that the answer leaves from.
    pub(super) address: SocketAddr,
    /// The address that differs from the one asked in IP address and port.
    pub(super) other: SocketAddr,
    /// How much PADDING is sent back; never more than came.
    pub(super) padding_len: Option<usize>,
}

/// RFC 8489 §12, and RFC 5780 §6.1 where the client asked one of the four addresses that it needs.
pub(super) fn binding(
    client: &FiveTuple,
    request: &Message<'_>,
    behaviour: Option<&Behaviour>,
) -> Outcome {
    // Over a stream the answer goes back on the stream.
    let explored = behaviour
        .filter(|_| client.transport == Transport::Udp)
        .and_then(|behaviour| Some((behaviour, behaviour.opposite(client.local)?)));
    let mut unknown = unknown_attributes(request);
    if explored.is_some() {
        unknown
            .retain(|kind| ![AttributeType::CHANGE_REQUEST, AttributeType::PADDING].contains(kind));
    }
    if !unknown.is_empty() {
        return Err(Refusal::UnknownAttributes(unknown));
    }
    let origin = match explored {
        Some((behaviour, other)) => Some(Origin {
            address: behaviour.changed(client.local, Change::parse(request)?),
            other,
            padding_len: request
                .attribute(AttributeType::PADDING)
                .map(|padding| padding.len().min(MAX_PADDING_LEN)),
        }),
        None => None,
    };
    let mapped = client.client;
    Ok(Some(Answer::Bound { mapped, origin }))
}

/// What of the address the client wants to be another (RFC 5780 §7.2).
#[derive(Clone, Copy, Debug, Default)]
struct Change {
    ip: bool,
    port: bool,
}

impl Change {
    fn parse(request: &Message<'_>) -> Result<Self, Refusal> {
        match request.attribute(AttributeType::CHANGE_REQUEST) {
            None => Ok(Self::default()),
            Some(&[_, _, _, flags]) => Ok(Self {
                ip: flags & 0x04 != 0,
                port: flags & 0x02 != 0,
            }),
            Some(_) => Err(ErrorCode::BAD_REQUEST.into()),
        }
    }
}

impl Behaviour {
    /// The address that differs from this one in both; none if this one is none of the four.
    fn opposite(&self, local: SocketAddr) -> Option<SocketAddr> {
        let both = Change {
            ip: true,
            port: true,
        };
        self.listeners()
            .contains(&local)
            .then(|| self.changed(local, both))
    }

    fn changed(&self, local: SocketAddr, change: Change) -> SocketAddr {
        let (first, second) = (self.primary, self.other);
        let ip = match (local.ip() == first.ip()) == change.ip {
            true => second.ip(),
            false => first.ip(),
        };
        let port = match (local.port() == first.port()) == change.port {
            true => second.port(),
            false => first.port(),
        };
        SocketAddr::new(ip, port)
    }
}
