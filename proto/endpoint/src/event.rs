// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the client tells its app. The app finds the words.

use crate::{CallId, ContactId};

/// Something happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// [`crate::Endpoint::view`] would answer differently now.
    ViewChanged,
    /// A person should be told, once. Also kept in [`crate::View::notices`] until dismissed.
    Notice(Notice),
    /// A text arrived in a conversation that is not open.
    Unread {
        /// From whom.
        contact: ContactId,
    },
    /// Somebody called during another call.
    MissedCall {
        /// Who.
        contact: ContactId,
    },
    /// Start ringing.
    Ring {
        /// Which call.
        call: CallId,
        /// From whom.
        contact: ContactId,
    },
    /// Stop ringing.
    RingStopped,
    /// All keys are forgotten; the host drops its copies, streams and workers.
    Locked,
}

/// Sentences in need of words. Each says what went wrong or came to pass; the app adds what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// The passphrase does not open this vault.
    WrongPassphrase,
    /// The passphrase is shorter than 8 characters.
    PassphraseTooShort,
    /// The name is empty or longer than 64 characters.
    NameInvalid,
    /// The picture is larger than 48 KiB.
    PictureTooLarge,
    /// What is stored here is damaged or of an unknown version.
    StoreUnreadable,
    /// Something could not be written to this device; nothing is sent until it can.
    StoreFull,
    /// The node does not answer.
    NodeUnreachable,
    /// The node refused.
    NodeRefused {
        /// The node's word for it.
        kind: String,
        /// Its sentence.
        title: String,
        /// Its advice.
        detail: String,
    },
    /// This device was signed out by another device of the account or an admin.
    DeviceRevoked,
    /// The invitation is not at its node: used, withdrawn or expired.
    InvitationGone,
    /// The words are not twelve.
    CodeWordCount {
        /// How many were typed.
        found: usize,
    },
    /// A word is not in the list.
    CodeUnknownWord {
        /// Which, from 1.
        position: usize,
        /// The nearest word of the list.
        nearest: Option<String>,
    },
    /// All words are known but they do not belong together: one is wrong or two are swapped.
    CodeChecksum,
    /// The code does not open this invitation, or the invitation was altered.
    CodeWrong,
    /// The invitation has expired.
    InvitationExpired,
    /// The blob is no invitation of a version known here.
    InvitationMalformed,
    /// The invitation opened, but its signature does not verify.
    InvitationForged,
    /// It is our own.
    InvitationOwn,
    /// The invitation is to be answered at another node than this client's; nodes do not talk to each other yet.
    InvitationElsewhere {
        /// Its origin.
        node: String,
    },
    /// The other side made the invitation in another client family: suites differ.
    InvitationUnsupported,
    /// Somebody tried to use an invitation a second time; they were refused.
    InvitationReplayed {
        /// The note of the invitation.
        note: String,
    },
    /// Something that claimed to answer an invitation failed its checks; it was refused.
    JoinRefused {
        /// The note of the invitation.
        note: String,
    },
    /// A person answered the invitation and waits for approval.
    ApprovalWanted {
        /// Who.
        contact: ContactId,
    },
    /// The other side approved: the contact is there.
    ContactConfirmed {
        /// Who.
        contact: ContactId,
    },
    /// The other side did not let us in.
    ContactRejected {
        /// Who.
        contact: ContactId,
    },
    /// The other side closed the conversation.
    ContactClosed {
        /// Who.
        contact: ContactId,
    },
    /// Envelopes from this contact were altered, replayed or forged on their way; they were refused.
    TamperingSeen {
        /// Who.
        contact: ContactId,
    },
    /// The contact's mailbox is gone or full; the text waits here.
    MailboxRefused {
        /// Who.
        contact: ContactId,
        /// The node's sentence.
        title: String,
    },
    /// No access to microphone or camera.
    CaptureFailed {
        /// What the browser said, e.g. `NotAllowedError`.
        reason: String,
        /// Whether it was the screen.
        screen: bool,
    },
    /// Media was about to leave without its envelope; it was stopped.
    MediaUnprotected,
    /// The text is empty or too long.
    TextInvalid,
    /// The wish does not fit the moment (call while in a call, and so on).
    NotNow,
    /// A registration token cannot be made with this account's role.
    MayNotRegisterOthers,
}
