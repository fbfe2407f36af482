// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls that nobody answered: each leaves a line in its conversation, on this device only.

use hither_sansio::UnixTime;
use serde::{Deserialize, Serialize};

use crate::base::Base;
use crate::client::{Client, Texts};
use crate::contact::Contact;
use crate::{CallDirection, CallId, ContactId, EndReason, PastCallView};

/// Such calls that are remembered of a contact.
const MAX_PAST: usize = 100;

/// A call that nobody answered, as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PastCall {
    call: CallId,
    incoming: bool,
    video: bool,
    time: UnixTime,
    reason: EndReason,
    /// The next text after it would have stood here.
    place: u64,
}

impl PastCall {
    /// Where it stands among others, see [`Client::restore`].
    pub(crate) fn order(&self) -> (u64, UnixTime) {
        (self.place, self.time)
    }

    fn show(&self, texts: &Texts) -> PastCallView {
        let above = texts.partition_point(|(_, text)| text.place < self.place);
        let above = above.checked_sub(1).and_then(|above| texts.get(above));
        PastCallView {
            id: self.call,
            direction: if self.incoming {
                CallDirection::Incoming
            } else {
                CallDirection::Outgoing
            },
            video: self.video,
            time: self.time,
            reason: self.reason,
            after: above.map(|(id, _)| *id),
        }
    }
}

fn past_name(id: ContactId, call: CallId) -> String {
    format!("{}call/{}", Contact::prefix(id), call.to_hex())
}

impl Client {
    /// Leaves a line about a call that nobody answered; `false` if there is one.
    pub(super) fn remember_unanswered(
        &mut self,
        base: &mut Base,
        id: ContactId,
        (call, video): (CallId, bool),
        (direction, reason): (CallDirection, EndReason),
        time: UnixTime,
    ) -> bool {
        let Some(contact) = self.contacts.get_mut(&id) else {
            return false;
        };
        let past = self.past_calls.entry(id).or_default();
        if past.iter().any(|old| old.call == call) {
            return false;
        }
        let incoming = direction == CallDirection::Incoming;
        if incoming && self.open != Some(id) {
            contact.stored.unread = contact.stored.unread.saturating_add(1);
            contact.save();
        }
        let texts = self.texts.get(&id).and_then(|texts| texts.last());
        let line = PastCall {
            call,
            incoming,
            video,
            time,
            reason,
            place: texts.map_or(0, |(_, last)| last.place.saturating_add(1)),
        };
        base.put(&past_name(id, call), &line);
        past.push(line);
        if past.len() > MAX_PAST {
            let oldest = past.remove(0);
            base.delete(&past_name(id, oldest.call));
        }
        base.changed();
        true
    }

    /// The calls that stand below the texts from `start` on, or above all if nothing is left out.
    pub(crate) fn show_past_calls(&self, id: ContactId, start: usize) -> Vec<PastCallView> {
        let (Some(past), Some(texts)) = (self.past_calls.get(&id), self.texts.get(&id)) else {
            return Vec::new();
        };
        let first = texts.get(start).map_or(0, |(_, first)| first.place);
        past.iter()
            .filter(|call| start == 0 || call.place > first)
            .map(|call| call.show(texts))
            .collect()
    }

    /// The newest of them, unless somebody has written since.
    pub(crate) fn last_call(&self, id: ContactId) -> Option<PastCallView> {
        let texts = self.texts.get(&id)?;
        let last = self.past_calls.get(&id)?.last()?;
        let newest = texts.last().is_none_or(|(_, text)| text.place < last.place);
        newest.then(|| last.show(texts))
    }
}
