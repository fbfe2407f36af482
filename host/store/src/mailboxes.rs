// SPDX-License-Identifier: MIT OR Apache-2.0
//! Mailboxes and the envelopes that wait in them. Neither says whose it is.

use hither_api::{AccountId, Capability, KeyHash, MailboxId, ReadKey, limits};
use hither_sansio::UnixTime;
use rusqlite::{OptionalExtension as _, Savepoint, params};
use subtle::ConstantTimeEq as _;

use crate::accounts::from_sqlite;
use crate::expiry::mailbox_until;
use crate::{NodeStore, StoreError};

/// A mailbox was not made.
#[derive(Debug, thiserror::Error)]
pub enum CreateMailboxError {
    /// One with this id and other hashes exists.
    #[error("the mailbox exists with other keys")]
    Taken,
    /// The account made [`limits::MAX_MAILBOXES`], or is gone.
    #[error("the account has too many mailboxes")]
    TooMany,
    /// The database refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A mailbox was not opened for reading.
#[derive(Debug, thiserror::Error)]
pub enum SubscribeError {
    /// There is no such mailbox, or the key does not open it: which of the two is not told.
    #[error("there is no such mailbox, or the key does not open it")]
    Refused,
    /// The database refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A mailbox was not removed.
#[derive(Debug, thiserror::Error)]
pub enum DeleteMailboxError {
    /// There is no such mailbox, or the key does not open it: which of the two is not told.
    #[error("there is no such mailbox, or the key does not open it")]
    Refused,
    /// The database refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An envelope was not put.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// There is no such mailbox, or the capability is not its own: which of the two is not told.
    #[error("there is no such mailbox, or the capability is wrong")]
    Refused,
    /// [`limits::MAX_WAITING`] envelopes or [`limits::MAX_WAITING_BYTES`] wait already.
    #[error("the mailbox is full")]
    Full,
    /// The node holds as much as it may.
    #[error("the node is full")]
    NodeFull,
    /// The database refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

from_sqlite!(
    CreateMailboxError,
    SubscribeError,
    DeleteMailboxError,
    PutError
);

/// An envelope on its way to the reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingEnvelope {
    /// Grows within a mailbox.
    pub sequence: u64,
    /// As they were put.
    pub bytes: Vec<u8>,
}

impl NodeStore {
    /// Makes a mailbox on the account's quota; if it exists with the same hashes it only lives longer.
    ///
    /// `first_sequence` should be random, so that the counter does not tell how much ever came.
    ///
    /// # Errors
    /// If it exists with other hashes, or the account has too many.
    pub fn create_mailbox(
        &mut self,
        account: AccountId,
        mailbox: MailboxId,
        (write_hash, read_hash): (KeyHash, KeyHash),
        first_sequence: u32,
        now: UnixTime,
    ) -> Result<(), CreateMailboxError> {
        let change = self.change()?;
        if let Some(found) = hashes(&change, mailbox, now)? {
            let same = found.write.as_bytes().ct_eq(write_hash.as_bytes())
                & found.read.as_bytes().ct_eq(read_hash.as_bytes());
            if !bool::from(same) {
                return Err(CreateMailboxError::Taken);
            }
            prolong(&change, mailbox, now)?;
        } else {
            let counted = change.execute(
                "UPDATE accounts SET mailboxes = mailboxes + 1 WHERE account = ?1 AND mailboxes < ?2",
                params![account.as_bytes(), limits::MAX_MAILBOXES],
            )?;
            if counted == 0 {
                return Err(CreateMailboxError::TooMany);
            }
            change.execute(
                "INSERT OR REPLACE INTO mailboxes (mailbox, write_hash, read_hash, until_day, next_sequence)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    mailbox.as_bytes(),
                    write_hash.as_bytes(),
                    read_hash.as_bytes(),
                    mailbox_until(now),
                    first_sequence
                ],
            )?;
        }
        change.commit()?;
        Ok(())
    }

    /// Checks a read key, and lets the mailbox live longer.
    ///
    /// # Errors
    /// If the mailbox is unknown or the key is wrong.
    pub fn subscribe(
        &mut self,
        mailbox: MailboxId,
        key: &ReadKey,
        now: UnixTime,
    ) -> Result<(), SubscribeError> {
        let change = self.change()?;
        if !may_read(&change, mailbox, key, now)? {
            return Err(SubscribeError::Refused);
        }
        prolong(&change, mailbox, now)?;
        change.commit()?;
        Ok(())
    }

    /// Lets mailboxes live longer that somebody has been reading since they subscribed.
    ///
    /// # Errors
    /// If the database refuses.
    pub fn prolong(&mut self, mailboxes: &[MailboxId], now: UnixTime) -> Result<(), StoreError> {
        let change = self.change()?;
        for mailbox in mailboxes {
            prolong(&change, *mailbox, now)?;
        }
        Ok(change.commit()?)
    }

    /// Puts an envelope, to be forgotten at `expires` (seconds since 1970) at the latest.
    ///
    /// # Errors
    /// If the mailbox is unknown or full, or the capability is wrong.
    pub fn put(
        &mut self,
        mailbox: MailboxId,
        capability: &Capability,
        envelope: &[u8],
        expires: u64,
        now: UnixTime,
    ) -> Result<u64, PutError> {
        let full = self.is_full()?;
        let change = self.change()?;
        let found = hashes(&change, mailbox, now)?;
        let write = found.map(|found| found.write);
        if !matches(write, capability.hash()) {
            return Err(PutError::Refused);
        }
        if full {
            return Err(PutError::NodeFull);
        }
        let room: bool = change
            .prepare_cached(
                "SELECT waiting < ?2 AND waiting_bytes + ?3 <= ?4 FROM mailboxes WHERE mailbox = ?1",
            )?
            .query_row(
                params![
                    mailbox.as_bytes(),
                    limits::MAX_WAITING,
                    envelope.len(),
                    limits::MAX_WAITING_BYTES
                ],
                |row| row.get(0),
            )?;
        if !room {
            return Err(PutError::Full);
        }
        let sequence: u64 = change
            .prepare_cached(
                "UPDATE mailboxes SET next_sequence = next_sequence + 1 WHERE mailbox = ?1
                 RETURNING next_sequence - 1",
            )?
            .query_row([mailbox.as_bytes()], |row| row.get(0))?;
        change
            .prepare_cached(
                "INSERT INTO envelopes (mailbox, sequence, expires, bytes) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![mailbox.as_bytes(), sequence, expires, envelope])?;
        change.commit()?;
        Ok(sequence)
    }

    /// What waits behind `after`, in order: at most `max_count` envelopes, and no further one once
    /// `max_bytes` are reached.
    ///
    /// # Errors
    /// If the database refuses.
    pub fn waiting(
        &mut self,
        mailbox: MailboxId,
        after: Option<u64>,
        (max_count, max_bytes): (usize, usize),
        now: UnixTime,
    ) -> Result<Vec<WaitingEnvelope>, StoreError> {
        let mut statement = self.connection().prepare_cached(
            "SELECT sequence, bytes FROM envelopes
             WHERE mailbox = ?1 AND sequence >= ?2 AND expires > ?3 ORDER BY sequence",
        )?;
        let from = after.map_or(0, |after| after.saturating_add(1));
        let mut rows = statement.query(params![mailbox.as_bytes(), from, now.as_secs()])?;
        let (mut page, mut bytes) = (Vec::new(), 0);
        while page.len() < max_count && bytes < max_bytes {
            let Some(row) = rows.next()? else { break };
            let envelope = WaitingEnvelope {
                sequence: row.get(0)?,
                bytes: row.get(1)?,
            };
            bytes += envelope.bytes.len();
            page.push(envelope);
        }
        Ok(page)
    }

    /// Forgets one envelope that arrived.
    ///
    /// # Errors
    /// If the database refuses.
    pub fn acknowledge(&mut self, mailbox: MailboxId, sequence: u64) -> Result<(), StoreError> {
        let change = self.change()?;
        let removed = change
            .prepare_cached("DELETE FROM envelopes WHERE mailbox = ?1 AND sequence = ?2")?
            .execute(params![mailbox.as_bytes(), sequence])?;
        change.commit()?;
        self.removed_something |= removed > 0;
        Ok(())
    }

    /// Removes a mailbox with what waits in it, and gives its place back to the account.
    ///
    /// # Errors
    /// If the mailbox is unknown or the key is wrong.
    pub fn delete_mailbox(
        &mut self,
        account: AccountId,
        mailbox: MailboxId,
        key: &ReadKey,
        now: UnixTime,
    ) -> Result<(), DeleteMailboxError> {
        let change = self.change()?;
        if !may_read(&change, mailbox, key, now)? {
            return Err(DeleteMailboxError::Refused);
        }
        change.execute(
            "DELETE FROM mailboxes WHERE mailbox = ?1",
            [mailbox.as_bytes()],
        )?;
        change.execute(
            "UPDATE accounts SET mailboxes = max(mailboxes - 1, 0) WHERE account = ?1",
            [account.as_bytes()],
        )?;
        change.commit()?;
        self.removed_something = true;
        Ok(())
    }
}

struct Hashes {
    write: KeyHash,
    read: KeyHash,
}

fn hashes(
    change: &Savepoint<'_>,
    mailbox: MailboxId,
    now: UnixTime,
) -> Result<Option<Hashes>, rusqlite::Error> {
    change
        .prepare_cached(
            "SELECT write_hash, read_hash FROM mailboxes WHERE mailbox = ?1 AND until_day >= ?2",
        )?
        .query_row(params![mailbox.as_bytes(), now.day()], |row| {
            Ok(Hashes {
                write: KeyHash::from_bytes(row.get(0)?),
                read: KeyHash::from_bytes(row.get(1)?),
            })
        })
        .optional()
}

fn may_read(
    change: &Savepoint<'_>,
    mailbox: MailboxId,
    key: &ReadKey,
    now: UnixTime,
) -> Result<bool, rusqlite::Error> {
    let found = hashes(change, mailbox, now)?;
    Ok(matches(found.map(|found| found.read), key.hash()))
}

/// In constant time, and with the same steps when there is nothing to compare with.
fn matches(kept: Option<KeyHash>, shown: KeyHash) -> bool {
    let exists = kept.is_some();
    let kept = kept.unwrap_or(KeyHash::from_bytes([0; 32]));
    bool::from(kept.as_bytes().ct_eq(shown.as_bytes())) & exists
}

fn prolong(
    change: &Savepoint<'_>,
    mailbox: MailboxId,
    now: UnixTime,
) -> Result<(), rusqlite::Error> {
    change.execute(
        "UPDATE mailboxes SET until_day = ?2 WHERE mailbox = ?1 AND until_day < ?2",
        params![mailbox.as_bytes(), mailbox_until(now)],
    )?;
    Ok(())
}
