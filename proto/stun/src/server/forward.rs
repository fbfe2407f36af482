// SPDX-License-Identifier: MIT OR Apache-2.0
//! The hot path: where a run of datagrams goes, and behind which header. The payload is not touched.

mod frame;

pub use frame::{Frame, Head};

use core::ops::Range;

use hither_sansio::{Instant, Now};
use rand_core::CryptoRng;

use super::Server;
use super::allocation::{Allocation, NoWay, Socket, Way};
use super::config::Limits;
use super::ports::Shard;
use super::tuple::{FiveTuple, PeerAddr, RelayedAddr};
use crate::address::XorAddress;
use crate::attribute::AttributeType;
use crate::channel_data::{ChannelData, Run};
use crate::message::Message;
use crate::transaction::TransactionId;

/// What the host does with the run it has just handed in.
///
/// It holds for every datagram of the run. `payload` is a range of the first; in the others it begins at the
/// same place, and in the last, if that one is shorter, it ends where the datagram does ([`Run::payload`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing: it was for the server itself, or was dropped.
    Keep,
    /// Send that range from one of our relayed addresses to a peer.
    ToPeer {
        /// The socket to send from.
        from: RelayedAddr,
        /// The address to send to.
        to: PeerAddr,
        /// Which of the bytes.
        payload: Range<usize>,
        /// Whether routers on the way must not fragment it (RFC 8656 §14).
        dont_fragment: bool,
    },
    /// Send that range, framed, to a client.
    ToClient {
        /// The client.
        to: FiveTuple,
        /// What goes before and after the payload.
        frame: Frame,
        /// Which of the bytes.
        payload: Range<usize>,
    },
    /// Hand that range to [`Server::handle_shard`] of another shard: the peer is one of its clients.
    ToShard {
        /// Whose client the peer is.
        shard: Shard,
        /// The relayed address that the payload comes from.
        from: RelayedAddr,
        /// The relayed address that it is for.
        to: RelayedAddr,
        /// Which of the bytes.
        payload: Range<usize>,
    },
}

impl<R: CryptoRng> Server<R> {
    /// Takes in what a client sent: one frame of its stream, or a run of its datagrams as
    /// [`runs`](crate::channel_data::runs) cuts them.
    ///
    /// Answers to requests are then in [`Self::poll_transmit`], sockets to open or close in
    /// [`Self::poll_event`].
    pub fn handle_client(&mut self, client: FiveTuple, run: Run<'_>, now: Now) -> Decision {
        let decision = match (run.first().first(), run.count()) {
            (Some(0x00..=0x3F), 1) => self.handle_message(client, run, now),
            (Some(0x40..=0x7F), _) => self.handle_channel_data(client, run, now.instant),
            _ => {
                self.counters.dropped_malformed += datagrams(run);
                None
            }
        };
        decision.unwrap_or(Decision::Keep)
    }

    /// Takes in datagrams of one peer that arrived at a relayed address.
    pub fn handle_peer(
        &mut self,
        relayed: RelayedAddr,
        peer: PeerAddr,
        run: Run<'_>,
        now: Now,
    ) -> Decision {
        let payload = run.skip()..run.first().len();
        let Some((to, frame)) = self.frame_for(relayed, peer, run, &payload, now.instant) else {
            return Decision::Keep;
        };
        self.counters.datagrams_to_clients += datagrams(run);
        self.counters.bytes_to_clients += wide(run.payload_len(&payload));
        Decision::ToClient { to, frame, payload }
    }

    /// Takes in what another shard decided to hand over ([`Decision::ToShard`]): payload from the client whose
    /// relayed address is `from` for ours whose is `to`.
    ///
    /// If the payload came behind something, the run says so ([`Run::skipping`]); then channel data can become
    /// channel data in place.
    pub fn handle_shard(
        &mut self,
        from: RelayedAddr,
        to: RelayedAddr,
        run: Run<'_>,
        now: Now,
    ) -> Decision {
        let payload = run.skip()..run.first().len();
        self.deliver(from, to, run, payload, now.instant)
            .unwrap_or(Decision::Keep)
    }

    fn handle_channel_data(
        &mut self,
        client: FiveTuple,
        run: Run<'_>,
        now: Instant,
    ) -> Option<Decision> {
        let parsed = ChannelData::parse(run.first());
        // Padding follows the data of a single datagram only.
        let parsed = parsed.filter(|data| run.count() == 1 || data.payload.end == run.stride());
        let Some(ChannelData { channel, payload }) = parsed else {
            self.counters.dropped_malformed += datagrams(run);
            return None;
        };
        let Some(allocation) = self.table.find_mut(&client) else {
            self.counters.dropped_without_allocation += datagrams(run);
            return None;
        };
        let peer = match allocation.peers.behind(channel, now) {
            Ok(peer) => peer,
            Err(NoWay::NoChannel) => {
                self.counters.dropped_without_channel += datagrams(run);
                return None;
            }
            Err(NoWay::NoPermission) => {
                self.counters.dropped_without_permission += datagrams(run);
                return None;
            }
        };
        let limits = &self.config.limits;
        let from = leave(allocation, peer, run, &payload, limits, now);
        self.forward(from, peer, run, payload, false, now)
    }

    /// A Send indication (RFC 8656 §11.2): unauthenticated, so only towards peers with a permission.
    pub(super) fn handle_send(
        &mut self,
        client: FiveTuple,
        run: Run<'_>,
        message: &Message<'_>,
        now: Instant,
    ) -> Option<Decision> {
        let peer = message
            .attribute(AttributeType::XOR_PEER_ADDRESS)
            .and_then(|value| XorAddress::parse(value, message.transaction_id()));
        let payload = message.attribute_range(AttributeType::DATA);
        let (Some(peer), Some(payload)) = (peer, payload) else {
            self.counters.dropped_unexpected += 1;
            return None;
        };
        let peer = PeerAddr::new(peer);
        let Some(allocation) = self.table.find_mut(&client) else {
            self.counters.dropped_without_allocation += 1;
            return None;
        };
        if !allocation.peers.permits(peer.ip(), now) {
            self.counters.dropped_without_permission += 1;
            return None;
        }
        let limits = &self.config.limits;
        let from = leave(allocation, peer, run, &payload, limits, now);
        let dont_fragment = message.attribute(AttributeType::DONT_FRAGMENT).is_some();
        self.forward(from, peer, run, payload, dont_fragment, now)
    }

    /// From a client with a permission to a peer, or straight to the client whose relayed address it is.
    fn forward(
        &mut self,
        from: Result<From, NoLeave>,
        to: PeerAddr,
        run: Run<'_>,
        payload: Range<usize>,
        dont_fragment: bool,
        now: Instant,
    ) -> Option<Decision> {
        let From { address, is_open } = match from {
            Ok(from) => from,
            Err(NoLeave::NoAddress) => {
                self.counters.dropped_without_allocation += datagrams(run);
                return None;
            }
            Err(NoLeave::NoBandwidth) => {
                self.counters.dropped_by_bandwidth += datagrams(run);
                return None;
            }
        };
        let other = RelayedAddr(to.socket_addr());
        match self.ports.shard_of(other) {
            Some(shard) if shard == self.shard => self.deliver(address, other, run, payload, now),
            Some(shard) => Some(Decision::ToShard {
                shard,
                from: address,
                to: other,
                payload,
            }),
            None if is_open && self.policy.permits(to) => {
                self.counters.datagrams_to_peers += datagrams(run);
                self.counters.bytes_to_peers += wide(run.payload_len(&payload));
                Some(Decision::ToPeer {
                    from: address,
                    to,
                    payload,
                    dont_fragment,
                })
            }
            None => {
                self.counters.dropped_by_policy += datagrams(run);
                None
            }
        }
    }

    /// From one client of this relay to another, who is ours.
    fn deliver(
        &mut self,
        from: RelayedAddr,
        to: RelayedAddr,
        run: Run<'_>,
        payload: Range<usize>,
        now: Instant,
    ) -> Option<Decision> {
        let peer = PeerAddr::new(from.0);
        let (to, frame) = self.frame_for(to, peer, run, &payload, now)?;
        self.counters.datagrams_between_clients += datagrams(run);
        self.counters.bytes_between_clients += wide(run.payload_len(&payload));
        Some(Decision::ToClient { to, frame, payload })
    }

    /// The client behind a relayed address, if this peer may reach it, and how it is told of the peer.
    fn frame_for(
        &mut self,
        relayed: RelayedAddr,
        peer: PeerAddr,
        run: Run<'_>,
        payload: &Range<usize>,
        now: Instant,
    ) -> Option<(FiveTuple, Frame)> {
        let owner = self.ports.owner(relayed);
        let owner = owner.filter(|owner| owner.shard == self.shard);
        let allocation = owner.and_then(|owner| self.table.get_mut(owner.slot));
        let allocation = allocation.filter(|it| it.relay_at(relayed, now).is_some());
        let Some(allocation) = allocation else {
            self.counters.dropped_without_allocation += datagrams(run);
            return None;
        };
        let Some(way) = allocation.peers.way_from(peer, now) else {
            self.counters.dropped_without_permission += datagrams(run);
            return None;
        };
        let (client, longest) = (allocation.client, payload.len());
        let frame = match way {
            Way::Channel(channel) => Frame::channel_data(channel, longest, client.transport),
            Way::Indication => {
                Frame::data_indication(peer, longest, TransactionId::random(&mut self.rng))
            }
        };
        if frame.is_none() {
            self.counters.dropped_malformed += datagrams(run);
        }
        let (bytes, limits) = (wide(run.payload_len(payload)), &self.config.limits);
        let bandwidth = &mut allocation.bandwidth;
        if !bandwidth.spend(bytes, limits.max_bytes_per_second, now) {
            self.counters.dropped_by_bandwidth += datagrams(run);
            return None;
        }
        Some((client, frame?))
    }
}

/// Where a client's data leaves from, and whether there is a socket to leave through.
#[derive(Clone, Copy, Debug)]
struct From {
    address: RelayedAddr,
    is_open: bool,
}

/// Why it does not leave.
#[derive(Clone, Copy, Debug)]
enum NoLeave {
    NoAddress,
    NoBandwidth,
}

/// Takes what is sent out of the allocation's bandwidth.
fn leave(
    allocation: &mut Allocation,
    to: PeerAddr,
    run: Run<'_>,
    payload: &Range<usize>,
    limits: &Limits,
    now: Instant,
) -> Result<From, NoLeave> {
    let relay = allocation.relay_towards(to.ip(), now);
    let relay = relay.ok_or(NoLeave::NoAddress)?;
    let from = From {
        address: relay.address,
        is_open: relay.socket == Socket::Open,
    };
    let bytes = wide(run.payload_len(payload));
    let bandwidth = &mut allocation.bandwidth;
    match bandwidth.spend(bytes, limits.max_bytes_per_second, now) {
        true => Ok(from),
        false => Err(NoLeave::NoBandwidth),
    }
}

fn datagrams(run: Run<'_>) -> u64 {
    wide(run.count())
}

fn wide(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
