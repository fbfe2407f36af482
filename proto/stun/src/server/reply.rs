// SPDX-License-Identifier: MIT OR Apache-2.0
//! Answers and how they are written.

use core::net::SocketAddr;

use hither_sansio::{Duration, Instant};
use rand_core::CryptoRng;

use super::authentication::PASSWORD_ALGORITHMS;
use super::binding::Origin;
use super::ports::Token;
use super::tuple::{FiveTuple, RelayedAddr, Transport};
use super::{Server, Transmit};
use crate::address::AddressFamily;
use crate::attribute::AttributeType;
use crate::error_code::ErrorCode;
use crate::integrity::IntegrityKey;
use crate::message::{EmitError, Message, MessageBuilder};
use crate::message_type::{Class, Method};
use crate::nonce::Nonce;
use crate::transaction::TransactionId;

/// What of a request its answer needs.
#[derive(Clone, Debug)]
pub(super) struct ReplyTo {
    pub(super) method: Method,
    pub(super) id: TransactionId,
    /// How long the request was.
    pub(super) length: usize,
    /// Whether the request had a fingerprint; then the answer has one.
    pub(super) fingerprint: bool,
    /// The key that authenticated the request; then it authenticates the answer.
    pub(super) key: Option<IntegrityKey>,
}

impl ReplyTo {
    pub(super) const fn new(request: &Message<'_>) -> Self {
        Self {
            method: request.method(),
            id: request.transaction_id(),
            length: request.wire_len(),
            fingerprint: request.has_fingerprint(),
            key: None,
        }
    }
}

/// What a granted request is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Bound {
        mapped: SocketAddr,
        origin: Option<Origin>,
    },
    Allocated {
        /// IPv4, IPv6.
        relayed: [Option<RelayedAddr>; 2],
        mapped: SocketAddr,
        lifetime: Duration,
        /// Of the port that was reserved.
        token: Option<Token>,
        /// The family of which there is no address, and why.
        refused: Option<(AddressFamily, ErrorCode)>,
    },
    Refreshed {
        lifetime: Duration,
    },
    /// A permission was made or a channel bound.
    Done,
}

/// What a refused request is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Try again with a credential and this nonce.
    Challenge { code: ErrorCode, nonce: Nonce },
    /// These attributes had to be understood and were not.
    UnknownAttributes(Vec<AttributeType>),
    /// Ask this server instead.
    TryAlternate { server: SocketAddr },
    /// No, and that is all.
    Code(ErrorCode),
}

impl Refusal {
    /// What the client reads.
    const fn code(&self) -> ErrorCode {
        match self {
            Self::Challenge { code, .. } | Self::Code(code) => *code,
            Self::TryAlternate { .. } => ErrorCode::TRY_ALTERNATE,
            Self::UnknownAttributes(_) => ErrorCode::UNKNOWN_ATTRIBUTE,
        }
    }
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Self::Code(code)
    }
}

impl<R: CryptoRng> Server<R> {
    /// Answers, unless that would be longer than what the source may provoke.
    pub(super) fn reply(
        &mut self,
        to: FiveTuple,
        reply_to: &ReplyTo,
        result: &Result<Answer, Refusal>,
        now: Instant,
    ) {
        // No answer of ours comes near the length that a message can have.
        let Ok(payload) = reply_to.emit(result, &self.config.realm) else {
            return;
        };
        if !self.may_answer(&to, reply_to, payload.len(), now) {
            self.counters.dropped_by_budget += 1;
            return;
        }
        let local = match result {
            Ok(Answer::Bound {
                origin: Some(origin),
                ..
            }) => origin.address,
            _ => to.local,
        };
        match result {
            Ok(_) => self.counters.requests_granted += 1,
            Err(refusal) => self.counters.refuse(refusal.code()),
        }
        let to = FiveTuple { local, ..to };
        self.transmits.push_back(Transmit { to, payload });
    }

    /// A stream's handshake and a good integrity both prove that the client is where it says.
    fn may_answer(
        &mut self,
        to: &FiveTuple,
        reply_to: &ReplyTo,
        length: usize,
        now: Instant,
    ) -> bool {
        if to.transport != Transport::Udp {
            return true;
        }
        let source = to.client.ip();
        let allowance = self.config.limits.unauthenticated;
        if reply_to.key.is_none() {
            let excess = length.saturating_sub(reply_to.length);
            return self.budget.answer(source, excess, allowance, now);
        }
        if reply_to.method == Method::ALLOCATE {
            self.budget.refund(source, reply_to.length, allowance);
        }
        true
    }
}

impl ReplyTo {
    pub(super) fn emit(
        &self,
        result: &Result<Answer, Refusal>,
        realm: &str,
    ) -> Result<Vec<u8>, EmitError> {
        let message = match result {
            Ok(answer) => write_answer(self.begin(Class::Success), answer),
            Err(refusal) => write_refusal(self.begin(Class::Error), refusal, realm),
        };
        message.finish(self.key.as_ref(), self.fingerprint)
    }

    fn begin(&self, class: Class) -> MessageBuilder {
        MessageBuilder::new(class, self.method, self.id)
    }
}

fn write_answer(message: MessageBuilder, answer: &Answer) -> MessageBuilder {
    match *answer {
        Answer::Bound { mapped, origin } => {
            let message = message.xor_address(AttributeType::XOR_MAPPED_ADDRESS, mapped);
            match origin {
                Some(origin) => write_origin(message, mapped, origin),
                None => message,
            }
        }
        Answer::Allocated {
            relayed,
            mapped,
            lifetime,
            token,
            refused,
        } => {
            let message = relayed.iter().flatten().fold(message, |message, relayed| {
                message.xor_address(AttributeType::XOR_RELAYED_ADDRESS, relayed.0)
            });
            let message = message
                .attribute(AttributeType::LIFETIME, &seconds(lifetime))
                .xor_address(AttributeType::XOR_MAPPED_ADDRESS, mapped);
            let message = match token {
                Some(token) => message.attribute(AttributeType::RESERVATION_TOKEN, &token),
                None => message,
            };
            match refused {
                Some((family, code)) => message.attribute(
                    AttributeType::ADDRESS_ERROR_CODE,
                    &address_error(family, code),
                ),
                None => message,
            }
        }
        Answer::Refreshed { lifetime } => {
            message.attribute(AttributeType::LIFETIME, &seconds(lifetime))
        }
        Answer::Done => message,
    }
}

/// RFC 5780 §6.1.
fn write_origin(message: MessageBuilder, mapped: SocketAddr, origin: Origin) -> MessageBuilder {
    let message = message
        .plain_address(AttributeType::MAPPED_ADDRESS, mapped)
        .plain_address(AttributeType::RESPONSE_ORIGIN, origin.address)
        .plain_address(AttributeType::OTHER_ADDRESS, origin.other);
    match origin.padding_len {
        Some(length) => message.attribute(AttributeType::PADDING, &vec![0; length]),
        None => message,
    }
}

fn write_refusal(message: MessageBuilder, refusal: &Refusal, realm: &str) -> MessageBuilder {
    let with_code = |code: ErrorCode| message.attribute(AttributeType::ERROR_CODE, &code.emit());
    match refusal {
        Refusal::Challenge { code, nonce } => with_code(*code)
            .attribute(AttributeType::REALM, realm.as_bytes())
            .attribute(AttributeType::NONCE, nonce.as_bytes())
            .attribute(AttributeType::PASSWORD_ALGORITHMS, &PASSWORD_ALGORITHMS),
        Refusal::UnknownAttributes(kinds) => {
            let list: Vec<u8> = kinds.iter().flat_map(|kind| kind.0.to_be_bytes()).collect();
            with_code(ErrorCode::UNKNOWN_ATTRIBUTE)
                .attribute(AttributeType::UNKNOWN_ATTRIBUTES, &list)
        }
        Refusal::TryAlternate { server } => {
            with_code(ErrorCode::TRY_ALTERNATE).address(AttributeType::ALTERNATE_SERVER, *server)
        }
        Refusal::Code(code) => with_code(*code),
    }
}

/// Why there is no relayed address of this family (RFC 8656 §18.12).
fn address_error(family: AddressFamily, code: ErrorCode) -> [u8; 4] {
    let [_, _, class, number] = code.emit();
    [family.number(), 0, class, number]
}

fn seconds(lifetime: Duration) -> [u8; 4] {
    u32::try_from(lifetime.as_secs())
        .unwrap_or(u32::MAX)
        .to_be_bytes()
}
