// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the relay counts: integers, nobody's address.

use std::io;

use hither_stun::server::Counters;

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
    /// Datagrams that the system did not take, whatever its reason.
    pub dropped_by_system: u64,
    /// Datagrams whose way out was closed between the decision and the sending.
    pub dropped_without_socket: u64,
    /// Relayed sockets that are open now.
    pub relay_sockets: u64,
    /// Relayed sockets that could not be opened.
    pub relay_sockets_failed: u64,
    /// Between the relay and the system.
    pub datagrams: DatagramCounters,
    /// Between workers.
    pub rings: RingCounters,
    /// Workers that run.
    pub workers: u64,
    /// Turns of their loops.
    pub turns: u64,
}

/// What waits, waited, and did not get in between workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RingCounters {
    /// Runs that wait now.
    pub waiting: u64,
    /// The most runs that ever waited for one worker.
    pub high_water: u64,
    /// Runs that were dropped because too much waited.
    pub dropped_runs: u64,
    /// Datagrams in them.
    pub dropped_datagrams: u64,
}

/// One worker's part of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WorkerCounters {
    pub(crate) turn: Counters,
    pub(crate) datagrams: DatagramCounters,
    pub(crate) dropped_by_queue: u64,
    pub(crate) dropped_without_socket: u64,
    pub(crate) relay_sockets: u64,
    pub(crate) relay_sockets_failed: u64,
    pub(crate) turns: u64,
}

impl RelayCounters {
    pub(crate) fn add(&mut self, worker: &WorkerCounters, ring: &RingCounters) {
        self.turn.add(&worker.turn);
        self.datagrams.add(&worker.datagrams);
        self.dropped_by_system = self.datagrams.dropped();
        self.dropped_by_queue += worker.dropped_by_queue;
        self.dropped_without_socket += worker.dropped_without_socket;
        self.relay_sockets += worker.relay_sockets;
        self.relay_sockets_failed += worker.relay_sockets_failed;
        self.turns += worker.turns;
        self.rings.waiting += ring.waiting;
        self.rings.high_water = self.rings.high_water.max(ring.high_water);
        self.rings.dropped_runs += ring.dropped_runs;
        self.rings.dropped_datagrams += ring.dropped_datagrams;
    }
}

/// Datagrams between the relay and the system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DatagramCounters {
    /// Reads that brought datagrams of one sender.
    pub reads: u64,
    /// Datagrams in them; more than reads where the system coalesces (GRO).
    pub datagrams_received: u64,
    /// The most datagrams that one read brought.
    pub largest_read: u64,
    /// Reads that failed.
    pub reads_failed: u64,
    /// Messages that the system took.
    pub messages_sent: u64,
    /// Datagrams in them; more than messages where the system segments (GSO).
    pub datagrams_sent: u64,
    /// The most datagrams that one message had.
    pub largest_message: u64,
    /// Messages of several datagrams that the system did not want to segment; they were sent one by one.
    pub gso_refused: u64,
    /// Datagrams dropped because the system's buffers were full.
    pub dropped_full: u64,
    /// Datagrams dropped because they are longer than the path takes.
    pub dropped_too_long: u64,
    /// Datagrams dropped because there is no way to their destination.
    pub dropped_unreachable: u64,
    /// Datagrams dropped because the system forbids their destination.
    pub dropped_forbidden: u64,
    /// Datagrams dropped for any other reason of the system's.
    pub dropped_otherwise: u64,
}

impl DatagramCounters {
    /// Datagrams that the system did not take.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped_full
            + self.dropped_too_long
            + self.dropped_unreachable
            + self.dropped_forbidden
            + self.dropped_otherwise
    }

    pub(crate) fn note_read(&mut self, datagrams: usize) {
        let datagrams = wide(datagrams);
        self.reads += 1;
        self.datagrams_received += datagrams;
        self.largest_read = self.largest_read.max(datagrams);
    }

    pub(crate) fn note_sent(&mut self, datagrams: usize) {
        let datagrams = wide(datagrams);
        self.messages_sent += 1;
        self.datagrams_sent += datagrams;
        self.largest_message = self.largest_message.max(datagrams);
    }

    pub(crate) const fn note_gso_refused(&mut self) {
        self.gso_refused += 1;
    }

    pub(crate) fn note_unsent(&mut self, error: &io::Error, datagrams: usize) {
        use io::ErrorKind as Kind;
        let counter = match error.kind() {
            Kind::WouldBlock | Kind::OutOfMemory => &mut self.dropped_full,
            Kind::NetworkUnreachable | Kind::HostUnreachable | Kind::AddrNotAvailable => {
                &mut self.dropped_unreachable
            }
            Kind::PermissionDenied => &mut self.dropped_forbidden,
            kind => match long_or_full(error) {
                Some(Refused::TooLong) => &mut self.dropped_too_long,
                Some(Refused::Full) => &mut self.dropped_full,
                None => {
                    tracing::debug!(?kind, "the system did not take a datagram");
                    &mut self.dropped_otherwise
                }
            },
        };
        *counter += wide(datagrams);
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.reads += other.reads;
        self.datagrams_received += other.datagrams_received;
        self.largest_read = self.largest_read.max(other.largest_read);
        self.reads_failed += other.reads_failed;
        self.messages_sent += other.messages_sent;
        self.datagrams_sent += other.datagrams_sent;
        self.largest_message = self.largest_message.max(other.largest_message);
        self.gso_refused += other.gso_refused;
        self.dropped_full += other.dropped_full;
        self.dropped_too_long += other.dropped_too_long;
        self.dropped_unreachable += other.dropped_unreachable;
        self.dropped_forbidden += other.dropped_forbidden;
        self.dropped_otherwise += other.dropped_otherwise;
    }
}

enum Refused {
    TooLong,
    Full,
}

/// Errors that the standard library has no kind for.
#[cfg(unix)]
fn long_or_full(error: &io::Error) -> Option<Refused> {
    use nix::libc;
    match error.raw_os_error()? {
        libc::EMSGSIZE => Some(Refused::TooLong),
        libc::ENOBUFS => Some(Refused::Full),
        _ => None,
    }
}

#[cfg(not(unix))]
fn long_or_full(_error: &io::Error) -> Option<Refused> {
    None
}

pub(crate) fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
