// SPDX-License-Identifier: MIT OR Apache-2.0
//! One shard's server, and where its decisions lead: to a socket, a stream, or another worker.
//!
//! ```text
//!                      Keep ─────► answers and events of the server
//!  run ─► Decision ─── ToPeer ───► relayed socket        ┐
//!                  ├── ToClient ─► listener or stream    ├─ Outbox, flushed at the end of a turn
//!                  └── ToShard ──► ring of another worker
//! ```
//! Bytes stay where they were received: the outbox is told ranges of them, and a client's channel data that goes
//! to a client's channel gets its new head in place of the old one.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hither_sansio::{Instant, Now};
use hither_stun::server::{
    ConfigError, Decision, Event, FiveTuple, Frame, PeerAddr, RelayedAddr, Reload, Run, Server,
    Transmit, Transport, runs,
};
use mio::{Interest, Registry, Token};
use rand_chacha::ChaCha20Rng;

use crate::clock::Clock;
use crate::config::{Buffers, RelayedIp};
use crate::counters::WorkerCounters;
use crate::datagram::{Outbox, Path, Piece, Read, Role, Socket, SocketId, SocketTable, Way, bind};
use crate::mailbox::{Mailbox, StreamId};
use crate::tcp::WriteQueue;

/// Payloads up to this length are put behind their heads; for longer ones the kernel gathers both.
const COPIED_LEN: usize = 512;

/// One stream that belongs to this worker.
#[derive(Debug)]
struct Stream {
    id: StreamId,
    queue: WriteQueue,
}

/// Everything of a worker but its inbox.
pub(crate) struct Router {
    pub(crate) server: Server<ChaCha20Rng>,
    pub(crate) clock: Clock,
    pub(crate) sockets: SocketTable,
    pub(crate) path: Path,
    registry: Registry,
    outbox: Outbox,
    listeners: Vec<(SocketAddr, SocketId)>,
    relays: HashMap<RelayedAddr, SocketId, RandomState>,
    streams: HashMap<FiveTuple, Stream, RandomState>,
    relayed_ips: Vec<RelayedIp>,
    buffers: Buffers,
    /// All workers, this one included, by shard.
    mailboxes: Arc<[Arc<Mailbox>]>,
    pub(crate) counters: WorkerCounters,
}

/// What a router is made of.
pub(crate) struct Parts {
    pub(crate) server: Server<ChaCha20Rng>,
    pub(crate) clock: Clock,
    pub(crate) path: Path,
    pub(crate) registry: Registry,
    pub(crate) relayed_ips: Vec<RelayedIp>,
    pub(crate) buffers: Buffers,
    pub(crate) mailboxes: Arc<[Arc<Mailbox>]>,
}

impl Router {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            server: parts.server,
            clock: parts.clock,
            sockets: SocketTable::default(),
            path: parts.path,
            registry: parts.registry,
            outbox: Outbox::new(),
            listeners: Vec::new(),
            relays: HashMap::default(),
            streams: HashMap::default(),
            relayed_ips: parts.relayed_ips,
            buffers: parts.buffers,
            mailboxes: parts.mailboxes,
            counters: WorkerCounters::default(),
        }
    }

    /// Takes over a socket that clients send to.
    pub(crate) fn add_listener(
        &mut self,
        local: SocketAddr,
        socket: socket2::Socket,
    ) -> io::Result<()> {
        let id = self.adopt(Socket::new(socket, Role::Listener(local)))?;
        self.listeners.push((local, id));
        Ok(())
    }

    /// Datagrams of one sender that arrived at one of the worker's sockets.
    pub(crate) fn handle_read(&mut self, role: Role, read: &Read, bytes: &mut [u8], now: Now) {
        match role {
            Role::Listener(local) => {
                let client = FiveTuple {
                    client: read.from,
                    local,
                    transport: Transport::Udp,
                };
                self.handle_client(client, read, bytes, now);
            }
            Role::Relayed(relayed) => {
                let peer = PeerAddr::new(read.from);
                let run = Run::new(slice(bytes, &read.range), read.stride);
                let stride = run.stride();
                let decision = self.server.handle_peer(relayed, peer, run, now);
                self.carry_out(decision, bytes, read.range.clone(), stride);
            }
        }
    }

    fn handle_client(&mut self, client: FiveTuple, read: &Read, bytes: &mut [u8], now: Now) {
        let mut rest = read.range.clone();
        while let Some(run) = runs(slice(bytes, &rest), read.stride).next() {
            let (length, stride) = (run.bytes().len(), run.stride());
            let decision = self.server.handle_client(client, run, now);
            let range = rest.start..rest.start + length;
            rest.start = range.end;
            self.carry_out(decision, bytes, range, stride);
            if rest.is_empty() {
                break;
            }
        }
    }

    /// A frame of a stream; nothing if the stream has ended in the meantime.
    pub(crate) fn handle_frame(
        &mut self,
        stream: StreamId,
        client: FiveTuple,
        bytes: &mut [u8],
        now: Now,
    ) {
        if self
            .streams
            .get(&client)
            .is_none_or(|known| known.id != stream)
        {
            return;
        }
        let decision = self.server.handle_client(client, Run::one(bytes), now);
        let length = bytes.len();
        self.carry_out(decision, bytes, 0..length, length);
    }

    /// A run from the client of another worker.
    pub(crate) fn handle_handover(
        &mut self,
        (from, to): (RelayedAddr, RelayedAddr),
        bytes: &mut [u8],
        range: Range<usize>,
        (stride, skip): (usize, usize),
        now: Now,
    ) {
        let run = Run::new(slice(bytes, &range), stride).skipping(skip);
        let stride = run.stride();
        let decision = self.server.handle_shard(from, to, run, now);
        self.carry_out(decision, bytes, range, stride);
    }

    /// Sends what waits. Ranges in the outbox refer to these bytes, all of them.
    pub(crate) fn flush(&mut self, bytes: &[u8]) {
        self.path.flush(
            &mut self.outbox,
            bytes,
            &mut self.sockets,
            &mut self.counters.datagrams,
        );
    }

    /// Announces a stream; false if there is one for this client already.
    pub(crate) fn connect(
        &mut self,
        stream: StreamId,
        client: FiveTuple,
        queue: WriteQueue,
    ) -> bool {
        if self.streams.contains_key(&client) {
            return false;
        }
        let stream = Stream { id: stream, queue };
        self.streams.insert(client, stream);
        true
    }

    /// A stream that was announced has ended.
    pub(crate) fn disconnect(&mut self, stream: StreamId, client: FiveTuple) {
        if self
            .streams
            .get(&client)
            .is_some_and(|known| known.id == stream)
        {
            self.streams.remove(&client);
            self.server.handle_disconnect(client);
            self.drain(&[]);
        }
    }

    /// Takes over another configuration; allocations stay.
    pub(crate) fn reload(&mut self, reload: Reload) -> Result<(), ConfigError> {
        self.server.reconfigure(reload)?;
        self.drain(&[]);
        Ok(())
    }

    /// Removes what has expired.
    pub(crate) fn handle_timeout(&mut self, now: Now) {
        self.server.handle_timeout(now);
        self.drain(&[]);
    }

    /// When the server wants to be called.
    pub(crate) fn timeout(&self) -> Option<Instant> {
        self.server.poll_timeout().map(|(at, _)| at)
    }

    /// The bytes of a run that stand at `range`, `stride` apart, go where the decision says.
    fn carry_out(
        &mut self,
        decision: Decision,
        bytes: &mut [u8],
        range: Range<usize>,
        stride: usize,
    ) {
        match decision {
            Decision::Keep => self.drain(bytes),
            Decision::ToPeer {
                from,
                to,
                payload,
                dont_fragment,
            } => {
                let Some(&socket) = self.relays.get(&from) else {
                    self.counters.dropped_without_socket += 1;
                    return;
                };
                let way = Way {
                    socket,
                    to: to.socket_addr(),
                    dont_fragment,
                };
                for payload in payloads(&range, stride, &payload) {
                    self.push(way, &[Piece::Received(payload)], bytes);
                }
            }
            Decision::ToClient { to, frame, payload } => match to.transport {
                Transport::Udp => {
                    self.frame_datagrams(&to, &frame, bytes, &range, stride, &payload);
                }
                Transport::Tcp => {
                    let payloads = payloads(&range, stride, &payload);
                    for (index, payload) in payloads.enumerate() {
                        let payload = slice(bytes, &payload);
                        let head = frame.head(index, payload.len());
                        let parts = [&head[..], payload, frame.padding(payload.len())];
                        self.send_on_stream(&to, &parts);
                    }
                }
            },
            Decision::ToShard {
                shard,
                from,
                to,
                payload,
            } => {
                let Some(mailbox) = self.mailboxes.get(usize::from(shard.0)) else {
                    return;
                };
                let mut run = slice(bytes, &range);
                if run.len() <= stride {
                    // What follows the payload of a single datagram stays here.
                    run = run.get(..payload.end).unwrap_or(run);
                }
                mailbox.hand_over((from, to), run, stride.min(run.len()), payload.start);
            }
        }
    }

    fn frame_datagrams(
        &mut self,
        to: &FiveTuple,
        frame: &Frame,
        bytes: &mut [u8],
        range: &Range<usize>,
        stride: usize,
        payload: &Range<usize>,
    ) {
        let Some(socket) = self.listener(to.local) else {
            self.counters.dropped_without_socket += 1;
            return;
        };
        let head_len = frame.head_len();
        let in_place = payload.start >= head_len;
        let way = Way::new(socket, to.client);
        for (index, payload) in payloads(range, stride, payload).enumerate() {
            let head = frame.head(index, payload.len());
            let padding = frame.padding(payload.len());
            if in_place && padding.is_empty() {
                let start = payload.start - head_len;
                if let Some(room) = bytes.get_mut(start..payload.start) {
                    room.copy_from_slice(&head);
                }
                let whole = Piece::Received(start..payload.end);
                self.push(way, &[whole], bytes);
            } else {
                let copied = payload.len() <= COPIED_LEN;
                let own = head_len + padding.len() + if copied { payload.len() } else { 0 };
                self.make_room(own, bytes);
                let head = self.own(&head);
                let payload = match copied {
                    true => self.own(slice(bytes, &payload)),
                    false => Piece::Received(payload),
                };
                let padding = self.own(padding);
                self.outbox.push(way, &[head, payload, padding]);
            }
        }
    }

    fn push(&mut self, way: Way, pieces: &[Piece], bytes: &[u8]) {
        self.make_room(0, bytes);
        self.outbox.push(way, pieces);
    }

    fn make_room(&mut self, own: usize, bytes: &[u8]) {
        if !self.outbox.has_room(own) {
            self.flush(bytes);
        }
    }

    fn own(&mut self, bytes: &[u8]) -> Piece {
        let (piece, room) = self.outbox.own(bytes.len());
        room.copy_from_slice(bytes);
        piece
    }

    fn send_on_stream(&mut self, to: &FiveTuple, parts: &[&[u8]]) {
        let stream = self.streams.get(to);
        if !stream.is_some_and(|stream| stream.queue.push(parts.concat())) {
            self.counters.dropped_by_queue += 1;
        }
    }

    fn listener(&self, local: SocketAddr) -> Option<SocketId> {
        let mut listeners = self.listeners.iter();
        listeners
            .find(|(address, _)| *address == local)
            .map(|(_, id)| *id)
    }

    /// Carries out all that the server wants besides moving bytes: nothing would call for what is left. Ranges in the
    /// outbox refer to these bytes.
    fn drain(&mut self, bytes: &[u8]) {
        loop {
            let transmit = self.server.poll_transmit();
            let event = self.server.poll_event();
            if transmit.is_none() && event.is_none() {
                return;
            }
            if let Some(transmit) = transmit {
                self.answer(&transmit, bytes);
            }
            match event {
                Some(Event::OpenRelay { relayed }) => self.open_relay(relayed),
                Some(Event::CloseRelay { relayed }) => {
                    // What was decided before still goes out.
                    self.flush(bytes);
                    self.close_relay(relayed);
                }
                None => {}
            }
        }
    }

    fn answer(&mut self, transmit: &Transmit, bytes: &[u8]) {
        match transmit.to.transport {
            Transport::Tcp => self.send_on_stream(&transmit.to, &[&transmit.payload]),
            Transport::Udp => {
                if let Some(socket) = self.listener(transmit.to.local) {
                    self.make_room(transmit.payload.len(), bytes);
                    let answer = self.own(&transmit.payload);
                    let way = Way::new(socket, transmit.to.client);
                    self.outbox.push(way, &[answer]);
                }
            }
        }
    }

    fn open_relay(&mut self, relayed: RelayedAddr) {
        let opened = bind(self.bound_address(relayed), self.buffers.relayed)
            .and_then(|socket| self.adopt(Socket::new(socket, Role::Relayed(relayed))));
        let now = self.clock.now();
        match opened {
            Ok(id) => {
                self.relays.insert(relayed, id);
                self.server.handle_relay_opened(relayed, now);
            }
            Err(error) => {
                self.counters.relay_sockets_failed += 1;
                tracing::debug!(kind = ?error.kind(), "cannot open a relayed socket");
                self.server.handle_relay_failed(relayed, now);
            }
        }
    }

    fn close_relay(&mut self, relayed: RelayedAddr) {
        let Some(id) = self.relays.remove(&relayed) else {
            return;
        };
        if let Some(mut socket) = self.sockets.remove(id) {
            self.registry.deregister(socket.io_mut()).ok();
        }
    }

    /// Where the system knows a relayed address that peers may know under another IP.
    fn bound_address(&self, relayed: RelayedAddr) -> SocketAddr {
        let advertised = relayed.0.ip();
        let known = self
            .relayed_ips
            .iter()
            .find(|ip| ip.advertised == advertised);
        let bound = known.map_or(advertised, |ip: &RelayedIp| -> IpAddr { ip.bind });
        SocketAddr::new(bound, relayed.0.port())
    }

    fn adopt(&mut self, mut socket: Socket) -> io::Result<SocketId> {
        self.path.adopt(&mut socket);
        let id = self.sockets.insert(socket);
        let registered = self.sockets.get_mut(id).map(|socket| {
            self.registry
                .register(socket.io_mut(), Token(id.index()), Interest::READABLE)
        });
        if let Some(Err(error)) = registered {
            self.sockets.remove(id);
            return Err(error);
        }
        Ok(id)
    }

    /// Everything that is counted here, the server's counters included.
    pub(crate) fn all_counters(&self) -> WorkerCounters {
        WorkerCounters {
            turn: self.server.counters(),
            relay_sockets: u64::try_from(self.relays.len()).unwrap_or(u64::MAX),
            ..self.counters
        }
    }
}

fn slice<'a>(bytes: &'a [u8], range: &Range<usize>) -> &'a [u8] {
    bytes.get(range.clone()).unwrap_or_default()
}

/// Where the payload of each datagram of a run stands, given where it stands in the first.
fn payloads(
    run: &Range<usize>,
    stride: usize,
    in_first: &Range<usize>,
) -> impl Iterator<Item = Range<usize>> + use<> {
    let (run, in_first) = (run.clone(), in_first.clone());
    let count = run.len().div_ceil(stride.max(1)).max(1);
    (0..count).map(move |index| {
        let start = run.start + index * stride;
        let end = (start + in_first.end).min(run.end);
        (start + in_first.start).min(end)..end
    })
}

#[cfg(test)]
mod tests {
    use hither_stun::message::MessageBuilder;
    use hither_stun::message_type::{Class, Method};
    use hither_stun::server::{RelayedPorts, Shard};
    use hither_stun::transaction::TransactionId;
    use hither_stun::{Secrets, SharedSecret};
    use mio::Poll;
    use rand_core::SeedableRng;

    use super::*;
    use crate::RelayConfig;

    #[test]
    fn nothing_is_left_of_what_the_server_wants_however_much_it_is() {
        let mut router = router();
        let now = router.clock.now();
        let request = MessageBuilder::new(
            Class::Request,
            Method::BINDING,
            TransactionId::from_bytes([1; 12]),
        );
        let request = request.finish(None, false).unwrap();
        for port in 1..=1_000 {
            let client = FiveTuple {
                client: ([127, 0, 0, 1], port).into(),
                local: ([127, 0, 0, 1], 3478).into(),
                transport: Transport::Tcp,
            };
            router.server.handle_client(client, Run::one(&request), now);
        }
        router.handle_timeout(now);
        // Nobody is there to hear it, and each answer was looked at.
        assert_eq!(router.counters.dropped_by_queue, 1_000);
        assert!(router.server.poll_transmit().is_none());
    }

    fn router() -> Router {
        let clock = Clock::start();
        let config = RelayConfig {
            relayed_ips: vec![IpAddr::from([127, 0, 0, 1]).into()],
            ..RelayConfig::new(Secrets::only(SharedSecret::new(*b"a secret for tests")))
        };
        let machine = config.machine(Vec::new());
        let ports = Arc::new(RelayedPorts::new(&machine.relayed_ips, machine.ports));
        let rng = ChaCha20Rng::seed_from_u64(1);
        Router::new(Parts {
            server: Server::new(machine, Shard(0), ports, rng, clock.now()).unwrap(),
            clock,
            path: Path::new(config.datagrams).unwrap(),
            registry: Poll::new().unwrap().registry().try_clone().unwrap(),
            relayed_ips: config.relayed_ips,
            buffers: config.buffers,
            mailboxes: Arc::new([]),
        })
    }
}
