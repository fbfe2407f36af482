// SPDX-License-Identifier: MIT OR Apache-2.0
//! The client while its vault is open: the account, the contacts, the node, the call.
//!
//! This file holds the state and passes on what comes from outside; `meet` makes contacts, `talk` carries
//! texts, `calls` calls, `show` draws the view.

mod restore;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use hither_api::{AccountId, DeviceId, DeviceSummary, MailboxId, Problem, Role, path};
use hither_crypto::identity::Identity;
use hither_crypto::secret::Secret;
use hither_sansio::{Instant, Now, UnixTime};
use serde::{Deserialize, Serialize};

use crate::base::{Base, Purpose};
use crate::calls::past::PastCall;
use crate::calls::{Call, EndedCall, UntoldEnd};
use crate::contact::{Contact, Inbound, Inbox, Posted, Receipt, Source};
use crate::hiding::Hiding;
use crate::leaving::Leaving;
use crate::leftovers::{Farewell, Leftovers};
use crate::meet::{Invitation, Joining};
use crate::network::{Network, ProbeEvent};
use crate::node::{Node, NodeEvent};
use crate::payload::{Payload, Signal};
use crate::{
    ContactId, ContactState, Delivery, HttpFailure, HttpResponse, IceConfig, InvitationKey,
    LinkAction, LinkEvent, LinkId, MessageId, Method, Notice, SocketEvent,
};

/// The record of the account.
pub(crate) const ACCOUNT: &str = "account";
/// The record of a call that is under way.
pub(crate) const CALL: &str = "call";
/// The name under which device labels are sealed.
const LABEL: &str = "label";
/// Longest sentence of a node that is passed on, in characters.
const MAX_SENTENCE: usize = 300;
/// Where a contact is listed if nobody said otherwise.
pub(crate) const DEFAULT_CATEGORY: &str = "Contacts";

/// What is stored of this person and device.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) identity: Secret<64>,
    pub(crate) device_key: Secret<32>,
    pub(crate) account: AccountId,
    pub(crate) device: DeviceId,
    pub(crate) node: String,
    pub(crate) role: Role,
    pub(crate) name: String,
    pub(crate) picture: Option<Vec<u8>>,
    pub(crate) device_label: String,
    pub(crate) relay_for_all: bool,
}

/// A text as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StoredText {
    /// Where it stands in its conversation; a damaged neighbour leaves a gap.
    pub(crate) place: u64,
    pub(crate) text: Arc<str>,
    pub(crate) time: UnixTime,
    pub(crate) delivery: Delivery,
}

/// Texts of one conversation, in the order in which they came to be here.
pub(crate) type Texts = Vec<(MessageId, StoredText)>;

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) account: Account,
    pub(crate) identity: Identity,
    pub(crate) node: Node,
    pub(crate) contacts: BTreeMap<ContactId, Contact>,
    pub(crate) texts: BTreeMap<ContactId, Texts>,
    pub(crate) invitations: BTreeMap<InvitationKey, Invitation>,
    pub(crate) joining: Option<Joining>,
    pub(crate) call: Option<Call>,
    /// Calls that are over, newest last: their offers may still arrive.
    pub(crate) ended_calls: VecDeque<EndedCall>,
    /// Calls that ended here while the node was away.
    pub(crate) untold_ends: VecDeque<UntoldEnd>,
    /// Calls that nobody answered, oldest first.
    pub(crate) past_calls: BTreeMap<ContactId, Vec<PastCall>>,
    pub(crate) open: Option<ContactId>,
    pub(crate) devices: Option<Vec<DeviceSummary>>,
    /// Last words to removed contacts, by record name.
    pub(crate) farewells: BTreeMap<String, Farewell>,
    pub(crate) leftovers: Leftovers,
    /// From whose categories this device's address is hidden.
    pub(crate) hiding: Hiding,
    /// What is measured of the network around this device.
    pub(crate) network: Network,
    /// The account is being deleted.
    pub(crate) leaving: Option<Leaving>,
    pub(crate) picture: Option<Arc<[u8]>>,
}

impl Client {
    pub(crate) fn new(account: Account) -> Self {
        let identity = Identity::from_seed(&account.identity);
        let node = Node::new(
            account.node.clone(),
            account.device,
            account.device_key.as_bytes(),
            account.role,
        );
        let picture = account.picture.clone().map(Arc::from);
        Self {
            account,
            identity,
            node,
            contacts: BTreeMap::new(),
            texts: BTreeMap::new(),
            invitations: BTreeMap::new(),
            joining: None,
            call: None,
            ended_calls: VecDeque::new(),
            untold_ends: VecDeque::new(),
            past_calls: BTreeMap::new(),
            open: None,
            devices: None,
            farewells: BTreeMap::new(),
            leftovers: Leftovers::default(),
            hiding: Hiding::default(),
            network: Network::default(),
            leaving: None,
            picture,
        }
    }

    /// Leaves to be written what changed; the end of every event.
    pub(crate) fn write_out(&mut self, base: &mut Base) {
        for contact in self.contacts.values_mut() {
            contact.write_out(base);
        }
    }

    pub(crate) fn save_account(&self, base: &mut Base) {
        base.put(ACCOUNT, &self.account);
    }

    /// Servers and policy for a link to this contact.
    pub(crate) fn ice(&self, contact: ContactId) -> IceConfig {
        let relay_only = self.hides_from(contact);
        match &self.node.turn {
            Some(grant) => IceConfig {
                urls: grant.urls.clone(),
                username: grant.username.clone(),
                password: grant.password.clone(),
                relay_only,
            },
            None => IceConfig {
                relay_only,
                ..IceConfig::default()
            },
        }
    }

    /// The same for a link that stands behind a veil or not, see [`crate::links`].
    pub(crate) fn ice_behind(&self, contact: ContactId, veiled: bool) -> IceConfig {
        let mut ice = self.ice(contact);
        ice.relay_only |= veiled;
        ice
    }

    /// The same for the link that there is.
    pub(crate) fn ice_now(&self, contact: ContactId) -> IceConfig {
        let link = self
            .contacts
            .get(&contact)
            .and_then(|one| one.link.as_ref());
        self.ice_behind(contact, link.is_some_and(|link| link.veiled))
    }

    // ---- the node

    pub(crate) fn handle_socket(&mut self, base: &mut Base, event: SocketEvent, now: Now) {
        if let Some(event) = self.node.handle_socket(base, event, now) {
            self.handle_node(base, event, now);
        }
    }

    fn handle_node(&mut self, base: &mut Base, event: NodeEvent, now: Now) {
        if !self.node.is_online() {
            self.network.node_lost();
        }
        match event {
            NodeEvent::SignedIn => self.signed_in(base, now),
            NodeEvent::Lost => {}
            NodeEvent::Envelope {
                mailbox,
                sequence,
                bytes,
            } => self.delivered(base, mailbox, sequence, bytes, now),
            NodeEvent::Refused(problem) => base.notice(refused(problem)),
            // Of its own deletion nobody needs to be told.
            NodeEvent::Revoked if self.leaving.is_some() => self.go_on_leaving(base, now),
            NodeEvent::Revoked => base.notice(Notice::DeviceRevoked),
            NodeEvent::Deleted(request) => {
                self.mailbox_deleted(base, request);
                self.go_on_leaving(base, now);
            }
        }
    }

    fn signed_in(&mut self, base: &mut Base, now: Now) {
        base.node_answers();
        if self.account.role != self.node.role {
            self.account.role = self.node.role;
            self.save_account(base);
        }
        let standing = |contact: &&Contact| contact.stored.state != ContactState::Closed;
        for contact in self.contacts.values().filter(standing) {
            for inbox in contact.inboxes() {
                self.node.open_inbox(base, inbox);
            }
        }
        self.renew_invitations(base, now);
        let expired: Vec<Inbox> = self
            .contacts
            .values_mut()
            .filter_map(|contact| contact.forget_invitation(now))
            .collect();
        for inbox in expired {
            self.drop_mailbox(base, inbox.mailbox, inbox.read_key);
        }
        let ids: Vec<ContactId> = self.contacts.keys().copied().collect();
        for id in ids {
            self.give_up_late_answer(base, id, now);
        }
        self.tell_ends(base, now);
        for contact in self.contacts.values_mut() {
            contact.node_returned(base, now);
        }
        self.restart_silent(base, now);
        self.always_direct_again(base, now);
        self.ask_for_call_back(base, now);
        self.clear_leftovers(base);
        self.leaving_signed_in(base, now);
    }

    /// An envelope came through the node.
    fn delivered(
        &mut self,
        base: &mut Base,
        mailbox: MailboxId,
        sequence: u64,
        bytes: Vec<u8>,
        now: Now,
    ) {
        let contact = self
            .contacts
            .values()
            .find(|contact| {
                contact
                    .inboxes()
                    .any(|own| own.mailbox == *mailbox.as_bytes())
            })
            .map(|contact| contact.id);
        if let Some(id) = contact {
            self.envelope(
                base,
                id,
                bytes,
                Source::Mailbox(*mailbox.as_bytes(), sequence),
                now,
            );
        } else {
            self.redeem(base, mailbox, &bytes, now);
            self.node.acknowledge(base, mailbox, sequence);
        }
    }

    /// An envelope for a contact came, by whatever way.
    pub(crate) fn envelope(
        &mut self,
        base: &mut Base,
        id: ContactId,
        bytes: Vec<u8>,
        from: Source,
        now: Now,
    ) {
        let Some(contact) = self.contacts.get_mut(&id) else {
            return;
        };
        let inbound = contact.handle_envelope(base, bytes, from, &self.identity, now);
        self.settle(base, id);
        self.inbound(base, id, inbound, now);
    }

    fn settle(&mut self, base: &mut Base, id: ContactId) {
        if let Some(contact) = self.contacts.get_mut(&id) {
            for (mailbox, sequence) in contact.take_settled() {
                let mailbox = MailboxId::from_bytes(mailbox);
                self.node.acknowledge(base, mailbox, sequence);
            }
        }
    }

    fn inbound(&mut self, base: &mut Base, id: ContactId, inbound: Vec<Inbound>, now: Now) {
        for item in inbound {
            match item {
                Inbound::Payload(payload) => self.payload(base, id, payload, now),
                Inbound::Signal(signal) => self.signal(base, id, signal, now),
                Inbound::Delivered(number) => self.mark(base, id, number, Delivery::Delivered),
                Inbound::Refreshed => self.refreshed(base, id, now),
                Inbound::Tampered => base.notice(Notice::TamperingSeen { contact: id }),
                Inbound::Replayed(note) => base.notice(Notice::InvitationReplayed { note }),
            }
        }
        if let Some(contact) = self.contacts.get_mut(&id) {
            contact.commit_if_due(base, false, now);
        }
    }

    fn payload(&mut self, base: &mut Base, id: ContactId, payload: Payload, now: Now) {
        match payload {
            Payload::Accept { signature, hello } => {
                self.accepted(base, id, &signature, hello, now);
            }
            Payload::Reject => self.rejected(base, id, now),
            Payload::Text { number, time, text } => {
                self.text_arrived(base, id, number, time, text, now);
            }
            Payload::CallOffer {
                call,
                video,
                time,
                epoch,
                salt,
            } => self.call_offered(base, id, (call, video, time), (epoch, salt), now),
            Payload::Profile(hello) => {
                if let Some(contact) = self.contacts.get_mut(&id) {
                    contact.name = hello.name;
                    contact.picture = hello.picture.map(Arc::from);
                    contact.save_profile(base);
                    base.changed();
                }
            }
            Payload::Close => self.closed(base, id, now),
        }
    }

    fn signal(&mut self, base: &mut Base, id: ContactId, signal: Signal, now: Now) {
        let Some(contact) = self.contacts.get_mut(&id) else {
            return;
        };
        match signal {
            Signal::Ack { .. } => {}
            Signal::Sync { .. } => contact.send_ack(base),
            Signal::Read { up_to } => self.they_read(base, id, up_to),
            Signal::Typing => self.they_type(base, id, now),
            Signal::Offer(offer) => self.link_offered(base, id, offer, now),
            Signal::Answer { token, salt, sdp } if contact.has_spare(token) => {
                contact.spare_answered(base, (token, salt), sdp);
            }
            Signal::Candidates { token, candidates } if contact.has_spare(token) => {
                for candidate in candidates {
                    contact.spare_candidate(base, token, candidate);
                }
            }
            Signal::Candidate { token, candidate } if contact.has_spare(token) => {
                contact.spare_candidate(base, token, candidate);
            }
            Signal::LinkClosed { token } if contact.has_spare(token) => {
                self.spare_closed(base, id, now);
            }
            Signal::Spare(offer) => self.spare_offered(base, id, offer, now),
            Signal::Word { token, word } => self.word_arrived(base, id, token, word),
            Signal::Call {
                call,
                video,
                time,
                epoch,
                salt,
            } => self.call_offered(base, id, (call, video, time), (epoch, salt), now),
            Signal::RingOffer(offer) => self.ring_offered(base, id, offer, now),
            Signal::Answer { token, salt, sdp } => {
                let ice = self.ice_now(id);
                if let Some(contact) = self.contacts.get_mut(&id) {
                    contact.apply_answer(base, token, salt, sdp, ice, now);
                }
            }
            Signal::Candidates { token, candidates } => {
                contact.their_candidates(base, token, candidates, now);
            }
            Signal::Candidate { token, candidate } => {
                contact.their_candidate(base, token, candidate, now);
            }
            Signal::Restart { token, number, sdp } => {
                let described = (crate::DescriptionKind::Offer, number, sdp);
                self.restarted(base, id, token, described);
            }
            Signal::Restarted { token, number, sdp } => {
                let described = (crate::DescriptionKind::Answer, number, sdp);
                self.restarted(base, id, token, described);
            }
            Signal::WantRestart { .. } if contact.restarts_already(now) => {}
            Signal::WantRestart { token } if contact.restarts_enough(now) => {
                contact.restart_later(token, now);
            }
            Signal::WantRestart { token } => {
                let ice = self.ice_now(id);
                if let Some(contact) = self.contacts.get_mut(&id) {
                    match &contact.link {
                        Some(link) if link.token == token => contact.restart(base, ice, now),
                        Some(_) | None => contact.link_unknown(base, token),
                    }
                }
            }
            Signal::LinkClosed { token } => self.link_closed(base, id, token, now),
            Signal::CallRinging { call } => self.call_rings(base, id, call),
            Signal::CallAccept { call, offer, video } => {
                self.call_accepted(base, id, call, offer, video, now);
            }
            Signal::CallMedia {
                call,
                microphone,
                camera,
                screen,
            } => self.their_media(base, id, call, [microphone, camera, screen], now),
            Signal::CallEnd { call, end } => self.call_ended(base, id, call, end, now),
            Signal::CallResume { call } => self.call_wanted_back(base, id, call, now),
            Signal::AlwaysDirect { on } => self.they_always_direct(base, id, on, now),
        }
    }

    // ---- answers to requests

    pub(crate) fn handle_http(
        &mut self,
        base: &mut Base,
        purpose: Purpose,
        response: HttpResponse,
        now: Now,
    ) {
        let result = outcome(response);
        match purpose {
            Purpose::Register => {}
            Purpose::MintRegistration(invitation) => {
                self.registration_minted(base, invitation, result, now);
            }
            Purpose::Park(invitation) => self.parked(base, invitation, result),
            Purpose::Withdraw(place) => {
                self.unparked(base, place, &result);
                self.go_on_leaving(base, now);
            }
            Purpose::FetchInvitation => self.fetched(base, result),
            Purpose::PutJoin(id) => self.posted(base, id, None, &result, now),
            Purpose::PutMessage(id, number) => self.posted(base, id, Some(number), &result, now),
            // Lost: a signal is worth no second try.
            Purpose::PutSignal(_) => {}
            Purpose::PutAck(id, up_to) => {
                self.receipt_posted(id, Receipt::Ack(up_to), &result, now);
            }
            Purpose::PutRead(id, up_to) => {
                self.receipt_posted(id, Receipt::Read(up_to), &result, now);
            }
            Purpose::Farewell(name) => {
                self.farewell_posted(base, &name, &result);
                self.go_on_leaving(base, now);
            }
            Purpose::DeleteAccount => self.account_deleted(base, result, now),
            Purpose::ListDevices => self.devices_listed(base, result),
            Purpose::ChangeDevice => {
                if let Err(Failure::Refused(problem)) = result {
                    base.notice(refused(problem));
                }
                self.ask_devices(base);
            }
        }
    }

    fn posted(
        &mut self,
        base: &mut Base,
        id: ContactId,
        number: Option<u64>,
        result: &Outcome,
        now: Now,
    ) {
        let Some(contact) = self.contacts.get_mut(&id) else {
            return;
        };
        let text = number
            .and_then(|number| contact.sender.get(number))
            .and_then(|outgoing| outgoing.stored.text);
        let fate = fate_of(result);
        if let Err(Failure::Refused(problem)) = result {
            let title = problem.title.chars().take(MAX_SENTENCE).collect();
            base.notice(Notice::MailboxRefused { contact: id, title });
        }
        contact.posted(base, number, fate, now);
        if let (Some(text), Posted::Taken) = (text, fate) {
            self.mark(base, id, text, Delivery::Sent);
        }
        base.changed();
    }

    fn receipt_posted(&mut self, id: ContactId, receipt: Receipt, result: &Outcome, now: Now) {
        if let Some(contact) = self.contacts.get_mut(&id) {
            contact.receipt_posted(receipt, fate_of(result), now);
        }
    }

    // ---- devices

    pub(crate) fn ask_devices(&self, base: &mut Base) {
        let purpose = Purpose::ListDevices;
        if !self.node.ask(
            base,
            purpose,
            Method::Get,
            path::DEVICES,
            Vec::new(),
            Vec::new(),
        ) {
            base.notice(Notice::NodeUnreachable);
        }
    }

    pub(crate) fn change_device(
        &self,
        base: &mut Base,
        method: Method,
        device: DeviceId,
        body: Vec<u8>,
    ) {
        let headers = if body.is_empty() {
            Vec::new()
        } else {
            vec![("content-type", "application/json".to_owned())]
        };
        let path = format!("{}/{}", path::DEVICES, device.to_text());
        if !self
            .node
            .ask(base, Purpose::ChangeDevice, method, &path, headers, body)
        {
            base.notice(Notice::NodeUnreachable);
        }
    }

    fn devices_listed(&mut self, base: &mut Base, result: Outcome) {
        match result {
            Ok(body) => {
                self.devices = crate::json::parse(&body);
                base.changed();
            }
            Err(Failure::Refused(problem)) => base.notice(refused(problem)),
            Err(Failure::Later) => base.notice(Notice::NodeUnreachable),
        }
    }

    // ---- links

    /// They closed a link, or never had it.
    fn link_closed(&mut self, base: &mut Base, id: ContactId, token: [u8; 16], now: Now) {
        let Some(contact) = self.contacts.get_mut(&id) else {
            return;
        };
        let Some(link) = contact.link.as_ref().filter(|link| link.token == token) else {
            return;
        };
        // They had it and were reloaded: another one can be offered. An offer they did not want stays unwanted.
        let again = link.negotiated;
        contact.close_link(base, now);
        self.link_gone(base, id, now);
        if again {
            self.follow_always_direct(base, id, now);
        }
    }

    /// The link to a contact is gone for good; whoever needs it opens another one.
    fn link_gone(&mut self, base: &mut Base, id: ContactId, now: Now) {
        if self.is_in_call_with(id) {
            self.call_link_gone(base, id, now);
        }
    }

    fn restarted(
        &mut self,
        base: &mut Base,
        id: ContactId,
        token: [u8; 16],
        described: (crate::DescriptionKind, u32, String),
    ) {
        let ice = self.ice_now(id);
        if let Some(contact) = self.contacts.get_mut(&id) {
            contact.apply_restart(base, token, ice, described);
        }
    }

    /// Who may see this device's address changed: open links gather anew.
    pub(crate) fn follow_policy(&mut self, base: &mut Base, of: Option<ContactId>, now: Now) {
        let ids = self
            .contacts
            .keys()
            .filter(|id| of.is_none_or(|of| of == **id));
        let ids: Vec<ContactId> = ids.copied().collect();
        for id in ids {
            let ice = self.ice_now(id);
            if let Some(contact) = self.contacts.get_mut(&id) {
                contact.restart(base, ice, now);
            }
        }
    }

    /// The network changed or the person looks: nothing waits for its time.
    pub(crate) fn look_at_once(&mut self, base: &mut Base, now: Now) {
        self.node.hurry(base, now);
        let ids: Vec<ContactId> = self.contacts.keys().copied().collect();
        for id in ids {
            let ice = self.ice_now(id);
            if let Some(contact) = self.contacts.get_mut(&id) {
                contact.hurry(base, ice, now);
            }
        }
    }

    /// Closes every link and says nothing: the vault is being closed.
    pub(crate) fn close_links(&mut self, base: &mut Base) {
        for contact in self.contacts.values_mut() {
            contact.save_opened(base);
            contact.drop_spare(base);
            if let Some(link) = contact.link.take() {
                base.link(LinkAction::Close { link: link.id });
            }
        }
    }

    pub(crate) fn contact_of_link(&self, link: LinkId) -> Option<ContactId> {
        self.contacts
            .values()
            .find(|contact| contact.link.as_ref().is_some_and(|own| own.id == link))
            .map(|contact| contact.id)
    }

    pub(crate) fn handle_link(&mut self, base: &mut Base, event: LinkEvent, now: Now) {
        match event {
            LinkEvent::CaptureFailed { kind, reason } => self.capture_failed(base, kind, reason),
            LinkEvent::ScreenEnded => self.screen_ended(base),
            LinkEvent::Silent { link } => self.link_heard(base, link, false, now),
            LinkEvent::Heard { link } => self.link_heard(base, link, true, now),
            LinkEvent::Sound { link, heard } => self.sound_heard(base, link, heard, now),
            LinkEvent::Word { link, word } => self.word_spoken(base, link, word),
            LinkEvent::Unprotected { link } => {
                base.notice(Notice::MediaUnprotected);
                self.hang_up_silently(base, now);
                if let Some(id) = self.contact_of_link(link)
                    && let Some(contact) = self.contacts.get_mut(&id)
                {
                    contact.abandon_link(base, now);
                }
            }
            LinkEvent::Description { link, .. }
            | LinkEvent::Candidate { link, .. }
            | LinkEvent::State { link, .. }
            | LinkEvent::ChannelOpened { link }
            | LinkEvent::ChannelClosed { link }
            | LinkEvent::Message { link, .. }
            | LinkEvent::Path { link, .. }
            | LinkEvent::Media { link, .. }
            | LinkEvent::Broken { link } => {
                if let Some(id) = self.contact_of_link(link) {
                    self.handle_contact_link(base, id, event, now);
                } else if let Some(id) = self.contact_of_spare(link) {
                    self.handle_spare_link(base, id, event, now);
                }
            }
        }
    }

    fn handle_contact_link(&mut self, base: &mut Base, id: ContactId, event: LinkEvent, now: Now) {
        let Some(contact) = self.contacts.get_mut(&id) else {
            return;
        };
        match event {
            LinkEvent::Description { kind, sdp, .. } => {
                contact.described(base, kind, sdp);
                self.call_described(base, id);
            }
            LinkEvent::Candidate { candidate, .. } => contact.gathered(candidate, now),
            LinkEvent::State { state, .. } => {
                contact.link_state(base, state, now);
                self.call_link_state(base, id, state, now);
            }
            LinkEvent::ChannelOpened { .. } => {
                if let Some(link) = &mut contact.link {
                    link.channel_open = true;
                }
                contact.flush(base, now);
                contact.commit_if_due(base, false, now);
                base.changed();
                self.call_channel_opened(base, id);
            }
            LinkEvent::ChannelClosed { .. } => {
                if let Some(link) = &mut contact.link {
                    link.channel_open = false;
                }
                contact.channel_lost(base, now);
                base.changed();
            }
            LinkEvent::Message { bytes, .. } => {
                self.envelope(base, id, bytes, Source::Channel, now);
            }
            LinkEvent::Path { report, .. } => contact.link_path(base, report, now),
            LinkEvent::Broken { .. } => {
                contact.abandon_link(base, now);
                self.link_gone(base, id, now);
            }
            LinkEvent::Media { report, .. } => contact.link_media(report, now),
            LinkEvent::Silent { .. }
            | LinkEvent::Heard { .. }
            | LinkEvent::Sound { .. }
            | LinkEvent::Word { .. }
            | LinkEvent::Unprotected { .. }
            | LinkEvent::CaptureFailed { .. }
            | LinkEvent::ScreenEnded => {}
        }
    }

    // ---- the network around

    pub(crate) fn probe_network(&mut self, base: &mut Base, now: Now) {
        let (turn, online) = (self.node.turn.as_ref(), self.node.is_online());
        let actions = self.network.probe(&self.account.node, turn, online, now);
        for action in actions {
            base.probe(action);
        }
        // A node that went away without a word is found out before the measuring is over.
        self.node.hurry(base, now);
        base.changed();
    }

    pub(crate) fn handle_probe(&mut self, base: &mut Base, event: ProbeEvent) {
        let online = self.node.is_online();
        if self.network.handle_probe(event, online) {
            base.changed();
        }
    }

    // ---- time

    pub(crate) fn timeout(&self) -> Option<(Instant, &'static str)> {
        let contacts = self
            .contacts
            .values()
            .filter_map(|contact| contact.timeout().map(|at| (at, "contact")));
        let links = self
            .contacts
            .values()
            .filter_map(|contact| contact.link_timeout().map(|at| (at, "link")));
        contacts
            .chain(links)
            .chain(self.spare_timeout().map(|at| (at, "spare")))
            .chain(self.node.timeout().map(|at| (at, "node")))
            .chain(self.leaving_timeout().map(|at| (at, "leaving")))
            .chain(self.network.timeout().map(|at| (at, "network")))
            .chain(
                self.call
                    .as_ref()
                    .and_then(Call::timeout)
                    .map(|at| (at, "call")),
            )
            .min_by_key(|(at, _)| *at)
    }

    pub(crate) fn handle_timeout(&mut self, base: &mut Base, now: Now) {
        if let Some(event) = self.node.handle_timeout(base, now) {
            self.handle_node(base, event, now);
        }
        let ids: Vec<ContactId> = self.contacts.keys().copied().collect();
        for id in ids {
            let ice = self.ice_now(id);
            let Some(contact) = self.contacts.get_mut(&id) else {
                continue;
            };
            let inbound = contact.handle_timeout(base, now);
            let fate = contact.handle_link_timeout(base, ice, now);
            self.settle(base, id);
            self.inbound(base, id, inbound, now);
            self.give_up_late_answer(base, id, now);
            if fate == crate::links::LinkFate::Hopeless {
                if let Some(contact) = self.contacts.get_mut(&id) {
                    contact.abandon_link(base, now);
                }
                self.link_gone(base, id, now);
            }
            self.handle_spare_timeout(base, id, now);
        }
        self.call_timeout(base, now);
        if self.network.handle_timeout(self.node.is_online(), now) {
            base.changed();
        }
        if self.leaving_timeout().is_some_and(|at| at <= now.instant) {
            self.leaving_timed_out(base, now);
        }
        self.drop_expired_invitations(base, now);
    }

    // ---- removing

    pub(crate) fn remove_contact(&mut self, base: &mut Base, id: ContactId, now: Now) {
        self.end_call_with(base, id, now);
        let Some(mut contact) = self.contacts.remove(&id) else {
            return;
        };
        contact.end_spare(base, now);
        contact.close_link(base, now);
        if contact.stored.state != ContactState::Closed {
            self.say_farewell(base, &mut contact);
        }
        if contact.stored.state != ContactState::Closed {
            for inbox in contact.inboxes() {
                self.drop_mailbox(base, inbox.mailbox, inbox.read_key);
            }
        }
        base.delete_all(&Contact::prefix(id));
        self.texts.remove(&id);
        self.past_calls.remove(&id);
        if self.open == Some(id) {
            self.open = None;
        }
        base.changed();
    }

    pub(crate) fn seal_label(base: &mut Base, label: &str) -> Vec<u8> {
        base.seal(LABEL, label.as_bytes())
    }

    pub(crate) fn open_label(base: &Base, sealed: &[u8]) -> Option<String> {
        let root = base.root()?;
        let (_, label) = root.open_record(&root.record_id(LABEL), sealed).ok()?;
        String::from_utf8(label).ok()
    }
}

/// What an answer comes to.
pub(crate) type Outcome = Result<Vec<u8>, Failure>;

/// Why a request brought nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Not reachable; may be tried again.
    Later,
    /// The node said no.
    Refused(Problem),
}

/// Whether a node that refuses may say otherwise in a while.
pub(crate) fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..=599)
}

/// What became of a put.
pub(crate) fn fate_of(result: &Outcome) -> Posted {
    match result {
        Ok(_) => Posted::Taken,
        Err(Failure::Refused(problem)) if is_passing(problem.status) => Posted::Later,
        Err(Failure::Refused(_)) => Posted::Refused,
        Err(Failure::Later) => Posted::Later,
    }
}

pub(crate) fn outcome(response: HttpResponse) -> Outcome {
    match response.result {
        Ok((200..=299, body)) => Ok(body),
        Ok((status, body)) => Err(Failure::Refused(
            crate::json::parse(&body)
                .unwrap_or_else(|| Problem::new(status, "unexplained", "the node refused", "")),
        )),
        Err(HttpFailure::Unreachable | HttpFailure::TooLong) => Err(Failure::Later),
    }
}

pub(crate) fn refused(problem: Problem) -> Notice {
    let bounded = |text: String| text.chars().take(MAX_SENTENCE).collect();
    Notice::NodeRefused {
        kind: bounded(problem.kind),
        title: bounded(problem.title),
        detail: bounded(problem.detail),
    }
}
