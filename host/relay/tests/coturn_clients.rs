// SPDX-License-Identifier: MIT OR Apache-2.0
//! coturn's own clients against this relay: another's reading of the RFCs, real sockets, real data.
//!
//! What they cannot try, as Debian has them (4.6.1): MESSAGE-INTEGRITY-SHA256 and USERHASH, which they do not
//! speak; dual allocations (`-Z`), which they ask for under a draft's number (0x8032 for RFC 8656's 0x8000); and
//! the vectors of RFC 5769 (`turnutils_rfc5769check` is left out; it would check coturn, not us).
#![expect(clippy::expect_used, reason = "a test may fail loudly")]

#[path = "coturn_clients/programs.rs"]
mod programs;
mod support;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use hither_relay::{
    Allowance, Behaviour, DatagramPath, Limits, PortRange, Relay, RelayConfig, RelayCounters,
    RelayHandle,
};
use programs::{Uclient, run};
use support::{start, start_with};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

// ---- finding out one's address

#[tokio::test(flavor = "multi_thread")]
async fn stunclient_learns_its_address() {
    let relay = start("127.0.0.1");
    let said = stunclient(&relay).await;
    assert!(said.contains("reflexive addr: 127.0.0.1"), "{said}");
    assert!(relay.shutdown().await.turn.requests_granted > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn stunclient_learns_its_ipv6_address() {
    let relay = start_with(config("::1"));
    let said = stunclient(&relay).await;
    assert!(said.contains("reflexive addr: ::1:"), "{said}");
}

/// RFC 5780. `turnutils_stunclient` explores as well, but asks for answers to another port (RESPONSE-PORT), which
/// this relay sends to nobody.
#[tokio::test(flavor = "multi_thread")]
async fn natdiscovery_finds_that_there_is_no_nat() {
    let (relay, Behaviour { primary, other }) = with_two_addresses();
    let port = primary.port().to_string();
    for padding in [None, Some("-P")] {
        let args = ["-m", "-f", "-p", &port, "127.0.0.1"];
        let args = padding.into_iter().chain(args).map(String::from).collect();
        let said = run("turnutils_natdiscovery", args).await;
        assert!(
            said.contains("NAT with Endpoint Independent Mapping!"),
            "{said}"
        );
        assert!(
            said.contains("NAT with Endpoint Independent Filtering!"),
            "{said}"
        );
        // Filtering is seen only because the address that was not asked has answered.
        assert!(
            said.contains(&format!("Response origin: : {other}")),
            "{said}"
        );
        assert!(!said.contains("timeout"), "{said}");
    }
    let args = [
        "-H",
        "-c",
        "-L",
        "127.0.0.1",
        "-A",
        "127.0.0.3",
        "-p",
        &port,
        "127.0.0.1",
    ];
    let said = run("turnutils_natdiscovery", args.map(String::from).into()).await;
    assert!(said.contains("maybe a successful hairpinning"), "{said}");
    assert!(said.contains("UDP reflexive addr: 127.0.0.3"), "{said}");
    drop(relay);
}

// ---- to a peer, and between clients

#[tokio::test(flavor = "multi_thread")]
async fn channels_over_udp_reach_a_peer() {
    reaches_a_peer("127.0.0.1", &["-c"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn indications_over_udp_reach_a_peer() {
    reaches_a_peer("127.0.0.1", &["-c", "-s"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_over_tcp_reach_a_peer() {
    reaches_a_peer("127.0.0.1", &["-c", "-t"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn indications_over_tcp_reach_a_peer() {
    reaches_a_peer("127.0.0.1", &["-c", "-t", "-s"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_over_udp_between_clients_never_leave_the_relay() {
    stays_inside(config("127.0.0.1"), &["-c"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn indications_over_udp_between_clients_never_leave_the_relay() {
    stays_inside(config("127.0.0.1"), &["-c", "-s"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_over_tcp_between_clients_never_leave_the_relay() {
    stays_inside(config("127.0.0.1"), &["-c", "-t"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn indications_over_tcp_between_clients_never_leave_the_relay() {
    stays_inside(config("127.0.0.1"), &["-c", "-t", "-s"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_without_batches_carries_the_same() {
    at_once([&["-c"][..], &["-c", "-s"]], |flags| {
        let portable = RelayConfig {
            datagrams: DatagramPath::Portable,
            ..config("127.0.0.1")
        };
        stays_inside(portable, flags)
    })
    .await;
}

// ---- pairs of ports

/// Without `-c` every second allocation is for RTCP: a client asks for an even port and for the next one to be
/// kept (EVEN-PORT), and then for that one (RESERVATION-TOKEN). RTCP goes to the peer's next port.
#[tokio::test(flavor = "multi_thread")]
async fn pairs_of_ports_reach_a_peer() {
    at_once([&[][..], &["-s"], &["-t"], &["-t", "-s"]], async |flags| {
        let relay = start("127.0.0.1");
        let client = Uclient {
            peer: Some(pair_of_echoes().await),
            ..Uclient::of(&relay, flags)
        };
        let said = client.run().await;
        let counters = relay.shutdown().await;
        said.assert_complete(80);
        assert_to_peers_and_back(&counters, 80, client.length);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pairs_of_ports_between_clients_never_leave_the_relay() {
    at_once([&[][..], &["-s"], &["-t"]], async |flags| {
        let relay = start("127.0.0.1");
        let said = Uclient::of(&relay, flags).run().await;
        let counters = relay.shutdown().await;
        // Two clients, two allocations each.
        said.assert_complete(160);
        assert_between_clients(&counters, 160);
    })
    .await;
}

// ---- families

#[tokio::test(flavor = "multi_thread")]
async fn an_ipv6_relay_reaches_an_ipv6_peer() {
    let all = [&["-c", "-x"][..], &["-c", "-x", "-s"], &["-c", "-x", "-t"]];
    at_once(all, |flags| reaches_a_peer("::1", flags)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ipv6_between_clients_never_leaves_the_relay() {
    stays_inside(config("::1"), &["-c", "-x"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_may_say_that_it_wants_ipv4() {
    reaches_a_peer("127.0.0.1", &["-c", "-X"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_has_a_relayed_address_of_the_other_family() {
    let relay = start_with(both_families());
    let mut client = Uclient::of(&relay, &["-c", "-x"]);
    client.peer = Some(echo("[::1]:0").await);
    let said = client.run().await;
    let counters = relay.shutdown().await;
    said.assert_complete(80);
    assert_to_peers_and_back(&counters, 80, client.length);
}

// ---- odd ways

#[tokio::test(flavor = "multi_thread")]
async fn dont_fragment_is_understood() {
    let all = [&["-c", "-g"][..], &["-c", "-g", "-s"]];
    at_once(all, |flags| reaches_a_peer("127.0.0.1", flags)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn channel_data_may_be_padded_over_udp_as_well() {
    reaches_a_peer("127.0.0.1", &["-c", "-D"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_everything_several_times_is_served() {
    reaches_a_peer("127.0.0.1", &["-c", "-G"]).await;
}

/// RFC 8016 is not implemented: the ticket that the client asks for is an attribute that may be ignored.
#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_mobility_is_served_without() {
    reaches_a_peer("127.0.0.1", &["-c", "-M"]).await;
}

/// RFC 6062 is not implemented (RFC 8656 §7.2: 442, Unsupported Transport Protocol).
#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_a_tcp_relay_is_told_that_there_is_none() {
    let relay = start("127.0.0.1");
    let said = Uclient::of(&relay, &["-T"]).run().await;
    assert!(said.words.contains("error 442"), "{said:?}");
    let counters = relay.shutdown().await;
    assert_eq!(counters.turn.allocations_made, 0, "{counters:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_messages_arrive_whole() {
    let relay = start("127.0.0.1");
    let mut client = Uclient::of(&relay, &["-c"]);
    client.peer = Some(echo("127.0.0.1:0").await);
    client.length = 1_200;
    let said = client.run().await;
    let counters = relay.shutdown().await;
    said.assert_complete(80);
    assert_to_peers_and_back(&counters, 80, 1_200);
}

// ---- what must not work

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_gets_nothing() {
    let relay = start("127.0.0.1");
    let mut client = Uclient::of(&relay, &["-c"]);
    client.password = "wrong".to_owned();
    let said = client.run().await;
    assert_eq!((said.sent, said.received), (None, None), "{said:?}");
    let counters = relay.shutdown().await;
    assert!(counters.turn.authentication_failures > 0, "{counters:?}");
    assert_eq!(counters.turn.allocations_made, 0, "{counters:?}");
}

/// Without a permission nothing passes, not even from one client of the relay to another (RFC 8656 §9).
#[tokio::test(flavor = "multi_thread")]
async fn who_was_not_permitted_is_not_heard() {
    let relay = start("127.0.0.1");
    let said = Uclient::of(&relay, &["-c", "-s", "-I"]).run().await;
    let counters = relay.shutdown().await;
    assert_eq!((said.sent, said.received), (Some(80), Some(0)), "{said:?}");
    assert_eq!(counters.turn.dropped_without_permission, 80, "{counters:?}");
    assert_eq!(counters.turn.datagrams_between_clients, 0, "{counters:?}");
}

/// The client draws what it damages, and may wait for ever for an answer to it, which it does not get.
#[tokio::test(flavor = "multi_thread")]
async fn damaged_requests_do_not_stop_the_relay() {
    at_once(
        [&["-c", "-N", "-R"][..], &["-c", "-t", "-R"]],
        async |flags| {
            let relay = start("127.0.0.1");
            let mut client = Uclient::of(&relay, flags);
            client.peer = Some(echo("127.0.0.1:0").await);
            while relay.counters().turn.dropped_malformed == 0 {
                let mut program = client.spawn();
                for _ in 0..100 {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    if !program.is_running() || relay.counters().turn.dropped_malformed > 0 {
                        break;
                    }
                }
            }
            still_serves(relay).await;
        },
    )
    .await;
}

/// They allocate and go, or lose their connection, and do so again.
#[tokio::test(flavor = "multi_thread")]
async fn who_comes_and_goes_does_not_stop_the_relay() {
    at_once(
        [&["-c", "-O"][..], &["-c", "-B"], &["-c", "-t", "-B"]],
        async |flags| {
            let relay = start("127.0.0.1");
            let mut clients = Uclient::of(&relay, flags);
            clients.clients = 8;
            clients.run().await;
            let made = relay.counters().turn.allocations_made;
            assert!(made >= 2, "{made}");
            still_serves(relay).await;
        },
    )
    .await;
}

// ---- many

/// One program starts ten clients a second, however fast the relay: ten of them do the work of one.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_clients_lose_nothing() {
    const PROGRAMS: usize = 10;
    let relay = start_with(RelayConfig {
        limits: Limits {
            max_allocations_per_username: 2_000,
            max_allocations_per_source: 2_000,
            // All of them have one address.
            unauthenticated: Allowance::UNLIMITED,
            ..Limits::RECOMMENDED
        },
        ..config("127.0.0.1")
    });
    let clients = Uclient {
        clients: 100,
        messages: 10,
        interval_ms: 200,
        ..Uclient::of(&relay, &["-c"])
    };
    let running: Vec<_> = (0..PROGRAMS)
        .map(|_| {
            let clients = clients.clone();
            tokio::spawn(async move { clients.run().await })
        })
        .collect();
    for said in running {
        said.await.expect("it runs").assert_complete(1_000);
    }
    let counters = relay.shutdown().await;
    assert_between_clients(&counters, 10_000);
    assert!(counters.turn.allocations_made >= 1_000, "{counters:?}");
    // The system shares the clients out among the workers.
    assert!(
        counters.workers < 2 || counters.rings.high_water > 0,
        "{counters:?}"
    );
}

/// Every message goes through the relay to an echo and comes back.
async fn reaches_a_peer(ip: &'static str, flags: &'static [&'static str]) {
    let relay = start(ip);
    let mut client = Uclient::of(&relay, flags);
    client.peer =
        Some(echo(&SocketAddr::new(ip.parse().expect("an address"), 0).to_string()).await);
    let said = client.run().await;
    let counters = relay.shutdown().await;
    let messages = client.clients * client.messages;
    said.assert_complete(messages);
    assert_to_peers_and_back(&counters, messages, client.length);
}

/// Clients send to each other's relayed addresses; no datagram passes a relayed socket.
async fn stays_inside(config: RelayConfig, flags: &'static [&'static str]) {
    let relay = start_with(config);
    let client = Uclient::of(&relay, flags);
    let said = client.run().await;
    let counters = relay.shutdown().await;
    let messages = client.clients * client.messages;
    said.assert_complete(messages);
    assert_between_clients(&counters, messages);
}

fn assert_to_peers_and_back(counters: &RelayCounters, messages: u64, length: u64) {
    assert_nothing_dropped(counters);
    let turn = counters.turn;
    for datagrams in [turn.datagrams_to_peers, turn.datagrams_to_clients] {
        assert!(datagrams >= messages, "{counters:?}");
    }
    for bytes in [turn.bytes_to_peers, turn.bytes_to_clients] {
        assert!(bytes >= messages * length, "{counters:?}");
    }
}

fn assert_between_clients(counters: &RelayCounters, messages: u64) {
    assert_nothing_dropped(counters);
    let turn = counters.turn;
    assert!(turn.datagrams_between_clients >= messages, "{counters:?}");
    let outside = turn.datagrams_to_peers + turn.datagrams_to_clients;
    assert_eq!(outside, 0, "{counters:?}");
}

fn assert_nothing_dropped(counters: &RelayCounters) {
    assert_eq!(counters.dropped_by_queue, 0, "{counters:?}");
    assert_eq!(counters.dropped_by_system, 0, "{counters:?}");
    assert_eq!(counters.dropped_without_socket, 0, "{counters:?}");
    assert_eq!(counters.rings.dropped_datagrams, 0, "{counters:?}");
    assert_eq!(counters.turn.dropped_malformed, 0, "{counters:?}");
}

/// Somebody else, after all that.
async fn still_serves(relay: RelayHandle) {
    assert!(relay.is_healthy());
    Uclient::of(&relay, &["-c"]).run().await.assert_complete(80);
    assert!(relay.is_healthy());
}

/// Most of the time coturn's programs wait; so let them wait together.
async fn at_once<F>(
    all: impl IntoIterator<Item = &'static [&'static str]>,
    each: impl Fn(&'static [&'static str]) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let mut running = JoinSet::new();
    for flags in all {
        running.spawn(each(flags));
    }
    while let Some(ended) = running.join_next().await {
        ended.expect("it went well");
    }
}

/// For IPv6 there is one loopback address, and relays that run at the same time must not draw each other's ports.
fn config(ip: &str) -> RelayConfig {
    const FEW: u16 = 100;
    static NEXT: AtomicU16 = AtomicU16::new(61_000);
    let first = NEXT.fetch_add(FEW, Ordering::Relaxed);
    let ports = PortRange {
        first,
        last: first + FEW - 1,
    };
    let config = support::config(ip);
    match config.relayed_ips.iter().any(|ip| ip.bind.is_ipv6()) {
        true => RelayConfig { ports, ..config },
        false => config,
    }
}

/// Listens on IPv4 and relays for both families.
fn both_families() -> RelayConfig {
    let [first, second] = ["127.0.0.1", "::1"].map(config);
    RelayConfig {
        relayed_ips: [first.relayed_ips, second.relayed_ips].concat(),
        ports: second.ports,
        ..config("127.0.0.1")
    }
}

/// Listens on two ports of two addresses each.
fn with_two_addresses() -> (RelayHandle, Behaviour) {
    // Somebody may take a port between the look and the start.
    for _ in 0..20 {
        let [first, second] = ["127.0.0.1:0", "127.0.0.2:0"]
            .map(|at| std::net::UdpSocket::bind(at).expect("a free port"))
            .map(|socket| socket.local_addr().expect("it is bound"));
        let behaviour = Behaviour {
            primary: first,
            other: second,
        };
        let relay = Relay::start(RelayConfig {
            listen_udp: behaviour.listeners().into(),
            behaviour: Some(behaviour),
            ..config("127.0.0.1")
        });
        if let Ok(relay) = relay {
            return (relay, behaviour);
        }
    }
    unreachable!("twenty times somebody was faster")
}

/// Sends everything back to where it came from.
async fn echo(address: &str) -> SocketAddr {
    let socket = UdpSocket::bind(address).await.expect("a free port");
    let local = socket.local_addr().expect("it is bound");
    tokio::spawn(send_back(socket));
    local
}

/// Two of them, on a port and the next; the first of the two.
async fn pair_of_echoes() -> SocketAddr {
    loop {
        let first = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        let local = first.local_addr().expect("it is bound");
        let next = local.port().checked_add(1);
        let Some(next) = next.map(|port| SocketAddr::new(local.ip(), port)) else {
            continue;
        };
        if let Ok(second) = UdpSocket::bind(next).await {
            tokio::spawn(send_back(first));
            tokio::spawn(send_back(second));
            return local;
        }
    }
}

async fn send_back(socket: UdpSocket) {
    let mut buffer = vec![0; 65_536];
    while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
        socket
            .send_to(&buffer[..length], from)
            .await
            .expect("loopback takes it");
    }
}

async fn stunclient(relay: &RelayHandle) -> String {
    let server = relay.local_udp_addrs()[0];
    let args = ["-p", &server.port().to_string(), &server.ip().to_string()];
    run("turnutils_stunclient", args.map(String::from).into()).await
}
