// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls: ring, accept, media on and off, mend, end; one at a time.
//!
//! ```text
//!   caller                                    callee
//!   Call, then CallOffer (MLS) ────────────►  Ringing
//!   Ringing  ◄────── CallRinging, RingOffer    a veiled link: relayed candidates only, no tracks
//!   Answer ────────────────────────────────►
//!            ◄─ ─ ─ ─ over the relay ─ ─ ─ ─►  connected, and nothing is heard or seen
//!   Connecting ◄────────────── CallAccept ──  accepts: addresses may leave from here on, and media
//!   Active   ◄═══════ over the relay ═══════► Active
//!            ◄──── ICE restart, all ────────►  the direct path takes over
//!
//!   Reconnecting   the link broke        its offerer restarts ICE, for a minute
//!                  the link is gone      the callee offers another one for the same call
//!                  a page was reloaded   it asks (CallResume), and the other side offers
//!   Ended          CallEnd, or the minute passed, or nobody answered for 45 seconds
//! ```
//! If the call is taken before the link is described, it is described with the acceptance and shows everything at
//! once. An [`Signal::Offer`] for the call from the callee counts as acceptance, should that be lost; nothing from
//! the caller does, and no `RingOffer`. If both call each other at once, the call with the smaller id stands and is
//! taken without asking: both were calling.

mod ending;
mod linked;
pub(crate) mod past;
mod resume;

pub(crate) use self::ending::UntoldEnd;

use hither_crypto::safety;
use hither_sansio::{Duration, Instant, Now, UnixTime};
use serde::{Deserialize, Serialize};

use crate::base::Base;
use crate::client::Client;
use crate::contact::{Contact, MOMENT};
use crate::links::{OfferWith, Opening};
use crate::payload::{LinkOffer, Payload, Signal, WireEnd};
use crate::{
    CallDirection, CallId, CallStage, CaptureKind, ContactId, ContactState, EndReason, Event,
    LinkAction, LinkRole, Notice,
};

/// How long it rings.
const RING_FOR: Duration = Duration::from_secs(45);
/// How long a broken call is mended before it is given up.
const MEND_FOR: Duration = Duration::from_secs(60);
/// How long an accepted call may take to connect before a new link is tried.
const CONNECT_WITHIN: Duration = Duration::from_secs(12);
/// A stored call last seen longer ago is not asked for after a reload.
const RESUME_WITHIN: Duration = Duration::from_secs(90);
/// How often it is stored that a call is still there.
const SAVE_EVERY: Duration = Duration::from_secs(30);
/// A call is asked back for so often.
const ASK_AGAIN: Duration = Duration::from_secs(5);
/// An offer older than this is a missed call. Longer than it rings, because clocks differ; that a call is
/// over is said apart, and kept long enough to overtake an offer that still rings.
const STALE_AFTER: Duration = Duration::from_secs(150);
/// A mailbox keeps the end of a call so long, in seconds.
const END_KEPT: u64 = 300;
/// Calls that are over and remembered.
const MAX_ENDED: usize = 16;

/// A call that is over and remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EndedCall {
    call: CallId,
    /// It was here, and has left whatever it was to leave. Else its offer may still arrive.
    known: bool,
}

/// What is stored of a call, so that it survives a reload.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StoredCall {
    call: CallId,
    contact: ContactId,
    incoming: bool,
    since: UnixTime,
    seen: UnixTime,
    microphone: bool,
    camera: bool,
}

/// The call.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) id: CallId,
    pub(crate) contact: ContactId,
    pub(crate) direction: CallDirection,
    pub(crate) stage: CallStage,
    pub(crate) microphone: bool,
    pub(crate) camera: bool,
    pub(crate) screen: bool,
    /// Microphone, camera, screen of the other side.
    pub(crate) remote: [bool; 3],
    pub(crate) number: Option<String>,
    /// Callee: accepted, but the link's description is not there yet.
    accept_waits: bool,
    /// The offer that is yet to be signed and sent behind its announcement.
    offer: Option<(Instant, Payload)>,
    deadline: Option<Instant>,
    /// When the mending ends.
    give_up: Option<Instant>,
    /// When it is stored that the call is still there.
    save_at: Option<Instant>,
    wants_back: bool,
}

/// What a call from somebody means whom we are calling.
enum Crossing {
    /// Nothing: we are busy with somebody or something else.
    No,
    OursStands,
    TheirsStands {
        /// With the camera that our own call wanted.
        video: bool,
    },
}

impl Call {
    /// A call with nothing on and nothing to wait for.
    fn new(id: CallId, contact: ContactId, direction: CallDirection, stage: CallStage) -> Self {
        Self {
            id,
            contact,
            direction,
            stage,
            microphone: false,
            camera: false,
            screen: false,
            remote: [false; 3],
            number: None,
            accept_waits: false,
            offer: None,
            deadline: None,
            give_up: None,
            save_at: None,
            wants_back: false,
        }
    }

    pub(crate) fn timeout(&self) -> Option<Instant> {
        let offer = self.offer.as_ref().map(|(at, _)| *at);
        [self.deadline, self.give_up, self.save_at, offer]
            .into_iter()
            .flatten()
            .min()
    }

    fn is_over(&self) -> bool {
        matches!(self.stage, CallStage::Ended { .. })
    }

    /// It waits for this person to take it.
    fn rings_here(&self) -> bool {
        self.direction == CallDirection::Incoming && self.stage == CallStage::Ringing
    }

    fn since(&self) -> Option<UnixTime> {
        match self.stage {
            CallStage::Active { since } | CallStage::Reconnecting { since } => Some(since),
            CallStage::Calling
            | CallStage::Ringing
            | CallStage::Connecting
            | CallStage::Ended { .. } => None,
        }
    }
}

impl Client {
    pub(crate) fn is_in_call_with(&self, id: ContactId) -> bool {
        self.call
            .as_ref()
            .is_some_and(|call| call.contact == id && !call.is_over())
    }

    fn is_busy(&self) -> bool {
        self.call.as_ref().is_some_and(|call| !call.is_over())
    }

    // ---- calling

    pub(crate) fn start_call(&mut self, base: &mut Base, id: ContactId, video: bool, now: Now) {
        if self.is_busy() {
            return base.notice(Notice::NotNow);
        }
        let Some(contact) = self
            .contacts
            .get_mut(&id)
            .filter(|contact| contact.stored.state == ContactState::Active)
        else {
            return base.notice(Notice::NotNow);
        };
        // The session was refreshed when the conversation was opened, or when the last call ended.
        contact.commit_if_due(base, false, now);
        let veiled = !contact.stored.always_direct;
        let secrets = contact
            .session
            .pending_secrets()
            .unwrap_or_else(|| contact.stored.current.clone());
        let call = CallId::from_bytes(base.random());
        let salt = base.random();
        let (time, epoch) = (now.unix.as_millis(), secrets.epoch);
        // It rings while the offer is signed and stored, unless they cannot know the epoch yet.
        if epoch == contact.stored.current.epoch {
            let announcement = Signal::Call {
                call,
                video,
                time,
                epoch,
                salt,
            };
            contact.signal(base, &announcement, MOMENT);
        }
        let offer = Payload::CallOffer {
            call,
            video,
            time,
            epoch,
            salt,
        };
        let standing = contact.channel_open();
        let number = safety::call_number(secrets.authenticator.as_bytes(), call.as_bytes());
        self.call = Some(Call {
            microphone: true,
            camera: video,
            number: Some(number),
            offer: Some((now.instant, offer)),
            deadline: Some(now.instant + RING_FOR),
            ..Call::new(call, id, CallDirection::Outgoing, CallStage::Calling)
        });
        self.apply_media(base);
        if !standing {
            let opening = Opening {
                id: base.next_link(),
                role: LinkRole::Answerer,
                token: *call.as_bytes(),
                secrets,
                salt,
                peer_salt: None,
                ice: self.ice_behind(id, veiled),
                veiled,
                offer_with: OfferWith::Itself,
                call: Some(call),
            };
            self.open_link(base, id, opening, now);
        }
        base.changed();
    }

    fn open_link(&mut self, base: &mut Base, id: ContactId, opening: Opening, now: Now) {
        if let Some(contact) = self.contacts.get_mut(&id) {
            contact.open_link(base, opening, now);
        }
        self.apply_media(base);
    }

    /// Hands the host the tracks that the call wants, for the link if there is one.
    fn apply_media(&self, base: &mut Base) {
        let Some(call) = self.call.as_ref().filter(|call| !call.is_over()) else {
            return;
        };
        // Nothing is heard or seen of anybody before the call is taken, however connected the link may be.
        let taken = !matches!(call.stage, CallStage::Calling | CallStage::Ringing);
        let link = self
            .contacts
            .get(&call.contact)
            .and_then(|contact| contact.link.as_ref())
            .filter(|_| taken)
            .map(|link| link.id);
        base.link(LinkAction::SetMedia {
            link,
            microphone: call.microphone,
            camera: call.camera,
            screen: call.screen,
        });
    }

    pub(crate) fn call_rings(&mut self, base: &mut Base, id: ContactId, call: CallId) {
        if let Some(own) = self.call_of(id, call)
            && own.stage == CallStage::Calling
        {
            own.stage = CallStage::Ringing;
            base.changed();
        }
    }

    fn call_of(&mut self, id: ContactId, call: CallId) -> Option<&mut Call> {
        self.call
            .as_mut()
            .filter(|own| own.contact == id && own.id == call && !own.is_over())
    }

    // ---- being called

    pub(crate) fn call_offered(
        &mut self,
        base: &mut Base,
        id: ContactId,
        (call, video, time): (CallId, bool, u64),
        (epoch, peer_salt): (u64, [u8; 16]),
        now: Now,
    ) {
        let approved = |contact: &Contact| contact.stored.state == ContactState::Active;
        if !self.contacts.get(&id).is_some_and(approved)
            || self.call.as_ref().is_some_and(|own| own.id == call)
        {
            return;
        }
        let age = now.unix.saturating_since(UnixTime::from_millis(time));
        // A clock may be wrong, but a call from far ahead would ring again whenever it is repeated.
        if UnixTime::from_millis(time).saturating_since(now.unix) > STALE_AFTER {
            return;
        }
        let ended = self.ended_calls.iter().find(|ended| ended.call == call);
        if ended.is_some_and(|ended| ended.known) {
            return;
        }
        if age > STALE_AFTER || ended.is_some() {
            let time = UnixTime::from_millis(time).min(now.unix);
            return self.missed(base, id, (call, video), time);
        }
        // Before anything is given up for it.
        let contact = self.contacts.get(&id);
        let Some(secrets) = contact.and_then(|contact| contact.secrets_of(epoch)) else {
            return;
        };
        let taken = match self.crossing(id, call) {
            Crossing::No if self.is_busy() => return self.busy(base, id, (call, video), now),
            Crossing::No => None,
            Crossing::OursStands => return,
            Crossing::TheirsStands { video } => {
                self.drop_own_call(base, now);
                Some(video)
            }
        };
        let Some(contact) = self.contacts.get_mut(&id) else {
            return;
        };
        contact.signal(base, &Signal::CallRinging { call }, MOMENT);
        let standing = contact.channel_open();
        let veiled = !contact.stored.always_direct;
        let number = safety::call_number(secrets.authenticator.as_bytes(), call.as_bytes());
        let salt = base.random();
        self.call = Some(Call {
            remote: [true, video, false],
            number: Some(number),
            deadline: Some(now.instant + RING_FOR),
            ..Call::new(call, id, CallDirection::Incoming, CallStage::Ringing)
        });
        if !standing {
            let opening = Opening {
                id: base.next_link(),
                role: LinkRole::Offerer,
                token: *call.as_bytes(),
                secrets,
                salt,
                peer_salt: Some(peer_salt),
                ice: self.ice_behind(id, veiled),
                veiled,
                offer_with: OfferWith::Ring,
                call: Some(call),
            };
            if let Some(contact) = self.contacts.get_mut(&id) {
                contact.open_link(base, opening, now);
            }
        }
        match taken {
            // We were calling them: nobody has to be asked.
            Some(video) => self.accept_call(base, video, now),
            None => base.event(Event::Ring { call, contact: id }),
        }
        base.changed();
    }

    fn busy(&mut self, base: &mut Base, id: ContactId, (call, video): (CallId, bool), now: Now) {
        let end = WireEnd::Busy;
        let missed = (CallDirection::Incoming, EndReason::Missed);
        if self.remember_unanswered(base, id, (call, video), missed, now.unix) {
            base.event(Event::MissedCall { contact: id });
        }
        if let Some(contact) = self.contacts.get_mut(&id) {
            contact.signal(base, &Signal::CallEnd { call, end }, END_KEPT);
        }
    }

    /// Both called each other at the same moment: the call with the smaller id stands and is taken.
    fn crossing(&self, id: ContactId, call: CallId) -> Crossing {
        let Some(own) = self.call.as_ref().filter(|own| {
            own.contact == id
                && own.direction == CallDirection::Outgoing
                && matches!(own.stage, CallStage::Calling | CallStage::Ringing)
        }) else {
            return Crossing::No;
        };
        if call < own.id {
            Crossing::TheirsStands { video: own.camera }
        } else {
            Crossing::OursStands
        }
    }

    /// Nothing is said: the other side never heard of it, or knows why.
    fn drop_own_call(&mut self, base: &mut Base, now: Now) {
        let Some(own) = self.call.take() else {
            return;
        };
        self.remember_ended(own.id, true);
        if let Some(contact) = self.contacts.get_mut(&own.contact)
            && !contact.may_keep_link()
        {
            contact.close_link(base, now);
        }
    }

    fn remember_ended(&mut self, call: CallId, known: bool) {
        if self.ended_calls.len() >= MAX_ENDED {
            self.ended_calls.pop_front();
        }
        self.ended_calls.push_back(EndedCall { call, known });
    }

    fn missed(
        &mut self,
        base: &mut Base,
        id: ContactId,
        (call, video): (CallId, bool),
        time: UnixTime,
    ) {
        let missed = (CallDirection::Incoming, EndReason::Missed);
        let new = self.remember_unanswered(base, id, (call, video), missed, time);
        if new && self.is_busy() {
            base.event(Event::MissedCall { contact: id });
        }
        if !self.is_busy() {
            let reason = EndReason::Missed;
            self.call = Some(Call {
                remote: [true, video, false],
                ..Call::new(
                    call,
                    id,
                    CallDirection::Incoming,
                    CallStage::Ended { reason },
                )
            });
            base.changed();
        }
    }

    pub(crate) fn accept_call(&mut self, base: &mut Base, video: bool, now: Now) {
        let Some(call) = self.call.as_mut().filter(|call| call.rings_here()) else {
            return base.notice(Notice::NotNow);
        };
        call.microphone = true;
        call.camera = video;
        call.stage = CallStage::Connecting;
        call.deadline = Some(now.instant + CONNECT_WITHIN);
        call.accept_waits = true;
        let (id, call) = (call.contact, call.id);
        base.event(Event::RingStopped);
        let link = |contact: &Contact| contact.link.as_ref().map(|link| link.call);
        match self.contacts.get(&id).map(link) {
            // The one that was prepared broke while it rang.
            Some(None) => self.open_offer(base, id, Some(call), OfferWith::Acceptance, now),
            Some(Some(of)) if of == Some(call) => {
                // First the word, by whatever way there is; then the search for a better one.
                self.send_accept(base, id);
                self.unveil(base, id, now);
            }
            Some(Some(_)) | None => {}
        }
        self.apply_media(base);
        self.send_accept(base, id);
        self.activate_if_connected(base, id, now);
        base.changed();
    }

    /// The call is taken, so that this device's addresses may be known to the other side.
    fn unveil(&mut self, base: &mut Base, id: ContactId, now: Now) {
        let ice = self.ice(id);
        if let Some(contact) = self.contacts.get_mut(&id) {
            contact.unveil(base, ice, now);
        }
    }

    /// Sends the acceptance: as soon as the offer can go with it, or at once if that is answered or not needed.
    fn send_accept(&mut self, base: &mut Base, id: ContactId) {
        let Some(call) = self.call.as_mut().filter(|call| call.accept_waits) else {
            return;
        };
        let Some(contact) = self.contacts.get_mut(&id) else {
            return;
        };
        let offer = contact.take_offer();
        let answered = contact.link.as_ref().is_some_and(|link| link.negotiated);
        if offer.is_none() && !answered && !contact.channel_open() {
            return;
        }
        call.accept_waits = false;
        let accept = Signal::CallAccept {
            call: call.id,
            offer,
            video: call.camera,
        };
        contact.signal(base, &accept, MOMENT);
    }

    /// The link of an accepted call has its description.
    pub(crate) fn call_described(&mut self, base: &mut Base, id: ContactId) {
        if self.is_in_call_with(id) {
            self.send_accept(base, id);
        }
    }

    pub(crate) fn call_accepted(
        &mut self,
        base: &mut Base,
        id: ContactId,
        call: CallId,
        offer: Option<LinkOffer>,
        video: bool,
        now: Now,
    ) {
        let Some(own) = self.call_of(id, call) else {
            return self.not_our_call(base, id, call);
        };
        let called = own.direction == CallDirection::Outgoing;
        if !called || !matches!(own.stage, CallStage::Calling | CallStage::Ringing) {
            return;
        }
        own.stage = CallStage::Connecting;
        own.deadline = Some(now.instant + CONNECT_WITHIN);
        own.remote = [true, video, false];
        let for_call = |contact: &Contact| {
            let link = contact.link.as_ref();
            link.is_some_and(|link| link.call == Some(call))
        };
        if self.contacts.get(&id).is_some_and(for_call) {
            self.unveil(base, id, now);
        }
        self.apply_media(base);
        if let Some(offer) = offer {
            self.link_offered(base, id, offer, now);
        }
        self.activate_if_connected(base, id, now);
        base.changed();
    }

    fn not_our_call(&mut self, base: &mut Base, id: ContactId, call: CallId) {
        let lost = Signal::CallEnd {
            call,
            end: WireEnd::Lost,
        };
        if let Some(contact) = self.contacts.get_mut(&id) {
            contact.signal(base, &lost, END_KEPT);
        }
    }

    // ---- during the call

    fn tell_media(&mut self, base: &mut Base) {
        let Some(call) = self.call.as_ref().filter(|call| !call.is_over()) else {
            return;
        };
        let signal = Signal::CallMedia {
            call: call.id,
            microphone: call.microphone,
            camera: call.camera,
            screen: call.screen,
        };
        if let Some(contact) = self.contacts.get_mut(&call.contact) {
            contact.signal(base, &signal, MOMENT);
        }
    }

    pub(crate) fn their_media(
        &mut self,
        base: &mut Base,
        id: ContactId,
        call: CallId,
        remote: [bool; 3],
        now: Now,
    ) {
        if let Some(own) = self.call_of(id, call)
            && own.remote != remote
        {
            own.remote = remote;
            base.changed();
        }
        self.follow_call(base, id, now);
    }

    /// The person switched microphone, camera or screen.
    pub(crate) fn switch_media(
        &mut self,
        base: &mut Base,
        change: impl FnOnce(&mut Call),
        now: Now,
    ) {
        let Some(call) = self
            .call
            .as_mut()
            .filter(|call| !call.is_over() && !call.rings_here())
        else {
            return base.notice(Notice::NotNow);
        };
        change(call);
        self.apply_media(base);
        self.tell_media(base);
        if self.call.as_ref().and_then(Call::since).is_some() {
            self.save_call(base, now);
        }
        base.changed();
    }

    pub(crate) fn capture_failed(&mut self, base: &mut Base, kind: CaptureKind, reason: String) {
        let screen = kind == CaptureKind::Screen;
        if let Some(call) = self.call.as_mut().filter(|call| !call.is_over()) {
            match kind {
                CaptureKind::Screen => call.screen = false,
                CaptureKind::Devices => {
                    call.camera = false;
                    call.microphone = false;
                }
            }
        }
        self.apply_media(base);
        self.tell_media(base);
        base.notice(Notice::CaptureFailed { reason, screen });
    }

    pub(crate) fn screen_ended(&mut self, base: &mut Base) {
        if let Some(call) = &mut self.call {
            call.screen = false;
            self.apply_media(base);
            self.tell_media(base);
            base.changed();
        }
    }

    pub(crate) fn call_timeout(&mut self, base: &mut Base, now: Now) {
        let Some(call) = &mut self.call else {
            return;
        };
        if let Some((_, offer)) = call.offer.take()
            && let Some(contact) = self.contacts.get_mut(&call.contact)
        {
            contact.send(base, &offer, None, now);
        }
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now.instant);
        if due(call.give_up) {
            return self.finish(base, Some(WireEnd::Lost), EndReason::Lost, now);
        }
        if due(call.save_at) {
            call.save_at = Some(now.instant + SAVE_EVERY);
            self.save_call(base, now);
        }
        let Some(call) = self.call.as_mut().filter(|call| due(call.deadline)) else {
            return;
        };
        call.deadline = None;
        let id = call.contact;
        match call.stage {
            CallStage::Calling | CallStage::Ringing => {
                let reason = match call.direction {
                    CallDirection::Outgoing => EndReason::NoAnswer,
                    CallDirection::Incoming => EndReason::Missed,
                };
                self.finish(base, Some(WireEnd::NoAnswer), reason, now);
            }
            CallStage::Reconnecting { .. } if call.wants_back => self.ask_for_call_back(base, now),
            CallStage::Connecting | CallStage::Reconnecting { .. } => {
                call.give_up.get_or_insert(now.instant + MEND_FOR);
                self.offer_link_again(base, id, now);
            }
            CallStage::Active { .. } | CallStage::Ended { .. } => {}
        }
    }
}
