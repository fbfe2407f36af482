// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a relay of two shards holds, and whom it lets reach whom, in the simplest form that can be right: no
//! index, no cache, every question answered by looking at everything.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use hither_sansio::{Duration, Instant};

use super::{
    CLIENTS, LISTENER_PORT, MAX_ALLOCATIONS, MAX_CHANNELS, MAX_PERMISSIONS, PORTS, RELAYED_V4,
    RELAYED_V6, Request, Wish, shard_of, user_of,
};

const MAX_WAITING: usize = 8;

/// Number of a transaction.
pub(super) type Id = u32;

/// What a request is told: success, an error code, or nothing for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Granted,
    Refused(u16),
    Nothing,
}

/// What becomes of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Dropped,
    ToPeer {
        from: SocketAddr,
        to: SocketAddr,
    },
    /// To this client, as coming from there, over a channel or in an indication.
    ToClient {
        client: usize,
        from: SocketAddr,
        channel: Option<u16>,
    },
}

/// Whether the host listens on a relayed address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Socket {
    None,
    Opening,
    Open,
}

#[derive(Clone, Debug)]
pub(super) struct Relay {
    pub(super) address: SocketAddr,
    pub(super) expires: Instant,
    pub(super) socket: Socket,
}

#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) relays: Vec<Relay>,
    pub(super) made_by: Id,
    permissions: BTreeMap<IpAddr, Instant>,
    channels: BTreeMap<u16, (SocketAddr, Instant)>,
    waiting: Vec<(Id, Wish)>,
}

#[derive(Clone, Debug)]
pub(super) struct Reserved {
    pub(super) token: [u8; 8],
    pub(super) address: SocketAddr,
    pub(super) expires: Instant,
}

/// Everything.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    pub(super) held: [Option<Held>; CLIENTS],
    pub(super) reserved: Vec<Reserved>,
    /// Given up while the host was opening them.
    pub(super) abandoned: BTreeSet<SocketAddr>,
    /// Sockets that the host must be asked to open and to close, since it was last asked.
    pub(super) to_open: BTreeSet<SocketAddr>,
    pub(super) to_close: BTreeSet<SocketAddr>,
    pub(super) denied: Option<IpAddr>,
}

impl Model {
    /// Whether an allocation of this kind can be made, and which families it will have and lack.
    pub(super) fn can_allocate(&self, who: usize, request: &Request, now: Instant) -> Told {
        let same_user = (0..CLIENTS).filter(|other| user_of(*other) == user_of(who));
        let has = |who: &usize| self.held[*who].is_some();
        if same_user.filter(has).count() >= 1 {
            return Told::Refused(486);
        }
        if (0..CLIENTS).filter(has).count() >= MAX_ALLOCATIONS {
            return Told::Refused(508);
        }
        let has_room = match request {
            Request::Allocate { v6: true, .. } => self.has_free(RELAYED_V6, |_| true),
            Request::Allocate { even: true, .. } => {
                self.has_free(RELAYED_V4, |port| port.is_multiple_of(2))
            }
            Request::AllocateBoth => {
                self.has_free(RELAYED_V4, |_| true) || self.has_free(RELAYED_V6, |_| true)
            }
            Request::AllocatePair => self.has_free(RELAYED_V4, |port| {
                let next = SocketAddr::new(RELAYED_V4, port + 1);
                port.is_multiple_of(2) && PORTS.contains(&next.port()) && self.is_free(next)
            }),
            Request::Redeem { token } => {
                let mut waiting = self.reserved.iter();
                waiting.any(|waiting| waiting.token == *token && now < waiting.expires)
            }
            _ => self.has_free(RELAYED_V4, |_| true),
        };
        match has_room {
            true => Told::Granted,
            false => Told::Refused(508),
        }
    }

    pub(super) fn has_free(&self, ip: IpAddr, fits: impl Fn(u16) -> bool) -> bool {
        let mut ports = PORTS;
        ports.any(|port| fits(port) && self.is_free(SocketAddr::new(ip, port)))
    }

    pub(super) fn is_free(&self, address: SocketAddr) -> bool {
        self.owner(address).is_none()
            && !self.abandoned.contains(&address)
            && !self.reserved.iter().any(|it| it.address == address)
    }

    /// Ports that must not be free.
    pub(super) fn taken(&self) -> usize {
        let relays = self.held.iter().flatten().map(|held| held.relays.len());
        relays.sum::<usize>() + self.abandoned.len() + self.reserved.len()
    }

    pub(super) fn owner(&self, address: SocketAddr) -> Option<usize> {
        (0..CLIENTS).find(|who| self.relay_at(*who, address).is_some())
    }

    pub(super) fn insert(
        &mut self,
        who: usize,
        made_by: Id,
        addresses: &[SocketAddr],
        now: Instant,
    ) {
        let relays = addresses.iter().map(|&address| Relay {
            address,
            expires: now + Duration::from_secs(600),
            socket: Socket::None,
        });
        self.held[who] = Some(Held {
            relays: relays.collect(),
            made_by,
            permissions: BTreeMap::new(),
            channels: BTreeMap::new(),
            waiting: Vec::new(),
        });
    }

    /// RFC 8656 §8.2.
    pub(super) fn refresh(
        &mut self,
        who: usize,
        lifetime: u32,
        v6: Option<bool>,
        now: Instant,
    ) -> Told {
        let Some(held) = &mut self.held[who] else {
            return Told::Refused(437);
        };
        let is_meant = |relay: &&mut Relay| v6.is_none_or(|v6| relay.address.is_ipv6() == v6);
        let mut meant: Vec<_> = held.relays.iter_mut().filter(is_meant).collect();
        if meant.is_empty() {
            return Told::Refused(443);
        }
        for relay in &mut meant {
            relay.expires = match lifetime {
                0 => now,
                _ => now + Duration::from_secs(lifetime.into()),
            };
        }
        self.expire(now);
        Told::Granted
    }

    /// RFC 8656 §10.2, §12.2.
    pub(super) fn grant(&mut self, who: usize, id: Id, wish: &Wish, now: Instant) -> Told {
        let Some(held) = &self.held[who] else {
            return Told::Refused(437);
        };
        if let Err(code) = self.check(held, wish, now) {
            return Told::Refused(code);
        }
        if self.has_sockets(held, wish) {
            return self.apply(who, wish, now);
        }
        let is_repeated = held.waiting.iter().any(|(other, _)| *other == id);
        if is_repeated || held.waiting.len() >= MAX_WAITING {
            return Told::Nothing;
        }
        let outside: Vec<_> = wish
            .ips()
            .into_iter()
            .filter(|ip| self.opens(*ip))
            .collect();
        let held = self.held[who].as_mut().expect("it was there above");
        for relay in &mut held.relays {
            let is_needed = outside
                .iter()
                .any(|ip| ip.is_ipv6() == relay.address.is_ipv6());
            if is_needed && relay.socket == Socket::None {
                relay.socket = Socket::Opening;
                self.to_open.insert(relay.address);
            }
        }
        held.waiting.push((id, wish.clone()));
        Told::Nothing
    }

    /// The host opened a socket, or could not: who is answered, and what.
    pub(super) fn settle(
        &mut self,
        address: SocketAddr,
        is_open: bool,
        now: Instant,
    ) -> Vec<(usize, Id, Told)> {
        if self.abandoned.remove(&address) {
            if is_open {
                self.to_close.insert(address);
            }
            return Vec::new();
        }
        let who = self.owner(address).expect("it is opening for somebody");
        let held = self.held[who].as_mut().expect("it is the owner");
        for relay in &mut held.relays {
            if relay.address == address {
                relay.socket = match is_open {
                    true => Socket::Open,
                    false => Socket::None,
                };
            }
        }
        let mut answers = Vec::new();
        for (id, wish) in std::mem::take(&mut held.waiting) {
            let held = self.held[who].as_ref().expect("it is the owner");
            let needs_it = |ip: &IpAddr| ip.is_ipv6() == address.is_ipv6() && self.opens(*ip);
            if !is_open && wish.ips().iter().any(needs_it) {
                answers.push((who, id, Told::Refused(508)));
            } else if self.has_sockets(held, &wish) {
                answers.push((who, id, self.apply(who, &wish, now)));
            } else if let Some(held) = &mut self.held[who] {
                held.waiting.push((id, wish));
            }
        }
        answers
    }

    fn check(&self, held: &Held, wish: &Wish, now: Instant) -> Result<(), u16> {
        for ip in wish.ips() {
            let has_family = |relay: &Relay| relay.address.is_ipv6() == ip.is_ipv6();
            if !held.relays.iter().any(has_family) {
                return Err(443);
            }
            if !self.opens(ip) && ip != RELAYED_V4 && ip != RELAYED_V6 {
                return Err(403);
            }
        }
        if let Wish::Bind(number, peer) = wish {
            let is_own = peer.ip() == RELAYED_V4 || peer.ip() == RELAYED_V6;
            if peer.port() == 0 || (is_own && peer.port() == LISTENER_PORT) {
                return Err(403);
            }
            let quarantine = Duration::from_secs(300);
            let live = held.channels.iter();
            let live: Vec<_> = live
                .filter(|(_, (_, expires))| now < *expires + quarantine)
                .map(|(number, (peer, _))| (*number, *peer))
                .collect();
            if !live.contains(&(*number, *peer)) {
                if live.iter().any(|(n, p)| n == number || p == peer) {
                    return Err(400);
                }
                if live.len() >= MAX_CHANNELS {
                    return Err(508);
                }
            }
        }
        let live = held.permissions.iter();
        let mut all: BTreeSet<_> = live
            .filter(|(_, expires)| now < **expires)
            .map(|(ip, _)| *ip)
            .collect();
        all.extend(wish.ips());
        match all.len() <= MAX_PERMISSIONS {
            true => Ok(()),
            false => Err(508),
        }
    }

    fn apply(&mut self, who: usize, wish: &Wish, now: Instant) -> Told {
        let held = self.held[who].as_ref().expect("somebody asks");
        if let Err(code) = self.check(held, wish, now) {
            return Told::Refused(code);
        }
        let held = self.held[who].as_mut().expect("somebody asks");
        held.permissions.retain(|_, expires| now < *expires);
        for ip in wish.ips() {
            held.permissions.insert(ip, now + Duration::from_secs(300));
        }
        if let Wish::Bind(number, peer) = wish {
            held.channels.retain(|_, (other, _)| other != peer);
            let expires = now + Duration::from_secs(600);
            held.channels.insert(*number, (*peer, expires));
        }
        Told::Granted
    }

    fn has_sockets(&self, held: &Held, wish: &Wish) -> bool {
        let is_open = |ip: &IpAddr| {
            let mut relays = held.relays.iter();
            relays.any(|relay| {
                relay.address.is_ipv6() == ip.is_ipv6() && relay.socket == Socket::Open
            })
        };
        let ips = wish.ips();
        ips.iter().filter(|ip| self.opens(**ip)).all(is_open)
    }

    /// Whether it is outside, and may be reached.
    fn opens(&self, ip: IpAddr) -> bool {
        let is_private = ip == IpAddr::from([10, 0, 0, 1]);
        ip != RELAYED_V4 && ip != RELAYED_V6 && !is_private && self.denied != Some(ip)
    }

    /// The operator denies an address, or none.
    pub(super) fn deny(&mut self, denied: Option<IpAddr>) {
        self.denied = denied;
        for held in self.held.iter_mut().flatten() {
            held.permissions.retain(|ip, _| Some(*ip) != denied);
            held.channels
                .retain(|_, (peer, _)| Some(peer.ip()) != denied);
        }
    }

    /// Gives up what has expired.
    pub(super) fn expire(&mut self, now: Instant) {
        self.reserved.retain(|reserved| now < reserved.expires);
        for who in 0..CLIENTS {
            let Some(held) = &mut self.held[who] else {
                continue;
            };
            let (gone, kept) = held
                .relays
                .drain(..)
                .partition(|relay| relay.expires <= now);
            held.relays = kept;
            let gone: Vec<Relay> = gone;
            for relay in &gone {
                let is_v6 = relay.address.is_ipv6();
                held.permissions.retain(|ip, _| ip.is_ipv6() != is_v6);
                held.channels.retain(|_, (peer, _)| peer.is_ipv6() != is_v6);
                held.waiting
                    .retain(|(_, wish)| wish.ips().iter().all(|ip| ip.is_ipv6() != is_v6));
            }
            if held.relays.is_empty() {
                self.held[who] = None;
            }
            self.close(&gone);
        }
    }

    /// A client's stream ended.
    pub(super) fn disconnect(&mut self, who: usize) {
        if let Some(held) = self.held[who].take() {
            self.close(&held.relays);
        }
    }

    fn close(&mut self, relays: &[Relay]) {
        for relay in relays {
            match relay.socket {
                Socket::None => {}
                Socket::Opening => {
                    self.abandoned.insert(relay.address);
                }
                Socket::Open => {
                    self.to_close.insert(relay.address);
                }
            }
        }
    }

    /// When a shard must be called next.
    pub(super) fn due(&self, shard: usize) -> Option<Instant> {
        let mine = (0..CLIENTS).filter(|who| shard_of(*who) == shard);
        let held = mine.filter_map(|who| self.held[who].as_ref());
        let expiries = held.flat_map(|held| held.relays.iter().map(|relay| relay.expires));
        expiries.min()
    }

    pub(super) fn fate_on_channel(&self, who: usize, number: u16, now: Instant) -> Fate {
        let held = self.held[who].as_ref();
        let channel = held.and_then(|held| held.channels.get(&number));
        match channel {
            Some((peer, expires)) if now < *expires => self.fate(who, *peer, now),
            _ => Fate::Dropped,
        }
    }

    /// What becomes of data from a client for a peer.
    pub(super) fn fate(&self, who: usize, peer: SocketAddr, now: Instant) -> Fate {
        if !self.permits(who, peer.ip(), now) {
            return Fate::Dropped;
        }
        let held = self.held[who].as_ref().expect("it permits");
        let mut relays = held.relays.iter();
        let Some(relay) = relays.find(|relay| relay.address.is_ipv6() == peer.is_ipv6()) else {
            return Fate::Dropped;
        };
        let from = relay.address;
        match self.owner(peer) {
            Some(client) => self.fate_at(client, from, now),
            None if self.opens(peer.ip()) && peer.port() != 0 => Fate::ToPeer { from, to: peer },
            None => Fate::Dropped,
        }
    }

    /// What becomes of data for a client.
    pub(super) fn fate_at(&self, client: usize, from: SocketAddr, now: Instant) -> Fate {
        if !self.permits(client, from.ip(), now) {
            return Fate::Dropped;
        }
        let held = self.held[client].as_ref().expect("it permits");
        let mut channels = held.channels.iter();
        let channel = channels.find(|(_, (peer, expires))| *peer == from && now < *expires);
        Fate::ToClient {
            client,
            from,
            channel: channel.map(|(number, _)| *number),
        }
    }

    fn permits(&self, who: usize, ip: IpAddr, now: Instant) -> bool {
        let held = self.held[who].as_ref();
        held.is_some_and(|held| held.permissions.get(&ip).is_some_and(|until| now < *until))
    }

    fn relay_at(&self, who: usize, address: SocketAddr) -> Option<&Relay> {
        let held = self.held[who].as_ref()?;
        held.relays.iter().find(|relay| relay.address == address)
    }
}
