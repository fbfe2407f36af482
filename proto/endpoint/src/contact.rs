// SPDX-License-Identifier: MIT OR Apache-2.0
//! One contact: who they are, the session with them, and how envelopes get there and back.
//!
//! Sealing and opening, epochs and the turn to commit, the choice between data channel and mailbox live
//! here. What the contents mean is left to `talk` and `calls`, what a link is to `links`.

mod epochs;
mod inbound;
mod receipts;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use hither_api::{Capability, MailboxId, header, limits, path};
use hither_crypto::envelope::{self, HeaderKey, Kind};
use hither_crypto::identity::{Fingerprint, PublicIdentity};
use hither_crypto::invitation::{PendingInvitation, Transcript};
use hither_crypto::quick::{Opened, QuickOpener, QuickSealer};
use hither_crypto::session::{EpochSecrets, Session};
use hither_sansio::{Duration, Instant, Now, UnixTime};
use serde::{Deserialize, Serialize};

use crate::base::{Base, Purpose};
use crate::leftovers::Farewell;
use crate::links::Link;
use crate::payload::{Address, Payload, Signal, WireCandidate};
use crate::spare::Spares;
use crate::stream::{Receiver, Sender, StoredOutgoing, Via};
use crate::{ContactId, ContactState, IceConfig, LinkAction, LinkState, Method, RelayOnly};

/// HTTP puts under way to one contact.
const MAX_POSTING: usize = 4;
/// Envelopes that no key opens yet.
const MAX_HELD: usize = 16;
/// How long such an envelope may wait for its epoch.
const HELD_FOR: Duration = Duration::from_secs(10);
/// Acknowledgements over the mailbox are gathered for so long.
const ACK_DELAY: Duration = Duration::from_millis(150);
/// Messages after which the session is refreshed.
const MESSAGES_PER_EPOCH: u32 = 50;
/// Time after which the session is refreshed.
const EPOCH_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// Before a call, the session is refreshed if it is older than this.
const EPOCH_BEFORE_CALL: Duration = Duration::from_secs(600);
/// A failed put is tried again after this, then after twice as long, and so on.
const POST_AGAIN: Duration = Duration::from_millis(500);
/// The same for one that was refused.
const REFUSED_AGAIN: Duration = Duration::from_secs(30);
/// The same for receipts.
const RECEIPT_AGAIN: Duration = Duration::from_secs(2);
/// The longest of these waits.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// Without an acknowledgement they are asked for one, a little after a loss could be told from a delay.
const SYNC_CHANNEL: Duration = Duration::from_secs(6);
const SYNC_MAILBOX: Duration = Duration::from_secs(61);
/// Which signals came is stored this long after one came, or with whatever else is stored before.
const OPENED_STORED_WITHIN: Duration = Duration::from_secs(1);
/// Signals on their way into one mailbox at the same time.
const MAX_SIGNALS: usize = 64;
/// Header keys of past epochs.
const MAX_OLDER: usize = 8;
/// A mailbox keeps signals of the moment so long, in seconds.
pub(crate) const MOMENT: u64 = 60;
/// A mailbox keeps receipts so long, in seconds.
pub(crate) const WEEK: u64 = 7 * 86_400;

/// Where this contact writes to us.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Inbox {
    pub(crate) mailbox: [u8; 32],
    pub(crate) capability: [u8; 32],
    pub(crate) read_key: [u8; 32],
}

/// Whose commit the session saw last. The other side has the turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Turn {
    Ours,
    Theirs,
}

/// What is stored of a contact, apart from profile, session, texts and unacknowledged messages.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Stored {
    pub(crate) state: ContactState,
    pub(crate) public: Vec<u8>,
    pub(crate) alias: String,
    pub(crate) category: String,
    pub(crate) verified: bool,
    pub(crate) relay_only: RelayOnly,
    pub(crate) always_direct: bool,
    pub(crate) peer_always_direct: bool,
    pub(crate) inbox: Inbox,
    /// The invitation's mailbox, which others may know who saw link and code. Kept until the invitation expires,
    /// so that its second use is recognised.
    pub(crate) first_inbox: Option<Inbox>,
    pub(crate) outbox: Option<Address>,
    pub(crate) transcript: Option<Transcript>,
    /// The invitation that they answered.
    pub(crate) spent: Option<Spent>,
    /// M1, until it is at its node.
    pub(crate) join: Option<Vec<u8>>,
    pub(crate) next_out: u64,
    pub(crate) received: u64,
    pub(crate) current: EpochSecrets,
    pub(crate) previous: Option<EpochSecrets>,
    /// Of epochs before that: by these, what comes late is told from what is forged.
    pub(crate) older: VecDeque<HeaderKey>,
    /// Up to where they know that we received.
    pub(crate) acked: u64,
    pub(crate) turn: Turn,
    pub(crate) pending_commit: Option<u64>,
    pub(crate) since_commit: u32,
    pub(crate) last_commit: UnixTime,
    /// Our texts so far.
    pub(crate) own_texts: u64,
    /// Their texts so far.
    pub(crate) their_texts: u64,
    /// Their texts that were shown.
    pub(crate) read: u64,
    /// Up to where they know it.
    pub(crate) read_told: u64,
    pub(crate) unread: u32,
}

/// An invitation that was answered, kept until it expires so that a second use is recognised.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Spent {
    pub(crate) pending: PendingInvitation,
    pub(crate) note: String,
    /// Digest of the answer that was taken: the very same one may come again, and means nothing.
    pub(crate) answer: [u8; 32],
}

/// How they introduced themselves.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StoredProfile {
    pub(crate) name: String,
    pub(crate) picture: Option<Vec<u8>>,
}

/// An MLS message that waits for its turn.
#[derive(Clone, Debug)]
struct Sealed {
    epoch: u64,
    body: Vec<u8>,
    from: Source,
}

/// An envelope that waits for its epoch.
#[derive(Debug)]
struct Held {
    bytes: Vec<u8>,
    from: Source,
    until: Instant,
}

/// What an envelope is that no key opens.
enum Stray {
    /// Of an epoch that is over, or the answer that was taken already.
    Late,
    /// An invitation is being used a second time.
    SecondUse(String),
    /// Nobody knows yet.
    Unknown,
}

/// Where an envelope came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A mailbox at the node, under this sequence.
    Mailbox([u8; 32], u64),
    /// The data channel.
    Channel,
}

/// What came out of an envelope.
#[derive(Debug)]
pub(crate) enum Inbound {
    Payload(Payload),
    Signal(Signal),
    /// Our texts up to this number are on their device.
    Delivered(u64),
    /// A commit of theirs was merged.
    Refreshed,
    /// Something was altered, forged or beyond repair.
    Tampered,
    /// An invitation of ours was answered a second time.
    Replayed(String),
}

#[derive(Debug)]
pub(crate) struct Contact {
    pub(crate) id: ContactId,
    pub(crate) stored: Stored,
    pub(crate) name: String,
    pub(crate) picture: Option<Arc<[u8]>>,
    pub(crate) public: PublicIdentity,
    pub(crate) safety_number: String,
    pub(crate) session: Session,
    pub(crate) sender: Sender,
    receiver: Receiver<Sealed>,
    sealer: Option<(u64, QuickSealer)>,
    openers: BTreeMap<u64, QuickOpener>,
    /// When it is stored which signals came.
    opened_due: Option<Instant>,
    held: VecDeque<Held>,
    /// Mailbox sequences to be acknowledged to the node after this drain.
    settled: Vec<([u8; 32], u64)>,
    ack_due: Option<Instant>,
    /// From their last acknowledgement: how much they had sent.
    peer_sent: Option<(u64, u64)>,
    pub(crate) retry_at: Option<Instant>,
    failures: u32,
    refusals: u32,
    /// When they are asked how far they are.
    sync_due: Option<Instant>,
    syncs: u32,
    /// When receipts that did not get through are told again.
    receipt_due: Option<Instant>,
    receipt_failures: u32,
    read_over_channel: bool,
    pub(crate) join_posting: bool,
    pub(crate) typing_until: Option<Instant>,
    pub(crate) typing_sent: Option<Instant>,
    pub(crate) link: Option<Link>,
    pub(crate) spares: Spares,
    /// Candidates that came before the offer of their link.
    pub(crate) early_candidates: VecDeque<([u8; 16], WireCandidate)>,
    unsaved: bool,
    stepped: bool,
}

impl Contact {
    pub(crate) fn new(
        id: ContactId,
        stored: Stored,
        profile: StoredProfile,
        public: PublicIdentity,
        session: Session,
        own: Fingerprint,
        waiting: BTreeMap<u64, StoredOutgoing>,
    ) -> Self {
        Self {
            id,
            name: profile.name,
            picture: profile.picture.map(Arc::from),
            safety_number: hither_crypto::safety::safety_number(&own, &public.fingerprint()),
            public,
            session,
            sender: Sender::restore(stored.next_out, waiting),
            receiver: Receiver::restore(stored.received),
            stored,
            sealer: None,
            openers: BTreeMap::new(),
            opened_due: None,
            held: VecDeque::new(),
            settled: Vec::new(),
            ack_due: None,
            peer_sent: None,
            retry_at: None,
            failures: 0,
            join_posting: false,
            refusals: 0,
            sync_due: None,
            syncs: 0,
            receipt_due: None,
            receipt_failures: 0,
            read_over_channel: false,
            typing_until: None,
            typing_sent: None,
            link: None,
            spares: Spares::default(),
            early_candidates: VecDeque::new(),
            unsaved: false,
            stepped: false,
        }
    }

    pub(crate) fn display_name(&self) -> &str {
        if self.stored.alias.is_empty() {
            &self.name
        } else {
            &self.stored.alias
        }
    }

    /// The note of the invitation that they answered, until they are let in.
    pub(crate) fn invited_as(&self) -> Option<String> {
        let spent = self.stored.spent.as_ref()?;
        (self.stored.state == ContactState::WantsApproval).then(|| spent.note.clone())
    }

    /// Every mailbox of ours that this contact may write to.
    pub(crate) fn inboxes(&self) -> impl Iterator<Item = &Inbox> {
        core::iter::once(&self.stored.inbox).chain(self.stored.first_inbox.as_ref())
    }

    /// The prefix of every record of this contact.
    pub(crate) fn prefix(id: ContactId) -> String {
        format!("contact/{}/", id.to_hex())
    }

    // ---- records

    /// Something that is stored changed.
    pub(crate) fn save(&mut self) {
        self.unsaved = true;
    }

    /// Everything is to be stored for the first time.
    pub(crate) fn begin(&mut self) {
        self.step();
    }

    /// The session took a step.
    fn step(&mut self) {
        self.unsaved = true;
        self.stepped = true;
    }

    /// Leaves what changed to be written: once for all that one event brought about, before anything leaves.
    pub(crate) fn write_out(&mut self, base: &mut Base) {
        if !core::mem::take(&mut self.unsaved) {
            return;
        }
        self.stored.next_out = self.sender.next();
        self.stored.received = self.receiver.received();
        self.save_opened(base);
        base.put(&format!("{}state", Self::prefix(self.id)), &self.stored);
        if !core::mem::take(&mut self.stepped) {
            return;
        }
        for change in self.session.changes() {
            let name = format!("{}mls/{}", Self::prefix(self.id), hex_of(&change.key));
            match change.value {
                Some(value) => base.put(&name, &(change.key, value)),
                None => base.delete(&name),
            }
        }
    }

    /// Stores which signals came, so that none is taken again after a reload.
    pub(crate) fn save_opened(&mut self, base: &mut Base) {
        if self.opened_due.take().is_some() {
            let openers = self.openers.iter();
            let opened: Vec<(u64, Opened)> = openers
                .map(|(epoch, opener)| (*epoch, opener.opened()))
                .collect();
            base.put(&format!("{}quick", Self::prefix(self.id)), &opened);
        }
    }

    /// Takes over what [`Self::save_opened`] stored.
    pub(crate) fn restore_opened(&mut self, opened: Vec<(u64, Opened)>) {
        let leaf = self.session.peer_leaf();
        for (epoch, opened) in opened {
            if let Some(secrets) = self.secrets_of(epoch) {
                let opener = QuickOpener::restore(&secrets, leaf, opened);
                self.openers.insert(epoch, opener);
            }
        }
    }

    pub(crate) fn save_profile(&self, base: &mut Base) {
        let profile = StoredProfile {
            name: self.name.clone(),
            picture: self.picture.as_ref().map(|picture| picture.to_vec()),
        };
        base.put(&format!("{}profile", Self::prefix(self.id)), &profile);
    }

    fn out_name(&self, number: u64) -> String {
        format!("{}out/{number:016x}", Self::prefix(self.id))
    }

    // ---- outbound

    /// Seals a payload into the stream. It is kept until the other side has it.
    pub(crate) fn send(
        &mut self,
        base: &mut Base,
        payload: &Payload,
        text: Option<u64>,
        now: Now,
    ) -> bool {
        let Ok(body) = self.session.seal(&payload.emit()) else {
            return false;
        };
        self.stored.since_commit = self.stored.since_commit.saturating_add(1);
        self.push(base, body, text);
        self.flush(base, now);
        true
    }

    fn push(&mut self, base: &mut Base, body: Vec<u8>, text: Option<u64>) -> u64 {
        let stored = StoredOutgoing {
            body,
            text,
            posted: false,
        };
        let number = self.sender.next().max(1);
        base.put(&self.out_name(number), &stored);
        self.step();
        self.sender.push(stored)
    }

    /// Hands over whatever is unsent, by the best way there is.
    pub(crate) fn flush(&mut self, base: &mut Base, now: Now) {
        let waits = self.retry_at.is_some_and(|at| at > now.instant);
        if waits && !self.channel_open() {
            return;
        }
        if !waits {
            self.retry_at = None;
        }
        if self.stored.join.is_some() {
            if !self.answers_too_late(now) {
                self.post_join(base);
            }
            return;
        }
        while let Some(number) = self.sender.first_unsent() {
            if !self.channel_open() && self.sender.posting() >= MAX_POSTING {
                break;
            }
            let Some(outgoing) = self.sender.get(number) else {
                break;
            };
            let body = outgoing.stored.body.clone();
            let Some(bytes) = self.envelope(base, Kind::Mls, number, &body) else {
                break;
            };
            let via = if let Some(link) = self.open_channel() {
                base.link(LinkAction::Send { link, bytes });
                Via::Channel
            } else {
                let purpose = Purpose::PutMessage(self.id, number);
                if !self.post(base, purpose, bytes, limits::MAX_ENVELOPE_SECS) {
                    break;
                }
                Via::Posting
            };
            self.sender.mark(number, via, now.instant);
        }
        self.expect_ack(now);
    }

    fn post_join(&mut self, base: &mut Base) {
        if self.join_posting {
            return;
        }
        if let Some(join) = self.stored.join.clone() {
            let purpose = Purpose::PutJoin(self.id);
            self.join_posting = self.post(base, purpose, join, limits::MAX_ENVELOPE_SECS);
        }
    }

    /// Whether our answer has not left although no invitation lasts that long. Until it has left, nothing is
    /// committed, so the last commit is when we answered.
    pub(crate) fn answers_too_late(&self, now: Now) -> bool {
        let waited = now.unix.saturating_since(self.stored.last_commit);
        self.stored.join.is_some() && waited > Duration::from_secs(limits::MAX_PARKED_SECS)
    }

    /// Seals and sends a signal; lost if there is no way now.
    pub(crate) fn signal(&mut self, base: &mut Base, signal: &Signal, keep_secs: u64) {
        self.signal_for(base, signal, keep_secs, Purpose::PutSignal(self.id));
    }

    /// The same, with an ear for what becomes of it. Answers whether it went over the channel.
    fn signal_for(
        &mut self,
        base: &mut Base,
        signal: &Signal,
        keep_secs: u64,
        purpose: Purpose,
    ) -> bool {
        self.signal_by(base, self.open_channel(), (signal, keep_secs), purpose)
    }

    /// The same, by this channel, or else by the mailbox.
    fn signal_by(
        &mut self,
        base: &mut Base,
        channel: Option<crate::LinkId>,
        (signal, keep_secs): (&Signal, u64),
        purpose: Purpose,
    ) -> bool {
        // Before approval, and after the end, not even a receipt tells whether somebody is there.
        if matches!(
            self.stored.state,
            ContactState::Closed | ContactState::WantsApproval
        ) {
            return false;
        }
        let way = channel.is_some() || (self.stored.join.is_none() && !self.is_flooding(base));
        if !way {
            return false;
        }
        let Some(bytes) = self.seal_signal(base, signal) else {
            return false;
        };
        let leaves = match channel {
            Some(link) => {
                base.link(LinkAction::Send { link, bytes });
                true
            }
            None => self.post(base, purpose, bytes, keep_secs),
        };
        if leaves && signal.is_of_the_moment() {
            base.let_go();
        }
        channel.is_some()
    }

    /// Seals a signal and sends it over this link's channel, and no other way.
    pub(crate) fn signal_over(&mut self, base: &mut Base, link: crate::LinkId, signal: &Signal) {
        if let Some(bytes) = self.seal_signal(base, signal) {
            base.link(LinkAction::Send { link, bytes });
        }
    }

    /// Whoever provokes signals faster than the node takes them gets fewer.
    fn is_flooding(&self, base: &Base) -> bool {
        base.asked(|why| *why == Purpose::PutSignal(self.id)) >= MAX_SIGNALS
    }

    fn seal_signal(&mut self, base: &mut Base, signal: &Signal) -> Option<Vec<u8>> {
        let epoch = self.stored.current.epoch;
        if self.sealer.as_ref().is_none_or(|(of, _)| *of != epoch) {
            let leaf = self.session.own_leaf();
            let sealer = QuickSealer::new(&self.stored.current, leaf, &mut base.rng);
            self.sealer = Some((epoch, sealer));
        }
        let (_, sealer) = self.sealer.as_mut()?;
        let body = sealer.seal(&signal.emit()).ok()?;
        self.envelope(base, Kind::Quick, 0, &body)
    }

    /// Seals a last payload behind all that may not have arrived; the contact is being removed.
    pub(crate) fn farewell(&mut self, base: &mut Base, payload: &Payload) -> Option<Farewell> {
        if self.stored.join.is_some() {
            // They have never heard of us.
            return None;
        }
        let body = self.session.seal(&payload.emit()).ok()?;
        self.sender.push(StoredOutgoing {
            body,
            text: None,
            posted: false,
        });
        let last: Vec<(u64, Vec<u8>)> = self
            .sender
            .unsure()
            .map(|(number, stored)| (number, stored.body.clone()))
            .collect();
        let envelopes = last
            .into_iter()
            .filter_map(|(number, body)| self.envelope(base, Kind::Mls, number, &body))
            .collect();
        Some(Farewell {
            address: self.stored.outbox.clone()?,
            envelopes,
        })
    }

    /// The conversation is over: nothing more will leave, and nothing is waited for.
    pub(crate) fn give_up(&mut self, base: &mut Base) {
        self.stored.state = ContactState::Closed;
        self.stored.join = None;
        for number in self.sender.clear() {
            base.delete(&self.out_name(number));
        }
        self.ack_due = None;
        self.retry_at = None;
        self.sync_due = None;
        self.receipt_due = None;
        self.save();
    }

    /// Sends a signal by every way there is: for what must be heard though the link is about to close.
    pub(crate) fn signal_twice(&mut self, base: &mut Base, signal: &Signal, keep_secs: u64) {
        let purpose = Purpose::PutSignal(self.id);
        let channel = self.open_channel();
        if channel.is_some() {
            self.signal_by(base, channel, (signal, keep_secs), purpose.clone());
        }
        self.signal_by(base, None, (signal, keep_secs), purpose);
    }

    fn envelope(&self, base: &mut Base, kind: Kind, number: u64, body: &[u8]) -> Option<Vec<u8>> {
        let mailbox = &self.stored.outbox.as_ref()?.mailbox;
        envelope::seal(
            &self.stored.current.header,
            mailbox,
            kind,
            number,
            body,
            &mut base.rng,
        )
        .ok()
    }

    fn post(&self, base: &mut Base, purpose: Purpose, bytes: Vec<u8>, keep_secs: u64) -> bool {
        let Some(address) = &self.stored.outbox else {
            return false;
        };
        post_to(base, address, purpose, bytes, keep_secs);
        true
    }

    /// Remembers across a reload that the node has a message: it need not be posted again.
    fn save_posted(&self, base: &mut Base, number: u64) {
        if let Some(outgoing) = self.sender.get(number) {
            let stored = StoredOutgoing {
                posted: true,
                ..outgoing.stored.clone()
            };
            base.put(&self.out_name(number), &stored);
        }
    }

    /// A put of M1 or a message was answered.
    pub(crate) fn posted(&mut self, base: &mut Base, number: Option<u64>, fate: Posted, now: Now) {
        match (number, fate) {
            (Some(number), Posted::Taken) => {
                self.sender.mark(number, Via::Mailbox, now.instant);
                self.save_posted(base, number);
            }
            (None, Posted::Taken) => {
                self.stored.join = None;
                self.save();
            }
            (Some(number), _) => self.sender.mark(number, Via::Nowhere, now.instant),
            (None, _) => {}
        }
        if number.is_none() {
            self.join_posting = false;
        }
        match fate {
            Posted::Taken => {
                self.failures = 0;
                self.refusals = 0;
            }
            // Perhaps they have not made it yet, or their node was set up anew.
            Posted::Refused => {
                self.retry_at = Some(now.instant + doubled(REFUSED_AGAIN, self.refusals));
                self.refusals = self.refusals.saturating_add(1);
            }
            Posted::Later => {
                self.retry_at = Some(now.instant + doubled(POST_AGAIN, self.failures));
                self.failures = self.failures.saturating_add(1);
            }
        }
        self.flush(base, now);
    }

    /// Both want to be connected whenever both are there.
    pub(crate) fn wants_standing_link(&self) -> bool {
        self.stored.state == ContactState::Active
            && self.stored.always_direct
            && self.stored.peer_always_direct
    }

    pub(crate) fn channel_open(&self) -> bool {
        self.open_channel().is_some()
    }

    fn open_channel(&self) -> Option<crate::LinkId> {
        let main = self.main_channel();
        main.filter(|_| !self.main_silent())
            .or_else(|| self.spare_channel())
            // Not trusted yet, but heard.
            .or_else(|| main.filter(|_| !self.is_deaf()))
    }

    fn main_channel(&self) -> Option<crate::LinkId> {
        let link = self.link.as_ref()?;
        // Over an interrupted link nothing arrives, however open its channel may look.
        let alive = !matches!(link.state, LinkState::Interrupted | LinkState::Failed);
        (link.channel_open && alive).then_some(link.id)
    }

    /// The data channel closed, or froze, over what was in it.
    pub(crate) fn channel_lost(&mut self, base: &mut Base, now: Now) {
        self.sender.channel_lost();
        if core::mem::take(&mut self.read_over_channel) {
            self.stored.read_told = 0;
            self.tell_read(base);
        }
        self.flush(base, now);
    }

    // ---- time

    pub(crate) fn timeout(&self) -> Option<Instant> {
        [
            self.ack_due,
            self.retry_at,
            self.held.front().map(|held| held.until),
            self.typing_until,
            self.sync_due,
            self.receipt_due,
            self.opened_due,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    pub(crate) fn handle_timeout(&mut self, base: &mut Base, now: Now) -> Vec<Inbound> {
        let mut inbound = Vec::new();
        if self.ack_due.is_some_and(|due| due <= now.instant) {
            self.send_ack(base);
        }
        if self.retry_at.is_some_and(|due| due <= now.instant) {
            self.retry_at = None;
            self.flush(base, now);
        }
        if self.sync_due.is_some_and(|due| due <= now.instant) {
            self.send_sync(base, now);
        }
        if self.receipt_due.is_some_and(|due| due <= now.instant) {
            self.tell_receipts(base);
        }
        if self.opened_due.is_some_and(|due| due <= now.instant) {
            self.save_opened(base);
        }
        while self
            .held
            .front()
            .is_some_and(|held| held.until <= now.instant)
        {
            if let Some(held) = self.held.pop_front() {
                self.settle(held.from);
                inbound.push(Inbound::Tampered);
                // If it was a message, they hear at once that it is missing.
                self.owe_ack(held.from, now);
            }
        }
        if self.typing_until.is_some_and(|until| until <= now.instant) {
            self.typing_until = None;
            base.changed();
        }
        inbound
    }

    /// Tries at once what waits for its time.
    pub(crate) fn hurry(&mut self, base: &mut Base, ice: IceConfig, now: Now) {
        if self.retry_at.take().is_some() {
            self.flush(base, now);
        }
        let broken = self
            .link
            .as_ref()
            .is_some_and(|link| matches!(link.state, LinkState::Interrupted | LinkState::Failed));
        if broken || self.wants_restart(now) || (self.may_be_more_direct(now) && !ice.relay_only) {
            self.restart(base, ice, now);
        }
    }

    /// Once the invitation has expired nobody needs to be recognised any more: its mailbox may go.
    pub(crate) fn forget_invitation(&mut self, now: Now) -> Option<Inbox> {
        let spent = self.stored.spent.as_ref()?;
        if spent.pending.expires() >= now.unix {
            return None;
        }
        self.stored.spent = None;
        self.save();
        self.stored.first_inbox.take()
    }

    /// The node is there again: whatever waited may go.
    pub(crate) fn node_returned(&mut self, base: &mut Base, now: Now) {
        if self.stored.state == ContactState::Closed {
            return;
        }
        self.retry_at = None;
        self.failures = 0;
        self.refusals = 0;
        self.flush(base, now);
        if self.stored.join.is_some() {
            return;
        }
        self.tell_receipts(base);
        if !self.sender.is_idle() {
            let sent = self.sender.sent();
            self.signal(base, &Signal::Sync { sent }, WEEK);
        }
    }
}

/// A receipt whose fate matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Receipt {
    Ack(u64),
    Read(u64),
}

/// `first`, doubled `times` times, at most an hour.
fn doubled(first: Duration, times: u32) -> Duration {
    first.saturating_mul(1 << times.min(12)).min(LONGEST_WAIT)
}

/// What became of an HTTP put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Posted {
    /// It is in the mailbox.
    Taken,
    /// No such mailbox, or not ours to write to.
    Refused,
    /// Unreachable, full or overloaded.
    Later,
}

/// Puts an envelope into a mailbox.
pub(crate) fn post_to(
    base: &mut Base,
    address: &Address,
    purpose: Purpose,
    bytes: Vec<u8>,
    keep_secs: u64,
) {
    let mailbox = MailboxId::from_bytes(address.mailbox).to_text();
    let capability = Capability::from_bytes(address.capability).to_text();
    let headers = vec![
        (
            "authorization",
            format!("{} {capability}", header::CAPABILITY),
        ),
        (header::EXPIRES_IN, keep_secs.to_string()),
        ("content-type", "application/octet-stream".to_owned()),
    ];
    let url = format!("{}{}/{mailbox}", address.node, path::MAILBOXES);
    base.http(purpose, Method::Post, url, headers, bytes);
}

/// A short, fixed name for a storage key of the session.
fn hex_of(key: &[u8]) -> String {
    let mut short = [0; 16];
    short.copy_from_slice(digest(key).first_chunk::<16>().unwrap_or(&[0; 16]));
    ContactId::from_bytes(short).to_hex()
}

/// SHA-256.
pub(crate) fn digest(bytes: &[u8]) -> [u8; 32] {
    use sha2::{Digest as _, Sha256};
    Sha256::digest(bytes).into()
}
