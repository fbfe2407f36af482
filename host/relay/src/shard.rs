// SPDX-License-Identifier: MIT OR Apache-2.0
//! One server, the sockets it decides about, and the tasks that wait on them.
//!
//! The server is locked for one decision at a time, never across a system call or an await.

use std::collections::BTreeMap;
use std::fmt;
use std::io::IoSlice;
use std::mem;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use hither_stun::server::{
    self, Counters, Decision, Event, FiveTuple, PeerAddr, RelayedAddr, RelayedPorts, Run, Server,
    Transport,
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use tokio::net::UdpSocket;
use tokio::sync::{Notify, Semaphore};
use tokio::task::{AbortHandle, JoinSet};

use crate::clock::Clock;
use crate::config::{RelayConfig, StartError, StreamLimits};
use crate::tcp::WriteQueue;
use crate::udp;

/// What happened since the relay was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RelayCounters {
    /// What the machine saw.
    pub turn: Counters,
    /// Streams that were served.
    pub streams_served: u64,
    /// Streams that were closed at once because there were too many.
    pub streams_refused: u64,
    /// Frames for slow streams that were dropped.
    pub dropped_by_queue: u64,
    /// Datagrams that the system did not take.
    pub dropped_by_system: u64,
    /// Relayed sockets that could not be opened.
    pub relay_sockets_failed: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) streams_served: AtomicU64,
    pub(crate) streams_refused: AtomicU64,
    pub(crate) dropped_by_queue: AtomicU64,
    pub(crate) dropped_by_system: AtomicU64,
    pub(crate) relay_sockets_failed: AtomicU64,
}

#[derive(Debug)]
struct RelaySocket {
    socket: Arc<UdpSocket>,
    task: AbortHandle,
}

#[derive(Debug)]
struct Tasks {
    running: JoinSet<()>,
    is_stopped: bool,
}

pub(crate) struct Shard {
    server: Mutex<Server<ChaCha20Rng>>,
    clock: Clock,
    listeners: BTreeMap<SocketAddr, Arc<UdpSocket>>,
    relay_sockets: RwLock<BTreeMap<RelayedAddr, RelaySocket>>,
    streams: RwLock<BTreeMap<FiveTuple, WriteQueue>>,
    tasks: Mutex<Tasks>,
    /// Told when the earliest time-out may have changed.
    timer: Notify,
    pub(crate) tally: Tally,
    pub(crate) stream_limits: StreamLimits,
    pub(crate) stream_room: Arc<Semaphore>,
}

impl Shard {
    pub(crate) fn new(
        config: RelayConfig,
        all_listeners: Vec<SocketAddr>,
        listeners: BTreeMap<SocketAddr, Arc<UdpSocket>>,
    ) -> Result<Arc<Self>, StartError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)?;
        let clock = Clock::start();
        let stream_limits = config.streams;
        let ports = RelayedPorts::new(&config.relayed_ips, config.ports);
        let server = Server::new(
            config.into_machine(all_listeners),
            server::Shard(0),
            Arc::new(ports),
            ChaCha20Rng::from_seed(seed),
            clock.now(),
        )?;
        let max_streams = stream_limits.max_streams.min(Semaphore::MAX_PERMITS);
        Ok(Arc::new(Self {
            server: Mutex::new(server),
            clock,
            listeners,
            relay_sockets: RwLock::default(),
            streams: RwLock::default(),
            tasks: Mutex::new(Tasks {
                running: JoinSet::new(),
                is_stopped: false,
            }),
            timer: Notify::new(),
            tally: Tally::default(),
            stream_limits,
            stream_room: Arc::new(Semaphore::new(max_streams)),
        }))
    }

    /// Starts to receive on the UDP listeners, and to expire allocations.
    pub(crate) fn run(self: &Arc<Self>) {
        self.spawn(expire(Arc::clone(self)));
        for (local, socket) in &self.listeners {
            let (shard, socket, local) = (Arc::clone(self), Arc::clone(socket), *local);
            self.spawn(async move {
                udp::receive(&socket, |client, bytes| {
                    let transport = Transport::Udp;
                    shard.handle_client(
                        FiveTuple {
                            client,
                            local,
                            transport,
                        },
                        bytes,
                    );
                })
                .await;
            });
        }
    }

    /// One datagram, or one frame of a stream, from a client.
    pub(crate) fn handle_client(self: &Arc<Self>, client: FiveTuple, bytes: &[u8]) {
        let now = self.clock.now();
        let decision = self.server().handle_client(client, Run::one(bytes), now);
        match decision {
            Decision::Keep => self.drain(),
            forward => self.forward(forward, bytes),
        }
    }

    /// One datagram from a peer.
    fn handle_peer(&self, relayed: RelayedAddr, peer: PeerAddr, bytes: &[u8]) {
        let now = self.clock.now();
        let decision = self
            .server()
            .handle_peer(relayed, peer, Run::one(bytes), now);
        self.forward(decision, bytes);
    }

    /// Announces a stream's queue; false if there is one for this client already.
    pub(crate) fn connect(&self, client: FiveTuple, queue: WriteQueue) -> bool {
        let mut streams = self.streams.write().unwrap_or_else(PoisonError::into_inner);
        if streams.contains_key(&client) {
            return false;
        }
        streams.insert(client, queue);
        true
    }

    /// A stream that was announced has ended.
    pub(crate) fn disconnect(self: &Arc<Self>, client: FiveTuple) {
        self.streams
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&client);
        self.server().handle_disconnect(client);
        self.drain();
    }

    pub(crate) fn has_allocation(&self, client: &FiveTuple) -> bool {
        self.server().has_allocation(client)
    }

    pub(crate) fn counters(&self) -> RelayCounters {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RelayCounters {
            turn: self.server().counters(),
            streams_served: load(&self.tally.streams_served),
            streams_refused: load(&self.tally.streams_refused),
            dropped_by_queue: load(&self.tally.dropped_by_queue),
            dropped_by_system: load(&self.tally.dropped_by_system),
            relay_sockets_failed: load(&self.tally.relay_sockets_failed),
        }
    }

    /// Runs a task until it ends or the relay does; `None` if the relay has ended already.
    pub(crate) fn spawn(
        &self,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> Option<AbortHandle> {
        let mut tasks = self.tasks();
        if tasks.is_stopped {
            return None;
        }
        while let Some(ended) = tasks.running.try_join_next() {
            if ended.is_err_and(|error| error.is_panic()) {
                tracing::error!("a task of the relay panicked");
            }
        }
        Some(tasks.running.spawn(task))
    }

    /// Ends all tasks and waits for them; then closes what sockets they left.
    pub(crate) async fn stop(&self) {
        let mut running = {
            let mut tasks = self.tasks();
            tasks.is_stopped = true;
            mem::take(&mut tasks.running)
        };
        running.shutdown().await;
        self.relay_sockets
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        self.streams
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// Ends all tasks without waiting.
    pub(crate) fn abort(&self) {
        let mut tasks = self.tasks();
        tasks.is_stopped = true;
        tasks.running.abort_all();
    }

    /// Carries out what the machine wants until it wants nothing.
    fn drain(self: &Arc<Self>) {
        loop {
            let (transmit, event) = {
                let mut server = self.server();
                (server.poll_transmit(), server.poll_event())
            };
            if transmit.is_none() && event.is_none() {
                return;
            }
            if let Some(transmit) = transmit {
                self.send_to_client(&transmit.to, [&transmit.payload, &[], &[]]);
            }
            match event {
                Some(Event::OpenRelay { relayed }) => self.open_relay(relayed),
                Some(Event::CloseRelay { relayed }) => self.close_relay(relayed),
                None => {}
            }
        }
    }

    fn forward(&self, decision: Decision, bytes: &[u8]) {
        match decision {
            // There is no other shard.
            Decision::Keep | Decision::ToShard { .. } => {}
            Decision::ToPeer {
                from, to, payload, ..
            } => {
                let payload = bytes.get(payload).unwrap_or_default();
                self.send_to_peer(from, to, payload);
            }
            Decision::ToClient { to, frame, payload } => {
                let payload = bytes.get(payload).unwrap_or_default();
                let head = frame.head(0, payload.len());
                self.send_to_client(&to, [&head, payload, frame.padding(payload.len())]);
            }
        }
    }

    fn send_to_peer(&self, from: RelayedAddr, to: PeerAddr, payload: &[u8]) {
        let sockets = self
            .relay_sockets
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let Some(relay) = sockets.get(&from) else {
            return;
        };
        let sent = udp::send(&relay.socket, to.socket_addr(), &[IoSlice::new(payload)]);
        self.note_if_unsent(sent);
    }

    fn send_to_client(&self, client: &FiveTuple, parts: [&[u8]; 3]) {
        match client.transport {
            Transport::Udp => {
                if let Some(socket) = self.listeners.get(&client.local) {
                    let parts = parts.map(IoSlice::new);
                    self.note_if_unsent(udp::send(socket, client.client, &parts));
                }
            }
            Transport::Tcp => {
                let streams = self.streams.read().unwrap_or_else(PoisonError::into_inner);
                let taken = streams
                    .get(client)
                    .is_some_and(|queue| queue.push(parts.concat()));
                if !taken {
                    self.tally.dropped_by_queue.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    fn note_if_unsent(&self, sent: std::io::Result<()>) {
        if let Err(error) = sent {
            self.tally.dropped_by_system.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(kind = ?error.kind(), "the system did not take a datagram");
        }
    }

    fn open_relay(self: &Arc<Self>, relayed: RelayedAddr) {
        let opened = udp::bind(relayed.0, udp::RELAY_BUFFER);
        let task = opened.and_then(|socket| {
            let socket = Arc::new(socket);
            let (shard, receiving) = (Arc::clone(self), Arc::clone(&socket));
            let task = self.spawn(async move {
                udp::receive(&receiving, |peer, bytes| {
                    shard.handle_peer(relayed, PeerAddr::new(peer), bytes);
                })
                .await;
            });
            let task = task.ok_or(std::io::ErrorKind::Interrupted)?;
            Ok(RelaySocket { socket, task })
        });
        match task {
            Ok(relay_socket) => {
                self.relay_sockets
                    .write()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(relayed, relay_socket);
                self.server().handle_relay_opened(relayed, self.clock.now());
            }
            Err(error) => {
                self.tally
                    .relay_sockets_failed
                    .fetch_add(1, Ordering::Relaxed);
                tracing::debug!(kind = ?error.kind(), "cannot open a relayed socket");
                self.server().handle_relay_failed(relayed, self.clock.now());
            }
        }
        self.timer.notify_one();
    }

    fn close_relay(&self, relayed: RelayedAddr) {
        let closed = self
            .relay_sockets
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&relayed);
        if let Some(closed) = closed {
            closed.task.abort();
        }
    }

    fn server(&self) -> MutexGuard<'_, Server<ChaCha20Rng>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tasks(&self) -> MutexGuard<'_, Tasks> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts, but names nobody.
impl fmt::Debug for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shard")
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}

/// Calls the machine when it wants to be called.
async fn expire(shard: Arc<Shard>) {
    loop {
        let changed = shard.timer.notified();
        let timeout = shard.server().poll_timeout();
        match timeout {
            None => changed.await,
            Some((at, _)) => {
                tokio::select! {
                    () = tokio::time::sleep_until(shard.clock.deadline(at)) => {}
                    () = changed => {}
                }
            }
        }
        shard.server().handle_timeout(shard.clock.now());
        shard.drain();
    }
}
