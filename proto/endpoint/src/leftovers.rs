// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is still to be done at nodes for something that is gone here: last words to a removed contact, a mailbox
//! to delete, a parked invitation to take back. Stored, so that neither a reload nor a node that is away
//! leaves anything behind.

use std::collections::VecDeque;

use hither_api::{InvitationId, MailboxId, ReadKey, WithdrawKey, header, path};
use serde::{Deserialize, Serialize};

use crate::base::{Base, Purpose};
use crate::client::{Client, Outcome, fate_of};
use crate::contact::{Contact, Posted, WEEK, post_to};
use crate::payload::{Address, Payload};
use crate::{ContactState, Method};

/// The record of mailboxes and invitations.
pub(crate) const LEFTOVERS: &str = "leftovers";
/// More is forgotten, oldest first: the node's own expiry sees to it.
const MAX_LEFTOVERS: usize = 256;

/// What a node should forget.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Leftovers {
    mailboxes: VecDeque<([u8; 32], [u8; 32])>,
    parked: VecDeque<(InvitationId, WithdrawKey)>,
    /// Requests under way, by their number.
    #[serde(skip)]
    asked: Vec<(u32, [u8; 32])>,
}

/// Sealed envelopes for a contact that was removed, in their order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Farewell {
    pub(crate) address: Address,
    pub(crate) envelopes: VecDeque<Vec<u8>>,
}

impl Leftovers {
    pub(crate) fn has_mailboxes(&self) -> bool {
        !self.mailboxes.is_empty()
    }

    pub(crate) fn has_parked(&self) -> bool {
        !self.parked.is_empty()
    }

    fn save(&self, base: &mut Base) {
        if self.mailboxes.is_empty() && self.parked.is_empty() {
            base.delete(LEFTOVERS);
        } else {
            base.put(LEFTOVERS, self);
        }
    }
}

impl Client {
    /// Has a mailbox deleted, now or when the node is there.
    pub(crate) fn drop_mailbox(&mut self, base: &mut Base, mailbox: [u8; 32], read_key: [u8; 32]) {
        self.leftovers.mailboxes.push_back((mailbox, read_key));
        if self.leftovers.mailboxes.len() > MAX_LEFTOVERS {
            self.leftovers.mailboxes.pop_front();
        }
        self.leftovers.save(base);
        self.ask_to_delete(base, mailbox, read_key);
    }

    fn ask_to_delete(&mut self, base: &mut Base, mailbox: [u8; 32], read_key: [u8; 32]) {
        let key = ReadKey::from_bytes(read_key);
        let id = MailboxId::from_bytes(mailbox);
        if let Some(request) = self.node.delete_mailbox(base, id, key) {
            self.leftovers.asked.push((request, mailbox));
        }
    }

    /// The node deleted a mailbox, or never had it.
    pub(crate) fn mailbox_deleted(&mut self, base: &mut Base, request: u32) {
        let asked = &mut self.leftovers.asked;
        let Some(place) = asked.iter().position(|(number, _)| *number == request) else {
            return;
        };
        let (_, mailbox) = asked.swap_remove(place);
        self.leftovers.mailboxes.retain(|(id, _)| *id != mailbox);
        self.leftovers.save(base);
    }

    /// Has a parked invitation taken back, now or when the node is there.
    pub(crate) fn unpark(&mut self, base: &mut Base, place: InvitationId, key: WithdrawKey) {
        self.leftovers.parked.push_back((place, key));
        if self.leftovers.parked.len() > MAX_LEFTOVERS {
            self.leftovers.parked.pop_front();
        }
        self.leftovers.save(base);
        self.ask_to_unpark(base, place, key);
    }

    fn ask_to_unpark(&self, base: &mut Base, place: InvitationId, key: WithdrawKey) {
        let authorization = format!("{} {}", header::WITHDRAW, key.to_text());
        let headers = vec![("authorization", authorization)];
        let url = format!(
            "{}{}/{}",
            self.node.origin,
            path::INVITATIONS,
            place.to_text()
        );
        let purpose = Purpose::Withdraw(place);
        base.http(purpose, Method::Delete, url, headers, Vec::new());
    }

    pub(crate) fn unparked(&mut self, base: &mut Base, place: InvitationId, result: &Outcome) {
        if fate_of(result) != Posted::Later {
            self.leftovers.parked.retain(|(id, _)| *id != place);
            self.leftovers.save(base);
        }
    }

    /// The last envelopes are sealed now, so that the keys can go before they have left.
    pub(crate) fn say_farewell(&mut self, base: &mut Base, contact: &mut Contact) {
        let payload = if contact.stored.state == ContactState::WantsApproval {
            Payload::Reject
        } else {
            Payload::Close
        };
        let Some(farewell) = contact.farewell(base, &payload) else {
            return;
        };
        let name = format!("farewell/{}", contact.id.to_hex());
        base.put(&name, &farewell);
        self.farewells.insert(name.clone(), farewell);
        self.post_farewell(base, &name);
    }

    /// One after the other, so that they arrive in order.
    fn post_farewell(&self, base: &mut Base, name: &str) {
        let Some(farewell) = self.farewells.get(name) else {
            return;
        };
        if let Some(first) = farewell.envelopes.front() {
            let purpose = Purpose::Farewell(name.to_owned());
            post_to(base, &farewell.address, purpose, first.clone(), WEEK);
        }
    }

    pub(crate) fn farewell_posted(&mut self, base: &mut Base, name: &str, result: &Outcome) {
        let Some(farewell) = self.farewells.get_mut(name) else {
            return;
        };
        match fate_of(result) {
            Posted::Later => return,
            Posted::Taken => drop(farewell.envelopes.pop_front()),
            // Their mailbox is gone: nobody is left to be told.
            Posted::Refused => farewell.envelopes.clear(),
        }
        if farewell.envelopes.is_empty() {
            self.farewells.remove(name);
            base.delete(name);
        } else {
            base.put(name, &*farewell);
            self.post_farewell(base, name);
        }
    }

    /// Once more what nodes have put off; what is under way already goes on.
    pub(crate) fn retry_leftovers(&self, base: &mut Base) {
        for (place, key) in self.leftovers.parked.clone() {
            if base.asked(|why| *why == Purpose::Withdraw(place)) == 0 {
                self.ask_to_unpark(base, place, key);
            }
        }
        let names: Vec<String> = self.farewells.keys().cloned().collect();
        for name in names {
            let purpose = Purpose::Farewell(name.clone());
            if base.asked(|why| *why == purpose) == 0 {
                self.post_farewell(base, &name);
            }
        }
    }

    /// After signing in: everything that could not be done before.
    pub(crate) fn clear_leftovers(&mut self, base: &mut Base) {
        self.leftovers.asked.clear();
        for (mailbox, read_key) in self.leftovers.mailboxes.clone() {
            self.ask_to_delete(base, mailbox, read_key);
        }
        for (place, key) in self.leftovers.parked.clone() {
            base.forget_purpose(&Purpose::Withdraw(place));
            self.ask_to_unpark(base, place, key);
        }
        let names: Vec<String> = self.farewells.keys().cloned().collect();
        for name in names {
            base.forget_purpose(&Purpose::Farewell(name.clone()));
            self.post_farewell(base, &name);
        }
    }
}
