// SPDX-License-Identifier: MIT OR Apache-2.0
//! A call that survives the reloading of a page.

use hither_sansio::Now;

use super::{ASK_AGAIN, CONNECT_WITHIN, Call, MEND_FOR, RESUME_WITHIN, StoredCall};
use crate::base::Base;
use crate::client::{CALL, Client};
use crate::contact::MOMENT;
use crate::payload::Signal;
use crate::{CallDirection, CallId, CallStage, ContactId};

impl Client {
    pub(super) fn save_call(&self, base: &mut Base, now: Now) {
        let Some((call, since)) = self
            .call
            .as_ref()
            .and_then(|call| call.since().map(|since| (call, since)))
        else {
            return;
        };
        let stored = StoredCall {
            call: call.id,
            contact: call.contact,
            incoming: call.direction == CallDirection::Incoming,
            since,
            seen: now.unix,
            microphone: call.microphone,
            camera: call.camera,
        };
        base.put(CALL, &stored);
    }

    /// A call was under way when this client was closed.
    pub(crate) fn resume_call(&mut self, base: &mut Base, stored: StoredCall, now: Now) {
        let known = self.contacts.contains_key(&stored.contact);
        let old = now.unix.saturating_since(stored.seen) > RESUME_WITHIN;
        if !known || old {
            return base.delete(CALL);
        }
        let direction = if stored.incoming {
            CallDirection::Incoming
        } else {
            CallDirection::Outgoing
        };
        let since = stored.since;
        self.call = Some(Call {
            microphone: stored.microphone,
            camera: stored.camera,
            remote: [true, false, false],
            give_up: Some(now.instant + MEND_FOR),
            wants_back: true,
            ..Call::new(
                stored.call,
                stored.contact,
                direction,
                CallStage::Reconnecting { since },
            )
        });
        self.apply_media(base);
    }

    pub(crate) fn ask_for_call_back(&mut self, base: &mut Base, now: Now) {
        let Some(call) = self.call.as_mut().filter(|call| call.wants_back) else {
            return;
        };
        call.deadline = Some(now.instant + ASK_AGAIN);
        let signal = Signal::CallResume { call: call.id };
        if let Some(contact) = self.contacts.get_mut(&call.contact) {
            contact.signal(base, &signal, MOMENT);
        }
    }

    /// The other side was reloaded: give it a new link for the same call.
    pub(crate) fn call_wanted_back(
        &mut self,
        base: &mut Base,
        id: ContactId,
        call: CallId,
        now: Now,
    ) {
        let connecting = |own: &&mut Call| {
            own.since().is_some() || (own.stage == CallStage::Connecting && !own.accept_waits)
        };
        let Some(own) = self.call_of(id, call).filter(connecting) else {
            return self.not_our_call(base, id, call);
        };
        let since = own.since().unwrap_or(now.unix);
        own.stage = CallStage::Reconnecting { since };
        own.give_up.get_or_insert(now.instant + MEND_FOR);
        own.wants_back = false;
        own.deadline = Some(now.instant + CONNECT_WITHIN);
        if let Some(contact) = self.contacts.get_mut(&id) {
            contact.renew_spare(base, now);
        }
        self.offer_link(base, id, now);
        base.changed();
    }
}
