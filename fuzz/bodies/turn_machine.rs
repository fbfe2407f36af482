// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any sequence of requests, data, time-outs and reports of the host, to a relay of two shards and five clients,
//! beside a model that says what must come of each step. Run by the fuzz target of the same name, and over the
//! committed corpus and random sequences by `proto/stun/tests/turn_machine.rs`.

#[path = "turn_machine/model.rs"]
mod model;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;

use hither_sansio::{Duration, Instant, Now, UnixTime};
use hither_stun::TurnCredential;
use hither_stun::address::XorAddress;
use hither_stun::attribute::AttributeType;
use hither_stun::channel_data::{ChannelData, Run};
use hither_stun::credential::{Secrets, SharedSecret, mint};
use hither_stun::error_code::ErrorCode;
use hither_stun::integrity::IntegrityKey;
use hither_stun::message::{Message, MessageBuilder};
use hither_stun::message_type::{Class, Method};
use hither_stun::server::{
    Allowance, Config, Decision, Event, FiveTuple, Frame, Limits, PeerAddr, PeerRules, PortRange,
    RelayedAddr, RelayedPorts, Reload, Server, Shard, Transport,
};
use hither_stun::transaction::TransactionId;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use model::{Fate, Id, Model, Reserved, Told};

const REALM: &str = "fuzz";
const SECRET: &[u8] = b"fuzz";
const CLIENTS: usize = 5;
const MAX_ALLOCATIONS: usize = 3;
const MAX_PERMISSIONS: usize = 4;
const MAX_CHANNELS: usize = 3;
const LISTENER_PORT: u16 = 3478;
const PORTS: RangeInclusive<u16> = 50_000..=50_004;
const RELAYED_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(9, 1, 1, 1));
const RELAYED_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2a00, 1, 0, 0, 0, 0, 0, 1));
const DENIABLE: IpAddr = IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8));

/// Steps after which nothing new is learnt.
const MAX_STEPS: usize = 200;

/// A client belongs to one shard, as the kernel steers it.
const fn shard_of(who: usize) -> usize {
    who % 2
}

/// The first two clients, of different shards, have one username.
const fn user_of(who: usize) -> usize {
    if who < 2 { 0 } else { who }
}

/// What clients ask for.
#[derive(Clone, Debug)]
enum Request {
    Allocate { v6: bool, even: bool },
    AllocateBoth,
    AllocatePair,
    Redeem { token: [u8; 8] },
    Refresh { lifetime: u32, v6: Option<bool> },
    Grant(Wish),
}

/// CreatePermission and ChannelBind.
#[derive(Clone, Debug)]
enum Wish {
    Permit(Vec<SocketAddr>),
    Bind(u16, SocketAddr),
}

impl Wish {
    fn ips(&self) -> Vec<IpAddr> {
        match self {
            Self::Permit(peers) => peers.iter().map(SocketAddr::ip).collect(),
            Self::Bind(_, peer) => vec![peer.ip()],
        }
    }
}

/// Four bytes a step: what, who, and two arguments.
pub(crate) fn run(bytes: &[u8]) {
    let mut world = World::new();
    let mut rest = bytes;
    for _ in 0..MAX_STEPS {
        let Some((&step, later)) = rest.split_first_chunk() else {
            break;
        };
        rest = later;
        world.step(step, &mut rest);
        world.check();
    }
    world.end();
}

struct Client {
    tuple: FiveTuple,
    credential: TurnCredential,
    nonce: Vec<u8>,
    /// For retransmissions.
    last: Option<(Id, Request, Vec<u8>)>,
}

struct World {
    shards: Vec<Server<ChaCha20Rng>>,
    ports: Arc<RelayedPorts>,
    clients: Vec<Client>,
    model: Model,
    /// What the host was asked to open and has not reported on.
    opening: Vec<(usize, RelayedAddr)>,
    /// Tokens that were ever handed out.
    tokens: Vec<[u8; 8]>,
    now: Now,
    next_id: Id,
}

fn config() -> Config {
    Config {
        realm: REALM.into(),
        secrets: Secrets::only(SharedSecret::new(SECRET)),
        relayed_ips: vec![RELAYED_V4, RELAYED_V6],
        ports: PortRange {
            first: *PORTS.start(),
            last: *PORTS.end(),
        },
        listeners: vec![SocketAddr::new(RELAYED_V4, LISTENER_PORT)],
        own_ips: Vec::new(),
        dont_fragment: true,
        service_ports: Vec::new(),
        peers: PeerRules::default(),
        behaviour: None,
        limits: Limits {
            max_allocations: MAX_ALLOCATIONS,
            max_allocations_per_username: 1,
            max_permissions_per_allocation: MAX_PERMISSIONS,
            max_channels_per_allocation: MAX_CHANNELS,
            nonce_lifetime: Duration::from_secs(100_000_000),
            unauthenticated: Allowance::UNLIMITED,
            failures: Allowance::UNLIMITED,
            ..Limits::RECOMMENDED
        },
    }
}

impl World {
    fn new() -> Self {
        let now = Now {
            instant: Instant::from_millis(1_000),
            unix: UnixTime::from_secs(1_000),
        };
        let config = config();
        let ports = Arc::new(RelayedPorts::new(&config.relayed_ips, config.ports));
        let shard = |number: u8| {
            let rng = ChaCha20Rng::seed_from_u64(number.into());
            let ports = Arc::clone(&ports);
            Server::new(config.clone(), Shard(number), ports, rng, now)
        };
        let shards = (0..2).map(|number| shard(number).expect("the configuration is right"));
        let mut world = Self {
            shards: shards.collect(),
            ports: Arc::clone(&ports),
            clients: Vec::new(),
            model: Model::default(),
            opening: Vec::new(),
            tokens: Vec::new(),
            now,
            next_id: 0,
        };
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        for (who, host) in (1..).take(CLIENTS).enumerate() {
            let years = Duration::from_secs(1_000_000_000);
            let shared = world
                .clients
                .get(user_of(who))
                .filter(|_| user_of(who) != who);
            let credential = shared.map_or_else(
                || mint(&SharedSecret::new(SECRET), now.unix, years, &mut rng),
                |other| other.credential.clone(),
            );
            world.clients.push(Client {
                tuple: FiveTuple {
                    transport: match who {
                        4 => Transport::Tcp,
                        _ => Transport::Udp,
                    },
                    client: ([192, 0, 2, host], 1_000).into(),
                    local: SocketAddr::new(RELAYED_V4, LISTENER_PORT),
                },
                credential,
                nonce: Vec::new(),
                last: None,
            });
            world.clients[who].nonce = world.challenge(who);
        }
        world
    }

    fn step(&mut self, [what, who, a, b]: [u8; 4], rest: &mut &[u8]) {
        let who = usize::from(who) % CLIENTS;
        match what % 16 {
            0 => self.ask(who, self.allocate_request(a)),
            1 => {
                let lifetime = [0, 600, 1_200, 3_600][usize::from(a % 4)];
                let v6 = [None, Some(false), Some(true)][usize::from(b % 3)];
                self.ask(who, Request::Refresh { lifetime, v6 });
            }
            2 | 3 => {
                let mut peers = vec![self.peer(a)];
                if b % 4 == 0 {
                    peers.push(self.peer(b / 4));
                }
                self.ask(who, Request::Grant(Wish::Permit(peers)));
            }
            4 | 5 => {
                let number = 0x4000 + u16::from(b % 4);
                let wish = Wish::Bind(number, self.peer(a));
                self.ask(who, Request::Grant(wish));
            }
            6 | 7 => self.send_on(who, 0x4000 + u16::from(a % 4), b),
            8 => self.send_to(who, self.peer(a), b),
            9 => self.peer_says(who, a % 2 == 1, self.peer(b)),
            10 => {
                let seconds = u64::from(a % 64) * u64::from(b % 32) + 1;
                self.now = self.now.after(Duration::from_secs(seconds));
                for shard in &mut self.shards {
                    shard.handle_timeout(self.now);
                }
                self.model.expire(self.now.instant);
            }
            11 | 12 => self.settle(a, b % 4 != 0),
            13 => {
                self.shards[shard_of(who)].handle_disconnect(self.clients[who].tuple);
                self.model.disconnect(who);
            }
            14 => {
                if let Some((id, request, bytes)) = self.clients[who].last.clone() {
                    self.perform(who, id, &request, &bytes);
                }
            }
            _ if a % 2 == 0 => self.reconfigure(b % 2 == 1),
            _ => {
                let (garbage, later) = rest.split_at(usize::from(b).min(rest.len()));
                *rest = later;
                self.hear_garbage(who, garbage);
            }
        }
    }

    fn allocate_request(&self, a: u8) -> Request {
        match a % 8 {
            0 | 1 => Request::Allocate {
                v6: false,
                even: false,
            },
            2 => Request::Allocate {
                v6: true,
                even: false,
            },
            3 => Request::Allocate {
                v6: false,
                even: true,
            },
            4 => Request::AllocatePair,
            5 => {
                let token = self.tokens.get(usize::from(a / 8));
                let token = token.copied().unwrap_or([a; 8]);
                Request::Redeem { token }
            }
            _ => Request::AllocateBoth,
        }
    }

    /// Somebody who might be talked with.
    fn peer(&self, a: u8) -> SocketAddr {
        let client = usize::from(a / 16) % CLIENTS;
        let relay = |is_v6: bool| {
            let held = self.model.held[client].as_ref();
            let mut relays = held.iter().flat_map(|held| &held.relays);
            relays.find(|relay| relay.address.is_ipv6() == is_v6)
        };
        match a % 16 {
            0 => ([9, 9, 9, 9], 1).into(),
            1 => ([9, 9, 9, 9], 2).into(),
            2 => SocketAddr::new(DENIABLE, 1),
            3 => SocketAddr::new(Ipv6Addr::new(0x2a00, 2, 0, 0, 0, 0, 0, 2).into(), 1),
            4 => ([10, 0, 0, 1], 1).into(),
            5 => SocketAddr::new(RELAYED_V4, LISTENER_PORT),
            6 => SocketAddr::new(RELAYED_V4, u16::from(a)),
            7 => ([9, 9, 9, 9], 0).into(),
            8 => SocketAddr::new(RELAYED_V4, *PORTS.start() + u16::from(a / 16)),
            9..=11 => relay(true).map_or(SocketAddr::new(RELAYED_V6, 7), |relay| relay.address),
            _ => relay(false).map_or(SocketAddr::new(RELAYED_V4, 7), |relay| relay.address),
        }
    }

    /// A fresh request.
    fn ask(&mut self, who: usize, request: Request) {
        let id = self.next_id();
        let bytes = self.write(who, id, &request);
        self.clients[who].last = Some((id, request.clone(), bytes.clone()));
        self.perform(who, id, &request, &bytes);
    }

    fn perform(&mut self, who: usize, id: Id, request: &Request, bytes: &[u8]) {
        let (tuple, now) = (self.clients[who].tuple, self.now);
        let shard = &mut self.shards[shard_of(who)];
        let decision = shard.handle_client(tuple, Run::one(bytes), now);
        assert_eq!(decision, Decision::Keep, "a request goes nowhere");
        let instant = now.instant;
        let expected = match request {
            Request::Refresh { lifetime, v6 } => self.model.refresh(who, *lifetime, *v6, instant),
            Request::Grant(wish) => self.model.grant(who, id, wish, instant),
            _ => return self.check_allocate(who, id, request),
        };
        let answers = match expected {
            Told::Nothing => Vec::new(),
            told => vec![(who, id, told)],
        };
        self.expect_answers(&answers);
    }

    /// The model says whether there is an address; which one, the answer says.
    fn check_allocate(&mut self, who: usize, id: Id, request: &Request) {
        let now = self.now.instant;
        let held = self.model.held[who].as_ref();
        let expected = match held {
            Some(held) if held.made_by == id => Told::Granted,
            Some(_) => Told::Refused(437),
            None => self.model.can_allocate(who, request, now),
        };
        let is_new = held.is_none() && expected == Told::Granted;
        let answers = self.expect_answers(&[(who, id, expected)]);
        if expected != Told::Granted {
            return;
        }
        let answer = Message::parse(&answers[0]).expect("answers are messages");
        let kind = AttributeType::XOR_RELAYED_ADDRESS;
        let told = answer
            .attributes()
            .filter(|attribute| attribute.kind == kind);
        let told: Vec<_> = told
            .map(|attribute| XorAddress::parse(attribute.value, answer.transaction_id()))
            .map(|address| address.expect("addresses are well-formed"))
            .collect();
        if is_new {
            let token = answer.attribute(AttributeType::RESERVATION_TOKEN);
            self.check_new(request, &told, token);
            let refused = answer.attribute(AttributeType::ADDRESS_ERROR_CODE);
            let lacks = matches!(request, Request::AllocateBoth) && told.len() == 1;
            assert_eq!(refused.is_some(), lacks, "who lacks a family is told why");
            self.model.insert(who, id, &told, now);
        } else {
            // All that there is left of it, in the same order.
            let held = self.model.held[who].as_ref().expect("it is not new");
            let relays: Vec<_> = held.relays.iter().map(|relay| relay.address).collect();
            assert_eq!(told, relays, "a retransmission is told the same");
        }
    }

    fn check_new(&mut self, request: &Request, told: &[SocketAddr], token: Option<&[u8]>) {
        if let Request::Redeem { token } = request {
            let at = self.model.reserved.iter().position(|it| it.token == *token);
            let reserved = self.model.reserved.remove(at.expect("it was reserved"));
            assert_eq!(told, [reserved.address], "the reserved one is given");
        }
        for address in told {
            assert!(self.model.is_free(*address), "an address is given once");
            assert!(PORTS.contains(&address.port()));
            assert!(address.ip() == RELAYED_V4 || address.ip() == RELAYED_V6);
        }
        let first = told[0];
        match request {
            Request::Allocate { v6, even } => {
                assert_eq!(told.len(), 1);
                assert_eq!(first.is_ipv6(), *v6);
                assert!(!even || first.port().is_multiple_of(2));
            }
            Request::AllocateBoth => {
                let has = |v6| told.iter().any(|address| address.is_ipv6() == v6);
                assert_eq!(has(false), self.model.has_free(RELAYED_V4, |_| true));
                assert_eq!(has(true), self.model.has_free(RELAYED_V6, |_| true));
            }
            Request::AllocatePair => {
                assert!(first.port().is_multiple_of(2));
                let token = token.expect("a pair comes with a token");
                let token = token.try_into().expect("a token has eight bytes");
                self.tokens.push(token);
                self.model.reserved.push(Reserved {
                    token,
                    address: SocketAddr::new(first.ip(), first.port() + 1),
                    expires: self.now.instant + Duration::from_secs(30),
                });
            }
            _ => assert_eq!(told.len(), 1),
        }
    }

    /// The host reports on one of the sockets that it was asked for.
    fn settle(&mut self, which: u8, is_open: bool) {
        if self.opening.is_empty() {
            return;
        }
        let (shard, relayed) = self.opening.remove(usize::from(which) % self.opening.len());
        let server = &mut self.shards[shard];
        match is_open {
            true => server.handle_relay_opened(relayed, self.now),
            false => server.handle_relay_failed(relayed, self.now),
        }
        let answers = self.model.settle(relayed.0, is_open, self.now.instant);
        self.expect_answers(&answers);
    }

    fn reconfigure(&mut self, denies: bool) {
        let denied = denies.then_some(DENIABLE);
        let config = config();
        for shard in &mut self.shards {
            let deny = denied.map(|ip| ip.to_string().parse().expect("an address is a network"));
            let reload = Reload {
                secrets: config.secrets.clone(),
                limits: config.limits,
                peers: PeerRules {
                    deny: deny.into_iter().collect(),
                    ..PeerRules::default()
                },
            };
            shard.reconfigure(reload).expect("it can work");
        }
        self.model.deny(denied);
    }

    /// Channel data, one to four datagrams of it, the last one shorter.
    fn send_on(&mut self, who: usize, number: u16, b: u8) {
        let (count, length) = (usize::from(b % 4) + 1, usize::from(b / 4));
        let mut bytes = Vec::new();
        let mut payloads = Vec::new();
        for (index, fill) in (0..count).zip(0_u8..) {
            let is_last = index + 1 == count && length > 0;
            let payload = vec![fill; length - usize::from(is_last)];
            let length = u16::try_from(payload.len()).expect("it is short");
            bytes.extend(number.to_be_bytes());
            bytes.extend(length.to_be_bytes());
            bytes.extend(&payload);
            payloads.push(payload);
        }
        let run = Run::new(&bytes, 4 + length);
        let fate = self.model.fate_on_channel(who, number, self.now.instant);
        let (tuple, now) = (self.clients[who].tuple, self.now);
        let decision = self.shards[shard_of(who)].handle_client(tuple, run, now);
        self.follow(decision, run, &payloads, fate);
    }

    fn send_to(&mut self, who: usize, peer: SocketAddr, b: u8) {
        let id = TransactionId::from_bytes([b; 12]);
        let payload = vec![b; usize::from(b)];
        let message = MessageBuilder::new(Class::Indication, Method::SEND, id)
            .xor_address(AttributeType::XOR_PEER_ADDRESS, peer)
            .attribute(AttributeType::DATA, &payload);
        let message = match b % 2 {
            0 => message,
            _ => message.attribute(AttributeType::DONT_FRAGMENT, &[]),
        };
        let bytes = message.finish(None, false).expect("it is short");
        let fate = self.model.fate(who, peer, self.now.instant);
        let (tuple, now) = (self.clients[who].tuple, self.now);
        let run = Run::one(&bytes);
        let decision = self.shards[shard_of(who)].handle_client(tuple, run, now);
        if let Decision::ToPeer { dont_fragment, .. } = decision {
            assert_eq!(dont_fragment, b % 2 == 1);
        }
        self.follow(decision, run, &[payload], fate);
    }

    fn peer_says(&mut self, who: usize, is_v6: bool, peer: SocketAddr) {
        let held = self.model.held[who].as_ref();
        let mut relays = held.iter().flat_map(|held| &held.relays);
        // Nothing arrives at an address from the other family.
        let relay = relays.find(|relay| relay.address.is_ipv6() == is_v6);
        let relay = relay.filter(|_| peer.is_ipv6() == is_v6);
        let relayed = relay.map(|relay| relay.address);
        let fate = match relayed {
            Some(_) => self.model.fate_at(who, peer, self.now.instant),
            None => Fate::Dropped,
        };
        let relayed = relayed.unwrap_or(SocketAddr::new(RELAYED_V4, 7));
        let payloads = [vec![1; 9], vec![2; 9], vec![3; 2]];
        let bytes = payloads.concat();
        let run = Run::new(&bytes, 9);
        let (relayed, peer) = (RelayedAddr(relayed), PeerAddr::new(peer));
        let shard = &mut self.shards[shard_of(who)];
        let decision = shard.handle_peer(relayed, peer, run, self.now);
        self.follow(decision, run, &payloads, fate);
    }

    /// Does with a run what was decided, and sees that it came where it should, whole.
    fn follow(&mut self, decision: Decision, run: Run<'_>, payloads: &[Vec<u8>], fate: Fate) {
        match (decision, fate) {
            (Decision::Keep, Fate::Dropped) => {}
            (
                Decision::ToPeer {
                    from, to, payload, ..
                },
                fate @ Fate::ToPeer { .. },
            ) => {
                let (from, to) = (from.0, to.socket_addr());
                assert_eq!(Fate::ToPeer { from, to }, fate);
                let sent = (0..run.count()).map(|index| run.payload(index, &payload));
                assert!(sent.eq(payloads.iter().map(Vec::as_slice)));
            }
            (
                Decision::ToClient { to, frame, payload },
                Fate::ToClient {
                    client,
                    from,
                    channel,
                },
            ) => {
                assert_eq!(
                    to, self.clients[client].tuple,
                    "no flow gets another's data"
                );
                for (index, expected) in payloads.iter().enumerate() {
                    let payload = run.payload(index, &payload);
                    assert_eq!(payload, expected);
                    check_frame(&frame, to.transport, index, payload, from, channel);
                }
            }
            (
                Decision::ToShard {
                    shard,
                    from,
                    to,
                    payload,
                },
                fate,
            ) => {
                let start = payload.start;
                let copy = Run::new(run.bytes(), run.stride()).skipping(start);
                let end = payload.end.min(run.bytes().len());
                let one = run.bytes().get(..end).expect("the payload is in the run");
                let copy = match run.count() {
                    1 => Run::one(one).skipping(start),
                    _ => copy,
                };
                let shard = &mut self.shards[usize::from(shard.0)];
                let decision = shard.handle_shard(from, to, copy, self.now);
                let is_final = !matches!(decision, Decision::ToShard { .. });
                assert!(is_final, "it is handed over once");
                self.follow(decision, copy, payloads, fate);
            }
            (decision, fate) => panic!("{decision:?} where {fate:?} was due"),
        }
    }

    /// Whatever it is: it changes nothing, and nobody else hears of it.
    fn hear_garbage(&mut self, who: usize, bytes: &[u8]) {
        let (tuple, now) = (self.clients[who].tuple, self.now);
        let shard = &mut self.shards[shard_of(who)];
        let decision = shard.handle_client(tuple, Run::one(bytes), now);
        assert!(decision == Decision::Keep || self.model.held[who].is_some());
        while let Some(transmit) = self.shards[shard_of(who)].poll_transmit() {
            assert_eq!(transmit.to, tuple);
        }
    }

    /// These answers, in this order, and no others; their bytes.
    fn expect_answers(&mut self, expected: &[(usize, Id, Told)]) -> Vec<Vec<u8>> {
        let mut answers = Vec::new();
        for shard in &mut self.shards {
            while let Some(transmit) = shard.poll_transmit() {
                answers.push(transmit);
            }
        }
        let told = answers.iter().map(|transmit| {
            let message = Message::parse(&transmit.payload).expect("answers are messages");
            let mut clients = self.clients.iter();
            let who = clients.position(|client| client.tuple == transmit.to);
            let who = who.expect("answers go to clients");
            assert!(message.verify_integrity(&self.clients[who].key()));
            let code = message.attribute(AttributeType::ERROR_CODE);
            let told = match code.and_then(ErrorCode::parse) {
                Some(code) => Told::Refused(code.number()),
                None => Told::Granted,
            };
            let [a, b, c, d, ..] = *message.transaction_id().as_bytes();
            (who, u32::from_be_bytes([a, b, c, d]), told)
        });
        assert_eq!(told.collect::<Vec<_>>(), expected);
        let payloads = answers.into_iter().map(|transmit| transmit.payload);
        payloads.collect()
    }

    /// After each step: tables, ports, events and timers agree with the model.
    fn check(&mut self) {
        for (number, shard) in self.shards.iter_mut().enumerate() {
            assert_eq!(shard.poll_transmit(), None, "every answer was expected");
            while let Some(event) = shard.poll_event() {
                match event {
                    Event::OpenRelay { relayed } => {
                        assert!(self.model.to_open.remove(&relayed.0), "{relayed:?}");
                        self.opening.push((number, relayed));
                    }
                    Event::CloseRelay { relayed } => {
                        assert!(self.model.to_close.remove(&relayed.0), "{relayed:?}");
                    }
                }
            }
        }
        assert!(self.model.to_open.is_empty() && self.model.to_close.is_empty());
        for who in 0..CLIENTS {
            let shard = &self.shards[shard_of(who)];
            let held = self.model.held[who].as_ref();
            assert_eq!(
                shard.has_allocation(&self.clients[who].tuple),
                held.is_some()
            );
            let number = u8::try_from(shard_of(who)).expect("there are two");
            for relay in held.iter().flat_map(|held| &held.relays) {
                let owner = self.ports.shard_of(RelayedAddr(relay.address));
                assert_eq!(owner, Some(Shard(number)));
            }
        }
        assert_eq!(self.ports.taken(), self.model.taken(), "no port leaks");
        let held = self.model.held.iter().flatten().count();
        assert_eq!(self.ports.allocations(), held, "no tenant leaks");
        let counted = self.shards.iter().map(|shard| shard.counters().allocations);
        assert_eq!(usize::try_from(counted.sum::<u64>()), Ok(held));
        for (number, shard) in self.shards.iter().enumerate() {
            let due = shard.poll_timeout().map(|(due, _)| due);
            let expected = self.model.due(number);
            // A reserved port can be due before.
            assert!(due <= expected || expected.is_none());
            assert!(due.is_some() || expected.is_none());
        }
    }

    /// When everything has expired and the host has reported, nothing is left.
    fn end(mut self) {
        self.now = self.now.after(Duration::from_secs(4_000));
        for shard in &mut self.shards {
            shard.handle_timeout(self.now);
        }
        self.model.expire(self.now.instant);
        self.check();
        while !self.opening.is_empty() {
            self.settle(0, true);
            self.check();
        }
        assert_eq!(self.ports.taken(), 0);
        assert!(self.shards.iter().all(Server::is_empty));
        let timeouts = self.shards.iter().map(Server::poll_timeout);
        assert!(timeouts.into_iter().all(|timeout| timeout.is_none()));
    }

    fn write(&self, who: usize, id: Id, request: &Request) -> Vec<u8> {
        let method = match request {
            Request::Refresh { .. } => Method::REFRESH,
            Request::Grant(Wish::Permit(_)) => Method::CREATE_PERMISSION,
            Request::Grant(Wish::Bind(..)) => Method::CHANNEL_BIND,
            _ => Method::ALLOCATE,
        };
        let message = MessageBuilder::new(Class::Request, method, transaction(id));
        let client = &self.clients[who];
        let message = write_wish(message, request)
            .attribute(
                AttributeType::USERNAME,
                client.credential.username.as_bytes(),
            )
            .attribute(AttributeType::REALM, REALM.as_bytes())
            .attribute(AttributeType::NONCE, &client.nonce);
        let signed = message.finish(Some(&client.key()), false);
        signed.expect("it is short")
    }

    fn challenge(&mut self, who: usize) -> Vec<u8> {
        let id = transaction(self.next_id());
        let request = MessageBuilder::new(Class::Request, Method::ALLOCATE, id);
        let request = request.finish(None, false).expect("it is short");
        let (tuple, now) = (self.clients[who].tuple, self.now);
        let shard = &mut self.shards[shard_of(who)];
        shard.handle_client(tuple, Run::one(&request), now);
        let challenge = shard.poll_transmit().expect("a challenge").payload;
        let challenge = Message::parse(&challenge).expect("answers are messages");
        let nonce = challenge.attribute(AttributeType::NONCE);
        nonce.expect("a nonce").to_vec()
    }

    fn next_id(&mut self) -> Id {
        self.next_id += 1;
        self.next_id
    }
}

impl Client {
    fn key(&self) -> IntegrityKey {
        IntegrityKey::long_term(&self.credential.username, REALM, &self.credential.password)
    }
}

fn transaction(id: Id) -> TransactionId {
    let mut bytes = [0; TransactionId::LEN];
    bytes[..4].copy_from_slice(&id.to_be_bytes());
    TransactionId::from_bytes(bytes)
}

fn write_wish(message: MessageBuilder, request: &Request) -> MessageBuilder {
    let udp = |message: MessageBuilder| {
        message.attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0])
    };
    let family = |v6: bool| [1 + u8::from(v6), 0, 0, 0];
    match request {
        Request::Allocate { v6, even } => {
            let message = udp(message);
            let message = match v6 {
                true => message.attribute(AttributeType::REQUESTED_ADDRESS_FAMILY, &family(true)),
                false => message,
            };
            match even {
                true => message.attribute(AttributeType::EVEN_PORT, &[0]),
                false => message,
            }
        }
        Request::AllocateBoth => {
            udp(message).attribute(AttributeType::ADDITIONAL_ADDRESS_FAMILY, &family(true))
        }
        Request::AllocatePair => udp(message).attribute(AttributeType::EVEN_PORT, &[0x80]),
        Request::Redeem { token } => {
            udp(message).attribute(AttributeType::RESERVATION_TOKEN, token)
        }
        Request::Refresh { lifetime, v6 } => {
            let message = message.attribute(AttributeType::LIFETIME, &lifetime.to_be_bytes());
            match v6 {
                Some(v6) => {
                    message.attribute(AttributeType::REQUESTED_ADDRESS_FAMILY, &family(*v6))
                }
                None => message,
            }
        }
        Request::Grant(Wish::Permit(peers)) => peers.iter().fold(message, |message, peer| {
            message.xor_address(AttributeType::XOR_PEER_ADDRESS, *peer)
        }),
        Request::Grant(Wish::Bind(number, peer)) => {
            let [n0, n1] = number.to_be_bytes();
            message
                .attribute(AttributeType::CHANNEL_NUMBER, &[n0, n1, 0, 0])
                .xor_address(AttributeType::XOR_PEER_ADDRESS, *peer)
        }
    }
}

/// A framed payload is what a client can read.
fn check_frame(
    frame: &Frame,
    transport: Transport,
    index: usize,
    payload: &[u8],
    from: SocketAddr,
    channel: Option<u16>,
) {
    let head = frame.head(index, payload.len());
    assert_eq!(head.len(), frame.head_len());
    let whole = [&head, payload, frame.padding(payload.len())].concat();
    assert_eq!(frame.channel().map(|channel| channel.number()), channel);
    if let Some(channel) = channel {
        let data = ChannelData::parse(&whole).expect("channel data");
        assert_eq!(data.channel.number(), channel);
        assert_eq!(whole.get(data.payload), Some(payload));
        assert!(transport == Transport::Udp || whole.len().is_multiple_of(4));
    } else {
        let message = Message::parse(&whole).expect("an indication");
        assert_eq!(message.method(), Method::DATA);
        assert_eq!(message.attribute(AttributeType::DATA), Some(payload));
        let peer = message.attribute(AttributeType::XOR_PEER_ADDRESS);
        let peer = peer.and_then(|value| XorAddress::parse(value, message.transaction_id()));
        assert_eq!(peer, Some(from));
    }
}
