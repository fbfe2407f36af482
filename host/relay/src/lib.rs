// SPDX-License-Identifier: MIT OR Apache-2.0
//! The sockets and cores of the TURN server.
//!
//! [`Relay::start`] binds listeners and runs until [`RelayHandle::shutdown`]. All decisions are made by
//! [`hither_stun::Server`]; this crate moves bytes, keeps streams within bounds, and brings time and
//! randomness along. TLS is left to the application, which hands over decrypted streams
//! ([`RelayHandle::serve_stream`]).
//!
//! ```text
//!   clients, peers            one worker a core: worker.rs                          clients, peers
//!  ───────────────► datagram ─► Inbox ─► router.rs: Server decides ─► Outbox ─► datagram ───────►
//!                                 ▲            │        │
//!   streams: tcp.rs ── frames ────┤            │        └────────► bounded queue of a stream ───►
//!   other workers ──── runs ──────┘            └─► ring of another worker
//!                  mailbox.rs
//! ```
//! The kernel steers each client to one worker (SO_REUSEPORT), which has its sockets, its allocations and a
//! [`hither_stun::Server`] to itself. What goes to a client of another worker travels through a bounded ring.

#![forbid(unsafe_code)]

mod clock;
mod config;
mod counters;
mod datagram;
mod mailbox;
mod per_source;
mod router;
mod start;
mod tcp;
mod worker;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio::time::timeout;

pub use config::{
    Buffers, DatagramPath, MAX_WORKERS, RelayConfig, RelayedIp, StartError, StreamLimits,
};
pub use counters::{DatagramCounters, RelayCounters, RingCounters};
pub use hither_stun::credential::mint;
pub use hither_stun::server::{
    Allowance, Behaviour, ConfigError, Counters, Limits, Net, NetError, PeerRules, PortRange,
    Reload,
};
pub use hither_stun::{Secrets, SharedSecret, TurnCredential};
pub use start::Granted;

use hither_stun::server::RelayedPorts;
use mailbox::{Control, Mailbox};
use tcp::Streams;

/// How often a relay that drains looks whether it is empty.
const DRAIN_PAUSE: Duration = Duration::from_millis(50);

/// A TURN server that runs on this machine.
#[derive(Debug)]
pub struct Relay;

impl Relay {
    /// Binds all listeners and serves them: datagrams in threads of the relay's own, streams on the current
    /// tokio runtime.
    ///
    /// Must be called inside a runtime with time and I/O enabled.
    pub fn start(config: RelayConfig) -> Result<RelayHandle, StartError> {
        start::start(&config)
    }
}

/// A running relay. It stops when this is dropped.
#[derive(Debug)]
pub struct RelayHandle {
    workers: Arc<[Arc<Mailbox>]>,
    threads: Vec<JoinHandle<()>>,
    streams: Arc<Streams>,
    udp_addrs: Vec<SocketAddr>,
    tcp_addrs: Vec<SocketAddr>,
    granted: Granted,
    /// Who has which allocation.
    ports: Arc<RelayedPorts>,
    /// The workers' listeners once more. The system picks a client's worker by how many sockets there are: if one went
    /// with its worker, the clients of the others would come to strangers.
    _listeners: Vec<socket2::Socket>,
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

    /// What the system granted of what was asked for.
    #[must_use]
    pub const fn granted(&self) -> &Granted {
        &self.granted
    }

    /// What happened so far. Each worker is asked and answers within a turn of its loop.
    #[must_use]
    pub fn counters(&self) -> RelayCounters {
        let mut sum = RelayCounters {
            streams_served: self.streams.served.load(Ordering::Relaxed),
            streams_refused: self.streams.refused.load(Ordering::Relaxed),
            ..RelayCounters::default()
        };
        for worker in &*self.workers {
            sum.add(&worker.counters(), &worker.ring_counters());
            sum.workers += u64::from(!worker.is_closed());
        }
        sum
    }

    /// Whether all workers run. One that panicked does not come back; what it had is lost.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.workers.iter().all(|worker| !worker.is_closed())
    }

    /// Serves TURN over a stream that somebody else accepted, such as one with TLS taken off.
    ///
    /// It counts against the same limits as the relay's own streams; if there is no room, it is closed.
    pub fn serve_stream<S>(&self, stream: S, client: SocketAddr, local: SocketAddr)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.streams.serve_if_room(stream, client, local);
    }

    /// Takes over other secrets, bounds and rules; allocations stay. If they cannot work, everything stays as it was.
    pub async fn reload(&self, reload: Reload) -> Result<(), ConfigError> {
        for worker in &*self.workers {
            let (taken, answer) = oneshot::channel();
            let reload = Box::new(reload.clone());
            worker.send(Control::Reload { reload, taken });
            // A worker that is gone has nothing to reload; whether the others can is the same for all.
            answer.await.unwrap_or(Ok(()))?;
        }
        Ok(())
    }

    /// Sends new clients to the alternative of their address family, or away if there is none, and waits until
    /// the last allocation has ended or `patience` has; true if none is left. Existing ones go on all the while.
    pub async fn drain(&self, alternatives: Vec<SocketAddr>, patience: Duration) -> bool {
        let emptied = async {
            for worker in &*self.workers {
                let (heard, answer) = oneshot::channel();
                let alternatives = alternatives.clone();
                worker.send(Control::Drain {
                    alternatives,
                    heard,
                });
                // A worker that is gone makes no allocations.
                answer.await.ok();
            }
            while self.allocations() > 0 {
                tokio::time::sleep(DRAIN_PAUSE).await;
            }
        };
        timeout(patience, emptied).await.is_ok()
    }

    /// How many allocations there are, without those that workers had who are gone.
    fn allocations(&self) -> usize {
        let gone = self.workers.iter().filter(|worker| worker.is_closed());
        let lost: u64 = gone.map(|worker| worker.counters().turn.allocations).sum();
        let lost = usize::try_from(lost).unwrap_or(usize::MAX);
        self.ports.allocations().saturating_sub(lost)
    }

    /// Closes every socket and waits until all tasks and threads have ended. Allocations are gone then.
    pub async fn shutdown(mut self) -> RelayCounters {
        self.streams.stop().await;
        self.stop_workers();
        let threads = std::mem::take(&mut self.threads);
        let joined = tokio::task::spawn_blocking(|| {
            for thread in threads {
                // It said so itself if it panicked.
                thread.join().ok();
            }
        });
        joined.await.ok();
        let mut counters = self.counters();
        counters.turn.allocations = 0;
        counters.relay_sockets = 0;
        counters
    }

    fn stop_workers(&self) {
        for worker in &*self.workers {
            worker.send(Control::Stop);
        }
    }
}

impl Drop for RelayHandle {
    fn drop(&mut self) {
        self.streams.abort();
        self.stop_workers();
    }
}
