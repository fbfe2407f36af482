// SPDX-License-Identifier: MIT OR Apache-2.0
//! A node as its clients see it, in memory: registration, sign-in, mailboxes, parked invitations, devices.
//!
//! It keeps to `hither-api` as the real one does (a subscription delivers what waits and what comes, once per
//! subscription, until acknowledged), and it looks at every byte as Eve would.

use std::collections::{BTreeMap, VecDeque};

use ed25519_dalek::{Signature, VerifyingKey};
use hither_api::{
    AccountId, AddDeviceRequest, Bearer, Capability, ClientFrame, DeviceAuthKey, DeviceId,
    DeviceSummary, InvitationId, KeyHash, MailboxId, Problem, RegisterRequest, RegisterResponse,
    RegistrationRequest, RegistrationResponse, RegistrationToken, RenameDeviceRequest, Role,
    ServerFrame, TurnGrant, WithdrawKey, header, limits, path, sign_in_transcript,
};
use hither_sansio::UnixTime;

use crate::{HttpRequest, Method};

/// Where the node is.
pub(super) const ORIGIN: &str = "https://node.example";
/// Planted in everything a person says; must never be seen.
pub(super) const MARKER: &str = "planted";

/// A client's socket, as numbered by the world.
pub(super) type SocketId = u64;

/// What is on the node's disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    accounts: BTreeMap<AccountId, Role>,
    devices: BTreeMap<DeviceId, Device>,
    mailboxes: BTreeMap<MailboxId, Mailbox>,
    parked: BTreeMap<InvitationId, Parked>,
    tokens: BTreeMap<KeyHash, Role>,
    random: u64,
}

#[derive(Clone, Debug)]
struct Device {
    account: AccountId,
    key: DeviceAuthKey,
    label: Vec<u8>,
}

#[derive(Clone, Debug)]
struct Mailbox {
    write: KeyHash,
    read: KeyHash,
    next: u64,
    waiting: BTreeMap<u64, (UnixTime, Vec<u8>)>,
}

#[derive(Clone, Debug)]
struct Parked {
    blob: Vec<u8>,
    expires: UnixTime,
    withdraw: KeyHash,
}

#[derive(Debug)]
struct Socket {
    nonce: [u8; 32],
    device: Option<DeviceId>,
    bearer: Option<Bearer>,
    /// The last sequence sent.
    subscriptions: BTreeMap<MailboxId, u64>,
}

/// Alters what is delivered: gets an envelope, answers what is delivered in its stead.
pub(super) type Tamper = Box<dyn FnMut(&[u8]) -> Vec<Vec<u8>>>;

pub(super) struct SimNode {
    pub(super) disk: Disk,
    sockets: BTreeMap<SocketId, Socket>,
    /// Frames on their way out; `None` closes.
    pub(super) outbox: VecDeque<(SocketId, Option<ServerFrame>)>,
    /// Nobody answers.
    pub(super) off: bool,
    /// Mailboxes refuse everything as full.
    pub(super) full: bool,
    pub(super) tamper: Option<Tamper>,
    /// Every envelope that was ever put, with its mailbox.
    pub(super) record: Vec<(MailboxId, Vec<u8>)>,
}

impl SimNode {
    pub(super) fn new(disk: Disk) -> Self {
        Self {
            disk,
            sockets: BTreeMap::new(),
            outbox: VecDeque::new(),
            off: false,
            full: false,
            tamper: None,
            record: Vec::new(),
        }
    }

    fn random<const N: usize>(&mut self) -> [u8; N] {
        use sha2::{Digest as _, Sha256};
        self.disk.random += 1;
        let digest = Sha256::digest(self.disk.random.to_le_bytes());
        core::array::from_fn(|index| digest[index])
    }

    /// A token with which somebody may register.
    pub(super) fn mint(&mut self, role: Role) -> RegistrationToken {
        let token = RegistrationToken::from_bytes(self.random());
        self.disk.tokens.insert(token.hash(), role);
        token
    }

    pub(super) fn parked(&self) -> usize {
        self.disk.parked.len()
    }

    pub(super) fn accounts(&self) -> usize {
        self.disk.accounts.len()
    }

    pub(super) fn mailboxes(&self) -> usize {
        self.disk.mailboxes.len()
    }

    pub(super) fn waiting(&self) -> usize {
        let waiting = |mailbox: &Mailbox| mailbox.waiting.len();
        self.disk.mailboxes.values().map(waiting).sum()
    }

    /// Flips a byte in the middle of every parked blob.
    pub(super) fn alter_parked(&mut self) {
        for parked in self.disk.parked.values_mut() {
            let middle = parked.blob.len() / 2;
            parked.blob[middle] ^= 1;
        }
    }

    pub(super) fn swap_parked(&mut self, blob: &[u8]) {
        for parked in self.disk.parked.values_mut() {
            blob.clone_into(&mut parked.blob);
        }
    }

    /// Puts an envelope as whoever knows the capability would.
    pub(super) fn put(&mut self, mailbox: MailboxId, bytes: Vec<u8>) {
        if let Some(found) = self.disk.mailboxes.get_mut(&mailbox) {
            let until = UnixTime::from_millis(u64::MAX);
            found.waiting.insert(found.next, (until, bytes));
            found.next += 1;
        }
        self.deliver(mailbox);
    }

    /// All sockets close; what is on disk stays.
    pub(super) fn stop(&mut self) {
        self.off = true;
        for (socket, _) in core::mem::take(&mut self.sockets) {
            self.outbox.push_back((socket, None));
        }
    }

    /// All sessions end, and no client hears of it.
    pub(super) fn drop_sessions(&mut self) {
        self.sockets.clear();
    }

    // ---- sockets

    pub(super) fn open(&mut self, socket: SocketId) {
        let nonce = self.random();
        let state = Socket {
            nonce,
            device: None,
            bearer: None,
            subscriptions: BTreeMap::new(),
        };
        self.sockets.insert(socket, state);
        self.say(socket, ServerFrame::Challenge { nonce });
    }

    pub(super) fn close(&mut self, socket: SocketId) {
        self.sockets.remove(&socket);
    }

    fn say(&mut self, socket: SocketId, frame: ServerFrame) {
        self.outbox.push_back((socket, Some(frame)));
    }

    fn end(&mut self, socket: SocketId, frame: ServerFrame) {
        self.say(socket, frame);
        self.sockets.remove(&socket);
        self.outbox.push_back((socket, None));
    }

    pub(super) fn frame(&mut self, socket: SocketId, bytes: &[u8], now: UnixTime) {
        eve(bytes);
        let frame = ClientFrame::parse(bytes).expect("clients speak correctly");
        let Some(state) = self.sockets.get(&socket) else {
            return;
        };
        if let ClientFrame::SignIn { device, signature } = frame {
            return self.sign_in(socket, device, &signature, now);
        }
        assert!(state.device.is_some(), "a frame before signing in");
        match frame {
            ClientFrame::SignIn { .. } => {}
            ClientFrame::CreateMailbox {
                request,
                mailbox,
                write_hash,
                read_hash,
            } => {
                let found = self.disk.mailboxes.entry(mailbox).or_insert(Mailbox {
                    write: write_hash,
                    read: read_hash,
                    next: 41,
                    waiting: BTreeMap::new(),
                });
                assert!(found.write == write_hash && found.read == read_hash);
                self.say(socket, ServerFrame::Done { request });
            }
            ClientFrame::Subscribe {
                request,
                mailbox,
                read_key,
            } => {
                let found = self.disk.mailboxes.get(&mailbox);
                if found.is_none_or(|found| found.read != read_key.hash()) {
                    let problem = Problem::new(404, "mailbox-unknown", "No such mailbox.", "");
                    return self.say(socket, ServerFrame::Refused { request, problem });
                }
                self.say(socket, ServerFrame::Done { request });
                if let Some(state) = self.sockets.get_mut(&socket) {
                    state.subscriptions.insert(mailbox, 0);
                }
                self.deliver(mailbox);
            }
            ClientFrame::Acknowledge { mailbox, sequence } => {
                let subscribed = state.subscriptions.contains_key(&mailbox);
                if let Some(found) = self.disk.mailboxes.get_mut(&mailbox)
                    && subscribed
                {
                    found.waiting.remove(&sequence);
                }
            }
            ClientFrame::DeleteMailbox {
                request,
                mailbox,
                read_key,
            } => {
                let found = self.disk.mailboxes.get(&mailbox);
                if found.is_some_and(|found| found.read == read_key.hash()) {
                    self.disk.mailboxes.remove(&mailbox);
                }
                self.say(socket, ServerFrame::Done { request });
            }
            ClientFrame::TurnGrant => self.say(socket, ServerFrame::TurnGrant(grant(now))),
            ClientFrame::Ping => self.say(socket, ServerFrame::Pong),
        }
    }

    fn sign_in(&mut self, socket: SocketId, device: DeviceId, signature: &[u8], now: UnixTime) {
        let bearer = Bearer::from_bytes(self.random());
        let Some(state) = self.sockets.get_mut(&socket) else {
            return;
        };
        let known = self.disk.devices.get(&device);
        let role = known.and_then(|known| {
            let key = VerifyingKey::from_bytes(known.key.as_bytes()).ok()?;
            let signature = Signature::from_slice(signature).ok()?;
            let transcript = sign_in_transcript(&state.nonce, device);
            key.verify_strict(&transcript, &signature).ok()?;
            self.disk.accounts.get(&known.account).copied()
        });
        let Some(role) = role else {
            let problem = Problem::new(401, "device-unknown", "Unknown device.", "");
            return self.end(socket, ServerFrame::Goodbye { problem });
        };
        state.device = Some(device);
        state.bearer = Some(bearer);
        let turn = grant(now);
        self.say(socket, ServerFrame::Welcome { bearer, role, turn });
    }

    /// Sends what a subscriber has not been sent yet.
    fn deliver(&mut self, mailbox: MailboxId) {
        let Some(found) = self.disk.mailboxes.get(&mailbox) else {
            return;
        };
        for (socket, state) in &mut self.sockets {
            let Some(last) = state.subscriptions.get_mut(&mailbox) else {
                continue;
            };
            for (sequence, (_, bytes)) in found.waiting.range(*last + 1..) {
                *last = *sequence;
                let copies = match &mut self.tamper {
                    Some(tamper) => tamper(bytes),
                    None => vec![bytes.clone()],
                };
                for bytes in copies {
                    let frame = ServerFrame::Envelope {
                        mailbox,
                        sequence: *sequence,
                        bytes,
                    };
                    self.outbox.push_back((*socket, Some(frame)));
                }
            }
        }
    }

    pub(super) fn forget_expired(&mut self, now: UnixTime) {
        for mailbox in self.disk.mailboxes.values_mut() {
            mailbox.waiting.retain(|_, (until, _)| *until > now);
        }
        self.disk.parked.retain(|_, parked| parked.expires > now);
    }

    // ---- requests

    pub(super) fn http(&mut self, request: &HttpRequest, now: UnixTime) -> (u16, Vec<u8>) {
        eve(request.url.as_bytes());
        eve(&request.body);
        for (_, value) in &request.headers {
            eve(value.as_bytes());
        }
        let route = request.url.strip_prefix(ORIGIN).expect("for this node");
        self.route(request, route, now)
            .unwrap_or_else(|problem| (problem.status, crate::json::emit(&problem)))
    }

    fn route(
        &mut self,
        request: &HttpRequest,
        route: &str,
        now: UnixTime,
    ) -> Result<(u16, Vec<u8>), Problem> {
        let below = |prefix: &str| {
            route
                .strip_prefix(prefix)
                .and_then(|rest| rest.strip_prefix('/'))
        };
        match request.method {
            Method::Post if route == path::REGISTER => self.register(request),
            Method::Post if route == path::REGISTRATIONS => {
                self.caller(request)?;
                let wish: RegistrationRequest = json(&request.body)?;
                let token = self.mint(wish.role);
                Ok((201, crate::json::emit(&RegistrationResponse { token })))
            }
            Method::Get if route == path::DEVICES => self.devices(request),
            Method::Post if route == path::DEVICES => {
                let account = self.caller(request)?.1;
                let wish: AddDeviceRequest = json(&request.body)?;
                let device = self.add_device(account, wish.device_key, wish.label);
                Ok((201, device.to_text().into_bytes()))
            }
            Method::Post => {
                let mailbox = below(path::MAILBOXES).ok_or_else(missing)?;
                self.put_checked(request, id(mailbox)?, now)
            }
            Method::Put => {
                let place = below(path::INVITATIONS).ok_or_else(missing)?;
                self.park(request, id(place)?, now)
            }
            Method::Get => {
                let place: InvitationId = id(below(path::INVITATIONS).ok_or_else(missing)?)?;
                let parked = self.disk.parked.get(&place).ok_or_else(missing)?;
                Ok((200, parked.blob.clone()))
            }
            Method::Patch => {
                let device: DeviceId = id(below(path::DEVICES).ok_or_else(missing)?)?;
                self.caller(request)?;
                let wish: RenameDeviceRequest = json(&request.body)?;
                self.disk
                    .devices
                    .get_mut(&device)
                    .ok_or_else(missing)?
                    .label = wish.label;
                Ok((204, Vec::new()))
            }
            Method::Delete if route == path::ACCOUNT => {
                let (_, account) = self.caller(request)?;
                self.disk.accounts.remove(&account);
                let devices = self.disk.devices.iter();
                let own: Vec<DeviceId> = devices
                    .filter(|(_, device)| device.account == account)
                    .map(|(id, _)| *id)
                    .collect();
                own.into_iter()
                    .for_each(|device| self.revoke_device(device));
                Ok((204, Vec::new()))
            }
            Method::Delete => match below(path::INVITATIONS) {
                Some(place) => self.withdraw(request, id(place)?),
                None => self.revoke(request, id(below(path::DEVICES).ok_or_else(missing)?)?),
            },
        }
    }

    fn caller(&self, request: &HttpRequest) -> Result<(DeviceId, AccountId), Problem> {
        let bearer: Bearer = credential(request, header::BEARER)?;
        let signed_in = self.sockets.values().find(|s| s.bearer == Some(bearer));
        let device = signed_in.and_then(|socket| socket.device);
        let device = device.ok_or_else(|| Problem::new(401, "signed-out", "Sign in.", ""))?;
        Ok((device, self.disk.devices[&device].account))
    }

    fn register(&mut self, request: &HttpRequest) -> Result<(u16, Vec<u8>), Problem> {
        let wish: RegisterRequest = json(&request.body)?;
        assert!(wish.label.len() <= limits::MAX_LABEL);
        let known = self
            .disk
            .devices
            .iter()
            .find(|(_, d)| d.key == wish.device_key);
        if let Some((device, record)) = known {
            // The answer was lost: the device gets the account that it has.
            let response = RegisterResponse {
                account: record.account,
                device: *device,
                role: self.disk.accounts[&record.account],
            };
            return Ok((201, crate::json::emit(&response)));
        }
        let token = wish.token.map(|token| token.hash());
        let Some(role) = token.and_then(|token| self.disk.tokens.remove(&token)) else {
            return Err(Problem::new(403, "token-spent", "The token is spent.", ""));
        };
        let account = AccountId::from_bytes(self.random());
        self.disk.accounts.insert(account, role);
        let device = self.add_device(account, wish.device_key, wish.label);
        let response = RegisterResponse {
            account,
            device,
            role,
        };
        Ok((201, crate::json::emit(&response)))
    }

    fn add_device(&mut self, account: AccountId, key: DeviceAuthKey, label: Vec<u8>) -> DeviceId {
        let device = DeviceId::from_bytes(self.random());
        let record = Device {
            account,
            key,
            label,
        };
        self.disk.devices.insert(device, record);
        device
    }

    fn devices(&self, request: &HttpRequest) -> Result<(u16, Vec<u8>), Problem> {
        let (own, account) = self.caller(request)?;
        let mine = self
            .disk
            .devices
            .iter()
            .filter(|(_, d)| d.account == account);
        let list: Vec<DeviceSummary> = mine
            .map(|(id, device)| DeviceSummary {
                device: *id,
                label: device.label.clone(),
                last_seen_day: Some(20_000),
                current: *id == own,
            })
            .collect();
        Ok((200, crate::json::emit(&list)))
    }

    fn revoke(
        &mut self,
        request: &HttpRequest,
        device: DeviceId,
    ) -> Result<(u16, Vec<u8>), Problem> {
        self.caller(request)?;
        self.revoke_device(device);
        Ok((204, Vec::new()))
    }

    pub(super) fn revoke_device(&mut self, device: DeviceId) {
        self.disk.devices.remove(&device);
        let open: Vec<SocketId> = self
            .sockets
            .iter()
            .filter(|(_, socket)| socket.device == Some(device))
            .map(|(id, _)| *id)
            .collect();
        for socket in open {
            self.end(socket, ServerFrame::Revoked);
        }
    }

    fn put_checked(
        &mut self,
        request: &HttpRequest,
        mailbox: MailboxId,
        now: UnixTime,
    ) -> Result<(u16, Vec<u8>), Problem> {
        assert!(request.body.len() <= limits::MAX_ENVELOPE);
        let capability: Capability = credential(request, header::CAPABILITY)?;
        let found = self.disk.mailboxes.get_mut(&mailbox);
        let Some(found) = found.filter(|found| found.write == capability.hash()) else {
            return Err(Problem::new(404, "mailbox-unknown", "No such mailbox.", ""));
        };
        if self.full || found.waiting.len() >= limits::MAX_WAITING {
            return Err(Problem::new(
                507,
                "mailbox-full",
                "The mailbox is full.",
                "",
            ));
        }
        let until = now + expires_in(request, limits::MAX_ENVELOPE_SECS);
        found
            .waiting
            .insert(found.next, (until, request.body.clone()));
        found.next += 1;
        self.record.push((mailbox, request.body.clone()));
        self.deliver(mailbox);
        Ok((202, Vec::new()))
    }

    fn park(
        &mut self,
        request: &HttpRequest,
        place: InvitationId,
        now: UnixTime,
    ) -> Result<(u16, Vec<u8>), Problem> {
        self.caller(request)?;
        assert!(request.body.len() <= limits::MAX_PARKED);
        if self.disk.parked.contains_key(&place) {
            return Err(Problem::new(409, "invitation-taken", "Parked already.", ""));
        }
        let withdraw = header_of(request, header::WITHDRAW_HASH)
            .and_then(|text| text.parse().ok())
            .ok_or_else(missing)?;
        let parked = Parked {
            blob: request.body.clone(),
            expires: now + expires_in(request, limits::MAX_PARKED_SECS),
            withdraw,
        };
        self.disk.parked.insert(place, parked);
        Ok((201, Vec::new()))
    }

    fn withdraw(
        &mut self,
        request: &HttpRequest,
        place: InvitationId,
    ) -> Result<(u16, Vec<u8>), Problem> {
        let key: WithdrawKey = credential(request, header::WITHDRAW)?;
        let found = self.disk.parked.get(&place);
        if found.is_none_or(|parked| parked.withdraw != key.hash()) {
            return Err(missing());
        }
        self.disk.parked.remove(&place);
        Ok((204, Vec::new()))
    }
}

/// What a curious node sees. Nothing of it may mean anything.
fn eve(bytes: &[u8]) {
    // Whatever is not UTF-8 is replaced, and none of the words holds such a thing.
    let text = String::from_utf8_lossy(bytes);
    for word in [MARKER, "candidate:", "v=0\r\n", "typ host", "typ relay"] {
        assert!(!text.contains(word), "the node saw {word:?}");
    }
}

fn grant(now: UnixTime) -> TurnGrant {
    TurnGrant {
        username: "1:random".into(),
        password: "password".into(),
        expires: now.as_secs() + 3600,
        urls: vec!["turn:node.example:3478".into()],
    }
}

fn missing() -> Problem {
    Problem::new(404, "unknown", "There is nothing here.", "")
}

fn json<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    crate::json::parse(body).ok_or_else(|| Problem::new(400, "malformed", "Malformed.", ""))
}

fn id<T: core::str::FromStr>(text: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| missing())
}

fn header_of<'r>(request: &'r HttpRequest, name: &str) -> Option<&'r str> {
    let found = request.headers.iter().find(|(key, _)| *key == name);
    found.map(|(_, value)| value.as_str())
}

fn credential<T: core::str::FromStr>(request: &HttpRequest, scheme: &str) -> Result<T, Problem> {
    header_of(request, "authorization")
        .and_then(|value| value.strip_prefix(scheme)?.strip_prefix(' '))
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| Problem::new(401, "no-credential", "Not permitted.", ""))
}

fn expires_in(request: &HttpRequest, most: u64) -> core::time::Duration {
    let secs = header_of(request, header::EXPIRES_IN)
        .map_or(most, |text| text.parse().expect("a number of seconds"));
    assert!(secs <= most, "asked for longer than allowed");
    core::time::Duration::from_secs(secs)
}
