// SPDX-License-Identifier: MIT OR Apache-2.0
//! (skeleton)
use hither_sansio::UnixTime;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::identity::{Identity, PublicIdentity, SignatureError};
use crate::session::Session;
use crate::stretch::Stretched;

/// Where and how an inviter can be reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meeting {
    /// The node's origin, such as `https://node.example`; at most 255 bytes.
    pub node: String,
    /// The mailbox.
    pub mailbox: [u8; 32],
    /// What allows writing to it.
    pub capability: [u8; 32],
}

/// skeleton
#[expect(clippy::too_many_arguments, reason = "skeleton")]
pub fn create(
    identity: &Identity,
    device: [u8; 16],
    meeting: Meeting,
    salt: [u8; 16],
    key: &Stretched,
    expires: UnixTime,
    now: UnixTime,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(Vec<u8>, PendingInvitation), CreateError> {
    drop((identity, device, meeting, salt, key, expires, now, rng));
    todo!()
}

/// skeleton
pub fn salt(blob: &[u8]) -> Result<[u8; 16], InvitationError> {
    let _ = blob;
    todo!()
}

/// skeleton
pub fn open(
    blob: &[u8],
    key: &Stretched,
    now: UnixTime,
) -> Result<OpenedInvitation, InvitationError> {
    let _ = (blob, key, now);
    todo!()
}

/// skeleton
#[derive(Clone, Debug)]
pub struct OpenedInvitation {
    inviter: PublicIdentity,
    meeting: Meeting,
    expires: UnixTime,
}

impl OpenedInvitation {
    /// skeleton
    pub fn inviter(&self) -> &PublicIdentity {
        &self.inviter
    }
    /// skeleton
    pub fn meeting(&self) -> &Meeting {
        &self.meeting
    }
    /// skeleton
    pub fn expires(&self) -> UnixTime {
        self.expires
    }
    /// skeleton
    pub fn join(
        self,
        identity: &Identity,
        device: [u8; 16],
        hello: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
        now: UnixTime,
    ) -> Result<Joined, JoinError> {
        let _ = (identity, device, hello, rng, now);
        todo!()
    }
}

/// skeleton
#[derive(Debug)]
pub struct Joined {
    /// M1, addressed to the meeting's mailbox.
    pub envelope: Vec<u8>,
    /// The session, already usable.
    pub session: Session,
    /// The inviter.
    pub peer: PublicIdentity,
    /// What the inviter's Accept must sign.
    pub transcript: Transcript,
}

/// skeleton
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PendingInvitation {
    mailbox: [u8; 32],
    expires: UnixTime,
}

impl PendingInvitation {
    /// skeleton
    pub fn mailbox(&self) -> &[u8; 32] {
        &self.mailbox
    }
    /// skeleton
    pub fn expires(&self) -> UnixTime {
        self.expires
    }
    /// skeleton
    pub fn is_spent(&self) -> bool {
        todo!()
    }
    /// skeleton
    pub fn redeem(
        &mut self,
        identity: &Identity,
        envelope: &[u8],
        now: UnixTime,
    ) -> Result<JoinRequest, RedeemError> {
        let _ = (identity, envelope, now);
        todo!()
    }
}

/// skeleton
#[derive(Debug)]
pub struct JoinRequest {
    /// Who wants to join.
    pub peer: PublicIdentity,
    /// The endpoint's own bytes.
    pub hello: Vec<u8>,
    /// The session, not to be used before the person agreed.
    pub session: Session,
    /// What Accept signs.
    pub transcript: Transcript,
}

/// skeleton
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transcript {}

impl Transcript {
    /// skeleton
    pub fn accept(&self, identity: &Identity) -> Vec<u8> {
        let _ = identity;
        todo!()
    }
    /// skeleton
    pub fn verify_accept(&self, peer: &PublicIdentity, body: &[u8]) -> Result<(), SignatureError> {
        let _ = (peer, body);
        todo!()
    }
}

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
