// SPDX-License-Identifier: MIT OR Apache-2.0
//! Parked invitations: sealed blobs under random ids.
//!
//! A parked invitation does not name its account, so withdrawing one cannot give the place back: an account's
//! places are counted by the day on which they become free.

use hither_api::{AccountId, InvitationId, KeyHash, WithdrawKey, limits};
use hither_sansio::UnixTime;
use rusqlite::{OptionalExtension as _, params};
use subtle::ConstantTimeEq as _;

use crate::accounts::from_sqlite;
use crate::expiry::day_after;
use crate::{NodeStore, StoreError};

/// An invitation was not parked.
#[derive(Debug, thiserror::Error)]
pub enum ParkError {
    /// Something is parked under this id.
    #[error("an invitation with this id is parked already")]
    Taken,
    /// The account parked [`limits::MAX_PARKED_PER_ACCOUNT`] that have not ended, or is gone.
    #[error("the account has too many parked invitations")]
    TooMany,
    /// The node holds as much as it may.
    #[error("the node is full")]
    NodeFull,
    /// The database refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An invitation was not found.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Never parked, withdrawn, or past its expiry.
    #[error("there is no such invitation")]
    Unknown,
    /// The database refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An invitation was not withdrawn.
#[derive(Debug, thiserror::Error)]
pub enum WithdrawError {
    /// There is none, or the key is not its own: which of the two is not told.
    #[error("there is no such invitation, or the key is wrong")]
    Refused,
    /// The database refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

from_sqlite!(ParkError, FetchError, WithdrawError);

impl NodeStore {
    /// Parks a sealed invitation until `expires` (seconds since 1970), on the account's quota.
    ///
    /// # Errors
    /// If the id is taken or the account has too many.
    pub fn park(
        &mut self,
        account: AccountId,
        invitation: InvitationId,
        (blob, withdraw_hash): (&[u8], KeyHash),
        expires: u64,
        now: UnixTime,
    ) -> Result<(), ParkError> {
        if self.is_full()? {
            return Err(ParkError::NodeFull);
        }
        let change = self.change()?;
        change.execute(
            "DELETE FROM parking WHERE account = ?1 AND until_day <= ?2",
            params![account.as_bytes(), now.day()],
        )?;
        let room: bool = change.query_row(
            "SELECT EXISTS (SELECT 1 FROM accounts WHERE account = ?1)
                AND (SELECT coalesce(sum(taken), 0) < ?2 FROM parking WHERE account = ?1)",
            params![account.as_bytes(), limits::MAX_PARKED_PER_ACCOUNT],
            |row| row.get(0),
        )?;
        if !room {
            return Err(ParkError::TooMany);
        }
        change.execute(
            "DELETE FROM invitations WHERE invitation = ?1 AND expires <= ?2",
            params![invitation.as_bytes(), now.as_secs()],
        )?;
        let inserted = change.execute(
            "INSERT OR IGNORE INTO invitations (invitation, withdraw_hash, expires, blob)
             VALUES (?1, ?2, ?3, ?4)",
            params![
                invitation.as_bytes(),
                withdraw_hash.as_bytes(),
                expires,
                blob
            ],
        )?;
        if inserted == 0 {
            return Err(ParkError::Taken);
        }
        change.execute(
            "INSERT INTO parking (account, until_day, taken) VALUES (?1, ?2, 1)
             ON CONFLICT DO UPDATE SET taken = taken + 1",
            params![account.as_bytes(), day_after(expires)],
        )?;
        change.commit()?;
        Ok(())
    }

    /// The sealed blob of a parked invitation.
    ///
    /// # Errors
    /// If there is none.
    pub fn fetch_invitation(
        &mut self,
        invitation: InvitationId,
        now: UnixTime,
    ) -> Result<Vec<u8>, FetchError> {
        self.connection()
            .prepare_cached("SELECT blob FROM invitations WHERE invitation = ?1 AND expires > ?2")?
            .query_row(params![invitation.as_bytes(), now.as_secs()], |row| {
                row.get(0)
            })
            .optional()?
            .ok_or(FetchError::Unknown)
    }

    /// Removes a parked invitation.
    ///
    /// # Errors
    /// If there is none or the key is wrong.
    pub fn withdraw(
        &mut self,
        invitation: InvitationId,
        key: &WithdrawKey,
    ) -> Result<(), WithdrawError> {
        let change = self.change()?;
        let kept: Option<[u8; 32]> = change
            .query_row(
                "SELECT withdraw_hash FROM invitations WHERE invitation = ?1",
                [invitation.as_bytes()],
                |row| row.get(0),
            )
            .optional()?;
        let same = kept.unwrap_or([0; 32]).ct_eq(key.hash().as_bytes());
        if !(bool::from(same) & kept.is_some()) {
            return Err(WithdrawError::Refused);
        }
        change.execute(
            "DELETE FROM invitations WHERE invitation = ?1",
            [invitation.as_bytes()],
        )?;
        change.commit()?;
        self.removed_something = true;
        Ok(())
    }
}
