// SPDX-License-Identifier: MIT OR Apache-2.0
//! What moves packets between the links of a router: a thread that waits for them, and for the time when those on
//! slow links come out.
//!
//! A packet passes a link, is routed, and passes another link:
//!
//! ```text
//! wire -> lane of its link -> [Routing] -> lane of the next link -> wire
//! ```

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering as Atomic};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
use rustix::process::setpriority_process;
use rustix::thread::gettid;

use super::backbone::Backbone;
use super::dice::Dice;
use super::frame::{Frame, Transport};
use super::lane::Lane;
use super::link::{Line, Way};
use super::routing::{Routing, UPLINK};
use super::wire::Wire;
use crate::LabError;
use crate::connection::lock;

/// Packets on the way through one router; those beyond are lost.
const MOST: usize = 65_536;

/// Packets that are taken from one wire before the others have their turn.
const TURN: usize = 64;

/// Nice, in the other direction.
const URGENT: i32 = -20;

/// A running router. Dropping it ends the thread.
#[derive(Debug)]
pub(super) struct Forwarder {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread shares with those who change things.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    /// What the thread waits for: every wire, and [`Shared::wake`].
    epoll: OwnedFd,
    wake: OwnedFd,
    ended: AtomicBool,
}

#[derive(Debug)]
struct State {
    ports: Vec<Option<Port>>,
    routing: Routing,
    due: BinaryHeap<Reverse<Due>>,
    /// Packets that were ever on the way, to keep those of one moment in order.
    number: u64,
    begun: Instant,
    dice: Dice,
    backbone: Arc<Backbone>,
}

/// A link's near end.
#[derive(Debug)]
struct Port {
    wire: Wire,
    line: Line,
}

/// Where a packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// On the link that it came by.
    Coming,
    /// On the link that it leaves by.
    Going,
}

/// A packet on a link, and when it comes out.
#[derive(Debug)]
struct Due {
    at: Duration,
    number: u64,
    port: usize,
    stage: Stage,
    frame: Frame,
}

impl Forwarder {
    pub(super) fn start(
        backbone: &Arc<Backbone>,
        routing: Routing,
        seed: u64,
    ) -> Result<Self, LabError> {
        let failed = |error: rustix::io::Errno| {
            LabError::io("make what a router waits with")(io::Error::from(error))
        };
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(failed)?;
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(failed)?;
        let key = epoll::EventData::new_u64(u64::MAX);
        epoll::add(&epoll, &wake, key, epoll::EventFlags::IN).map_err(failed)?;
        let state = State {
            ports: Vec::new(),
            routing,
            due: BinaryHeap::new(),
            number: 0,
            begun: Instant::now(),
            dice: Dice::new(seed),
            backbone: Arc::clone(backbone),
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            epoll,
            wake,
            ended: AtomicBool::new(false),
        });
        let thread = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.run())
        };
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.shared.ended.store(true, Atomic::Relaxed);
        self.shared.wake();
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

impl Shared {
    /// Adds a link. What has one of these addresses is reached by it; the first one leads to the backbone.
    pub(super) fn plug(&self, wire: Wire, addresses: &[IpAddr]) -> Result<usize, LabError> {
        let mut state = lock(&self.state);
        let port = state.ports.len();
        epoll::add(
            &self.epoll,
            &wire,
            epoll::EventData::new_u64(port as u64),
            epoll::EventFlags::IN,
        )
        .map_err(|error| LabError::io("wait for a link")(error.into()))?;
        let mut lane = || Lane::new(Dice::new(state.dice.number()));
        let line = Line {
            up: lane(),
            down: lane(),
            cut: None,
        };
        state.ports.push(Some(Port { wire, line }));
        state.routing.add(port, addresses);
        Ok(port)
    }

    /// Removes a link. Its wire is closed, and is waited for no longer.
    pub(super) fn unplug(&self, port: usize) {
        let mut state = lock(&self.state);
        state.routing.remove(port);
        if let Some(place) = state.ports.get_mut(port) {
            *place = None;
        }
    }

    pub(super) fn with_line(&self, port: usize, change: impl FnOnce(&mut Line)) {
        let mut state = lock(&self.state);
        if let Some(Some(port)) = state.ports.get_mut(port) {
            change(&mut port.line);
        }
    }

    pub(super) fn with_routing<T>(&self, change: impl FnOnce(&mut Routing) -> T) -> T {
        change(&mut lock(&self.state).routing)
    }

    fn wake(&self) {
        let _woken = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }

    fn run(&self) {
        // Browsers share the processor with the network between them, which must not wait for them.
        let _as_usual = setpriority_process(Some(gettid()), URGENT);
        let mut events = Vec::with_capacity(16);
        let mut patience = None;
        while !self.ended.load(Atomic::Relaxed) {
            events.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), patience.as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(_) => return,
            }
            let mut state = lock(&self.state);
            for event in &events {
                let data = event.data;
                // Whoever woke us has changed something; there is no more to it.
                if let Ok(port) = usize::try_from(data.u64()) {
                    state.read(port);
                }
            }
            state.release();
            patience = state.patience();
        }
    }
}

impl State {
    fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Takes what has come by a link.
    fn read(&mut self, port: usize) {
        for _ in 0..TURN {
            let Some(Some(from)) = self.ports.get(port) else {
                return;
            };
            let Some(frame) = from.wire.receive() else {
                return;
            };
            // What systems tell each other about the link itself goes no further than that.
            if frame.destination().ip().is_multicast() && frame.transport() != Transport::Udp {
                continue;
            }
            let now = self.now();
            self.enter(port, Stage::Coming, frame, now);
        }
    }

    /// Puts a packet on a link; it comes out at once where the link does nothing.
    fn enter(&mut self, port: usize, stage: Stage, frame: Frame, now: Duration) {
        let Some(Some(Port { line, .. })) = self.ports.get_mut(port) else {
            return;
        };
        // Up is what leaves by the first link, or comes by another.
        let way = match (port == UPLINK, stage) {
            (true, Stage::Going) | (false, Stage::Coming) => Way::Up,
            (true, Stage::Coming) | (false, Stage::Going) => Way::Down,
        };
        if line.cuts(&frame, way, &self.backbone) {
            line.lane(way).passage.cut += 1;
            return;
        }
        let Some(at) = line.lane(way).admit(frame.len(), now) else {
            return;
        };
        if at <= now {
            self.leave(port, stage, frame, now);
        } else if self.due.len() < MOST {
            self.number += 1;
            self.due.push(Reverse(Due {
                at,
                number: self.number,
                port,
                stage,
                frame,
            }));
        }
    }

    /// What happens to a packet at the end of a link.
    fn leave(&mut self, port: usize, stage: Stage, mut frame: Frame, now: Duration) {
        match stage {
            Stage::Coming => {
                for (port, frame) in self.routing.route(port, frame, now) {
                    self.enter(port, Stage::Going, frame, now);
                }
            }
            Stage::Going => {
                if let Some(Some(Port { wire, .. })) = self.ports.get(port) {
                    wire.send(&mut frame);
                }
            }
        }
    }

    /// Lets out what is due.
    fn release(&mut self) {
        loop {
            let now = self.now();
            match self.due.peek() {
                Some(Reverse(due)) if due.at <= now => {}
                _ => return,
            }
            let Some(Reverse(due)) = self.due.pop() else {
                return;
            };
            self.leave(due.port, due.stage, due.frame, now);
        }
    }

    /// How long until something is due.
    fn patience(&self) -> Option<Timespec> {
        let Reverse(next) = self.due.peek()?;
        let wait = next.at.saturating_sub(self.now());
        Timespec::try_from(wait).ok()
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Due {}
