// SPDX-License-Identifier: MIT OR Apache-2.0
//! Allocate: from the wish to the relayed address (RFC 8656 §7).

use core::net::IpAddr;

use hither_sansio::{Duration, Instant};
use rand_core::CryptoRng;

use super::Server;
use super::allocation::{Allocation, Made};
use super::authentication::Authenticated;
use super::config::Limits;
use super::ports::{Draw, Owner, RESERVATION_LIFETIME, Token};
use super::reply::{Answer, Refusal, ReplyTo};
use super::requests::Outcome;
use super::tuple::{FiveTuple, RelayedAddr};
use crate::address::AddressFamily;
use crate::attribute::AttributeType;
use crate::error_code::ErrorCode;
use crate::message::Message;

/// The protocol number of UDP in REQUESTED-TRANSPORT.
const UDP: u8 = 17;

impl<R: CryptoRng> Server<R> {
    /// RFC 8656 §7.2. No socket is opened yet: see [`Self::grant`].
    pub(super) fn allocate(
        &mut self,
        client: FiveTuple,
        request: &Message<'_>,
        Authenticated { username, key }: Authenticated,
        reply_to: &ReplyTo,
        now: Instant,
    ) -> Outcome {
        if let Some(allocation) = self.table.find(&client) {
            let is_same = allocation.made_by.by == reply_to.id;
            return match is_same && *allocation.username == *username {
                true => Ok(Some(allocated(allocation, now))),
                false => Err(ErrorCode::ALLOCATION_MISMATCH.into()),
            };
        }
        let wish = Wish::parse(request, &self.config.limits)?;
        self.refuse_if_draining(&client)?;
        let slot = self
            .table
            .vacant()
            .ok_or(ErrorCode::INSUFFICIENT_CAPACITY)?;
        let source = client.client.ip();
        let username = self.ports.admit(&username, source, &self.config.limits)?;
        let drawn = self.draw(wish, client.local.ip(), slot, now);
        let (relays, token, refused) =
            drawn.inspect_err(|_| self.ports.dismiss(&username, source))?;
        let made_by = Made {
            by: reply_to.id,
            token,
            refused,
        };
        let lifetime = (now, wish.lifetime);
        let allocation = Allocation::new(client, relays, username, key, made_by, lifetime);
        let answer = allocated(&allocation, now);
        self.table.insert(allocation);
        self.counters.allocations_made += 1;
        Ok(Some(answer))
    }

    /// Relayed addresses for the allocation that will be in this place.
    fn draw(
        &mut self,
        wish: Wish,
        local: IpAddr,
        slot: u32,
        now: Instant,
    ) -> Result<Drawn, Refusal> {
        let first = self.draw_one(wish, wish.family, local, slot, now);
        if !wish.additional {
            let (relayed, token) = first?;
            return Ok((by_family(relayed, None), token, None));
        }
        // RFC 8656 §7.2: one of the two is enough, if the client is told about the other.
        match (
            first,
            self.draw_one(wish, AddressFamily::V6, local, slot, now),
        ) {
            (Ok((v4, token)), Ok((v6, _))) => Ok((by_family(v4, Some(v6)), token, None)),
            (Ok((v4, token)), Err(code)) => {
                let refused = Some((AddressFamily::V6, code));
                Ok((by_family(v4, None), token, refused))
            }
            (Err(code), Ok((v6, token))) => {
                let refused = Some((AddressFamily::V4, code));
                Ok((by_family(v6, None), token, refused))
            }
            (Err(code), Err(_)) => Err(code.into()),
        }
    }

    fn draw_one(
        &mut self,
        wish: Wish,
        family: AddressFamily,
        local: IpAddr,
        slot: u32,
        now: Instant,
    ) -> Result<(RelayedAddr, Option<Token>), ErrorCode> {
        let (owner, full) = (self.owner(slot), ErrorCode::INSUFFICIENT_CAPACITY);
        if let Port::Reserved(token) = wish.port {
            let relayed = self.ports.redeem(token, owner, now);
            return relayed.map(|relayed| (relayed, None)).ok_or(full);
        }
        let ip = self.ports.ip_for(family, local);
        let ip = ip.ok_or(ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED)?;
        let token = matches!(wish.port, Port::Pair).then(|| {
            let mut token = Token::default();
            self.rng.fill_bytes(&mut token);
            token
        });
        let draw = Draw {
            ip,
            even: matches!(wish.port, Port::Even | Port::Pair),
            reserve: token,
        };
        let relayed = self.ports.draw(draw, owner, now, &mut self.rng);
        let relayed = relayed.ok_or(full)?;
        if token.is_some() {
            self.reservations_due.push_back(now + RESERVATION_LIFETIME);
        }
        Ok((relayed, token))
    }

    pub(super) const fn owner(&self, slot: u32) -> Owner {
        Owner {
            shard: self.shard,
            slot,
        }
    }
}

/// Relayed addresses by family, the token of a reserved port, and the family that there is none of, and why.
type Drawn = (
    [Option<RelayedAddr>; 2],
    Option<Token>,
    Option<(AddressFamily, ErrorCode)>,
);

fn by_family(one: RelayedAddr, v6: Option<RelayedAddr>) -> [Option<RelayedAddr>; 2] {
    match AddressFamily::of(one.0.ip()) {
        AddressFamily::V4 => [Some(one), v6],
        AddressFamily::V6 => [None, Some(one)],
    }
}

fn allocated(allocation: &Allocation, now: Instant) -> Answer {
    let address = |family| allocation.relay(family).map(|relay| relay.address);
    Answer::Allocated {
        relayed: [AddressFamily::V4, AddressFamily::V6].map(address),
        mapped: allocation.client.client,
        lifetime: allocation.last_expiry().saturating_since(now),
        token: allocation.made_by.token,
        refused: allocation.made_by.refused,
    }
}

/// What an Allocate asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    family: AddressFamily,
    /// An IPv6 address besides the IPv4 one.
    additional: bool,
    port: Port,
    lifetime: Duration,
}

#[derive(Clone, Copy, Debug)]
enum Port {
    Any,
    Even,
    /// An even one, its odd neighbour reserved.
    Pair,
    /// The one that was reserved.
    Reserved(Token),
}

impl Wish {
    fn parse(request: &Message<'_>, limits: &Limits) -> Result<Self, Refusal> {
        match request.attribute(AttributeType::REQUESTED_TRANSPORT) {
            Some([UDP, _, _, _]) => {}
            Some([_, _, _, _]) => return Err(ErrorCode::UNSUPPORTED_TRANSPORT_PROTOCOL.into()),
            _ => return Err(ErrorCode::BAD_REQUEST.into()),
        }
        let port = Port::parse(request)?;
        let family = Self::family(request, AttributeType::REQUESTED_ADDRESS_FAMILY)?;
        let additional = Self::family(request, AttributeType::ADDITIONAL_ADDRESS_FAMILY)?;
        let is_reserved = matches!(port, Port::Reserved(_));
        let contradicts = (is_reserved && (family.is_some() || additional.is_some()))
            || (additional.is_some() && (family.is_some() || matches!(port, Port::Pair)))
            || additional == Some(AddressFamily::V4);
        if contradicts {
            return Err(ErrorCode::BAD_REQUEST.into());
        }
        Ok(Self {
            family: family.unwrap_or(AddressFamily::V4),
            additional: additional.is_some(),
            port,
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

impl Port {
    /// EVEN-PORT and RESERVATION-TOKEN (RFC 8656 §18.6, §18.9).
    fn parse(request: &Message<'_>) -> Result<Self, ErrorCode> {
        let even = request.attribute(AttributeType::EVEN_PORT);
        let token = request.attribute(AttributeType::RESERVATION_TOKEN);
        match (even, token) {
            (None, None) => Ok(Self::Any),
            (Some([flags]), None) if flags & 0x80 == 0 => Ok(Self::Even),
            (Some([_]), None) => Ok(Self::Pair),
            (None, Some(token)) => token
                .try_into()
                .map(Self::Reserved)
                .map_err(|_| ErrorCode::BAD_REQUEST),
            (Some(_), _) => Err(ErrorCode::BAD_REQUEST),
        }
    }
}
