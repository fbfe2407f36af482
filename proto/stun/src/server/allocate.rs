// SPDX-License-Identifier: MIT OR Apache-2.0
//! Allocate: from the wish to the relayed address (RFC 8656 §7).

use hither_sansio::{Duration, Instant, Now};
use rand_core::CryptoRng;

use super::allocation::{Allocation, Opening};
use super::config::Limits;
use super::ports::{Draw, Owner};
use super::reply::{Answer, Refusal, ReplyTo};
use super::requests::Outcome;
use super::tuple::{FiveTuple, RelayedAddr};
use super::{Event, Server};
use crate::address::AddressFamily;
use crate::attribute::AttributeType;
use crate::error_code::ErrorCode;
use crate::message::Message;

/// The protocol number of UDP in REQUESTED-TRANSPORT.
const UDP: u8 = 17;

/// How many ports are tried before an Allocate is refused.
const OPEN_ATTEMPTS: u8 = 8;

impl<R: CryptoRng> Server<R> {
    /// RFC 8656 §7.2.
    pub(super) fn allocate(
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
        self.open(opening, now)?;
        Ok(None)
    }

    /// Draws a relayed address and asks the host for its socket.
    fn open(&mut self, opening: Opening, now: Instant) -> Result<(), Refusal> {
        let Some(ip) = self.ports.ip_for(opening.family, opening.client.local.ip()) else {
            return Err(ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED.into());
        };
        let draw = Draw {
            ip,
            even: opening.even_port,
            reserve: None,
        };
        let relayed = self.ports.draw(draw, self.owner(), now, &mut self.rng);
        let Some(relayed) = relayed else {
            return Err(ErrorCode::INSUFFICIENT_CAPACITY.into());
        };
        self.table.insert_opening(relayed, opening);
        self.events.push_back(Event::OpenRelay { relayed });
        Ok(())
    }

    pub(super) const fn owner(&self) -> Owner {
        Owner {
            shard: self.shard,
            slot: 0,
        }
    }

    /// The host opened the socket that [`Event::OpenRelay`] asked for: the client gets its allocation.
    pub fn handle_relay_opened(&mut self, relayed: RelayedAddr, now: Now) {
        let Some(opening) = self.table.remove_opening(relayed) else {
            // Its client went away in the meantime.
            self.ports.release(relayed, self.owner());
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
        self.ports.release(relayed, self.owner());
        opening.attempts_left = opening.attempts_left.saturating_sub(1);
        let (client, reply_to) = (opening.client, opening.reply_to.clone());
        let result = match opening.attempts_left {
            0 => Err(ErrorCode::INSUFFICIENT_CAPACITY.into()),
            _ => self.open(opening, now.instant),
        };
        if let Err(refusal) = result {
            self.reply(client, &reply_to, &Err(refusal), now.instant);
        }
    }
}

fn allocated(client: &FiveTuple, allocation: &Allocation, now: Instant) -> Answer {
    Answer::Allocated {
        relayed: allocation.relayed,
        mapped: client.client,
        lifetime: allocation.expires.saturating_since(now),
        additional_refused: allocation.additional_refused,
    }
}

/// What an Allocate asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    family: AddressFamily,
    additional_family: bool,
    even_port: bool,
    lifetime: Duration,
}

impl Wish {
    pub(super) fn parse(request: &Message<'_>, limits: &Limits) -> Result<Self, Refusal> {
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
    pub(super) fn lifetime(request: &Message<'_>, limits: &Limits) -> Result<Duration, Refusal> {
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

    pub(super) fn family(
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
