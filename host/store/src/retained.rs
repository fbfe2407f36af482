// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is kept right now, in numbers, for the operator and for whoever audits one.

use crate::{NodeStore, StoreError};

/// All records of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retained {
    /// The table's name.
    pub kind: &'static str,
    /// How many records.
    pub count: u64,
    /// Bytes in their columns.
    pub bytes: u64,
    /// When the last of them is gone at the latest, seconds since 1970; `None` if only their person ends them.
    pub latest_expiry: Option<u64>,
}

/// Table, bytes of one row, latest expiry in seconds.
const TABLES: [(&str, &str, &str); 7] = [
    (
        "accounts",
        "length(account) + 2 + coalesce(length(profile), 0)",
        "NULL",
    ),
    (
        "devices",
        "length(device) + length(account) + length(auth_key) + length(label) + 8",
        "NULL",
    ),
    ("parking", "length(account) + 16", "max(until_day) * 86400"),
    (
        "registration_tokens",
        "length(token_hash) + 9",
        "max(expires)",
    ),
    (
        "mailboxes",
        "length(mailbox) + length(write_hash) + length(read_hash) + 32",
        "(max(until_day) + 1) * 86400",
    ),
    (
        "envelopes",
        "length(mailbox) + 16 + length(bytes)",
        "max(expires)",
    ),
    (
        "invitations",
        "length(invitation) + length(withdraw_hash) + 8 + length(blob)",
        "max(expires)",
    ),
];

impl NodeStore {
    /// Counts everything that is kept, table by table.
    ///
    /// # Errors
    /// If the database refuses.
    pub fn retained(&mut self) -> Result<Vec<Retained>, StoreError> {
        let mut all = Vec::new();
        for (kind, bytes, expiry) in TABLES {
            let sql = format!("SELECT count(*), coalesce(sum({bytes}), 0), {expiry} FROM {kind}");
            all.push(self.connection().query_row(&sql, [], |row| {
                Ok(Retained {
                    kind,
                    count: row.get(0)?,
                    bytes: row.get(1)?,
                    latest_expiry: row.get(2)?,
                })
            })?);
        }
        Ok(all)
    }
}
