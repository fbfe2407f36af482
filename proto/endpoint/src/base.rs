// SPDX-License-Identifier: MIT OR Apache-2.0
//! What every part of the client shares: randomness, the way out, and the records.
//!
//! Parts never talk to the host; they leave writes, transmits and events here, and the endpoint drains them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hither_api::InvitationId;
use hither_crypto::vault::RootKey;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use serde::{Serialize, de::DeserializeOwned};

use crate::network::ProbeAction;
use crate::{
    ContactId, Event, HttpRequest, InvitationKey, LinkAction, LinkId, Method, Notice, SocketAction,
    StretchJob, Transmit, WriteBatch,
};
use hither_crypto::stretch::Stretch;

/// Notices kept for the person.
const MAX_NOTICES: usize = 16;
/// Version byte of every record.
const RECORD_VERSION: u8 = 1;

/// Why a request was made; decides what its answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Register,
    MintRegistration(InvitationKey),
    Park(InvitationKey),
    Withdraw(InvitationId),
    FetchInvitation,
    PutJoin(ContactId),
    PutMessage(ContactId, u64),
    PutSignal(ContactId),
    /// An acknowledgement up to here.
    PutAck(ContactId, u64),
    /// That texts up to here were shown.
    PutRead(ContactId, u64),
    Farewell(String),
    ListDevices,
    ChangeDevice,
    DeleteAccount,
}

/// Why a key is being stretched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stretching {
    NewVault,
    Unlock,
    Invitation(InvitationKey),
    Joining,
}

#[derive(Debug)]
pub(crate) struct Base {
    pub(crate) rng: ChaCha20Rng,
    records: Records,
    transmits: VecDeque<Waiting>,
    events: VecDeque<Event>,
    pub(crate) notices: Vec<Notice>,
    next_id: u32,
    purposes: BTreeMap<u32, Purpose>,
    stretchings: BTreeMap<u32, Stretching>,
    next_link: u32,
}

impl Base {
    pub(crate) fn new(seed: [u8; 32], records: Vec<([u8; 16], Vec<u8>)>) -> Self {
        Self {
            rng: ChaCha20Rng::from_seed(seed),
            records: Records::new(records),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            notices: Vec::new(),
            next_id: 1,
            purposes: BTreeMap::new(),
            stretchings: BTreeMap::new(),
            next_link: 1,
        }
    }

    /// `N` random bytes.
    pub(crate) fn random<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }

    fn id(&mut self) -> u32 {
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1).max(1);
        id
    }

    /// A name for a peer connection. Not even locking and unlocking makes one come again.
    pub(crate) fn next_link(&mut self) -> LinkId {
        let link = LinkId(self.next_link);
        self.next_link = self.next_link.wrapping_add(1);
        link
    }

    // ---- the way out

    pub(crate) fn http(
        &mut self,
        purpose: Purpose,
        method: Method,
        url: String,
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
    ) {
        let id = self.id();
        self.purposes.insert(id, purpose);
        self.transmit(Transmit::Http(HttpRequest {
            id,
            method,
            url,
            headers,
            body,
        }));
    }

    pub(crate) fn answered(&mut self, id: u32) -> Option<Purpose> {
        self.purposes.remove(&id)
    }

    /// Forgets why requests were made: their answers will be thrown away.
    pub(crate) fn forget_purpose(&mut self, why: &Purpose) {
        self.purposes.retain(|_, other| other != why);
    }

    /// How many requests of a kind are under way.
    pub(crate) fn asked(&self, kind: impl Fn(&Purpose) -> bool) -> usize {
        self.purposes.values().filter(|why| kind(why)).count()
    }

    pub(crate) fn socket(&mut self, action: SocketAction) {
        if !matches!(action, SocketAction::Send(_)) {
            // Whatever still waits was meant for a socket that is no more.
            self.transmits
                .retain(|waiting| !matches!(waiting.transmit, Transmit::Socket(_)));
        }
        self.transmit(Transmit::Socket(action));
    }

    pub(crate) fn link(&mut self, action: LinkAction) {
        self.transmit(Transmit::Link(action));
    }

    pub(crate) fn probe(&mut self, action: ProbeAction) {
        self.transmit(Transmit::Probe(action));
    }

    pub(crate) fn stretch(&mut self, why: Stretching, stretch: Stretch) {
        let id = self.id();
        self.stretchings.insert(id, why);
        self.transmit(Transmit::Stretch(StretchJob { id, stretch }));
    }

    pub(crate) fn stretched(&mut self, id: u32) -> Option<Stretching> {
        self.stretchings.remove(&id)
    }

    /// Forgets why a key is being stretched: its result will be thrown away.
    pub(crate) fn forget_stretching(&mut self, why: &Stretching) {
        self.stretchings.retain(|_, other| other != why);
    }

    pub(crate) fn changed(&mut self) {
        if !self.events.contains(&Event::ViewChanged) {
            self.events.push_back(Event::ViewChanged);
        }
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.events.push_back(event);
    }

    /// Tells the person, once per kind while it stands.
    pub(crate) fn notice(&mut self, notice: Notice) {
        let known = self.notices.contains(&notice);
        if known && is_of_others_making(&notice) {
            return;
        }
        // One of a kind: whoever varies the text does not fill the screen.
        self.notices.retain(|old| !is_same_kind(old, &notice));
        if self.notices.len() >= MAX_NOTICES {
            self.notices.remove(0);
        }
        self.notices.push(notice.clone());
        self.events.push_back(Event::Notice(notice));
        self.changed();
    }

    /// The node is there: what was said of its absence is over.
    pub(crate) fn node_answers(&mut self) {
        self.notices.retain(|notice| {
            !matches!(notice, Notice::NodeUnreachable | Notice::NodeRefused { .. })
        });
        self.changed();
    }

    fn transmit(&mut self, transmit: Transmit) {
        let free = rests_on_nothing(&transmit);
        self.transmits.push_back(Waiting {
            transmit,
            behind: None,
            free,
        });
    }

    /// What was asked for last rests on nothing that has to be stored: it need not wait for a write.
    pub(crate) fn let_go(&mut self) {
        if let Some(last) = self.transmits.back_mut() {
            last.free = true;
        }
    }

    /// The next batch to store. Whatever was to be done so far waits until it is stored.
    pub(crate) fn poll_write(&mut self) -> Option<WriteBatch> {
        let batch = self.records.poll_write()?;
        let new = self.transmits.iter_mut().rev();
        for waiting in new.take_while(|waiting| waiting.behind.is_none()) {
            waiting.behind = Some(batch.number);
        }
        Some(batch)
    }

    /// The next thing to do whose reasons are stored, or that has none. What is asked of one link stays in order.
    pub(crate) fn poll_transmit(&mut self) -> Option<Transmit> {
        let first = self.transmits.front()?;
        let stored = match first.behind {
            Some(batch) => batch <= self.records.stored,
            None => self.records.is_settled(),
        };
        if stored {
            return self.transmits.pop_front().map(|first| first.transmit);
        }
        if let Some(place) = self.first_free() {
            return self.transmits.remove(place).map(|found| found.transmit);
        }
        if !self.records.halted {
            return None;
        }
        // A full disk must not keep a microphone open: what takes something away needs nothing stored first.
        // Nothing overtakes the opening of what it closes.
        let opens = |waiting: &&Waiting| {
            matches!(waiting.transmit, Transmit::Link(LinkAction::Open { .. }))
        };
        let waiting = self.transmits.iter().take_while(|waiting| !opens(waiting));
        let mut waiting = waiting.enumerate();
        let (place, _) = waiting.find(|(_, one)| takes_away(&one.transmit))?;
        self.transmits.remove(place).map(|found| found.transmit)
    }

    /// The first of what waits that rests on nothing stored, and overtakes nothing of its own queue.
    fn first_free(&self) -> Option<usize> {
        let mut held = BTreeSet::new();
        for (place, waiting) in self.transmits.iter().enumerate() {
            let queue = queue_of(&waiting.transmit);
            if waiting.free && queue.is_none_or(|queue| !held.contains(&queue)) {
                return Some(place);
            }
            held.extend(queue);
        }
        None
    }

    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Forgets the keys and why anything was asked for. What is sealed may still leave.
    pub(crate) fn lock(&mut self) {
        self.purposes.clear();
        self.stretchings.clear();
        self.notices.clear();
        self.records.root = None;
        self.records.names.clear();
    }

    /// How much waits to be done outside.
    #[cfg(all(test, not(target_arch = "wasm32")))]
    pub(crate) fn waiting_transmits(&self) -> usize {
        self.transmits.len().max(self.purposes.len())
    }

    /// Names of stored records that begin with `prefix`.
    #[cfg(all(test, not(target_arch = "wasm32")))]
    pub(crate) fn names(&self, prefix: &str) -> Vec<String> {
        let names = self.records.names.iter();
        names
            .filter(|name| name.starts_with(prefix))
            .cloned()
            .collect()
    }

    // ---- the records

    pub(crate) fn records(&mut self) -> &mut Records {
        &mut self.records
    }

    /// Seals a value under its name and leaves it to be written.
    pub(crate) fn put<T: Serialize>(&mut self, name: &str, value: &T) {
        let bytes = postcard::to_extend(value, vec![RECORD_VERSION]).unwrap_or_default();
        let Some(root) = &self.records.root else {
            return;
        };
        let id = root.record_id(name);
        let sealed = root.seal_record(name, &bytes, &mut self.rng);
        self.records.names.insert(name.to_owned());
        self.records.write(id, Some(sealed));
    }

    /// Seals a value that is kept elsewhere, under a name.
    pub(crate) fn seal(&mut self, name: &str, value: &[u8]) -> Vec<u8> {
        match &self.records.root {
            Some(root) => root.seal_record(name, value, &mut self.rng),
            None => Vec::new(),
        }
    }

    pub(crate) fn root(&self) -> Option<&RootKey> {
        self.records.root.as_ref()
    }

    /// Deletes one record.
    pub(crate) fn delete(&mut self, name: &str) {
        let Some(root) = &self.records.root else {
            return;
        };
        let id = root.record_id(name);
        self.records.names.remove(name);
        self.records.write(id, None);
    }

    /// Deletes every record whose name begins with `prefix`.
    pub(crate) fn delete_all(&mut self, prefix: &str) {
        let names: Vec<String> = self
            .records
            .names
            .range(prefix.to_owned()..)
            .take_while(|name| name.starts_with(prefix))
            .cloned()
            .collect();
        for name in names {
            self.delete(&name);
        }
    }
}

/// Whether somebody else can bring a notice about as often as they like: while it stands, it is not told again.
fn is_of_others_making(notice: &Notice) -> bool {
    matches!(
        notice,
        Notice::TamperingSeen { .. }
            | Notice::JoinRefused { .. }
            | Notice::InvitationReplayed { .. }
            | Notice::MailboxRefused { .. }
            | Notice::NodeRefused { .. }
    )
}

/// Whether two notices say the same of the same contact.
fn is_same_kind(one: &Notice, other: &Notice) -> bool {
    core::mem::discriminant(one) == core::mem::discriminant(other)
        && contact_of(one) == contact_of(other)
}

fn contact_of(notice: &Notice) -> Option<ContactId> {
    match notice {
        Notice::ApprovalWanted { contact }
        | Notice::ContactConfirmed { contact }
        | Notice::ContactRejected { contact }
        | Notice::ContactClosed { contact }
        | Notice::TamperingSeen { contact }
        | Notice::MailboxRefused { contact, .. } => Some(*contact),
        _ => None,
    }
}

/// Something to do, and the batch that must be stored before; none if its batch is not known yet.
#[derive(Debug)]
struct Waiting {
    transmit: Transmit,
    behind: Option<u64>,
    /// It rests on nothing that has to be stored.
    free: bool,
}

/// Peer connections and captured tracks are gone with the page and make nothing known that a store would have to
/// remember. What is sent over them is another matter.
fn rests_on_nothing(transmit: &Transmit) -> bool {
    matches!(transmit, Transmit::Link(action) if !matches!(action, LinkAction::Send { .. }))
}

/// What has to be done in the order in which it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Queue {
    Link(LinkId),
    /// Microphone, camera and screen, whichever link they feed.
    Capture,
}

/// The queue that something stands in, if it matters.
fn queue_of(transmit: &Transmit) -> Option<Queue> {
    match transmit {
        Transmit::Link(LinkAction::SetMedia { .. } | LinkAction::ReleaseCapture) => {
            Some(Queue::Capture)
        }
        Transmit::Link(action) => action.link().map(Queue::Link),
        _ => None,
    }
}

/// Whether it only ends something.
fn takes_away(transmit: &Transmit) -> bool {
    matches!(
        transmit,
        Transmit::Link(
            LinkAction::SetMedia { .. } | LinkAction::ReleaseCapture | LinkAction::Close { .. }
        )
    )
}

/// Reads what [`Base::put`] wrote.
pub(crate) fn read_record<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    match bytes.split_first() {
        Some((&RECORD_VERSION, rest)) => postcard::from_bytes(rest).ok(),
        Some(_) | None => None,
    }
}

/// Record ids and their new values; `None` deletes.
type Writes = BTreeMap<[u8; 16], Option<Vec<u8>>>;

/// Sealed records: a mirror of the store, and what is on its way there.
#[derive(Debug)]
pub(crate) struct Records {
    root: Option<RootKey>,
    names: BTreeSet<String>,
    sealed: BTreeMap<[u8; 16], Vec<u8>>,
    collecting: Writes,
    in_flight: Option<(u64, Writes)>,
    next_batch: u64,
    /// The newest batch that is stored, and with it everything before.
    stored: u64,
    halted: bool,
}

impl Records {
    fn new(records: Vec<([u8; 16], Vec<u8>)>) -> Self {
        Self {
            root: None,
            names: BTreeSet::new(),
            sealed: records.into_iter().collect(),
            collecting: BTreeMap::new(),
            in_flight: None,
            next_batch: 1,
            stored: 0,
            halted: false,
        }
    }

    /// One record as stored.
    pub(crate) fn sealed(&self, id: &[u8; 16]) -> Option<&[u8]> {
        self.sealed.get(id).map(Vec::as_slice)
    }

    /// Takes the root key and opens every record but those in the clear. Unreadable ones are counted.
    pub(crate) fn open(
        &mut self,
        root: RootKey,
        clear: &[u8; 16],
    ) -> (Vec<(String, Vec<u8>)>, usize) {
        let mut opened = Vec::new();
        let mut unreadable = 0;
        for (id, bytes) in self.sealed.iter().filter(|(id, _)| *id != clear) {
            match root.open_record(id, bytes) {
                Ok((name, value)) => {
                    self.names.insert(name.clone());
                    opened.push((name, value));
                }
                Err(_) => unreadable += 1,
            }
        }
        self.root = Some(root);
        (opened, unreadable)
    }

    /// Takes the root key of a new vault.
    pub(crate) fn start(&mut self, root: RootKey) {
        self.root = Some(root);
    }

    /// Leaves a record to be written as it is.
    pub(crate) fn write(&mut self, id: [u8; 16], value: Option<Vec<u8>>) {
        match &value {
            Some(bytes) => self.sealed.insert(id, bytes.clone()),
            None => self.sealed.remove(&id),
        };
        self.collecting.insert(id, value);
    }

    /// Leaves everything to be deleted.
    pub(crate) fn wipe(&mut self) {
        for id in core::mem::take(&mut self.sealed).into_keys() {
            self.collecting.insert(id, None);
        }
    }

    fn is_settled(&self) -> bool {
        self.collecting.is_empty() && self.in_flight.is_none()
    }

    pub(crate) fn poll_write(&mut self) -> Option<WriteBatch> {
        if self.halted || self.in_flight.is_some() || self.collecting.is_empty() {
            return None;
        }
        let batch = core::mem::take(&mut self.collecting);
        let number = self.next_batch;
        self.next_batch += 1;
        let writes = batch
            .iter()
            .map(|(id, value)| (*id, value.clone()))
            .collect();
        self.in_flight = Some((number, batch));
        Some(WriteBatch { number, writes })
    }

    pub(crate) fn written(&mut self, number: u64) {
        if self.in_flight.as_ref().is_some_and(|(n, _)| *n == number) {
            self.in_flight = None;
            self.stored = number;
        }
    }

    /// Puts a failed batch back, under whatever came since. Nothing is written until [`Self::resume`].
    pub(crate) fn failed(&mut self, number: u64) {
        if let Some((_, batch)) = self.in_flight.take_if(|(n, _)| *n == number) {
            for (id, value) in batch {
                self.collecting.entry(id).or_insert(value);
            }
            self.halted = true;
        }
    }

    pub(crate) fn resume(&mut self) {
        self.halted = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_batch_does_not_overwrite_what_came_after_it() {
        let mut records = Records::new(Vec::new());
        records.write([1; 16], Some(vec![1]));
        let first = records.poll_write().expect("there is a batch");
        records.write([1; 16], Some(vec![2]));
        records.failed(first.number);
        assert!(records.poll_write().is_none(), "halted");
        records.resume();
        let again = records.poll_write().expect("there is a batch");
        assert_eq!(again.writes, vec![([1; 16], Some(vec![2]))]);
    }

    #[test]
    fn a_full_disk_does_not_keep_a_microphone_open() {
        let mut base = Base::new([0; 32], Vec::new());
        base.records().write([1; 16], Some(vec![1]));
        base.socket(SocketAction::Close);
        base.link(LinkAction::ReleaseCapture);
        let batch = base.poll_write().expect("there is a batch");
        assert!(matches!(
            base.poll_transmit(),
            Some(Transmit::Link(LinkAction::ReleaseCapture))
        ));
        assert!(base.poll_transmit().is_none(), "the rest waits");
        base.records().failed(batch.number);
        assert!(base.poll_transmit().is_none(), "and goes on waiting");
    }

    #[test]
    fn a_link_is_closed_behind_what_was_sent_over_it_unless_the_disk_is_full() {
        let link = LinkId(7);
        let bytes = vec![1];
        for full in [false, true] {
            let mut base = Base::new([0; 32], Vec::new());
            base.records().write([1; 16], Some(vec![1]));
            base.link(LinkAction::Send {
                link,
                bytes: bytes.clone(),
            });
            base.link(LinkAction::Close { link });
            let batch = base.poll_write().expect("there is a batch");
            assert!(base.poll_transmit().is_none(), "both wait");
            if full {
                base.records().failed(batch.number);
            } else {
                base.records().written(batch.number);
                let first = base.poll_transmit();
                assert!(matches!(
                    first,
                    Some(Transmit::Link(LinkAction::Send { .. }))
                ));
            }
            let next = base.poll_transmit();
            assert!(matches!(
                next,
                Some(Transmit::Link(LinkAction::Close { .. }))
            ));
        }
    }

    #[test]
    fn devices_are_let_go_after_they_were_asked_for_whatever_waits_for_the_disk() {
        let link = LinkId(7);
        let mut base = Base::new([0; 32], Vec::new());
        base.records().write([1; 16], Some(vec![1]));
        let bytes = vec![1];
        base.link(LinkAction::Send { link, bytes });
        base.link(LinkAction::SetMedia {
            link: Some(link),
            microphone: true,
            camera: true,
            screen: false,
        });
        base.link(LinkAction::ReleaseCapture);
        let _batch = base.poll_write().expect("there is a batch");
        assert!(matches!(
            base.poll_transmit(),
            Some(Transmit::Link(LinkAction::SetMedia { .. }))
        ));
        assert!(matches!(
            base.poll_transmit(),
            Some(Transmit::Link(LinkAction::ReleaseCapture))
        ));
        assert!(base.poll_transmit().is_none(), "the rest waits");
    }

    #[test]
    fn what_rests_on_nothing_stored_does_not_wait_for_the_disk() {
        let mut base = Base::new([0; 32], Vec::new());
        base.records().write([1; 16], Some(vec![1]));
        base.socket(SocketAction::Close);
        base.socket(SocketAction::Send(vec![1]));
        base.let_go();
        base.link(LinkAction::Close { link: LinkId(1) });
        let _batch = base.poll_write().expect("there is a batch");
        assert!(matches!(
            base.poll_transmit(),
            Some(Transmit::Socket(SocketAction::Send(_)))
        ));
        assert!(matches!(
            base.poll_transmit(),
            Some(Transmit::Link(LinkAction::Close { .. }))
        ));
        assert!(base.poll_transmit().is_none(), "the rest waits");
    }

    #[test]
    fn nothing_leaves_while_a_write_is_unconfirmed() {
        let mut base = Base::new([0; 32], Vec::new());
        base.records().write([1; 16], Some(vec![1]));
        base.socket(SocketAction::Close);
        assert!(base.poll_transmit().is_none());
        let batch = base.poll_write().expect("there is a batch");
        assert!(base.poll_transmit().is_none());
        base.records().written(batch.number);
        assert!(base.poll_transmit().is_some());
    }

    #[test]
    fn whoever_writes_without_end_does_not_keep_others_waiting() {
        let mut base = Base::new([0; 32], Vec::new());
        base.records().write([1; 16], Some(vec![1]));
        base.socket(SocketAction::Send(vec![1]));
        let first = base.poll_write().expect("there is a batch");
        base.records().write([2; 16], Some(vec![2]));
        base.socket(SocketAction::Send(vec![2]));
        base.records().written(first.number);
        assert!(matches!(base.poll_transmit(), Some(Transmit::Socket(_))));
        assert!(base.poll_transmit().is_none(), "its own is not stored");
        let second = base.poll_write().expect("there is a batch");
        assert!(base.poll_transmit().is_none());
        base.records().written(second.number);
        assert!(matches!(base.poll_transmit(), Some(Transmit::Socket(_))));
    }

    #[test]
    fn what_waits_for_a_failed_batch_waits_for_its_successor() {
        let mut base = Base::new([0; 32], Vec::new());
        base.records().write([1; 16], Some(vec![1]));
        base.socket(SocketAction::Close);
        let first = base.poll_write().expect("there is a batch");
        base.records().failed(first.number);
        base.records().resume();
        let second = base.poll_write().expect("there is a batch");
        base.records().written(first.number);
        assert!(base.poll_transmit().is_none());
        base.records().written(second.number);
        assert!(base.poll_transmit().is_some());
    }
}
