// SPDX-License-Identifier: MIT OR Apache-2.0
//! A relay on loopback, a credential for it, and what it counted when you press Ctrl-C.
//!
//! `cargo run -p hither-relay --example embed_the_relay`
#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hither_relay::{PeerRules, Relay, RelayConfig, Secrets, SharedSecret, mint};
use hither_sansio::UnixTime;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    let mut rng = ChaCha20Rng::from_seed(seed);
    let secret = SharedSecret::random(&mut rng);

    let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let relay = Relay::start(RelayConfig {
        listen_udp: vec![loopback],
        listen_tcp: vec![loopback],
        relayed_ips: vec![loopback.ip().into()],
        realm: "example".into(),
        peers: PeerRules {
            private: true,
            ..PeerRules::default()
        },
        ..RelayConfig::new(Secrets::only(secret.clone()))
    })?;

    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let now = UnixTime::from_secs(now.as_secs());
    let credential = mint(&secret, now, Duration::from_secs(3_600), &mut rng);
    println!("udp {}", relay.local_udp_addrs()[0]);
    println!("tcp {}", relay.local_tcp_addrs()[0]);
    println!("username {}", credential.username);
    println!("password {}", credential.password);

    tokio::signal::ctrl_c().await?;
    println!("{:#?}", relay.shutdown().await);
    Ok(())
}
