// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the sockets add to the machine: bounds on streams, start and stop.
#![expect(clippy::expect_used, reason = "a test may fail loudly")]

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use hither_relay::{
    ConfigError, Relay, RelayConfig, RelayHandle, Secrets, SharedSecret, StartError, StreamLimits,
};
use hither_stun::address::XorAddress;
use hither_stun::attribute::AttributeType;
use hither_stun::framing::Deframer;
use hither_stun::integrity::IntegrityKey;
use hither_stun::message::{Message, MessageBuilder};
use hither_stun::message_type::{Class, Method};
use hither_stun::transaction::TransactionId;
use support::{REALM, config, credential, start};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::time::timeout;

/// Long enough for any machine; nothing waits for it unless it fails.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_stream_that_speaks_something_else_is_closed() {
    let relay = start("127.0.0.1");
    let mut stream = connect(&relay).await;
    stream
        .write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01")
        .await
        .expect("it is open");
    assert_closed(&mut stream).await;
}

#[tokio::test]
async fn a_stream_without_allocation_is_closed_whatever_it_sends() {
    let relay = Relay::start(RelayConfig {
        streams: StreamLimits {
            idle_timeout: Duration::from_millis(300),
            ..StreamLimits::default()
        },
        ..config("127.0.0.1")
    });
    let relay = relay.expect("the relay starts");
    let mut busy = connect(&relay).await;
    let ends = async {
        let binding = binding();
        let mut buffer = [0; 256];
        loop {
            let sent = busy.write_all(&binding).await;
            let received = busy.read(&mut buffer).await;
            if sent.is_err() || !matches!(received, Ok(1..)) {
                return;
            }
        }
    };
    timeout(PATIENCE, ends).await.expect("it is closed");

    // One that never lets the relay wait for it.
    let (mut answers, mut requests) = connect(&relay).await.into_split();
    let many = binding().repeat(1_000);
    let sends = async { while requests.write_all(&many).await.is_ok() {} };
    let mut buffer = vec![0; 64 * 1024];
    let reads = async { while matches!(answers.read(&mut buffer).await, Ok(1..)) {} };
    let ends = async { tokio::join!(sends, reads) };
    timeout(PATIENCE, ends).await.expect("it is closed");
}

#[tokio::test]
async fn a_long_frame_is_for_streams_with_an_allocation() {
    let relay = start("127.0.0.1");
    let long = channel_data(&[7; 60_000]);
    let mut stranger = connect(&relay).await;
    let (head, rest) = long.split_at(4);
    stranger.write_all(head).await.expect("it is open");
    // Its head is enough to be sent away.
    assert_closed(&mut stranger).await;
    drop(stranger);

    let mut stream = connect(&relay).await;
    let relayed = allocate(&mut stream).await;
    let peer = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    let to = peer.local_addr().expect("it is bound");
    bind_channel(&mut stream, to).await;
    let mut received = vec![0; 65_536];
    for _ in 0..3 {
        stream.write_all(head).await.expect("it is open");
        stream.write_all(rest).await.expect("it is open");
        let came = timeout(PATIENCE, peer.recv_from(&mut received)).await;
        let (length, from) = came.expect("in time").expect("a datagram");
        assert_eq!((length, from), (60_000, relayed));
    }
}

#[tokio::test]
async fn a_source_with_all_its_streams_leaves_room_for_others() {
    let relay = Relay::start(RelayConfig {
        streams: StreamLimits {
            max_streams: 3,
            max_streams_per_source: 2,
            ..StreamLimits::default()
        },
        ..config("127.0.0.1")
    });
    let relay = relay.expect("the relay starts");
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = connect(&relay).await;
        allocate(&mut stream).await;
        held.push(stream);
    }
    assert_closed(&mut connect(&relay).await).await;
    let socket = TcpSocket::new_v4().expect("a socket");
    let elsewhere = "127.0.0.2:0".parse().expect("an address");
    socket.bind(elsewhere).expect("a free port");
    let mut other = socket
        .connect(relay.local_tcp_addrs()[0])
        .await
        .expect("it listens");
    allocate(&mut other).await;
    assert_eq!(relay.counters().streams_refused, 1);
}

#[tokio::test]
async fn a_stream_with_an_allocation_stays_open_in_silence() {
    let idle_timeout = Duration::from_millis(100);
    let relay = Relay::start(RelayConfig {
        streams: StreamLimits {
            idle_timeout,
            ..StreamLimits::default()
        },
        ..config("127.0.0.1")
    });
    let relay = relay.expect("the relay starts");
    let mut stream = connect(&relay).await;
    allocate(&mut stream).await;
    // Ten times as long as a stream without one would live.
    let silence = timeout(10 * idle_timeout, stream.read_u8()).await;
    assert!(
        silence.is_err(),
        "nothing came, not even the end: {silence:?}"
    );
    assert_eq!(relay.counters().turn.allocations, 1);
}

#[tokio::test]
async fn an_allocation_ends_with_its_stream() {
    let relay = start("127.0.0.1");
    let mut stream = connect(&relay).await;
    allocate(&mut stream).await;
    assert_eq!(relay.counters().turn.allocations, 1);
    drop(stream);
    let ended = async {
        while relay.counters().turn.allocations > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, ended)
        .await
        .expect("the allocation is gone");
}

#[tokio::test]
async fn more_streams_than_the_bound_are_refused_until_one_ends() {
    let relay = Relay::start(RelayConfig {
        streams: StreamLimits {
            max_streams: 1,
            ..StreamLimits::default()
        },
        ..config("127.0.0.1")
    });
    let relay = relay.expect("the relay starts");
    let mut first = connect(&relay).await;
    allocate(&mut first).await;
    let mut second = connect(&relay).await;
    assert_closed(&mut second).await;
    assert_eq!(relay.counters().streams_refused, 1);
    drop(first);
    let served = async {
        loop {
            let mut third = connect(&relay).await;
            let binding = begin(Method::BINDING, 1)
                .finish(None, false)
                .expect("it is short");
            let sent = third.write_all(&binding).await;
            if sent.is_ok() && third.read_u8().await.is_ok() {
                return;
            }
        }
    };
    timeout(PATIENCE, served)
        .await
        .expect("there is room again");
}

#[tokio::test]
async fn a_client_that_reads_nothing_loses_datagrams_and_then_its_stream() {
    let relay = Relay::start(RelayConfig {
        streams: StreamLimits {
            max_queued_bytes: 64 * 1024,
            write_timeout: Duration::from_millis(200),
            ..StreamLimits::default()
        },
        ..config("127.0.0.1")
    });
    let relay = relay.expect("the relay starts");
    let mut stream = connect(&relay).await;
    let relayed = allocate(&mut stream).await;
    let peer = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    permit(&mut stream, peer.local_addr().expect("it is bound")).await;
    let flood = async {
        while relay.counters().turn.allocations > 0 {
            for _ in 0..50 {
                let sent = peer.send_to(&[7; 8_000], relayed).await;
                // Once the port is closed the system may say so.
                if sent.is_err() {
                    return;
                }
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, flood)
        .await
        .expect("the stream is closed");
    assert!(relay.counters().dropped_by_queue > 0);
}

#[tokio::test]
async fn a_client_that_reads_slowly_keeps_its_stream() {
    let relay = Relay::start(RelayConfig {
        streams: StreamLimits {
            write_timeout: Duration::from_secs(1),
            ..StreamLimits::default()
        },
        ..config("127.0.0.1")
    });
    let relay = relay.expect("the relay starts");
    let (mut ours, theirs) = tokio::io::duplex(256);
    let client = "127.0.0.1:1234".parse().expect("an address");
    relay.serve_stream(theirs, client, relay.local_tcp_addrs()[0]);
    let relayed = allocate(&mut ours).await;
    let peer = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    permit(&mut ours, peer.local_addr().expect("it is bound")).await;
    for _ in 0..40 {
        let sent = peer.send_to(&[7; 1_000], relayed).await;
        sent.expect("loopback takes it");
    }
    // All of it takes several times as long as it may take nothing.
    for _ in 0..40 * 4 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let mut some = [0; 250];
        let read = timeout(PATIENCE, ours.read_exact(&mut some)).await;
        read.expect("in time").expect("it is open");
    }
    assert_eq!(relay.counters().turn.allocations, 1);
}

#[tokio::test]
async fn a_client_of_ipv4_is_one_however_the_system_writes_its_address() {
    let relay = Relay::start(RelayConfig {
        listen_tcp: vec!["[::]:0".parse().expect("an address")],
        ..config("127.0.0.1")
    });
    let relay = relay.expect("the relay starts");
    // That listener is for IPv6 only.
    let port = relay.local_tcp_addrs()[0].port();
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());

    let (mut ours, theirs) = tokio::io::duplex(64 * 1024);
    let client = "[::ffff:192.0.2.1]:1234".parse().expect("an address");
    let local = "[::ffff:192.0.2.2]:443".parse().expect("an address");
    relay.serve_stream(theirs, client, local);
    ours.write_all(&binding()).await.expect("it is open");
    let answer = next_frame(&mut ours).await;
    let answer = Message::parse(&answer).expect("a message");
    let mapped = answer.attribute(AttributeType::XOR_MAPPED_ADDRESS);
    let mapped = mapped.and_then(|value| XorAddress::parse(value, answer.transaction_id()));
    assert_eq!(mapped, "192.0.2.1:1234".parse().ok());
}

#[tokio::test]
async fn a_stream_that_the_application_accepted_is_served() {
    let relay = start("127.0.0.1");
    let (mut ours, theirs) = tokio::io::duplex(64 * 1024);
    let client = "127.0.0.1:1234".parse().expect("an address");
    let local = "127.0.0.1:443".parse().expect("an address");
    relay.serve_stream(theirs, client, local);
    let relayed = allocate(&mut ours).await;
    let peer = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    permit(&mut ours, peer.local_addr().expect("it is bound")).await;
    peer.send_to(b"hello", relayed)
        .await
        .expect("loopback takes it");
    let bytes = next_frame(&mut ours).await;
    let indication = Message::parse(&bytes).expect("a message");
    assert_eq!(
        indication.attribute(AttributeType::DATA),
        Some(&b"hello"[..])
    );
}

#[tokio::test]
async fn garbage_over_udp_is_counted_and_the_next_request_answered() {
    let relay = start("127.0.0.1");
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    socket
        .connect(relay.local_udp_addrs()[0])
        .await
        .expect("an address");
    for garbage in [&b""[..], b"x", &[0xFF; 2_000], &[0x40; 3]] {
        socket.send(garbage).await.expect("loopback takes it");
    }
    let binding = begin(Method::BINDING, 1)
        .finish(None, false)
        .expect("it is short");
    socket.send(&binding).await.expect("loopback takes it");
    let mut buffer = [0; 256];
    let length = timeout(PATIENCE, socket.recv(&mut buffer)).await;
    let length = length.expect("in time").expect("an answer");
    let answer = Message::parse(&buffer[..length]).expect("a message");
    let mapped = answer
        .attribute(AttributeType::XOR_MAPPED_ADDRESS)
        .expect("an address");
    let mapped = XorAddress::parse(mapped, answer.transaction_id());
    assert_eq!(mapped, socket.local_addr().ok());
    assert_eq!(relay.counters().turn.dropped_malformed, 4);
}

#[tokio::test]
async fn after_shutdown_every_port_is_free_and_every_stream_closed() {
    let relay = start("127.0.0.1");
    let (udp, tcp) = (relay.local_udp_addrs()[0], relay.local_tcp_addrs()[0]);
    let mut stream = connect(&relay).await;
    let relayed = allocate(&mut stream).await;
    relay.shutdown().await;
    assert_closed(&mut stream).await;
    for address in [udp, relayed] {
        UdpSocket::bind(address).await.expect("the port is free");
    }
    assert!(TcpStream::connect(tcp).await.is_err());
}

#[tokio::test]
async fn a_dropped_handle_stops_the_relay() {
    let relay = start("127.0.0.1");
    let udp = relay.local_udp_addrs()[0];
    drop(relay);
    let freed = async {
        while UdpSocket::bind(udp).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, freed).await.expect("the port is free");
}

#[tokio::test]
async fn a_relay_that_cannot_start_says_why() {
    let wildcard = RelayConfig {
        listen_udp: vec!["0.0.0.0:0".parse().expect("an address")],
        ..config("127.0.0.1")
    };
    assert!(matches!(
        Relay::start(wildcard),
        Err(StartError::Wildcard { .. })
    ));

    let nothing = RelayConfig {
        listen_udp: vec![],
        listen_tcp: vec![],
        ..config("127.0.0.1")
    };
    assert!(matches!(Relay::start(nothing), Err(StartError::NoListener)));

    let running = start("127.0.0.1");
    let taken = RelayConfig {
        listen_udp: running.local_udp_addrs().to_vec(),
        ..config("127.0.0.1")
    };
    assert!(matches!(
        Relay::start(taken),
        Err(StartError::Bind {
            protocol: "UDP",
            ..
        })
    ));
    let taken = RelayConfig {
        listen_tcp: running.local_tcp_addrs().to_vec(),
        ..config("127.0.0.1")
    };
    assert!(matches!(
        Relay::start(taken),
        Err(StartError::Bind {
            protocol: "TCP",
            ..
        })
    ));

    let secrets = Secrets::only(SharedSecret::new(Vec::new()));
    let open = RelayConfig {
        secrets,
        ..config("127.0.0.1")
    };
    assert!(matches!(
        Relay::start(open),
        Err(StartError::Config(ConfigError::Secret))
    ));
}

async fn connect(relay: &RelayHandle) -> TcpStream {
    let address = relay.local_tcp_addrs()[0];
    TcpStream::connect(address).await.expect("it listens")
}

async fn assert_closed(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    let ended = timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    // An end or a reset: closed either way.
    ended.expect("it is closed").ok();
}

fn binding() -> Vec<u8> {
    let request = begin(Method::BINDING, 1).finish(None, false);
    request.expect("it is short")
}

fn begin(method: Method, id: u8) -> MessageBuilder {
    MessageBuilder::new(Class::Request, method, TransactionId::from_bytes([id; 12]))
}

/// Asks, is challenged, asks again; the relayed address.
async fn allocate(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> SocketAddr {
    let answer = ask(stream, Method::ALLOCATE, |request| {
        request.attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0])
    })
    .await;
    let answer = Message::parse(&answer).expect("a message");
    let relayed = answer
        .attribute(AttributeType::XOR_RELAYED_ADDRESS)
        .expect("an address");
    XorAddress::parse(relayed, answer.transaction_id()).expect("an address")
}

async fn bind_channel(stream: &mut TcpStream, peer: SocketAddr) {
    let answer = ask(stream, Method::CHANNEL_BIND, |request| {
        request
            .attribute(AttributeType::CHANNEL_NUMBER, &[0x40, 1, 0, 0])
            .xor_address(AttributeType::XOR_PEER_ADDRESS, peer)
    })
    .await;
    let answer = Message::parse(&answer).expect("a message");
    assert_eq!(answer.class(), Class::Success);
}

/// On the channel that [`bind_channel`] binds.
fn channel_data(payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("it fits");
    [&[0x40, 1], &length.to_be_bytes()[..], payload].concat()
}

async fn permit(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), peer: SocketAddr) {
    let answer = ask(stream, Method::CREATE_PERMISSION, |request| {
        request.xor_address(AttributeType::XOR_PEER_ADDRESS, peer)
    })
    .await;
    let answer = Message::parse(&answer).expect("a message");
    assert_eq!(answer.class(), Class::Success);
}

async fn ask(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    method: Method,
    attributes: impl FnOnce(MessageBuilder) -> MessageBuilder,
) -> Vec<u8> {
    let first = begin(method, 1).finish(None, false).expect("it is short");
    stream.write_all(&first).await.expect("it is open");
    let challenge = next_frame(stream).await;
    let challenge = Message::parse(&challenge).expect("a message");
    let nonce = challenge.attribute(AttributeType::NONCE).expect("a nonce");
    let who = credential();
    let second = attributes(begin(method, 2))
        .attribute(AttributeType::USERNAME, who.username.as_bytes())
        .attribute(AttributeType::REALM, REALM.as_bytes())
        .attribute(AttributeType::NONCE, nonce);
    let key = IntegrityKey::long_term(&who.username, REALM, &who.password);
    let second = second.finish(Some(&key), true).expect("it is short");
    stream.write_all(&second).await.expect("it is open");
    next_frame(stream).await
}

async fn next_frame(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut deframer = Deframer::new();
    loop {
        let byte = timeout(PATIENCE, stream.read_u8()).await;
        deframer.push(&[byte.expect("in time").expect("it is open")]);
        if let Some(frame) = deframer.next_frame().expect("frames") {
            return frame.to_vec();
        }
    }
}
