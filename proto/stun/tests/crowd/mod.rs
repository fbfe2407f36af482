// SPDX-License-Identifier: MIT OR Apache-2.0
//! One server and as many clients as are wanted, each with an allocation, two by two with a channel to each other.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use hither_sansio::{Duration, Now, UnixTime};
use hither_stun::TurnCredential;
use hither_stun::address::XorAddress;
use hither_stun::attribute::AttributeType;
use hither_stun::credential::{Secrets, SharedSecret, mint};
use hither_stun::integrity::IntegrityKey;
use hither_stun::message::{Message, MessageBuilder};
use hither_stun::message_type::{Class, Method};
use hither_stun::server::{
    Config, Event, FiveTuple, Limits, PeerRules, PortRange, RelayedPorts, Run, Server, Shard,
    Transport,
};
use hither_stun::transaction::TransactionId;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

const REALM: &str = "crowd";
const RELAYED: IpAddr = IpAddr::V4(Ipv4Addr::new(9, 1, 1, 1));
const LISTENER: SocketAddr = SocketAddr::new(RELAYED, 3478);

pub(crate) const CHANNEL: u16 = 0x4000;

pub(crate) struct Crowd {
    pub(crate) server: Server<ChaCha20Rng>,
    pub(crate) now: Now,
    pub(crate) clients: Vec<Member>,
    secret: SharedSecret,
    rng: ChaCha20Rng,
}

pub(crate) struct Member {
    pub(crate) tuple: FiveTuple,
    pub(crate) relayed: SocketAddr,
    credential: TurnCredential,
    nonce: Vec<u8>,
}

impl Crowd {
    /// A server for that many.
    pub(crate) fn new(most: usize) -> Self {
        let now = Now {
            unix: UnixTime::from_secs(1_000),
            ..Now::default()
        };
        let secret = SharedSecret::new(*b"crowd");
        let config = Config {
            realm: REALM.into(),
            secrets: Secrets::only(secret.clone()),
            relayed_ips: vec![RELAYED],
            ports: PortRange {
                first: 10_000,
                last: u16::MAX,
            },
            listeners: vec![LISTENER],
            own_ips: Vec::new(),
            dont_fragment: false,
            service_ports: Vec::new(),
            peers: PeerRules::default(),
            behaviour: None,
            limits: Limits {
                max_allocations: most,
                ..Limits::RECOMMENDED
            },
        };
        let ports = Arc::new(RelayedPorts::new(&config.relayed_ips, config.ports));
        let rng = ChaCha20Rng::seed_from_u64(1);
        let server = Server::new(config, Shard(0), ports, rng, now);
        Self {
            server: server.expect("the configuration is right"),
            now,
            clients: Vec::with_capacity(most),
            secret,
            rng: ChaCha20Rng::seed_from_u64(2),
        }
    }

    /// One more client, from an address of its own, with an allocation.
    pub(crate) fn join(&mut self) {
        let number = u32::try_from(self.clients.len()).expect("they have 24 bits of addresses");
        let client = Ipv4Addr::from_bits(0x1000_0000 + number);
        let hour = Duration::from_secs(3_600);
        let mut member = Member {
            tuple: FiveTuple {
                transport: Transport::Udp,
                client: SocketAddr::new(client.into(), 1_000),
                local: LISTENER,
            },
            relayed: LISTENER,
            credential: mint(&self.secret, self.now.unix, hour, &mut self.rng),
            nonce: Vec::new(),
        };
        let challenge = self.begin(Method::ALLOCATE).finish(None, false);
        let challenge = self.ask(member.tuple, &challenge.expect("it is short"));
        let nonce = parse(&challenge).attribute(AttributeType::NONCE);
        member.nonce = nonce.expect("a nonce").to_vec();
        let wish = self.begin(Method::ALLOCATE);
        let wish = wish.attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
        let answer = self.ask(member.tuple, &member.sign(wish));
        let answer = parse(&answer);
        let relayed = answer.attribute(AttributeType::XOR_RELAYED_ADDRESS);
        let relayed = relayed.expect("an allocation is made");
        let relayed = XorAddress::parse(relayed, answer.transaction_id());
        member.relayed = relayed.expect("addresses are well-formed");
        self.clients.push(member);
    }

    /// Gives a client a channel, the same number for everybody.
    pub(crate) fn bind(&mut self, who: usize, peer: SocketAddr) {
        let [n0, n1] = CHANNEL.to_be_bytes();
        let wish = self
            .begin(Method::CHANNEL_BIND)
            .attribute(AttributeType::CHANNEL_NUMBER, &[n0, n1, 0, 0])
            .xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
        let member = self.clients.get(who).expect("who has joined");
        let (tuple, request) = (member.tuple, member.sign(wish));
        let answer = self.ask(tuple, &request);
        assert_eq!(parse(&answer).class(), Class::Success);
    }

    /// Clients two by two, with a channel to each other.
    pub(crate) fn join_in_pairs(&mut self, pairs: usize) {
        for _ in 0..pairs {
            let first = self.clients.len();
            self.join();
            self.join();
            for (who, other) in [(first, first + 1), (first + 1, first)] {
                let peer = self.clients.get(other).expect("both have joined").relayed;
                self.bind(who, peer);
            }
        }
    }

    fn begin(&mut self, method: Method) -> MessageBuilder {
        let id = TransactionId::random(&mut self.rng);
        MessageBuilder::new(Class::Request, method, id)
    }

    fn ask(&mut self, client: FiveTuple, bytes: &[u8]) -> Vec<u8> {
        self.server.handle_client(client, Run::one(bytes), self.now);
        while let Some(event) = self.server.poll_event() {
            if let Event::OpenRelay { relayed } = event {
                self.server.handle_relay_opened(relayed, self.now);
            }
        }
        self.server.poll_transmit().expect("an answer").payload
    }
}

impl Member {
    fn sign(&self, wish: MessageBuilder) -> Vec<u8> {
        let (username, password) = (&self.credential.username, &self.credential.password);
        let key = IntegrityKey::long_term(username, REALM, password);
        wish.attribute(AttributeType::USERNAME, username.as_bytes())
            .attribute(AttributeType::REALM, REALM.as_bytes())
            .attribute(AttributeType::NONCE, &self.nonce)
            .finish(Some(&key), false)
            .expect("it is short")
    }
}

fn parse(answer: &[u8]) -> Message<'_> {
    Message::parse(answer).expect("answers are messages")
}
