// SPDX-License-Identifier: MIT OR Apache-2.0
//! A TURN client over UDP, as small as can be: it asks, is challenged, and asks again.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hither_relay::{SharedSecret, TurnCredential, mint};
use hither_sansio::UnixTime;
use hither_stun::attribute::AttributeType;
use hither_stun::integrity::IntegrityKey;
use hither_stun::message::{Message, MessageBuilder};
use hither_stun::message_type::{Class, Method};
use hither_stun::transaction::TransactionId;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use super::{PATIENCE, random};

const REALM: &str = "hither";

/// Minted as a node would, for ten minutes.
pub(crate) fn credential(secret: &str) -> TurnCredential {
    minted_ago(secret, Duration::ZERO)
}

/// One whose ten minutes are long over.
pub(crate) fn expired_credential(secret: &str) -> TurnCredential {
    minted_ago(secret, Duration::from_secs(3_600))
}

fn minted_ago(secret: &str, ago: Duration) -> TurnCredential {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() - ago;
    let now = UnixTime::from_secs(now.as_secs());
    let mut rng = ChaCha20Rng::from_seed(random());
    let secret = SharedSecret::new(secret.trim());
    mint(&secret, now, Duration::from_secs(600), &mut rng)
}

/// The code of an error answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code(pub(crate) u16);

pub(crate) struct TurnClient {
    socket: UdpSocket,
    server: SocketAddr,
    credential: TurnCredential,
    nonce: Vec<u8>,
}

impl TurnClient {
    /// One with an allocation.
    pub(crate) fn allocate(server: SocketAddr, credential: TurnCredential) -> Result<Self, Code> {
        let socket = UdpSocket::bind((server.ip(), 0)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = Self {
            socket,
            server,
            credential,
            nonce: Vec::new(),
        };
        let udp = [17, 0, 0, 0];
        client.ask(Method::ALLOCATE, |request| {
            request.attribute(AttributeType::REQUESTED_TRANSPORT, &udp)
        })?;
        Ok(client)
    }

    /// The port that the relay hears it from.
    pub(crate) fn port(&self) -> u16 {
        self.socket.local_addr().unwrap().port()
    }

    pub(crate) fn refresh(&mut self, seconds: u32) -> Result<(), Code> {
        self.ask(Method::REFRESH, |request| {
            request.attribute(AttributeType::LIFETIME, &seconds.to_be_bytes())
        })
    }

    pub(crate) fn permit(&mut self, peer: SocketAddr) -> Result<(), Code> {
        self.ask(Method::CREATE_PERMISSION, |request| {
            request.xor_address(AttributeType::XOR_PEER_ADDRESS, peer)
        })
    }

    pub(crate) fn bind_channel(&mut self, peer: SocketAddr) -> Result<(), Code> {
        self.ask(Method::CHANNEL_BIND, |request| {
            request
                .attribute(AttributeType::CHANNEL_NUMBER, &[0x40, 0, 0, 0])
                .xor_address(AttributeType::XOR_PEER_ADDRESS, peer)
        })
    }

    /// Sends a word to a peer; what the peer gets.
    pub(crate) fn reaches(&self, peer: &UdpSocket, word: &[u8]) -> bool {
        let id = TransactionId::from_bytes(random());
        let indication = MessageBuilder::new(Class::Indication, Method::SEND, id)
            .xor_address(AttributeType::XOR_PEER_ADDRESS, peer.local_addr().unwrap())
            .attribute(AttributeType::DATA, word)
            .finish(None, false)
            .unwrap();
        self.socket.send_to(&indication, self.server).unwrap();
        let mut buffer = [0; 100];
        let (length, _) = peer.recv_from(&mut buffer).unwrap();
        &buffer[..length] == word
    }

    fn ask(
        &mut self,
        method: Method,
        attributes: impl Fn(MessageBuilder) -> MessageBuilder,
    ) -> Result<(), Code> {
        for _ in 0..3 {
            let id = TransactionId::from_bytes(random());
            let mut request = attributes(MessageBuilder::new(Class::Request, method, id));
            let mut key = None;
            if !self.nonce.is_empty() {
                let TurnCredential { username, password } = &self.credential;
                request = request
                    .attribute(AttributeType::USERNAME, username.as_bytes())
                    .attribute(AttributeType::REALM, REALM.as_bytes())
                    .attribute(AttributeType::NONCE, &self.nonce);
                key = Some(IntegrityKey::long_term(username, REALM, password));
            }
            let request = request.finish(key.as_ref(), true).unwrap();
            self.socket.send_to(&request, self.server).unwrap();
            let mut buffer = [0; 1_500];
            let (length, _) = self.socket.recv_from(&mut buffer).unwrap();
            let answer = Message::parse(&buffer[..length]).unwrap();
            let Some(error) = answer.attribute(AttributeType::ERROR_CODE) else {
                return Ok(());
            };
            let code = Code(u16::from(error[2]) * 100 + u16::from(error[3]));
            match answer.attribute(AttributeType::NONCE) {
                Some(nonce) if nonce != self.nonce => self.nonce = nonce.to_vec(),
                _ => return Err(code),
            }
        }
        Err(Code(401))
    }
}

/// Somebody who is reached through a relay.
pub(crate) fn peer() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}
