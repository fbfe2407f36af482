// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which request is whose, and who may make it.

use hither_sansio::Now;
use rand_core::CryptoRng;

use super::Server;
use super::binding::binding;
use super::forward::Decision;
use super::reply::{Answer, Refusal, ReplyTo};
use super::tuple::FiveTuple;
use crate::attribute::AttributeType;
use crate::channel_data::Run;
use crate::error_code::ErrorCode;
use crate::message::Message;
use crate::message_type::{Class, Method};

/// Attributes that must be understood, and are, be it only to refuse what they ask.
const KNOWN: [AttributeType; 20] = [
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
    AttributeType::PASSWORD_ALGORITHM,
    AttributeType::USERHASH,
    AttributeType::XOR_MAPPED_ADDRESS,
    AttributeType::RESERVATION_TOKEN,
    AttributeType::FINGERPRINT,
];

/// A request is granted at once, refused, or (`None`) answered later or never.
pub(super) type Outcome = Result<Option<Answer>, Refusal>;

impl<R: CryptoRng> Server<R> {
    pub(super) fn handle_message(
        &mut self,
        client: FiveTuple,
        run: Run<'_>,
        now: Now,
    ) -> Option<Decision> {
        let Ok(message) = Message::parse(run.first()) else {
            self.counters.dropped_malformed += 1;
            return None;
        };
        match (message.class(), message.method()) {
            (Class::Request, _) => {
                self.handle_request(client, &message, now);
                None
            }
            (Class::Indication, Method::SEND) if self.unknown_attributes(&message).is_empty() => {
                self.handle_send(client, run, &message, now.instant)
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
            Method::BINDING => binding(&client, request, self.config.behaviour.as_ref()),
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
        let authenticated = self.authenticate(&client, request, now)?;
        let Some(authenticated) = authenticated else {
            return Ok(None);
        };
        reply_to.key = Some(authenticated.key.clone());
        // RFC 8489 §6.3.1: only now, so that strangers learn nothing.
        let unknown = self.unknown_attributes(request);
        if !unknown.is_empty() {
            return Err(Refusal::UnknownAttributes(unknown));
        }
        if request.method() == Method::ALLOCATE {
            return self.allocate(client, request, authenticated, reply_to, now.instant);
        }
        // RFC 8656 §5: everything but Allocate is about the five-tuple's own allocation.
        let slot = self.table.slot_of(&client);
        let slot = slot.ok_or(ErrorCode::ALLOCATION_MISMATCH)?;
        let allocation = self.table.get(slot);
        if allocation.is_none_or(|allocation| *allocation.username != *authenticated.username) {
            return Err(ErrorCode::WRONG_CREDENTIALS.into());
        }
        match request.method() {
            Method::REFRESH => self.refresh(slot, request, now.instant).map(Some),
            Method::CREATE_PERMISSION => {
                self.create_permission(slot, request, reply_to, now.instant)
            }
            _ => self.channel_bind(slot, request, reply_to, now.instant),
        }
    }

    /// [`unknown_attributes`], of which one is known if the host can do what it asks.
    fn unknown_attributes(&self, message: &Message<'_>) -> Vec<AttributeType> {
        let mut unknown = unknown_attributes(message);
        let can = self.config.dont_fragment;
        unknown.retain(|kind| !(can && *kind == AttributeType::DONT_FRAGMENT));
        unknown
    }
}

/// Attributes that had to be understood and are not: at most as many as a message may have.
pub(super) fn unknown_attributes(message: &Message<'_>) -> Vec<AttributeType> {
    let kinds = message.attributes().map(|attribute| attribute.kind);
    kinds
        .filter(|kind| kind.is_comprehension_required() && !KNOWN.contains(kind))
        .collect()
}
