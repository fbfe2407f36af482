// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a person can ask of their client.

use hither_api::{DeviceId, RegistrationToken, link::Link};
use zeroize::Zeroizing;

use crate::{ContactId, InvitationKey, RelayOnly};

/// A person's wish. Carried out at once or answered by a [`crate::Notice`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Command {
    /// First start: make an identity, seal the vault, register at the node.
    Onboard {
        /// Shown to contacts; 1 to 64 characters.
        name: String,
        /// A small picture as encoded by the app (JPEG, PNG or WebP, at most 48 KiB).
        picture: Option<Vec<u8>>,
        /// Seals everything on this device; at least 8 characters.
        passphrase: Zeroizing<String>,
        /// The node's origin, `https://host[:port]`.
        node: String,
        /// Absent where the node lets anybody register.
        registration: Option<RegistrationToken>,
    },
    /// Open the vault.
    Unlock {
        /// As chosen at the start.
        passphrase: Zeroizing<String>,
    },
    /// Forget every key in memory; calls end.
    Lock,
    /// Change name and picture; contacts are told.
    SetProfile {
        /// See [`Command::Onboard`].
        name: String,
        /// See [`Command::Onboard`].
        picture: Option<Vec<u8>>,
    },
    /// Make an invitation: a link and, apart from it, twelve words.
    CreateInvitation {
        /// A note to oneself: for whom.
        note: String,
        /// Where the contact will be listed.
        category: String,
        /// Let the link also make an account at the node (needs the right to).
        with_registration: bool,
    },
    /// Take an unused invitation back.
    WithdrawInvitation {
        /// Which.
        invitation: InvitationKey,
    },
    /// Open somebody's invitation from its link.
    OpenLink {
        /// Parsed by [`Link::parse`].
        link: Link,
    },
    /// Open somebody's invitation from its file.
    OpenFile {
        /// The sealed blob.
        blob: Vec<u8>,
    },
    /// Unlock the opened invitation with its twelve words.
    EnterCode {
        /// As typed.
        words: Zeroizing<String>,
        /// Where the contact will be listed.
        category: String,
    },
    /// Put the opened invitation aside. Until then it is kept, and there again after a reload.
    CancelJoin,
    /// Let the person in who answered an invitation of ours.
    Approve {
        /// Which.
        contact: ContactId,
    },
    /// Do not let them in.
    Reject {
        /// Which.
        contact: ContactId,
    },
    /// List a contact elsewhere.
    SetCategory {
        /// Which.
        contact: ContactId,
        /// 1 to 32 characters.
        category: String,
    },
    /// Call a contact by a name of one's own; empty takes it back.
    SetAlias {
        /// Which.
        contact: ContactId,
        /// At most 64 characters.
        alias: String,
    },
    /// Remember that the safety number was compared.
    SetVerified {
        /// Which.
        contact: ContactId,
        /// Whether it was.
        verified: bool,
    },
    /// Whether this device's address is hidden from the contact: relay only.
    SetRelayOnly {
        /// Which.
        contact: ContactId,
        /// Wins over what their category says.
        relay_only: RelayOnly,
    },
    /// Hide this device's address from everybody in a category who has no word of their own.
    SetCategoryRelayOnly {
        /// One that somebody is in.
        category: String,
        /// Whether to.
        relay_only: bool,
    },
    /// Connect directly whenever both are there, also without a call.
    SetAlwaysDirect {
        /// Which.
        contact: ContactId,
        /// Whether to.
        always_direct: bool,
    },
    /// Close the conversation for good and destroy its keys.
    RemoveContact {
        /// Which.
        contact: ContactId,
    },
    /// Show a conversation; what is unread there counts as read.
    OpenConversation {
        /// Which.
        contact: ContactId,
    },
    /// Show no conversation.
    CloseConversation,
    /// Write.
    SendText {
        /// To whom.
        contact: ContactId,
        /// 1 to 16,384 bytes of UTF-8.
        text: String,
    },
    /// The person is typing in the open conversation.
    Typing {
        /// To whom.
        contact: ContactId,
    },
    /// Call.
    Call {
        /// Whom.
        contact: ContactId,
        /// With the camera on from the start.
        video: bool,
    },
    /// Take the incoming call.
    AcceptCall {
        /// With the camera on.
        video: bool,
    },
    /// Refuse the incoming call.
    DeclineCall,
    /// End the call, or stop calling.
    HangUp,
    /// Put the picture of an ended call away.
    DismissCall,
    /// Mute or unmute.
    SetMicrophone {
        /// Whether sound is sent.
        on: bool,
    },
    /// Camera on or off.
    SetCamera {
        /// Whether video is sent.
        on: bool,
    },
    /// Share the screen or stop.
    SetScreen {
        /// Whether the screen is sent.
        on: bool,
    },
    /// Ask the node for this account's devices.
    RefreshDevices,
    /// Give a device another label.
    RenameDevice {
        /// Which.
        device: DeviceId,
        /// At most 64 characters.
        label: String,
    },
    /// Sign a device out for good.
    RevokeDevice {
        /// Which.
        device: DeviceId,
    },
    /// Delete the account at the node and everything on this device; contacts are told that it is over.
    DeleteAccount,
    /// Send everything through the relay, with everybody (for tests and for the careful).
    SetRelayForAll {
        /// Whether to.
        relay_only: bool,
    },
    /// Measure what the network around this device does to packets; see [`crate::View::network`].
    ProbeNetwork,
    /// The network changed or came back, or the page became visible: look at once.
    NetworkChanged,
    /// A notice was read.
    DismissNotice {
        /// Position in [`crate::View::notices`].
        index: usize,
    },
}
