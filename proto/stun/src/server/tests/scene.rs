// SPDX-License-Identifier: MIT OR Apache-2.0
//! One server, its clock, and clients that speak correct TURN unless told otherwise.

use core::net::SocketAddr;
use std::sync::Arc;

use hither_sansio::{Duration, Instant, Now, UnixTime};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::address::XorAddress;
use crate::attribute::AttributeType;
use crate::credential::{Secrets, SharedSecret, TurnCredential, mint};
use crate::error_code::ErrorCode;
use crate::integrity::IntegrityKey;
use crate::message::{Message, MessageBuilder};
use crate::message_type::{Class, Method};
use crate::server::{
    Config, Decision, Event, FiveTuple, Limits, PeerAddr, PeerRules, PortRange, RelayedAddr,
    RelayedPorts, Run, Server, Shard, Transmit, Transport,
};
use crate::transaction::TransactionId;

pub(super) const REALM: &str = "hither.test";
pub(super) const LISTENER: &str = "198.51.100.1:3478";
pub(super) const RELAYED_V4: &str = "198.51.100.1";
pub(super) const RELAYED_V6: &str = "2a00:1::1";

/// Addresses that the policy lets pass.
pub(super) const PEER: &str = "9.9.9.9:5000";
pub(super) const OTHER_PEER: &str = "8.8.8.8:6000";

pub(super) fn config() -> Config {
    Config {
        realm: REALM.into(),
        secrets: Secrets::only(SharedSecret::new(*b"shared")),
        relayed_ips: vec![RELAYED_V4.parse().unwrap()],
        ports: PortRange::DYNAMIC,
        listeners: vec![LISTENER.parse().unwrap()],
        own_ips: Vec::new(),
        dont_fragment: false,
        service_ports: Vec::new(),
        peers: PeerRules::default(),
        behaviour: None,
        limits: Limits::RECOMMENDED,
    }
}

pub(super) struct Scene {
    pub(super) server: Server<ChaCha20Rng>,
    pub(super) ports: Arc<RelayedPorts>,
    pub(super) now: Now,
    secret: SharedSecret,
    rng: ChaCha20Rng,
    next_id: u32,
}

/// Somebody with a five-tuple, a credential, and the last nonce it was given.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) tuple: FiveTuple,
    pub(super) credential: TurnCredential,
    pub(super) nonce: String,
}

impl Client {
    pub(super) fn key(&self) -> IntegrityKey {
        IntegrityKey::long_term(&self.credential.username, REALM, &self.credential.password)
    }
}

/// An answer, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) bytes: Vec<u8>,
}

impl Scene {
    pub(super) fn new() -> Self {
        Self::with(config())
    }

    pub(super) fn with(config: Config) -> Self {
        let now = Now {
            instant: Instant::from_millis(1_000),
            unix: UnixTime::from_secs(1_800_000_000),
        };
        let secret = config.secrets.current.clone();
        let ports = Arc::new(RelayedPorts::new(&config.relayed_ips, config.ports));
        Self {
            server: Server::new(
                config,
                Shard(0),
                Arc::clone(&ports),
                ChaCha20Rng::seed_from_u64(1),
                now,
            )
            .unwrap(),
            ports,
            now,
            secret,
            rng: ChaCha20Rng::seed_from_u64(2),
            next_id: 0,
        }
    }

    /// A UDP client with a credential for an hour.
    pub(super) fn client(&mut self, address: &str) -> Client {
        self.client_over(Transport::Udp, address)
    }

    pub(super) fn client_over(&mut self, transport: Transport, address: &str) -> Client {
        let hour = Duration::from_secs(3_600);
        let mut client = Client {
            tuple: FiveTuple {
                transport,
                client: address.parse().unwrap(),
                local: LISTENER.parse().unwrap(),
            },
            credential: mint(&self.secret, self.now.unix, hour, &mut self.rng),
            nonce: String::new(),
        };
        self.renew_nonce(&mut client);
        client
    }

    /// As a client does that is challenged.
    pub(super) fn renew_nonce(&mut self, client: &mut Client) {
        let bytes = self.message(Class::Request, Method::ALLOCATE);
        let answer = self.hear(client.tuple, &bytes.finish(None, false).unwrap());
        assert_eq!(answer.error(), Some(ErrorCode::UNAUTHENTICATED));
        client.nonce = answer.text(AttributeType::NONCE);
    }

    /// A client with an allocation.
    pub(super) fn allocated(&mut self, address: &str) -> (Client, RelayedAddr) {
        let client = self.client(address);
        let relayed = self.allocate(&client);
        (client, relayed)
    }

    pub(super) fn allocate(&mut self, client: &Client) -> RelayedAddr {
        let answer = self.request(client, Method::ALLOCATE, udp_transport);
        assert_eq!(answer.error(), None);
        RelayedAddr(answer.address(AttributeType::XOR_RELAYED_ADDRESS))
    }

    pub(super) fn permit(&mut self, client: &Client, peer: &str) {
        let answer = self.create_permission(client, peer);
        assert_eq!(answer.error(), None);
    }

    pub(super) fn create_permission(&mut self, client: &Client, peer: &str) -> Answer {
        let peer = peer.parse().unwrap();
        self.request(client, Method::CREATE_PERMISSION, |message| {
            message.xor_address(AttributeType::XOR_PEER_ADDRESS, peer)
        })
    }

    pub(super) fn bind(&mut self, client: &Client, number: u16, peer: &str) -> Answer {
        let peer = peer.parse().unwrap();
        let [n0, n1] = number.to_be_bytes();
        self.request(client, Method::CHANNEL_BIND, |message| {
            message
                .attribute(AttributeType::CHANNEL_NUMBER, &[n0, n1, 0, 0])
                .xor_address(AttributeType::XOR_PEER_ADDRESS, peer)
        })
    }

    pub(super) fn refresh(&mut self, client: &Client, lifetime: u32) -> Answer {
        self.request(client, Method::REFRESH, |message| {
            message.attribute(AttributeType::LIFETIME, &lifetime.to_be_bytes())
        })
    }

    /// A correct, authenticated request, and its answer. Sockets that the server wants are opened.
    pub(super) fn request(
        &mut self,
        client: &Client,
        method: Method,
        attributes: impl FnOnce(MessageBuilder) -> MessageBuilder,
    ) -> Answer {
        let bytes = self.authenticated(client, method, attributes);
        let answer = self.hear(client.tuple, &bytes);
        assert!(
            answer.is_authenticated_by(client) || answer.text(AttributeType::REALM) == REALM,
            "an answer is a challenge or bears the client's integrity"
        );
        answer
    }

    pub(super) fn authenticated(
        &mut self,
        client: &Client,
        method: Method,
        attributes: impl FnOnce(MessageBuilder) -> MessageBuilder,
    ) -> Vec<u8> {
        let message = attributes(self.message(Class::Request, method))
            .attribute(
                AttributeType::USERNAME,
                client.credential.username.as_bytes(),
            )
            .attribute(AttributeType::REALM, REALM.as_bytes())
            .attribute(AttributeType::NONCE, client.nonce.as_bytes());
        message.finish(Some(&client.key()), false).unwrap()
    }

    pub(super) fn message(&mut self, class: Class, method: Method) -> MessageBuilder {
        self.next_id += 1;
        let mut id = [0; 12];
        id[..4].copy_from_slice(&self.next_id.to_be_bytes());
        let id = TransactionId::from_bytes(id);
        MessageBuilder::new(class, method, id)
    }

    /// Hands bytes in, opens what is to be opened, and takes the one answer out.
    pub(super) fn hear(&mut self, from: FiveTuple, bytes: &[u8]) -> Answer {
        assert_eq!(self.say(from, bytes), Decision::Keep);
        self.open_all();
        let Transmit { to, payload } = self.server.poll_transmit().expect("there is an answer");
        assert_eq!(to, from);
        assert_eq!(self.server.poll_transmit(), None);
        Answer { bytes: payload }
    }

    /// Hands bytes in, to which there must be no answer.
    pub(super) fn unheard(&mut self, from: FiveTuple, bytes: &[u8]) {
        assert_eq!(self.say(from, bytes), Decision::Keep);
        assert_eq!(self.server.poll_transmit(), None);
        assert_eq!(self.server.poll_event(), None);
    }

    pub(super) fn say(&mut self, from: FiveTuple, bytes: &[u8]) -> Decision {
        self.server.handle_client(from, Run::one(bytes), self.now)
    }

    /// ChannelData as a UDP client sends it.
    pub(super) fn say_on(&mut self, client: &Client, channel: u16, data: &[u8]) -> Decision {
        let mut bytes = channel.to_be_bytes().to_vec();
        bytes.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        bytes.extend(data);
        self.say(client.tuple, &bytes)
    }

    /// A Send indication.
    pub(super) fn say_to(&mut self, client: &Client, peer: &str, data: &[u8]) -> Decision {
        let message = self
            .message(Class::Indication, Method::SEND)
            .xor_address(AttributeType::XOR_PEER_ADDRESS, peer.parse().unwrap())
            .attribute(AttributeType::DATA, data);
        let bytes = message.finish(None, false).unwrap();
        self.say(client.tuple, &bytes)
    }

    /// A datagram from a peer.
    pub(super) fn peer_says(&mut self, relayed: RelayedAddr, peer: &str, data: &[u8]) -> Decision {
        let peer = PeerAddr::new(peer.parse().unwrap());
        self.server
            .handle_peer(relayed, peer, Run::one(data), self.now)
    }

    pub(super) fn open_all(&mut self) {
        while let Some(event) = self.server.poll_event() {
            if let Event::OpenRelay { relayed } = event {
                self.server.handle_relay_opened(relayed, self.now);
            }
        }
    }

    pub(super) fn wait(&mut self, seconds: u64) {
        self.now = self.now.after(Duration::from_secs(seconds));
        self.server.handle_timeout(self.now);
    }
}

impl Answer {
    pub(super) fn message(&self) -> Message<'_> {
        Message::parse(&self.bytes).unwrap()
    }

    /// The code of an error; none of a success.
    pub(super) fn error(&self) -> Option<ErrorCode> {
        let message = self.message();
        match message.class() {
            Class::Success => None,
            Class::Error => {
                let value = message.attribute(AttributeType::ERROR_CODE).unwrap();
                Some(ErrorCode::parse(value).unwrap())
            }
            Class::Request | Class::Indication => panic!("a server answers"),
        }
    }

    pub(super) fn text(&self, kind: AttributeType) -> String {
        let message = self.message();
        let value = message.attribute(kind).unwrap_or_default();
        String::from_utf8(value.to_vec()).unwrap()
    }

    pub(super) fn address(&self, kind: AttributeType) -> SocketAddr {
        let message = self.message();
        let value = message.attribute(kind).unwrap();
        XorAddress::parse(value, message.transaction_id()).unwrap()
    }

    pub(super) fn lifetime(&self) -> u32 {
        let message = self.message();
        let value = message.attribute(AttributeType::LIFETIME).unwrap();
        u32::from_be_bytes(value.try_into().unwrap())
    }

    pub(super) fn is_authenticated_by(&self, client: &Client) -> bool {
        self.message().verify_integrity(&client.key())
    }
}

/// What every Allocate must ask for.
pub(super) fn udp_transport(message: MessageBuilder) -> MessageBuilder {
    message.attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0])
}

/// What a decision puts on the wire, and to whom.
pub(super) fn on_the_wire(decision: &Decision, bytes: &[u8]) -> (FiveTuple, Vec<u8>) {
    let Decision::ToClient { to, frame, payload } = decision else {
        panic!("{decision:?} leads to no client");
    };
    let payload = &bytes[payload.clone()];
    let head = frame.head(0, payload.len());
    (*to, [&head, payload, frame.padding(payload.len())].concat())
}
