// SPDX-License-Identifier: MIT OR Apache-2.0
//! Our relay as a process of its own, as a node runs it, with the bounds raised: all clients of the bench
//! come from one machine, and 50,000 allocations are more than the default allows.

use std::io::Read;
use std::net::SocketAddr;
use std::time::Duration;

use hither_relay::{
    Allowance, Limits, Net, PeerRules, PortRange, Relay, RelayConfig, Secrets, SharedSecret,
};

use crate::BenchError;
use crate::servers::PORTS;
use crate::turn::{REALM, SECRET};

const ALLOCATIONS: usize = 60_000;

/// Serves until standard input ends.
pub(crate) fn serve(listen: SocketAddr) -> Result<(), BenchError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(BenchError::io("start a runtime"))?;
    runtime.block_on(async {
        let relay =
            Relay::start(config(listen)).map_err(|error| BenchError::Start(Box::new(error)))?;
        let end = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0]));
        let ended = end.await;
        relay.shutdown().await;
        ended
            .map_err(std::io::Error::other)
            .and_then(|read| read)
            .map(|_| ())
            .map_err(BenchError::io("wait for the end"))
    })
}

/// Where the generator has its plain sockets.
fn peers() -> Vec<Net> {
    let networks = ["127.0.1.0/24", "127.0.2.0/24"];
    networks.iter().flat_map(|net| net.parse()).collect()
}

fn config(listen: SocketAddr) -> RelayConfig {
    RelayConfig {
        listen_udp: vec![listen],
        listen_tcp: Vec::new(),
        relayed_ips: vec![listen.ip().into()],
        ports: PortRange {
            first: PORTS.0,
            last: PORTS.1,
        },
        realm: REALM.to_owned(),
        limits: Limits {
            max_allocations: ALLOCATIONS,
            max_allocations_per_source: ALLOCATIONS,
            unauthenticated: Allowance::UNLIMITED,
            // coturn's default is an hour too.
            nonce_lifetime: Duration::from_secs(3_600),
            ..Limits::RECOMMENDED
        },
        // As on the Internet: the relay's own address leads to other clients only, and peers are elsewhere.
        peers: PeerRules {
            allow: peers(),
            ..PeerRules::default()
        },
        workers: 1,
        ..RelayConfig::new(Secrets::only(SharedSecret::new(SECRET)))
    }
}
