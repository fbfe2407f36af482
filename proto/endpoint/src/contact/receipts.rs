// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a contact is told about what arrived here, and asked about what left.

use hither_sansio::Now;

use super::{
    Contact, MOMENT, Posted, RECEIPT_AGAIN, Receipt, SYNC_CHANNEL, SYNC_MAILBOX, WEEK, doubled,
};
use crate::ContactState;
use crate::base::{Base, Purpose};
use crate::payload::Signal;

impl Contact {
    /// Answers with how far we are.
    pub(crate) fn send_ack(&mut self, base: &mut Base) {
        self.ack_due = None;
        let up_to = self.receiver.received();
        let signal = Signal::Ack {
            up_to,
            sent: self.sender.sent(),
        };
        let purpose = Purpose::PutAck(self.id, up_to);
        base.forget_purpose(&purpose);
        if self.signal_for(base, &signal, WEEK, purpose) {
            self.stored.acked = up_to;
        }
    }

    /// Tells them how far we have read, unless they know.
    pub(crate) fn tell_read(&mut self, base: &mut Base) {
        let up_to = self.stored.read;
        if self.stored.state != ContactState::Active || self.stored.read_told >= up_to {
            return;
        }
        let purpose = Purpose::PutRead(self.id, up_to);
        if self.signal_for(base, &Signal::Read { up_to }, WEEK, purpose) {
            self.stored.read_told = up_to;
            self.read_over_channel = true;
        }
    }

    /// The post of a receipt was answered.
    pub(crate) fn receipt_posted(&mut self, receipt: Receipt, fate: Posted, now: Now) {
        match fate {
            Posted::Taken => {
                self.receipt_failures = 0;
                match receipt {
                    Receipt::Ack(up_to) => self.stored.acked = self.stored.acked.max(up_to),
                    Receipt::Read(up_to) => self.stored.read_told = up_to,
                }
            }
            Posted::Later => {
                let wait = doubled(RECEIPT_AGAIN, self.receipt_failures);
                self.receipt_failures = self.receipt_failures.saturating_add(1);
                self.receipt_due = Some(now.instant + wait);
            }
            Posted::Refused => {}
        }
    }

    /// Tells again what did not get through.
    pub(super) fn tell_receipts(&mut self, base: &mut Base) {
        self.receipt_due = None;
        if self.stored.acked < self.receiver.received() {
            self.send_ack(base);
        }
        self.tell_read(base);
    }

    /// Something was handed over: after a while without an answer they are asked.
    pub(super) fn expect_ack(&mut self, now: Now) {
        let Some(channel) = self.sender.awaits_ack() else {
            self.sync_due = None;
            self.syncs = 0;
            return;
        };
        if self.sync_due.is_none() {
            let first = if channel { SYNC_CHANNEL } else { SYNC_MAILBOX };
            self.sync_due = Some(now.instant + doubled(first, self.syncs));
        }
    }

    pub(super) fn send_sync(&mut self, base: &mut Base, now: Now) {
        self.sync_due = None;
        if self.sender.awaits_ack().is_some() {
            let sent = self.sender.sent();
            self.signal(base, &Signal::Sync { sent }, MOMENT);
            self.syncs = self.syncs.saturating_add(1);
        }
        self.expect_ack(now);
    }
}
