// SPDX-License-Identifier: MIT OR Apache-2.0
//! Conversations: texts, how far they got, reading and typing.

use std::sync::Arc;

use hither_sansio::{Duration, Now, UnixTime};

use crate::base::Base;
use crate::client::{Client, StoredText};
use crate::contact::{Contact, MOMENT, WEEK};
use crate::payload::{MAX_TEXT, Payload, Signal};
use crate::{ContactId, ContactState, Delivery, Event, MessageId, Notice};

/// How long "is typing" stands without another sign.
const TYPING_FOR: Duration = Duration::from_secs(6);
/// Signs of typing are sent no more often than this.
const TYPING_EVERY: Duration = Duration::from_secs(3);

/// Texts that somebody may leave here before they are approved.
const MAX_UNAPPROVED: u64 = 32;

fn text_name(id: ContactId, place: u64) -> String {
    format!("{}text/{place:016x}", Contact::prefix(id))
}

impl Client {
    pub(crate) fn send_text(&mut self, base: &mut Base, id: ContactId, text: &str, now: Now) {
        let text = text.trim_end();
        if text.trim().is_empty() || text.len() > MAX_TEXT {
            return base.notice(Notice::TextInvalid);
        }
        let Some(contact) = self.contacts.get_mut(&id).filter(|contact| {
            matches!(
                contact.stored.state,
                ContactState::Active | ContactState::AwaitsApproval
            )
        }) else {
            return base.notice(Notice::NotNow);
        };
        let number = contact.stored.own_texts.saturating_add(1);
        if contact.stored.state == ContactState::AwaitsApproval && number > MAX_UNAPPROVED {
            return base.notice(Notice::NotNow);
        }
        let payload = Payload::Text {
            number,
            time: now.unix.as_millis(),
            text: text.to_owned(),
        };
        contact.stored.own_texts = number;
        if !contact.send(base, &payload, Some(number), now) {
            contact.stored.own_texts = number - 1;
            return base.notice(Notice::NotNow);
        }
        contact.typing_sent = None;
        let over_channel = contact.channel_open();
        let message = MessageId { mine: true, number };
        let stored = StoredText {
            text: Arc::from(text),
            place: 0,
            time: now.unix,
            delivery: if over_channel {
                Delivery::Sent
            } else {
                Delivery::Queued
            },
        };
        self.keep(base, id, message, stored);
        self.commit_after(base, id, now);
    }

    fn commit_after(&mut self, base: &mut Base, id: ContactId, now: Now) {
        if let Some(contact) = self.contacts.get_mut(&id) {
            contact.commit_if_due(base, false, now);
        }
    }

    fn keep(&mut self, base: &mut Base, id: ContactId, message: MessageId, mut stored: StoredText) {
        let texts = self.texts.entry(id).or_default();
        stored.place = texts
            .last()
            .map_or(0, |(_, last)| last.place.saturating_add(1));
        base.put(&text_name(id, stored.place), &(message, &stored));
        texts.push((message, stored));
        base.changed();
    }

    pub(crate) fn text_arrived(
        &mut self,
        base: &mut Base,
        id: ContactId,
        number: u64,
        time: u64,
        text: String,
        now: Now,
    ) {
        let Some(contact) = self.contacts.get_mut(&id) else {
            return;
        };
        // The stream is complete and in order, so a writer's numbers have no gaps.
        if number != contact.stored.their_texts.saturating_add(1) {
            return base.notice(Notice::TamperingSeen { contact: id });
        }
        contact.stored.their_texts = number;
        if contact.stored.state == ContactState::WantsApproval && number > MAX_UNAPPROVED {
            // Their own client would not have let them.
            return contact.save();
        }
        contact.typing_until = None;
        let shown = self.open == Some(id);
        if shown && contact.stored.state == ContactState::Active {
            contact.stored.read = number;
            contact.tell_read(base);
        } else if !shown {
            contact.stored.unread = contact.stored.unread.saturating_add(1);
            base.event(Event::Unread { contact: id });
        }
        contact.save();
        let message = MessageId {
            mine: false,
            number,
        };
        let stored = StoredText {
            text: Arc::from(text),
            place: 0,
            // A writer's clock may be wrong; a text from the future would stand below for ever.
            time: UnixTime::from_millis(time).min(now.unix),
            delivery: Delivery::Delivered,
        };
        self.keep(base, id, message, stored);
    }

    /// Our texts up to `number` got at least so far.
    pub(crate) fn mark(&mut self, base: &mut Base, id: ContactId, number: u64, delivery: Delivery) {
        let Some(texts) = self.texts.get_mut(&id) else {
            return;
        };
        for (message, stored) in texts.iter_mut().rev() {
            if !message.mine || message.number > number {
                continue;
            }
            // Only this one was handed over; but what is older was delivered no later than what is newer.
            let alone = delivery <= Delivery::Sent;
            if (alone && message.number < number) || (!alone && stored.delivery >= delivery) {
                break;
            }
            if stored.delivery < delivery {
                stored.delivery = delivery;
                base.put(&text_name(id, stored.place), &(*message, &*stored));
                base.changed();
            }
        }
    }

    /// They say what they were shown; it cannot be more than has left.
    pub(crate) fn they_read(&mut self, base: &mut Base, id: ContactId, up_to: u64) {
        let own = self
            .contacts
            .get(&id)
            .map_or(0, |contact| contact.stored.own_texts);
        if up_to <= own {
            self.mark(base, id, up_to, Delivery::Read);
        } else {
            base.notice(Notice::TamperingSeen { contact: id });
        }
    }

    pub(crate) fn open_conversation(&mut self, base: &mut Base, id: ContactId, now: Now) {
        let Some(contact) = self.contacts.get_mut(&id) else {
            return;
        };
        self.open = Some(id);
        let newest = contact.stored.their_texts;
        if newest > contact.stored.read && contact.stored.state == ContactState::Active {
            contact.stored.read = newest;
            contact.tell_read(base);
            contact.save();
        }
        if contact.stored.unread > 0 {
            contact.stored.unread = 0;
            contact.save();
        }
        // A call may be near: it begins in a fresh epoch, and waits for none.
        contact.commit_if_due(base, true, now);
        base.changed();
    }

    pub(crate) fn typing(&mut self, base: &mut Base, id: ContactId, now: Now) {
        let Some(contact) = self.contacts.get_mut(&id) else {
            return;
        };
        let again = contact
            .typing_sent
            .is_none_or(|at| now.instant.saturating_since(at) >= TYPING_EVERY);
        if again && contact.stored.state == ContactState::Active {
            contact.typing_sent = Some(now.instant);
            contact.signal(base, &Signal::Typing, 5);
        }
    }

    pub(crate) fn they_type(&mut self, base: &mut Base, id: ContactId, now: Now) {
        if let Some(contact) = self.contacts.get_mut(&id) {
            contact.typing_until = Some(now.instant + TYPING_FOR);
            base.changed();
        }
    }

    // ---- always direct

    pub(crate) fn set_always_direct(&mut self, base: &mut Base, id: ContactId, on: bool, now: Now) {
        let Some(contact) = self.contacts.get_mut(&id) else {
            return base.notice(Notice::NotNow);
        };
        if contact.stored.state != ContactState::Active {
            return base.notice(Notice::NotNow);
        }
        contact.stored.always_direct = on;
        contact.save();
        contact.signal(base, &Signal::AlwaysDirect { on }, WEEK);
        base.changed();
        self.follow_always_direct(base, id, now);
    }

    pub(crate) fn they_always_direct(
        &mut self,
        base: &mut Base,
        id: ContactId,
        on: bool,
        now: Now,
    ) {
        let Some(contact) = self.contacts.get_mut(&id) else {
            return;
        };
        if contact.stored.peer_always_direct != on {
            contact.stored.peer_always_direct = on;
            contact.save();
        }
        self.follow_always_direct(base, id, now);
    }

    /// Both want a standing link: leaf 0 offers it. One does not: it is closed.
    pub(crate) fn follow_always_direct(&mut self, base: &mut Base, id: ContactId, now: Now) {
        if self.is_in_call_with(id) {
            return;
        }
        let Some(contact) = self.contacts.get_mut(&id) else {
            return;
        };
        if !contact.wants_standing_link() {
            contact.close_link(base, now);
        } else if contact.link.is_none() && contact.session.own_leaf() == 0 && self.node.is_online()
        {
            self.offer_link(base, id, now);
        }
    }

    /// After signing in: standing links again, and the other side is reminded.
    pub(crate) fn always_direct_again(&mut self, base: &mut Base, now: Now) {
        let ids: Vec<ContactId> = self
            .contacts
            .values()
            .filter(|contact| contact.stored.always_direct && contact.link.is_none())
            .filter(|contact| contact.stored.state == ContactState::Active)
            .map(|contact| contact.id)
            .collect();
        for id in ids {
            if let Some(contact) = self.contacts.get_mut(&id) {
                contact.signal(base, &Signal::AlwaysDirect { on: true }, MOMENT);
            }
            self.follow_always_direct(base, id, now);
        }
    }
}
