// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can be wrong with an invitation and with the answer to one.

use crate::identity::{ParseError, SignatureError};
use crate::wire::Truncated;

/// Why no invitation was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreateError {
    /// The expiry is in the past, or more than seven days away.
    #[error("an invitation lasts between a moment and seven days")]
    Expiry,
    /// The node's origin is longer than 255 bytes.
    #[error("the place to meet does not fit into an invitation")]
    Meeting,
    /// The MLS library refused.
    #[error("the key package could not be made")]
    Failed,
}

/// Why an invitation did not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvitationError {
    /// Not an invitation, or damaged.
    #[error("this is not an invitation, or it is damaged")]
    Malformed,
    /// Made by a newer program.
    #[error("this invitation was made by another version of the program")]
    Version,
    /// The code is not the one this invitation was sealed with.
    #[error("the code does not open this invitation")]
    WrongCode,
    /// Too late.
    #[error("this invitation has expired")]
    Expired,
    /// Sealed with the right code, but not signed by whom it names.
    #[error("this invitation is forged")]
    Forged,
}

/// Why an invitation could not be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// The invitation expired in the meantime.
    #[error("this invitation has expired")]
    Expired,
    /// One cannot accept one's own invitation.
    #[error("this is an invitation of your own")]
    OwnInvitation,
    /// `hello` is too long.
    #[error("the greeting is too long")]
    HelloTooLong,
    /// The MLS library refused.
    #[error("the session could not be made")]
    Failed,
}

/// Why an answer to an invitation was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedeemError {
    /// Not sealed for this invitation; the invitation stays open.
    #[error("this is no answer to this invitation")]
    NotForUs,
    /// Sealed for this invitation, but broken inside.
    #[error("the answer to the invitation is damaged")]
    Malformed,
    /// The token is not the invitation's.
    #[error("the answer carries a wrong token")]
    WrongToken,
    /// Somebody used this invitation before.
    #[error("this invitation was used before")]
    AlreadySpent,
    /// Too late.
    #[error("the answer came after the invitation had expired")]
    Expired,
    /// A signature or a binding does not hold.
    #[error("the answer is forged")]
    Forged,
}

impl From<Truncated> for InvitationError {
    fn from(_: Truncated) -> Self {
        Self::Malformed
    }
}

impl From<ParseError> for InvitationError {
    fn from(_: ParseError) -> Self {
        Self::Malformed
    }
}

impl From<SignatureError> for InvitationError {
    fn from(_: SignatureError) -> Self {
        Self::Forged
    }
}

impl From<Truncated> for RedeemError {
    fn from(_: Truncated) -> Self {
        Self::Malformed
    }
}

impl From<ParseError> for RedeemError {
    fn from(_: ParseError) -> Self {
        Self::Malformed
    }
}

impl From<SignatureError> for RedeemError {
    fn from(_: SignatureError) -> Self {
        Self::Forged
    }
}
