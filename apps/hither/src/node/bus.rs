// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tells sockets that something came into a mailbox they read.
//!
//! The bus carries no envelope: it marks the mailbox, and the socket reads from the store at its own pace.
//! So nothing is ever dropped here, and a slow reader costs a few bytes per mailbox.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use hither_api::MailboxId;
use tokio::sync::Notify;

/// Mailboxes with something new, of one socket.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    marked: Mutex<BTreeSet<MailboxId>>,
    wake: Notify,
}

impl Inbox {
    /// Says that there may be something in `mailbox`.
    pub(crate) fn mark(&self, mailbox: MailboxId) {
        lock(&self.marked).insert(mailbox);
        self.wake.notify_one();
    }

    /// A marked mailbox, which is marked no longer.
    pub(crate) fn take(&self) -> Option<MailboxId> {
        lock(&self.marked).pop_first()
    }

    /// Waits until a mailbox is marked; may wake without one.
    pub(crate) async fn marked(&self) {
        self.wake.notified().await;
    }
}

/// Who reads which mailbox, in memory only.
#[derive(Debug, Default)]
pub(crate) struct Bus {
    readers: Mutex<BTreeMap<MailboxId, Vec<Arc<Inbox>>>>,
}

impl Bus {
    /// Tells every reader of `mailbox`.
    pub(crate) fn notify(&self, mailbox: MailboxId) {
        if let Some(readers) = lock(&self.readers).get(&mailbox) {
            for reader in readers {
                reader.mark(mailbox);
            }
        }
    }

    /// Adds a reader, once.
    pub(crate) fn subscribe(&self, mailbox: MailboxId, inbox: &Arc<Inbox>) {
        let mut all = lock(&self.readers);
        let readers = all.entry(mailbox).or_default();
        if !readers.iter().any(|reader| Arc::ptr_eq(reader, inbox)) {
            readers.push(Arc::clone(inbox));
        }
    }

    /// Removes a reader.
    pub(crate) fn unsubscribe(&self, mailbox: MailboxId, inbox: &Arc<Inbox>) {
        let mut all = lock(&self.readers);
        if let Some(readers) = all.get_mut(&mailbox) {
            readers.retain(|reader| !Arc::ptr_eq(reader, inbox));
            if readers.is_empty() {
                all.remove(&mailbox);
            }
        }
    }

    /// Removes all readers of a mailbox that is gone.
    pub(crate) fn forget(&self, mailbox: MailboxId) {
        lock(&self.readers).remove(&mailbox);
    }
}

/// A lock that a panicking holder cannot take with it: the sets stay whole between statements.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
