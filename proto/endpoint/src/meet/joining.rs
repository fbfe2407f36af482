// SPDX-License-Identifier: MIT OR Apache-2.0
//! Answering somebody's invitation: the blob, the code, joining, being accepted.

use std::sync::Arc;

use hither_api::link::Link;
use hither_api::{limits, path};
use hither_crypto::code::{Code, CodeError};
use hither_crypto::invitation;
use hither_crypto::invitation::{InvitationError, JoinError, OpenedInvitation};
use hither_crypto::stretch::Stretched;
use hither_sansio::Now;
use zeroize::Zeroizing;

use super::{Acquaintance, JOINING, Joining, category_or_default, new_inbox};
use crate::base::{Base, Purpose, Stretching};
use crate::client::{Client, Failure, Outcome};
use crate::contact::Turn;
use crate::payload::{Address, Hello, is_origin};
use crate::{ContactId, ContactState, JoinStage, Method, Notice};

impl Client {
    pub(crate) fn open_invitation_link(&mut self, base: &mut Base, link: Link) {
        let Link::Invitation {
            origin, invitation, ..
        } = link
        else {
            return base.notice(Notice::InvitationMalformed);
        };
        if !is_origin(&origin) {
            return base.notice(Notice::InvitationMalformed);
        }
        if origin != self.node.origin {
            return base.notice(Notice::InvitationElsewhere { node: origin });
        }
        self.cancel_join(base);
        self.joining = Some(Joining {
            stage: JoinStage::Fetching,
            problem: None,
            blob: Vec::new(),
            category: String::new(),
        });
        let url = format!("{origin}{}/{}", path::INVITATIONS, invitation.to_text());
        base.http(
            Purpose::FetchInvitation,
            Method::Get,
            url,
            Vec::new(),
            Vec::new(),
        );
        base.changed();
    }

    pub(crate) fn fetched(&mut self, base: &mut Base, result: Outcome) {
        let Some(joining) = self
            .joining
            .as_mut()
            .filter(|joining| joining.stage == JoinStage::Fetching)
        else {
            return;
        };
        let problem = match result {
            Ok(blob) => return self.open_invitation_blob(base, blob),
            Err(Failure::Refused(_)) => Notice::InvitationGone,
            Err(Failure::Later) => Notice::NodeUnreachable,
        };
        joining.problem = Some(problem);
        base.changed();
    }

    pub(crate) fn open_invitation_blob(&mut self, base: &mut Base, blob: Vec<u8>) {
        self.cancel_join(base);
        let readable = blob.len() <= limits::MAX_PARKED && invitation::salt(&blob).is_ok();
        if readable {
            // The words may come another day.
            base.put(JOINING, &blob);
        }
        let problem = (!readable).then_some(Notice::InvitationMalformed);
        self.joining = Some(Joining::of(blob, problem));
        base.changed();
    }

    pub(crate) fn enter_code(
        &mut self,
        base: &mut Base,
        words: &Zeroizing<String>,
        category: &str,
    ) {
        let Some(joining) = self
            .joining
            .as_mut()
            .filter(|joining| joining.stage == JoinStage::NeedsCode)
        else {
            return base.notice(Notice::NotNow);
        };
        base.changed();
        let Ok(salt) = invitation::salt(&joining.blob) else {
            joining.problem = Some(Notice::InvitationMalformed);
            return;
        };
        match Code::parse(words) {
            Ok(code) => {
                joining.problem = None;
                joining.stage = JoinStage::Checking;
                joining.category = category_or_default(category);
                base.stretch(Stretching::Joining, code.stretch(salt));
            }
            Err(error) => joining.problem = Some(code_notice(&error)),
        }
    }

    pub(crate) fn cancel_join(&mut self, base: &mut Base) {
        base.forget_stretching(&Stretching::Joining);
        base.forget_purpose(&Purpose::FetchInvitation);
        if self.joining.take().is_some() {
            base.delete(JOINING);
        }
        base.changed();
    }

    /// The code is stretched: open and join.
    pub(crate) fn join(&mut self, base: &mut Base, key: &Stretched, now: Now) {
        let Some(joining) = &mut self.joining else {
            return;
        };
        base.changed();
        if joining.stage != JoinStage::Checking {
            return;
        }
        match invitation::open(&joining.blob, key, now.unix) {
            Ok(opened) => {
                let category = joining.category.clone();
                if let Err(problem) = self.join_opened(base, opened, category, now) {
                    self.join_failed(problem);
                } else {
                    self.joining = None;
                    base.delete(JOINING);
                }
            }
            Err(error) => self.join_failed(invitation_notice(error)),
        }
    }

    pub(super) fn join_failed(&mut self, problem: Notice) {
        if let Some(joining) = &mut self.joining {
            joining.stage = JoinStage::NeedsCode;
            joining.problem = Some(problem);
        }
    }

    pub(super) fn join_opened(
        &mut self,
        base: &mut Base,
        opened: OpenedInvitation,
        category: String,
        now: Now,
    ) -> Result<(), Notice> {
        if opened.inviter().fingerprint() == self.identity.fingerprint() {
            return Err(Notice::InvitationOwn);
        }
        if opened.meeting().node != self.node.origin {
            let node = opened.meeting().node.clone();
            return Err(Notice::InvitationElsewhere { node });
        }
        let meeting = opened.meeting().clone();
        if !is_origin(&meeting.node) {
            return Err(Notice::InvitationMalformed);
        }
        let inbox = new_inbox(base);
        let hello = self.hello(Some(Address {
            node: self.node.origin.clone(),
            mailbox: inbox.mailbox,
            capability: inbox.capability,
        }));
        let device = *self.account.device.as_bytes();
        let joined = opened
            .join(
                &self.identity,
                device,
                &hello.emit(),
                &mut base.rng,
                now.unix,
            )
            .map_err(join_notice)?;
        let acquaintance = Acquaintance {
            state: ContactState::AwaitsApproval,
            public: joined.peer,
            session: joined.session,
            transcript: joined.transcript,
            hello: Hello {
                // The inviter introduces themselves when they accept.
                name: String::new(),
                picture: None,
                address: None,
            },
            category,
            inbox,
            outbox: Address {
                node: meeting.node,
                mailbox: meeting.mailbox,
                capability: meeting.capability,
            },
            join: Some(joined.envelope),
            spent: None,
            turn: Turn::Theirs,
        };
        let id = self.add_contact(base, acquaintance, now);
        if let Some(contact) = self.contacts.get_mut(&id) {
            contact.flush(base, now);
        }
        Ok(())
    }

    /// An answer that never left is of no use once its invitation must have expired.
    pub(crate) fn give_up_late_answer(&mut self, base: &mut Base, id: ContactId, now: Now) {
        let late = self
            .contacts
            .get(&id)
            .is_some_and(|contact| contact.answers_too_late(now));
        if late && self.close_contact(base, id, now) {
            base.notice(Notice::InvitationExpired);
        }
    }

    /// M2 arrived.
    pub(crate) fn accepted(
        &mut self,
        base: &mut Base,
        id: ContactId,
        signature: &[u8],
        hello: Hello,
        now: Now,
    ) {
        let Some(contact) = self
            .contacts
            .get_mut(&id)
            .filter(|contact| contact.stored.state == ContactState::AwaitsApproval)
        else {
            return;
        };
        let verified = contact
            .stored
            .transcript
            .as_ref()
            .is_some_and(|transcript| transcript.verify_accept(&contact.public, signature).is_ok());
        if !verified {
            return base.notice(Notice::TamperingSeen { contact: id });
        }
        contact.stored.transcript = None;
        contact.stored.state = ContactState::Active;
        contact.name = hello.name;
        contact.picture = hello.picture.map(Arc::from);
        // The invitation's mailbox is known to whoever saw link and code; this one is not.
        if let Some(address) = hello.address {
            contact.stored.outbox = Some(address);
        }
        contact.save_profile(base);
        contact.save();
        contact.flush(base, now);
        base.notice(Notice::ContactConfirmed { contact: id });
    }
}

fn code_notice(error: &CodeError) -> Notice {
    match error {
        CodeError::WordCount { found } => Notice::CodeWordCount { found: *found },
        CodeError::UnknownWord { position, nearest } => Notice::CodeUnknownWord {
            position: *position,
            nearest: nearest.map(str::to_owned),
        },
        CodeError::Checksum => Notice::CodeChecksum,
    }
}

fn invitation_notice(error: InvitationError) -> Notice {
    match error {
        InvitationError::Malformed | InvitationError::Version => Notice::InvitationMalformed,
        InvitationError::WrongCode => Notice::CodeWrong,
        InvitationError::Expired => Notice::InvitationExpired,
        InvitationError::Forged => Notice::InvitationForged,
    }
}

fn join_notice(error: JoinError) -> Notice {
    match error {
        JoinError::Expired => Notice::InvitationExpired,
        JoinError::OwnInvitation => Notice::InvitationOwn,
        JoinError::HelloTooLong => Notice::PictureTooLarge,
        JoinError::Failed => Notice::InvitationUnsupported,
    }
}
