// SPDX-License-Identifier: MIT OR Apache-2.0
//! A storm of strangers leaves nothing behind: the memory in use is the same after it as before. Alone in its
//! process, whose memory it counts.
#![expect(clippy::expect_used, reason = "a test may fail loudly")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hither_sansio::{Duration, Now, UnixTime};
use hither_stun::attribute::AttributeType;
use hither_stun::credential::{Secrets, SharedSecret};
use hither_stun::integrity::IntegrityKey;
use hither_stun::message::{Message, MessageBuilder};
use hither_stun::message_type::{Class, Method};
use hither_stun::server::{
    Config, Decision, FiveTuple, Limits, PeerRules, PortRange, RelayedPorts, Run, Server, Shard,
    Transport,
};
use hither_stun::transaction::TransactionId;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

/// Sources in one storm; every one of them another.
const SOURCES: u32 = 20_000;

/// The system's allocator, and how many bytes it has given out.
struct Counting(AtomicUsize);

#[global_allocator]
static ALLOCATOR: Counting = Counting(AtomicUsize::new(0));

#[expect(unsafe_code, reason = "an allocator cannot be written without")]
// SAFETY: every call goes to the system's allocator with the same arguments; counting touches no memory of theirs.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.0.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps to the contract of this very function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        self.0.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps to the contract of this very function.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[test]
fn strangers_leave_nothing_behind() {
    let mut relay = Relay::new();
    // What is allocated once and kept, such as queues, is there after the first.
    relay.storm(0..100);
    let before = ALLOCATOR.0.load(Ordering::Relaxed);
    let answered = relay.storm(100..SOURCES);
    let after = ALLOCATOR.0.load(Ordering::Relaxed);
    assert_eq!(after, before, "bytes in use");
    // They were not merely ignored.
    assert!(answered > SOURCES, "{answered}");
    let counters = relay.server.counters();
    assert!(counters.dropped_malformed >= u64::from(SOURCES));
    assert!(counters.authentication_failures > 0);
    assert!(counters.dropped_by_throttle > 0);
    assert_eq!(counters.allocations, 0);
    assert_eq!(relay.server.poll_timeout(), None);
    assert_eq!(relay.server.poll_event(), None);
}

struct Relay {
    server: Server<ChaCha20Rng>,
    now: Now,
}

impl Relay {
    fn new() -> Self {
        let ip = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1));
        let config = Config {
            realm: "storm".into(),
            secrets: Secrets::only(SharedSecret::new(*b"shared")),
            relayed_ips: vec![ip],
            ports: PortRange::DYNAMIC,
            listeners: vec![SocketAddr::new(ip, 3478)],
            own_ips: Vec::new(),
            dont_fragment: false,
            service_ports: Vec::new(),
            peers: PeerRules::default(),
            behaviour: None,
            limits: Limits::RECOMMENDED,
        };
        let now = Now {
            unix: UnixTime::from_secs(1_000),
            ..Now::default()
        };
        let ports = Arc::new(RelayedPorts::new(&[ip], PortRange::DYNAMIC));
        let rng = ChaCha20Rng::seed_from_u64(1);
        let server = Server::new(config, Shard(0), ports, rng, now);
        Self {
            server: server.expect("the configuration is right"),
            now,
        }
    }

    /// From each source one of everything that needs no credential, and a guess; how much was answered.
    fn storm(&mut self, sources: core::ops::Range<u32>) -> u32 {
        let mut answered = 0;
        for source in sources {
            self.now = self.now.after(Duration::from_millis(1));
            let from = FiveTuple {
                client: SocketAddr::new(Ipv4Addr::from_bits(0x0900_0000 + source).into(), 1_000),
                local: SocketAddr::new(Ipv4Addr::new(198, 51, 100, 1).into(), 3478),
                transport: Transport::Udp,
            };
            let begin = |method| {
                let mut id = [0; 12];
                for (to, byte) in id.iter_mut().zip(source.to_be_bytes()) {
                    *to = byte;
                }
                MessageBuilder::new(Class::Request, method, TransactionId::from_bytes(id))
            };
            let finish =
                |message: MessageBuilder| message.finish(None, false).expect("it is short");
            for method in [Method::BINDING, Method::REFRESH] {
                answered += u32::from(self.hear(from, &finish(begin(method))).is_some());
            }
            let asked = begin(Method::ALLOCATE)
                .attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
            let challenge = self.hear(from, &finish(asked.clone()));
            self.hear(from, b"\x01 not STUN");
            // A few guess many times.
            let Some(nonce) = challenge.filter(|_| source < 300) else {
                continue;
            };
            let guess = asked
                .attribute(AttributeType::USERNAME, b"2000:x")
                .attribute(AttributeType::REALM, b"storm")
                .attribute(AttributeType::NONCE, &nonce);
            let key = IntegrityKey::long_term("2000:x", "storm", "a guess");
            let guess = guess.finish(Some(&key), false).expect("it is short");
            for _ in 0..100 {
                self.hear(from, &guess);
            }
        }
        answered
    }

    /// Hands bytes in; the nonce of the answer, or nothing in its place, if there is one.
    fn hear(&mut self, from: FiveTuple, bytes: &[u8]) -> Option<Vec<u8>> {
        let decision = self.server.handle_client(from, Run::one(bytes), self.now);
        assert_eq!(decision, Decision::Keep);
        let transmit = self.server.poll_transmit()?;
        let answer = Message::parse(&transmit.payload).expect("answers are messages");
        let nonce = answer.attribute(AttributeType::NONCE);
        Some(nonce.unwrap_or_default().to_vec())
    }
}
