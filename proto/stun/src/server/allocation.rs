// SPDX-License-Identifier: MIT OR Apache-2.0
//! One allocation: a relayed address, who may reach it, and the channels that shorten the way.
//!
//! ```text
//!            OpenRelay                 bound                  Refresh(0), expiry, disconnect
//! Allocate ────────────► Opening ────────────────► Allocation ──────────────────────────────► gone
//!                           │ not bound: next port,                                  CloseRelay
//!                           └──► 508 after the last
//! ```

use core::net::IpAddr;
use std::collections::BTreeMap;

use hither_sansio::{Duration, Instant};

use super::reply::ReplyTo;
use super::tuple::{FiveTuple, PeerAddr, RelayedAddr};
use crate::address::AddressFamily;
use crate::channel_data::ChannelNumber;
use crate::transaction::TransactionId;

/// How long a permission lasts (RFC 8656 §9: not configurable).
pub(super) const PERMISSION_LIFETIME: Duration = Duration::from_secs(300);

/// How long a channel lasts (RFC 8656 §12).
pub(super) const CHANNEL_LIFETIME: Duration = Duration::from_secs(600);

/// How long an expired channel stays tied to its peer, so that data under way reaches nobody else
/// (RFC 8656 §12).
pub(super) const CHANNEL_QUARANTINE: Duration = Duration::from_secs(300);

/// An allocation whose relayed socket the host is opening.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) client: FiveTuple,
    pub(super) username: String,
    pub(super) reply_to: ReplyTo,
    pub(super) lifetime: Duration,
    pub(super) family: AddressFamily,
    pub(super) even_port: bool,
    /// The client also wished for an IPv6 address, which is told to be refused.
    pub(super) additional_refused: bool,
    pub(super) attempts_left: u8,
}

/// A relayed address and what its client made of it.
#[derive(Debug)]
pub(super) struct Allocation {
    pub(super) relayed: RelayedAddr,
    pub(super) username: String,
    /// Of the request that made it: a retransmission is answered with the same success.
    pub(super) made_by: TransactionId,
    pub(super) expires: Instant,
    pub(super) additional_refused: bool,
    permissions: BTreeMap<IpAddr, Instant>,
    channels: BTreeMap<ChannelNumber, Channel>,
    channels_by_peer: BTreeMap<PeerAddr, ChannelNumber>,
}

#[derive(Clone, Copy, Debug)]
struct Channel {
    peer: PeerAddr,
    expires: Instant,
}

/// Why a channel cannot be bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BindError {
    /// The number belongs to another peer, or the peer to another number.
    Taken,
    /// There are as many as there may be.
    Full,
}

impl Allocation {
    pub(super) const fn new(
        relayed: RelayedAddr,
        username: String,
        made_by: TransactionId,
        expires: Instant,
        additional_refused: bool,
    ) -> Self {
        Self {
            relayed,
            username,
            made_by,
            expires,
            additional_refused,
            permissions: BTreeMap::new(),
            channels: BTreeMap::new(),
            channels_by_peer: BTreeMap::new(),
        }
    }

    /// Whether this peer may reach the client, and the client it.
    pub(super) fn permits(&self, peer: IpAddr, now: Instant) -> bool {
        self.permissions
            .get(&peer)
            .is_some_and(|&expires| now < expires)
    }

    /// Makes or renews a permission for each address; none, if not all fit.
    pub(super) fn permit(
        &mut self,
        peers: &[IpAddr],
        max: usize,
        now: Instant,
    ) -> Result<(), Full> {
        self.permissions.retain(|_, expires| now < *expires);
        let mut fresh: Vec<_> = peers
            .iter()
            .filter(|peer| !self.permissions.contains_key(*peer))
            .collect();
        fresh.sort_unstable();
        fresh.dedup();
        if self.permissions.len() + fresh.len() > max {
            return Err(Full);
        }
        for peer in peers {
            self.permissions.insert(*peer, now + PERMISSION_LIFETIME);
        }
        Ok(())
    }

    /// The peer behind a channel.
    pub(super) fn peer_of(&self, channel: ChannelNumber, now: Instant) -> Option<PeerAddr> {
        let channel = self.channels.get(&channel)?;
        (now < channel.expires).then_some(channel.peer)
    }

    /// The channel of a peer.
    pub(super) fn channel_of(&self, peer: PeerAddr, now: Instant) -> Option<ChannelNumber> {
        let number = *self.channels_by_peer.get(&peer)?;
        self.peer_of(number, now).map(|_| number)
    }

    /// Whether [`Self::bind`] would succeed.
    pub(super) fn can_bind(
        &mut self,
        number: ChannelNumber,
        peer: PeerAddr,
        max: usize,
        now: Instant,
    ) -> Result<(), BindError> {
        self.forget_old_channels(now);
        match (self.channels.get(&number), self.channels_by_peer.get(&peer)) {
            (None, None) if self.channels.len() >= max => Err(BindError::Full),
            (None, None) => Ok(()),
            (Some(channel), Some(_)) if channel.peer == peer => Ok(()),
            (Some(_), _) | (_, Some(_)) => Err(BindError::Taken),
        }
    }

    /// Binds or renews a channel for which [`Self::can_bind`] was true.
    pub(super) fn bind(&mut self, number: ChannelNumber, peer: PeerAddr, now: Instant) {
        let expires = now + CHANNEL_LIFETIME;
        self.channels.insert(number, Channel { peer, expires });
        self.channels_by_peer.insert(peer, number);
    }

    fn forget_old_channels(&mut self, now: Instant) {
        let Self {
            channels,
            channels_by_peer,
            ..
        } = self;
        channels.retain(|_, channel| {
            let keep = now < channel.expires + CHANNEL_QUARANTINE;
            if !keep {
                channels_by_peer.remove(&channel.peer);
            }
            keep
        });
    }
}

/// There are as many permissions as there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;
