// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a call ends, and what is said about it.

use hither_sansio::{Instant, Now};

use super::{Call, END_KEPT, MAX_ENDED, STALE_AFTER};
use crate::base::Base;
use crate::client::{CALL, Client};
use crate::payload::{Signal, WireEnd};
use crate::{CallDirection, CallId, CallStage, ContactId, EndReason, Event, LinkAction, Notice};

/// The end of a call that could not be said when it came.
#[derive(Debug)]
pub(crate) struct UntoldEnd {
    contact: ContactId,
    call: CallId,
    end: WireEnd,
    at: Instant,
}

impl Call {
    /// What is to be remembered of a call that ends before anybody took it. Who declines knows it.
    fn unanswered(&self, reason: EndReason) -> Option<(bool, (CallDirection, EndReason))> {
        let [_, their_camera, _] = self.remote;
        match (self.stage, self.direction, reason) {
            (CallStage::Ringing, CallDirection::Incoming, EndReason::Declined) => None,
            (CallStage::Ringing, CallDirection::Incoming, _) => {
                Some((their_camera, (self.direction, EndReason::Missed)))
            }
            (CallStage::Calling | CallStage::Ringing, CallDirection::Outgoing, _) => {
                Some((self.camera, (self.direction, reason)))
            }
            _ => None,
        }
    }
}

impl Client {
    pub(crate) fn hang_up(&mut self, base: &mut Base, now: Now) {
        let Some(call) = self.call.as_ref().filter(|call| !call.is_over()) else {
            return base.notice(Notice::NotNow);
        };
        let (end, reason) = if call.rings_here() {
            (WireEnd::Declined, EndReason::Declined)
        } else {
            (WireEnd::HungUp, EndReason::HungUp)
        };
        self.finish(base, Some(end), reason, now);
    }

    /// The vault is being closed: the call ends here, and its end leaves with the next unlocking or never.
    pub(crate) fn hang_up_silently(&mut self, base: &mut Base, now: Now) {
        if self.call.as_ref().is_some_and(|call| !call.is_over()) {
            self.finish(base, Some(WireEnd::HungUp), EndReason::HungUp, now);
        }
    }

    pub(crate) fn call_ended(
        &mut self,
        base: &mut Base,
        id: ContactId,
        call: CallId,
        end: WireEnd,
        now: Now,
    ) {
        let Some(own) = self.call_of(id, call) else {
            // Its offer may still be under way.
            return self.remember_ended(call, false);
        };
        let ringing_here = own.rings_here();
        let reason = match end {
            WireEnd::HungUp | WireEnd::NoAnswer if ringing_here => EndReason::Missed,
            WireEnd::HungUp => EndReason::RemoteHungUp,
            WireEnd::Declined => EndReason::Declined,
            WireEnd::Busy => EndReason::Busy,
            WireEnd::NoAnswer => EndReason::NoAnswer,
            WireEnd::Lost => EndReason::Lost,
        };
        self.finish(base, None, reason, now);
    }

    pub(crate) fn end_call_with(&mut self, base: &mut Base, id: ContactId, now: Now) {
        if self.is_in_call_with(id) {
            self.finish(base, Some(WireEnd::HungUp), EndReason::HungUp, now);
        }
    }

    pub(super) fn finish(
        &mut self,
        base: &mut Base,
        tell: Option<WireEnd>,
        reason: EndReason,
        now: Now,
    ) {
        let Some(call) = &mut self.call else {
            return;
        };
        if call.rings_here() {
            base.event(Event::RingStopped);
        }
        let unanswered = call.unanswered(reason);
        call.stage = CallStage::Ended { reason };
        call.deadline = None;
        call.give_up = None;
        call.save_at = None;
        call.wants_back = false;
        call.accept_waits = false;
        // Whoever is away is told of it all the same.
        let offer = call.offer.take();
        let (id, call) = (call.contact, call.id);
        self.remember_ended(call, true);
        if let Some(contact) = self.contacts.get_mut(&id) {
            if let Some((_, offer)) = offer {
                contact.send(base, &offer, None, now);
            }
            if let Some(end) = tell {
                contact.signal_twice(base, &Signal::CallEnd { call, end }, END_KEPT);
            }
            contact.end_spare(base, now);
            if !contact.may_keep_link() {
                contact.close_link(base, now);
            }
        }
        if let Some(end) = tell.filter(|_| !self.node.is_online()) {
            self.keep_end(id, call, end, now);
        }
        base.link(LinkAction::ReleaseCapture);
        if let Some(contact) = self.contacts.get_mut(&id) {
            contact.call_over(base, now);
        }
        self.follow_always_direct(base, id, now);
        if let Some((video, how)) = unanswered {
            self.remember_unanswered(base, id, (call, video), how, now.unix);
        }
        base.delete(CALL);
        base.changed();
    }

    fn keep_end(&mut self, contact: ContactId, call: CallId, end: WireEnd, now: Now) {
        if self.untold_ends.len() >= MAX_ENDED {
            self.untold_ends.pop_front();
        }
        self.untold_ends.push_back(UntoldEnd {
            contact,
            call,
            end,
            at: now.instant,
        });
    }

    /// The node is back: what ended meanwhile is said before the offers that waited with it, or they would ring.
    pub(crate) fn tell_ends(&mut self, base: &mut Base, now: Now) {
        for UntoldEnd {
            contact,
            call,
            end,
            at,
        } in core::mem::take(&mut self.untold_ends)
        {
            let rings = now.instant.saturating_since(at) <= STALE_AFTER;
            if let Some(contact) = self.contacts.get_mut(&contact).filter(|_| rings) {
                contact.signal_twice(base, &Signal::CallEnd { call, end }, END_KEPT);
            }
        }
    }

    pub(crate) fn dismiss_call(&mut self, base: &mut Base) {
        if self.call.as_ref().is_some_and(Call::is_over) {
            self.call = None;
            base.changed();
        }
    }
}
