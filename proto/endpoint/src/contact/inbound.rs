// SPDX-License-Identifier: MIT OR Apache-2.0
//! What arrives from a contact: opened, put in order, or held and told apart from what is forged.

use hither_crypto::envelope;
use hither_crypto::envelope::{HeaderKey, Kind};
use hither_crypto::invitation::RedeemError;
use hither_crypto::quick::QuickOpener;
use hither_crypto::session::{EpochSecrets, Received};
use hither_sansio::Now;

use super::{
    ACK_DELAY, Contact, HELD_FOR, Held, Inbound, MAX_HELD, OPENED_STORED_WITHIN, Sealed, Source,
    Stray, Turn, digest,
};
use crate::ContactState;
use crate::base::Base;
use crate::payload::{Payload, Signal};
use crate::stream::Arrival;

impl Contact {
    /// An envelope arrived. What came out of it is in the order in which it counts.
    pub(crate) fn handle_envelope(
        &mut self,
        base: &mut Base,
        bytes: Vec<u8>,
        from: Source,
        own: &hither_crypto::identity::Identity,
        now: Now,
    ) -> Vec<Inbound> {
        let mut inbound = Vec::new();
        if self.stored.state == ContactState::Closed {
            self.settle(from);
            return inbound;
        }
        if !self.open(base, &bytes, from, now, &mut inbound) {
            match self.stray(&bytes, own, now) {
                Stray::Late => self.settle(from),
                Stray::SecondUse(note) => {
                    self.settle(from);
                    inbound.push(Inbound::Replayed(note));
                }
                Stray::Unknown => self.hold(bytes, from, now),
            }
        }
        self.retry_held(base, now, &mut inbound);
        inbound
    }

    /// Opens one envelope; `false` if no key opens it yet.
    pub(super) fn open(
        &mut self,
        base: &mut Base,
        bytes: &[u8],
        from: Source,
        now: Now,
        inbound: &mut Vec<Inbound>,
    ) -> bool {
        let mailbox = envelope::mailbox(bytes);
        if !self.inboxes().any(|inbox| Some(inbox.mailbox) == mailbox) {
            self.settle(from);
            inbound.push(Inbound::Tampered);
            return true;
        }
        let pending = self.session.pending_secrets();
        let epochs: Vec<&EpochSecrets> = core::iter::once(&self.stored.current)
            .chain(pending.as_ref())
            .chain(self.stored.previous.as_ref())
            .collect();
        let keys: Vec<_> = epochs.iter().map(|secrets| &secrets.header).collect();
        let opened = match envelope::open(&keys, bytes) {
            Ok(opened) => opened,
            Err(envelope::OpenError::NoKey) => return false,
            Err(envelope::OpenError::Malformed | envelope::OpenError::Version) => {
                self.settle(from);
                inbound.push(Inbound::Tampered);
                return true;
            }
        };
        let Some(secrets) = epochs
            .get(opened.key_index)
            .map(|secrets| (*secrets).clone())
        else {
            return false;
        };
        match opened.kind {
            Kind::Quick => {
                self.open_quick(base, &secrets, &opened.body, now, inbound);
                self.settle(from);
            }
            Kind::Mls => {
                let message = Sealed {
                    epoch: secrets.epoch,
                    body: opened.body,
                    from,
                };
                match self.receiver.arrive(opened.sequence, message) {
                    Arrival::Kept => self.take_ready(now, inbound),
                    // What is not safe here stays where it is.
                    Arrival::Duplicate if opened.sequence > self.receiver.received() => {}
                    Arrival::Refused => {}
                    Arrival::Duplicate => self.settle(from),
                }
                self.owe_ack(from, now);
            }
            // A kind of a later version: nothing here can read it.
            _ => self.settle(from),
        }
        true
    }

    pub(super) fn open_quick(
        &mut self,
        base: &mut Base,
        secrets: &EpochSecrets,
        body: &[u8],
        now: Now,
        inbound: &mut Vec<Inbound>,
    ) {
        let leaf = self.session.peer_leaf();
        let opener = self
            .openers
            .entry(secrets.epoch)
            .or_insert_with(|| QuickOpener::new(secrets, leaf));
        let Ok(plaintext) = opener.open(body) else {
            return;
        };
        self.opened_due
            .get_or_insert(now.instant + OPENED_STORED_WITHIN);
        match Signal::parse(&plaintext) {
            Ok(Signal::Ack { up_to, sent }) => {
                if up_to > self.sender.sent() {
                    return inbound.push(Inbound::Tampered);
                }
                // Of two acknowledgements that overtook each other, the later one counts.
                self.peer_sent = self.peer_sent.max(Some((up_to, sent)));
                self.acknowledged(base, up_to, now, inbound);
            }
            Ok(signal) => inbound.push(Inbound::Signal(signal)),
            Err(_) => inbound.push(Inbound::Tampered),
        }
    }

    pub(super) fn take_ready(&mut self, now: Now, inbound: &mut Vec<Inbound>) {
        while let Some(Sealed { epoch, body, from }) = self.receiver.next_ready() {
            if self.session.pending() && epoch > self.stored.current.epoch {
                // They speak in the epoch of our commit: they have it.
                self.merge(now);
            }
            match self.session.receive(&body) {
                Ok(Received::Application { plaintext, .. }) => {
                    self.stored.since_commit = self.stored.since_commit.saturating_add(1);
                    inbound.push(match Payload::parse(&plaintext) {
                        Ok(payload) => Inbound::Payload(payload),
                        Err(_) => Inbound::Tampered,
                    });
                }
                Ok(Received::Commit { .. }) => {
                    self.enter_epoch(now);
                    self.stored.turn = Turn::Ours;
                    inbound.push(Inbound::Refreshed);
                }
                Ok(Received::Proposal) => {}
                Err(_) => inbound.push(Inbound::Tampered),
            }
            self.settle(from);
            self.receiver.advance();
        }
        self.merge_if_safe(now);
        self.step();
    }

    /// What an envelope is that no key opens.
    pub(super) fn stray(
        &mut self,
        bytes: &[u8],
        own: &hither_crypto::identity::Identity,
        now: Now,
    ) -> Stray {
        let older: Vec<&HeaderKey> = self.stored.older.iter().collect();
        if envelope::open(&older, bytes).is_ok() {
            return Stray::Late;
        }
        let Some(spent) = &mut self.stored.spent else {
            return Stray::Unknown;
        };
        if spent.answer == digest(bytes) {
            return Stray::Late;
        }
        match spent.pending.redeem(own, bytes, now.unix) {
            Err(RedeemError::AlreadySpent) => Stray::SecondUse(spent.note.clone()),
            Ok(_) | Err(_) => Stray::Unknown,
        }
    }

    pub(super) fn hold(&mut self, bytes: Vec<u8>, from: Source, now: Now) {
        // Strangers may know the invitation's mailbox: nothing waits for them.
        if let (Source::Mailbox(mailbox, _), Some(first)) = (from, &self.stored.first_inbox)
            && first.mailbox == mailbox
        {
            return self.settle(from);
        }
        if self.held.len() >= MAX_HELD
            && let Some(oldest) = self.held.pop_front()
        {
            self.settle(oldest.from);
        }
        self.held.push_back(Held {
            bytes,
            from,
            until: now.instant + HELD_FOR,
        });
    }

    pub(super) fn retry_held(&mut self, base: &mut Base, now: Now, inbound: &mut Vec<Inbound>) {
        let mut again = !self.held.is_empty();
        while again {
            again = false;
            for held in core::mem::take(&mut self.held) {
                if self.open(base, &held.bytes, held.from, now, inbound) {
                    again = true;
                } else {
                    self.held.push_back(held);
                }
            }
            again &= !self.held.is_empty();
        }
    }

    pub(super) fn settle(&mut self, from: Source) {
        if let Source::Mailbox(mailbox, sequence) = from {
            self.settled.push((mailbox, sequence));
        }
    }

    /// Mailbox sequences that the node may forget once the writes are confirmed.
    pub(crate) fn take_settled(&mut self) -> Vec<([u8; 32], u64)> {
        core::mem::take(&mut self.settled)
    }

    pub(super) fn owe_ack(&mut self, from: Source, now: Now) {
        let due = match from {
            Source::Channel => now.instant,
            Source::Mailbox(..) => now.instant + ACK_DELAY,
        };
        self.ack_due = Some(self.ack_due.map_or(due, |old| old.min(due)));
    }
}
