// SPDX-License-Identifier: MIT OR Apache-2.0
//! coturn's own clients against this relay: another's reading of the RFCs, real sockets, real data.
#![expect(clippy::expect_used, clippy::panic, reason = "a test may fail loudly")]

mod support;

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use hither_relay::{RelayCounters, RelayHandle};
use support::{credential, start};
use tokio::net::UdpSocket;

const CLIENTS: u64 = 2;
const MESSAGES: u64 = 40;
/// Odd, so that streams need padding.
const MESSAGE_LEN: u64 = 171;

#[tokio::test(flavor = "multi_thread")]
async fn stunclient_learns_its_address() {
    let relay = start("127.0.0.1");
    let port = relay.local_udp_addrs()[0].port().to_string();
    let said = run("turnutils_stunclient", &["-p", &port, "127.0.0.1"]).await;
    assert!(said.contains("reflexive addr: 127.0.0.1"), "{said}");
    assert!(relay.shutdown().await.turn.requests_granted > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn stunclient_learns_its_ipv6_address() {
    let relay = start("::1");
    let port = relay.local_udp_addrs()[0].port().to_string();
    let said = run("turnutils_stunclient", &["-p", &port, "::1"]).await;
    assert!(
        said.contains("reflexive addr: [::1]") || said.contains("reflexive addr: ::1"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_over_udp_reach_a_peer() {
    reaches_a_peer("127.0.0.1", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn indications_over_udp_reach_a_peer() {
    reaches_a_peer("127.0.0.1", &["-s"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_over_tcp_reach_a_peer() {
    reaches_a_peer("127.0.0.1", &["-t"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn indications_over_tcp_reach_a_peer() {
    reaches_a_peer("127.0.0.1", &["-t", "-s"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ipv6_relay_reaches_an_ipv6_peer() {
    reaches_a_peer("::1", &["-x"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_over_udp_between_clients_never_leave_the_relay() {
    stays_inside(&["-y"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn indications_over_udp_between_clients_never_leave_the_relay() {
    stays_inside(&["-y", "-s"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_over_tcp_between_clients_never_leave_the_relay() {
    stays_inside(&["-y", "-t"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn indications_over_tcp_between_clients_never_leave_the_relay() {
    stays_inside(&["-y", "-t", "-s"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_gets_nothing() {
    let relay = start("127.0.0.1");
    let said = uclient(&relay, "127.0.0.1", "wrong", &["-e", "127.0.0.1"]).await;
    assert!(!said.contains("Total lost packets"), "{said}");
    let counters = relay.shutdown().await;
    assert!(counters.turn.authentication_failures > 0, "{counters:?}");
    assert_eq!(counters.turn.allocations_made, 0, "{counters:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_and_wrong_requests_do_not_stop_the_relay() {
    let relay = start("127.0.0.1");
    for flags in [["-N", "-R"], ["-t", "-R"]] {
        let mut args = arguments(&relay, &credential().password, &flags);
        args.extend(["-e", "127.0.0.1", "127.0.0.1"].map(String::from));
        let program = Command::new("turnutils_uclient")
            .args(&args)
            .stdout(Stdio::null())
            .spawn();
        let mut program = program.unwrap_or_else(|error| missing("turnutils_uclient", &error));
        // It waits for ever for answers to garbage, which it does not get.
        tokio::time::sleep(Duration::from_secs(3)).await;
        program.kill().expect("it can be stopped");
        program.wait().expect("it ends");
    }
    let turn = relay.counters().turn;
    assert!(
        turn.dropped_malformed + turn.requests_refused > 0,
        "{turn:?}"
    );
    let port = relay.local_udp_addrs()[0].port().to_string();
    let said = run("turnutils_stunclient", &["-p", &port, "127.0.0.1"]).await;
    assert!(said.contains("reflexive addr: 127.0.0.1"), "{said}");
}

/// Clients send to each other's relayed addresses; no datagram passes a relayed socket.
async fn stays_inside(flags: &[&str]) {
    let relay = start("127.0.0.1");
    let said = uclient(&relay, "127.0.0.1", &credential().password, flags).await;
    let counters = relay.shutdown().await;
    assert_nothing_lost(&said, &counters);
    let turn = counters.turn;
    assert!(
        turn.datagrams_between_clients >= CLIENTS * MESSAGES,
        "{counters:?}"
    );
    assert_eq!(
        turn.datagrams_to_peers + turn.datagrams_to_clients,
        0,
        "{counters:?}"
    );
}

/// Every message goes through the relay to an echo and comes back.
async fn reaches_a_peer(ip: &str, flags: &[&str]) {
    let relay = start(ip);
    let echo = echo(&SocketAddr::new(ip.parse().expect("an address"), 0).to_string()).await;
    let port = echo.port().to_string();
    let flags = [&["-e", ip, "-r", &port], flags].concat();
    let said = uclient(&relay, ip, &credential().password, &flags).await;
    let counters = relay.shutdown().await;
    assert_nothing_lost(&said, &counters);
    let turn = counters.turn;
    for datagrams in [turn.datagrams_to_peers, turn.datagrams_to_clients] {
        assert!(datagrams >= CLIENTS * MESSAGES, "{counters:?}");
    }
    for bytes in [turn.bytes_to_peers, turn.bytes_to_clients] {
        assert!(bytes >= CLIENTS * MESSAGES * MESSAGE_LEN, "{counters:?}");
    }
}

fn assert_nothing_lost(said: &str, counters: &RelayCounters) {
    let sent = CLIENTS * MESSAGES;
    assert!(
        said.contains("Total lost packets 0 (0.000000%)"),
        "{said}\n{counters:?}"
    );
    let all = format!("tot_send_msgs={sent}, tot_recv_msgs={sent}");
    assert!(said.contains(&all), "{said}\n{counters:?}");
    assert_eq!(counters.dropped_by_queue, 0, "{counters:?}");
    assert_eq!(counters.dropped_by_system, 0, "{counters:?}");
    assert_eq!(counters.turn.dropped_malformed, 0, "{counters:?}");
}

/// Runs coturn's load client: `CLIENTS` × `MESSAGES`, one every 5 ms.
async fn uclient(relay: &RelayHandle, ip: &str, password: &str, flags: &[&str]) -> String {
    let mut args = arguments(relay, password, flags);
    args.push(ip.to_owned());
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    run("turnutils_uclient", &args).await
}

fn arguments(relay: &RelayHandle, password: &str, flags: &[&str]) -> Vec<String> {
    let server = match flags.contains(&"-t") {
        true => relay.local_tcp_addrs()[0],
        false => relay.local_udp_addrs()[0],
    };
    let username = credential().username;
    let (port, clients) = (server.port().to_string(), CLIENTS.to_string());
    let (messages, length) = (MESSAGES.to_string(), MESSAGE_LEN.to_string());
    let mut args = vec!["-c", "-u", &username, "-w", password, "-p", &port];
    args.extend(["-m", &clients, "-n", &messages, "-l", &length, "-z", "5"]);
    args.extend(flags);
    args.into_iter().map(String::from).collect()
}

/// Sends everything back to where it came from.
async fn echo(address: &str) -> SocketAddr {
    let socket = UdpSocket::bind(address).await.expect("a free port");
    let local = socket.local_addr().expect("it is bound");
    tokio::spawn(async move {
        let mut buffer = vec![0; 65_536];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            socket
                .send_to(&buffer[..length], from)
                .await
                .expect("loopback takes it");
        }
    });
    local
}

/// Runs a program to its end; what it said.
async fn run(program: &'static str, args: &[&str]) -> String {
    let args: Vec<String> = args.iter().map(ToString::to_string).collect();
    let output = tokio::task::spawn_blocking(move || {
        let output = Command::new(program).args(&args).output();
        output.unwrap_or_else(|error| missing(program, &error))
    });
    let output = output.await.expect("it runs");
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&said).into_owned()
}

fn missing(program: &str, error: &std::io::Error) -> ! {
    panic!(
        "cannot run {program} ({error}): \
         install the package coturn, for example with `apt-get install coturn`"
    )
}
