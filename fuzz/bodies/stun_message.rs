// SPDX-License-Identifier: MIT OR Apache-2.0
//! What must hold for any bytes that reach the TURN server. Run by the fuzz target of the same name, and
//! over the committed corpus by `proto/stun/tests/corpus.rs`.

use std::sync::Arc;

use hither_sansio::{Duration, Now, UnixTime};
use hither_stun::attribute::AttributeType;
use hither_stun::channel_data::ChannelData;
use hither_stun::credential::{Secrets, SharedSecret, mint};
use hither_stun::framing::{Deframer, MAX_FRAME_LEN};
use hither_stun::integrity::IntegrityKey;
use hither_stun::message::{MAX_ATTRIBUTES, Message, MessageBuilder};
use hither_stun::message_type::{Class, Method};
use hither_stun::server::{
    Allowance, Config, Decision, Event, FiveTuple, Limits, PeerAddr, PeerRules, PortRange,
    RelayedAddr, RelayedPorts, Run, Server, Shard, Transport,
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
    let copy = message.attributes().fold(
        MessageBuilder::new(message.class(), message.method(), message.transaction_id()),
        |copy, attribute| copy.attribute(attribute.kind, attribute.value),
    );
    let copy = copy
        .finish(None, true)
        .expect("no longer than the original and a fingerprint");
    let copy = Message::parse(&copy).expect("what is emitted can be parsed");
    assert!(copy.attributes().eq(message.attributes()));
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
        let request = world.sign(client, request, now);
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
    key: IntegrityKey,
}

struct World {
    server: Server<ChaCha20Rng>,
    rng: ChaCha20Rng,
    secret: SharedSecret,
}

impl World {
    fn new(now: Now) -> Self {
        let secret = SharedSecret::new(*b"fuzz");
        let config = Config {
            realm: REALM.into(),
            secrets: Secrets::only(secret.clone()),
            relayed_ips: vec![[127, 0, 0, 1].into()],
            ports: PortRange::DYNAMIC,
            listeners: vec![([127, 0, 0, 1], 3478).into()],
            own_ips: Vec::new(),
            service_ports: Vec::new(),
            peers: PeerRules {
                private: true,
                ..PeerRules::default()
            },
            behaviour: None,
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
            key: IntegrityKey::long_term(&credential.username, REALM, &credential.password),
            username: credential.username,
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
        let nonce = self.nonce(client, now);
        request
            .attribute(AttributeType::USERNAME, client.username.as_bytes())
            .attribute(AttributeType::REALM, REALM.as_bytes())
            .attribute(AttributeType::NONCE, &nonce)
            .finish(Some(&client.key), false)
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

    /// Hands bytes in, and does what the server wants; the last socket that was opened.
    fn hear(&mut self, from: &FiveTuple, bytes: &[u8], now: Now) -> Option<RelayedAddr> {
        let decision = self.server.handle_client(*from, Run::one(bytes), now);
        check(&decision, bytes);
        let mut opened = None;
        while let Some(event) = self.server.poll_event() {
            if let Event::OpenRelay { relayed } = event {
                self.server.handle_relay_opened(relayed, now);
                opened = Some(relayed);
            }
        }
        while let Some(transmit) = self.server.poll_transmit() {
            assert_eq!(transmit.to, *from);
            let answer = Message::parse(&transmit.payload).expect("answers are messages");
            assert!(matches!(answer.class(), Class::Success | Class::Error));
        }
        opened
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
