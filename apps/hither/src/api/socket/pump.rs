// SPDX-License-Identifier: MIT OR Apache-2.0
//! Moves frames over one socket without ever blocking one direction on the other.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::{Message, WebSocket};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use hither_api::{ClientFrame, FrameError, Problem, ServerFrame};
use tokio::time::Instant;

/// Answers that may wait before the client's next frame is read.
const MAX_ANSWERS: usize = 64;
/// How long a client may take to read anything at all.
const STALL: Duration = Duration::from_secs(60);
/// How often a quiet client is asked whether it is there.
const PING_EVERY: Duration = Duration::from_secs(30);
/// Quiet time after which a client is taken to be gone.
const IDLE: Duration = Duration::from_secs(75);
/// How long a last word may take.
const LAST_WORD: Duration = Duration::from_secs(1);

/// What a socket has to say.
#[derive(Debug)]
pub(super) enum Heard {
    /// A frame.
    Frame(ClientFrame),
    /// Something that is none: the client broke the rules.
    Broken(FrameError),
    /// The client closed, vanished, or reads nothing.
    Gone,
    /// What was to be sent has been handed to the network, or time passed.
    Moved,
}

/// Both directions of a socket.
pub(super) struct Pump {
    sink: SplitSink<WebSocket, Message>,
    stream: SplitStream<WebSocket>,
    outgoing: VecDeque<Message>,
    flushed: bool,
    /// When the client was last heard.
    heard_at: Instant,
    /// When the network last took something, or had nothing to take.
    moved_at: Instant,
    next_ping: Instant,
}

impl Pump {
    pub(super) fn new(socket: WebSocket) -> Self {
        let (sink, stream) = socket.split();
        let now = Instant::now();
        Self {
            sink,
            stream,
            outgoing: VecDeque::new(),
            flushed: true,
            heard_at: now,
            moved_at: now,
            next_ping: now + PING_EVERY,
        }
    }

    /// Queues a frame. The caller keeps the queue short by asking [`Self::wants_more`].
    pub(super) fn say(&mut self, frame: &ServerFrame) {
        self.outgoing
            .push_back(Message::Binary(Bytes::from(frame.emit())));
    }

    /// Whether everything queued so far has left the queue.
    pub(super) fn wants_more(&self) -> bool {
        self.outgoing.is_empty()
    }

    /// Moves bytes until there is something to tell. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Heard {
        let deadline = self.deadline();
        tokio::select! {
            heard = self.stream.next(), if self.outgoing.len() < MAX_ANSWERS => {
                self.heard_at = Instant::now();
                read(heard)
            }
            moved = advance(&mut self.sink, &mut self.outgoing, &mut self.flushed),
                if !self.outgoing.is_empty() || !self.flushed => {
                self.moved_at = Instant::now();
                if moved { Heard::Moved } else { Heard::Gone }
            }
            () = tokio::time::sleep_until(deadline) => self.tick(),
        }
    }

    fn deadline(&self) -> Instant {
        let idle = self.heard_at + IDLE;
        let mut deadline = idle.min(self.next_ping);
        if !self.outgoing.is_empty() || !self.flushed {
            deadline = deadline.min(self.moved_at + STALL);
        }
        deadline
    }

    fn tick(&mut self) -> Heard {
        let now = Instant::now();
        let waiting = !self.outgoing.is_empty() || !self.flushed;
        if now >= self.heard_at + IDLE || (waiting && now >= self.moved_at + STALL) {
            return Heard::Gone;
        }
        if now >= self.next_ping {
            self.next_ping = now + PING_EVERY;
            self.queue_ping(now);
        }
        Heard::Moved
    }

    fn queue_ping(&mut self, now: Instant) {
        if self.outgoing.is_empty() {
            self.moved_at = now;
            self.outgoing.push_back(Message::Ping(Bytes::new()));
        }
    }

    /// Says one last thing ahead of what is queued and closes; a client that does not listen is not waited for.
    pub(super) async fn finish(mut self, last: Option<ServerFrame>) {
        self.outgoing.clear();
        let goodbye = async {
            if let Some(frame) = last {
                self.sink.send(Message::Binary(frame.emit().into())).await?;
            }
            self.sink.close().await
        };
        // Whether it was heard cannot be known.
        let _unheard = tokio::time::timeout(LAST_WORD, goodbye).await;
    }
}

/// Hands the next message to the network, or flushes when there is none. False if the socket is broken.
async fn advance(
    sink: &mut SplitSink<WebSocket, Message>,
    outgoing: &mut VecDeque<Message>,
    flushed: &mut bool,
) -> bool {
    poll_fn(|context| {
        if outgoing.is_empty() {
            let flush = sink.poll_flush_unpin(context);
            return flush.map(|result| {
                *flushed = true;
                result.is_ok()
            });
        }
        match sink.poll_ready_unpin(context) {
            Poll::Ready(Ok(())) => {
                *flushed = false;
                let message = outgoing.pop_front();
                Poll::Ready(message.is_none_or(|message| sink.start_send_unpin(message).is_ok()))
            }
            Poll::Ready(Err(_)) => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

fn read(heard: Option<Result<Message, axum::Error>>) -> Heard {
    match heard {
        Some(Ok(Message::Binary(bytes))) => match ClientFrame::parse(&bytes) {
            Ok(frame) => Heard::Frame(frame),
            Err(error) => Heard::Broken(error),
        },
        Some(Ok(Message::Text(_))) => Heard::Broken(FrameError::Malformed),
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Heard::Moved,
        Some(Ok(Message::Close(_)) | Err(_)) | None => Heard::Gone,
    }
}

/// What a client hears that broke the rules.
pub(super) fn broken_frame(error: &FrameError) -> Problem {
    let (kind, title) = match error {
        FrameError::TooLong => ("frame-too-long", "The frame is too long."),
        FrameError::Version => ("frame-version", "The node does not speak this version."),
        FrameError::Malformed => ("frame-malformed", "The frame is malformed."),
    };
    Problem::new(400, kind, title, "Reload the page or update the program.")
}
