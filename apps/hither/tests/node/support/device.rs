// SPDX-License-Identifier: MIT OR Apache-2.0
//! A device as a client has it: keys, an account, a socket, mailboxes.

use std::net::TcpStream;

use ed25519_dalek::{Signer as _, SigningKey};
use hither_api::{
    AccountId, Bearer, Capability, ClientFrame, DeviceAuthKey, DeviceId, MailboxId, Problem,
    ReadKey, RegisterRequest, RegisterResponse, RegistrationRequest, RegistrationResponse,
    RegistrationToken, Role, ServerFrame, TurnGrant, path, sign_in_transcript,
};
use tungstenite::{Message, WebSocket};

use super::{Node, PATIENCE, Request, Response, random};

/// A registered device.
#[derive(Clone)]
pub(crate) struct Device {
    pub(crate) id: DeviceId,
    pub(crate) account: AccountId,
    pub(crate) role: Role,
    pub(crate) key: SigningKey,
}

impl Device {
    pub(crate) fn fresh_key() -> SigningKey {
        SigningKey::from_bytes(&random())
    }

    pub(crate) fn auth_key(key: &SigningKey) -> DeviceAuthKey {
        DeviceAuthKey::from_bytes(key.verifying_key().to_bytes())
    }

    pub(crate) fn try_register(
        node: &Node,
        token: Option<RegistrationToken>,
        key: &SigningKey,
        label: &[u8],
    ) -> Response {
        Request::new("POST", path::REGISTER)
            .json(&RegisterRequest {
                token,
                device_key: Self::auth_key(key),
                label: label.to_vec(),
            })
            .send(node)
    }

    pub(crate) fn register(node: &Node, token: RegistrationToken) -> Self {
        let key = Self::fresh_key();
        let made: RegisterResponse =
            Self::try_register(node, Some(token), &key, b"sealed label").json(201);
        Self {
            id: made.device,
            account: made.account,
            role: made.role,
            key,
        }
    }

    /// The node's owner.
    pub(crate) fn owner(node: &Node) -> Self {
        Self::register(node, node.owner_token())
    }

    /// Somebody whom `inviter` let in.
    pub(crate) fn invited_by(node: &Node, inviter: &Socket, role: Role) -> Self {
        let response: RegistrationResponse = inviter
            .request(node, "POST", path::REGISTRATIONS)
            .json(&RegistrationRequest {
                role,
                expires_in: 3600,
            })
            .send(node)
            .json(201);
        Self::register(node, response.token)
    }

    /// Signs in on a fresh socket.
    pub(crate) fn sign_in(&self, node: &Node) -> Socket {
        let mut socket = Socket::open(node);
        socket.answer_challenge(self.id, &self.key);
        match socket.next() {
            ServerFrame::Welcome { bearer, role, turn } => {
                assert_eq!(role, self.role);
                socket.bearer = Some(bearer);
                socket.turn = Some(turn);
                socket
            }
            other => panic!("{other:?}"),
        }
    }
}

/// A socket to a node.
pub(crate) struct Socket {
    stream: WebSocket<TcpStream>,
    next_request: u32,
    pub(crate) bearer: Option<Bearer>,
    pub(crate) turn: Option<TurnGrant>,
}

impl Socket {
    pub(crate) fn open(node: &Node) -> Self {
        let authority = node.authority();
        let stream = TcpStream::connect(&authority).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let url = format!("ws://{authority}{}", path::SOCKET);
        let (stream, _) = tungstenite::client(url, stream).unwrap();
        Self {
            stream,
            next_request: 0,
            bearer: None,
            turn: None,
        }
    }

    pub(crate) fn answer_challenge(&mut self, device: DeviceId, key: &SigningKey) {
        let ServerFrame::Challenge { nonce } = self.next() else {
            panic!("the node speaks first");
        };
        let signature = key.sign(&sign_in_transcript(&nonce, device));
        self.say(&ClientFrame::SignIn {
            device,
            signature: signature.to_vec(),
        });
    }

    pub(crate) fn say(&mut self, frame: &ClientFrame) {
        self.say_bytes(frame.emit());
    }

    pub(crate) fn say_bytes(&mut self, bytes: Vec<u8>) {
        self.stream.send(Message::Binary(bytes.into())).unwrap();
    }

    pub(crate) fn say_text(&mut self, text: &str) {
        self.stream.send(Message::Text(text.into())).unwrap();
    }

    /// The next frame; panics if the socket closes.
    pub(crate) fn next(&mut self) -> ServerFrame {
        self.next_or_end().expect("the socket closed")
    }

    /// The next frame, or `None` if the socket closes.
    pub(crate) fn next_or_end(&mut self) -> Option<ServerFrame> {
        loop {
            match self.stream.read() {
                Ok(Message::Binary(bytes)) => return Some(ServerFrame::parse(&bytes).unwrap()),
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// The last frame, which must be a goodbye, and then nothing.
    pub(crate) fn goodbye(&mut self) -> Problem {
        let Some(ServerFrame::Goodbye { problem }) = self.next_or_end() else {
            panic!("no goodbye");
        };
        assert!(self.next_or_end().is_none());
        problem
    }

    fn request_number(&mut self) -> u32 {
        self.next_request += 1;
        self.next_request
    }

    fn outcome(&mut self, wanted: u32) -> Result<(), Problem> {
        match self.next() {
            ServerFrame::Done { request } if request == wanted => Ok(()),
            ServerFrame::Refused { request, problem } if request == wanted => Err(problem),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn try_create(&mut self, mailbox: &Mailbox) -> Result<(), Problem> {
        let request = self.request_number();
        self.say(&ClientFrame::CreateMailbox {
            request,
            mailbox: mailbox.id,
            write_hash: mailbox.capability.hash(),
            read_hash: mailbox.read_key.hash(),
        });
        self.outcome(request)
    }

    pub(crate) fn create_mailbox(&mut self) -> Mailbox {
        let mailbox = Mailbox::random();
        self.try_create(&mailbox).unwrap();
        mailbox
    }

    pub(crate) fn try_subscribe(&mut self, mailbox: &Mailbox) -> Result<(), Problem> {
        let request = self.request_number();
        self.say(&ClientFrame::Subscribe {
            request,
            mailbox: mailbox.id,
            read_key: mailbox.read_key,
        });
        self.outcome(request)
    }

    pub(crate) fn subscribe(&mut self, mailbox: &Mailbox) {
        self.try_subscribe(mailbox).unwrap();
    }

    pub(crate) fn try_delete(&mut self, mailbox: &Mailbox) -> Result<(), Problem> {
        let request = self.request_number();
        self.say(&ClientFrame::DeleteMailbox {
            request,
            mailbox: mailbox.id,
            read_key: mailbox.read_key,
        });
        self.outcome(request)
    }

    /// The next frame, which must be an envelope: its sequence and bytes.
    pub(crate) fn envelope(&mut self, from: &Mailbox) -> (u64, Vec<u8>) {
        match self.next() {
            ServerFrame::Envelope {
                mailbox,
                sequence,
                bytes,
            } => {
                assert_eq!(mailbox, from.id);
                (sequence, bytes)
            }
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn acknowledge(&mut self, mailbox: &Mailbox, sequence: u64) {
        self.say(&ClientFrame::Acknowledge {
            mailbox: mailbox.id,
            sequence,
        });
    }

    /// Comes back when the node has carried out everything said so far, and has sent nothing else.
    pub(crate) fn settle(&mut self) {
        self.say(&ClientFrame::Ping);
        assert_eq!(self.next(), ServerFrame::Pong);
    }

    /// A request that is signed in by this socket.
    pub(crate) fn request(&self, _node: &Node, method: &str, path: &str) -> Request {
        let bearer = self.bearer.unwrap().to_text();
        Request::new(method, path).header("authorization", &format!("Bearer {bearer}"))
    }
}

/// A mailbox with both its keys.
#[derive(Clone)]
pub(crate) struct Mailbox {
    pub(crate) id: MailboxId,
    pub(crate) capability: Capability,
    pub(crate) read_key: ReadKey,
}

impl Mailbox {
    pub(crate) fn random() -> Self {
        Self {
            id: MailboxId::from_bytes(random()),
            capability: Capability::from_bytes(random()),
            read_key: ReadKey::from_bytes(random()),
        }
    }

    pub(crate) fn put_request(&self) -> Request {
        let capability = self.capability.to_text();
        Request::new(
            "POST",
            &format!("{}/{}", path::MAILBOXES, self.id.to_text()),
        )
        .header("authorization", &format!("Capability {capability}"))
    }

    pub(crate) fn put(&self, node: &Node, envelope: &[u8]) -> Response {
        self.put_request().body(envelope).send(node)
    }
}
