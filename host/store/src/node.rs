// SPDX-License-Identifier: MIT OR Apache-2.0
//! Opening, sweeping and tidying the database of a node.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hither_sansio::UnixTime;
use rusqlite::{Connection, OpenFlags, Savepoint, params};

use crate::schema;

/// The database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory or the file could not be made.
    #[error("cannot make {}", path.display())]
    Create {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file was written by a newer program.
    #[error(
        "the database has version {found}, which is newer than this program; use the newer program"
    )]
    TooNew {
        /// The version in the file.
        found: u32,
    },
    /// `SQLite` said no.
    #[error("cannot open the database")]
    Database(#[from] rusqlite::Error),
}

/// `SQLite` said no: a full disk, a broken file, or a bug. Carries no value of any row.
#[derive(Debug, thiserror::Error)]
#[error("the database refused an operation")]
pub struct StoreError(#[from] pub(crate) rusqlite::Error);

/// How much a sweep removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Envelopes, tokens, invitations and mailboxes that ended.
    pub removed: usize,
}

/// The records of a node.
#[derive(Debug)]
pub struct NodeStore {
    connection: Connection,
    /// Bytes beyond which nothing more is taken in.
    capacity: u64,
    /// Whether something was removed of which the write-ahead log may still hold a copy.
    pub(crate) removed_something: bool,
}

impl NodeStore {
    /// Opens the database in `directory`, or makes both, readable by their owner only.
    ///
    /// # Errors
    /// If the file cannot be made or read, or is of a newer version.
    pub fn open(directory: &Path) -> Result<Self, OpenError> {
        let file = directory.join("node.sqlite");
        make_private(directory, &file)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Self::prepare(Connection::open_with_flags(&file, flags)?)
    }

    fn prepare(mut connection: Connection) -> Result<Self, OpenError> {
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // A put that was answered must survive a power cut; the thread commits many puts at once.
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "secure_delete", "ON")?;
        connection.pragma_update(None, "foreign_keys", "ON")?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        connection.pragma_update(None, "cache_size", -4096)?;
        connection.set_prepared_statement_cache_capacity(64);
        if let Err(found) = schema::migrate(&mut connection)? {
            return Err(OpenError::TooNew { found });
        }
        Ok(Self {
            connection,
            capacity: u64::MAX,
            // A run that was killed may have left something in the log.
            removed_something: true,
        })
    }

    /// From now on, envelopes, invitations and profiles are refused once the database holds this many bytes.
    pub fn set_capacity(&mut self, bytes: u64) {
        self.capacity = bytes;
    }

    /// Whether the database holds as much as it may.
    pub(crate) fn is_full(&self) -> Result<bool, rusqlite::Error> {
        if self.capacity == u64::MAX {
            return Ok(false);
        }
        let pragma = |name: &str| {
            self.connection
                .pragma_query_value(None, name, |row| row.get::<_, u64>(0))
        };
        let pages = pragma("page_count")?.saturating_sub(pragma("freelist_count")?);
        Ok(pages.saturating_mul(pragma("page_size")?) >= self.capacity)
    }

    /// One atomic change, within a batch or alone.
    pub(crate) fn change(&mut self) -> Result<Savepoint<'_>, rusqlite::Error> {
        self.connection.savepoint()
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Starts a batch: what follows becomes durable together.
    ///
    /// # Errors
    /// If the database refuses.
    pub fn begin_batch(&mut self) -> Result<(), StoreError> {
        Ok(self.connection.execute_batch("BEGIN IMMEDIATE")?)
    }

    /// Makes a batch durable, or undoes it.
    ///
    /// # Errors
    /// If the database refuses; then nothing of the batch has happened.
    pub fn commit_batch(&mut self) -> Result<(), StoreError> {
        let committed = self.connection.execute_batch("COMMIT");
        if committed.is_err() && !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK")?;
        }
        Ok(committed?)
    }

    /// Removes everything that has ended.
    ///
    /// # Errors
    /// If the database refuses.
    pub fn sweep(&mut self, now: UnixTime) -> Result<Swept, StoreError> {
        let (secs, today) = (now.as_secs(), now.day());
        let change = self.change()?;
        let mut removed = 0;
        for table in ["envelopes", "registration_tokens", "invitations"] {
            removed +=
                change.execute(&format!("DELETE FROM {table} WHERE expires <= ?1"), [secs])?;
        }
        removed += change.execute("DELETE FROM mailboxes WHERE until_day < ?1", [today])?;
        change.execute("DELETE FROM parking WHERE until_day <= ?1", [today])?;
        // Mailboxes end by themselves if nobody subscribes; then their account may make as many again.
        change.execute(
            "UPDATE accounts SET mailboxes = 0 WHERE mailboxes > 0 AND NOT EXISTS (
                SELECT 1 FROM devices WHERE devices.account = accounts.account
                AND devices.last_seen_day + ?2 >= ?1)",
            params![today, crate::expiry::MAILBOX_DAYS],
        )?;
        change.commit()?;
        self.removed_something |= removed > 0;
        Ok(Swept { removed })
    }

    /// Moves the write-ahead log into the database and empties it, so that no copy of what was removed
    /// stays behind. Does nothing if nothing was removed since the last time.
    ///
    /// # Errors
    /// If the database refuses.
    pub fn forget_removed(&mut self) -> Result<(), StoreError> {
        if !self.removed_something {
            return Ok(());
        }
        let busy: i64 =
            self.connection
                .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        self.removed_something = busy != 0;
        Ok(())
    }

    /// Closes the database with an empty write-ahead log.
    ///
    /// # Errors
    /// If the database refuses.
    pub fn close(mut self) -> Result<(), StoreError> {
        self.removed_something = true;
        self.forget_removed()?;
        self.connection.close().map_err(|(_, error)| error.into())
    }
}

/// Makes the directory and an empty file, closed to everybody else, before `SQLite` sees them: the log and
/// the shared memory beside it take over the file's permissions.
fn make_private(directory: &Path, file: &Path) -> Result<(), OpenError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| OpenError::Create { path, source }
    };
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory).map_err(failed(directory))?;
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file).map_err(failed(file))?;
    Ok(())
}
