// SPDX-License-Identifier: MIT OR Apache-2.0
//! What must hold for any bytes that reach the TURN server. Run by the fuzz target of the same name, and
//! over the committed corpus by `proto/stun/tests/corpus.rs`.

use std::net::IpAddr;
use std::sync::Arc;

use hither_sansio::{Duration, Now, UnixTime};
use hither_stun::address::XorAddress;
use hither_stun::attribute::{Attribute, AttributeType};
use hither_stun::channel_data::ChannelData;
use hither_stun::credential::{Secrets, SharedSecret, expiry, mint};
use hither_stun::error_code::ErrorCode;
use hither_stun::framing::{Deframer, MAX_FRAME_LEN};
use hither_stun::integrity::{IntegrityKey, PasswordAlgorithm, userhash};
use hither_stun::message::{HEADER_LEN, MAX_ATTRIBUTES, Message, MessageBuilder};
use hither_stun::message_type::{Class, Method};
use hither_stun::server::{
    AddressClass, Allowance, Behaviour, Config, Decision, Event, FiveTuple, Limits, Net, PeerAddr,
    PeerRules, PortRange, RelayedAddr, RelayedPorts, Run, Server, Shard, Transport,
};
use hither_stun::transaction::TransactionId;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

const REALM: &str = "fuzz";

/// Everything at once: the input is short, and each part is cheap.
pub(crate) fn run(bytes: &[u8]) {
    parse(bytes);
    deframe(bytes);
    serve(bytes);
}

fn parse(bytes: &[u8]) {
    if let Some(data) = ChannelData::parse(bytes) {
        assert!(bytes.get(data.payload).is_some());
    }
    let Ok(message) = Message::parse(bytes) else {
        return;
    };
    assert!(message.attributes().count() <= MAX_ATTRIBUTES);
    assert!(message.wire_len() == bytes.len());
    for key in keys() {
        // Nobody signs by chance.
        assert!(!message.verify_integrity(&key));
        emit_again(&message, &key);
    }
    for attribute in message.attributes() {
        read_value(&message, attribute);
    }
}

/// What is emitted is what was read, signed and unsigned, and cannot be altered unseen.
fn emit_again(message: &Message<'_>, key: &IntegrityKey) {
    let copy = message.attributes().fold(
        MessageBuilder::new(message.class(), message.method(), message.transaction_id()),
        |copy, attribute| copy.attribute(attribute.kind, attribute.value),
    );
    for (key, fingerprint) in [(None, true), (Some(key), false), (Some(key), true)] {
        let Ok(mut bytes) = copy.clone().finish(key, fingerprint) else {
            // Only a message that was nearly as long as one can be grows too long.
            assert!(message.wire_len() > 65_000);
            continue;
        };
        let again = Message::parse(&bytes).expect("what is emitted can be parsed");
        assert!(again.attributes().eq(message.attributes()));
        assert_eq!(again.has_fingerprint(), fingerprint);
        assert_eq!(again.integrity(), key.map(IntegrityKey::integrity));
        if let Some(key) = key {
            assert!(again.verify_integrity(key));
            if let Some(byte) = bytes.get_mut(HEADER_LEN - 1) {
                *byte ^= 1;
            }
            let altered = Message::parse(&bytes);
            assert!(altered.is_ok_and(|altered| !altered.verify_integrity(key)) != fingerprint);
        }
    }
}

/// Values that have a form are read and written back to the same.
fn read_value(message: &Message<'_>, attribute: Attribute<'_>) {
    let (value, id) = (attribute.value, message.transaction_id());
    let range = message.attribute_range(attribute.kind);
    assert!(range.is_some_and(|range| range.len() == first(message, attribute.kind).len()));
    if let Some(address) = XorAddress::parse(value, id) {
        let written = XorAddress::emit(address, id);
        // All but the first byte, which is anything.
        assert_eq!(written.as_bytes().get(1..), value.get(1..));
        assert_eq!(XorAddress::parse(written.as_bytes(), id), Some(address));
        let class = AddressClass::of(address.ip());
        if let IpAddr::V4(ip) = address.ip() {
            let mapped = AddressClass::of(ip.to_ipv6_mapped().into());
            assert_eq!(mapped, AddressClass::Never);
            let [a, b, c, d] = ip.octets().map(u16::from);
            let nat64 = [0x64, 0xff9b, 0, 0, 0, 0, a << 8 | b, c << 8 | d];
            let is_global = class == AddressClass::Global;
            assert_eq!(
                AddressClass::of(nat64.into()) == AddressClass::Global,
                is_global
            );
        }
    }
    if let Some(code) = ErrorCode::parse(value) {
        assert_eq!(ErrorCode::parse(&code.emit()), Some(code));
        assert!((300..700).contains(&code.number()));
    }
    if let Some(algorithm) = PasswordAlgorithm::parse(value) {
        assert_eq!(algorithm.emit(), value);
    }
    if let Ok(text) = core::str::from_utf8(value) {
        let _expiry = expiry(text);
        if let Ok(net) = text.parse::<Net>() {
            assert_eq!(net.to_string().parse(), Ok(net));
        }
    }
}

fn first<'a>(message: &Message<'a>, kind: AttributeType) -> &'a [u8] {
    message.attribute(kind).expect("it was just seen")
}

fn keys() -> [IntegrityKey; 3] {
    [
        IntegrityKey::short_term("key"),
        IntegrityKey::negotiated(PasswordAlgorithm::Sha256, "u", REALM, "p"),
        IntegrityKey::negotiated(PasswordAlgorithm::Md5, "u", REALM, "p"),
    ]
}

fn deframe(bytes: &[u8]) {
    let Some((&cut, stream)) = bytes.split_first() else {
        return;
    };
    let mut deframer = Deframer::new();
    let mut length = 0;
    for chunk in stream.chunks(usize::from(cut) + 1) {
        deframer.push(chunk);
        loop {
            match deframer.next_frame() {
                Ok(Some(frame)) => length += frame.len(),
                Ok(None) => break,
                Err(_) => return,
            }
        }
        assert!(deframer.buffered() <= MAX_FRAME_LEN);
    }
    assert_eq!(length + deframer.buffered(), stream.len());
}

fn serve(bytes: &[u8]) {
    let now = Now {
        unix: UnixTime::from_secs(1_000),
        ..Now::default()
    };
    let mut world = World::new(now);
    let ana = world.client(1);
    let ben = world.client(2);
    let relayed = world.allocate(&ana, now);
    world.allocate(&ben, now);

    world.hear(&ana.tuple, bytes, now);
    let peer = PeerAddr::new(([9, 9, 9, 9], 9).into());
    let decision = world
        .server
        .handle_peer(relayed, peer, Run::one(bytes), now);
    check(&decision, bytes);

    // The same bytes as methods and attributes of authenticated requests.
    let mut rest = bytes;
    while let Some((&[who, method, count], list)) = rest.split_first_chunk() {
        rest = list;
        let client = if who & 1 == 0 { &ana } else { &ben };
        let mut request = world.begin(Method::new(u16::from(method & 0x0F)));
        for _ in 0..count % 8 {
            let Some((&[high, low, length], values)) = rest.split_first_chunk() else {
                break;
            };
            let (value, later) = values.split_at(usize::from(length).min(values.len()));
            rest = later;
            let kind = AttributeType(u16::from_be_bytes([high & 0x80, low]));
            request = request.attribute(kind, value);
        }
        let request = world.sign_as(client, request, who >> 1, now);
        world.hear(&client.tuple, &request, now);
    }

    for seconds in [300, 600, 3_600, 7_200] {
        let later = now.after(Duration::from_secs(seconds));
        world.server.handle_timeout(later);
        world.hear(&ana.tuple, bytes, later);
    }
    world
        .server
        .handle_timeout(now.after(Duration::from_secs(20_000)));
    assert_eq!(world.server.counters().allocations, 0);
}

struct Client {
    tuple: FiveTuple,
    username: String,
    password: String,
}

struct World {
    server: Server<ChaCha20Rng>,
    rng: ChaCha20Rng,
    secret: SharedSecret,
}

impl World {
    fn new(now: Now) -> Self {
        let secret = SharedSecret::new(*b"fuzz");
        let behaviour = Behaviour {
            primary: ([127, 0, 0, 1], 3478).into(),
            other: ([127, 0, 0, 9], 3479).into(),
        };
        let config = Config {
            realm: REALM.into(),
            secrets: Secrets::only(secret.clone()),
            relayed_ips: vec![[127, 0, 0, 1].into()],
            ports: PortRange {
                first: 50_000,
                last: 50_099,
            },
            listeners: behaviour.listeners().to_vec(),
            own_ips: Vec::new(),
            dont_fragment: false,
            service_ports: Vec::new(),
            peers: PeerRules {
                private: true,
                ..PeerRules::default()
            },
            behaviour: Some(behaviour),
            limits: Limits {
                unauthenticated: Allowance::UNLIMITED,
                failures: Allowance::UNLIMITED,
                ..Limits::RECOMMENDED
            },
        };
        let ports = Arc::new(RelayedPorts::new(&config.relayed_ips, config.ports));
        let rng = ChaCha20Rng::seed_from_u64(1);
        let server = Server::new(config, Shard(0), ports, rng, now);
        Self {
            server: server.expect("the configuration is right"),
            rng: ChaCha20Rng::seed_from_u64(2),
            secret,
        }
    }

    fn client(&mut self, host: u8) -> Client {
        let hour = Duration::from_secs(3_600);
        let credential = mint(
            &self.secret,
            UnixTime::from_secs(1_000),
            hour,
            &mut self.rng,
        );
        Client {
            tuple: FiveTuple {
                transport: if host == 1 {
                    Transport::Udp
                } else {
                    Transport::Tcp
                },
                client: ([127, 0, 0, host], 1_000).into(),
                local: ([127, 0, 0, 1], 3478).into(),
            },
            username: credential.username,
            password: credential.password,
        }
    }

    fn begin(&mut self, method: Method) -> MessageBuilder {
        let id = TransactionId::random(&mut self.rng);
        MessageBuilder::new(Class::Request, method, id)
    }

    fn allocate(&mut self, client: &Client, now: Now) -> RelayedAddr {
        let request = self
            .begin(Method::ALLOCATE)
            .attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
        let request = self.sign(client, request, now);
        self.hear(&client.tuple, &request, now)
            .expect("an allocation is made")
    }

    fn sign(&mut self, client: &Client, request: MessageBuilder, now: Now) -> Vec<u8> {
        self.sign_as(client, request, 0, now)
    }

    /// In one of the ways that a client has, right or wrong.
    fn sign_as(&mut self, client: &Client, request: MessageBuilder, way: u8, now: Now) -> Vec<u8> {
        let nonce = self.nonce(client, now);
        let (username, password) = (client.username.as_str(), client.password.as_str());
        let request = match way & 0x08 {
            0 => request.attribute(AttributeType::USERNAME, username.as_bytes()),
            _ => request.attribute(AttributeType::USERHASH, &userhash(username, REALM)),
        };
        let request = request
            .attribute(AttributeType::REALM, REALM.as_bytes())
            .attribute(AttributeType::NONCE, &nonce);
        let algorithm = match way & 0x02 {
            0 => PasswordAlgorithm::Sha256,
            _ => PasswordAlgorithm::Md5,
        };
        let (request, key) = match way & 0x01 {
            0 => (request, IntegrityKey::long_term(username, REALM, password)),
            _ => (
                request
                    .attribute(
                        AttributeType::PASSWORD_ALGORITHMS,
                        &[0, 2, 0, 0, 0, 1, 0, 0],
                    )
                    .attribute(AttributeType::PASSWORD_ALGORITHM, &algorithm.emit()),
                IntegrityKey::negotiated(algorithm, username, REALM, password),
            ),
        };
        request
            .finish(Some(&key), way & 0x04 != 0)
            .expect("it is short enough")
    }

    fn nonce(&mut self, client: &Client, now: Now) -> Vec<u8> {
        let request = self
            .begin(Method::ALLOCATE)
            .finish(None, false)
            .expect("it is short");
        self.server
            .handle_client(client.tuple, Run::one(&request), now);
        let challenge = self.server.poll_transmit().expect("a challenge").payload;
        let challenge = Message::parse(&challenge).expect("a message");
        challenge
            .attribute(AttributeType::NONCE)
            .expect("a nonce")
            .to_vec()
    }

    /// Hands bytes in, and does what the server wants; the relayed address that an answer told.
    fn hear(&mut self, from: &FiveTuple, bytes: &[u8], now: Now) -> Option<RelayedAddr> {
        let decision = self.server.handle_client(*from, Run::one(bytes), now);
        check(&decision, bytes);
        while let Some(event) = self.server.poll_event() {
            if let Event::OpenRelay { relayed } = event {
                self.server.handle_relay_opened(relayed, now);
            }
        }
        let mut told = None;
        while let Some(transmit) = self.server.poll_transmit() {
            assert_eq!(transmit.to.client, from.client);
            assert_eq!(transmit.to.transport, from.transport);
            let answer = Message::parse(&transmit.payload).expect("answers are messages");
            assert!(matches!(answer.class(), Class::Success | Class::Error));
            let relayed = answer.attribute(AttributeType::XOR_RELAYED_ADDRESS);
            let relayed =
                relayed.and_then(|value| XorAddress::parse(value, answer.transaction_id()));
            told = relayed.map(RelayedAddr).or(told);
        }
        told
    }
}

fn check(decision: &Decision, bytes: &[u8]) {
    match decision {
        Decision::Keep => {}
        Decision::ToShard { .. } => panic!("there is no other shard"),
        Decision::ToPeer { payload, .. } => assert!(bytes.get(payload.clone()).is_some()),
        Decision::ToClient { frame, payload, .. } => {
            let payload = bytes
                .get(payload.clone())
                .expect("the payload is in the bytes");
            let head = frame.head(0, payload.len());
            let whole = [&head, payload, frame.padding(payload.len())].concat();
            assert!(Message::parse(&whole).is_ok() || ChannelData::parse(&whole).is_some());
        }
    }
}
