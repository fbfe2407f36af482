// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tables, and how an older file becomes a newer one.
//!
//! Tables have no row ids: the order in which rows came would otherwise be kept, and with it which mailbox
//! was made after which account.

use rusqlite::{Connection, TransactionBehavior};

/// One script per version; the position is the version that it leads to.
const MIGRATIONS: &[&str] = &[V1];

/// "hthr": marks a file as ours (`PRAGMA application_id`).
const APPLICATION_ID: i64 = 0x6874_6872;

const V1: &str = "
CREATE TABLE accounts (
    account   BLOB    NOT NULL PRIMARY KEY CHECK (length(account) = 16),
    role      INTEGER NOT NULL CHECK (role BETWEEN 0 AND 2),
    mailboxes INTEGER NOT NULL DEFAULT 0 CHECK (mailboxes >= 0),
    profile   BLOB
) STRICT, WITHOUT ROWID;

CREATE TABLE devices (
    device        BLOB    NOT NULL PRIMARY KEY CHECK (length(device) = 16),
    account       BLOB    NOT NULL REFERENCES accounts (account) ON DELETE CASCADE,
    auth_key      BLOB    NOT NULL CHECK (length(auth_key) = 32),
    label         BLOB    NOT NULL,
    last_seen_day INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX devices_by_account ON devices (account);
CREATE INDEX devices_by_key ON devices (auth_key);

-- How many parked invitations an account has, by the day on which they free their place.
CREATE TABLE parking (
    account   BLOB    NOT NULL REFERENCES accounts (account) ON DELETE CASCADE,
    until_day INTEGER NOT NULL,
    taken     INTEGER NOT NULL,
    PRIMARY KEY (account, until_day)
) STRICT, WITHOUT ROWID;

CREATE TABLE registration_tokens (
    token_hash BLOB    NOT NULL PRIMARY KEY CHECK (length(token_hash) = 32),
    role       INTEGER NOT NULL CHECK (role BETWEEN 0 AND 2),
    expires    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE mailboxes (
    mailbox       BLOB    NOT NULL PRIMARY KEY CHECK (length(mailbox) = 32),
    write_hash    BLOB    NOT NULL CHECK (length(write_hash) = 32),
    read_hash     BLOB    NOT NULL CHECK (length(read_hash) = 32),
    until_day     INTEGER NOT NULL,
    next_sequence INTEGER NOT NULL,
    waiting       INTEGER NOT NULL DEFAULT 0,
    waiting_bytes INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX mailboxes_by_day ON mailboxes (until_day);

CREATE TABLE envelopes (
    mailbox  BLOB    NOT NULL REFERENCES mailboxes (mailbox) ON DELETE CASCADE,
    sequence INTEGER NOT NULL,
    expires  INTEGER NOT NULL,
    bytes    BLOB    NOT NULL,
    PRIMARY KEY (mailbox, sequence)
) STRICT, WITHOUT ROWID;
CREATE INDEX envelopes_by_expiry ON envelopes (expires);

CREATE TRIGGER envelope_came AFTER INSERT ON envelopes BEGIN
    UPDATE mailboxes SET waiting = waiting + 1, waiting_bytes = waiting_bytes + length(NEW.bytes)
    WHERE mailbox = NEW.mailbox;
END;
CREATE TRIGGER envelope_went AFTER DELETE ON envelopes BEGIN
    UPDATE mailboxes SET waiting = waiting - 1, waiting_bytes = waiting_bytes - length(OLD.bytes)
    WHERE mailbox = OLD.mailbox;
END;

CREATE TABLE invitations (
    invitation    BLOB    NOT NULL PRIMARY KEY CHECK (length(invitation) = 32),
    withdraw_hash BLOB    NOT NULL CHECK (length(withdraw_hash) = 32),
    expires       INTEGER NOT NULL,
    blob          BLOB    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX invitations_by_expiry ON invitations (expires);
";

/// Brings the file to the newest version; says which version was found if that is newer still.
pub(crate) fn migrate(connection: &mut Connection) -> Result<Result<(), u32>, rusqlite::Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: u32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let newest = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    if found > newest {
        return Ok(Err(found));
    }
    for (version, script) in (1_u32..).zip(MIGRATIONS) {
        if version > found {
            transaction.execute_batch(script)?;
        }
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", newest)?;
    transaction.commit()?;
    Ok(Ok(()))
}
