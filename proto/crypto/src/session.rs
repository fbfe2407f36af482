// SPDX-License-Identifier: MIT OR Apache-2.0
//! (skeleton)
use serde::{Deserialize, Serialize};

use crate::envelope::HeaderKey;
use crate::secret::Secret;

/// skeleton
pub trait GroupSession {
    /// skeleton
    fn epoch(&self) -> u64;
}

/// skeleton
#[derive(Debug)]
pub struct Session {}

impl GroupSession for Session {
    fn epoch(&self) -> u64 {
        todo!()
    }
}

impl Session {
    /// skeleton
    pub fn epoch(&self) -> u64 {
        todo!()
    }
    /// skeleton
    pub fn own_leaf(&self) -> u32 {
        todo!()
    }
    /// skeleton
    pub fn peer_leaf(&self) -> u32 {
        todo!()
    }
    /// skeleton
    pub fn may_commit(&self) -> bool {
        todo!()
    }
    /// skeleton
    pub fn seal(&mut self, plaintext: &[u8]) -> Result<Vec<u8>, SealError> {
        let _ = plaintext;
        todo!()
    }
    /// skeleton
    pub fn receive(&mut self, message: &[u8]) -> Result<Received, ReceiveError> {
        let _ = message;
        todo!()
    }
    /// skeleton
    pub fn propose_update(&mut self) -> Result<Vec<u8>, SealError> {
        todo!()
    }
    /// skeleton
    pub fn commit(&mut self, psk: Option<&Secret<32>>) -> Result<Vec<u8>, SealError> {
        let _ = psk;
        todo!()
    }
    /// skeleton
    pub fn pending(&self) -> bool {
        todo!()
    }
    /// skeleton
    pub fn merge_pending(&mut self) -> Result<(), MergeError> {
        todo!()
    }
    /// skeleton
    pub fn drop_pending(&mut self) {
        todo!()
    }
    /// skeleton
    pub fn secrets(&self) -> EpochSecrets {
        todo!()
    }
    /// skeleton
    pub fn pending_secrets(&self) -> Option<EpochSecrets> {
        todo!()
    }
    /// skeleton
    pub fn changes(&mut self) -> Vec<Change> {
        todo!()
    }
    /// skeleton
    pub fn restore(
        entries: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>,
    ) -> Result<Self, RestoreError> {
        let _ = entries.into_iter().count();
        todo!()
    }
}

/// What a message of the peer was.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// Bytes for the endpoint.
    Application {
        /// The epoch it was sealed in: the current one, or the one before.
        epoch: u64,
        /// The bytes.
        plaintext: Vec<u8>,
    },
    /// The peer asks for new keys; the next commit will carry it.
    Proposal,
    /// The peer committed, and this side is now in the new epoch.
    Commit {
        /// The new epoch.
        epoch: u64,
    },
}

/// One storage entry that changed.
#[derive(Clone, PartialEq, Eq)]
pub struct Change {
    /// The entry's key.
    pub key: Vec<u8>,
    /// Its new value, or nothing if it is to be deleted. Secret.
    pub value: Option<Vec<u8>>,
}

impl core::fmt::Debug for Change {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Change(…)")
    }
}

/// What an epoch gives to those around it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EpochSecrets {
    /// The epoch.
    pub epoch: u64,
    /// Seals envelopes.
    pub header: HeaderKey,
    /// Seals the quick channel.
    pub quick: Secret<32>,
    /// Seals calls.
    pub media: Secret<32>,
    /// What both sides have if nobody is in between (RFC 9420 section 8.7).
    pub authenticator: Secret<48>,
}

/// Why nothing was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// A commit waits for its acknowledgement.
    #[error("a commit is pending")]
    Pending,
    /// The message is longer than an envelope can carry.
    #[error("the message is too long")]
    TooLong,
    /// The MLS library refused.
    #[error("the session could not seal")]
    Failed,
}

/// Why a message was not taken; the session is as it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiveError {
    /// Not an MLS PrivateMessage of this session.
    #[error("the message is malformed")]
    Malformed,
    /// Seen before.
    #[error("the message was received before")]
    Replayed,
    /// Its key is gone.
    #[error("the message is too old")]
    TooOld,
    /// It does not authenticate.
    #[error("the message is forged")]
    Forged,
    /// From an epoch for which there are no keys.
    #[error("the message is of epoch {theirs}, this side is in {ours}")]
    WrongEpoch {
        /// This side's epoch.
        ours: u64,
        /// The message's epoch.
        theirs: u64,
    },
    /// Authentic, but something that a two-person session does not allow.
    #[error("the message asks for something that is not allowed")]
    Refused,
}

/// Why a commit was not merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// There is none.
    #[error("no commit is pending")]
    Nothing,
    /// The MLS library refused.
    #[error("the commit could not be merged")]
    Failed,
}

/// Why a session could not be restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// No session in these entries.
    #[error("there is no session in these entries")]
    Missing,
    /// An entry does not parse.
    #[error("an entry of the session is damaged")]
    Malformed,
}
