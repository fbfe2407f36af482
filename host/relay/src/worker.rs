// SPDX-License-Identifier: MIT OR Apache-2.0
//! One thread of the relay: waits for its sockets, its rings and its timer, and serves each in turn.
//!
//! No lock and no allocation on the way of a datagram, and no error that ends the loop.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use hither_sansio::Now;
use mio::{Events, Poll, Token};

use crate::datagram::{Inbox, SocketId};
use crate::mailbox::{Control, Mailbox};
use crate::router::Router;

/// The token of the waker; sockets are numbered from zero.
pub(crate) const WAKER: Token = Token(usize::MAX);

/// Events that one call to the system may bring.
const EVENTS: usize = 256;

/// Sockets that are served in one turn; those that are left come first in the next.
const SOCKETS_BURST: usize = 64;

/// Runs and frames of a ring that are served in one turn.
const RING_BURST: usize = 128;

/// Errors in a row after which a socket has to show up again before it is read.
const MAX_ERRORS: u8 = 16;

/// Runs up to this length are gathered, so that their datagrams leave together; longer ones leave at once.
const GATHERED_LEN: usize = 4 * 1024;

/// Everything that one thread owns.
pub(crate) struct Worker {
    router: Router,
    mailbox: Arc<Mailbox>,
    poll: Poll,
    events: Events,
    inbox: Inbox,
    /// Sockets that may have more than they were asked for.
    ready: VecDeque<SocketId>,
    is_stopped: bool,
    /// Whether it was said that the system does not let it wait.
    has_complained: bool,
}

impl Worker {
    pub(crate) fn new(router: Router, mailbox: Arc<Mailbox>, poll: Poll) -> Self {
        Self {
            router,
            mailbox,
            poll,
            events: Events::with_capacity(EVENTS),
            inbox: Inbox::new(),
            ready: VecDeque::with_capacity(EVENTS),
            is_stopped: false,
            has_complained: false,
        }
    }

    /// Runs in a thread of its own until it is told to stop.
    pub(crate) fn spawn(self, index: usize) -> io::Result<thread::JoinHandle<()>> {
        thread::Builder::new()
            .name(format!("relay-{index}"))
            .spawn(move || {
                let _closes = Closes(Arc::clone(&self.mailbox));
                self.run();
            })
    }

    fn run(mut self) {
        while !self.is_stopped {
            self.wait();
            self.turn();
        }
    }

    fn wait(&mut self) {
        let timeout = match self.router.timeout() {
            _ if !self.ready.is_empty() || !self.mailbox.fall_asleep() => Some(Duration::ZERO),
            Some(at) => Some(self.router.clock.until(at)),
            None => None,
        };
        let polled = self.poll.poll(&mut self.events, timeout);
        self.mailbox.stay_awake();
        if let Err(error) = polled {
            self.events.clear();
            if error.kind() != io::ErrorKind::Interrupted {
                // Who cannot wait once cannot the next time.
                if !mem::replace(&mut self.has_complained, true) {
                    tracing::error!(kind = ?error.kind(), "the relay cannot wait for its sockets");
                }
                thread::sleep(Duration::from_millis(20));
            }
        }
        for event in self.events.iter().filter(|event| event.token() != WAKER) {
            let id = SocketId::new(event.token().0);
            if let Some(socket) = self.router.sockets.get_mut(id)
                && !socket.is_ready
            {
                socket.is_ready = true;
                self.ready.push_back(id);
            }
        }
    }

    /// Everybody gets a bounded share.
    fn turn(&mut self) {
        self.router.counters.turns += 1;
        let now = self.router.clock.now();
        for _ in 0..self.ready.len().min(SOCKETS_BURST) {
            if let Some(id) = self.ready.pop_front()
                && self.serve_socket(id, now)
            {
                self.ready.push_back(id);
            }
        }
        self.flush();
        self.serve_runs(now);
        self.serve_frames(now);
        self.serve_control();
        if self.router.timeout().is_some_and(|at| at <= now.instant) {
            self.router.handle_timeout(now);
        }
        self.flush();
        if self.mailbox.wants_counters() {
            self.mailbox.publish(|| self.router.all_counters());
        }
    }

    /// Sends what waits; then the inbox is free again.
    fn flush(&mut self) {
        self.router.flush(self.inbox.bytes());
        self.inbox.clear();
    }

    /// One burst from one socket, whose answers wait for the next flush; true if it may have more.
    fn serve_socket(&mut self, id: SocketId, now: Now) -> bool {
        if !self.inbox.has_room() {
            self.flush();
        }
        let Some(socket) = self.router.sockets.get_mut(id) else {
            return false;
        };
        let role = socket.role;
        let counters = &mut self.router.counters.datagrams;
        let has_more = match self.router.path.receive(socket, &mut self.inbox, counters) {
            Ok(is_empty) => {
                socket.errors = 0;
                !is_empty
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
            Err(error) => {
                tracing::debug!(kind = ?error.kind(), "cannot receive a datagram");
                counters.reads_failed += 1;
                socket.errors = socket.errors.saturating_add(1);
                socket.errors < MAX_ERRORS
            }
        };
        socket.is_ready = has_more;
        let (reads, bytes) = self.inbox.parts();
        for read in reads {
            self.router.handle_read(role, read, bytes, now);
        }
        // The socket may have been closed by what it brought.
        has_more && self.router.sockets.get_mut(id).is_some()
    }

    fn serve_runs(&mut self, now: Now) {
        let mut gathered = 0;
        for _ in 0..RING_BURST {
            let Some(mut run) = self.mailbox.next_run() else {
                break;
            };
            let way = (run.from, run.to);
            let shape = (run.stride, run.skip);
            let length = run.bytes.len();
            let bytes = self.inbox.bytes_mut();
            match bytes.get_mut(gathered..gathered + length) {
                Some(room) if length <= GATHERED_LEN => {
                    room.copy_from_slice(&run.bytes);
                    let range = gathered..gathered + length;
                    gathered = range.end;
                    self.router.handle_handover(way, bytes, range, shape, now);
                }
                _ => {
                    self.router.flush(bytes);
                    let bytes = &mut run.bytes;
                    self.router
                        .handle_handover(way, bytes, 0..length, shape, now);
                    self.router.flush(bytes);
                }
            }
            self.mailbox.give_back(run.bytes);
        }
        self.flush();
    }

    fn serve_frames(&mut self, now: Now) {
        for _ in 0..RING_BURST {
            let Some(mut frame) = self.mailbox.next_frame() else {
                break;
            };
            let bytes = &mut frame.bytes;
            self.router
                .handle_frame(frame.stream, frame.client, bytes, now);
            self.router.flush(bytes);
        }
    }

    fn serve_control(&mut self) {
        while let Some(control) = self.mailbox.next_control() {
            match control {
                Control::Connect {
                    stream,
                    client,
                    queue,
                    taken,
                } => {
                    let is_new = self.router.connect(stream, client, queue);
                    if taken.send(is_new).is_err() && is_new {
                        self.router.disconnect(stream, client);
                    }
                }
                Control::Disconnect { stream, client } => self.router.disconnect(stream, client),
                Control::AskAllocation {
                    client,
                    has_allocation,
                } => {
                    // Whoever asked may have gone.
                    has_allocation
                        .send(self.router.server.has_allocation(&client))
                        .ok();
                }
                Control::Reload { reload, taken } => {
                    taken.send(self.router.reload(*reload)).ok();
                }
                Control::Drain {
                    alternatives,
                    heard,
                } => {
                    self.router.server.drain(alternatives);
                    heard.send(()).ok();
                }
                Control::Stop => self.is_stopped = true,
            }
        }
    }
}

impl Drop for Worker {
    /// The last count stays readable.
    fn drop(&mut self) {
        self.mailbox.publish(|| self.router.all_counters());
    }
}

/// Says that the worker is gone, whether it was told to stop or panicked.
struct Closes(Arc<Mailbox>);

impl Drop for Closes {
    fn drop(&mut self) {
        if thread::panicking() {
            tracing::error!("a worker of the relay panicked");
        }
        self.0.close();
    }
}

#[cfg(test)]
mod tests {
    use mio::Waker;

    use super::*;

    #[test]
    fn a_worker_that_panics_leaves_a_closed_mailbox() {
        let poll = Poll::new().unwrap();
        let waker = Waker::new(poll.registry(), WAKER).unwrap();
        let mailbox = Mailbox::new(waker);
        let closes = Closes(Arc::clone(&mailbox));
        let worker = thread::spawn(move || {
            let _closes = closes;
            panic!("a test panics");
        });
        assert!(worker.join().is_err());
        assert!(mailbox.is_closed());
        // Whoever asks is not kept waiting.
        mailbox.counters();
    }
}
