// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a worker is reached from outside: by other workers, by streams, and by whoever holds the relay.
//!
//! Runs and frames travel through bounded rings without a lock; what must not be lost and is rare takes a mutex.
//! A worker that waits for its sockets is woken, one that works is not.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_queue::ArrayQueue;
use hither_stun::server::{ConfigError, FiveTuple, RelayedAddr, Reload};
use mio::Waker;
use tokio::sync::oneshot;

use crate::counters::{RingCounters, WorkerCounters, wide};
use crate::tcp::WriteQueue;

/// Runs that may wait for one worker.
pub(crate) const RING_LEN: usize = 1_024;

/// Bytes that may wait for one worker in runs.
const MAX_RING_BYTES: usize = 8 * 1024 * 1024;

/// Frames of streams that may wait for one worker; a stream whose frame finds no room is not read further.
const FRAMES_LEN: usize = 1_024;

/// Bytes that may wait for one worker in frames of streams.
const MAX_FRAMES_BYTES: usize = 8 * 1024 * 1024;

/// Buffers longer than this are kept only in small number.
const SMALL_BUFFER: usize = 4 * 1024;

/// How long a buffer is before it has to be longer: one datagram of the usual length fits.
const FIRST_BUFFER: usize = 2 * 1024;

/// How many buffers there are from the beginning, and are kept whatever their length.
const KEPT_BUFFERS: usize = 64;

/// How long counters are waited for; a worker answers within a turn.
const COUNTERS_PATIENCE: Duration = Duration::from_secs(1);

/// A run from the client of another worker.
#[derive(Debug)]
pub(crate) struct Handover {
    pub(crate) from: RelayedAddr,
    pub(crate) to: RelayedAddr,
    pub(crate) bytes: Vec<u8>,
    pub(crate) stride: usize,
    /// How much of each datagram goes before its payload.
    pub(crate) skip: usize,
}

/// Which stream: five-tuples come again, numbers do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamId(pub(crate) u64);

/// A frame from a client's stream.
#[derive(Debug)]
pub(crate) struct StreamFrame {
    pub(crate) stream: StreamId,
    pub(crate) client: FiveTuple,
    pub(crate) bytes: Vec<u8>,
}

/// What is rare and must not be lost.
#[derive(Debug)]
pub(crate) enum Control {
    /// A stream begins; the answer is false if there is one with this five-tuple.
    Connect {
        stream: StreamId,
        client: FiveTuple,
        queue: WriteQueue,
        taken: oneshot::Sender<bool>,
    },
    /// A stream ended.
    Disconnect { stream: StreamId, client: FiveTuple },
    /// Whether this client has an allocation.
    AskAllocation {
        client: FiveTuple,
        has_allocation: oneshot::Sender<bool>,
    },
    /// Another configuration; the answer says whether it can work.
    Reload {
        reload: Box<Reload>,
        taken: oneshot::Sender<Result<(), ConfigError>>,
    },
    /// No new allocations from the answer on; clients are sent to one of these addresses.
    Drain {
        alternatives: Vec<SocketAddr>,
        heard: oneshot::Sender<()>,
    },
    /// End.
    Stop,
}

/// One worker's.
pub(crate) struct Mailbox {
    runs: ArrayQueue<Handover>,
    run_bytes: AtomicUsize,
    buffers: ArrayQueue<Vec<u8>>,
    frames: ArrayQueue<StreamFrame>,
    frame_bytes: AtomicUsize,
    control: Mutex<VecDeque<Control>>,
    has_control: AtomicBool,
    sleeps: AtomicBool,
    is_closed: AtomicBool,
    waker: Waker,
    high_water: AtomicUsize,
    dropped: AtomicU64,
    dropped_datagrams: AtomicU64,
    /// Streams that this worker has, for whoever looks for the least loaded.
    pub(crate) streams: AtomicUsize,
    wanted: AtomicBool,
    published: Mutex<(u64, WorkerCounters)>,
    publishes: Condvar,
}

impl Mailbox {
    pub(crate) fn new(waker: Waker) -> Arc<Self> {
        let buffers = ArrayQueue::new(RING_LEN);
        for _ in 0..KEPT_BUFFERS {
            buffers.push(Vec::with_capacity(FIRST_BUFFER)).ok();
        }
        Arc::new(Self {
            runs: ArrayQueue::new(RING_LEN),
            run_bytes: AtomicUsize::new(0),
            buffers,
            frames: ArrayQueue::new(FRAMES_LEN),
            frame_bytes: AtomicUsize::new(0),
            control: Mutex::default(),
            has_control: AtomicBool::new(false),
            sleeps: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            waker,
            high_water: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
            dropped_datagrams: AtomicU64::new(0),
            streams: AtomicUsize::new(0),
            wanted: AtomicBool::new(false),
            published: Mutex::default(),
            publishes: Condvar::new(),
        })
    }

    /// Copies a run into the ring, or drops and counts it if too much waits.
    pub(crate) fn hand_over(
        &self,
        (from, to): (RelayedAddr, RelayedAddr),
        run: &[u8],
        stride: usize,
        skip: usize,
    ) {
        let waiting = self.run_bytes.fetch_add(run.len(), Ordering::Relaxed);
        if waiting + run.len() <= MAX_RING_BYTES {
            let mut bytes = self.buffers.pop().unwrap_or_default();
            bytes.clear();
            bytes.extend_from_slice(run);
            let handover = Handover {
                from,
                to,
                bytes,
                stride,
                skip,
            };
            match self.runs.push(handover) {
                Ok(()) => {
                    self.high_water
                        .fetch_max(self.runs.len(), Ordering::Relaxed);
                    return self.wake();
                }
                Err(refused) => self.give_back(refused.bytes),
            }
        }
        self.run_bytes.fetch_sub(run.len(), Ordering::Relaxed);
        let datagrams = run.len().div_ceil(stride.max(1)).max(1);
        self.dropped.fetch_add(1, Ordering::Relaxed);
        self.dropped_datagrams
            .fetch_add(wide(datagrams), Ordering::Relaxed);
    }

    /// The next run. Give its bytes back.
    pub(crate) fn next_run(&self) -> Option<Handover> {
        let run = self.runs.pop()?;
        self.run_bytes.fetch_sub(run.bytes.len(), Ordering::Relaxed);
        Some(run)
    }

    /// A buffer that is not used any more.
    pub(crate) fn give_back(&self, buffer: Vec<u8>) {
        if buffer.capacity() <= SMALL_BUFFER || self.buffers.len() < KEPT_BUFFERS {
            // A full pool frees it.
            self.buffers.push(buffer).ok();
        }
    }

    /// Queues a frame, or gives it back if there is no room.
    pub(crate) fn push_frame(&self, frame: StreamFrame) -> Result<(), StreamFrame> {
        let length = frame.bytes.len();
        let waiting = self.frame_bytes.fetch_add(length, Ordering::Relaxed);
        let pushed = match waiting.saturating_add(length) <= MAX_FRAMES_BYTES {
            true => self.frames.push(frame),
            false => Err(frame),
        };
        match &pushed {
            Ok(()) => self.wake(),
            Err(_) => {
                self.frame_bytes.fetch_sub(length, Ordering::Relaxed);
            }
        }
        pushed
    }

    pub(crate) fn next_frame(&self) -> Option<StreamFrame> {
        let frame = self.frames.pop()?;
        self.frame_bytes
            .fetch_sub(frame.bytes.len(), Ordering::Relaxed);
        Some(frame)
    }

    pub(crate) fn send(&self, control: Control) {
        self.control().push_back(control);
        if self.is_closed() {
            // It may have come after everything was thrown away.
            return self.control().clear();
        }
        self.has_control.store(true, Ordering::Release);
        self.wake();
    }

    pub(crate) fn next_control(&self) -> Option<Control> {
        if !self.has_control.load(Ordering::Acquire) {
            return None;
        }
        let mut waiting = self.control();
        let next = waiting.pop_front();
        self.has_control
            .store(!waiting.is_empty(), Ordering::Release);
        next
    }

    /// Says that the worker is about to wait; false if there is something to do.
    pub(crate) fn fall_asleep(&self) -> bool {
        self.sleeps.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let is_idle = self.runs.is_empty()
            && self.frames.is_empty()
            && !self.has_control.load(Ordering::SeqCst)
            && !self.wants_counters();
        if !is_idle {
            self.stay_awake();
        }
        is_idle
    }

    pub(crate) fn stay_awake(&self) {
        self.sleeps.store(false, Ordering::Relaxed);
    }

    fn wake(&self) {
        fence(Ordering::SeqCst);
        if self.sleeps.load(Ordering::Relaxed) && self.sleeps.swap(false, Ordering::SeqCst) {
            self.wake_always();
        }
    }

    fn wake_always(&self) {
        if let Err(error) = self.waker.wake() {
            tracing::debug!(kind = ?error.kind(), "cannot wake a worker");
        }
    }

    /// The worker is gone.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        // Whoever waits for an answer sees that there will be none.
        self.control().clear();
        while self.next_frame().is_some() {}
        // Nobody is between looking at it and waiting then.
        drop(self.published());
        self.publishes.notify_all();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// Whether somebody waits for counters.
    pub(crate) fn wants_counters(&self) -> bool {
        self.wanted.load(Ordering::Acquire)
    }

    /// Counts for whoever waits, under the lock: nobody who asks later is answered with it.
    pub(crate) fn publish(&self, counters: impl FnOnce() -> WorkerCounters) {
        let mut published = self.published();
        self.wanted.store(false, Ordering::Release);
        *published = (published.0 + 1, counters());
        drop(published);
        self.publishes.notify_all();
    }

    /// What the worker counted so far; as of earlier if it does not answer.
    pub(crate) fn counters(&self) -> WorkerCounters {
        let mut published = self.published();
        if !self.is_closed() {
            let before = published.0;
            self.wanted.store(true, Ordering::SeqCst);
            self.wake();
            let waited =
                self.publishes
                    .wait_timeout_while(published, COUNTERS_PATIENCE, |(count, _)| {
                        *count == before && !self.is_closed()
                    });
            published = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        published.1
    }

    pub(crate) fn ring_counters(&self) -> RingCounters {
        RingCounters {
            waiting: wide(self.runs.len()),
            high_water: wide(self.high_water.load(Ordering::Relaxed)),
            dropped_runs: self.dropped.load(Ordering::Relaxed),
            dropped_datagrams: self.dropped_datagrams.load(Ordering::Relaxed),
        }
    }

    fn control(&self) -> MutexGuard<'_, VecDeque<Control>> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn published(&self) -> MutexGuard<'_, (u64, WorkerCounters)> {
        self.published
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mailbox").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use mio::{Poll, Token};

    use super::*;

    fn way() -> (RelayedAddr, RelayedAddr) {
        let at = |port| RelayedAddr(SocketAddr::from(([192, 0, 2, 1], port)));
        (at(1), at(2))
    }

    fn mailbox() -> (Poll, Arc<Mailbox>) {
        let poll = Poll::new().unwrap();
        let waker = Waker::new(poll.registry(), Token(0)).unwrap();
        (poll, Mailbox::new(waker))
    }

    #[test]
    fn a_full_ring_drops_and_counts_and_takes_again_what_there_is_room_for() {
        let (_poll, mailbox) = mailbox();
        for number in 0..RING_LEN + 5 {
            let run = number.to_be_bytes();
            mailbox.hand_over(way(), &run, 4, 0);
        }
        let expected = RingCounters {
            waiting: wide(RING_LEN),
            high_water: wide(RING_LEN),
            dropped_runs: 5,
            dropped_datagrams: 10,
        };
        assert_eq!(mailbox.ring_counters(), expected);
        for number in 0..RING_LEN {
            let run = mailbox.next_run().unwrap();
            assert_eq!(run.bytes, number.to_be_bytes());
            mailbox.give_back(run.bytes);
        }
        assert!(mailbox.next_run().is_none());
        mailbox.hand_over(way(), b"again", 5, 0);
        assert_eq!(mailbox.next_run().unwrap().bytes, b"again");
        assert_eq!(mailbox.ring_counters().dropped_runs, 5);
    }

    #[test]
    fn few_long_runs_fill_a_ring_as_well() {
        let (_poll, mailbox) = mailbox();
        let run = vec![7; 64 * 1024];
        for _ in 0..MAX_RING_BYTES / run.len() + 3 {
            mailbox.hand_over(way(), &run, 1_200, 0);
        }
        assert_eq!(mailbox.ring_counters().dropped_runs, 3);
        while let Some(run) = mailbox.next_run() {
            mailbox.give_back(run.bytes);
        }
        assert!(mailbox.buffers.len() <= KEPT_BUFFERS);
        assert_eq!(mailbox.run_bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn whoever_falls_asleep_is_told_of_what_came_before() {
        let (_poll, mailbox) = mailbox();
        assert!(mailbox.fall_asleep());
        mailbox.stay_awake();
        mailbox.hand_over(way(), b"run", 3, 0);
        assert!(!mailbox.fall_asleep());
        mailbox.next_run().unwrap();
        assert!(mailbox.fall_asleep());
        mailbox.stay_awake();
        mailbox.send(Control::Stop);
        assert!(!mailbox.fall_asleep());
        assert!(matches!(mailbox.next_control(), Some(Control::Stop)));
        assert!(mailbox.next_control().is_none());
        assert!(mailbox.fall_asleep());
    }

    #[test]
    fn whoever_asks_a_worker_that_is_gone_is_not_kept_waiting() {
        let (_poll, mailbox) = mailbox();
        mailbox.close();
        let (heard, mut answer) = oneshot::channel();
        mailbox.send(Control::Drain {
            alternatives: Vec::new(),
            heard,
        });
        let answer = answer.try_recv();
        assert_eq!(answer, Err(oneshot::error::TryRecvError::Closed));
    }

    #[test]
    fn whoever_asks_while_a_worker_goes_is_not_kept_waiting() {
        for _ in 0..500 {
            let (_poll, mailbox) = mailbox();
            let closes = Arc::clone(&mailbox);
            let worker = std::thread::spawn(move || closes.close());
            let (heard, answer) = oneshot::channel();
            mailbox.send(Control::Drain {
                alternatives: Vec::new(),
                heard,
            });
            worker.join().unwrap();
            assert!(answer.blocking_recv().is_err());
        }
    }

    fn client() -> FiveTuple {
        FiveTuple {
            client: way().0.0,
            local: way().1.0,
            transport: hither_stun::server::Transport::Tcp,
        }
    }

    #[test]
    fn few_long_frames_find_no_room_as_well() {
        let (_poll, mailbox) = mailbox();
        let frame = || StreamFrame {
            stream: StreamId(0),
            client: client(),
            bytes: vec![7; 64 * 1024],
        };
        let fitting = MAX_FRAMES_BYTES / frame().bytes.len();
        for _ in 0..fitting {
            mailbox.push_frame(frame()).unwrap();
        }
        assert!(mailbox.push_frame(frame()).is_err());
        mailbox.next_frame().unwrap();
        mailbox.push_frame(frame()).unwrap();
        while mailbox.next_frame().is_some() {}
        assert_eq!(mailbox.frame_bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_frame_that_finds_no_room_comes_back() {
        let (_poll, mailbox) = mailbox();
        let frame = |number: u64| StreamFrame {
            stream: StreamId(number),
            client: client(),
            bytes: Vec::new(),
        };
        for number in 0.. {
            match mailbox.push_frame(frame(number)) {
                Ok(()) => {}
                Err(refused) => {
                    assert_eq!(refused.stream, StreamId(number));
                    assert_eq!(number, wide(FRAMES_LEN));
                    break;
                }
            }
        }
    }
}
