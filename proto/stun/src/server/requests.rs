// SPDX-License-Identifier: MIT OR Apache-2.0
//! Binding, Allocate, Refresh, CreatePermission and ChannelBind.

use core::net::IpAddr;

use hither_sansio::{Duration, Instant, Now};
use rand_core::CryptoRng;

use super::allocation::{Allocation, BindError, Full, Opening};
use super::authentication::Authenticated;
use super::config::Limits;
use super::forward::Decision;
use super::reply::{Answer, Refusal, ReplyTo};
use super::tuple::{FiveTuple, PeerAddr, RelayedAddr};
use super::{Event, Server, ports};
use crate::address::{AddressFamily, XorAddress};
use crate::attribute::AttributeType;
use crate::channel_data::ChannelNumber;
use crate::error_code::ErrorCode;
use crate::message::Message;
use crate::message_type::{Class, Method};

/// The protocol number of UDP in REQUESTED-TRANSPORT.
const UDP: u8 = 17;

/// How many ports are tried before an Allocate is refused.
const OPEN_ATTEMPTS: u8 = 8;

/// Attributes that must be understood, and are, be it only to refuse what they ask.
const KNOWN: [AttributeType; 18] = [
    AttributeType::MAPPED_ADDRESS,
    AttributeType::USERNAME,
    AttributeType::MESSAGE_INTEGRITY,
    AttributeType::ERROR_CODE,
    AttributeType::UNKNOWN_ATTRIBUTES,
    AttributeType::CHANNEL_NUMBER,
    AttributeType::LIFETIME,
    AttributeType::XOR_PEER_ADDRESS,
    AttributeType::DATA,
    AttributeType::REALM,
    AttributeType::NONCE,
    AttributeType::XOR_RELAYED_ADDRESS,
    AttributeType::REQUESTED_ADDRESS_FAMILY,
    AttributeType::EVEN_PORT,
    AttributeType::REQUESTED_TRANSPORT,
    AttributeType::XOR_MAPPED_ADDRESS,
    AttributeType::RESERVATION_TOKEN,
    AttributeType::FINGERPRINT,
];

/// A request is granted at once, refused, or (`None`) answered later or never.
type Outcome = Result<Option<Answer>, Refusal>;

impl<R: CryptoRng> Server<R> {
    pub(super) fn handle_message(
        &mut self,
        client: FiveTuple,
        bytes: &[u8],
        now: Now,
    ) -> Option<Decision> {
        let Ok(message) = Message::parse(bytes) else {
            self.counters.dropped_malformed += 1;
            return None;
        };
        match (message.class(), message.method()) {
            (Class::Request, _) => {
                self.handle_request(client, &message, now);
                None
            }
            (Class::Indication, Method::SEND) if unknown_attributes(&message).is_empty() => {
                self.handle_send(client, &message, now.instant)
            }
            // A keep-alive (RFC 8489 §2); nothing is due.
            (Class::Indication, Method::BINDING) => None,
            (Class::Indication | Class::Success | Class::Error, _) => {
                self.counters.dropped_unexpected += 1;
                None
            }
        }
    }

    fn handle_request(&mut self, client: FiveTuple, request: &Message<'_>, now: Now) {
        self.handle_timeout(now);
        let mut reply_to = ReplyTo::new(request);
        let outcome = match request.method() {
            Method::BINDING => binding(&client, request),
            Method::ALLOCATE
            | Method::REFRESH
            | Method::CREATE_PERMISSION
            | Method::CHANNEL_BIND => self.handle_turn(client, request, &mut reply_to, now),
            // RFC 8489 §6.3: a method that is not known is no reason to speak.
            _ => {
                self.counters.dropped_unexpected += 1;
                Ok(None)
            }
        };
        match outcome {
            Ok(Some(answer)) => self.reply(client, &reply_to, &Ok(answer), now.instant),
            Ok(None) => {}
            Err(refusal) => self.reply(client, &reply_to, &Err(refusal), now.instant),
        }
    }

    fn handle_turn(
        &mut self,
        client: FiveTuple,
        request: &Message<'_>,
        reply_to: &mut ReplyTo,
        now: Now,
    ) -> Outcome {
        let Authenticated { username, key } = self.authenticate(&client, request, now)?;
        reply_to.key = Some(key);
        // RFC 8489 §6.3.1: only now, so that strangers learn nothing.
        let unknown = unknown_attributes(request);
        if !unknown.is_empty() {
            return Err(Refusal::UnknownAttributes(unknown));
        }
        if request.method() == Method::ALLOCATE {
            return self.allocate(client, request, username, reply_to, now.instant);
        }
        // RFC 8656 §5: everything but Allocate is about the five-tuple's own allocation.
        let Some(allocation) = self.table.allocation(&client) else {
            return Err(ErrorCode::ALLOCATION_MISMATCH.into());
        };
        if allocation.username != username {
            return Err(ErrorCode::WRONG_CREDENTIALS.into());
        }
        let answer = match request.method() {
            Method::REFRESH => self.refresh(client, request, now.instant)?,
            Method::CREATE_PERMISSION => self.create_permission(client, request, now.instant)?,
            _ => self.channel_bind(client, request, now.instant)?,
        };
        Ok(Some(answer))
    }

    /// RFC 8656 §7.2.
    fn allocate(
        &mut self,
        client: FiveTuple,
        request: &Message<'_>,
        username: String,
        reply_to: &ReplyTo,
        now: Instant,
    ) -> Outcome {
        if let Some(allocation) = self.table.allocation(&client) {
            return match allocation.made_by == reply_to.id && allocation.username == username {
                true => Ok(Some(allocated(&client, allocation, now))),
                false => Err(ErrorCode::ALLOCATION_MISMATCH.into()),
            };
        }
        if self.table.is_opening(&client) {
            // A retransmission; its original will be answered.
            self.counters.dropped_unexpected += 1;
            return Ok(None);
        }
        let wish = Wish::parse(request, &self.config.limits)?;
        let limits = &self.config.limits;
        if self.table.count_of(&username) >= limits.max_allocations_per_username {
            return Err(ErrorCode::ALLOCATION_QUOTA_REACHED.into());
        }
        if self.table.len() >= limits.max_allocations {
            return Err(ErrorCode::INSUFFICIENT_CAPACITY.into());
        }
        let opening = Opening {
            client,
            username,
            reply_to: reply_to.clone(),
            lifetime: wish.lifetime,
            family: wish.family,
            even_port: wish.even_port,
            additional_refused: wish.additional_family,
            attempts_left: OPEN_ATTEMPTS,
        };
        self.open(opening)?;
        Ok(None)
    }

    /// Draws a relayed address and asks the host for its socket.
    fn open(&mut self, opening: Opening) -> Result<(), Refusal> {
        let Some(ip) = self.relayed_ip(opening.family, opening.client.local.ip()) else {
            return Err(ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED.into());
        };
        let table = &self.table;
        let is_taken = |port| table.is_taken(RelayedAddr((ip, port).into()));
        let port = ports::draw(
            self.config.ports,
            opening.even_port,
            is_taken,
            &mut self.rng,
        );
        let Some(port) = port else {
            return Err(ErrorCode::INSUFFICIENT_CAPACITY.into());
        };
        let relayed = RelayedAddr((ip, port).into());
        self.table.insert_opening(relayed, opening);
        self.events.push_back(Event::OpenRelay { relayed });
        Ok(())
    }

    /// The address that the client already reaches, if it is one to relay from; else the preferred one.
    fn relayed_ip(&self, family: AddressFamily, local: IpAddr) -> Option<IpAddr> {
        let ips = &self.config.relayed_ips;
        let mut fitting = ips.iter().filter(|ip| AddressFamily::of(**ip) == family);
        fitting
            .clone()
            .find(|ip| **ip == local)
            .or_else(|| fitting.next())
            .copied()
    }

    /// The host opened the socket that [`Event::OpenRelay`] asked for: the client gets its allocation.
    pub fn handle_relay_opened(&mut self, relayed: RelayedAddr, now: Now) {
        let Some(opening) = self.table.remove_opening(relayed) else {
            // Its client went away in the meantime.
            self.events.push_back(Event::CloseRelay { relayed });
            return;
        };
        let allocation = Allocation::new(
            relayed,
            opening.username,
            opening.reply_to.id,
            now.instant + opening.lifetime,
            opening.additional_refused,
        );
        let answer = allocated(&opening.client, &allocation, now.instant);
        self.table.insert(opening.client, allocation);
        self.counters.allocations_made += 1;
        self.reply(opening.client, &opening.reply_to, &Ok(answer), now.instant);
    }

    /// The host could not open it: another port is tried, or the client is refused.
    pub fn handle_relay_failed(&mut self, relayed: RelayedAddr, now: Now) {
        let Some(mut opening) = self.table.remove_opening(relayed) else {
            return;
        };
        opening.attempts_left = opening.attempts_left.saturating_sub(1);
        let (client, reply_to) = (opening.client, opening.reply_to.clone());
        let result = match opening.attempts_left {
            0 => Err(ErrorCode::INSUFFICIENT_CAPACITY.into()),
            _ => self.open(opening),
        };
        if let Err(refusal) = result {
            self.reply(client, &reply_to, &Err(refusal), now.instant);
        }
    }

    /// RFC 8656 §8.2.
    fn refresh(
        &mut self,
        client: FiveTuple,
        request: &Message<'_>,
        now: Instant,
    ) -> Result<Answer, Refusal> {
        let lifetime = Wish::lifetime(request, &self.config.limits)?;
        let family = Wish::family(request, AttributeType::REQUESTED_ADDRESS_FAMILY)?;
        if family.is_some_and(|family| Some(family) != self.family_of(&client)) {
            return Err(ErrorCode::PEER_ADDRESS_FAMILY_MISMATCH.into());
        }
        if lifetime.is_zero() {
            self.remove(&client);
        } else {
            self.table.set_expiry(&client, now + lifetime);
        }
        Ok(Answer::Refreshed { lifetime })
    }

    /// RFC 8656 §10.2.
    fn create_permission(
        &mut self,
        client: FiveTuple,
        request: &Message<'_>,
        now: Instant,
    ) -> Result<Answer, Refusal> {
        let mut ips = Vec::new();
        for attribute in request.attributes() {
            if attribute.kind == AttributeType::XOR_PEER_ADDRESS {
                let peer = XorAddress::parse(attribute.value, request.transaction_id())
                    .ok_or(ErrorCode::BAD_REQUEST)?;
                self.check_peer_ip(&client, peer.ip())?;
                ips.push(peer.ip());
            }
        }
        if ips.is_empty() {
            return Err(ErrorCode::BAD_REQUEST.into());
        }
        self.permit(client, &ips, now)?;
        Ok(Answer::Done)
    }

    /// RFC 8656 §12.2.
    fn channel_bind(
        &mut self,
        client: FiveTuple,
        request: &Message<'_>,
        now: Instant,
    ) -> Result<Answer, Refusal> {
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
        let peer = PeerAddr::new(peer);
        self.check_peer_ip(&client, peer.ip())?;
        if !self.policy.permits_channel(peer) {
            return Err(ErrorCode::FORBIDDEN.into());
        }
        let max = self.config.limits.max_channels_per_allocation;
        let allocation = self.table.allocation_mut(&client);
        let allocation = allocation.ok_or(ErrorCode::ALLOCATION_MISMATCH)?;
        match allocation.can_bind(channel, peer, max, now) {
            Ok(()) => {}
            Err(BindError::Taken) => return Err(ErrorCode::BAD_REQUEST.into()),
            Err(BindError::Full) => return Err(ErrorCode::INSUFFICIENT_CAPACITY.into()),
        }
        self.permit(client, &[peer.ip()], now)?;
        if let Some(allocation) = self.table.allocation_mut(&client) {
            allocation.bind(channel, peer, now);
        }
        Ok(Answer::Done)
    }

    fn permit(&mut self, client: FiveTuple, ips: &[IpAddr], now: Instant) -> Result<(), Refusal> {
        let max = self.config.limits.max_permissions_per_allocation;
        let allocation = self.table.allocation_mut(&client);
        let allocation = allocation.ok_or(ErrorCode::ALLOCATION_MISMATCH)?;
        allocation
            .permit(ips, max, now)
            .map_err(|Full| ErrorCode::INSUFFICIENT_CAPACITY.into())
    }

    fn check_peer_ip(&self, client: &FiveTuple, peer: IpAddr) -> Result<(), Refusal> {
        if Some(AddressFamily::of(peer)) != self.family_of(client) {
            return Err(ErrorCode::PEER_ADDRESS_FAMILY_MISMATCH.into());
        }
        if !self.policy.permits_ip(peer) {
            return Err(ErrorCode::FORBIDDEN.into());
        }
        Ok(())
    }

    fn family_of(&self, client: &FiveTuple) -> Option<AddressFamily> {
        let allocation = self.table.allocation(client)?;
        Some(AddressFamily::of(allocation.relayed.0.ip()))
    }
}

/// RFC 8489 §12.
fn binding(client: &FiveTuple, request: &Message<'_>) -> Outcome {
    let unknown = unknown_attributes(request);
    if !unknown.is_empty() {
        return Err(Refusal::UnknownAttributes(unknown));
    }
    let mapped = client.client;
    Ok(Some(Answer::Bound { mapped }))
}

fn allocated(client: &FiveTuple, allocation: &Allocation, now: Instant) -> Answer {
    Answer::Allocated {
        relayed: allocation.relayed,
        mapped: client.client,
        lifetime: allocation.expires.saturating_since(now),
        additional_refused: allocation.additional_refused,
    }
}

/// At most as many as a message may have attributes.
fn unknown_attributes(message: &Message<'_>) -> Vec<AttributeType> {
    let kinds = message.attributes().map(|attribute| attribute.kind);
    kinds
        .filter(|kind| kind.is_comprehension_required() && !KNOWN.contains(kind))
        .collect()
}

/// What an Allocate asks for.
#[derive(Clone, Copy, Debug)]
struct Wish {
    family: AddressFamily,
    additional_family: bool,
    even_port: bool,
    lifetime: Duration,
}

impl Wish {
    fn parse(request: &Message<'_>, limits: &Limits) -> Result<Self, Refusal> {
        match request.attribute(AttributeType::REQUESTED_TRANSPORT) {
            Some([UDP, _, _, _]) => {}
            Some([_, _, _, _]) => return Err(ErrorCode::UNSUPPORTED_TRANSPORT_PROTOCOL.into()),
            _ => return Err(ErrorCode::BAD_REQUEST.into()),
        }
        let family = Self::family(request, AttributeType::REQUESTED_ADDRESS_FAMILY)?;
        let additional = Self::family(request, AttributeType::ADDITIONAL_ADDRESS_FAMILY)?;
        let has_token = request
            .attribute(AttributeType::RESERVATION_TOKEN)
            .is_some();
        let contradicts = (has_token || additional.is_some()) && family.is_some();
        if contradicts || additional == Some(AddressFamily::V4) {
            return Err(ErrorCode::BAD_REQUEST.into());
        }
        let (even_port, reserve) = match request.attribute(AttributeType::EVEN_PORT) {
            None => (false, false),
            Some([flags]) => (true, flags & 0x80 != 0),
            Some(_) => return Err(ErrorCode::BAD_REQUEST.into()),
        };
        // No port is ever reserved, so there is none to claim.
        if reserve || has_token {
            return Err(ErrorCode::INSUFFICIENT_CAPACITY.into());
        }
        Ok(Self {
            family: family.unwrap_or(AddressFamily::V4),
            additional_family: additional.is_some(),
            even_port,
            lifetime: Self::lifetime(request, limits)?.max(limits.default_lifetime),
        })
    }

    /// The lifetime that a request is granted; zero if it asks for zero.
    fn lifetime(request: &Message<'_>, limits: &Limits) -> Result<Duration, Refusal> {
        let Some(value) = request.attribute(AttributeType::LIFETIME) else {
            return Ok(limits.default_lifetime);
        };
        let seconds = value.try_into().map_err(|_| ErrorCode::BAD_REQUEST)?;
        let wished = Duration::from_secs(u32::from_be_bytes(seconds).into());
        if wished.is_zero() {
            return Ok(wished);
        }
        Ok(wished.min(limits.max_lifetime).max(limits.default_lifetime))
    }

    fn family(
        request: &Message<'_>,
        kind: AttributeType,
    ) -> Result<Option<AddressFamily>, Refusal> {
        match request.attribute(kind) {
            None => Ok(None),
            Some(&[number, _, _, _]) => AddressFamily::parse(number)
                .map(Some)
                .ok_or(Refusal::Code(ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED)),
            Some(_) => Err(ErrorCode::BAD_REQUEST.into()),
        }
    }
}
