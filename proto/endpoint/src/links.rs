// SPDX-License-Identifier: MIT OR Apache-2.0
//! Links: opening, offering, answering, mending and closing one peer connection to a contact.
//!
//! While a call rings its link is *veiled*: it gathers, sends and hears of relayed candidates only, so that both
//! ends meet at the relay and neither learns where the other is. When the call is taken the veil goes, and an ICE
//! restart finds the direct path while the relay carries.

use std::collections::VecDeque;

use hither_crypto::media::MediaKey;
use hither_crypto::session::EpochSecrets;
use hither_sansio::{Duration, Instant, Now};

use crate::base::Base;
use crate::contact::{Contact, MOMENT};
use crate::payload::{LinkOffer, MAX_CANDIDATES, Signal, WireCandidate};
use crate::quality::media_words;
use crate::{
    CallId, Candidate, CandidateKind, DescriptionKind, IceConfig, LinkAction, LinkId, LinkRole,
    LinkState, MediaReport, PathReport, Route, RouteView, TimelineEntry, TransportProtocol,
};

/// Lines of a timeline; of more, the oldest go.
const MAX_TIMELINE: usize = 64;
/// Candidates of theirs that one link hears of.
const MAX_THEIR_CANDIDATES: usize = 256;
/// Candidates of theirs for links that are not there yet.
const MAX_EARLY_CANDIDATES: usize = 64;
/// A link that is not connected by then is given up.
const CONNECT_WITHIN: Duration = Duration::from_secs(30);
/// An interrupted link is restarted after this.
const RESTART_AFTER: Duration = Duration::from_millis(800);
/// A restart that brought nothing is repeated after this.
const RESTART_AGAIN: Duration = Duration::from_secs(6);
/// A link that no call needs is mended for so long.
const MEND_FOR: Duration = Duration::from_secs(60);
/// Over a relay that carries, the search for a direct path begins so long after the call was taken: until then the
/// browser has cameras, encoders and pictures to see to, and does one thing after the other.
const SETTLE_FOR: Duration = Duration::from_millis(600);
/// Candidates that come within so long travel together.
const GATHER_FOR: Duration = Duration::from_millis(8);
/// Restarts of theirs that are being answered at the same time.
const MAX_RESTARTS: usize = 8;
/// A link over the relay looks for a direct path again after these times, and then as often as the last.
const LOOK_AGAIN: [Duration; 3] = [
    Duration::from_secs(10),
    Duration::from_secs(60),
    Duration::from_secs(300),
];

/// One peer connection.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) id: LinkId,
    pub(crate) token: [u8; 16],
    pub(crate) role: LinkRole,
    pub(crate) epoch: u64,
    salt: [u8; 16],
    pub(crate) state: LinkState,
    pub(crate) channel_open: bool,
    /// Both descriptions are set.
    pub(crate) negotiated: bool,
    /// Nothing but relayed candidates, in either direction, until the call is taken.
    pub(crate) veiled: bool,
    /// What the host was last told to gather: relayed candidates only. No other leaves, whatever it gathers.
    hidden: bool,
    /// What our offer leaves with.
    offer_with: OfferWith,
    /// The veil went before the answer came: restart when it comes.
    restart_when_answered: bool,
    /// When ICE is restarted because the veil went.
    restart_due: Option<Instant>,
    /// A restart of theirs was answered from behind the veil.
    answered_veiled: bool,
    /// Our offer has left.
    offered: bool,
    /// Their offer is applied.
    pub(crate) answered: bool,
    description: Option<String>,
    /// A candidate that is not relayed has been gathered for the other side.
    pub(crate) shown: bool,
    candidates: Vec<WireCandidate>,
    /// When candidates that were gathered leave together.
    candidates_due: Option<Instant>,
    their_candidates: usize,
    /// They have candidates that are not relayed.
    they_show: bool,
    /// How often we offered a restart.
    restarts: u32,
    /// Restarts that the host was asked for and has not described yet.
    restarting: u32,
    /// Numbers of their restarts that the host is answering.
    to_answer: VecDeque<u32>,
    /// When it is looked for a direct path again, and how often it was.
    look_again: Option<Instant>,
    looked: usize,
    /// When ICE was restarted last.
    restarted: Option<Instant>,
    /// Since when it has not been connected, if it was.
    broken_since: Option<Instant>,
    pub(crate) call: Option<CallId>,
    opened: Instant,
    deadline: Option<Instant>,
    path: Option<PathReport>,
    timeline: Vec<TimelineEntry>,
    /// The last count of what came and went, and when it was taken.
    media: Option<(Instant, MediaReport)>,
}

/// What a link's time-out means to its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkFate {
    /// Nothing to do.
    Standing,
    /// It never connected, or could not be mended.
    Hopeless,
}

/// What is needed to open a link.
pub(crate) struct Opening {
    pub(crate) id: LinkId,
    pub(crate) role: LinkRole,
    pub(crate) token: [u8; 16],
    pub(crate) secrets: EpochSecrets,
    pub(crate) salt: [u8; 16],
    pub(crate) peer_salt: Option<[u8; 16]>,
    pub(crate) ice: IceConfig,
    pub(crate) veiled: bool,
    pub(crate) offer_with: OfferWith,
    pub(crate) call: Option<CallId>,
}

/// What an offer leaves with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OfferWith {
    /// With nothing, as soon as it is there.
    Itself,
    /// With the ringing of a call.
    Ring,
    /// With the acceptance of a call.
    Acceptance,
}

impl Contact {
    /// Opens a link, closing an older one.
    pub(crate) fn open_link(&mut self, base: &mut Base, opening: Opening, now: Now) {
        self.close_link(base, now);
        let hidden = opening.ice.relay_only;
        let send_key = MediaKey::derive(
            &opening.secrets.media,
            &opening.token,
            self.session.own_leaf(),
            &opening.salt,
        );
        let receive_key = opening
            .peer_salt
            .map(|salt| self.receive_key(&opening.secrets, &opening.token, &salt));
        base.link(LinkAction::Open {
            link: opening.id,
            role: opening.role,
            ice: opening.ice,
            send_key,
            receive_key,
        });
        let mut link = Link {
            id: opening.id,
            token: opening.token,
            role: opening.role,
            epoch: opening.secrets.epoch,
            salt: opening.salt,
            state: LinkState::Connecting,
            channel_open: false,
            negotiated: false,
            veiled: opening.veiled,
            hidden,
            offer_with: opening.offer_with,
            restart_when_answered: false,
            restart_due: None,
            answered_veiled: false,
            offered: false,
            answered: false,
            description: None,
            shown: false,
            candidates: Vec::new(),
            candidates_due: None,
            their_candidates: 0,
            they_show: false,
            restarts: 0,
            restarting: 0,
            to_answer: VecDeque::new(),
            look_again: None,
            looked: 0,
            restarted: None,
            broken_since: None,
            call: opening.call,
            opened: now.instant,
            // Somebody may take long to answer a call; nobody answers a plain offer late.
            deadline: opening
                .call
                .is_none()
                .then_some(now.instant + CONNECT_WITHIN),
            path: None,
            timeline: Vec::new(),
            media: None,
        };
        let opened = if link.veiled {
            "link opened, over the relay alone until the call is taken"
        } else {
            "link opened"
        };
        link.note(now, opened.to_owned());
        let token = link.token;
        self.link = Some(link);
        self.pair_spare(base);
        for (of, candidate) in core::mem::take(&mut self.early_candidates) {
            if of == token {
                self.their_candidate(base, token, candidate, now);
            }
        }
    }

    /// Whether an offer is the one that the link here was opened for.
    pub(crate) fn awaits(&self, offer: &LinkOffer) -> bool {
        self.link.as_ref().is_some_and(|link| {
            link.token == offer.token
                && link.epoch == offer.epoch
                && link.role == LinkRole::Answerer
                && !link.answered
        })
    }

    /// Whether the link may outlive its call: it is open, and hides nothing.
    pub(crate) fn may_keep_link(&self) -> bool {
        self.channel_open() && self.link.as_ref().is_some_and(|link| !link.veiled)
    }

    /// The call that the link was for is over: it stands on its own now, or closes.
    pub(crate) fn call_over(&mut self, base: &mut Base, now: Now) {
        if let Some(link) = &mut self.link {
            link.call = None;
        }
        // The keys of a past call protect nothing any more.
        if self.stored.state == crate::ContactState::Active {
            self.commit(base, now);
        }
    }

    fn receive_key(&self, secrets: &EpochSecrets, token: &[u8; 16], salt: &[u8; 16]) -> MediaKey {
        MediaKey::derive(&secrets.media, token, self.session.peer_leaf(), salt)
    }

    /// Closes the link, if any; what was in its channel goes another way.
    pub(crate) fn close_link(&mut self, base: &mut Base, now: Now) {
        if let Some(link) = self.link.take() {
            base.link(LinkAction::Close { link: link.id });
            self.channel_lost(base, now);
            base.changed();
        }
    }

    /// Our description is there.
    pub(crate) fn described(&mut self, base: &mut Base, kind: DescriptionKind, sdp: String) {
        let Some(link) = &mut self.link else {
            return;
        };
        let (token, salt) = (link.token, link.salt);
        match (kind, link.negotiated) {
            (DescriptionKind::Offer, false) => {
                link.description = Some(sdp);
                self.send_offer(base);
            }
            (DescriptionKind::Offer, true) => {
                link.restarting = link.restarting.saturating_sub(1);
                link.restarts = link.restarts.wrapping_add(1);
                let number = link.restarts;
                self.signal(base, &Signal::Restart { token, number, sdp }, MOMENT);
            }
            (DescriptionKind::Answer, false) => {
                link.negotiated = true;
                self.signal(base, &Signal::Answer { token, salt, sdp }, MOMENT);
                self.send_held_candidates(base);
            }
            (DescriptionKind::Answer, true) => {
                let Some(number) = link.to_answer.pop_front() else {
                    return;
                };
                self.signal(base, &Signal::Restarted { token, number, sdp }, MOMENT);
            }
        }
    }

    /// The offer as it stands, if the description is there and not answered; the candidates go with it.
    pub(crate) fn take_offer(&mut self) -> Option<LinkOffer> {
        let link = self.link.as_mut().filter(|link| !link.negotiated)?;
        let sdp = link.description.clone()?;
        link.offered = true;
        link.candidates_due = None;
        Some(LinkOffer {
            token: link.token,
            epoch: link.epoch,
            salt: link.salt,
            sdp,
            candidates: core::mem::take(&mut link.candidates),
            call: link.call,
        })
    }

    fn send_offer(&mut self, base: &mut Base) {
        let with = self.link.as_ref().map(|link| link.offer_with);
        let of_offer = match with {
            Some(OfferWith::Itself) => Signal::Offer,
            Some(OfferWith::Ring) => Signal::RingOffer,
            Some(OfferWith::Acceptance) | None => return,
        };
        if let Some(offer) = self.take_offer() {
            self.signal(base, &of_offer(offer), MOMENT);
        }
    }

    /// The call was taken: every address may be shown, as far as `ice` allows it.
    pub(crate) fn unveil(&mut self, base: &mut Base, ice: IceConfig, now: Now) {
        let Some(link) = &mut self.link else {
            return;
        };
        link.veiled = false;
        link.deadline = link.deadline.map(|_| now.instant + CONNECT_WITHIN);
        link.note(now, "the call is taken".to_owned());
        let (id, token) = (link.id, link.token);
        let relay_only = ice.relay_only;
        link.hide(relay_only);
        match link.role {
            // What is not described yet gathers everything at once.
            LinkRole::Offerer if link.description.is_none() => {
                link.offer_with = OfferWith::Acceptance;
                base.link(LinkAction::SetIce { link: id, ice });
            }
            LinkRole::Offerer if relay_only => {}
            LinkRole::Offerer if link.state == LinkState::Connected => {
                link.restart_due = Some(now.instant + SETTLE_FOR);
            }
            LinkRole::Offerer if link.negotiated => self.restart(base, ice, now),
            LinkRole::Offerer => link.restart_when_answered = true,
            LinkRole::Answerer => {
                let again = core::mem::take(&mut link.answered_veiled);
                base.link(LinkAction::SetIce { link: id, ice });
                if again && !relay_only {
                    self.signal(base, &Signal::WantRestart { token }, MOMENT);
                }
            }
        }
    }

    /// Our candidate is there.
    pub(crate) fn gathered(&mut self, candidate: Candidate, now: Now) {
        let Some(link) = &mut self.link else {
            return;
        };
        if link.hidden && !candidate.line.is_empty() && !is_relayed(&candidate.line) {
            // The host gathers none: this is the second lock on the same door.
            return;
        }
        if !candidate.line.is_empty() {
            link.note(now, format!("our candidate: {}", summary(&candidate.line)));
        }
        let wire = WireCandidate {
            line: without_related_address(&candidate.line),
            mid: candidate.mid,
            index: candidate.index,
        };
        if link.candidates.len() >= MAX_CANDIDATES {
            return;
        }
        link.shown |= !wire.line.is_empty() && !is_relayed(&wire.line);
        link.candidates.push(wire);
        let described = match link.role {
            // The offer must be on its way before its candidates.
            LinkRole::Offerer => link.offered,
            LinkRole::Answerer => link.negotiated,
        };
        if described {
            let _due = link.candidates_due.get_or_insert(now.instant + GATHER_FOR);
        }
    }

    fn send_held_candidates(&mut self, base: &mut Base) {
        let Some(link) = &mut self.link else {
            return;
        };
        link.candidates_due = None;
        let token = link.token;
        let candidates = core::mem::take(&mut link.candidates);
        if !candidates.is_empty() {
            self.signal(base, &Signal::Candidates { token, candidates }, MOMENT);
        }
    }

    /// Their offer for the link that stands open as answerer.
    pub(crate) fn apply_offer(&mut self, base: &mut Base, offer: LinkOffer, now: Now) {
        let Some(secrets) = self.secrets_of(offer.epoch) else {
            return;
        };
        let key = self.receive_key(&secrets, &offer.token, &offer.salt);
        let Some(link) = &mut self.link else {
            return;
        };
        link.answered = true;
        link.deadline = Some(now.instant + CONNECT_WITHIN);
        link.note(now, "their offer".to_owned());
        let id = link.id;
        let sdp = link.seen(offer.sdp);
        base.link(LinkAction::SetReceiveKey { link: id, key });
        base.link(LinkAction::SetRemoteDescription {
            link: id,
            kind: DescriptionKind::Offer,
            sdp,
        });
        for candidate in offer.candidates {
            self.their_candidate(base, offer.token, candidate, now);
        }
    }

    /// Their answer to our offer.
    pub(crate) fn apply_answer(
        &mut self,
        base: &mut Base,
        token: [u8; 16],
        salt: [u8; 16],
        sdp: String,
        ice: IceConfig,
        now: Now,
    ) {
        let Some(link) = self.link.as_ref().filter(|link| link.token == token) else {
            return;
        };
        let (id, epoch) = (link.id, link.epoch);
        let sdp = link.seen(sdp);
        // An answer to an offer that has not left is a trick: it would start checks before its time.
        if !link.offered || link.negotiated || link.role != LinkRole::Offerer {
            return;
        }
        let Some(secrets) = self.secrets_of(epoch) else {
            return;
        };
        let key = self.receive_key(&secrets, &token, &salt);
        base.link(LinkAction::SetReceiveKey { link: id, key });
        base.link(LinkAction::SetRemoteDescription {
            link: id,
            kind: DescriptionKind::Answer,
            sdp,
        });
        if let Some(link) = &mut self.link {
            link.negotiated = true;
            link.deadline = Some(now.instant + CONNECT_WITHIN);
            link.note(now, "their answer".to_owned());
            if core::mem::take(&mut link.restart_when_answered) {
                self.restart(base, ice, now);
            }
        }
    }

    /// Candidates of theirs that travelled together.
    pub(crate) fn their_candidates(
        &mut self,
        base: &mut Base,
        token: [u8; 16],
        candidates: Vec<WireCandidate>,
        now: Now,
    ) {
        for candidate in candidates {
            self.their_candidate(base, token, candidate, now);
        }
    }

    pub(crate) fn their_candidate(
        &mut self,
        base: &mut Base,
        token: [u8; 16],
        candidate: WireCandidate,
        now: Now,
    ) {
        let Some(link) = self.link.as_mut().filter(|link| link.token == token) else {
            // It overtook the offer it belongs to.
            self.early_candidates.push_back((token, candidate));
            if self.early_candidates.len() > MAX_EARLY_CANDIDATES {
                self.early_candidates.pop_front();
            }
            return;
        };
        link.their_candidates = link.their_candidates.saturating_add(1);
        // Nobody can have a candidate for an offer that has not left.
        let untimely = link.role == LinkRole::Offerer && !link.offered;
        if untimely || link.their_candidates > MAX_THEIR_CANDIDATES {
            return;
        }
        if !candidate.line.is_empty() && !is_relayed(&candidate.line) {
            // Before the call is taken they are met at the relay, or not at all.
            if link.veiled {
                return;
            }
            link.they_show = true;
        }
        if !candidate.line.is_empty() {
            link.note(
                now,
                format!("their candidate: {}", summary(&candidate.line)),
            );
        }
        base.link(LinkAction::AddCandidate {
            link: link.id,
            candidate: Candidate {
                line: candidate.line,
                mid: candidate.mid,
                index: candidate.index,
            },
        });
    }

    /// An ICE restart from the other side, or its answer.
    pub(crate) fn apply_restart(
        &mut self,
        base: &mut Base,
        token: [u8; 16],
        ice: IceConfig,
        (kind, number, sdp): (DescriptionKind, u32, String),
    ) {
        let Some(link) = self.link.as_mut().filter(|link| link.token == token) else {
            return self.link_unknown(base, token);
        };
        let offers = match kind {
            DescriptionKind::Offer => LinkRole::Answerer,
            DescriptionKind::Answer => LinkRole::Offerer,
        };
        let timely = match kind {
            DescriptionKind::Offer => link.to_answer.len() < MAX_RESTARTS,
            // An answer to an offer that was overtaken by another one fits nothing any more.
            DescriptionKind::Answer => number == link.restarts && link.restarting == 0,
        };
        if link.role == offers && link.negotiated && timely {
            link.their_candidates = 0;
            link.they_show = false;
            if kind == DescriptionKind::Offer {
                link.answered_veiled |= link.veiled;
                link.to_answer.push_back(number);
                link.hide(ice.relay_only);
                base.link(LinkAction::SetIce { link: link.id, ice });
            }
            let sdp = link.seen(sdp);
            base.link(LinkAction::SetRemoteDescription {
                link: link.id,
                kind,
                sdp,
            });
        }
    }

    /// They speak of a link that is not there, or no more.
    pub(crate) fn link_unknown(&mut self, base: &mut Base, token: [u8; 16]) {
        self.signal(base, &Signal::LinkClosed { token }, MOMENT);
    }

    /// Closes a link that is of no use, and says so.
    pub(crate) fn abandon_link(&mut self, base: &mut Base, now: Now) {
        if let Some(token) = self.link.as_ref().map(|link| link.token) {
            self.close_link(base, now);
            self.link_unknown(base, token);
        }
    }

    /// Gathers anew: by ourselves if we offered, else by asking the other side.
    pub(crate) fn restart(&mut self, base: &mut Base, ice: IceConfig, now: Now) {
        let Some(link) = &mut self.link else {
            return;
        };
        link.hide(ice.relay_only);
        if !link.negotiated {
            // What is being gathered keeps to it as far as it can, and what comes next does.
            link.restart_when_answered = link.role == LinkRole::Offerer;
            return base.link(LinkAction::SetIce { link: link.id, ice });
        }
        if link.state != LinkState::Connecting {
            link.deadline = Some(now.instant + RESTART_AGAIN);
        }
        link.restart_due = None;
        link.restarted = Some(now.instant);
        link.note(now, "ICE restart".to_owned());
        let (id, token) = (link.id, link.token);
        match link.role {
            LinkRole::Offerer => {
                link.restarting = link.restarting.saturating_add(1);
                base.link(LinkAction::RestartIce { link: id, ice });
            }
            LinkRole::Answerer => {
                base.link(LinkAction::SetIce { link: id, ice });
                self.signal(base, &Signal::WantRestart { token }, MOMENT);
            }
        }
    }

    pub(crate) fn link_state(&mut self, base: &mut Base, state: LinkState, now: Now) {
        let Some(link) = &mut self.link else {
            return;
        };
        if link.state == state {
            return;
        }
        link.state = state;
        match state {
            LinkState::Connected => link.broken_since = None,
            LinkState::Interrupted | LinkState::Failed => {
                link.broken_since.get_or_insert(now.instant);
            }
            LinkState::Connecting => {}
        }
        let (what, deadline) = match state {
            LinkState::Connecting => ("connecting", link.deadline),
            LinkState::Connected => ("connected", None),
            LinkState::Interrupted => ("interrupted", Some(now.instant + RESTART_AFTER)),
            LinkState::Failed => ("failed", Some(now.instant)),
        };
        link.deadline = deadline;
        link.note(now, what.to_owned());
        base.changed();
        match state {
            LinkState::Connected => self.flush(base, now),
            // The channel holds on to what is in it; the mailbox may be faster.
            LinkState::Interrupted | LinkState::Failed => self.channel_lost(base, now),
            LinkState::Connecting => {}
        }
    }

    pub(crate) fn link_path(&mut self, base: &mut Base, report: PathReport, now: Now) {
        let Some(link) = &mut self.link else {
            return;
        };
        let same = link.path.as_ref().is_some_and(|old| {
            (old.local, old.remote, old.protocol) == (report.local, report.remote, report.protocol)
        });
        if !same {
            let pair = format!("pair selected: {}", pair_words(&report));
            link.note(now, pair);
            let before = link.path.as_ref().map(route_of);
            let relayed = route_of(&report) == Route::Relay;
            match before {
                Some(Route::Relay) if !relayed => link.note(now, "direct took over".to_owned()),
                Some(Route::Relay) => {}
                Some(_) | None if relayed => link.note(now, "the relay carries".to_owned()),
                Some(_) | None => {}
            }
            link.look_later(relayed, now);
        }
        if link.path.as_ref() != Some(&report) {
            link.path = Some(report);
            base.changed();
        }
    }

    pub(crate) fn link_timeout(&self) -> Option<Instant> {
        let link = self.link.as_ref()?;
        let times = [
            link.deadline,
            link.candidates_due,
            link.restart_due,
            link.look_again,
        ];
        times.into_iter().flatten().min()
    }

    /// Whether a restart that they ask for has to wait: every one costs an allocation at the relay.
    pub(crate) fn restarts_enough(&self, now: Now) -> bool {
        self.link.as_ref().is_some_and(|link| {
            let recently = |at: Instant| now.instant.saturating_since(at) < link.pause();
            link.restarting > 0 || link.restarted.is_some_and(recently)
        })
    }

    /// The restart that they ask for comes when it may.
    pub(crate) fn restart_later(&mut self, token: [u8; 16], now: Now) {
        if let Some(link) = self.link.as_mut().filter(|link| link.token == token) {
            let at = now.instant + link.pause();
            let _due = link.restart_due.get_or_insert(at);
        }
    }

    /// Whether a look for a direct path may find one: over the relay, nothing hidden, and not just looked.
    pub(crate) fn may_be_more_direct(&self, now: Now) -> bool {
        let recently = |at: Instant| now.instant.saturating_since(at) < RESTART_AGAIN;
        self.link.as_ref().is_some_and(|link| {
            link.state == LinkState::Connected
                && link.they_show
                && !link.veiled
                && !link.restarted.is_some_and(recently)
                && link.path.as_ref().map(route_of) == Some(Route::Relay)
        })
    }

    /// Over the relay: looks for a direct path, less and less often.
    fn look_for_direct(&mut self, base: &mut Base, ice: IceConfig, now: Now) {
        let mut offers = false;
        if let Some(link) = &mut self.link {
            link.look_again = None;
            offers = link.role == LinkRole::Offerer;
        }
        if offers && self.may_be_more_direct(now) && !ice.relay_only {
            if let Some(link) = &mut self.link {
                link.looked += 1;
                link.look_later(true, now);
            }
            self.restart(base, ice, now);
        }
    }

    /// The link's time has come.
    pub(crate) fn handle_link_timeout(
        &mut self,
        base: &mut Base,
        ice: IceConfig,
        now: Now,
    ) -> LinkFate {
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now.instant);
        if due(self.link.as_ref().and_then(|link| link.candidates_due)) {
            self.send_held_candidates(base);
        }
        if due(self.link.as_ref().and_then(|link| link.restart_due)) {
            if let Some(link) = &mut self.link {
                link.restart_due = None;
            }
            self.restart(base, ice.clone(), now);
        }
        if due(self.link.as_ref().and_then(|link| link.look_again)) {
            self.look_for_direct(base, ice.clone(), now);
        }
        let Some(link) = &mut self.link else {
            return LinkFate::Standing;
        };
        if link.deadline.is_none_or(|at| at > now.instant) {
            return LinkFate::Standing;
        }
        link.deadline = None;
        match link.state {
            LinkState::Connected => LinkFate::Standing,
            LinkState::Connecting => LinkFate::Hopeless,
            LinkState::Interrupted | LinkState::Failed => {
                let broken = link.broken_since.unwrap_or(now.instant);
                let needless = link.call.is_none();
                if needless && now.instant.saturating_since(broken) > MEND_FOR {
                    return LinkFate::Hopeless;
                }
                self.restart(base, ice, now);
                LinkFate::Standing
            }
        }
    }

    /// What came and went so far ends the timeline. Nobody is told: the next look at the path shows it.
    pub(crate) fn link_media(&mut self, report: MediaReport, now: Now) {
        if let Some(link) = &mut self.link {
            link.media = Some((now.instant, report));
        }
    }

    /// Which way bytes go, if over an open link.
    pub(crate) fn route(&self) -> Option<RouteView> {
        if let Some(bridge) = self.bridge() {
            return Some(bridge);
        }
        let link = self.link.as_ref()?;
        // What rings is not connected, whatever lies ready.
        if link.state != LinkState::Connected || link.veiled {
            return None;
        }
        let path = link.path.as_ref()?;
        Some(RouteView {
            route: route_of(path),
            protocol: path.protocol,
            spare: self.spare_carries(),
            shown: link.shown,
            rtt_ms: path.rtt_ms,
            timeline: link.timeline(),
        })
    }
}

impl Link {
    pub(crate) fn timeline(&self) -> Vec<TimelineEntry> {
        let mut timeline = self.timeline.clone();
        timeline.extend(self.media.map(|(at, media)| TimelineEntry {
            at_ms: millis(at.saturating_since(self.opened)),
            what: media_words(&media),
        }));
        timeline
    }

    pub(crate) fn note(&mut self, now: Now, what: String) {
        if self.timeline.len() >= MAX_TIMELINE {
            self.timeline.remove(0);
        }
        let at_ms = millis(now.instant.saturating_since(self.opened));
        self.timeline.push(TimelineEntry { at_ms, what });
    }
}

impl Link {
    /// Between two restarts that the other side asks for.
    fn pause(&self) -> Duration {
        if self.veiled {
            RESTART_AGAIN
        } else {
            RESTART_AFTER
        }
    }

    /// From now on nothing but relayed candidates leaves, or everything does.
    fn hide(&mut self, hidden: bool) {
        self.hidden = hidden;
        if hidden {
            let relayed = |one: &WireCandidate| one.line.is_empty() || is_relayed(&one.line);
            self.candidates.retain(relayed);
        }
    }

    /// Their description as this link may see it.
    fn seen(&self, sdp: String) -> String {
        if self.veiled {
            without_candidates(&sdp)
        } else {
            sdp
        }
    }

    /// Over the relay it is looked for a direct path again after a while.
    fn look_later(&mut self, relayed: bool, now: Now) {
        let [.., longest] = LOOK_AGAIN;
        let wait = LOOK_AGAIN.get(self.looked).copied().unwrap_or(longest);
        self.look_again = relayed.then_some(now.instant + wait);
        if !relayed {
            self.looked = 0;
        }
    }
}

/// A description without the candidates that it may bring along.
fn without_candidates(sdp: &str) -> String {
    sdp.split_inclusive('\n')
        .filter(|line| !line.starts_with("a=candidate:"))
        .collect()
}

/// Whether a candidate line is of a relayed address (RFC 8839 §5.1), given as one: a name would have to be asked for.
pub(crate) fn is_relayed(line: &str) -> bool {
    let mut words = line.split_ascii_whitespace();
    let literal = words
        .nth(4)
        .is_some_and(|address| address.parse::<core::net::IpAddr>().is_ok());
    literal && words.nth(1) == Some("typ") && words.next() == Some("relay")
}

/// The line without the address behind a relayed or reflexive one: nobody needs it, and it is our own.
pub(crate) fn without_related_address(line: &str) -> String {
    let mut out = Vec::new();
    let mut before = "";
    for word in line.split(' ') {
        out.push(match before {
            "raddr" if word.contains(':') => "::",
            "raddr" => "0.0.0.0",
            "rport" => "0",
            _ => word,
        });
        before = word;
    }
    out.join(" ")
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The route that a selected pair stands for.
pub(crate) fn route_of(path: &PathReport) -> Route {
    let relayed = |kind| kind == CandidateKind::Relayed;
    if relayed(path.local) || relayed(path.remote) {
        Route::Relay
    } else if path.private_addresses {
        Route::SameNetwork
    } else {
        Route::Direct
    }
}

fn kind_word(kind: CandidateKind) -> &'static str {
    match kind {
        CandidateKind::Host => "host",
        CandidateKind::ServerReflexive => "srflx",
        CandidateKind::PeerReflexive => "prflx",
        CandidateKind::Relayed => "relay",
    }
}

fn pair_words(report: &PathReport) -> String {
    let protocol = match report.protocol {
        TransportProtocol::Udp => "udp",
        TransportProtocol::Tcp => "tcp",
        TransportProtocol::Tls => "tls",
    };
    format!(
        "{} – {} over {protocol} ({})",
        kind_word(report.local),
        kind_word(report.remote),
        report.addresses
    )
}

/// Type, protocol and address of a candidate line (RFC 8839 §5.1).
fn summary(line: &str) -> String {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let word = |index: usize| words.get(index).copied().unwrap_or("?");
    format!("{} {} {}:{}", word(7), word(2), word(4), word(5))
}
