// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can go wrong in a session.

use openmls::framing::errors::{MessageDecryptionError, SecretTreeError};
use openmls::group::{ProcessMessageError, StageCommitError, ValidationError};

/// Why nothing was sealed; the session is as it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// A commit or proposal waits for its acknowledgement.
    #[error("a commit or proposal is pending")]
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
    /// Its key is gone: of an older epoch, or too far behind the newest message.
    #[error("the message is too old")]
    TooOld,
    /// It does not authenticate.
    #[error("the message is forged")]
    Forged,
    /// From an epoch that this side has not reached: a commit is missing.
    #[error("the message is of epoch {theirs}, this side is in {ours}")]
    WrongEpoch {
        /// This side's epoch.
        ours: u64,
        /// The message's epoch.
        theirs: u64,
    },
    /// A commit of leaf 1 while leaf 0 has one pending: leaf 0's holds.
    #[error("this side's own commit comes first")]
    Outranked,
    /// Something that a two-person session does not allow, or this side's own message come back.
    #[error("the message asks for something that is not allowed")]
    Refused,
}

impl ReceiveError {
    pub(super) fn from_openmls<E>(error: &ProcessMessageError<E>) -> Self {
        match error {
            ProcessMessageError::ValidationError(error) => Self::from_validation(error),
            ProcessMessageError::InvalidCommit(StageCommitError::ConfirmationTagMismatch) => {
                Self::Forged
            }
            _ => Self::Refused,
        }
    }

    const fn from_validation(error: &ValidationError) -> Self {
        match error {
            ValidationError::UnableToDecrypt(MessageDecryptionError::SecretTreeError(error)) => {
                match error {
                    SecretTreeError::SecretReuseError => Self::Replayed,
                    SecretTreeError::TooDistantInThePast => Self::TooOld,
                    _ => Self::Refused,
                }
            }
            ValidationError::UnableToDecrypt(MessageDecryptionError::MalformedContent) => {
                Self::Malformed
            }
            ValidationError::UnableToDecrypt(_) | ValidationError::InvalidSignature => Self::Forged,
            ValidationError::NoPastEpochData => Self::TooOld,
            _ => Self::Refused,
        }
    }
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
