// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whom an allocation talks with: permissions by address, and channels, which name an address and port.
//!
//! Most allocations have one peer or two, so both are short sorted lists. A channel remembers how long its
//! peer's permission lasts: the hot path reads one entry.

use core::net::IpAddr;

use hither_sansio::{Duration, Instant};

use super::super::tuple::PeerAddr;
use crate::channel_data::ChannelNumber;

/// How long a permission lasts (RFC 8656 §9: not configurable).
pub(in super::super) const PERMISSION_LIFETIME: Duration = Duration::from_secs(300);

/// How long a channel lasts (RFC 8656 §12).
pub(in super::super) const CHANNEL_LIFETIME: Duration = Duration::from_secs(600);

/// How long an expired channel stays tied to its peer, so that data under way reaches nobody else
/// (RFC 8656 §12).
pub(in super::super) const CHANNEL_QUARANTINE: Duration = Duration::from_secs(300);

/// The permissions and channels of one allocation.
#[derive(Debug, Default)]
#[repr(C)]
pub(in super::super) struct Peers {
    /// The first channel that was bound stands in the allocation itself: for most it is the only one.
    channel: Option<Channel>,
    /// Further ones, sorted by number.
    channels: Vec<Channel>,
    /// Sorted by address.
    permissions: Vec<Permission>,
}

#[derive(Clone, Copy, Debug)]
struct Permission {
    ip: IpAddr,
    expires: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Channel {
    number: ChannelNumber,
    peer: PeerAddr,
    expires: Instant,
    /// When the permission for the peer expires.
    permitted_until: Instant,
}

/// How a peer's data reaches the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Way {
    Channel(ChannelNumber),
    Indication,
}

/// Why channel data goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum NoWay {
    NoChannel,
    NoPermission,
}

/// Why a channel cannot be bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum BindError {
    /// The number belongs to another peer, or the peer to another number.
    Taken,
    /// There are as many as there may be.
    Full,
}

/// There are as many permissions as there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Full;

impl Peers {
    /// The peer behind a channel, if it may be sent to.
    pub(in super::super) fn behind(
        &self,
        number: ChannelNumber,
        now: Instant,
    ) -> Result<PeerAddr, NoWay> {
        match self.numbered(number) {
            Some(channel) if now < channel.expires => match now < channel.permitted_until {
                true => Ok(channel.peer),
                false => Err(NoWay::NoPermission),
            },
            _ => Err(NoWay::NoChannel),
        }
    }

    /// How data of this peer goes to the client; `None` if it may not.
    pub(in super::super) fn way_from(&self, peer: PeerAddr, now: Instant) -> Option<Way> {
        match self.channels().find(|channel| channel.peer == peer) {
            Some(channel) if now < channel.permitted_until => match now < channel.expires {
                true => Some(Way::Channel(channel.number)),
                false => Some(Way::Indication),
            },
            Some(_) => None,
            None => self.permits(peer.ip(), now).then_some(Way::Indication),
        }
    }

    /// Whether this peer may reach the client, and the client it.
    pub(in super::super) fn permits(&self, ip: IpAddr, now: Instant) -> bool {
        self.permission(ip)
            .ok()
            .and_then(|at| self.permissions.get(at))
            .is_some_and(|permission| now < permission.expires)
    }

    /// Whether [`Self::permit`] would succeed.
    pub(in super::super) fn can_permit(
        &mut self,
        ips: &[IpAddr],
        max: usize,
        now: Instant,
    ) -> Result<(), Full> {
        self.permissions
            .retain(|permission| now < permission.expires);
        let is_fresh = |(at, ip): &(usize, &IpAddr)| {
            let is_repeated = ips.iter().take(*at).any(|other| other == *ip);
            !is_repeated && self.permission(**ip).is_err()
        };
        let fresh = ips.iter().enumerate().filter(is_fresh).count();
        match self.permissions.len() + fresh <= max {
            true => Ok(()),
            false => Err(Full),
        }
    }

    /// Makes or renews a permission for each address, for which [`Self::can_permit`] succeeded.
    pub(in super::super) fn permit(&mut self, ips: impl Iterator<Item = IpAddr>, now: Instant) {
        let expires = now + PERMISSION_LIFETIME;
        for ip in ips {
            match self.permission(ip) {
                Ok(at) => {
                    if let Some(permission) = self.permissions.get_mut(at) {
                        permission.expires = expires;
                    }
                }
                Err(at) => {
                    self.permissions.reserve_exact(1);
                    self.permissions.insert(at, Permission { ip, expires });
                }
            }
            for channel in self.channels_mut() {
                if channel.peer.ip() == ip {
                    channel.permitted_until = expires;
                }
            }
        }
    }

    /// Whether [`Self::bind`] may be called.
    pub(in super::super) fn can_bind(
        &mut self,
        number: ChannelNumber,
        peer: PeerAddr,
        max: usize,
        now: Instant,
    ) -> Result<(), BindError> {
        self.retain_channels(|channel| now < channel.expires + CHANNEL_QUARANTINE);
        let touches = |channel: &&Channel| channel.number == number || channel.peer == peer;
        match self.channels().find(touches) {
            Some(channel) if channel.number == number && channel.peer == peer => Ok(()),
            Some(_) => Err(BindError::Taken),
            None if self.channels().count() >= max => Err(BindError::Full),
            None => Ok(()),
        }
    }

    /// Binds or renews a channel for which [`Self::can_bind`] succeeded, after its peer was permitted.
    pub(in super::super) fn bind(&mut self, number: ChannelNumber, peer: PeerAddr, now: Instant) {
        let channel = Channel {
            number,
            peer,
            expires: now + CHANNEL_LIFETIME,
            permitted_until: now + PERMISSION_LIFETIME,
        };
        if let Some(bound) = self.channels_mut().find(|it| it.number == number) {
            *bound = channel;
        } else if self.channel.is_none() {
            self.channel = Some(channel);
        } else if let Err(at) = self.position(number) {
            self.channels.reserve_exact(1);
            self.channels.insert(at, channel);
        }
    }

    /// Keeps only what this allows.
    pub(in super::super) fn retain(
        &mut self,
        permits: impl Fn(IpAddr) -> bool,
        permits_channel: impl Fn(PeerAddr) -> bool,
    ) {
        self.permissions.retain(|permission| permits(permission.ip));
        self.retain_channels(|channel| permits(channel.peer.ip()) && permits_channel(channel.peer));
    }

    fn retain_channels(&mut self, keeps: impl Fn(&Channel) -> bool) {
        self.channels.retain(&keeps);
        self.channel = self.channel.filter(keeps).or_else(|| self.channels.pop());
    }

    fn channels(&self) -> impl Iterator<Item = &Channel> {
        self.channel.iter().chain(&self.channels)
    }

    fn channels_mut(&mut self) -> impl Iterator<Item = &mut Channel> {
        self.channel.iter_mut().chain(&mut self.channels)
    }

    fn numbered(&self, number: ChannelNumber) -> Option<&Channel> {
        match &self.channel {
            Some(channel) if channel.number == number => Some(channel),
            _ => self.channels.get(self.position(number).ok()?),
        }
    }

    fn permission(&self, ip: IpAddr) -> Result<usize, usize> {
        self.permissions
            .binary_search_by_key(&ip, |permission| permission.ip)
    }

    fn position(&self, number: ChannelNumber) -> Result<usize, usize> {
        self.channels
            .binary_search_by_key(&number, |channel| channel.number)
    }
}
