// SPDX-License-Identifier: MIT OR Apache-2.0
//! Devices: a public sign-in key, a sealed label, and the day of the last sign-in.

use hither_api::{AccountId, DeviceAuthKey, DeviceId, Role, limits};
use rusqlite::{OptionalExtension as _, Savepoint, params};

use crate::accounts::from_sqlite;
use crate::tokens::role_from_number;
use crate::{NodeStore, StoreError};

/// What signing in needs to know of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignInRecord {
    /// Whose it is.
    pub account: AccountId,
    /// The account's role.
    pub role: Role,
    /// The device's public key.
    pub key: DeviceAuthKey,
}

/// A device as its account sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRecord {
    /// Which.
    pub device: DeviceId,
    /// Sealed.
    pub label: Vec<u8>,
    /// Days since 1970.
    pub last_seen_day: Option<u64>,
}

/// A device was not added.
#[derive(Debug, thiserror::Error)]
pub enum AddDeviceError {
    /// The account is gone.
    #[error("there is no such account")]
    Unknown,
    /// The account has [`limits::MAX_DEVICES`].
    #[error("the account has too many devices")]
    TooMany,
    /// The database refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A device was not renamed.
#[derive(Debug, thiserror::Error)]
pub enum RenameDeviceError {
    /// The account has no such device.
    #[error("there is no such device")]
    Unknown,
    /// The database refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A device was not revoked.
#[derive(Debug, thiserror::Error)]
pub enum RevokeDeviceError {
    /// The account has no such device.
    #[error("there is no such device")]
    Unknown,
    /// The database refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

from_sqlite!(AddDeviceError, RenameDeviceError, RevokeDeviceError);

impl NodeStore {
    /// What is needed to check a sign-in.
    ///
    /// # Errors
    /// If the database refuses.
    pub fn sign_in_record(&mut self, device: DeviceId) -> Result<Option<SignInRecord>, StoreError> {
        let found = self
            .connection()
            .prepare_cached(
                "SELECT account, role, auth_key FROM devices JOIN accounts USING (account)
                 WHERE device = ?1",
            )?
            .query_row([device.as_bytes()], |row| {
                Ok(SignInRecord {
                    account: AccountId::from_bytes(row.get(0)?),
                    role: role_from_number(row.get(1)?),
                    key: DeviceAuthKey::from_bytes(row.get(2)?),
                })
            })
            .optional()?;
        Ok(found)
    }

    /// Notes the day of a sign-in. False if the device has been revoked meanwhile.
    ///
    /// # Errors
    /// If the database refuses.
    pub fn note_seen(&mut self, device: DeviceId, day: u64) -> Result<bool, StoreError> {
        let seen: Option<Option<u64>> = self
            .connection()
            .prepare_cached("SELECT last_seen_day FROM devices WHERE device = ?1")?
            .query_row([device.as_bytes()], |row| row.get(0))
            .optional()?;
        match seen {
            None => return Ok(false),
            Some(seen) if seen == Some(day) => {}
            Some(_) => {
                let change = self.change()?;
                change.execute(
                    "UPDATE devices SET last_seen_day = ?2 WHERE device = ?1",
                    params![device.as_bytes(), day],
                )?;
                change.commit()?;
            }
        }
        Ok(true)
    }

    /// The devices of an account.
    ///
    /// # Errors
    /// If the database refuses.
    pub fn devices(&mut self, account: AccountId) -> Result<Vec<DeviceRecord>, StoreError> {
        let mut statement = self.connection().prepare_cached(
            "SELECT device, label, last_seen_day FROM devices WHERE account = ?1 ORDER BY device",
        )?;
        let rows = statement.query_map([account.as_bytes()], |row| {
            Ok(DeviceRecord {
                device: DeviceId::from_bytes(row.get(0)?),
                label: row.get(1)?,
                last_seen_day: row.get(2)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Adds a device to an account.
    ///
    /// # Errors
    /// If the account is gone or has too many devices.
    pub fn add_device(
        &mut self,
        account: AccountId,
        device: DeviceId,
        key: DeviceAuthKey,
        label: &[u8],
    ) -> Result<(), AddDeviceError> {
        let change = self.change()?;
        if crate::accounts::role(&change, account)?.is_none() {
            return Err(AddDeviceError::Unknown);
        }
        if count(&change, account)? >= limits::MAX_DEVICES {
            return Err(AddDeviceError::TooMany);
        }
        insert(&change, account, device, key, label)?;
        change.commit()?;
        Ok(())
    }

    /// Changes the sealed label of one of the account's devices.
    ///
    /// # Errors
    /// If the account has no such device.
    pub fn rename_device(
        &mut self,
        account: AccountId,
        device: DeviceId,
        label: &[u8],
    ) -> Result<(), RenameDeviceError> {
        let change = self.change()?;
        let changed = change.execute(
            "UPDATE devices SET label = ?3 WHERE device = ?1 AND account = ?2",
            params![device.as_bytes(), account.as_bytes(), label],
        )?;
        if changed == 0 {
            return Err(RenameDeviceError::Unknown);
        }
        change.commit()?;
        self.removed_something = true;
        Ok(())
    }

    /// Removes one of the account's devices. With the last one goes the account: nobody could reach it.
    ///
    /// # Errors
    /// If the account has no such device.
    pub fn revoke_device(
        &mut self,
        account: AccountId,
        device: DeviceId,
    ) -> Result<(), RevokeDeviceError> {
        let change = self.change()?;
        let changed = change.execute(
            "DELETE FROM devices WHERE device = ?1 AND account = ?2",
            params![device.as_bytes(), account.as_bytes()],
        )?;
        if changed == 0 {
            return Err(RevokeDeviceError::Unknown);
        }
        if count(&change, account)? == 0 {
            crate::accounts::remove(&change, account)?;
        }
        change.commit()?;
        self.removed_something = true;
        Ok(())
    }
}

pub(crate) fn insert(
    change: &Savepoint<'_>,
    account: AccountId,
    device: DeviceId,
    key: DeviceAuthKey,
    label: &[u8],
) -> Result<(), rusqlite::Error> {
    change.execute(
        "INSERT INTO devices (device, account, auth_key, label) VALUES (?1, ?2, ?3, ?4)",
        params![device.as_bytes(), account.as_bytes(), key.as_bytes(), label],
    )?;
    Ok(())
}

fn count(change: &Savepoint<'_>, account: AccountId) -> Result<usize, rusqlite::Error> {
    change.query_row(
        "SELECT count(*) FROM devices WHERE account = ?1",
        [account.as_bytes()],
        |row| row.get(0),
    )
}
