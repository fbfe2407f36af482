// SPDX-License-Identifier: MIT OR Apache-2.0
//! How two people become contacts: invitation, join, approval, and how they part.
//!
//! The inviter makes a sealed blob (M0), the invited opens it and joins (M1), the inviter approves and
//! accepts (M2), the invited confirms with a commit (M3). What the bytes are is `hither-crypto`'s; when they
//! go, and what a person hears, is decided here.

mod joining;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use hither_api::{
    InvitationId, MailboxId, RegistrationRequest, RegistrationResponse, RegistrationToken, Role,
    WithdrawKey, header, limits, link::Link, path,
};
use hither_crypto::code::Code;
use hither_crypto::invitation::{self, Meeting, PendingInvitation, RedeemError, Transcript};
use hither_crypto::stretch::Stretched;
use hither_crypto::{PublicIdentity, Session};
use hither_sansio::{Duration, Now, UnixTime};
use serde::{Deserialize, Serialize};

use crate::base::{Base, Purpose, Stretching};
use crate::client::{Client, DEFAULT_CATEGORY, Failure, Outcome, refused};
use crate::contact::{Contact, Inbox, Spent, Stored, StoredProfile, Turn, digest};
use crate::payload::{Address, Hello, Payload};
use crate::{
    ContactId, ContactState, InvitationKey, InvitationState, JoinStage, Method, Notice, RelayOnly,
};

/// How long an invitation lasts.
const LIFETIME: Duration = Duration::from_secs(7 * 86_400 - 600);
/// The record of somebody's invitation that waits for its words.
pub(crate) const JOINING: &str = "joining";
/// The problem of a place where something is parked already.
const TAKEN: &str = "invitation-taken";
/// Invitations that may wait at the same time.
const MAX_INVITATIONS: usize = 32;
/// Longest category, in characters.
const MAX_CATEGORY: usize = 32;

/// An invitation of ours as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StoredInvitation {
    pub(crate) note: String,
    pub(crate) category: String,
    pub(crate) words: String,
    pub(crate) blob: Vec<u8>,
    pub(crate) created: UnixTime,
    pub(crate) expires: UnixTime,
    pending: Option<PendingInvitation>,
    inbox: Inbox,
    place: InvitationId,
    withdraw: WithdrawKey,
    registration: Option<RegistrationToken>,
    wants_registration: bool,
    parked: bool,
}

/// An invitation of ours.
#[derive(Debug)]
pub(crate) struct Invitation {
    pub(crate) stored: StoredInvitation,
    pub(crate) shared_blob: Arc<[u8]>,
    parking: bool,
    failed: bool,
}

/// Somebody's invitation that we are answering.
#[derive(Debug)]
pub(crate) struct Joining {
    pub(crate) stage: JoinStage,
    pub(crate) problem: Option<Notice>,
    blob: Vec<u8>,
    category: String,
}

impl Joining {
    /// It waits for its words.
    pub(crate) fn of(blob: Vec<u8>, problem: Option<Notice>) -> Self {
        Self {
            stage: JoinStage::NeedsCode,
            problem,
            blob,
            category: String::new(),
        }
    }
}

impl Invitation {
    pub(crate) fn restore(stored: StoredInvitation) -> Self {
        Self {
            shared_blob: Arc::from(stored.blob.as_slice()),
            stored,
            parking: false,
            failed: false,
        }
    }

    pub(crate) fn state(&self) -> InvitationState {
        if self.stored.parked {
            InvitationState::Ready
        } else if self.failed {
            InvitationState::FileOnly
        } else {
            InvitationState::Preparing
        }
    }

    pub(crate) fn link(&self, origin: &str) -> String {
        Link::Invitation {
            origin: origin.to_owned(),
            invitation: self.stored.place,
            registration: self.stored.registration,
        }
        .to_text()
    }

    #[cfg(all(test, not(target_arch = "wasm32")))]
    pub(crate) fn inbox_mailbox(&self) -> [u8; 32] {
        self.stored.inbox.mailbox
    }

    fn name(id: InvitationKey) -> String {
        format!("invitation/{}", id.to_hex())
    }

    fn save(&self, base: &mut Base, id: InvitationKey) {
        base.put(&Self::name(id), &self.stored);
    }
}

/// A category as typed, or the default.
fn category_or_default(category: &str) -> String {
    let category = category.trim();
    if category.is_empty() {
        DEFAULT_CATEGORY.to_owned()
    } else {
        category.chars().take(MAX_CATEGORY).collect()
    }
}

fn new_inbox(base: &mut Base) -> Inbox {
    Inbox {
        mailbox: base.random(),
        capability: base.random(),
        read_key: base.random(),
    }
}

impl Client {
    // ---- inviting

    pub(crate) fn invite(
        &mut self,
        base: &mut Base,
        note: &str,
        category: &str,
        with_registration: bool,
        now: Now,
    ) {
        if self.invitations.len() >= MAX_INVITATIONS {
            return base.notice(Notice::NotNow);
        }
        if with_registration && !self.node.role.may_register_others() {
            return base.notice(Notice::MayNotRegisterOthers);
        }
        let id = InvitationKey::from_bytes(base.random());
        let code = Code::generate(&mut base.rng);
        let salt = base.random();
        base.stretch(Stretching::Invitation(id), code.stretch(salt));
        let stored = StoredInvitation {
            note: note.trim().chars().take(64).collect(),
            category: category_or_default(category),
            words: code.to_words().to_string(),
            blob: salt.to_vec(),
            created: now.unix,
            expires: now.unix + LIFETIME,
            pending: None,
            inbox: new_inbox(base),
            place: InvitationId::from_bytes(base.random()),
            withdraw: WithdrawKey::from_bytes(base.random()),
            registration: None,
            wants_registration: with_registration,
            parked: false,
        };
        self.invitations.insert(id, Invitation::restore(stored));
        base.changed();
    }

    /// The code of an invitation is stretched: seal it.
    pub(crate) fn seal_invitation(
        &mut self,
        base: &mut Base,
        id: InvitationKey,
        key: &Stretched,
        now: Now,
    ) {
        let Some(invitation) = self.invitations.get_mut(&id) else {
            return;
        };
        // Until the blob is there, its place holds the salt that the code was stretched with.
        let Ok(salt) = <[u8; 16]>::try_from(invitation.stored.blob.as_slice()) else {
            return;
        };
        let meeting = Meeting {
            node: self.node.origin.clone(),
            mailbox: invitation.stored.inbox.mailbox,
            capability: invitation.stored.inbox.capability,
        };
        let made = invitation::create(
            &self.identity,
            *self.account.device.as_bytes(),
            meeting,
            salt,
            key,
            invitation.stored.expires,
            now.unix,
            &mut base.rng,
        );
        let Ok((blob, pending)) = made else {
            self.invitations.remove(&id);
            return base.notice(Notice::NotNow);
        };
        invitation.shared_blob = Arc::from(blob.as_slice());
        invitation.stored.blob = blob;
        invitation.stored.pending = Some(pending);
        invitation.save(base, id);
        self.publish(base, id);
        base.changed();
    }

    /// Has the mailbox opened, the registration minted and the blob parked, as far as still needed.
    fn publish(&mut self, base: &mut Base, id: InvitationKey) {
        let Some(invitation) = self.invitations.get_mut(&id) else {
            return;
        };
        let stored = &invitation.stored;
        if stored.pending.is_none() {
            return;
        }
        if !self.node.is_online() {
            invitation.failed = true;
            return;
        }
        self.node.open_inbox(base, &stored.inbox);
        if stored.parked || invitation.parking {
            return;
        }
        invitation.parking = true;
        if stored.wants_registration && stored.registration.is_none() {
            let request = RegistrationRequest {
                role: Role::Member,
                expires_in: limits::MAX_PARKED_SECS,
            };
            self.node.ask(
                base,
                Purpose::MintRegistration(id),
                Method::Post,
                path::REGISTRATIONS,
                vec![("content-type", "application/json".to_owned())],
                crate::json::emit(&request),
            );
        } else {
            self.park(base, id);
        }
    }

    fn park(&self, base: &mut Base, id: InvitationKey) {
        let Some(invitation) = self.invitations.get(&id) else {
            return;
        };
        let stored = &invitation.stored;
        let headers = vec![
            ("content-type", "application/octet-stream".to_owned()),
            (header::EXPIRES_IN, limits::MAX_PARKED_SECS.to_string()),
            (header::WITHDRAW_HASH, stored.withdraw.hash().to_text()),
        ];
        let path = format!("{}/{}", path::INVITATIONS, stored.place.to_text());
        let purpose = Purpose::Park(id);
        self.node.ask(
            base,
            purpose,
            Method::Put,
            &path,
            headers,
            stored.blob.clone(),
        );
    }

    pub(crate) fn registration_minted(
        &mut self,
        base: &mut Base,
        id: InvitationKey,
        result: Outcome,
        _now: Now,
    ) {
        let minted = result.map(|body| crate::json::parse::<RegistrationResponse>(&body));
        let Some(invitation) = self.invitations.get_mut(&id) else {
            return;
        };
        match minted {
            Ok(Some(response)) => {
                invitation.stored.registration = Some(response.token);
                invitation.save(base, id);
                self.park(base, id);
            }
            Ok(None) | Err(_) => self.parking_failed(base, id, minted.err()),
        }
    }

    pub(crate) fn parked(&mut self, base: &mut Base, id: InvitationKey, result: Outcome) {
        match result {
            // It was parked before, and the answer was lost: nobody else knows the place.
            Err(Failure::Refused(problem)) if problem.kind == TAKEN => {
                self.parked(base, id, Ok(Vec::new()));
            }
            Ok(_) => {
                if let Some(invitation) = self.invitations.get_mut(&id) {
                    invitation.parking = false;
                    invitation.stored.parked = true;
                    invitation.save(base, id);
                    base.changed();
                }
            }
            Err(failure) => self.parking_failed(base, id, Some(failure)),
        }
    }

    fn parking_failed(&mut self, base: &mut Base, id: InvitationKey, failure: Option<Failure>) {
        if let Some(invitation) = self.invitations.get_mut(&id) {
            invitation.parking = false;
            invitation.failed = true;
            base.changed();
        }
        match failure {
            Some(Failure::Refused(problem)) => base.notice(refused(problem)),
            Some(Failure::Later) | None => base.notice(Notice::NodeUnreachable),
        }
    }

    /// After signing in: what could not be published before, and every waiting mailbox.
    pub(crate) fn renew_invitations(&mut self, base: &mut Base, now: Now) {
        self.drop_expired_invitations(base, now);
        let ids: Vec<InvitationKey> = self.invitations.keys().copied().collect();
        for id in ids {
            if let Some(invitation) = self.invitations.get_mut(&id) {
                invitation.parking = false;
            }
            self.publish(base, id);
        }
    }

    pub(crate) fn drop_expired_invitations(&mut self, base: &mut Base, now: Now) {
        let expired: Vec<InvitationKey> = self
            .invitations
            .iter()
            .filter(|(_, invitation)| invitation.stored.expires <= now.unix)
            .map(|(id, _)| *id)
            .collect();
        for id in expired {
            self.withdraw(base, id);
        }
    }

    /// Takes an invitation back: its keys, its parked blob, its mailbox.
    pub(crate) fn withdraw(&mut self, base: &mut Base, id: InvitationKey) {
        base.forget_stretching(&Stretching::Invitation(id));
        let Some(invitation) = self.invitations.remove(&id) else {
            return;
        };
        base.delete(&Invitation::name(id));
        let stored = invitation.stored;
        if stored.pending.is_some() {
            self.drop_mailbox(base, stored.inbox.mailbox, stored.inbox.read_key);
            self.unpark(base, stored.place, stored.withdraw);
        }
        base.changed();
    }

    /// Something came into a mailbox that belongs to no contact: the answer to an invitation, or rubbish.
    pub(crate) fn redeem(&mut self, base: &mut Base, mailbox: MailboxId, bytes: &[u8], now: Now) {
        let found = self
            .invitations
            .iter()
            .find(|(_, one)| one.stored.inbox.mailbox == *mailbox.as_bytes())
            .map(|(id, _)| *id);
        let Some(id) = found else {
            return;
        };
        let Some(invitation) = self.invitations.get_mut(&id) else {
            return;
        };
        let note = invitation.stored.note.clone();
        let Some(pending) = &mut invitation.stored.pending else {
            return;
        };
        match pending.redeem(&self.identity, bytes, now.unix) {
            Ok(request) => {
                let invitation = self.invitations.remove(&id);
                base.delete(&Invitation::name(id));
                if let Some(invitation) = invitation {
                    self.unpark(base, invitation.stored.place, invitation.stored.withdraw);
                    self.asks_to_join(base, invitation, request, digest(bytes), now);
                }
            }
            Err(RedeemError::AlreadySpent) => base.notice(Notice::InvitationReplayed { note }),
            Err(_) => {
                // Whoever knew the code used it up, though not well: it is of no use to anybody now.
                let spent = pending.is_spent();
                invitation.save(base, id);
                if spent {
                    self.withdraw(base, id);
                }
                base.notice(Notice::JoinRefused { note });
            }
        }
    }

    fn asks_to_join(
        &mut self,
        base: &mut Base,
        invitation: Invitation,
        request: invitation::JoinRequest,
        answer: [u8; 32],
        now: Now,
    ) {
        let StoredInvitation {
            note,
            category,
            pending,
            inbox,
            ..
        } = invitation.stored;
        let hello = Hello::parse(&request.hello).ok();
        let address = hello.as_ref().and_then(|hello| hello.address.clone());
        let (Some(hello), Some(address)) = (hello, address) else {
            self.drop_mailbox(base, inbox.mailbox, inbox.read_key);
            return base.notice(Notice::JoinRefused { note });
        };
        let acquaintance = Acquaintance {
            state: ContactState::WantsApproval,
            public: request.peer,
            session: request.session,
            transcript: request.transcript,
            hello,
            category,
            inbox,
            outbox: address,
            join: None,
            spent: pending.map(|pending| Spent {
                pending,
                note,
                answer,
            }),
            turn: Turn::Ours,
        };
        let id = self.add_contact(base, acquaintance, now);
        base.notice(Notice::ApprovalWanted { contact: id });
    }

    fn add_contact(&mut self, base: &mut Base, new: Acquaintance, now: Now) -> ContactId {
        let id = ContactId::from_bytes(base.random());
        let stored = Stored {
            state: new.state,
            public: new.public.emit(),
            alias: String::new(),
            category: new.category,
            verified: false,
            relay_only: RelayOnly::Inherit,
            always_direct: false,
            peer_always_direct: false,
            inbox: new.inbox,
            first_inbox: None,
            outbox: Some(new.outbox),
            transcript: Some(new.transcript),
            spent: new.spent,
            join: new.join,
            next_out: 1,
            received: 0,
            current: new.session.secrets(),
            previous: None,
            older: VecDeque::new(),
            acked: 0,
            turn: new.turn,
            pending_commit: None,
            since_commit: 0,
            last_commit: now.unix,
            own_texts: 0,
            their_texts: 0,
            read: 0,
            read_told: 0,
            unread: 0,
        };
        let profile = StoredProfile {
            name: new.hello.name,
            picture: new.hello.picture,
        };
        let own = self.identity.fingerprint();
        let mut contact = Contact::new(
            id,
            stored,
            profile,
            new.public,
            new.session,
            own,
            BTreeMap::new(),
        );
        contact.save_profile(base);
        contact.begin();
        self.node.open_inbox(base, &contact.stored.inbox);
        self.contacts.insert(id, contact);
        self.texts.insert(id, Vec::new());
        base.changed();
        id
    }

    pub(crate) fn approve(&mut self, base: &mut Base, id: ContactId, now: Now) {
        // Whoever saw link and code knows the invitation's mailbox; from here on there is one that they do not know.
        let inbox = new_inbox(base);
        let hello = self.hello(Some(Address {
            node: self.node.origin.clone(),
            mailbox: inbox.mailbox,
            capability: inbox.capability,
        }));
        let Some(contact) = self
            .contacts
            .get_mut(&id)
            .filter(|contact| contact.stored.state == ContactState::WantsApproval)
        else {
            return base.notice(Notice::NotNow);
        };
        let Some(transcript) = contact.stored.transcript.take() else {
            return;
        };
        self.node.open_inbox(base, &inbox);
        contact.stored.first_inbox = Some(core::mem::replace(&mut contact.stored.inbox, inbox));
        let signature = transcript.accept(&self.identity);
        contact.stored.state = ContactState::Active;
        contact.send(base, &Payload::Accept { signature, hello }, None, now);
        contact.send_ack(base);
        // M2 ends with a commit of ours: the one-time keys of the invitation protect nothing any more.
        contact.commit(base, now);
        if self.open == Some(id) {
            self.open_conversation(base, id, now);
        }
        base.changed();
    }

    pub(crate) fn reject(&mut self, base: &mut Base, id: ContactId, now: Now) {
        let waits = self
            .contacts
            .get(&id)
            .is_some_and(|contact| contact.stored.state == ContactState::WantsApproval);
        if waits {
            self.remove_contact(base, id, now);
        } else {
            base.notice(Notice::NotNow);
        }
    }

    fn hello(&self, address: Option<Address>) -> Hello {
        Hello {
            name: self.account.name.clone(),
            picture: self.account.picture.clone(),
            address,
        }
    }

    /// A commit of theirs was merged. The first one is M2's: M3 is ours.
    pub(crate) fn refreshed(&mut self, base: &mut Base, id: ContactId, now: Now) {
        if let Some(contact) = self.contacts.get_mut(&id)
            && contact.stored.state == ContactState::Active
            && contact.stored.current.epoch == 2
        {
            contact.commit(base, now);
        }
    }

    pub(crate) fn rejected(&mut self, base: &mut Base, id: ContactId, now: Now) {
        if !self.close_contact(base, id, now) {
            return;
        }
        base.notice(Notice::ContactRejected { contact: id });
    }

    pub(crate) fn closed(&mut self, base: &mut Base, id: ContactId, now: Now) {
        if !self.close_contact(base, id, now) {
            return;
        }
        base.notice(Notice::ContactClosed { contact: id });
    }

    /// `false` if it was closed before.
    fn close_contact(&mut self, base: &mut Base, id: ContactId, now: Now) -> bool {
        self.end_call_with(base, id, now);
        let contact = self.contacts.get_mut(&id);
        let open = contact.filter(|contact| contact.stored.state != ContactState::Closed);
        let closes = open.is_some();
        if let Some(contact) = open {
            contact.close_link(base, now);
            contact.give_up(base);
            let inboxes: Vec<Inbox> = contact.inboxes().cloned().collect();
            for inbox in inboxes {
                self.drop_mailbox(base, inbox.mailbox, inbox.read_key);
            }
            base.changed();
        }
        closes
    }

    /// Our name or picture changed: everybody is told.
    pub(crate) fn tell_profile(&mut self, base: &mut Base, now: Now) {
        let payload = Payload::Profile(self.hello(None));
        for contact in self.contacts.values_mut() {
            if contact.stored.state == ContactState::Active {
                contact.send(base, &payload, None, now);
            }
        }
    }
}

/// What is known of a new contact.
struct Acquaintance {
    state: ContactState,
    public: PublicIdentity,
    session: Session,
    transcript: Transcript,
    hello: Hello,
    category: String,
    inbox: Inbox,
    outbox: Address,
    join: Option<Vec<u8>>,
    spent: Option<Spent>,
    turn: Turn,
}
