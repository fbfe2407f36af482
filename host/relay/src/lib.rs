// SPDX-License-Identifier: MIT OR Apache-2.0
//! The sockets of the TURN server.
//!
//! [`Relay::start`] binds listeners and runs until [`RelayHandle::shutdown`]. All decisions are made by
//! [`hither_stun::Server`]; this crate moves bytes, keeps streams within bounds, and brings time and
//! randomness along. TLS is left to the application, which hands over decrypted streams
//! ([`RelayHandle::serve_stream`]).
//!
//! ```text
//!  udp.rs   listeners and relayed sockets ─┐                  ┌─► udp.rs  send
//!                                          ├─► shard.rs ──────┤
//!  tcp.rs   streams, cut into frames ──────┘   Server, tables └─► tcp.rs  bounded queue of a stream
//! ```
//! The seam for batched system calls is `udp.rs`: it alone receives and sends datagrams, and asks the shard
//! for one decision each.

#![forbid(unsafe_code)]

mod clock;
mod config;
mod shard;
mod tcp;
mod udp;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};

pub use config::{RelayConfig, StartError, StreamLimits};
pub use hither_stun::credential::mint;
pub use hither_stun::server::{ConfigError, Counters, Limits, PortRange};
pub use hither_stun::{SharedSecret, TurnCredential};
pub use shard::RelayCounters;

use shard::Shard;

/// A TURN server that runs on this machine.
#[derive(Debug)]
pub struct Relay;

impl Relay {
    /// Binds all listeners and serves them on the current tokio runtime.
    ///
    /// Must be called inside a runtime with time and I/O enabled.
    pub fn start(config: RelayConfig) -> Result<RelayHandle, StartError> {
        config.check()?;
        let listeners = udp::bind_listeners(&config.listen_udp)?;
        let streams = tcp::bind_listeners(&config.listen_tcp)?;
        let udp_addrs: Vec<_> = listeners.keys().copied().collect();
        let tcp_addrs: Vec<_> = streams.iter().map(|(address, _)| *address).collect();
        let all = udp_addrs.iter().chain(&tcp_addrs).copied().collect();
        let shard = Shard::new(config, all, listeners)?;
        shard.run();
        for (_, listener) in streams {
            shard.spawn(tcp::accept(Arc::clone(&shard), listener));
        }
        Ok(RelayHandle {
            shard,
            udp_addrs,
            tcp_addrs,
        })
    }
}

/// A running relay. It stops when this is dropped.
#[derive(Debug)]
pub struct RelayHandle {
    shard: Arc<Shard>,
    udp_addrs: Vec<SocketAddr>,
    tcp_addrs: Vec<SocketAddr>,
}

impl RelayHandle {
    /// Where UDP is listened for, with the ports that the system chose.
    #[must_use]
    pub fn local_udp_addrs(&self) -> &[SocketAddr] {
        &self.udp_addrs
    }

    /// Where TCP is listened for, with the ports that the system chose.
    #[must_use]
    pub fn local_tcp_addrs(&self) -> &[SocketAddr] {
        &self.tcp_addrs
    }

    /// What happened so far.
    #[must_use]
    pub fn counters(&self) -> RelayCounters {
        self.shard.counters()
    }

    /// Serves TURN over a stream that somebody else accepted, such as one with TLS taken off.
    ///
    /// It counts against the same limits as the relay's own streams; if there is no room, it is closed.
    pub fn serve_stream<S>(&self, stream: S, client: SocketAddr, local: SocketAddr)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        tcp::serve_if_room(&self.shard, stream, client, local);
    }

    /// Closes every socket and waits until all tasks have ended. Allocations are gone then.
    pub async fn shutdown(self) -> RelayCounters {
        self.shard.stop().await;
        self.shard.counters()
    }
}

impl Drop for RelayHandle {
    fn drop(&mut self) {
        self.shard.abort();
    }
}
