// SPDX-License-Identifier: MIT OR Apache-2.0
//! Accounts: a random id, a role, counters, and a profile that only its person can open.

use hither_api::{AccountId, AccountSummary, DeviceAuthKey, DeviceId, KeyHash, Role};
use hither_sansio::UnixTime;
use rusqlite::{OptionalExtension as _, Savepoint, params};

use crate::tokens::{forget_owner_tokens, has_owner, role_from_number, role_number, spend};
use crate::{NodeStore, StoreError};

/// An account about to be made, with its first device.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// Drawn at random.
    pub account: AccountId,
    /// Drawn at random.
    pub device: DeviceId,
    /// The device's public sign-in key.
    pub device_key: DeviceAuthKey,
    /// The device's sealed label.
    pub label: Vec<u8>,
}

/// The account that a device now has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registered {
    /// The account.
    pub account: AccountId,
    /// The device that registered.
    pub device: DeviceId,
    /// What the account may do.
    pub role: Role,
}

/// An account was not made.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// No token where one is needed, or it is unknown, spent or past its expiry.
    #[error("the registration token is unknown, spent or too old")]
    TokenUnknown,
    /// The token would make a second owner.
    #[error("the node has an owner already")]
    OwnerExists,
    /// The database refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An account was not removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveAccountError {
    /// There is none with this id.
    #[error("there is no such account")]
    Unknown,
    /// Owners are not removed by others.
    #[error("the account is an owner's")]
    Owner,
    /// The database refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A profile was not kept.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// The account is gone.
    #[error("there is no such account")]
    Unknown,
    /// The node holds as much as it may.
    #[error("the node is full")]
    NodeFull,
    /// The database refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

macro_rules! from_sqlite {
    ($($name:ty),* $(,)?) => {
        $(impl From<rusqlite::Error> for $name {
            fn from(error: rusqlite::Error) -> Self {
                Self::Store(StoreError(error))
            }
        })*
    };
}
pub(crate) use from_sqlite;
from_sqlite!(RegisterError, RemoveAccountError, ProfileError);

impl NodeStore {
    /// Makes an account. Without a token it becomes a member, which the caller permits by `open`.
    ///
    /// A device that asks again, because the answer was lost on its way, gets the account that it has: only the
    /// device and the node know its key.
    ///
    /// # Errors
    /// If a token is needed and does not hold, or would make a second owner.
    pub fn register(
        &mut self,
        token: Option<KeyHash>,
        open: bool,
        new: &NewAccount,
        now: UnixTime,
    ) -> Result<Registered, RegisterError> {
        let change = self.change()?;
        if let Some(registered) = registered(&change, new.device_key)? {
            return Ok(registered);
        }
        let role = match token {
            Some(token) => spend(&change, token, now)?.ok_or(RegisterError::TokenUnknown)?,
            None if open => Role::Member,
            None => return Err(RegisterError::TokenUnknown),
        };
        if role == Role::Owner {
            if has_owner(&change)? {
                return Err(RegisterError::OwnerExists);
            }
            forget_owner_tokens(&change)?;
        }
        change.execute(
            "INSERT INTO accounts (account, role) VALUES (?1, ?2)",
            params![new.account.as_bytes(), role_number(role)],
        )?;
        crate::devices::insert(&change, new.account, new.device, new.device_key, &new.label)?;
        change.commit()?;
        Ok(Registered {
            account: new.account,
            device: new.device,
            role,
        })
    }

    /// All accounts, without anything about a person.
    ///
    /// # Errors
    /// If the database refuses.
    pub fn accounts(&mut self) -> Result<Vec<AccountSummary>, StoreError> {
        let mut statement = self.connection().prepare_cached(
            "SELECT account, role, (SELECT count(*) FROM devices WHERE devices.account = accounts.account)
             FROM accounts ORDER BY account",
        )?;
        let rows = statement.query_map([], |row| {
            Ok(AccountSummary {
                account: AccountId::from_bytes(row.get(0)?),
                role: role_from_number(row.get(1)?),
                devices: row.get(2)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Removes somebody else's account, never an owner's; tells which devices went with it.
    ///
    /// # Errors
    /// If there is no such account, or it is an owner's.
    pub fn remove_account(
        &mut self,
        account: AccountId,
    ) -> Result<Vec<DeviceId>, RemoveAccountError> {
        let change = self.change()?;
        let role = role(&change, account)?.ok_or(RemoveAccountError::Unknown)?;
        if role == Role::Owner {
            return Err(RemoveAccountError::Owner);
        }
        let devices = remove(&change, account)?;
        change.commit()?;
        self.removed_something = true;
        Ok(devices)
    }

    /// Removes the caller's own account; tells which devices went with it.
    ///
    /// # Errors
    /// If the database refuses.
    pub fn delete_own_account(&mut self, account: AccountId) -> Result<Vec<DeviceId>, StoreError> {
        let change = self.change()?;
        let devices = remove(&change, account)?;
        change.commit()?;
        self.removed_something = true;
        Ok(devices)
    }

    /// The sealed profile, if one was put.
    ///
    /// # Errors
    /// If the database refuses.
    pub fn profile(&mut self, account: AccountId) -> Result<Option<Vec<u8>>, StoreError> {
        let found: Option<Option<Vec<u8>>> = self
            .connection()
            .prepare_cached("SELECT profile FROM accounts WHERE account = ?1")?
            .query_row([account.as_bytes()], |row| row.get(0))
            .optional()?;
        Ok(found.flatten())
    }

    /// Keeps a sealed profile in place of the earlier one.
    ///
    /// # Errors
    /// If the account is gone.
    pub fn put_profile(&mut self, account: AccountId, profile: &[u8]) -> Result<(), ProfileError> {
        if self.is_full()? {
            return Err(ProfileError::NodeFull);
        }
        let change = self.change()?;
        let changed = change.execute(
            "UPDATE accounts SET profile = ?2 WHERE account = ?1",
            params![account.as_bytes(), profile],
        )?;
        change.commit()?;
        self.removed_something = true;
        if changed == 0 {
            return Err(ProfileError::Unknown);
        }
        Ok(())
    }
}

pub(crate) fn role(
    change: &Savepoint<'_>,
    account: AccountId,
) -> Result<Option<Role>, rusqlite::Error> {
    change
        .query_row(
            "SELECT role FROM accounts WHERE account = ?1",
            [account.as_bytes()],
            |row| row.get(0),
        )
        .optional()
        .map(|role| role.map(role_from_number))
}

/// Removes an account with its devices. Its mailboxes and invitations are not known to be its own: they are
/// deleted by whoever holds their keys, or end by themselves.
pub(crate) fn remove(
    change: &Savepoint<'_>,
    account: AccountId,
) -> Result<Vec<DeviceId>, rusqlite::Error> {
    let devices = change
        .prepare("SELECT device FROM devices WHERE account = ?1")?
        .query_map([account.as_bytes()], |row| {
            Ok(DeviceId::from_bytes(row.get(0)?))
        })?
        .collect::<Result<_, _>>()?;
    change.execute(
        "DELETE FROM accounts WHERE account = ?1",
        [account.as_bytes()],
    )?;
    Ok(devices)
}

fn registered(
    change: &Savepoint<'_>,
    key: DeviceAuthKey,
) -> Result<Option<Registered>, rusqlite::Error> {
    change
        .prepare_cached(
            "SELECT devices.account, device, role FROM devices JOIN accounts USING (account)
             WHERE auth_key = ?1",
        )?
        .query_row([key.as_bytes()], |row| {
            Ok(Registered {
                account: AccountId::from_bytes(row.get(0)?),
                device: DeviceId::from_bytes(row.get(1)?),
                role: role_from_number(row.get(2)?),
            })
        })
        .optional()
}
