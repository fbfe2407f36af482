// SPDX-License-Identifier: MIT OR Apache-2.0
//! The TURN server as a value (RFC 8656).
//!
//! ```text
//!   handle_client(five-tuple, run, now) ──► Decision      poll_transmit ─► an answer to a client
//!   handle_peer(relayed, peer, run, now) ─► Decision      poll_event ────► open or close a relayed socket
//!   handle_shard(from, to, run, now) ─────► Decision      poll_timeout ──► when to call handle_timeout
//!   handle_relay_opened / _failed
//!   handle_disconnect, handle_timeout
//! ```
//! One mutation, then drain all three polls. A [`Decision`] says where the bytes just handed in go; the host
//! moves them. Datagrams that were received together stay together: a [`Run`] costs one decision.
//!
//! A relay is one server a worker, each with its own sockets and clients; a [`Shard`] is its number. They
//! share [`RelayedPorts`] and nothing else. If the peer of a send is itself a relayed address of the relay, the
//! decision leads straight to the client behind it, or to the shard that knows it: one crossing of the kernel
//! instead of two. All shards must be given the time of the same clock.
//!
//! A client's credential is checked at each request; its data is bound to its five-tuple only, as TURN has it.

mod allocate;
mod allocation;
mod authentication;
mod binding;
mod budget;
mod config;
mod counters;
mod forward;
mod peer_policy;
mod permission;
mod ports;
mod refresh;
mod reload;
mod reply;
mod requests;
mod sockets;
mod table;
mod tenants;
#[cfg(test)]
mod tests;
mod tuple;

use core::fmt;
use core::net::SocketAddr;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use hither_sansio::{Instant, Now};
use rand_core::CryptoRng;

pub use config::{Allowance, Behaviour, Config, ConfigError, Limits, MAX_REALM_LEN, PortRange};
pub use counters::{Counters, Refusals};
pub use forward::{Decision, Frame, Head};
pub use peer_policy::{AddressClass, MAX_NETS, Net, NetError, PeerRules};
pub use ports::{RelayedPorts, Shard};
pub use reload::Reload;
pub use tuple::{FiveTuple, PeerAddr, RelayedAddr, Transport};

use crate::address::AddressFamily;
pub use crate::channel_data::{Run, runs};
use crate::nonce::NonceKey;
use budget::Budget;
use peer_policy::PeerPolicy;
use table::Table;

/// Bytes for a client: one datagram, or the next piece of its stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// The client, and in [`FiveTuple::local`] the address that the answer leaves from: the one that was
    /// asked, unless the client asked for another (RFC 5780).
    pub to: FiveTuple,
    /// A whole STUN message.
    pub payload: Vec<u8>,
}

/// What the host must do besides moving bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Open a UDP socket on this address, then call [`Server::handle_relay_opened`] or
    /// [`Server::handle_relay_failed`]: exactly one of them, once. The client is answered only then.
    OpenRelay {
        /// Where.
        relayed: RelayedAddr,
    },
    /// Close it: its allocation is gone. Another may get the port at once, on another shard too.
    CloseRelay {
        /// Where.
        relayed: RelayedAddr,
    },
}

/// All allocations of one shard of a relay.
pub struct Server<R> {
    config: Config,
    shard: Shard,
    ports: Arc<RelayedPorts>,
    policy: PeerPolicy,
    nonce_key: NonceKey,
    budget: Budget,
    rng: R,
    table: Table,
    /// Relayed addresses whose allocation ended while the host was opening them, and its place.
    abandoned: BTreeMap<RelayedAddr, u32>,
    /// When ports that were reserved here are given up, the earliest first.
    reservations_due: VecDeque<Instant>,
    /// Where new clients are sent to, once there shall be no new allocations.
    draining: Option<Vec<SocketAddr>>,
    counters: Counters,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
}

impl<R: CryptoRng> Server<R> {
    /// A server without allocations. The ports are those of the configuration, shared by all shards, each of
    /// which has another number below 255. `_now` is taken for the grammar's sake; nothing is due yet.
    pub fn new(
        config: Config,
        shard: Shard,
        ports: Arc<RelayedPorts>,
        mut rng: R,
        _now: Now,
    ) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self {
            shard,
            ports,
            policy: PeerPolicy::new(&config),
            nonce_key: NonceKey::random(&mut rng),
            budget: Budget::new(&mut rng),
            table: Table::new(config.limits.max_allocations, &mut rng),
            config,
            rng,
            abandoned: BTreeMap::new(),
            reservations_due: VecDeque::new(),
            draining: None,
            counters: Counters::default(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
        })
    }

    /// Removes what has expired.
    pub fn handle_timeout(&mut self, now: Now) {
        let now = now.instant;
        while let Some((due, slot)) = self.table.first_to_expire() {
            if now < due {
                break;
            }
            for family in [AddressFamily::V4, AddressFamily::V6] {
                let relay = self.table.get(slot).and_then(|it| it.relay(family));
                if relay.is_some_and(|relay| relay.expires <= now) {
                    self.remove_relay(slot, family);
                }
            }
        }
        let is_due = |due: &Instant| *due <= now;
        if self.reservations_due.front().is_some_and(is_due) {
            self.reservations_due.retain(|due| !is_due(due));
            self.ports.expire_reservations(now);
        }
    }

    /// A client's stream ended, and with it its allocation (RFC 8656 §3.1).
    pub fn handle_disconnect(&mut self, client: FiveTuple) {
        if let Some(slot) = self.table.slot_of(&client) {
            self.remove(slot);
        }
    }

    /// The next answer to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// The next thing to do.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to call [`Self::handle_timeout`], and why.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        let allocation = self.table.first_to_expire();
        let allocation = allocation.map(|(due, _)| (due, "an allocation expires"));
        let reservation = self.reservations_due.front();
        let reservation = reservation.map(|&due| (due, "a reserved port is given up"));
        allocation
            .into_iter()
            .chain(reservation)
            .min_by_key(|(due, _)| *due)
    }

    /// Whether this client has an allocation.
    #[must_use]
    pub fn has_allocation(&self, client: &FiveTuple) -> bool {
        self.table.slot_of(client).is_some()
    }

    /// What happened so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let allocations = u64::try_from(self.table.len()).unwrap_or(u64::MAX);
        Counters {
            allocations,
            ..self.counters
        }
    }
}

/// Counts, but names nobody: what a relay holds is who talks to whom.
impl<R> fmt::Debug for Server<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("allocations", &self.table.len())
            .finish_non_exhaustive()
    }
}
