// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sends through flows and checks every byte of what arrives.
//!
//! One thread does both and never waits: it sends bursts as one segmented datagram, takes coalesced ones,
//! and looks only at sockets that something is on its way to. Both directions of all flows take turns.

use std::collections::VecDeque;
use std::fmt;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::BenchError;
use crate::flows::End;
use crate::payload::{Pool, Stamp};
use crate::turn::{CHANNEL_HEADER_LEN, channel_header};

/// What arrives later than this after the last datagram was sent has not been carried: it waited in a
/// buffer, and with a longer run there would be no room for it.
const GRACE: Duration = Duration::from_millis(2);

/// After so long without an arrival nothing is on its way any more.
const SILENCE: Duration = Duration::from_millis(10);

/// How far the generator may be behind its timetable before it forgets what it has missed.
const MAX_BEHIND: Duration = Duration::from_micros(500);

const RECEIVED_AT_ONCE: usize = 65_536;

/// Numbers the runs of this process: what is left over from an overload may arrive much later.
static RUNS: AtomicU32 = AtomicU32::new(1);

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// How many flows take part.
    pub(crate) flows: usize,
    /// How many datagrams of a flow are sent at once.
    pub(crate) burst: usize,
    /// How long each payload is, in bytes.
    pub(crate) payload: usize,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = if self.flows == 1 { "" } else { "s" };
        write!(f, "{} B, {} flow{s}, ", self.payload, self.flows)?;
        match self.burst {
            1 => f.write_str("single"),
            burst => write!(f, "bursts of {burst}"),
        }
    }
}

/// What became of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// Datagrams that were sent.
    pub(crate) sent: u64,
    /// Datagrams that arrived in time.
    pub(crate) received: u64,
    /// Datagrams that arrived too late.
    pub(crate) late: u64,
    /// Datagrams that arrived after one that was sent later.
    pub(crate) reordered: u64,
    /// How long was sent.
    pub(crate) elapsed: Duration,
}

impl Tally {
    /// The part that did not arrive in time.
    pub(crate) fn loss(&self) -> f64 {
        if self.sent == 0 {
            return 1.0;
        }
        1.0 - self.received as f64 / self.sent as f64
    }

    /// Datagrams a second that were sent.
    pub(crate) fn offered(&self) -> f64 {
        self.sent as f64 / self.elapsed.as_secs_f64()
    }

    /// Datagrams a second that arrived.
    pub(crate) fn carried(&self) -> f64 {
        self.received as f64 / self.elapsed.as_secs_f64()
    }
}

/// One direction of a flow, named after the end that sends.
#[derive(Debug)]
struct Lane {
    /// The burst as it is sent, but for the stamps.
    bytes: Vec<u8>,
    sent: u64,
    /// The sequence number that should arrive next.
    next: u64,
    /// How many datagrams are on their way.
    outstanding: u64,
}

/// A generator on some flows.
#[derive(Debug)]
pub(crate) struct Traffic<'a> {
    ends: &'a [End],
    pool: &'a Pool,
    shape: Shape,
    lanes: Vec<Lane>,
    turn: usize,
    /// Lanes with something on its way.
    waiting: VecDeque<usize>,
    run: u32,
    clock: Instant,
    buffer: Vec<u8>,
    tally: Tally,
    /// How long datagrams were on their way, in nanoseconds, if anybody asks.
    delays: Option<Vec<u64>>,
}

impl<'a> Traffic<'a> {
    /// Prepares the first flows of `ends`.
    pub(crate) fn new(ends: &'a [End], pool: &'a Pool, shape: Shape) -> Result<Self, BenchError> {
        let ends = ends.get(..2 * shape.flows).ok_or(BenchError::TooFewFlows)?;
        for end in ends {
            let stride = shape.payload + end.head_len();
            end.segment(if shape.burst > 1 { stride } else { 0 })?;
        }
        let lanes = ends.iter().zip(0..).map(|(end, number)| {
            let burst = (0..shape.burst).zip(0_u32..);
            let bytes = burst.flat_map(|(_, slot)| {
                let head = end
                    .channel
                    .map(|channel| channel_header(channel, shape.payload));
                let head = head.into_iter().flatten();
                head.chain(pool.body(number, slot, shape.payload).iter().copied())
            });
            Lane {
                bytes: bytes.collect(),
                sent: 0,
                next: 0,
                outstanding: 0,
            }
        });
        let mut traffic = Self {
            ends,
            pool,
            shape,
            lanes: lanes.collect(),
            turn: 0,
            waiting: VecDeque::new(),
            run: 0,
            clock: Instant::now(),
            buffer: vec![0; RECEIVED_AT_ONCE],
            tally: Tally::default(),
            delays: None,
        };
        traffic.warm_up()?;
        Ok(traffic)
    }

    /// One burst from each even end, each awaited: whoever learns from what clients send has learnt.
    fn warm_up(&mut self) -> Result<(), BenchError> {
        self.begin();
        for number in (0..self.lanes.len()).step_by(2) {
            self.turn = number;
            let mut on_their_way = self.send()?;
            let sent_at = self.clock.elapsed();
            while on_their_way > 0 && self.clock.elapsed() < sent_at + GRACE {
                on_their_way = on_their_way.saturating_sub(self.poll(1)?);
            }
        }
        self.turn = 0;
        self.end(self.clock.elapsed()).map(|_| ())
    }

    /// Keeps at most `window` datagrams on their way: as fast as it goes without overload.
    pub(crate) fn saturate(&mut self, time: Duration, window: u64) -> Result<Tally, BenchError> {
        self.begin();
        let burst = self.shape.burst as u64;
        let mut on_their_way = 0;
        let mut last_arrival = Duration::ZERO;
        let mut now = Duration::ZERO;
        while now < time {
            while on_their_way + burst <= window {
                on_their_way += self.send()?;
            }
            let arrived = self.poll(16)?;
            now = self.clock.elapsed();
            on_their_way = on_their_way.saturating_sub(arrived);
            if arrived > 0 {
                last_arrival = now;
            } else if now > last_arrival + SILENCE {
                self.write_off();
                on_their_way = 0;
                last_arrival = now;
            }
        }
        self.end(now)
    }

    /// Sends `rate` datagrams a second, whatever becomes of them.
    pub(crate) fn pace(&mut self, rate: f64, time: Duration) -> Result<Tally, BenchError> {
        self.begin();
        let gap = Duration::from_secs_f64(self.shape.burst as f64 / rate.max(1.0));
        let mut due = Duration::ZERO;
        let mut now = Duration::ZERO;
        while now < time {
            if now >= due {
                self.send()?;
                due = (due + gap).max(now.saturating_sub(MAX_BEHIND));
                self.poll(2)?;
            } else {
                self.poll(8)?;
            }
            now = self.clock.elapsed();
        }
        self.end(now)
    }

    /// Sends `rate` datagrams a second and tells how long each was on its way, in nanoseconds, ascending.
    pub(crate) fn delays(&mut self, rate: f64, time: Duration) -> Result<Vec<u64>, BenchError> {
        self.delays = Some(Vec::with_capacity(1 << 16));
        let paced = self.pace(rate, time);
        let mut delays = self.delays.take().unwrap_or_default();
        let tally = paced?;
        let lost = 1.0 - (tally.received + tally.late) as f64 / tally.sent.max(1) as f64;
        if lost > 0.01 {
            return Err(BenchError::Lossy(lost));
        }
        delays.sort_unstable();
        Ok(delays)
    }

    fn begin(&mut self) {
        self.run = RUNS.fetch_add(1, Ordering::Relaxed);
        self.tally = Tally::default();
        for lane in &mut self.lanes {
            (lane.sent, lane.next, lane.outstanding) = (0, 0, 0);
        }
        self.waiting.clear();
        self.clock = Instant::now();
    }

    /// Takes what is still on its way.
    fn end(&mut self, elapsed: Duration) -> Result<Tally, BenchError> {
        while self.clock.elapsed() < elapsed + GRACE && !self.waiting.is_empty() {
            self.poll(16)?;
        }
        let in_time = self.tally.received;
        let mut last_arrival = self.clock.elapsed();
        while !self.waiting.is_empty() && self.clock.elapsed() < last_arrival + SILENCE {
            if self.poll(self.lanes.len())? > 0 {
                last_arrival = self.clock.elapsed();
            }
        }
        self.tally.late = self.tally.received - in_time;
        self.tally.received = in_time;
        self.tally.elapsed = elapsed;
        if in_time + self.tally.late > self.tally.sent {
            return Err(BenchError::Damaged("more datagrams arrived than were sent"));
        }
        Ok(self.tally)
    }

    /// Nothing is on its way any more.
    fn write_off(&mut self) {
        self.waiting.clear();
        for lane in &mut self.lanes {
            lane.outstanding = 0;
        }
    }

    /// Sends the burst of the lane whose turn it is; tells how many datagrams it has.
    fn send(&mut self) -> Result<u64, BenchError> {
        let number = self.turn;
        self.turn = (self.turn + 1) % self.lanes.len();
        let (end, lane) = (&self.ends[number], &mut self.lanes[number]);
        let stride = self.shape.payload + end.head_len();
        let nanos = nanos(self.clock.elapsed());
        let mut sequence = lane.sent;
        for (slot, datagram) in (0..).zip(lane.bytes.chunks_exact_mut(stride)) {
            let stamp = Stamp {
                run: self.run,
                lane: u32::try_from(number).unwrap_or(u32::MAX),
                slot,
                sequence,
                nanos,
            };
            stamp.emit(&mut datagram[end.head_len()..]);
            sequence += 1;
        }
        if let Err(error) = end.socket.send(&lane.bytes) {
            return match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::ConnectionRefused => {
                    Ok(0)
                }
                _ => Err(BenchError::io("send a burst")(error)),
            };
        }
        let burst = self.shape.burst as u64;
        lane.sent = sequence;
        if lane.outstanding == 0 {
            self.waiting.push_back(number);
        }
        lane.outstanding += burst;
        self.tally.sent += burst;
        Ok(burst)
    }

    /// Looks at up to `most` sockets; tells how many datagrams arrived.
    fn poll(&mut self, most: usize) -> Result<u64, BenchError> {
        let mut arrived = 0;
        for _ in 0..self.waiting.len().min(most) {
            let Some(lane) = self.waiting.pop_front() else {
                break;
            };
            arrived += self.receive(lane)?;
            if self.lanes[lane].outstanding > 0 {
                self.waiting.push_back(lane);
            }
        }
        Ok(arrived)
    }

    /// Takes what has arrived on a lane.
    fn receive(&mut self, number: usize) -> Result<u64, BenchError> {
        let mut arrived = 0;
        while self.lanes[number].outstanding > 0 {
            let length = match self.ends[number ^ 1].socket.recv(&mut self.buffer) {
                Ok(length) => length,
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => break,
                    ErrorKind::Interrupted | ErrorKind::ConnectionRefused => continue,
                    _ => return Err(BenchError::io("receive a datagram")(error)),
                },
            };
            let fresh = self.check(number, length)?;
            let lane = &mut self.lanes[number];
            lane.outstanding = lane.outstanding.saturating_sub(fresh);
            arrived += fresh;
        }
        self.tally.received += arrived;
        Ok(arrived)
    }

    /// Checks the coalesced datagrams in the buffer; tells how many belong to this run.
    fn check(&mut self, number: usize, length: usize) -> Result<u64, BenchError> {
        let end = &self.ends[number ^ 1];
        if end.channel.is_some() && self.buffer[0] < 0x40 {
            // An answer to a request that was sent twice.
            return Ok(0);
        }
        let first = self.buffer[..length]
            .get(end.head_len()..)
            .and_then(Stamp::parse);
        let first = first.ok_or(BenchError::Damaged("a stamp has changed"))?;
        if first.run != self.run {
            return Ok(0);
        }
        let stride = self.shape.payload + end.head_len();
        if !length.is_multiple_of(stride) {
            return Err(BenchError::Damaged("a datagram has another length"));
        }
        let now = nanos(self.clock.elapsed());
        let head = end
            .channel
            .map(|channel| channel_header(channel, self.shape.payload));
        let lane = &mut self.lanes[number];
        let mut fresh = 0;
        for datagram in self.buffer[..length].chunks_exact(stride) {
            let payload = match head {
                Some(head) if datagram[..CHANNEL_HEADER_LEN] != head => {
                    return Err(BenchError::Damaged("a channel's header is another one"));
                }
                Some(_) => &datagram[CHANNEL_HEADER_LEN..],
                None => datagram,
            };
            let stamp = Stamp::parse(payload).ok_or(BenchError::Damaged("a stamp has changed"))?;
            if stamp.run != self.run || usize::try_from(stamp.lane) != Ok(number) {
                return Err(BenchError::Damaged("a payload arrived on another flow"));
            }
            let body = self.pool.body(stamp.lane, stamp.slot, self.shape.payload);
            if payload[crate::payload::STAMP_LEN..] != body[crate::payload::STAMP_LEN..] {
                return Err(BenchError::Damaged("a payload has changed"));
            }
            fresh += 1;
            self.tally.reordered += u64::from(stamp.sequence < lane.next);
            lane.next = lane.next.max(stamp.sequence + 1);
            if let Some(delays) = &mut self.delays {
                delays.push(now.saturating_sub(stamp.nanos));
            }
        }
        Ok(fresh)
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
