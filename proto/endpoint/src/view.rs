// SPDX-License-Identifier: MIT OR Apache-2.0
//! What there is to show, as plain values. Cheap to compare, made anew when something changed.

use std::sync::Arc;

use hither_api::{DeviceId, Role};
use hither_sansio::UnixTime;

use crate::network::NetworkView;
use crate::{
    CallId, ContactId, InvitationKey, LinkId, MessageId, Notice, RelayOnly, TransportProtocol,
};

/// Everything an app shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Where in its life the client is.
    pub phase: Phase,
    /// This person; present when [`Phase::Ready`].
    pub me: Option<MeView>,
    /// The connection to the node.
    pub node: NodeState,
    /// Sorted by category, then by name.
    pub contacts: Vec<ContactView>,
    /// Every category in use, sorted; never empty when ready.
    pub categories: Vec<String>,
    /// Invitations we made, newest first.
    pub invitations: Vec<InvitationView>,
    /// Somebody's invitation that we are answering.
    pub joining: Option<JoiningView>,
    /// The open conversation.
    pub conversation: Option<ConversationView>,
    /// The call, if any.
    pub call: Option<CallView>,
    /// This account's devices, once asked for.
    pub devices: Option<Vec<DeviceView>>,
    /// Whether everything goes through the relay.
    pub relay_for_all: bool,
    /// Categories from whose people this device's address is hidden.
    pub relay_only_categories: Vec<String>,
    /// What is known of the network around this device.
    pub network: NetworkView,
    /// Undismissed notices, oldest first, at most 16.
    pub notices: Vec<Notice>,
}

impl View {
    /// A view with nothing but a phase and notices.
    #[must_use]
    pub const fn bare(phase: Phase, notices: Vec<Notice>) -> Self {
        Self {
            phase,
            me: None,
            node: NodeState::Connecting,
            contacts: Vec::new(),
            categories: Vec::new(),
            invitations: Vec::new(),
            joining: None,
            conversation: None,
            call: None,
            devices: None,
            relay_for_all: false,
            relay_only_categories: Vec::new(),
            network: NetworkView::idle(),
            notices,
        }
    }
}

/// Where in its life the client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nothing is stored here yet.
    Fresh,
    /// The passphrase is being stretched and the account registered.
    Onboarding,
    /// There is a vault and it is closed.
    Locked,
    /// The passphrase is being stretched.
    Unlocking,
    /// Open.
    Ready,
}

/// This person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeView {
    /// As contacts see it.
    pub name: String,
    /// As contacts see it.
    pub picture: Option<Arc<[u8]>>,
    /// Role at the node.
    pub role: Role,
    /// The node's origin.
    pub node: String,
}

/// The connection to the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeState {
    /// Opening the socket or signing in.
    Connecting,
    /// Signed in.
    Online,
    /// Waiting to try again. Calls and open data channels go on.
    Offline,
    /// This device was revoked; it will not try again.
    Revoked,
}

/// A contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactView {
    /// Its id here.
    pub id: ContactId,
    /// The alias if there is one, else the name they gave themselves.
    pub name: String,
    /// The name they gave themselves.
    pub own_name: String,
    /// Their picture.
    pub picture: Option<Arc<[u8]>>,
    /// Where it is listed.
    pub category: String,
    /// How far the acquaintance is.
    pub state: ContactState,
    /// 60 digits in 12 groups, the same on both sides.
    pub safety_number: String,
    /// The note of our invitation that they answered, while they wait for approval.
    pub invited_as: Option<String>,
    /// Whether the person said that they compared it.
    pub verified: bool,
    /// Unread texts.
    pub unread: u32,
    /// The newest text, for the list.
    pub last_text: Option<String>,
    /// When it was written.
    pub last_time: Option<UnixTime>,
    /// The call that nobody answered, if it came after the newest text.
    pub last_call: Option<PastCallView>,
    /// Which way bytes go right now: over an open link; `None`: through the mailbox.
    pub route: Option<RouteView>,
    /// What was said of this contact by itself.
    pub relay_only: RelayOnly,
    /// What comes of it, of the category and of the rule for everybody: only relayed candidates are for them.
    pub hidden: bool,
    /// Always direct is on for this contact.
    pub always_direct: bool,
    /// They are typing.
    pub typing: bool,
}

/// How far an acquaintance is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum ContactState {
    /// They answered our invitation; we must approve.
    WantsApproval,
    /// We answered theirs; they must approve.
    AwaitsApproval,
    /// Both agreed.
    Active,
    /// They, or we, ended it; the history remains until removed.
    Closed,
}

/// The way bytes go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteView {
    /// Which of the three.
    pub route: Route,
    /// What leaves this device is carried by: to the other side, or to the relay.
    pub protocol: TransportProtocol,
    /// Another way stands ready, through the relay, for when this one is lost.
    pub spare: bool,
    /// The other side has been told an address of this device, whichever way is taken now.
    pub shown: bool,
    /// Measured round trip in milliseconds.
    pub rtt_ms: Option<u32>,
    /// Candidates tried and chosen, for the curious.
    pub timeline: Vec<TimelineEntry>,
}

/// The three ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Same network: nothing leaves it.
    SameNetwork,
    /// Directly, through NATs or none.
    Direct,
    /// Through the node's relay, which sees ciphertext, addresses, sizes and times.
    Relay,
}

/// One line of a link's timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineEntry {
    /// Milliseconds since the link was opened.
    pub at_ms: u64,
    /// What happened, in the field's words: `local candidate host udp`, `pair selected srflx–host`, …
    pub what: String,
}

/// An invitation that we made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvitationView {
    /// Its id here.
    pub id: InvitationKey,
    /// For whom, as noted.
    pub note: String,
    /// What to pass on, on one channel.
    pub link: String,
    /// What to pass on, on another channel: twelve words.
    pub words: String,
    /// The sealed blob, to be saved as a file instead of the link.
    pub blob: Arc<[u8]>,
    /// When it ends.
    pub expires: UnixTime,
    /// How it stands.
    pub state: InvitationState,
}

/// How an invitation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvitationState {
    /// Being made: key derivation, mailbox, parking.
    Preparing,
    /// Can be passed on.
    Ready,
    /// The link does not work (the node did not take it), the file does.
    FileOnly,
}

/// The invitation that we are answering.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoiningView {
    /// How far it is.
    pub stage: JoinStage,
    /// The last thing that went wrong; the person may try again.
    pub problem: Option<Notice>,
}

/// How far answering an invitation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinStage {
    /// Getting the blob from its node.
    Fetching,
    /// Waiting for the twelve words.
    NeedsCode,
    /// Stretching the code, opening, joining.
    Checking,
}

/// The open conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConversationView {
    /// With whom.
    pub contact: ContactId,
    /// Oldest first, the last 500.
    pub messages: Vec<MessageView>,
    /// Calls that nobody answered, oldest first, each with the text below which it stands.
    pub calls: Vec<PastCallView>,
    /// Whether older ones were left out.
    pub truncated: bool,
}

/// A text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageView {
    /// Its id.
    pub id: MessageId,
    /// What was written.
    pub text: Arc<str>,
    /// When its writer wrote it.
    pub time: UnixTime,
    /// How far it got; for our own.
    pub delivery: Delivery,
}

/// A call that nobody answered: a line in its conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastCallView {
    /// Which.
    pub id: CallId,
    /// Who called.
    pub direction: CallDirection,
    /// Whether it was to be one with video.
    pub video: bool,
    /// When.
    pub time: UnixTime,
    /// Why it came to nothing.
    pub reason: EndReason,
    /// The text above it; `None` if there is none, or none that is shown.
    pub after: Option<MessageId>,
}

/// How far a text of ours got.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum Delivery {
    /// Here only.
    Queued,
    /// In the mailbox, or handed to the open channel.
    Sent,
    /// On their device.
    Delivered,
    /// Shown to them.
    Read,
}

/// The call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallView {
    /// Which.
    pub id: CallId,
    /// With whom.
    pub contact: ContactId,
    /// Who called.
    pub direction: CallDirection,
    /// How far it is.
    pub stage: CallStage,
    /// The link that carries media, once there is one: attach video elements to it.
    pub link: Option<LinkId>,
    /// We send sound.
    pub microphone: bool,
    /// We send video.
    pub camera: bool,
    /// We send the screen.
    pub screen: bool,
    /// They send sound.
    pub remote_microphone: bool,
    /// They send video.
    pub remote_camera: bool,
    /// They send their screen.
    pub remote_screen: bool,
    /// Which way it goes.
    pub route: Option<RouteView>,
    /// A short number to read to each other.
    pub number: Option<String>,
}

/// Who called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallDirection {
    /// We did.
    Outgoing,
    /// They did.
    Incoming,
}

/// How far a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallStage {
    /// Our call has not reached their device yet.
    Calling,
    /// It rings (there, or here).
    Ringing,
    /// Accepted; media is on its way.
    Connecting,
    /// Media flows.
    Active {
        /// Since when.
        since: UnixTime,
    },
    /// The path broke, or the other side's page is being reloaded; being mended.
    Reconnecting {
        /// When the call became active.
        since: UnixTime,
    },
    /// Over; shown until dismissed.
    Ended {
        /// Why.
        reason: EndReason,
    },
}

/// Why a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum EndReason {
    /// We hung up.
    HungUp,
    /// They hung up.
    RemoteHungUp,
    /// They declined.
    Declined,
    /// They are in another call.
    Busy,
    /// Nobody answered.
    NoAnswer,
    /// We did not answer.
    Missed,
    /// The path could not be mended.
    Lost,
}

/// A device of this account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceView {
    /// Which.
    pub id: DeviceId,
    /// Its label, or nothing if it was sealed by an unknown key.
    pub label: String,
    /// Day of the last sign-in since 1970-01-01.
    pub last_seen_day: Option<u64>,
    /// This very device.
    pub current: bool,
}
