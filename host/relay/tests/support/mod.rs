// SPDX-License-Identifier: MIT OR Apache-2.0
//! A relay on a loopback address, and credentials for it.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hither_relay::{
    PeerRules, PortRange, Relay, RelayConfig, RelayHandle, Secrets, SharedSecret, TurnCredential,
    mint,
};
use hither_sansio::UnixTime;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

pub(crate) const REALM: &str = "hither.test";
const SECRET: &[u8] = b"a secret for tests";

pub(crate) fn config(ip: &str) -> RelayConfig {
    let ip: IpAddr = ip.parse().expect("an address");
    RelayConfig {
        listen_udp: vec![SocketAddr::new(ip, 0)],
        listen_tcp: vec![SocketAddr::new(ip, 0)],
        relayed_ips: vec![relayed_ip(ip).into()],
        // Above what the system gives to sockets that name no port: those of the tests are many.
        ports: PortRange {
            first: 61_000,
            last: 65_535,
        },
        realm: REALM.into(),
        peers: PeerRules {
            private: true,
            ..PeerRules::default()
        },
        ..RelayConfig::new(Secrets::only(SharedSecret::new(SECRET)))
    }
}

/// An address of this machine that no other relay of the tests has: they run at the same time, and must not draw each
/// other's ports.
fn relayed_ip(ip: IpAddr) -> IpAddr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [.., high, low] = std::process::id().to_be_bytes();
    match ip.is_ipv4() {
        true => [127, high | 128, low, NEXT.fetch_add(1, Ordering::Relaxed)].into(),
        false => ip,
    }
}

pub(crate) fn start(ip: &str) -> RelayHandle {
    start_with(config(ip))
}

pub(crate) fn start_with(config: RelayConfig) -> RelayHandle {
    Relay::start(config).expect("the relay starts")
}

/// Good for ten minutes.
pub(crate) fn credential() -> TurnCredential {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = UnixTime::from_secs(now.expect("it is after 1970").as_secs());
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let secret = SharedSecret::new(SECRET);
    mint(&secret, now, Duration::from_secs(600), &mut rng)
}
