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

fn text_name(id: ContactId, place: usize) -> String {
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
        let number = contact.stored.own_texts + 1;
        contact.stored.own_texts = number;
        let message = MessageId { mine: true, number };
        let stored = StoredText {
            text: Arc::from(text),
            time: now.unix,
            delivery: Delivery::Queued,
        };
        self.keep(base, id, message, stored);
        let payload = Payload::Text {
            number,
            time: now.unix.as_millis(),
            text: text.to_owned(),
        };
        if let Some(contact) = self.contacts.get_mut(&id) {
            contact.typing_sent = None;
            contact.send(base, &payload, Some(number), now);
            if contact.channel_open() {
                self.mark(base, id, number, Delivery::Sent);
            }
            self.commit_after(base, id, now);
        }
    }

    fn commit_after(&mut self, base: &mut Base, id: ContactId, now: Now) {
        if let Some(contact) = self.contacts.get_mut(&id) {
            contact.commit_if_due(base, false, now);
        }
    }

    fn keep(&mut self, base: &mut Base, id: ContactId, message: MessageId, stored: StoredText) {
        let texts = self.texts.entry(id).or_default();
        base.put(&text_name(id, texts.len()), &(message, &stored));
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
        let message = MessageId {
            mine: false,
            number,
        };
        // A writer's clock may be wrong; a text from the future would stand below for ever.
        let time = UnixTime::from_millis(time).min(now.unix);
        let stored = StoredText {
            text: Arc::from(text),
            time,
            delivery: Delivery::Delivered,
        };
        self.keep(base, id, message, stored);
        let shown = self.open == Some(id);
        if let Some(contact) = self.contacts.get_mut(&id) {
            contact.typing_until = None;
            if shown {
                contact.stored.read = number;
                contact.signal(base, &Signal::Read { up_to: number }, WEEK);
            } else {
                contact.stored.unread = contact.stored.unread.saturating_add(1);
                base.event(Event::Unread { contact: id });
            }
            contact.save(base);
        }
    }

    /// Our texts up to `number` got at least so far.
    pub(crate) fn mark(&mut self, base: &mut Base, id: ContactId, number: u64, delivery: Delivery) {
        let Some(texts) = self.texts.get_mut(&id) else {
            return;
        };
        for (place, (message, stored)) in texts.iter_mut().enumerate().rev() {
            if !message.mine || message.number > number {
                continue;
            }
            if stored.delivery >= delivery {
                // Whatever is older got at least as far, unless only this one was sent.
                if delivery > Delivery::Sent {
                    break;
                }
                continue;
            }
            if delivery == Delivery::Sent && message.number != number {
                continue;
            }
            stored.delivery = delivery;
            base.put(&text_name(id, place), &(*message, &*stored));
            base.changed();
        }
    }

    pub(crate) fn open_conversation(&mut self, base: &mut Base, id: ContactId) {
        let Some(contact) = self.contacts.get_mut(&id) else {
            return;
        };
        self.open = Some(id);
        let newest = self
            .texts
            .get(&id)
            .and_then(|texts| texts.iter().rev().find(|(message, _)| !message.mine))
            .map_or(0, |(message, _)| message.number);
        let agreed = contact.stored.state == ContactState::Active;
        if newest > contact.stored.read && agreed {
            contact.stored.read = newest;
            contact.signal(base, &Signal::Read { up_to: newest }, WEEK);
        }
        if contact.stored.unread > 0 {
            contact.stored.unread = 0;
            contact.save(base);
        }
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
            return;
        };
        contact.stored.always_direct = on;
        contact.save(base);
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
            contact.save(base);
        }
        self.follow_always_direct(base, id, now);
    }

    /// Both want a standing link: leaf 0 offers it. One does not: it is closed.
    fn follow_always_direct(&mut self, base: &mut Base, id: ContactId, now: Now) {
        let in_call = self.is_in_call_with(id);
        let Some(contact) = self.contacts.get_mut(&id) else {
            return;
        };
        let wanted = contact.stored.always_direct && contact.stored.peer_always_direct;
        if !wanted && !in_call {
            contact.close_link(base, now);
        } else if wanted
            && contact.link.is_none()
            && contact.session.own_leaf() == 0
            && self.node.is_online()
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
