// SPDX-License-Identifier: MIT OR Apache-2.0
//! One allocation: its relayed addresses, who may reach them, and the channels that shorten the way.
//!
//! ```text
//!  Allocate         permission for a peer        opened
//! ─────────► None ─────────────────────► Opening ──────► Open        Refresh(0), expiry, disconnect
//!             ▲      OpenRelay              │                        ─────────────────────────────► gone
//!             └─────────────────────────────┘                          CloseRelay, if it was open
//!                  not opened: 508
//! ```
//! A relayed address has no socket until a peer outside the relay may use it: data between clients of one
//! relay needs none.

mod bandwidth;
mod peers;

use core::net::IpAddr;
use std::sync::Arc;

use hither_sansio::{Duration, Instant};

use super::ports::Token;
use super::reply::ReplyTo;
use super::tuple::{FiveTuple, PeerAddr, RelayedAddr};
use crate::address::AddressFamily;
use crate::channel_data::ChannelNumber;
use crate::error_code::ErrorCode;
use crate::integrity::IntegrityKey;
use crate::transaction::TransactionId;
use bandwidth::Bandwidth;
pub(super) use peers::{BindError, Full, NoWay, Peers, Way};

/// How many requests of one client wait for its sockets. Further ones are not answered; they come again.
pub(super) const MAX_WAITING: usize = 8;

/// Up to two relayed addresses, one a family, and what their client made of them.
///
/// What data on its way needs stands first and together: with many allocations the price of a packet is how
/// many lines of memory it touches.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Allocation {
    pub(super) client: FiveTuple,
    pub(super) bandwidth: Bandwidth,
    v4: Option<Relay>,
    pub(super) peers: Peers,
    v6: Option<Relay>,
    /// When the table looks at it next: the first expiry.
    pub(super) due: Instant,
    /// Kept once for all that it has.
    pub(super) username: Arc<str>,
    /// Of the username, so that it is not derived for each request.
    pub(super) key: IntegrityKey,
    pub(super) made_by: Made,
    /// Requests that wait for a socket, in the order in which they came.
    pub(super) waiting: Vec<Waiting>,
}

/// A relayed address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Relay {
    pub(super) address: RelayedAddr,
    pub(super) expires: Instant,
    pub(super) socket: Socket,
}

/// Whether the host listens on a relayed address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Socket {
    None,
    Opening,
    Open,
}

/// The request that made an allocation, and what else it was told: a retransmission is told the same.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made {
    pub(super) by: TransactionId,
    pub(super) token: Option<Token>,
    /// The family of which there is no address, and why.
    pub(super) refused: Option<(AddressFamily, ErrorCode)>,
}

/// A request that is granted when the sockets are open that it needs.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) reply_to: ReplyTo,
    pub(super) wish: Wish,
}

/// What CreatePermission and ChannelBind ask for.
#[derive(Clone, Debug)]
pub(super) enum Wish {
    Permit(Vec<IpAddr>),
    Bind(ChannelNumber, PeerAddr),
}

impl Wish {
    /// The addresses that it permits.
    pub(super) fn ips(&self) -> impl Iterator<Item = IpAddr> + '_ {
        let (list, one) = match self {
            Self::Permit(ips) => (ips.as_slice(), None),
            Self::Bind(_, peer) => (&[][..], Some(peer.ip())),
        };
        list.iter().copied().chain(one)
    }
}

impl Allocation {
    pub(super) fn new(
        client: FiveTuple,
        relays: [Option<RelayedAddr>; 2],
        username: Arc<str>,
        key: IntegrityKey,
        made_by: Made,
        (now, lifetime): (Instant, Duration),
    ) -> Self {
        let expires = now + lifetime;
        let relay = |address: Option<RelayedAddr>| {
            address.map(|address| Relay {
                address,
                expires,
                socket: Socket::None,
            })
        };
        let [v4, v6] = relays;
        Self {
            client,
            peers: Peers::default(),
            v4: relay(v4),
            v6: relay(v6),
            bandwidth: Bandwidth::new(now),
            due: expires,
            username,
            key,
            made_by,
            waiting: Vec::new(),
        }
    }

    pub(super) const fn relay(&self, family: AddressFamily) -> Option<&Relay> {
        match family {
            AddressFamily::V4 => self.v4.as_ref(),
            AddressFamily::V6 => self.v6.as_ref(),
        }
    }

    pub(super) const fn relay_mut(&mut self, family: AddressFamily) -> Option<&mut Relay> {
        match family {
            AddressFamily::V4 => self.v4.as_mut(),
            AddressFamily::V6 => self.v6.as_mut(),
        }
    }

    /// Where data for this peer leaves from.
    pub(super) fn relay_towards(&self, peer: IpAddr, now: Instant) -> Option<&Relay> {
        self.relay(AddressFamily::of(peer))
            .filter(|relay| now < relay.expires)
    }

    /// The one with this address, if it is still this allocation's.
    pub(super) fn relay_at(&self, address: RelayedAddr, now: Instant) -> Option<&Relay> {
        self.relay_towards(address.0.ip(), now)
            .filter(|relay| relay.address == address)
    }

    pub(super) fn relays(&self) -> impl Iterator<Item = &Relay> {
        self.v4.iter().chain(&self.v6)
    }

    /// Takes one relayed address away, with what was about it.
    pub(super) fn take_relay(&mut self, family: AddressFamily) -> Option<Relay> {
        let is_other = |ip| AddressFamily::of(ip) != family;
        self.peers.retain(is_other, |_| true);
        self.waiting
            .retain(|waiting| waiting.wish.ips().all(is_other));
        match family {
            AddressFamily::V4 => self.v4.take(),
            AddressFamily::V6 => self.v6.take(),
        }
    }

    /// When the first of its relayed addresses expires; `None` if there is none left.
    pub(super) fn first_expiry(&self) -> Option<Instant> {
        self.relays().map(|relay| relay.expires).min()
    }

    /// When the last of them does.
    pub(super) fn last_expiry(&self) -> Instant {
        let expiries = self.relays().map(|relay| relay.expires);
        expiries.max().unwrap_or(self.due)
    }
}
