// SPDX-License-Identifier: MIT OR Apache-2.0
//! Answers and how they are written.

use core::net::SocketAddr;

use hither_sansio::Duration;

use super::authentication::PASSWORD_ALGORITHMS;
use super::tuple::RelayedAddr;
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
    },
    Allocated {
        relayed: RelayedAddr,
        mapped: SocketAddr,
        lifetime: Duration,
        additional_refused: bool,
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
    /// No, and that is all.
    Code(ErrorCode),
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Self::Code(code)
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
        Answer::Bound { mapped } => message.xor_address(AttributeType::XOR_MAPPED_ADDRESS, mapped),
        Answer::Allocated {
            relayed,
            mapped,
            lifetime,
            additional_refused,
        } => {
            let message = message
                .xor_address(AttributeType::XOR_RELAYED_ADDRESS, relayed.0)
                .attribute(AttributeType::LIFETIME, &seconds(lifetime))
                .xor_address(AttributeType::XOR_MAPPED_ADDRESS, mapped);
            if additional_refused {
                message.attribute(AttributeType::ADDRESS_ERROR_CODE, &address_error())
            } else {
                message
            }
        }
        Answer::Refreshed { lifetime } => {
            message.attribute(AttributeType::LIFETIME, &seconds(lifetime))
        }
        Answer::Done => message,
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
        Refusal::Code(code) => with_code(*code),
    }
}

/// Why there is no second, IPv6, relayed address (RFC 8656 §18.12).
fn address_error() -> [u8; 4] {
    let [_, _, class, number] = ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED.emit();
    [AddressFamily::V6.number(), 0, class, number]
}

fn seconds(lifetime: Duration) -> [u8; 4] {
    u32::try_from(lifetime.as_secs())
        .unwrap_or(u32::MAX)
        .to_be_bytes()
}
