// SPDX-License-Identifier: MIT OR Apache-2.0
//! The machine: its life from an empty store over a locked vault to a client, and its loop.

use hither_api::{DeviceAuthKey, RegisterRequest, RegisterResponse, RegistrationToken, path};
use hither_crypto::identity::Identity;
use hither_crypto::secret::Secret;
use hither_crypto::stretch::{Stretch, StretchParams, Stretched};
use hither_crypto::vault::{self, VaultHeader};
use hither_sansio::{Duration, Instant, Now};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::base::{Base, Purpose, Stretching, read_record};
use crate::client::{Account, Client, Failure, Outcome, is_passing, outcome, refused};
use crate::hiding::MAX_CATEGORY;
use crate::leaving::Leaving;
use crate::network::ProbeEvent;
use crate::payload::{MAX_NAME, MAX_PICTURE, is_origin};
use crate::{
    Command, Event, HttpResponse, LinkEvent, Method, Notice, Phase, SocketAction, SocketEvent,
    Transmit, View, WriteBatch,
};

/// The one record that is not sealed: it holds what unsealing needs.
const HEADER: [u8; 16] = [0; 16];
/// Shortest passphrase, in characters.
const MIN_PASSPHRASE: usize = 8;
/// A store that refused a write is tried again after this.
const STORE_AGAIN: Duration = Duration::from_secs(5);
/// A node that did not answer a registration is asked again after this.
const REGISTER_AGAIN: Duration = Duration::from_secs(3);
/// The record of somebody whose registration is not answered yet.
const NEWCOMER: &str = "newcomer";

/// What a host decides once.
#[derive(Clone, Debug)]
pub struct Config {
    /// How hard the passphrase is stretched for a new vault.
    pub stretch: StretchParams,
    /// What this device is called until the person renames it, e.g. `Chromium on Linux`.
    pub device_label: String,
}

/// The client. See the crate's head for its loop.
#[derive(Debug)]
pub struct Endpoint {
    config: Config,
    base: Base,
    life: Life,
    store_again: Option<Instant>,
    register_again: Option<Instant>,
}

/// Where in its life it is.
#[derive(Debug)]
enum Life {
    Fresh,
    /// The passphrase is being stretched for the first time.
    Preparing(Box<Preparing>),
    /// The node is being asked for an account.
    Registering(VaultHeader, Box<Newcomer>),
    /// There is a store, and no way to read it. Nothing may overwrite it.
    Damaged,
    Locked(VaultHeader),
    Unlocking(VaultHeader),
    Ready(VaultHeader, Box<Client>),
}

/// Somebody whose vault is being made.
#[derive(Debug)]
struct Preparing {
    newcomer: Newcomer,
    salt: [u8; 16],
}

/// Somebody who is being registered. Stored before the node hears of it, so that a lost answer or a reload loses
/// nothing: the node knows a device that asks again by its key.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Newcomer {
    identity: Secret<64>,
    device_key: Secret<32>,
    name: String,
    picture: Option<Vec<u8>>,
    node: String,
    registration: Option<RegistrationToken>,
}

impl Endpoint {
    /// A client over what its store holds (everything, in any order) and a fresh random seed.
    #[must_use]
    pub fn new(
        config: Config,
        records: Vec<([u8; 16], Vec<u8>)>,
        seed: [u8; 32],
        _now: Now,
    ) -> Self {
        let stored = !records.is_empty();
        let mut base = Base::new(seed, records);
        let header = base.records().sealed(&HEADER).map(VaultHeader::parse);
        let life = match header {
            Some(Ok(header)) => Life::Locked(header),
            Some(Err(_)) | None if stored => {
                base.notice(Notice::StoreUnreadable);
                Life::Damaged
            }
            Some(Err(_)) | None => Life::Fresh,
        };
        base.changed();
        Self {
            config,
            base,
            life,
            store_again: None,
            register_again: None,
        }
    }

    // ---- in

    /// A person's wish.
    pub fn handle_command(&mut self, command: Command, now: Now) {
        match command {
            Command::Onboard {
                name,
                picture,
                passphrase,
                node,
                registration,
            } => self.onboard(name, picture, &passphrase, node, registration),
            Command::Unlock { passphrase } => self.unlock(&passphrase),
            Command::Lock => self.lock(now),
            Command::DismissNotice { index } => {
                if index < self.base.notices.len() {
                    self.base.notices.remove(index);
                    self.base.changed();
                }
            }
            other => {
                if let Life::Ready(_, client) = &mut self.life {
                    client.handle_command(&mut self.base, other, now);
                }
            }
        }
        self.write_out();
    }

    /// The answer to a request.
    pub fn handle_http(&mut self, response: HttpResponse, now: Now) {
        let Some(purpose) = self.base.answered(response.id) else {
            return;
        };
        if purpose == Purpose::Register {
            return self.registered(outcome(response), now);
        }
        if let Life::Ready(_, client) = &mut self.life {
            client.handle_http(&mut self.base, purpose, response, now);
        }
        self.write_out();
    }

    /// The socket to the node.
    pub fn handle_socket(&mut self, event: SocketEvent, now: Now) {
        if let Life::Ready(_, client) = &mut self.life {
            client.handle_socket(&mut self.base, event, now);
        }
        self.write_out();
    }

    /// A peer connection.
    pub fn handle_link(&mut self, event: LinkEvent, now: Now) {
        if let Life::Ready(_, client) = &mut self.life {
            client.handle_link(&mut self.base, event, now);
        }
        self.write_out();
    }

    /// Something was measured of the network around.
    pub fn handle_probe(&mut self, event: ProbeEvent, _now: Now) {
        if let Life::Ready(_, client) = &mut self.life {
            client.handle_probe(&mut self.base, event);
        }
        self.write_out();
    }

    /// Argon2id is done; `None` if it could not run.
    pub fn handle_stretched(&mut self, id: u32, key: Option<Stretched>, now: Now) {
        let Some(why) = self.base.stretched(id) else {
            return;
        };
        match (why, key) {
            (Stretching::NewVault, Some(key)) => self.vault_made(&key),
            (Stretching::Unlock, Some(key)) => self.unlocked(&key, now),
            (Stretching::NewVault, None) => {
                self.life = Life::Fresh;
                self.base.notice(Notice::NotNow);
            }
            (Stretching::Unlock, None) => {
                self.relock();
                self.base.notice(Notice::NotNow);
            }
            (Stretching::Invitation(invitation), key) => {
                if let Life::Ready(_, client) = &mut self.life {
                    match key {
                        Some(key) => {
                            client.seal_invitation(&mut self.base, invitation, &key, now);
                        }
                        None => client.withdraw(&mut self.base, invitation),
                    }
                }
            }
            (Stretching::Joining, key) => {
                if let Life::Ready(_, client) = &mut self.life {
                    match key {
                        Some(key) => client.join(&mut self.base, &key, now),
                        None => client.cancel_join(&mut self.base),
                    }
                }
            }
        }
        self.write_out();
    }

    /// A batch is safely stored.
    pub fn handle_written(&mut self, number: u64, _now: Now) {
        self.base.records().written(number);
    }

    /// A batch could not be stored; nothing of it was.
    pub fn handle_write_failed(&mut self, number: u64, now: Now) {
        self.base.records().failed(number);
        self.store_again = Some(now.instant + STORE_AGAIN);
        self.base.notice(Notice::StoreFull);
    }

    /// The time of [`Self::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Now) {
        if self.store_again.is_some_and(|at| at <= now.instant) {
            self.store_again = None;
            self.base.records().resume();
        }
        if self.register_again.is_some_and(|at| at <= now.instant) {
            self.register();
        }
        if let Life::Ready(_, client) = &mut self.life {
            client.handle_timeout(&mut self.base, now);
        }
        self.write_out();
    }

    /// Whatever an event changed is left to be written before anything else happens.
    fn write_out(&mut self) {
        if let Life::Ready(_, client) = &mut self.life {
            client.write_out(&mut self.base);
            if client.leaving == Some(Leaving::Gone) {
                self.begin_anew();
            }
        }
    }

    /// The account is deleted: nothing of it stays.
    fn begin_anew(&mut self) {
        self.base.records().wipe();
        self.base.lock();
        self.base.socket(SocketAction::Close);
        self.base.event(Event::Locked);
        self.life = Life::Fresh;
        self.base.changed();
    }

    // ---- out

    /// The next batch to store.
    pub fn poll_write(&mut self) -> Option<WriteBatch> {
        self.base.poll_write()
    }

    /// The next thing to do outside; nothing while a write that it rests on is unconfirmed.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.base.poll_transmit()
    }

    /// The next thing to tell.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.base.poll_event()
    }

    /// When to call [`Self::handle_timeout`], and why.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        let client = match &self.life {
            Life::Ready(_, client) => client.timeout(),
            _ => None,
        };
        client
            .into_iter()
            .chain(self.store_again.map(|at| (at, "store")))
            .chain(self.register_again.map(|at| (at, "registration")))
            .min_by_key(|(at, _)| *at)
    }

    /// What to show.
    #[must_use]
    pub fn view(&self) -> View {
        let bare = |phase| View::bare(phase, self.base.notices.clone());
        match &self.life {
            Life::Fresh | Life::Damaged => bare(Phase::Fresh),
            Life::Preparing(_) | Life::Registering(..) => bare(Phase::Onboarding),
            Life::Locked(_) => bare(Phase::Locked),
            Life::Unlocking(_) => bare(Phase::Unlocking),
            Life::Ready(_, client) => client.view(&self.base),
        }
    }

    /// The inside of an open client, for tests.
    #[cfg(test)]
    pub(crate) fn inside(&mut self) -> Option<(&mut Client, &mut Base)> {
        match &mut self.life {
            Life::Ready(_, client) => Some((client, &mut self.base)),
            _ => None,
        }
    }

    // ---- onboarding

    fn onboard(
        &mut self,
        name: String,
        picture: Option<Vec<u8>>,
        passphrase: &Zeroizing<String>,
        node: String,
        registration: Option<RegistrationToken>,
    ) {
        match self.life {
            Life::Fresh => {}
            Life::Damaged => return self.base.notice(Notice::StoreUnreadable),
            _ => return self.base.notice(Notice::NotNow),
        }
        let Some(name) = valid_name(&name) else {
            return self.base.notice(Notice::NameInvalid);
        };
        if picture
            .as_ref()
            .is_some_and(|picture| picture.len() > MAX_PICTURE)
        {
            return self.base.notice(Notice::PictureTooLarge);
        }
        if passphrase.chars().count() < MIN_PASSPHRASE {
            return self.base.notice(Notice::PassphraseTooShort);
        }
        let node = node.trim().trim_end_matches('/').to_owned();
        if !is_origin(&node) {
            return self.base.notice(Notice::NodeUnreachable);
        }
        let salt = self.base.random();
        let stretch = Stretch {
            password: Zeroizing::new(passphrase.as_bytes().to_vec()),
            salt,
            params: self.config.stretch,
        };
        self.base.stretch(Stretching::NewVault, stretch);
        let identity = Identity::generate(&mut self.base.rng).to_seed();
        let device_key = Secret::from_bytes(self.base.random());
        let newcomer = Newcomer {
            identity,
            device_key,
            name,
            picture,
            node,
            registration,
        };
        self.life = Life::Preparing(Box::new(Preparing { newcomer, salt }));
        self.base.notices.clear();
        self.base.changed();
    }

    fn vault_made(&mut self, key: &Stretched) {
        let life = core::mem::replace(&mut self.life, Life::Fresh);
        let Life::Preparing(preparing) = life else {
            self.life = life;
            return;
        };
        let Preparing { newcomer, salt } = *preparing;
        let params = self.config.stretch;
        let (header, root) = vault::create(key, salt, params, &mut self.base.rng);
        self.base.records().start(root);
        self.base.records().write(HEADER, Some(header.emit()));
        self.base.put(NEWCOMER, &newcomer);
        self.life = Life::Registering(header, Box::new(newcomer));
        self.register();
    }

    /// Asks the node for an account; it answers the same however often it is asked.
    fn register(&mut self) {
        self.register_again = None;
        let Life::Registering(_, newcomer) = &self.life else {
            return;
        };
        let public = ed25519_dalek::SigningKey::from_bytes(newcomer.device_key.as_bytes())
            .verifying_key()
            .to_bytes();
        let url = format!("{}{}", newcomer.node, path::REGISTER);
        let token = newcomer.registration;
        let label = Client::seal_label(&mut self.base, &self.config.device_label);
        let request = RegisterRequest {
            token,
            device_key: DeviceAuthKey::from_bytes(public),
            label,
        };
        self.base.http(
            Purpose::Register,
            Method::Post,
            url,
            vec![("content-type", "application/json".to_owned())],
            crate::json::emit(&request),
        );
    }

    fn registered(&mut self, result: Outcome, now: Now) {
        let response = result
            .and_then(|body| crate::json::parse::<RegisterResponse>(&body).ok_or(Failure::Later));
        let life = core::mem::replace(&mut self.life, Life::Fresh);
        let Life::Registering(header, newcomer) = life else {
            self.life = life;
            return;
        };
        self.base.changed();
        match response {
            Ok(response) => {
                self.base.delete(NEWCOMER);
                self.base.notices.clear();
                let account = newcomer.account(&response, self.config.device_label.clone());
                self.start(header, account, now);
            }
            Err(Failure::Refused(problem)) if !is_passing(problem.status) => {
                self.base.delete(NEWCOMER);
                self.base.records().write(HEADER, None);
                self.base.lock();
                self.base.notice(refused(problem));
            }
            Err(_) => {
                self.life = Life::Registering(header, newcomer);
                self.register_again = Some(now.instant + REGISTER_AGAIN);
                self.base.notice(Notice::NodeUnreachable);
            }
        }
    }

    fn start(&mut self, header: VaultHeader, account: Account, now: Now) {
        let mut client = Client::new(account);
        client.save_account(&mut self.base);
        client.node.connect(&mut self.base, now);
        self.life = Life::Ready(header, Box::new(client));
    }

    // ---- the vault

    fn unlock(&mut self, passphrase: &Zeroizing<String>) {
        let life = core::mem::replace(&mut self.life, Life::Fresh);
        self.life = match life {
            Life::Locked(header) => {
                self.base
                    .stretch(Stretching::Unlock, header.stretch(passphrase));
                self.base.notices.clear();
                self.base.changed();
                Life::Unlocking(header)
            }
            other => other,
        };
    }

    fn unlocked(&mut self, key: &Stretched, now: Now) {
        let Life::Unlocking(header) = &self.life else {
            return;
        };
        let header = header.clone();
        self.base.changed();
        let Ok(root) = header.unlock(key) else {
            self.life = Life::Locked(header);
            return self.base.notice(Notice::WrongPassphrase);
        };
        let (opened, unreadable) = self.base.records().open(root, &HEADER);
        if unreadable > 0 {
            self.base.notice(Notice::StoreUnreadable);
        }
        let newcomer = opened.iter().find(|(name, _)| name == NEWCOMER);
        if let Some(newcomer) = newcomer.and_then(|(_, bytes)| read_record::<Newcomer>(bytes)) {
            self.life = Life::Registering(header, Box::new(newcomer));
            return self.register();
        }
        match Client::restore(&mut self.base, opened, now) {
            Some(mut client) => {
                client.node.connect(&mut self.base, now);
                self.life = Life::Ready(header, Box::new(client));
            }
            None => {
                self.base.lock();
                self.base.notice(Notice::StoreUnreadable);
                self.life = Life::Locked(header);
            }
        }
    }

    fn relock(&mut self) {
        let life = core::mem::replace(&mut self.life, Life::Fresh);
        self.life = match life {
            Life::Unlocking(header) | Life::Ready(header, _) => Life::Locked(header),
            other => other,
        };
        self.base.changed();
    }

    fn lock(&mut self, now: Now) {
        if matches!(self.life, Life::Unlocking(_)) {
            self.base.forget_stretching(&Stretching::Unlock);
            self.relock();
        }
        if let Life::Ready(_, client) = &mut self.life {
            client.hang_up_silently(&mut self.base, now);
            client.close_links(&mut self.base);
            client.write_out(&mut self.base);
            // What was about to leave is on disk and leaves after the next unlocking.
            self.base.lock();
            self.base.socket(SocketAction::Close);
            self.base.event(Event::Locked);
            self.relock();
        }
    }
}

impl Newcomer {
    fn account(self, response: &RegisterResponse, device_label: String) -> Account {
        Account {
            identity: self.identity,
            device_key: self.device_key,
            account: response.account,
            device: response.device,
            node: self.node,
            role: response.role,
            name: self.name,
            picture: self.picture,
            device_label,
            relay_for_all: false,
        }
    }
}

impl Client {
    pub(crate) fn handle_command(&mut self, base: &mut Base, command: Command, now: Now) {
        match command {
            Command::SetProfile { name, picture } => self.set_profile(base, &name, picture, now),
            Command::CreateInvitation {
                note,
                category,
                with_registration,
            } => self.invite(base, &note, &category, with_registration, now),
            Command::WithdrawInvitation { invitation } => self.withdraw(base, invitation),
            Command::OpenLink { link } => self.open_invitation_link(base, link),
            Command::OpenFile { blob } => self.open_invitation_blob(base, blob),
            Command::EnterCode { words, category } => self.enter_code(base, &words, &category),
            Command::CancelJoin => self.cancel_join(base),
            Command::Approve { contact } => self.approve(base, contact, now),
            Command::Reject { contact } => self.reject(base, contact, now),
            Command::RemoveContact { contact } => self.remove_contact(base, contact, now),
            Command::OpenConversation { contact } => self.open_conversation(base, contact, now),
            Command::CloseConversation => {
                self.open = None;
                base.changed();
            }
            Command::SendText { contact, text } => self.send_text(base, contact, &text, now),
            Command::Typing { contact } => self.typing(base, contact, now),
            Command::NetworkChanged => self.look_at_once(base, now),
            Command::ProbeNetwork => self.probe_network(base, now),
            Command::RefreshDevices => self.ask_devices(base),
            Command::RenameDevice { device, label } => {
                let label: String = label.trim().chars().take(64).collect();
                let label = Self::seal_label(base, &label);
                let body = crate::json::emit(&hither_api::RenameDeviceRequest { label });
                self.change_device(base, Method::Patch, device, body);
            }
            Command::RevokeDevice { device } => {
                self.change_device(base, Method::Delete, device, Vec::new());
            }
            Command::DeleteAccount => self.delete_account(base, now),
            Command::SetRelayForAll { relay_only } => {
                self.account.relay_for_all = relay_only;
                self.save_account(base);
                self.follow_policy(base, None, now);
                base.changed();
            }
            Command::SetCategoryRelayOnly {
                category,
                relay_only,
            } => self.hide_from_category(base, category.trim(), relay_only, now),
            Command::SetAlwaysDirect {
                contact,
                always_direct,
            } => self.set_always_direct(base, contact, always_direct, now),
            Command::SetCategory { .. }
            | Command::SetAlias { .. }
            | Command::SetVerified { .. }
            | Command::SetRelayOnly { .. } => self.change_contact(base, command, now),
            Command::Call { .. }
            | Command::AcceptCall { .. }
            | Command::DeclineCall
            | Command::HangUp
            | Command::DismissCall
            | Command::SetMicrophone { .. }
            | Command::SetCamera { .. }
            | Command::SetScreen { .. } => self.handle_call_command(base, command, now),
            Command::Onboard { .. }
            | Command::Unlock { .. }
            | Command::Lock
            | Command::DismissNotice { .. } => {}
        }
    }

    fn handle_call_command(&mut self, base: &mut Base, command: Command, now: Now) {
        match command {
            Command::Call { contact, video } => self.start_call(base, contact, video, now),
            Command::AcceptCall { video } => self.accept_call(base, video, now),
            Command::DeclineCall | Command::HangUp => self.hang_up(base, now),
            Command::DismissCall => self.dismiss_call(base),
            Command::SetMicrophone { on } => {
                self.switch_media(base, |call| call.microphone = on, now);
            }
            Command::SetCamera { on } => self.switch_media(base, |call| call.camera = on, now),
            Command::SetScreen { on } => self.switch_media(base, |call| call.screen = on, now),
            _ => {}
        }
    }

    fn change_contact(&mut self, base: &mut Base, command: Command, now: Now) {
        let hidden = self.hidden();
        let (id, change): (_, Change) = match command {
            Command::SetCategory { contact, category } => {
                let category: String = category.trim().chars().take(MAX_CATEGORY).collect();
                if category.is_empty() {
                    return base.notice(Notice::NameInvalid);
                }
                (contact, Box::new(move |stored| stored.category = category))
            }
            Command::SetAlias { contact, alias } => {
                let alias: String = alias.trim().chars().take(MAX_NAME).collect();
                (contact, Box::new(move |stored| stored.alias = alias))
            }
            Command::SetVerified { contact, verified } => {
                (contact, Box::new(move |stored| stored.verified = verified))
            }
            Command::SetRelayOnly {
                contact,
                relay_only,
            } => (
                contact,
                Box::new(move |stored| stored.relay_only = relay_only),
            ),
            _ => return,
        };
        if let Some(contact) = self.contacts.get_mut(&id) {
            change(&mut contact.stored);
            contact.save();
            base.changed();
        }
        self.follow_hiding(base, &hidden, now);
    }

    fn set_profile(&mut self, base: &mut Base, name: &str, picture: Option<Vec<u8>>, now: Now) {
        let Some(name) = valid_name(name) else {
            return base.notice(Notice::NameInvalid);
        };
        if picture
            .as_ref()
            .is_some_and(|picture| picture.len() > MAX_PICTURE)
        {
            return base.notice(Notice::PictureTooLarge);
        }
        self.account.name = name;
        self.picture = picture.clone().map(std::sync::Arc::from);
        self.account.picture = picture;
        self.save_account(base);
        self.tell_profile(base, now);
        base.changed();
    }
}

/// A change of what is stored of a contact.
type Change = Box<dyn FnOnce(&mut crate::contact::Stored)>;

fn valid_name(name: &str) -> Option<String> {
    let name = name.trim();
    let fits = (1..=MAX_NAME).contains(&name.chars().count());
    (fits && !name.chars().any(char::is_control)).then(|| name.to_owned())
}
