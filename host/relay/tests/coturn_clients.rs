// SPDX-License-Identifier: MIT OR Apache-2.0
//! coturn's own clients against this relay: another's reading of the RFCs, real sockets, real data.
#![expect(clippy::expect_used, reason = "a test may fail loudly")]

use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hither_relay::{
    Limits, PortRange, Relay, RelayConfig, RelayHandle, SharedSecret, StreamLimits, TurnCredential,
};
use hither_sansio::UnixTime;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use tokio::net::UdpSocket;

#[tokio::test(flavor = "multi_thread")]
async fn stunclient_learns_its_address_over_udp() {
    let relay = start("127.0.0.1");
    let port = relay.local_udp_addrs()[0].port();
    let said = run(
        "turnutils_stunclient",
        &["-p", &port.to_string(), "127.0.0.1"],
    )
    .await;
    assert!(said.contains("reflexive addr: 127.0.0.1"), "{said}");
    assert_eq!(relay.shutdown().await.turn.requests_refused, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn uclient_reaches_an_echo_through_channels_over_udp() {
    let relay = start("127.0.0.1");
    relays_all(&relay, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uclient_reaches_an_echo_through_indications_over_udp() {
    let relay = start("127.0.0.1");
    relays_all(&relay, &["-s"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uclient_reaches_an_echo_through_channels_over_tcp() {
    let relay = start("127.0.0.1");
    relays_all(&relay, &["-t"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uclient_reaches_an_echo_through_indications_over_tcp() {
    let relay = start("127.0.0.1");
    relays_all(&relay, &["-t", "-s"]).await;
}

async fn relays_all(relay: &RelayHandle, flags: &[&str]) {
    let echo = echo("127.0.0.1:0").await;
    let tcp = flags.contains(&"-t");
    let server = if tcp {
        relay.local_tcp_addrs()[0]
    } else {
        relay.local_udp_addrs()[0]
    };
    let credential = credential();
    let (port, echo_port) = (server.port().to_string(), echo.port().to_string());
    let mut args = vec![
        "-c",
        "-u",
        &credential.username,
        "-w",
        &credential.password,
        "-n",
        "50",
        "-z",
        "2",
        "-m",
        "3",
        "-l",
        "171",
        "-e",
        "127.0.0.1",
        "-r",
        &echo_port,
        "-p",
        &port,
    ];
    args.extend(flags);
    args.push("127.0.0.1");
    let said = run("turnutils_uclient", &args).await;
    println!("{said}\n{:?}", relay.counters());
}

const SECRET: &[u8] = b"a secret for tests";

fn start(ip: &str) -> RelayHandle {
    let ip: IpAddr = ip.parse().expect("an address");
    Relay::start(RelayConfig {
        listen_udp: vec![SocketAddr::new(ip, 0)],
        listen_tcp: vec![SocketAddr::new(ip, 0)],
        relayed_ips: vec![ip],
        ports: PortRange::DYNAMIC,
        realm: "hither.test".into(),
        secret: SharedSecret::new(SECRET),
        limits: Limits::default(),
        streams: StreamLimits::default(),
        allow_private_peers: true,
    })
    .expect("the relay starts")
}

fn credential() -> TurnCredential {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    let now = UnixTime::from_secs(now.as_secs());
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    hither_relay::mint(
        &SharedSecret::new(SECRET),
        now,
        Duration::from_secs(600),
        &mut rng,
    )
}

/// Sends everything back to where it came from.
async fn echo(address: &str) -> SocketAddr {
    let socket = UdpSocket::bind(address).await.expect("a port");
    let local = socket.local_addr().expect("bound");
    tokio::spawn(async move {
        let mut buffer = vec![0; 65_536];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            socket.send_to(&buffer[..length], from).await.expect("sent");
        }
    });
    local
}

async fn run(program: &'static str, args: &[&str]) -> String {
    let args: Vec<String> = args.iter().map(ToString::to_string).collect();
    let output = tokio::task::spawn_blocking(move || {
        Command::new(program)
            .args(&args)
            .output()
            .unwrap_or_else(|error| panic!("cannot run {program} ({error}): install the package `coturn`, e.g. `apt-get install coturn`"))
    })
    .await
    .expect("it ends");
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stderr));
    said
}
