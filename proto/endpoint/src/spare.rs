// SPDX-License-Identifier: MIT OR Apache-2.0
//! The warm spare of a call's link: a second, relay-only link that stands idle until the first falls silent.
//!
//! ```text
//!   call active, main link connected
//!        │ a second later, by whoever offered the main link
//!        ▼
//!   Spare(offer) ──► Answer, Candidate … ──► connected: nothing but consent checks
//!        │
//!        ├─ Silent(main)  the host sends by the spare already; signals follow, ICE of the main restarts at once
//!        ├─ Heard(main)   the host went back; the spare is idle again
//!        ├─ Silent(both)  restart, and a new socket to the node at once; only now the call is interrupted
//!        └─ broken        another one, after a pause that grows
//! ```
//! Frames are watched and the lane chosen in the host, frame by frame, see `hither-path`. Here stands what that
//! costs in descriptions, candidates and time. A spare is never mended: it is made anew.

use hither_crypto::media::MediaKey;
use hither_crypto::session::EpochSecrets;
use hither_sansio::{Duration, Instant, Now};

use crate::base::Base;
use crate::client::Client;
use crate::contact::{Contact, MOMENT, Source};
use crate::links::{is_relayed, route_of, without_related_address};
use crate::payload::{LinkOffer, MAX_CANDIDATES, MAX_WORD, Signal, WireCandidate};
use crate::{
    CallId, CallStage, Candidate, ContactId, DescriptionKind, IceConfig, LinkAction, LinkEvent,
    LinkId, LinkRole, LinkState, PathReport, Route, RouteView, TransportProtocol,
};

/// The main link has the network to itself for so long.
const OPEN_AFTER: Duration = Duration::from_secs(1);
/// A spare that is not connected by then is given up.
const CONNECT_WITHIN: Duration = Duration::from_secs(6);
/// A spare that is interrupted for so long is given up.
const BROKEN_FOR: Duration = Duration::from_secs(3);
/// The pause before another one, doubled every time.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// The longest of these pauses.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Candidates of theirs that one spare hears of.
const MAX_THEIR_CANDIDATES: usize = 64;
/// A silent main link is restarted again after this, doubled every time.
const RESTART_AGAIN: Duration = Duration::from_secs(1);
/// A restart has this long to be answered, through the mailbox if need be, before another one takes its place.
const ANSWERED_WITHIN: Duration = Duration::from_millis(900);
/// A change of the network makes another restart worth while after this.
const HURRIED_AFTER: Duration = Duration::from_millis(250);
/// Nothing is heard for so long: the call is interrupted. Before, it is a gap.
const INTERRUPTED_AFTER: Duration = Duration::from_millis(300);
/// By then ICE has noticed that a path is dead (RFC 7675 §5.1 and what browsers make of it).
const ICE_KNOWS_AFTER: Duration = Duration::from_secs(8);
/// And is asked again.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// A spare that stood so long was a good one.
const STOOD_WELL: Duration = Duration::from_secs(10);
/// Their spares are not taken faster than this.
const TAKEN_EVERY: Duration = Duration::from_millis(500);
/// So often before the pauses grow.
const QUICK_RESTARTS: u32 = 4;
/// The longest of these pauses.
const LONGEST_RESTART: Duration = Duration::from_secs(6);

/// What a contact has of it: the spare, and what is known of both lanes.
#[derive(Debug, Default)]
pub(crate) struct Spares {
    link: Option<Spare>,
    /// When one is to be opened.
    due: Option<Instant>,
    /// Spares that came to nothing since the last one that connected.
    failures: u32,
    /// The main link is silent.
    main_silent: bool,
    /// Since when no link brings sound that is expected.
    deaf_since: Option<Instant>,
    /// When that is looked at again.
    deaf_check: Option<Instant>,
    /// It has lasted, and the person knows.
    interrupted: bool,
    /// When their last spare was taken.
    taken: Option<Instant>,
    restarted: Option<Instant>,
    /// When its ICE is restarted again.
    restart_at: Option<Instant>,
    restarts: u32,
    /// What the host was last told to expect.
    expected: Option<(LinkId, bool)>,
}

/// One spare.
#[derive(Debug)]
struct Spare {
    id: LinkId,
    token: [u8; 16],
    call: CallId,
    role: LinkRole,
    epoch: u64,
    salt: [u8; 16],
    state: LinkState,
    silent: bool,
    channel_open: bool,
    /// Both descriptions are set.
    negotiated: bool,
    /// Our offer has left.
    offered: bool,
    candidates: Vec<WireCandidate>,
    their_candidates: usize,
    deadline: Option<Instant>,
    /// Since when it has been connected, at least once.
    stood_since: Option<Instant>,
    path: Option<PathReport>,
}

/// What is needed to open one.
struct Opening {
    id: LinkId,
    role: LinkRole,
    token: [u8; 16],
    call: CallId,
    secrets: EpochSecrets,
    salt: [u8; 16],
    peer_salt: Option<[u8; 16]>,
    ice: IceConfig,
}

impl Spares {
    fn timeout(&self) -> Option<Instant> {
        let link = self.link.as_ref().and_then(|spare| spare.deadline);
        [self.due, self.restart_at, self.deaf_check, link]
            .into_iter()
            .flatten()
            .min()
    }

    /// Nothing is missed any more.
    fn hears(&mut self) {
        self.deaf_since = None;
        self.deaf_check = None;
        self.interrupted = false;
    }

    /// Nothing is missed on the main link.
    fn trusts_main(&mut self) {
        self.main_silent = false;
        self.restart_at = None;
        self.hears();
    }

    /// Whether the host watches for sound on this link, or on its spare.
    fn expects(&self, main: Option<LinkId>) -> bool {
        main.is_some() && self.expected == main.map(|main| (main, true))
    }

    /// Plans another one.
    fn again(&mut self, stood_since: Option<Instant>, now: Now) {
        if stood_since.is_some_and(|at| now.instant.saturating_since(at) >= STOOD_WELL) {
            self.failures = 0;
        }
        let pause = doubled(AGAIN_AFTER, self.failures, LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        self.due = Some(now.instant + pause);
    }
}

fn doubled(first: Duration, times: u32, longest: Duration) -> Duration {
    first.saturating_mul(1 << times.min(8)).min(longest)
}

/// Relayed candidates only, over TCP and TLS first: such a spare lives on when a NAT forgets or a firewall
/// drops UDP. Every other attempt takes whatever there is.
fn relay_only(mut ice: IceConfig, failures: u32) -> IceConfig {
    ice.relay_only = true;
    let streams: Vec<String> = ice
        .urls
        .iter()
        .filter(|url| url.starts_with("turns:") || url.ends_with("transport=tcp"))
        .cloned()
        .collect();
    if failures.is_multiple_of(2) && !streams.is_empty() {
        ice.urls = streams;
    }
    ice
}

impl Contact {
    /// The spare, if this is its token.
    fn spare_called(&mut self, token: [u8; 16]) -> Option<&mut Spare> {
        self.spares
            .link
            .as_mut()
            .filter(|spare| spare.token == token)
    }

    pub(crate) fn has_spare(&self, token: [u8; 16]) -> bool {
        let spare = self.spares.link.as_ref();
        spare.is_some_and(|spare| spare.token == token)
    }

    fn is_spare(&self, link: LinkId) -> bool {
        let spare = self.spares.link.as_ref();
        spare.is_some_and(|spare| spare.id == link)
    }

    /// The spare's channel, if what is said there arrives.
    pub(crate) fn spare_channel(&self) -> Option<LinkId> {
        let spare = self.spares.link.as_ref()?;
        let alive = spare.state == LinkState::Connected && !spare.silent;
        (spare.channel_open && alive).then_some(spare.id)
    }

    /// Sound that is expected does not come over the main link.
    pub(crate) fn main_silent(&self) -> bool {
        self.spares.main_silent
    }

    /// Sound that is expected does not come at all.
    pub(crate) fn is_deaf(&self) -> bool {
        self.spares.deaf_since.is_some()
    }

    pub(crate) fn spare_carries(&self) -> bool {
        let spare = self.spares.link.as_ref();
        spare.is_some_and(|spare| spare.state == LinkState::Connected && !spare.silent)
    }

    /// The other side asks for a restart that this one has just begun, because both miss sound.
    pub(crate) fn restarts_already(&self, now: Now) -> bool {
        let just_now = |at: Instant| now.instant.saturating_since(at) < ANSWERED_WITHIN;
        self.spares.main_silent && self.spares.restarted.is_some_and(just_now)
    }

    /// Sound is missed on the main link, and its restart is some time ago.
    pub(crate) fn wants_restart(&self, now: Now) -> bool {
        let just_now = |at: Instant| now.instant.saturating_since(at) < HURRIED_AFTER;
        self.spares.main_silent && !self.spares.restarted.is_some_and(just_now)
    }

    /// Something carries sound, or would.
    pub(crate) fn carries(&self) -> bool {
        // A main link that was silent is not trusted for a while, but is heard.
        let main = self.link.as_ref().map(|link| link.state);
        !self.spares.interrupted && (main == Some(LinkState::Connected) || self.spare_carries())
    }

    /// The way bytes go while the main link carries none.
    pub(crate) fn bridge(&self) -> Option<RouteView> {
        let main = self.link.as_ref()?;
        let dead = self.spares.main_silent || main.state != LinkState::Connected;
        if !dead || !self.spare_carries() {
            return None;
        }
        let path = self.spares.link.as_ref()?.path.as_ref();
        Some(RouteView {
            route: path.map_or(Route::Relay, route_of),
            protocol: path.map_or(TransportProtocol::Udp, |path| path.protocol),
            spare: false,
            shown: main.shown,
            rtt_ms: path.and_then(|path| path.rtt_ms),
            timeline: main.timeline(),
        })
    }

    /// Tells the host which two belong together; for every new link of a call.
    pub(crate) fn pair_spare(&mut self, base: &mut Base) {
        self.spares.trusts_main();
        if let (Some(main), Some(spare)) = (&self.link, &self.spares.link) {
            base.link(LinkAction::Pair {
                main: main.id,
                spare: spare.id,
            });
        }
    }

    fn open_spare(&mut self, base: &mut Base, opening: Opening, now: Now) {
        self.close_spare(base, now);
        let Some(main) = self.link.as_ref().map(|link| link.id) else {
            return;
        };
        let media = &opening.secrets.media;
        let key = |leaf, salt: &[u8; 16]| MediaKey::derive(media, &opening.token, leaf, salt);
        let send_key = key(self.session.own_leaf(), &opening.salt);
        let peer = self.session.peer_leaf();
        let receive_key = opening.peer_salt.map(|salt| key(peer, &salt));
        base.link(LinkAction::Open {
            link: opening.id,
            role: opening.role,
            ice: opening.ice,
            send_key,
            receive_key,
        });
        base.link(LinkAction::Pair {
            main,
            spare: opening.id,
        });
        self.spares.due = None;
        self.spares.link = Some(Spare {
            id: opening.id,
            token: opening.token,
            call: opening.call,
            role: opening.role,
            epoch: opening.secrets.epoch,
            salt: opening.salt,
            state: LinkState::Connecting,
            silent: false,
            channel_open: false,
            negotiated: false,
            offered: false,
            candidates: Vec::new(),
            their_candidates: 0,
            deadline: Some(now.instant + CONNECT_WITHIN),
            stood_since: None,
            path: None,
        });
        for (of, candidate) in core::mem::take(&mut self.early_candidates) {
            if of == opening.token {
                self.spare_candidate(base, of, candidate);
            } else {
                self.early_candidates.push_back((of, candidate));
            }
        }
    }

    /// Closes the spare, if any; what was in its channel goes another way.
    fn close_spare(&mut self, base: &mut Base, now: Now) {
        if let Some(spare) = self.spares.link.take() {
            base.link(LinkAction::Close { link: spare.id });
            if spare.channel_open {
                self.channel_lost(base, now);
            }
            base.changed();
        }
    }

    /// The call is over, and with it all that its spare was for.
    pub(crate) fn end_spare(&mut self, base: &mut Base, now: Now) {
        self.close_spare(base, now);
        self.expect_sound(base, false);
        self.spares = Spares::default();
    }

    /// The same, and nothing is said: the vault is being closed.
    pub(crate) fn drop_spare(&mut self, base: &mut Base) {
        if let Some(spare) = core::mem::take(&mut self.spares).link {
            base.link(LinkAction::Close { link: spare.id });
        }
    }

    /// Their page is a new one, or speaks of another call: the spare here has no other end.
    pub(crate) fn renew_spare(&mut self, base: &mut Base, now: Now) {
        self.close_spare(base, now);
        self.spares.failures = 0;
        self.spares.due = Some(now.instant + OPEN_AFTER);
    }

    fn expect_sound(&mut self, base: &mut Base, sound: bool) {
        let Some(link) = self.link.as_ref().map(|link| link.id) else {
            return;
        };
        if self.spares.expected.replace((link, sound)) != Some((link, sound)) {
            base.link(LinkAction::Expect { link, sound });
        }
        if !sound {
            // Nothing is missed, so nothing is silent.
            self.spares.trusts_main();
            if let Some(spare) = &mut self.spares.link {
                spare.silent = false;
            }
        }
    }

    // ---- descriptions and candidates

    fn spare_described(&mut self, base: &mut Base, kind: DescriptionKind, sdp: String) {
        let Some(spare) = &mut self.spares.link else {
            return;
        };
        let (token, salt) = (spare.token, spare.salt);
        match kind {
            DescriptionKind::Offer => {
                spare.offered = true;
                let offer = LinkOffer {
                    token,
                    epoch: spare.epoch,
                    salt,
                    sdp,
                    candidates: core::mem::take(&mut spare.candidates),
                    call: Some(spare.call),
                };
                self.signal(base, &Signal::Spare(offer), MOMENT);
            }
            DescriptionKind::Answer => {
                spare.negotiated = true;
                let held = core::mem::take(&mut spare.candidates);
                self.signal(base, &Signal::Answer { token, salt, sdp }, MOMENT);
                for candidate in held {
                    self.signal(base, &Signal::Candidate { token, candidate }, MOMENT);
                }
            }
        }
    }

    fn spare_gathered(&mut self, base: &mut Base, candidate: Candidate) {
        let Some(spare) = &mut self.spares.link else {
            return;
        };
        // The browser gathers nothing else; this is the second lock.
        if !candidate.line.is_empty() && !is_relayed(&candidate.line) {
            return;
        }
        let candidate = WireCandidate {
            line: without_related_address(&candidate.line),
            mid: candidate.mid,
            index: candidate.index,
        };
        let described = match spare.role {
            LinkRole::Offerer => spare.offered,
            LinkRole::Answerer => spare.negotiated,
        };
        if described {
            let token = spare.token;
            self.signal(base, &Signal::Candidate { token, candidate }, MOMENT);
        } else if spare.candidates.len() < MAX_CANDIDATES {
            spare.candidates.push(candidate);
        }
    }

    /// Their answer to the offer of a spare. Another one, or one to an offer that has not left, is none.
    pub(crate) fn spare_answered(
        &mut self,
        base: &mut Base,
        (token, salt): ([u8; 16], [u8; 16]),
        sdp: String,
    ) {
        let Some(spare) = self.spare_called(token) else {
            return;
        };
        if !spare.offered || spare.negotiated || spare.role != LinkRole::Offerer {
            return;
        }
        spare.negotiated = true;
        let (link, epoch) = (spare.id, spare.epoch);
        if let Some(secrets) = self.secrets_of(epoch) {
            let leaf = self.session.peer_leaf();
            let key = MediaKey::derive(&secrets.media, &token, leaf, &salt);
            base.link(LinkAction::SetReceiveKey { link, key });
            base.link(LinkAction::SetRemoteDescription {
                link,
                kind: DescriptionKind::Answer,
                sdp,
            });
        }
    }

    pub(crate) fn spare_candidate(
        &mut self,
        base: &mut Base,
        token: [u8; 16],
        candidate: WireCandidate,
    ) {
        let Some(spare) = self.spare_called(token) else {
            return;
        };
        spare.their_candidates = spare.their_candidates.saturating_add(1);
        let untimely = spare.role == LinkRole::Offerer && !spare.offered;
        let relayed = candidate.line.is_empty() || is_relayed(&candidate.line);
        if untimely || !relayed || spare.their_candidates > MAX_THEIR_CANDIDATES {
            return;
        }
        base.link(LinkAction::AddCandidate {
            link: spare.id,
            candidate: Candidate {
                line: candidate.line,
                mid: candidate.mid,
                index: candidate.index,
            },
        });
    }

    // ---- what becomes of it

    fn spare_state(&mut self, base: &mut Base, state: LinkState, now: Now) {
        let Some(spare) = &mut self.spares.link else {
            return;
        };
        spare.state = state;
        spare.deadline = match state {
            LinkState::Connected => None,
            LinkState::Connecting => spare.deadline,
            LinkState::Interrupted => Some(now.instant + BROKEN_FOR),
            LinkState::Failed => Some(now.instant),
        };
        if state == LinkState::Connected {
            spare.stood_since.get_or_insert(now.instant);
        }
        base.changed();
    }

    /// It came to nothing, or broke. Whoever offered the main link offers another one.
    fn spare_lost(&mut self, base: &mut Base, now: Now) {
        let known = self.spares.link.as_ref();
        let token = known.map(|spare| spare.token);
        let stood = known.and_then(|spare| spare.stood_since);
        self.close_spare(base, now);
        self.spares.again(stood, now);
        if let Some(token) = token {
            self.link_unknown(base, token);
        }
    }

    /// A word for their watch: over every channel that may still lead there, for it is small and nothing else
    /// can take its place.
    fn send_word(&mut self, base: &mut Base, word: Vec<u8>) {
        let (Some(main), Some(spare)) = (&self.link, &self.spares.link) else {
            return;
        };
        if word.len() > MAX_WORD {
            return;
        }
        let token = main.token;
        let main = main.channel_open.then_some(main.id);
        let spare = spare.channel_open.then_some(spare.id);
        let signal = Signal::Word { token, word };
        for link in [main, spare].into_iter().flatten() {
            self.signal_over(base, link, &signal);
        }
    }
}

// What happens to a spare.
impl Client {
    /// The call runs over a connected link, or its media changed: the spare and the watch follow.
    pub(crate) fn follow_call(&mut self, base: &mut Base, id: ContactId, now: Now) {
        let Some(call) = self.call.as_ref().filter(|call| call.contact == id) else {
            return;
        };
        let running = matches!(
            call.stage,
            CallStage::Active { .. } | CallStage::Reconnecting { .. }
        );
        let [sound, ..] = call.remote;
        let Some(contact) = self.contacts.get_mut(&id).filter(|_| running) else {
            return;
        };
        contact.expect_sound(base, sound);
        let spares = &mut contact.spares;
        if spares.link.is_none() && spares.due.is_none() {
            spares.due = Some(now.instant + OPEN_AFTER);
        }
    }

    fn offer_spare(&mut self, base: &mut Base, id: ContactId, now: Now) {
        let ice = self.ice(id);
        let call = self.call.as_ref().filter(|call| {
            call.contact == id
                && matches!(
                    call.stage,
                    CallStage::Active { .. } | CallStage::Reconnecting { .. }
                )
        });
        let (Some(call), Some(contact)) = (call.map(|call| call.id), self.contacts.get_mut(&id))
        else {
            return;
        };
        contact.spares.due = None;
        let role = contact.link.as_ref().map(|link| link.role);
        // Without a relay there is nothing to go through.
        if role != Some(LinkRole::Offerer) || contact.spares.link.is_some() || ice.urls.is_empty() {
            return;
        }
        if !contact.carries() {
            // First a path at all.
            contact.spares.due = Some(now.instant + AGAIN_AFTER);
            return;
        }
        let opening = Opening {
            id: base.next_link(),
            role: LinkRole::Offerer,
            token: base.random(),
            call,
            secrets: contact.stored.current.clone(),
            salt: base.random(),
            peer_salt: None,
            ice: relay_only(ice, contact.spares.failures),
        };
        contact.open_spare(base, opening, now);
    }

    /// They offer a spare for the call that runs.
    pub(crate) fn spare_offered(
        &mut self,
        base: &mut Base,
        id: ContactId,
        offer: LinkOffer,
        now: Now,
    ) {
        let running = self.call.as_ref().is_some_and(|call| {
            call.contact == id
                && Some(call.id) == offer.call
                && matches!(
                    call.stage,
                    CallStage::Connecting
                        | CallStage::Active { .. }
                        | CallStage::Reconnecting { .. }
                )
        });
        let ice = self.ice(id);
        let Some(contact) = self.contacts.get_mut(&id) else {
            return;
        };
        // Whoever offered the main link offers its spare, so that two never meet half-way.
        let ours = contact.link.as_ref().map(|link| link.role) == Some(LinkRole::Answerer);
        let secrets = contact.secrets_of(offer.epoch);
        let just_now = |at: Instant| now.instant.saturating_since(at) < TAKEN_EVERY;
        let known = contact.has_spare(offer.token) || contact.spares.taken.is_some_and(just_now);
        let (Some(call), true, Some(secrets)) = (offer.call, running && ours && !known, secrets)
        else {
            return;
        };
        let opening = Opening {
            id: base.next_link(),
            role: LinkRole::Answerer,
            token: offer.token,
            call,
            secrets,
            salt: base.random(),
            peer_salt: Some(offer.salt),
            ice: relay_only(ice, contact.spares.failures),
        };
        contact.spares.taken = Some(now.instant);
        contact.open_spare(base, opening, now);
        let link = contact.spares.link.as_ref().map(|spare| spare.id);
        if let Some(link) = link {
            base.link(LinkAction::SetRemoteDescription {
                link,
                kind: DescriptionKind::Offer,
                sdp: offer.sdp,
            });
        }
        for candidate in offer.candidates {
            contact.spare_candidate(base, offer.token, candidate);
        }
    }

    pub(crate) fn contact_of_spare(&self, link: LinkId) -> Option<ContactId> {
        self.contacts
            .values()
            .find(|contact| contact.is_spare(link))
            .map(|contact| contact.id)
    }

    pub(crate) fn handle_spare_link(
        &mut self,
        base: &mut Base,
        id: ContactId,
        event: LinkEvent,
        now: Now,
    ) {
        let Some(contact) = self.contacts.get_mut(&id) else {
            return;
        };
        match event {
            LinkEvent::Description { kind, sdp, .. } => contact.spare_described(base, kind, sdp),
            LinkEvent::Candidate { candidate, .. } => contact.spare_gathered(base, candidate),
            LinkEvent::State { state, .. } => {
                contact.spare_state(base, state, now);
                self.carried(base, id, now);
            }
            LinkEvent::ChannelOpened { .. } => {
                if let Some(spare) = &mut contact.spares.link {
                    spare.channel_open = true;
                }
                contact.flush(base, now);
            }
            LinkEvent::ChannelClosed { .. } => {
                if let Some(spare) = &mut contact.spares.link {
                    spare.channel_open = false;
                }
                contact.channel_lost(base, now);
            }
            LinkEvent::Message { bytes, .. } => {
                self.envelope(base, id, bytes, Source::Channel, now);
            }
            LinkEvent::Path { report, .. } => {
                if let Some(spare) = &mut contact.spares.link {
                    spare.path = Some(report);
                }
                base.changed();
            }
            LinkEvent::Broken { .. } => contact.spare_lost(base, now),
            _ => {}
        }
    }

    /// They have no such spare, or no more.
    pub(crate) fn spare_closed(&mut self, base: &mut Base, id: ContactId, now: Now) {
        if let Some(contact) = self.contacts.get_mut(&id) {
            let spare = contact.spares.link.as_ref();
            let stood = spare.and_then(|spare| spare.stood_since);
            contact.close_spare(base, now);
            contact.spares.again(stood, now);
        }
        self.carried(base, id, now);
    }

    // ---- what the watch says

    /// Expected sound does not come over a link, or comes again.
    pub(crate) fn link_heard(&mut self, base: &mut Base, link: LinkId, heard: bool, now: Now) {
        let Some(id) = self
            .contact_of_link(link)
            .or_else(|| self.contact_of_spare(link))
        else {
            return;
        };
        let Some(contact) = self.contacts.get_mut(&id) else {
            return;
        };
        let main = contact.link.as_ref().map(|link| link.id);
        if !heard && !contact.spares.expects(main) {
            // Said before the host heard that nothing is expected any more.
            return;
        }
        if let Some(spare) = contact.spares.link.as_mut().filter(|s| s.id == link) {
            spare.silent = !heard;
        } else {
            contact.main_heard(base, heard, now);
        }
        base.changed();
        self.carried(base, id, now);
        self.restart_if_silent(base, id, now);
    }

    /// Expected sound comes by neither of the two, or by one of them again.
    pub(crate) fn sound_heard(&mut self, base: &mut Base, link: LinkId, heard: bool, now: Now) {
        let id = self
            .contact_of_link(link)
            .or_else(|| self.contact_of_spare(link));
        let Some(contact) = id.and_then(|id| self.contacts.get_mut(&id)) else {
            return;
        };
        let id = contact.id;
        let main = contact.link.as_ref().map(|link| link.id);
        if heard {
            contact.spares.hears();
        } else if contact.spares.expects(main) && contact.spares.deaf_since.is_none() {
            contact.spares.deaf_since = Some(now.instant);
            contact.spares.deaf_check = Some(now.instant + INTERRUPTED_AFTER);
            contact.spares.restarts = 0;
            // The alarm that came with it has restarted just now, perhaps.
            let last = contact.spares.restarted.map(|at| at + ANSWERED_WITHIN);
            contact.spares.restart_at = last.max(Some(now.instant));
        }
        base.changed();
        self.carried(base, id, now);
        self.restart_if_silent(base, id, now);
    }

    /// Nothing has been heard for a while. First that is a gap, then an interruption, and if ICE still finds
    /// the main link alive, it is their microphone.
    fn check_deafness(&mut self, base: &mut Base, id: ContactId, now: Now) {
        let Some(contact) = self.contacts.get_mut(&id) else {
            return;
        };
        let due = contact
            .spares
            .deaf_check
            .is_some_and(|at| at <= now.instant);
        let Some(since) = contact.spares.deaf_since.filter(|_| due) else {
            return;
        };
        let alive = contact.link.as_ref().map(|link| link.state) == Some(LinkState::Connected);
        let long = now.instant.saturating_since(since) >= ICE_KNOWS_AFTER;
        if long && alive {
            contact.spares.trusts_main();
        } else {
            let first = !core::mem::replace(&mut contact.spares.interrupted, true);
            let next = if first {
                since + ICE_KNOWS_AFTER
            } else {
                now.instant + LOOK_AGAIN
            };
            contact.spares.deaf_check = Some(next);
            if first {
                // As dead as the paths, perhaps, and slower to say so.
                self.node.reopen(base, now);
            }
        }
        base.changed();
        self.carried(base, id, now);
    }

    /// What their watch says. A watch lives as long as its main link: words of another one are of no use.
    pub(crate) fn word_arrived(
        &self,
        base: &mut Base,
        id: ContactId,
        token: [u8; 16],
        word: Vec<u8>,
    ) {
        let main = self
            .contacts
            .get(&id)
            .and_then(|contact| contact.link.as_ref());
        if let Some(link) = main.filter(|main| main.token == token).map(|main| main.id) {
            base.link(LinkAction::Word { link, word });
        }
    }

    /// What our watch says.
    pub(crate) fn word_spoken(&mut self, base: &mut Base, link: LinkId, word: Vec<u8>) {
        let id = self
            .contact_of_link(link)
            .or_else(|| self.contact_of_spare(link));
        if let Some(contact) = id.and_then(|id| self.contacts.get_mut(&id)) {
            contact.send_word(base, word);
        }
    }

    /// Whether something carries the call changed, perhaps.
    fn carried(&mut self, base: &mut Base, id: ContactId, now: Now) {
        let carries = self.contacts.get(&id).is_some_and(Contact::carries);
        if carries {
            self.activate_if_connected(base, id, now);
        } else {
            self.mend(base, id, now);
        }
    }

    /// Restarts ICE of a silent main link when it is time.
    fn restart_if_silent(&mut self, base: &mut Base, id: ContactId, now: Now) {
        let ice = self.ice(id);
        let Some(contact) = self.contacts.get_mut(&id) else {
            return;
        };
        let due = contact
            .spares
            .restart_at
            .is_some_and(|at| at <= now.instant);
        if !contact.spares.main_silent || !due {
            return;
        }
        let bridged = contact.spare_carries() && !contact.is_deaf();
        let pause = if bridged {
            doubled(RESTART_AGAIN, contact.spares.restarts, LONGEST_RESTART)
        } else {
            // A browser may learn late that its network is another one: what was gathered before is of no use.
            let times = contact.spares.restarts.saturating_sub(QUICK_RESTARTS);
            doubled(ANSWERED_WITHIN, times, LONGEST_RESTART)
        };
        contact.spares.restarts = contact.spares.restarts.saturating_add(1);
        contact.spares.restart_at = Some(now.instant + pause);
        contact.spares.restarted = Some(now.instant);
        contact.restart(base, ice, now);
    }

    /// The node is there again: what was said into the void is said again.
    pub(crate) fn restart_silent(&mut self, base: &mut Base, now: Now) {
        let ids: Vec<ContactId> = self.contacts.keys().copied().collect();
        for id in ids {
            let ice = self.ice(id);
            if let Some(contact) = self.contacts.get_mut(&id)
                && contact.spares.main_silent
                && !contact.carries()
                && !contact.restarts_already(now)
            {
                contact.spares.restarted = Some(now.instant);
                contact.restart(base, ice, now);
            }
        }
    }

    pub(crate) fn spare_timeout(&self) -> Option<Instant> {
        self.contacts
            .values()
            .filter_map(|contact| contact.spares.timeout())
            .min()
    }

    pub(crate) fn handle_spare_timeout(&mut self, base: &mut Base, id: ContactId, now: Now) {
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now.instant);
        let Some(contact) = self.contacts.get_mut(&id) else {
            return;
        };
        if due(contact
            .spares
            .link
            .as_ref()
            .and_then(|spare| spare.deadline))
        {
            contact.spare_lost(base, now);
            self.carried(base, id, now);
        }
        self.check_deafness(base, id, now);
        self.restart_if_silent(base, id, now);
        let spares = self.contacts.get(&id).map(|contact| &contact.spares);
        if spares.is_some_and(|spares| due(spares.due)) {
            self.offer_spare(base, id, now);
        }
    }
}

impl Contact {
    fn main_heard(&mut self, base: &mut Base, heard: bool, now: Now) {
        if self.spares.main_silent != heard {
            return;
        }
        self.spares.main_silent = !heard;
        self.spares.restarts = 0;
        self.spares.restart_at = (!heard).then_some(now.instant);
        if let Some(link) = &mut self.link {
            let what = if heard { "heard again" } else { "silent" };
            link.note(now, what.to_owned());
        }
        if !heard {
            // What is in its channel may be lost; it goes by the spare.
            self.channel_lost(base, now);
        }
    }
}
