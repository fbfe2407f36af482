// SPDX-License-Identifier: MIT OR Apache-2.0
//! Acknowledgements, and the epochs of the session that move on with them.

use hither_crypto::session::EpochSecrets;
use hither_sansio::Now;

use super::{
    Contact, EPOCH_BEFORE_CALL, EPOCH_LIFETIME, Inbound, MAX_OLDER, MESSAGES_PER_EPOCH, Turn,
};
use crate::ContactState;
use crate::base::Base;

impl Contact {
    pub(super) fn acknowledged(
        &mut self,
        base: &mut Base,
        up_to: u64,
        now: Now,
        inbound: &mut Vec<Inbound>,
    ) {
        let done = self.sender.acknowledge(up_to, now.instant);
        if !done.is_empty() {
            self.sync_due = None;
            self.syncs = 0;
        }
        for (number, _) in &done {
            base.delete(&self.out_name(*number));
        }
        let delivered = done.iter().filter_map(|(_, stored)| stored.text).max();
        if let Some(number) = delivered {
            inbound.push(Inbound::Delivered(number));
        }
        self.merge_if_safe(now);
        if !done.is_empty() {
            self.save();
        }
        self.flush(base, now);
    }

    /// Merges our pending commit once the other side has it and nothing of the old epoch is under way.
    pub(super) fn merge_if_safe(&mut self, now: Now) {
        if let (Some(commit), Some((up_to, sent))) = (self.stored.pending_commit, self.peer_sent)
            && up_to >= commit
            && self.receiver.received() >= sent
        {
            self.merge(now);
        }
    }

    pub(super) fn merge(&mut self, now: Now) {
        if self.session.merge_pending().is_err() {
            return;
        }
        self.enter_epoch(now);
        self.stored.turn = Turn::Theirs;
        self.stored.pending_commit = None;
        self.step();
    }

    pub(super) fn enter_epoch(&mut self, now: Now) {
        let entered = self.session.secrets();
        let left = core::mem::replace(&mut self.stored.current, entered);
        self.openers.retain(|epoch, _| *epoch >= left.epoch);
        if let Some(gone) = self.stored.previous.replace(left) {
            self.stored.older.push_front(gone.header);
            self.stored.older.truncate(MAX_OLDER);
        }
        self.stored.since_commit = 0;
        self.stored.last_commit = now.unix;
    }

    /// Refreshes the session if it is our turn and time. The two sides take turns, so no tie can happen.
    pub(crate) fn commit_if_due(&mut self, base: &mut Base, before_call: bool, now: Now) {
        let age = now.unix.saturating_since(self.stored.last_commit);
        let due = self.stored.since_commit >= MESSAGES_PER_EPOCH
            || (self.stored.since_commit > 0 && age > EPOCH_LIFETIME)
            || (before_call && age > EPOCH_BEFORE_CALL);
        if due && self.stored.state == ContactState::Active {
            self.commit(base, now);
        }
    }

    pub(crate) fn commit(&mut self, base: &mut Base, now: Now) {
        if self.stored.turn != Turn::Ours || self.session.pending() {
            return;
        }
        if let Ok(body) = self.session.commit(None) {
            let number = self.push(base, body, None);
            self.stored.pending_commit = Some(number);
            self.peer_sent = None;
            self.step();
            self.flush(base, now);
        }
    }

    /// The secrets of an epoch that is not over yet.
    pub(crate) fn secrets_of(&self, epoch: u64) -> Option<EpochSecrets> {
        core::iter::once(&self.stored.current)
            .chain(self.stored.previous.as_ref())
            .find(|secrets| secrets.epoch == epoch)
            .cloned()
            .or_else(|| {
                self.session
                    .pending_secrets()
                    .filter(|secrets| secrets.epoch == epoch)
            })
    }
}
