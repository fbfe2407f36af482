// SPDX-License-Identifier: MIT OR Apache-2.0
//! People with clients, a node and links between them, in one process and in virtual time.
//!
//! Everything random comes from one seed; the same seed gives the same run. Argon2id is replaced by a hash:
//! it is tested where it lives, and the machine only ever sees its result.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use hither_api::{Role, link::Link};
use hither_crypto::stretch::{Stretch, StretchParams, Stretched};
use hither_sansio::{Duration, Instant, Now, UnixTime};
use proptest::prelude::ProptestConfig;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::links::{Later, Owner, SimLinks};
use super::node::{Disk, MARKER, ORIGIN, SimNode, SocketId};
use crate::base::Base;
use crate::client::Client;
use crate::{
    CallStage, CallView, Command, Config, ContactId, ContactState, ContactView, Delivery, Endpoint,
    Event, HttpFailure, HttpRequest, HttpResponse, LinkAction, LinkEvent, LinkId, MessageId,
    NodeState, Notice, Phase, SocketAction, SocketEvent, Transmit, View,
};

pub(super) const ANA: usize = 0;
pub(super) const BEN: usize = 1;
pub(super) const CARA: usize = 2;
const NAMES: [&str; 3] = ["planted Ana", "planted Ben", "planted Cara"];
pub(super) const PASSPHRASE: &str = "planted passphrase";
/// 2026-11-20T12:00:00Z.
const START: UnixTime = UnixTime::from_secs(1_795_176_000);
/// What proptest does if nobody asks for more or less.
const USUAL_CASES: u32 = 256;
/// Longest wait for anything, in virtual time.
const PATIENCE: Duration = Duration::from_secs(180);

/// What will happen.
enum Step {
    /// A request reaches the node.
    Request(Owner, HttpRequest),
    /// Its answer, or none, reaches the client.
    Answer(Owner, HttpResponse),
    Dial(SocketId),
    Frame(SocketId, Vec<u8>),
    HangUp(SocketId),
    Socket(Owner, SocketId, SocketEvent),
    Stretched(Owner, u32, Stretched),
    Stored(Owner, u64, Writes),
    StoreRefused(Owner, u64),
    Link(Owner, LinkEvent),
}

type Writes = Vec<([u8; 16], Option<Vec<u8>>)>;

/// How the store of a person behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Store {
    /// Confirms within milliseconds.
    Works,
    /// Refuses everything.
    Full,
    /// Never answers.
    Hangs,
}

/// Percentages and milliseconds of trouble on the way.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trouble {
    /// Requests that never reach the node.
    pub(super) lost_requests: u64,
    /// Requests that reach it, and whose answer is lost.
    pub(super) lost_answers: u64,
    /// How much later than others a request may arrive, in milliseconds.
    pub(super) spread: u64,
}

pub(super) struct Person {
    pub(super) endpoint: Endpoint,
    pub(super) run: u32,
    pub(super) records: BTreeMap<[u8; 16], Vec<u8>>,
    in_flight: Option<Writes>,
    socket: Option<SocketId>,
    pub(super) store: Store,
    /// Everything told since the world began.
    pub(super) events: Vec<Event>,
    /// Envelope-free actions on links, for looking at what was asked of the host.
    pub(super) asked: Vec<LinkAction>,
    pub(super) requests: usize,
    /// How often a socket was opened.
    pub(super) sockets: usize,
    deliveries: BTreeMap<(ContactId, u64), Delivery>,
}

pub(super) struct World {
    pub(super) seed: u64,
    pub(super) now: Now,
    rng: ChaCha20Rng,
    pub(super) node: SimNode,
    pub(super) links: SimLinks,
    pub(super) people: Vec<Person>,
    pub(super) trouble: Trouble,
    agenda: BTreeMap<(Instant, u64), Step>,
    steps: u64,
    sockets: BTreeMap<SocketId, Owner>,
    at_once: u32,
}

/// What is left of a world when everybody closes their page.
#[derive(Clone)]
struct Rest {
    node: Disk,
    records: Vec<BTreeMap<[u8; 16], Vec<u8>>>,
    now: Now,
}

impl World {
    /// A node, and `people` with nothing but their browsers.
    pub(super) fn new(people: usize, seed: u64) -> Self {
        let rest = Rest {
            node: Disk::default(),
            records: vec![BTreeMap::new(); people],
            now: Now {
                instant: Instant::from_millis(1_000),
                unix: START,
            },
        };
        Self::from_rest(&rest, seed)
    }

    fn from_rest(rest: &Rest, seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let people = rest
            .records
            .iter()
            .map(|records| Person {
                endpoint: fresh(records, rest.now, &mut rng),
                run: 0,
                records: records.clone(),
                in_flight: None,
                socket: None,
                store: Store::Works,
                events: Vec::new(),
                asked: Vec::new(),
                requests: 0,
                sockets: 0,
                deliveries: BTreeMap::new(),
            })
            .collect();
        Self {
            seed,
            now: rest.now,
            rng,
            node: SimNode::new(rest.node.clone()),
            links: SimLinks::default(),
            people,
            trouble: Trouble::default(),
            agenda: BTreeMap::new(),
            steps: 0,
            sockets: BTreeMap::new(),
            at_once: 0,
        }
    }

    /// People with accounts, signed in, who do not know each other.
    pub(super) fn strangers(people: usize, seed: u64) -> Self {
        static REST: OnceLock<Rest> = OnceLock::new();
        let rest = REST.get_or_init(|| {
            let mut world = Self::new(3, 0);
            for who in [ANA, BEN, CARA] {
                world.onboard(who);
            }
            world.rest()
        });
        let mut world = Self::from_rest(rest, seed);
        world.people.truncate(people);
        world.unlock_all();
        world
    }

    /// Ana and Ben, signed in and each other's contacts.
    pub(super) fn friends(seed: u64) -> Self {
        static REST: OnceLock<Rest> = OnceLock::new();
        let rest = REST.get_or_init(|| {
            let mut world = Self::strangers(2, 0);
            world.befriend(ANA, BEN);
            world.rest()
        });
        let mut world = Self::from_rest(rest, seed);
        world.unlock_all();
        world
    }

    fn rest(self) -> Rest {
        Rest {
            node: self.node.disk.clone(),
            records: self.people.into_iter().map(|p| p.records).collect(),
            now: self.now,
        }
    }

    fn unlock_all(&mut self) {
        for who in 0..self.people.len() {
            self.unlock(who);
        }
        self.run(2);
    }

    // ---- what people do

    pub(super) fn tell(&mut self, who: usize, command: Command) {
        let now = self.now;
        self.people[who].endpoint.handle_command(command, now);
        self.drain(who);
    }

    pub(super) fn onboarding(&mut self, name: &str, passphrase: &str) -> Command {
        let registration = Some(self.node.mint(Role::Owner));
        Command::Onboard {
            name: name.to_owned(),
            picture: Some(format!("{MARKER} picture").into_bytes()),
            passphrase: Zeroizing::new(passphrase.to_owned()),
            node: ORIGIN.to_owned(),
            registration,
        }
    }

    pub(super) fn onboard(&mut self, who: usize) {
        let command = self.onboarding(NAMES[who], PASSPHRASE);
        self.tell(who, command);
        self.until(|world| world.is_online(who));
    }

    pub(super) fn unlock_with(&mut self, who: usize, passphrase: &str) {
        let passphrase = Zeroizing::new(passphrase.to_owned());
        self.tell(who, Command::Unlock { passphrase });
    }

    pub(super) fn unlock(&mut self, who: usize) {
        self.unlock_with(who, PASSPHRASE);
        self.until(|world| world.view(who).phase == Phase::Ready);
    }

    /// Makes an invitation and answers its link and words.
    pub(super) fn invite(&mut self, who: usize) -> (Link, String) {
        self.tell(
            who,
            Command::CreateInvitation {
                note: "planted note".into(),
                category: "Friends".into(),
                with_registration: false,
            },
        );
        self.until(|world| {
            let newest = world.view(who).invitations.into_iter().next();
            newest.is_some_and(|one| one.state == crate::InvitationState::Ready)
        });
        self.invitation(who)
    }

    /// Link and words of the newest invitation.
    pub(super) fn invitation(&self, who: usize) -> (Link, String) {
        let newest = self.view(who).invitations.into_iter().next();
        let newest = newest.expect("there is an invitation");
        (Link::parse(&newest.link).expect("a link"), newest.words)
    }

    pub(super) fn open(&mut self, who: usize, link: &Link) {
        let link = link.clone();
        self.tell(who, Command::OpenLink { link });
        self.run(1);
    }

    pub(super) fn enter(&mut self, who: usize, words: &str) {
        self.tell(
            who,
            Command::EnterCode {
                words: Zeroizing::new(words.to_owned()),
                category: String::new(),
            },
        );
        self.run(1);
    }

    pub(super) fn join(&mut self, who: usize, (link, words): &(Link, String)) {
        self.open(who, link);
        self.enter(who, words);
    }

    pub(super) fn approve_all(&mut self, who: usize) {
        for contact in self.view(who).contacts {
            if contact.state == ContactState::WantsApproval {
                let contact = contact.id;
                self.tell(who, Command::Approve { contact });
            }
        }
    }

    pub(super) fn befriend(&mut self, inviter: usize, invited: usize) {
        let invitation = self.invite(inviter);
        self.join(invited, &invitation);
        self.approve_all(inviter);
        self.run(5);
        for who in [inviter, invited] {
            let last = self.view(who).contacts.into_iter().last();
            assert_eq!(last.map(|c| c.state), Some(ContactState::Active));
        }
    }

    pub(super) fn say(&mut self, who: usize, text: &str) {
        let contact = self.friend(who);
        let text = format!("{MARKER} {text}");
        self.tell(who, Command::SendText { contact, text });
    }

    /// Closes the page and opens it again, still locked. What was not confirmed as stored may or may not be.
    pub(super) fn reload(&mut self, who: usize) {
        let now = self.now;
        let run = self.people[who].run;
        let faded = self.links.vanish((who, run));
        self.later_links(faded);
        let landed = self.chance(50);
        let seed = self.rng.next_u64();
        let person = &mut self.people[who];
        if let Some(writes) = person.in_flight.take()
            && landed
        {
            store(&mut person.records, writes);
        }
        // What was shown and not yet stored is shown anew.
        person.deliveries.clear();
        person.run += 1;
        person.endpoint = fresh(&person.records, now, &mut ChaCha20Rng::seed_from_u64(seed));
        if let Some(socket) = person.socket.take() {
            self.sockets.remove(&socket);
            self.later(5, Step::HangUp(socket));
        }
        self.drain(who);
    }

    /// Closes the page, opens it again, unlocks.
    pub(super) fn restart(&mut self, who: usize) {
        self.reload(who);
        self.unlock(who);
    }

    /// The page is closed and stays so; its store remains.
    pub(super) fn leave(&mut self, who: usize) {
        self.reload(who);
    }

    /// Cuts every link.
    pub(super) fn cut_links(&mut self) {
        let faded = self.links.cut();
        self.later_links(faded);
    }

    // ---- what is to be seen

    pub(super) fn view(&self, who: usize) -> View {
        self.people[who].endpoint.view()
    }

    pub(super) fn is_online(&self, who: usize) -> bool {
        self.view(who).node == NodeState::Online
    }

    /// The only contact, or the one that was made first.
    pub(super) fn contact(&self, who: usize) -> ContactView {
        let mut contacts = self.view(who).contacts;
        assert!(!contacts.is_empty(), "there is a contact");
        contacts.remove(0)
    }

    pub(super) fn friend(&self, who: usize) -> ContactId {
        self.contact(who).id
    }

    pub(super) fn call(&self, who: usize) -> Option<CallView> {
        self.view(who).call
    }

    pub(super) fn stage(&self, who: usize) -> Option<CallStage> {
        self.call(who).map(|call| call.stage)
    }

    pub(super) fn notices(&self, who: usize) -> Vec<Notice> {
        let notice = |event: &Event| match event {
            Event::Notice(notice) => Some(notice.clone()),
            _ => None,
        };
        self.people[who].events.iter().filter_map(notice).collect()
    }

    pub(super) fn heard(&self, who: usize, notice: &Notice) -> bool {
        self.notices(who).contains(notice)
    }

    /// Texts of the first conversation: by whom, what.
    pub(super) fn texts(&mut self, who: usize) -> Vec<(bool, String)> {
        let contact = self.friend(who);
        let (client, _) = self.people[who].endpoint.inside().expect("unlocked");
        let texts = client.texts.get(&contact).cloned().unwrap_or_default();
        let text = |text: &str| text.trim_start_matches(MARKER).trim().to_owned();
        texts
            .iter()
            .map(|(id, stored)| (id.mine, text(&stored.text)))
            .collect()
    }

    /// What the other side wrote, in order.
    pub(super) fn received(&mut self, who: usize) -> Vec<String> {
        let texts = self.texts(who).into_iter();
        texts.filter(|(mine, _)| !mine).map(|(_, t)| t).collect()
    }

    /// How far each text of one's own got, in order.
    pub(super) fn deliveries(&mut self, who: usize) -> Vec<Delivery> {
        let contact = self.friend(who);
        let (client, _) = self.people[who].endpoint.inside().expect("unlocked");
        let texts = client.texts.get(&contact).cloned().unwrap_or_default();
        let mine = texts.iter().filter(|(id, _)| id.mine);
        mine.map(|(_, stored)| stored.delivery).collect()
    }

    /// The inside of an unlocked client, for peers that do not keep to the rules.
    pub(super) fn inside<T>(
        &mut self,
        who: usize,
        act: impl FnOnce(&mut Client, &mut Base, Now) -> T,
    ) -> T {
        let now = self.now;
        let (client, base) = self.people[who].endpoint.inside().expect("unlocked");
        let result = act(client, base, now);
        client.write_out(base);
        self.drain(who);
        result
    }

    /// All but spares.
    pub(super) fn live_links(&self, who: usize) -> Vec<LinkId> {
        self.links_of(who, false)
    }

    pub(super) fn live_spares(&self, who: usize) -> Vec<LinkId> {
        self.links_of(who, true)
    }

    fn links_of(&self, who: usize, spare: bool) -> Vec<LinkId> {
        let owner = (who, self.people[who].run);
        let links = self.links.of(owner).into_iter();
        let links = links.filter(|(_, link)| link.spare == spare);
        links.map(|(id, _)| id).collect()
    }

    pub(super) fn channel_open(&self, who: usize) -> bool {
        let owner = (who, self.people[who].run);
        self.links.of(owner).iter().any(|(_, link)| link.channel)
    }

    pub(super) fn assert_untroubled(&self) {
        for who in 0..self.people.len() {
            let contact = self.view(who).contacts.first().map(|contact| contact.id);
            let seed = self.seed;
            if let Some(contact) = contact {
                let tampering = Notice::TamperingSeen { contact };
                assert!(!self.heard(who, &tampering), "{who}, seed {seed}");
            }
        }
    }

    // ---- time

    /// Lets so many seconds pass.
    pub(super) fn run(&mut self, seconds: u64) {
        self.run_ms(seconds * 1000);
    }

    pub(super) fn run_ms(&mut self, millis: u64) {
        let end = self.now.after(Duration::from_millis(millis)).instant;
        while self.step(end) {}
        self.pass(end);
    }

    /// Runs until something holds.
    pub(super) fn until(&mut self, holds: impl Fn(&Self) -> bool) {
        let end = self.now.after(PATIENCE).instant;
        while !holds(self) {
            let seed = self.seed;
            let moved = self.step(end);
            let stages: Vec<_> = (0..self.people.len()).map(|who| self.stage(who)).collect();
            assert!(
                moved,
                "it never came to hold; seed {seed}, calls {stages:?}"
            );
        }
    }

    pub(super) fn until_stage(&mut self, who: usize, wanted: impl Fn(CallStage) -> bool) {
        self.until(|world| world.stage(who).is_some_and(&wanted));
    }

    /// Both clocks of everybody jump.
    pub(super) fn calendar_jumps(&mut self, to: UnixTime) {
        self.now.unix = to;
    }

    fn pass(&mut self, until: Instant) {
        let passed = until.saturating_since(self.now.instant);
        if passed > Duration::ZERO {
            self.now = self.now.after(passed);
            self.at_once = 0;
        }
    }

    /// Does the next thing that happens before `end`.
    fn step(&mut self, end: Instant) -> bool {
        let timeouts = self.people.iter().enumerate();
        let timeout = timeouts
            .filter_map(|(who, person)| Some((person.endpoint.poll_timeout()?.0, who)))
            .min();
        let agenda = self.agenda.keys().next().copied();
        let first = [timeout.map(|(at, _)| at), agenda.map(|(at, _)| at)];
        let Some(at) = first.into_iter().flatten().min().filter(|at| *at <= end) else {
            return false;
        };
        self.pass(at);
        self.at_once += 1;
        let seed = self.seed;
        assert!(
            self.at_once < 20_000,
            "it does not come to rest; seed {seed}"
        );
        match (agenda, timeout) {
            (Some(key), timeout) if timeout.is_none_or(|(at, _)| key.0 <= at) => {
                if let Some(step) = self.agenda.remove(&key) {
                    self.take(step);
                }
            }
            (_, Some((_, who))) => {
                let now = self.now;
                self.people[who].endpoint.handle_timeout(now);
                self.drain(who);
            }
            _ => {}
        }
        true
    }

    fn later(&mut self, after: u64, step: Step) {
        let at = self.now.instant + Duration::from_millis(after);
        self.steps += 1;
        self.agenda.insert((at, self.steps), step);
    }

    fn later_links(&mut self, later: Vec<Later>) {
        for Later {
            after,
            owner,
            event,
        } in later
        {
            self.later(after, Step::Link(owner, event));
        }
    }

    fn below(&mut self, end: u64) -> u64 {
        self.rng.next_u64() % end.max(1)
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn is_current(&self, (who, run): Owner) -> bool {
        self.people[who].run == run
    }

    fn take(&mut self, step: Step) {
        let now = self.now;
        self.node.forget_expired(now.unix);
        match step {
            Step::Request(owner, request) => self.request(owner, &request),
            Step::Answer(owner, response) => {
                self.hand(owner, |endpoint| endpoint.handle_http(response, now));
            }
            Step::Dial(socket) => {
                if self.node.off {
                    self.node.outbox.push_back((socket, None));
                } else {
                    self.node.open(socket);
                }
            }
            Step::Frame(socket, bytes) => self.node.frame(socket, &bytes, now.unix),
            Step::HangUp(socket) => self.node.close(socket),
            Step::Socket(owner, socket, event) => {
                if self.sockets.get(&socket) == Some(&owner) {
                    if matches!(event, SocketEvent::Closed) {
                        self.sockets.remove(&socket);
                    }
                    self.hand(owner, |endpoint| endpoint.handle_socket(event, now));
                }
            }
            Step::Stretched(owner, id, key) => {
                self.hand(owner, |endpoint| {
                    endpoint.handle_stretched(id, Some(key), now);
                });
            }
            Step::Stored(owner, number, writes) => {
                if self.is_current(owner) {
                    self.people[owner.0].in_flight = None;
                    store(&mut self.people[owner.0].records, writes);
                }
                self.hand(owner, |endpoint| endpoint.handle_written(number, now));
            }
            Step::StoreRefused(owner, number) => {
                self.hand(owner, |endpoint| endpoint.handle_write_failed(number, now));
            }
            Step::Link(owner, event) => {
                if self.is_current(owner) && self.links.arrives(owner, &event) {
                    self.hand(owner, |endpoint| endpoint.handle_link(event, now));
                }
            }
        }
        self.post();
    }

    fn request(&mut self, owner: Owner, request: &HttpRequest) {
        let id = request.id;
        let unreachable = |id| HttpResponse {
            id,
            result: Err(HttpFailure::Unreachable),
        };
        let lost = self.chance(self.trouble.lost_requests);
        let response = if self.node.off || lost || !request.url.starts_with(ORIGIN) {
            unreachable(id)
        } else {
            let result = Ok(self.node.http(request, self.now.unix));
            if self.chance(self.trouble.lost_answers) {
                unreachable(id)
            } else {
                HttpResponse { id, result }
            }
        };
        self.later(10, Step::Answer(owner, response));
    }

    fn hand(&mut self, owner: Owner, act: impl FnOnce(&mut Endpoint)) {
        if self.is_current(owner) {
            act(&mut self.people[owner.0].endpoint);
            self.drain(owner.0);
        }
    }

    /// Sends what the node has to say.
    fn post(&mut self) {
        while let Some((socket, frame)) = self.node.outbox.pop_front() {
            if let Some(owner) = self.sockets.get(&socket).copied() {
                let event = frame.map_or(SocketEvent::Closed, |f| SocketEvent::Frame(f.emit()));
                self.later(10, Step::Socket(owner, socket, event));
            }
        }
    }

    pub(super) fn stop_node(&mut self) {
        self.node.stop();
        self.post();
    }

    pub(super) fn start_node(&mut self) {
        self.node.off = false;
    }

    /// What else the node does outside of [`Self::step`], e.g. an envelope put by a stranger.
    pub(super) fn with_node<T>(&mut self, act: impl FnOnce(&mut SimNode) -> T) -> T {
        let result = act(&mut self.node);
        self.post();
        result
    }

    pub(super) fn drain(&mut self, who: usize) {
        let owner = (who, self.people[who].run);
        while let Some(batch) = self.people[who].endpoint.poll_write() {
            match self.people[who].store {
                Store::Works => {
                    let after = 1 + self.below(4);
                    self.people[who].in_flight = Some(batch.writes.clone());
                    self.later(after, Step::Stored(owner, batch.number, batch.writes));
                }
                Store::Full => self.later(3, Step::StoreRefused(owner, batch.number)),
                Store::Hangs => {}
            }
        }
        while let Some(transmit) = self.people[who].endpoint.poll_transmit() {
            self.carry_out(owner, transmit);
        }
        let mut changed = false;
        while let Some(event) = self.people[who].endpoint.poll_event() {
            changed |= event == Event::ViewChanged;
            self.people[who].events.push(event);
        }
        if changed {
            self.check(who);
        }
    }

    fn carry_out(&mut self, owner: Owner, transmit: Transmit) {
        let who = owner.0;
        match transmit {
            Transmit::Http(request) => {
                self.people[who].requests += 1;
                let after = 10 + self.below(self.trouble.spread);
                self.later(after, Step::Request(owner, request));
            }
            Transmit::Socket(action) => self.socket(owner, action),
            Transmit::Link(action) => {
                if !matches!(action, LinkAction::Send { .. }) {
                    self.people[who].asked.push(action.clone());
                }
                let later = self.links.handle(owner, action);
                self.later_links(later);
            }
            // Probing is tried where it lives.
            Transmit::Probe(_) => {}
            Transmit::Stretch(job) => {
                let key = stretched(&job.stretch);
                self.later(30, Step::Stretched(owner, job.id, key));
            }
        }
    }

    fn socket(&mut self, owner: Owner, action: SocketAction) {
        let who = owner.0;
        match action {
            SocketAction::Open { url } => {
                assert!(url.starts_with("wss://node.example"), "{url}");
                self.socket(owner, SocketAction::Close);
                self.people[who].sockets += 1;
                self.steps += 1;
                let socket = self.steps;
                self.sockets.insert(socket, owner);
                self.people[who].socket = Some(socket);
                self.later(10, Step::Dial(socket));
            }
            SocketAction::Send(bytes) => {
                if let Some(socket) = self.people[who].socket {
                    self.later(10, Step::Frame(socket, bytes));
                }
            }
            SocketAction::Close => {
                if let Some(socket) = self.people[who].socket.take() {
                    self.sockets.remove(&socket);
                    self.later(10, Step::HangUp(socket));
                }
            }
        }
    }

    /// What must hold whenever something changed.
    fn check(&mut self, who: usize) {
        let seed = self.seed;
        let person = &mut self.people[who];
        let Some((client, _)) = person.endpoint.inside() else {
            return;
        };
        for (contact, texts) in &client.texts {
            let mut ids = BTreeSet::new();
            for (MessageId { mine, number }, stored) in texts {
                assert!(ids.insert((*mine, *number)), "a text twice; seed {seed}");
                if *mine {
                    let key = (*contact, *number);
                    let known = person.deliveries.entry(key).or_insert(stored.delivery);
                    let back = *known > stored.delivery;
                    assert!(!back, "{number} went back from {known:?}; seed {seed}");
                    *known = stored.delivery;
                }
            }
        }
    }
}

/// How often a property is tried: a few times, or as often as `PROPTEST_CASES` says.
pub(super) fn cases(few: u32) -> ProptestConfig {
    let config = ProptestConfig::default();
    let asked = config.cases != USUAL_CASES;
    ProptestConfig {
        cases: if asked { config.cases } else { few },
        failure_persistence: None,
        ..config
    }
}

fn fresh(records: &BTreeMap<[u8; 16], Vec<u8>>, now: Now, rng: &mut ChaCha20Rng) -> Endpoint {
    let config = Config {
        stretch: StretchParams {
            memory_kib: 8 * 1024,
            passes: 1,
            lanes: 1,
        },
        device_label: "planted device".into(),
    };
    let records = records.iter().map(|(id, value)| (*id, value.clone()));
    let mut seed = [0; 32];
    rng.fill_bytes(&mut seed);
    Endpoint::new(config, records.collect(), seed, now)
}

fn store(records: &mut BTreeMap<[u8; 16], Vec<u8>>, writes: Writes) {
    for (id, value) in writes {
        match value {
            Some(value) => records.insert(id, value),
            None => records.remove(&id),
        };
    }
}

/// In Argon2id's stead.
fn stretched(stretch: &Stretch) -> Stretched {
    let digest = Sha256::new()
        .chain_update(&*stretch.password)
        .chain_update(stretch.salt)
        .finalize();
    Stretched::from_bytes(digest.into())
}
