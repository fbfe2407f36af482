// SPDX-License-Identifier: MIT OR Apache-2.0
//! CreatePermission and ChannelBind: who may reach a client, and by which short name (RFC 8656 §9–12).
//!
//! What they permit is granted at once, unless a peer outside the relay is among it and the relayed address has
//! no socket yet: then the host is asked for one, and the request waits.

use core::net::IpAddr;

use hither_sansio::Instant;
use rand_core::CryptoRng;

use super::Server;
use super::allocation::{BindError, Full, MAX_WAITING, Socket, Waiting, Wish};
use super::reply::{Answer, Refusal, ReplyTo};
use super::requests::Outcome;
use super::tuple::PeerAddr;
use super::{Event, RelayedAddr};
use crate::address::{AddressFamily, XorAddress};
use crate::attribute::AttributeType;
use crate::channel_data::ChannelNumber;
use crate::error_code::ErrorCode;
use crate::message::Message;

impl<R: CryptoRng> Server<R> {
    /// RFC 8656 §10.2.
    pub(super) fn create_permission(
        &mut self,
        slot: u32,
        request: &Message<'_>,
        reply_to: &ReplyTo,
        now: Instant,
    ) -> Outcome {
        let mut ips = Vec::new();
        for attribute in request.attributes() {
            if attribute.kind == AttributeType::XOR_PEER_ADDRESS {
                let peer = XorAddress::parse(attribute.value, request.transaction_id())
                    .ok_or(ErrorCode::BAD_REQUEST)?;
                ips.push(peer.ip());
            }
        }
        if ips.is_empty() {
            return Err(ErrorCode::BAD_REQUEST.into());
        }
        self.grant(slot, Wish::Permit(ips), reply_to, now)
    }

    /// RFC 8656 §12.2.
    pub(super) fn channel_bind(
        &mut self,
        slot: u32,
        request: &Message<'_>,
        reply_to: &ReplyTo,
        now: Instant,
    ) -> Outcome {
        let channel = request
            .attribute(AttributeType::CHANNEL_NUMBER)
            .and_then(ChannelNumber::parse_attribute)
            .flatten();
        let peer = request
            .attribute(AttributeType::XOR_PEER_ADDRESS)
            .and_then(|value| XorAddress::parse(value, request.transaction_id()));
        let (Some(channel), Some(peer)) = (channel, peer) else {
            return Err(ErrorCode::BAD_REQUEST.into());
        };
        let wish = Wish::Bind(channel, PeerAddr::new(peer));
        self.grant(slot, wish, reply_to, now)
    }

    fn grant(&mut self, slot: u32, wish: Wish, reply_to: &ReplyTo, now: Instant) -> Outcome {
        self.check(slot, &wish, now)?;
        if self.has_sockets(slot, &wish) {
            return self.apply(slot, &wish, now).map(Some);
        }
        self.wait_for_sockets(slot, wish, reply_to);
        Ok(None)
    }

    /// Whether what is wished for is allowed, and there is room for it.
    fn check(&mut self, slot: u32, wish: &Wish, now: Instant) -> Result<(), Refusal> {
        for ip in wish.ips() {
            self.check_peer_ip(slot, ip, now)?;
        }
        if matches!(*wish, Wish::Bind(_, peer) if !self.policy.permits_channel(peer)) {
            return Err(ErrorCode::FORBIDDEN.into());
        }
        self.check_room(slot, wish, now)
    }

    fn check_peer_ip(&self, slot: u32, peer: IpAddr, now: Instant) -> Result<(), Refusal> {
        let relay = self
            .table
            .get(slot)
            .and_then(|it| it.relay_towards(peer, now));
        if relay.is_none() {
            return Err(ErrorCode::PEER_ADDRESS_FAMILY_MISMATCH.into());
        }
        if !self.policy.permits_ip(peer) {
            return Err(ErrorCode::FORBIDDEN.into());
        }
        Ok(())
    }

    fn check_room(&mut self, slot: u32, wish: &Wish, now: Instant) -> Result<(), Refusal> {
        let limits = &self.config.limits;
        let (max_permissions, max_channels) = (
            limits.max_permissions_per_allocation,
            limits.max_channels_per_allocation,
        );
        let allocation = self.table.get_mut(slot);
        let peers = &mut allocation.ok_or(ErrorCode::ALLOCATION_MISMATCH)?.peers;
        if let Wish::Bind(channel, peer) = *wish {
            match peers.can_bind(channel, peer, max_channels, now) {
                Ok(()) => {}
                Err(BindError::Taken) => return Err(ErrorCode::BAD_REQUEST.into()),
                Err(BindError::Full) => return Err(ErrorCode::INSUFFICIENT_CAPACITY.into()),
            }
        }
        peers
            .can_permit(&wish.ips().collect::<Vec<_>>(), max_permissions, now)
            .map_err(|Full| ErrorCode::INSUFFICIENT_CAPACITY.into())
    }

    fn apply(&mut self, slot: u32, wish: &Wish, now: Instant) -> Result<Answer, Refusal> {
        // Again: since it was asked, other requests were granted, and the operator may have changed his mind.
        self.check(slot, wish, now)?;
        if let Some(allocation) = self.table.get_mut(slot) {
            allocation.peers.permit(wish.ips(), now);
            if let Wish::Bind(channel, peer) = *wish {
                allocation.peers.bind(channel, peer, now);
            }
        }
        Ok(Answer::Done)
    }

    /// Whether every peer outside the relay can be reached.
    fn has_sockets(&self, slot: u32, wish: &Wish) -> bool {
        let allocation = self.table.get(slot);
        let mut outside = wish.ips().filter(|ip| self.policy.opens_ip(*ip));
        outside.all(|ip| {
            let relay = allocation.and_then(|it| it.relay(AddressFamily::of(ip)));
            relay.is_some_and(|relay| relay.socket == Socket::Open)
        })
    }

    /// Asks for the sockets that a request needs, and keeps it until they are there.
    fn wait_for_sockets(&mut self, slot: u32, wish: Wish, reply_to: &ReplyTo) {
        let Some(allocation) = self.table.get_mut(slot) else {
            return;
        };
        let waiting = &allocation.waiting;
        let is_repeated = waiting.iter().any(|it| it.reply_to.id == reply_to.id);
        if is_repeated || waiting.len() >= MAX_WAITING {
            // Its original will be answered, or it will come again.
            self.counters.dropped_unexpected += 1;
            return;
        }
        for ip in wish.ips().filter(|ip| self.policy.opens_ip(*ip)) {
            let relay = allocation.relay_mut(AddressFamily::of(ip));
            if let Some(relay) = relay.filter(|relay| relay.socket == Socket::None) {
                relay.socket = Socket::Opening;
                let relayed = relay.address;
                self.events.push_back(Event::OpenRelay { relayed });
            }
        }
        let reply_to = reply_to.clone();
        allocation.waiting.push(Waiting { reply_to, wish });
    }

    /// The socket of a relayed address was opened, or could not be: whoever waits is answered.
    pub(super) fn settle_relay(&mut self, relayed: RelayedAddr, is_open: bool, now: Instant) {
        let Some(slot) = self.slot_of_opening(relayed) else {
            return;
        };
        let family = AddressFamily::of(relayed.0.ip());
        let Some(allocation) = self.table.get_mut(slot) else {
            return;
        };
        if let Some(relay) = allocation.relay_mut(family) {
            relay.socket = match is_open {
                true => Socket::Open,
                false => Socket::None,
            };
        }
        let client = allocation.client;
        for Waiting { reply_to, wish } in core::mem::take(&mut allocation.waiting) {
            let needs_it = |ip| AddressFamily::of(ip) == family && self.policy.opens_ip(ip);
            let result = if !is_open && wish.ips().any(needs_it) {
                Err(ErrorCode::INSUFFICIENT_CAPACITY.into())
            } else if self.has_sockets(slot, &wish) {
                self.apply(slot, &wish, now)
            } else {
                if let Some(allocation) = self.table.get_mut(slot) {
                    allocation.waiting.push(Waiting { reply_to, wish });
                }
                continue;
            };
            self.reply(client, &reply_to, &result, now);
        }
    }

    /// The place of the allocation for which the host is opening this relayed address.
    fn slot_of_opening(&self, relayed: RelayedAddr) -> Option<u32> {
        let owner = self.ports.owner(relayed)?;
        let allocation = self.table.get(owner.slot);
        let relay = allocation?.relay(AddressFamily::of(relayed.0.ip()))?;
        let is_it = owner.shard == self.shard
            && relay.address == relayed
            && relay.socket == Socket::Opening;
        is_it.then_some(owner.slot)
    }
}
