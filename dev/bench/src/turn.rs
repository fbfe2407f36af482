// SPDX-License-Identifier: MIT OR Apache-2.0
//! The client's half of TURN: requests written, answers read. Sockets are the caller's.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use hither_relay::{SharedSecret, TurnCredential, mint};
use hither_sansio::{Duration, UnixTime};
use hither_stun::address::XorAddress;
use hither_stun::attribute::AttributeType;
use hither_stun::integrity::IntegrityKey;
use hither_stun::message_type::{Class, Method};
use hither_stun::{Message, MessageBuilder, TransactionId};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

/// What relays and generator know; it guards nothing.
pub(crate) const SECRET: &str = "a secret of the bench";

/// The realm of both relays.
pub(crate) const REALM: &str = "bench";

/// How many bytes stand before a payload on a channel.
pub(crate) const CHANNEL_HEADER_LEN: usize = 4;

/// A client's credential and, once the relay has challenged it, what it signs with.
#[derive(Debug)]
pub(crate) struct Session {
    credential: TurnCredential,
    signature: Option<Signature>,
}

#[derive(Debug)]
struct Signature {
    realm: Vec<u8>,
    nonce: Vec<u8>,
    key: IntegrityKey,
}

/// What an answer says.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) id: u64,
    pub(crate) outcome: Outcome,
}

/// How a request went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Granted; an Allocate's answer has the relayed address.
    Granted(Option<SocketAddr>),
    /// Refused with this error code.
    Refused(u16),
}

/// As many credentials as there shall be clients, each with a username of its own.
pub(crate) fn sessions(count: usize) -> Vec<Session> {
    let secret = SharedSecret::new(SECRET);
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = UnixTime::from_millis(0) + now.unwrap_or_default();
    let mut rng = ChaCha20Rng::seed_from_u64(now.as_secs());
    let mut one = || Session {
        credential: mint(&secret, now, Duration::from_secs(3_600), &mut rng),
        signature: None,
    };
    (0..count).map(|_| one()).collect()
}

impl Session {
    /// Asks for an allocation; unsigned until the relay has challenged.
    pub(crate) fn allocate(&self, id: u64) -> Vec<u8> {
        // Protocol 17 is UDP.
        let builder = self.request(Method::ALLOCATE, id);
        self.finish(builder.attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0]))
    }

    /// Lets `peer` reach this client.
    pub(crate) fn create_permission(&self, id: u64, peer: SocketAddr) -> Vec<u8> {
        let builder = self.request(Method::CREATE_PERMISSION, id);
        self.finish(builder.xor_address(AttributeType::XOR_PEER_ADDRESS, peer))
    }

    /// Gives `peer` a channel.
    pub(crate) fn bind_channel(&self, id: u64, channel: u16, peer: SocketAddr) -> Vec<u8> {
        let [high, low] = channel.to_be_bytes();
        let builder = self
            .request(Method::CHANNEL_BIND, id)
            .attribute(AttributeType::CHANNEL_NUMBER, &[high, low, 0, 0]);
        self.finish(builder.xor_address(AttributeType::XOR_PEER_ADDRESS, peer))
    }

    /// Keeps the allocation.
    pub(crate) fn refresh(&self, id: u64) -> Vec<u8> {
        self.finish(self.request(Method::REFRESH, id))
    }

    /// Reads an answer, and takes realm and nonce from a challenge. `None` if it is none.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Option<Answer> {
        let message = Message::parse(bytes).ok()?;
        let outcome = match message.class() {
            Class::Success => {
                let value = message.attribute(AttributeType::XOR_RELAYED_ADDRESS);
                let address =
                    value.and_then(|value| XorAddress::parse(value, message.transaction_id()));
                Outcome::Granted(address)
            }
            Class::Error => {
                let value = message.attribute(AttributeType::ERROR_CODE)?;
                let &[_, _, hundreds, units, ..] = value else {
                    return None;
                };
                self.take_challenge(&message);
                Outcome::Refused(u16::from(hundreds) * 100 + u16::from(units))
            }
            Class::Request | Class::Indication => return None,
        };
        Some(Answer {
            id: number(message.transaction_id()),
            outcome,
        })
    }

    fn take_challenge(&mut self, message: &Message<'_>) {
        let realm = message.attribute(AttributeType::REALM);
        let nonce = message.attribute(AttributeType::NONCE);
        let (Some(realm), Some(nonce)) = (realm, nonce) else {
            return;
        };
        let TurnCredential { username, password } = &self.credential;
        let name = String::from_utf8_lossy(realm);
        self.signature = Some(Signature {
            realm: realm.to_vec(),
            nonce: nonce.to_vec(),
            key: IntegrityKey::long_term(username, &name, password),
        });
    }

    fn request(&self, method: Method, id: u64) -> MessageBuilder {
        MessageBuilder::new(Class::Request, method, transaction(id))
    }

    fn finish(&self, builder: MessageBuilder) -> Vec<u8> {
        let Some(Signature { realm, nonce, key }) = &self.signature else {
            return builder.finish(None, false).unwrap_or_default();
        };
        builder
            .attribute(AttributeType::USERNAME, self.credential.username.as_bytes())
            .attribute(AttributeType::REALM, realm)
            .attribute(AttributeType::NONCE, nonce)
            .finish(Some(key), false)
            .unwrap_or_default()
    }
}

/// The header of a datagram on a channel.
pub(crate) fn channel_header(channel: u16, length: usize) -> [u8; CHANNEL_HEADER_LEN] {
    let length = u16::try_from(length).unwrap_or(u16::MAX);
    let ([c0, c1], [l0, l1]) = (channel.to_be_bytes(), length.to_be_bytes());
    [c0, c1, l0, l1]
}

fn transaction(id: u64) -> TransactionId {
    let mut bytes = *b"hith\0\0\0\0\0\0\0\0";
    bytes[4..].copy_from_slice(&id.to_be_bytes());
    TransactionId::from_bytes(bytes)
}

fn number(id: TransactionId) -> u64 {
    let &[_, _, _, _, id @ ..] = id.as_bytes();
    u64::from_be_bytes(id)
}
