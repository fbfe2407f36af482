// SPDX-License-Identifier: MIT OR Apache-2.0
//! The link of a call: offered, taken, broken and mended.

use hither_sansio::Now;

use super::{CONNECT_WITHIN, MEND_FOR, SAVE_EVERY};
use crate::base::Base;
use crate::client::Client;
use crate::contact::Contact;
use crate::links::{OfferWith, Opening};
use crate::payload::LinkOffer;
use crate::{CallDirection, CallId, CallStage, ContactId, LinkRole, LinkState};

impl Client {
    /// The link of a call that rings there: over the relay, and no word of whether anybody takes it.
    pub(crate) fn ring_offered(
        &mut self,
        base: &mut Base,
        id: ContactId,
        offer: LinkOffer,
        now: Now,
    ) {
        let Some(own) = offer.call.and_then(|call| self.call_of(id, call)) else {
            return;
        };
        if own.direction != CallDirection::Outgoing {
            return;
        }
        if own.stage == CallStage::Calling {
            own.stage = CallStage::Ringing;
        }
        let waits = matches!(own.stage, CallStage::Ringing | CallStage::Connecting);
        let contact = self.contacts.get_mut(&id);
        if let Some(contact) = contact.filter(|contact| waits && contact.awaits(&offer)) {
            contact.apply_offer(base, offer, now);
        }
        base.changed();
    }

    /// An offer of a link: for the call, or for a standing link.
    pub(crate) fn link_offered(
        &mut self,
        base: &mut Base,
        id: ContactId,
        offer: LinkOffer,
        now: Now,
    ) {
        let for_call = match offer.call {
            Some(call) => match self.call_of(id, call) {
                // Only the person takes a call.
                Some(own) if own.rings_here() => return,
                Some(_) => true,
                None => return self.not_our_call(base, id, call),
            },
            None => false,
        };
        let in_call = self.is_in_call_with(id);
        let Some(contact) = self.contacts.get_mut(&id) else {
            return;
        };
        if !for_call && (in_call || !contact.wants_standing_link()) {
            return contact.link_unknown(base, offer.token);
        }
        let fits = contact.awaits(&offer);
        let again = contact
            .link
            .as_ref()
            .is_some_and(|l| l.token == offer.token);
        if (again && !fits) || self.own_offer_stands(id) {
            return;
        }
        if for_call {
            self.offered_for_call(base, id, now);
        }
        let Some(contact) = self.contacts.get(&id) else {
            return;
        };
        if !fits {
            let Some(secrets) = contact.secrets_of(offer.epoch) else {
                return;
            };
            let opening = Opening {
                id: base.next_link(),
                role: LinkRole::Answerer,
                token: offer.token,
                secrets,
                salt: base.random(),
                peer_salt: Some(offer.salt),
                ice: self.ice(id),
                veiled: false,
                offer_with: OfferWith::Itself,
                call: offer.call,
            };
            self.open_link(base, id, opening, now);
        }
        if let Some(contact) = self.contacts.get_mut(&id) {
            contact.apply_offer(base, offer, now);
        }
        base.changed();
    }

    /// Both offered a link for the call at the same moment: that of whoever was called stands.
    pub(super) fn own_offer_stands(&self, id: ContactId) -> bool {
        let called = self.call.as_ref().is_some_and(|call| {
            call.contact == id && call.direction == CallDirection::Incoming && !call.is_over()
        });
        let link = self
            .contacts
            .get(&id)
            .and_then(|contact| contact.link.as_ref());
        called && link.is_some_and(|link| link.role == LinkRole::Offerer && !link.negotiated)
    }

    /// A link for the call is offered: whoever does that has taken the call.
    pub(super) fn offered_for_call(&mut self, base: &mut Base, id: ContactId, now: Now) {
        let Some(call) = &mut self.call else {
            return;
        };
        call.wants_back = false;
        let taken = matches!(call.stage, CallStage::Calling | CallStage::Ringing);
        if taken {
            call.stage = CallStage::Connecting;
            call.remote = [true, false, false];
        }
        call.deadline = Some(now.instant + CONNECT_WITHIN);
        if taken {
            self.unveil(base, id, now);
            self.apply_media(base);
        }
    }

    /// Opens a link to the contact as its offerer, for the call if there is one.
    pub(crate) fn offer_link(&mut self, base: &mut Base, id: ContactId, now: Now) {
        let call = self
            .call
            .as_ref()
            .filter(|call| call.contact == id && !call.is_over())
            .map(|call| call.id);
        self.open_offer(base, id, call, OfferWith::Itself, now);
    }

    pub(super) fn open_offer(
        &mut self,
        base: &mut Base,
        id: ContactId,
        call: Option<CallId>,
        offer_with: OfferWith,
        now: Now,
    ) {
        let Some(contact) = self.contacts.get(&id) else {
            return;
        };
        let opening = Opening {
            id: base.next_link(),
            role: LinkRole::Offerer,
            token: base.random(),
            secrets: contact.stored.current.clone(),
            salt: base.random(),
            peer_salt: None,
            ice: self.ice(id),
            veiled: false,
            offer_with,
            call,
        };
        self.open_link(base, id, opening, now);
    }

    pub(crate) fn call_link_state(
        &mut self,
        base: &mut Base,
        id: ContactId,
        state: LinkState,
        now: Now,
    ) {
        match state {
            LinkState::Connected => self.activate_if_connected(base, id, now),
            LinkState::Interrupted | LinkState::Failed => {
                // As long as the spare carries it, the person need not know.
                if !self.contacts.get(&id).is_some_and(Contact::carries) {
                    self.mend(base, id, now);
                }
            }
            LinkState::Connecting => {}
        }
    }

    pub(crate) fn activate_if_connected(&mut self, base: &mut Base, id: ContactId, now: Now) {
        let connected = self.contacts.get(&id).is_some_and(Contact::carries);
        let Some(call) = self.call.as_mut().filter(|call| call.contact == id) else {
            return;
        };
        if !connected {
            return;
        }
        let since = match call.stage {
            CallStage::Connecting => now.unix,
            CallStage::Reconnecting { since } => since,
            CallStage::Calling
            | CallStage::Ringing
            | CallStage::Active { .. }
            | CallStage::Ended { .. } => return,
        };
        call.stage = CallStage::Active { since };
        call.deadline = None;
        call.give_up = None;
        call.save_at = Some(now.instant + SAVE_EVERY);
        call.wants_back = false;
        self.tell_media(base);
        self.save_call(base, now);
        self.follow_call(base, id, now);
        base.changed();
    }

    pub(crate) fn call_channel_opened(&mut self, base: &mut Base, id: ContactId) {
        let rings = self.call.as_ref().is_some_and(super::Call::rings_here);
        if self.is_in_call_with(id) && !rings {
            self.tell_media(base);
        }
    }

    /// The path broke in an active call.
    pub(crate) fn mend(&mut self, base: &mut Base, id: ContactId, now: Now) {
        let Some(call) = self.call.as_mut().filter(|call| call.contact == id) else {
            return;
        };
        if let CallStage::Active { since } = call.stage {
            call.stage = CallStage::Reconnecting { since };
            call.give_up = Some(now.instant + MEND_FOR);
            base.changed();
        }
    }

    /// The link of the call is gone for good; whoever called opens a new one.
    pub(crate) fn call_link_gone(&mut self, base: &mut Base, id: ContactId, now: Now) {
        if !self.is_in_call_with(id) {
            return;
        }
        let carried = self.contacts.get(&id).is_some_and(Contact::carries);
        if !carried {
            self.mend(base, id, now);
        }
        let mending = carried
            || self.call.as_ref().is_some_and(|call| {
                matches!(
                    call.stage,
                    CallStage::Connecting | CallStage::Reconnecting { .. }
                )
            });
        if mending {
            self.offer_link_again(base, id, now);
        }
    }

    pub(super) fn offer_link_again(&mut self, base: &mut Base, id: ContactId, now: Now) {
        if let Some(call) = &mut self.call {
            call.deadline = Some(now.instant + CONNECT_WITHIN);
            call.accept_waits = false;
            // Only one side offers, so that two new links do not meet half-way.
            if call.direction == CallDirection::Incoming {
                self.offer_link(base, id, now);
            }
        }
    }
}
