// SPDX-License-Identifier: MIT OR Apache-2.0
//! The one socket to the node: sign in, keep alive, come back after a loss; and requests on its behalf.

use std::collections::BTreeSet;

use ed25519_dalek::{Signer as _, SigningKey};
use hither_api::{
    Bearer, Capability, ClientFrame, DeviceId, MailboxId, Problem, ReadKey, Role, ServerFrame,
    TurnGrant, header, path, sign_in_transcript,
};
use hither_sansio::{Duration, Instant, Now};
use rand_core::Rng as _;

use crate::base::{Base, Purpose};
use crate::contact::Inbox;
use crate::{Method, NodeState, SocketAction, SocketEvent};

/// First and longest pause before trying again.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
/// The first pause when a call hangs on it, and how long a socket may take then.
const HURRIED_PAUSE: Duration = Duration::from_millis(250);
const REOPEN_AGAIN: Duration = Duration::from_millis(1500);
/// How often the socket is asked whether it lives, and how long it has to answer.
const PING_EVERY: Duration = Duration::from_secs(20);
const PONG_WITHIN: Duration = Duration::from_secs(8);
/// The problem of a sign-in whose device the node does not know, or no more.
const DEVICE_UNKNOWN: &str = "device-unknown";
/// How long opening and signing in may take.
const SIGN_IN_WITHIN: Duration = Duration::from_secs(15);

/// What the rest of the client needs to know of a frame.
#[derive(Debug)]
pub(crate) enum NodeEvent {
    SignedIn,
    Lost,
    Envelope {
        mailbox: MailboxId,
        sequence: u64,
        bytes: Vec<u8>,
    },
    Refused(Problem),
    /// A mailbox is deleted, or was not there.
    Deleted(u32),
    Revoked,
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) origin: String,
    device: DeviceId,
    key: SigningKey,
    state: NodeState,
    bearer: Option<Bearer>,
    pub(crate) role: Role,
    pub(crate) turn: Option<TurnGrant>,
    pause: Duration,
    deadline: Option<(Instant, Waiting)>,
    reopened: Option<Instant>,
    next_request: u32,
    /// Requests to delete a mailbox.
    deleting: BTreeSet<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    SignIn,
    Retry,
    Ping,
    Pong,
}

impl Node {
    pub(crate) fn new(origin: String, device: DeviceId, key_seed: &[u8; 32], role: Role) -> Self {
        Self {
            origin,
            device,
            key: SigningKey::from_bytes(key_seed),
            state: NodeState::Connecting,
            bearer: None,
            role,
            turn: None,
            pause: FIRST_PAUSE,
            deadline: None,
            reopened: None,
            next_request: 1,
            deleting: BTreeSet::new(),
        }
    }

    pub(crate) fn state(&self) -> NodeState {
        self.state
    }

    pub(crate) fn is_online(&self) -> bool {
        self.state == NodeState::Online
    }

    /// Whether there is a socket, open or being opened.
    fn is_awake(&self) -> bool {
        matches!(self.state, NodeState::Connecting | NodeState::Online)
    }

    pub(crate) fn device(&self) -> DeviceId {
        self.device
    }

    pub(crate) fn connect(&mut self, base: &mut Base, now: Now) {
        if self.state == NodeState::Revoked {
            return;
        }
        self.state = NodeState::Connecting;
        self.deadline = Some((now.instant + SIGN_IN_WITHIN, Waiting::SignIn));
        let url = format!("{}{}", socket_origin(&self.origin), path::SOCKET);
        base.socket(SocketAction::Open { url });
        base.changed();
    }

    /// Looks at once whether the node is there: the network changed.
    pub(crate) fn hurry(&mut self, base: &mut Base, now: Now) {
        match self.state {
            // A ping that is under way already keeps its time.
            NodeState::Online if matches!(self.deadline, Some((_, Waiting::Pong))) => {}
            NodeState::Online => self.ping(base, now),
            NodeState::Offline => {
                self.pause = FIRST_PAUSE;
                self.connect(base, now);
            }
            // It is being opened over a network that is gone, perhaps, and a call hangs on it.
            NodeState::Connecting if self.reopened.is_some() => {
                self.reopened = None;
                self.reopen(base, now);
            }
            NodeState::Connecting | NodeState::Revoked => {}
        }
    }

    /// Another socket at once: every path is silent, so this one may be dead as well, and says so late. One that
    /// is being opened has a moment to come up.
    pub(crate) fn reopen(&mut self, base: &mut Base, now: Now) {
        let opening = self.state == NodeState::Connecting
            && self
                .reopened
                .is_some_and(|at| now.instant.saturating_since(at) < REOPEN_AGAIN);
        if opening || self.state == NodeState::Revoked {
            return;
        }
        self.reopened = Some(now.instant);
        self.pause = HURRIED_PAUSE;
        self.connect(base, now);
        self.deadline = Some((now.instant + REOPEN_AGAIN, Waiting::SignIn));
    }

    pub(crate) fn handle_socket(
        &mut self,
        base: &mut Base,
        event: SocketEvent,
        now: Now,
    ) -> Option<NodeEvent> {
        match event {
            SocketEvent::Opened => None,
            // What comes after the end of a socket is not this socket's.
            SocketEvent::Frame(_) if !self.is_awake() => None,
            SocketEvent::Closed => self.lost(base, now),
            SocketEvent::Frame(bytes) => match ServerFrame::parse(&bytes) {
                Ok(frame) => self.handle_frame(base, frame, now),
                Err(_) => {
                    base.socket(SocketAction::Close);
                    self.lost(base, now)
                }
            },
        }
    }

    fn handle_frame(&mut self, base: &mut Base, frame: ServerFrame, now: Now) -> Option<NodeEvent> {
        if self.is_online() {
            self.deadline = Some((now.instant + PING_EVERY, Waiting::Ping));
        }
        match frame {
            // Signing in happens once a socket.
            ServerFrame::Challenge { .. } | ServerFrame::Welcome { .. } if self.is_online() => None,
            ServerFrame::Challenge { nonce } => {
                let transcript = sign_in_transcript(&nonce, self.device);
                let signature = self.key.sign(&transcript).to_bytes().to_vec();
                let device = self.device;
                send(base, &ClientFrame::SignIn { device, signature });
                None
            }
            ServerFrame::Welcome { bearer, role, turn } => {
                self.bearer = Some(bearer);
                self.role = role;
                self.turn = Some(turn);
                self.state = NodeState::Online;
                self.reopened = None;
                self.pause = FIRST_PAUSE;
                self.deadline = Some((now.instant + PING_EVERY, Waiting::Ping));
                base.changed();
                Some(NodeEvent::SignedIn)
            }
            ServerFrame::Envelope {
                mailbox,
                sequence,
                bytes,
            } => Some(NodeEvent::Envelope {
                mailbox,
                sequence,
                bytes,
            }),
            ServerFrame::TurnGrant(grant) => {
                self.turn = Some(grant);
                None
            }
            ServerFrame::Refused { request, .. } | ServerFrame::Done { request }
                if self.deleting.remove(&request) =>
            {
                Some(NodeEvent::Deleted(request))
            }
            ServerFrame::Refused { problem, .. } => Some(NodeEvent::Refused(problem)),
            ServerFrame::Goodbye { problem } if problem.kind == DEVICE_UNKNOWN => {
                Some(self.revoked(base))
            }
            ServerFrame::Goodbye { problem } => {
                base.socket(SocketAction::Close);
                drop(self.lost(base, now));
                Some(NodeEvent::Refused(problem))
            }
            ServerFrame::Revoked => Some(self.revoked(base)),
            ServerFrame::Done { .. } | ServerFrame::Pong => None,
        }
    }

    fn revoked(&mut self, base: &mut Base) -> NodeEvent {
        self.state = NodeState::Revoked;
        self.bearer = None;
        self.deadline = None;
        base.socket(SocketAction::Close);
        base.changed();
        NodeEvent::Revoked
    }

    fn lost(&mut self, base: &mut Base, now: Now) -> Option<NodeEvent> {
        if matches!(self.state, NodeState::Revoked | NodeState::Offline) {
            return None;
        }
        self.state = NodeState::Offline;
        self.bearer = None;
        self.deleting.clear();
        let spread = base.rng.next_u64() % 250;
        let pause = self.pause + Duration::from_millis(spread);
        self.deadline = Some((now.instant + pause, Waiting::Retry));
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        base.changed();
        Some(NodeEvent::Lost)
    }

    pub(crate) fn timeout(&self) -> Option<Instant> {
        self.deadline.map(|(at, _)| at)
    }

    pub(crate) fn handle_timeout(&mut self, base: &mut Base, now: Now) -> Option<NodeEvent> {
        let (at, waiting) = self.deadline?;
        if at > now.instant {
            return None;
        }
        match waiting {
            Waiting::Retry => {
                self.connect(base, now);
                None
            }
            Waiting::Ping => {
                self.renew_turn(base, now);
                self.ping(base, now);
                None
            }
            Waiting::SignIn | Waiting::Pong => {
                base.socket(SocketAction::Close);
                self.lost(base, now)
            }
        }
    }

    fn ping(&mut self, base: &mut Base, now: Now) {
        send(base, &ClientFrame::Ping);
        self.deadline = Some((now.instant + PONG_WITHIN, Waiting::Pong));
    }

    fn renew_turn(&self, base: &mut Base, now: Now) {
        let soon = now.unix.as_secs() + 1800;
        if self.turn.as_ref().is_some_and(|turn| turn.expires < soon) {
            send(base, &ClientFrame::TurnGrant);
        }
    }

    // ---- frames

    fn request(&mut self) -> u32 {
        self.next_request = self.next_request.wrapping_add(1);
        self.next_request
    }

    /// Makes a mailbox unless it is there, and has it delivered.
    pub(crate) fn open_inbox(&mut self, base: &mut Base, inbox: &Inbox) {
        if !self.is_online() {
            return;
        }
        let mailbox = MailboxId::from_bytes(inbox.mailbox);
        let write_hash = Capability::from_bytes(inbox.capability).hash();
        let read_key = ReadKey::from_bytes(inbox.read_key);
        let request = self.request();
        send(
            base,
            &ClientFrame::CreateMailbox {
                request,
                mailbox,
                write_hash,
                read_hash: read_key.hash(),
            },
        );
        let request = self.request();
        send(
            base,
            &ClientFrame::Subscribe {
                request,
                mailbox,
                read_key,
            },
        );
    }

    /// Asks for it, and names the request that [`NodeEvent::Deleted`] will answer.
    pub(crate) fn delete_mailbox(
        &mut self,
        base: &mut Base,
        mailbox: MailboxId,
        read_key: ReadKey,
    ) -> Option<u32> {
        if !self.is_online() {
            return None;
        }
        let request = self.request();
        self.deleting.insert(request);
        send(
            base,
            &ClientFrame::DeleteMailbox {
                request,
                mailbox,
                read_key,
            },
        );
        Some(request)
    }

    pub(crate) fn acknowledge(&self, base: &mut Base, mailbox: MailboxId, sequence: u64) {
        if self.is_online() {
            send(base, &ClientFrame::Acknowledge { mailbox, sequence });
        }
    }

    // ---- requests

    /// A request in the name of this device; `false` if it is not signed in.
    pub(crate) fn ask(
        &self,
        base: &mut Base,
        purpose: Purpose,
        method: Method,
        path: &str,
        mut headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
    ) -> bool {
        let Some(bearer) = self.bearer else {
            return false;
        };
        headers.push((
            "authorization",
            format!("{} {}", header::BEARER, bearer.to_text()),
        ));
        base.http(
            purpose,
            method,
            format!("{}{path}", self.origin),
            headers,
            body,
        );
        true
    }
}

fn send(base: &mut Base, frame: &ClientFrame) {
    base.socket(SocketAction::Send(frame.emit()));
}

/// `https://…` becomes `wss://…`, `http://…` becomes `ws://…`.
fn socket_origin(origin: &str) -> String {
    match origin.strip_prefix("http") {
        Some(rest) => format!("ws{rest}"),
        None => origin.to_owned(),
    }
}
