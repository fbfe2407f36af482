// SPDX-License-Identifier: MIT OR Apache-2.0
//! Registration tokens: only their hashes are kept.

use hither_api::{KeyHash, Role};
use hither_sansio::UnixTime;
use rusqlite::{OptionalExtension as _, Savepoint, params};

use crate::{NodeStore, StoreError};

impl NodeStore {
    /// Remembers a token that gives `role` once, until `expires` (seconds since 1970).
    ///
    /// # Errors
    /// If the database refuses.
    pub fn add_token(
        &mut self,
        token: KeyHash,
        role: Role,
        expires: u64,
    ) -> Result<(), StoreError> {
        let change = self.change()?;
        insert(&change, token, role, expires)?;
        Ok(change.commit()?)
    }

    /// Forgets every earlier owner token and remembers this one; says no while there is an owner.
    ///
    /// # Errors
    /// If the database refuses.
    pub fn replace_owner_token(
        &mut self,
        token: KeyHash,
        expires: u64,
    ) -> Result<bool, StoreError> {
        let change = self.change()?;
        if has_owner(&change)? {
            return Ok(false);
        }
        forget_owner_tokens(&change)?;
        insert(&change, token, Role::Owner, expires)?;
        change.commit()?;
        Ok(true)
    }
}

fn insert(
    change: &Savepoint<'_>,
    token: KeyHash,
    role: Role,
    expires: u64,
) -> Result<(), rusqlite::Error> {
    change.execute(
        "INSERT OR REPLACE INTO registration_tokens (token_hash, role, expires) VALUES (?1, ?2, ?3)",
        params![token.as_bytes(), role_number(role), expires],
    )?;
    Ok(())
}

/// Takes a token out and tells what it gives.
pub(crate) fn spend(
    change: &Savepoint<'_>,
    token: KeyHash,
    now: UnixTime,
) -> Result<Option<Role>, rusqlite::Error> {
    change
        .query_row(
            "DELETE FROM registration_tokens WHERE token_hash = ?1 AND expires > ?2 RETURNING role",
            params![token.as_bytes(), now.as_secs()],
            |row| row.get(0),
        )
        .optional()
        .map(|role| role.map(role_from_number))
}

pub(crate) fn forget_owner_tokens(change: &Savepoint<'_>) -> Result<(), rusqlite::Error> {
    change.execute(
        "DELETE FROM registration_tokens WHERE role = ?1",
        [role_number(Role::Owner)],
    )?;
    Ok(())
}

pub(crate) fn has_owner(change: &Savepoint<'_>) -> Result<bool, rusqlite::Error> {
    change.query_row(
        "SELECT EXISTS (SELECT 1 FROM accounts WHERE role = ?1)",
        [role_number(Role::Owner)],
        |row| row.get(0),
    )
}

pub(crate) fn role_number(role: Role) -> u8 {
    match role {
        Role::Member => 0,
        Role::Admin => 1,
        Role::Owner => 2,
    }
}

/// A number that is not ours cannot be in the column; should it be, it gives the least.
pub(crate) fn role_from_number(number: u8) -> Role {
    match number {
        2 => Role::Owner,
        1 => Role::Admin,
        _ => Role::Member,
    }
}
