// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every sentence that tells a person what happened, what it means, and what to do.
//!
//! What went wrong comes first, what to do second. No blame, no codes, no exclamation marks.

pub(crate) mod network;

use hither_api::Role;
use hither_browser::StartError;
use hither_endpoint::{
    CallDirection, ContactId, ContactState, Delivery, EndReason, NodeState, Notice, Route,
    TimelineEntry, TransportProtocol,
};
use hither_sansio::UnixTime;

use crate::components::Glyph;
use crate::dom::clock;

pub(crate) const TITLE: &str = "Hither";
pub(crate) const TITLE_RINGING: &str = "Incoming call · Hither";
pub(crate) const SOMEBODY: &str = "Somebody";
/// Instead of a name that is not known yet.
pub(crate) const NAMELESS: &str = "Your inviter";

pub(crate) const WELCOME: &str = "Talk with your people, and with nobody in between. A name, a picture if you \
    like, and a passphrase: that is all it takes. No phone number, no e‑mail.";
pub(crate) const WELCOME_INVITED: &str = "Somebody invited you. First make yourself at home: a name, a picture if \
    you like, and a passphrase. Then come the twelve words.";
pub(crate) const NO_RESET: &str =
    "Nobody can reset it, not even who runs this node. Write it down somewhere safe.";
pub(crate) const STRETCHING: &str = "This takes a few seconds on purpose: it makes guessing slow.";
pub(crate) const LOCKED: &str = "Everything on this device is sealed until you open it.";
pub(crate) const FORGOTTEN: &str = "A forgotten passphrase cannot be recovered by anybody. You can still remove this \
    site’s data in the browser and start anew with new invitations.";
pub(crate) const NOBODY_YET: &str = "Invite somebody, or join by an invitation you were given.";
pub(crate) const OWNER: &str = "You own this node. Whoever is to have an account here needs an invitation by you, or by \
    an admin.";
pub(crate) const NO_CONVERSATION: &str = "This is where your conversations will be.";
pub(crate) const NOTHING_CHOSEN: &str = "Choose somebody to talk to.";
pub(crate) const CLOSED: &str =
    "This conversation is closed. What was written stays here until you remove the contact.";
pub(crate) const INVITE: &str = "You get a link and twelve words. Pass them on in two different ways: whoever has only \
    one of them cannot reach you.";
pub(crate) const WITH_REGISTRATION: &str =
    "The link will also let whoever opens it first register at your node, once.";
pub(crate) const SEALING: &str = "Making fresh keys and sealing them under the twelve words…";
pub(crate) const WORDS_APART: &str = "Not in the same message as the link: say them on the phone, or on paper, or in \
    another app.";
pub(crate) const FILE_ONLY: &str = "The node did not take the invitation, so there is no link. Save it as a file and \
    pass that on instead.";
pub(crate) const WITHDRAWAL: &str = "Its link and words stop working at once.";
pub(crate) const SHARE_TITLE: &str = "An invitation to Hither";
pub(crate) const JOIN: &str = "Paste the link you were given, or choose the file.";
pub(crate) const JOIN_WAITS: &str = "An invitation waits for its words";
pub(crate) const ENTER_CODE: &str = "The words that came to you another way. Capitals, commas and line breaks do not \
    matter.";
pub(crate) const SAFETY: &str = "Both of you see the same number. Compare it in person or on the phone to be sure \
    that nobody is in between.";
pub(crate) const COMPARED: &str = "We looked at it together, and it was the same.";
pub(crate) const RELAY_ONLY: &str = "They never see your address. Calls take a little longer.";
pub(crate) const MAY_BE_DIRECT: &str = "Once a call is taken, your devices look for the shortest way. If they find it, \
    they see your Internet address.";
pub(crate) const ALWAYS_DIRECT: &str = "Connects whenever both of you are there, also without a call. Unless it is \
    relay only, they see your Internet address before you answer, and in any case when you are online.";
pub(crate) const BY_CATEGORY: &str = "Nobody in a category that is switched on sees your address, unless you said \
    otherwise on their page.";
pub(crate) const BEFORE_ANSWERING: &str = "While it rings, whoever calls learns the address of the relay and not \
    yours; so does whoever you call. Only with contacts who are “always direct” it is told at once.";
pub(crate) const RELAY_FOR_ALL_WINS: &str =
    "“Relay for everybody” is on in the settings, so your address is hidden from them too.";
pub(crate) const RELAY_FOR_ALL: &str = "Nobody sees your address, not even in calls. Everything goes through your \
    node’s relay and takes a little longer.";
pub(crate) const VEIL: &str = "Blurred until you touch them, for trains and meetings.";
pub(crate) const REMOVAL: &str = "The conversation is closed for both of you, and its keys and messages on this \
    device are destroyed. In a browser that is as thorough as the browser allows. To talk again you need a new \
    invitation.";
pub(crate) const REVOCATION: &str = "It loses the node within seconds and cannot sign in again. What it has stored \
    stays sealed under its passphrase.";
pub(crate) const LEAVING: &str =
    "Deletes your account at the node and everything that is stored on this device.";
pub(crate) const ACCOUNT_DELETED: &str = "Your account is deleted.";
pub(crate) const DEVICES: &str =
    "The node knows a device by a random number and a key; the names are sealed.";
pub(crate) const CLIENT_HASH: &str = "This number names the exact client your node serves. Whoever runs the node can \
    print it with hither serve --print-web-hash. A browser client trusts its node whenever it is loaded.";
pub(crate) const NOTHING_ELSE: &str = "Nothing else: no address on disk, no call record, no who with whom, no search, \
    no line in a log about you.";
pub(crate) const CALL_NUMBER: &str =
    "Read this number to each other: if both see the same, nobody is in between";
pub(crate) const SPARE: &str = "A second way through the relay stands ready. If this one is lost, sound moves there at \
    once.";
pub(crate) const RECONNECTING: &str = "The connection broke. Mending it…";
/// The page cannot start.
pub(crate) fn start_failed(why: &StartError) -> Words {
    match why {
        StartError::Insecure => Words::problem(
            "start-insecure",
            "This page was not opened over https, so the browser withholds keys, camera and microphone.",
            "Open the address that begins with https. On a home network the node shows how to trust \
             its certificate.",
        ),
        StartError::AlreadyOpen => Words::problem(
            "start-already-open",
            "Hither is already open in another tab or window of this browser.",
            "Go on there, or close it and reload this page.",
        ),
        StartError::Store { .. } => Words::problem(
            "start-store",
            "The browser does not let this page keep anything, so it could not keep your keys.",
            "Use a normal window rather than a private one, allow this site to store data, and see \
             that the disk is not full.",
        ),
        other => Words::problem(
            "start-failed",
            sentence(&capitalised(&other.to_string()), "Something is missing"),
            "Use a current Chromium, Firefox or Safari and reload the page.",
        ),
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .collect();
    format!("{first}{}", letters.as_str())
}

/// What follows from a contact's category.
pub(crate) fn by_category(category: &str, hidden: bool) -> String {
    if hidden {
        format!("{category}: relay only. They never see your address.")
    } else {
        format!("{category}: direct when possible. They see your address once a call is taken.")
    }
}

/// Before the first message.
pub(crate) fn first_message(name: &str) -> String {
    format!("Only {name} and you can read what is written here.")
}

/// We answered, they have not yet.
pub(crate) fn awaiting(name: &str) -> String {
    format!(
        "{name} still has to let you in. You may close this and write already; it is delivered as soon as they do."
    )
}

/// Both agreed.
pub(crate) fn connected(name: &str) -> String {
    format!("{name} let you in. You can write and call.")
}

/// They answered, we have not yet.
pub(crate) fn wants_in(name: &str) -> String {
    format!("{name} opened your invitation with the right words and waits to be let in.")
}

/// What was noted when they were invited.
pub(crate) fn invited_as(note: &str) -> String {
    format!("It is the invitation that you noted as {}.", quoted(note))
}

/// Words of a code, however they are separated; numbers before them do not count.
pub(crate) fn count_words(typed: &str) -> usize {
    typed
        .split(|letter: char| !letter.is_alphabetic())
        .filter(|word| !word.is_empty())
        .count()
}

/// While the code is being typed.
pub(crate) fn word_count(count: usize) -> String {
    match count {
        12 => "Twelve words. Good.".to_owned(),
        0..12 => format!("{count} of 12 words"),
        _ => format!("{count} words: {} too many", count - 12),
    }
}

/// A thing to tell: what happened, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Words {
    /// For style sheets and tests.
    pub(crate) kind: &'static str,
    /// How loud.
    pub(crate) weight: Weight,
    /// What happened.
    pub(crate) what: String,
    /// What to do; may be empty.
    pub(crate) advice: String,
}

/// How loud a notice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    /// Good or plain news.
    News,
    /// Something did not work.
    Problem,
    /// Somebody may be up to something.
    Alarm,
}

impl Weight {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::News => "news",
            Self::Problem => "problem",
            Self::Alarm => "alarm",
        }
    }
}

impl Words {
    fn new(kind: &'static str, weight: Weight, what: impl Into<String>, advice: &str) -> Self {
        Self {
            kind,
            weight,
            what: what.into(),
            advice: advice.to_owned(),
        }
    }

    fn problem(kind: &'static str, what: impl Into<String>, advice: &str) -> Self {
        Self::new(kind, Weight::Problem, what, advice)
    }

    fn alarm(kind: &'static str, what: impl Into<String>, advice: &str) -> Self {
        Self::new(kind, Weight::Alarm, what, advice)
    }

    /// Both halves, for reading out.
    pub(crate) fn to_text(&self) -> String {
        if self.advice.is_empty() {
            self.what.clone()
        } else {
            format!("{} {}", self.what, self.advice)
        }
    }
}

/// A notice in words. `name` knows what a contact is called.
pub(crate) fn notice(notice: &Notice, name: &dyn Fn(ContactId) -> String) -> Words {
    about_this_device(notice)
        .or_else(|| about_invitations(notice))
        .or_else(|| about_contacts(notice, name))
        .unwrap_or_else(|| {
            Words::problem(
                "unknown",
                "Something happened that this page has no words for.",
                "Reload the page to get its newest version.",
            )
        })
}

fn about_this_device(notice: &Notice) -> Option<Words> {
    Some(match notice {
        Notice::WrongPassphrase => Words::problem(
            "wrong-passphrase",
            "This passphrase does not open what is stored here.",
            "Check capital letters and the keyboard layout, then try again.",
        ),
        Notice::PassphraseTooShort => Words::problem(
            "passphrase-too-short",
            "The passphrase is shorter than 8 characters.",
            "Take a few words that only you would put together.",
        ),
        Notice::NameInvalid => Words::problem(
            "name-invalid",
            "A name needs 1 to 64 characters.",
            "Shorten it or fill it in; it need not be your full name.",
        ),
        Notice::PictureTooLarge => Words::problem(
            "picture-too-large",
            "The picture is too large.",
            "Choose another one, or go on without.",
        ),
        Notice::StoreUnreadable => Words::problem(
            "store-unreadable",
            "What is stored on this device is damaged or was written by a newer version.",
            "Reload the page. If that does not help, remove this site’s data in the browser and \
             ask your contacts for new invitations.",
        ),
        Notice::StoreFull => Words::problem(
            "store-full",
            "This device could not save something, so nothing is sent until it can.",
            "Free some space, or allow this site to store data, and reload the page.",
        ),
        Notice::NodeUnreachable => Words::problem(
            "node-unreachable",
            "The node does not answer.",
            "Check your connection. What you write waits here and is sent by itself.",
        ),
        Notice::NodeRefused { title, detail, .. } => {
            Words::problem("node-refused", sentence(title, "The node refused"), detail)
        }
        Notice::DeviceRevoked => Words::alarm(
            "device-revoked",
            "This device was signed out by another device of yours or by an admin.",
            "Your conversations are still readable here. To use the node again, ask for a new \
             invitation to it.",
        ),
        Notice::CaptureFailed { reason, screen } => capture_failed(reason, *screen),
        Notice::MediaUnprotected => Words::alarm(
            "media-unprotected",
            "Sound or picture was about to leave without its encryption, so it was stopped.",
            "Nothing was sent in clear. Hang up, update the browser, and call again.",
        ),
        Notice::TextInvalid => Words::problem(
            "text-invalid",
            "The message is empty or too long.",
            "Write something, or less.",
        ),
        Notice::NotNow => Words::problem(
            "not-now",
            "This does not fit right now.",
            "Finish what is going on (a call, perhaps) and try again.",
        ),
        _ => return None,
    })
}

fn about_invitations(notice: &Notice) -> Option<Words> {
    let again = "Ask the person who invited you for a new one.";
    Some(match notice {
        Notice::InvitationGone => Words::problem(
            "invitation-gone",
            "This invitation is not there any more: it was used, taken back, or has expired.",
            again,
        ),
        Notice::CodeWordCount { found } => Words::problem(
            "code-word-count",
            format!("The code has twelve words; here are {found}."),
            "Look for a missing or doubled word.",
        ),
        Notice::CodeUnknownWord { position, nearest } => {
            let advice = nearest.as_ref().map_or_else(
                || "Check it against the words you were given.".to_owned(),
                |nearest| format!("Did you mean “{nearest}”?"),
            );
            let what = format!("Word {position} is not one of the words that codes are made of.");
            Words::problem("code-unknown-word", what, &advice)
        }
        Notice::CodeChecksum => Words::problem(
            "code-checksum",
            "All words are known, but they do not belong together.",
            "One of them is another word, or two have changed places.",
        ),
        Notice::CodeWrong => Words::problem(
            "code-wrong",
            "These words do not open this invitation.",
            "They may belong to another one. Compare them with the person who invited you; if \
             they are right, the invitation was altered on its way: ask for a new one.",
        ),
        Notice::InvitationExpired => {
            Words::problem("invitation-expired", "This invitation has expired.", again)
        }
        Notice::InvitationMalformed => Words::problem(
            "invitation-malformed",
            "This is no invitation that this version understands.",
            "Check that you chose the right file or copied the whole link.",
        ),
        Notice::InvitationForged => Words::alarm(
            "invitation-forged",
            "This invitation opened, but its signature is wrong. It was not used.",
            "Somebody may have made it in another’s name. Tell the person who invited you, and \
             ask for a new one.",
        ),
        Notice::InvitationOwn => Words::problem(
            "invitation-own",
            "This is your own invitation.",
            "Pass it on to the person it is meant for.",
        ),
        Notice::InvitationElsewhere { node } => Words::problem(
            "invitation-elsewhere",
            format!("This invitation is to be answered at {node}."),
            "Nodes do not talk to each other yet. Open the link itself in a new window, and make \
             an account there.",
        ),
        Notice::InvitationUnsupported => Words::problem(
            "invitation-unsupported",
            "This invitation was made by a client with other encryption.",
            "Both of you need the same version. Reload this page, and ask them to do the same.",
        ),
        Notice::InvitationReplayed { note } => Words::alarm(
            "invitation-replayed",
            format!(
                "Somebody tried to use the invitation {} a second time. They were refused.",
                quoted(note)
            ),
            "The link and the words have reached more than one person. Whoever came first is \
             in your list: compare the safety number before you trust it.",
        ),
        Notice::JoinRefused { note } => Words::alarm(
            "join-refused",
            format!(
                "Something claimed to answer the invitation {} and failed its checks. It was refused.",
                quoted(note)
            ),
            "Nobody was let in. If the invited person has trouble, make a new invitation.",
        ),
        Notice::MayNotRegisterOthers => Words::problem(
            "may-not-register-others",
            "Only an owner or admin of this node can let new people register.",
            "Make the invitation without an account, or ask an admin.",
        ),
        _ => return None,
    })
}

fn about_contacts(notice: &Notice, name: &dyn Fn(ContactId) -> String) -> Option<Words> {
    Some(match notice {
        Notice::ApprovalWanted { contact } => Words::new(
            "approval-wanted",
            Weight::News,
            format!("{} answered your invitation.", name(*contact)),
            "Have a look, and let them in or not.",
        ),
        Notice::ContactConfirmed { contact } => Words::new(
            "contact-confirmed",
            Weight::News,
            format!("{} let you in.", name(*contact)),
            "You can write and call now.",
        ),
        Notice::ContactRejected { contact } => Words::problem(
            "contact-rejected",
            format!("{} did not let you in.", name(*contact)),
            "If you think that was a slip, ask them for a new invitation.",
        ),
        Notice::ContactClosed { contact } => Words::new(
            "contact-closed",
            Weight::Problem,
            format!("{} closed this conversation.", name(*contact)),
            "What was written stays readable here until you remove the contact.",
        ),
        Notice::TamperingSeen { contact } => Words::alarm(
            "tampering-seen",
            format!(
                "Messages from {} were altered or repeated on their way. They were refused.",
                name(*contact)
            ),
            "Nothing false was shown. If this goes on, somebody between you is interfering; a \
             direct path avoids them.",
        ),
        Notice::MailboxRefused { contact, title } => Words::problem(
            "mailbox-refused",
            format!(
                "The node did not take a message for {}: {}",
                name(*contact),
                sentence(title, "its mailbox is full or gone")
            ),
            "It waits here and is sent when you are connected directly or there is room again.",
        ),
        _ => return None,
    })
}

fn capture_failed(reason: &str, screen: bool) -> Words {
    let kind = "capture-failed";
    match (screen, reason) {
        (true, "NotAllowedError") => Words::problem(
            kind,
            "The screen is not shared.",
            "Choose a window or screen when the browser asks.",
        ),
        (true, _) => Words::problem(
            kind,
            "The screen cannot be shared.",
            "This browser or system does not allow it; try another browser.",
        ),
        (false, "NotAllowedError") => Words::problem(
            kind,
            "The browser did not give access to microphone or camera.",
            "Allow both for this site (the symbol beside the address), then try again.",
        ),
        (false, "NotFoundError") => Words::problem(
            kind,
            "No microphone or camera was found.",
            "Plug one in, or go on without.",
        ),
        (false, "NotReadableError") => Words::problem(
            kind,
            "Microphone or camera is used by another program.",
            "Close that program and try again.",
        ),
        (false, _) => Words::problem(
            kind,
            "Microphone or camera could not be started.",
            "Check that they are plugged in and not used elsewhere.",
        ),
    }
}

/// The chosen file cannot be shown.
pub(crate) fn no_picture() -> Words {
    Words::problem(
        "no-picture",
        "This file is no picture that the browser can open.",
        "Choose a JPEG, PNG or WebP file.",
    )
}

/// The pasted text is no link.
pub(crate) fn no_link() -> Words {
    Words::problem(
        "no-link",
        "This is not the link of an invitation.",
        "Copy the whole link, from https to its end.",
    )
}

/// The chosen file is too large to be an invitation.
pub(crate) fn no_invitation_file() -> Words {
    Words::problem(
        "no-invitation-file",
        "This file is no invitation.",
        "Invitations end in .hither and are small.",
    )
}

/// The passphrase was not repeated as it was.
pub(crate) fn passphrases_differ() -> Words {
    Words::problem(
        "passphrases-differ",
        "The two passphrases are not the same.",
        "Type the second one again.",
    )
}

fn sentence(text: &str, otherwise: &str) -> String {
    let text = text.trim().trim_end_matches('.');
    let text = if text.is_empty() { otherwise } else { text };
    format!("{text}.")
}

fn quoted(note: &str) -> String {
    if note.is_empty() {
        "without a note".to_owned()
    } else {
        format!("“{note}”")
    }
}

/// A text arrived elsewhere.
pub(crate) fn unread_from(name: &str) -> String {
    format!("New message from {name}.")
}

/// A call arrived during another one.
pub(crate) fn missed_from(name: &str) -> String {
    format!("You missed a call from {name}.")
}

/// One word for the node's state, and a sentence.
pub(crate) fn node_state(state: NodeState) -> (&'static str, &'static str, &'static str) {
    match state {
        NodeState::Connecting => ("connecting", "Connecting…", "Reaching your node."),
        NodeState::Online => ("online", "Online", "Connected to your node."),
        NodeState::Offline => (
            "offline",
            "Offline",
            "Your node does not answer. Open calls and direct connections go on; what you write \
             waits here and is sent by itself.",
        ),
        NodeState::Revoked => (
            "revoked",
            "Signed out",
            "This device was signed out of its node. Your conversations are still readable here.",
        ),
    }
}

/// A word for tests and style sheets.
pub(crate) fn contact_state(state: ContactState) -> &'static str {
    match state {
        ContactState::WantsApproval => "wants-approval",
        ContactState::AwaitsApproval => "awaits-approval",
        ContactState::Active => "active",
        ContactState::Closed => "closed",
    }
}

/// A word for tests, and one for people.
pub(crate) fn delivery(delivery: Delivery) -> (&'static str, &'static str) {
    match delivery {
        Delivery::Queued => ("queued", "Waiting on this device"),
        Delivery::Sent => ("sent", "Sent"),
        Delivery::Delivered => ("delivered", "Delivered"),
        Delivery::Read => ("read", "Read"),
    }
}

/// What a path means. `None` is the node's mailbox.
pub(crate) struct RouteWords {
    /// For tests and style sheets.
    pub(crate) word: &'static str,
    /// For the icon.
    pub(crate) name: &'static str,
    /// What it is.
    pub(crate) what: &'static str,
    /// Who sees what on this path.
    pub(crate) sight: &'static [(&'static str, &'static str)],
}

/// The three ways, and the mailbox.
pub(crate) fn route(route: Option<Route>) -> RouteWords {
    const SEALED: &str = "Nobody on the way can read, hear or alter anything: everything is \
                          encrypted between your two devices.";
    match route {
        Some(Route::SameNetwork) => RouteWords {
            word: "same-network",
            name: "Same network",
            what: "You are on the same network. What you say and show stays in it.",
            sight: &[
                (
                    "Your contact",
                    "sees the address of your device inside this network.",
                ),
                (
                    "Whoever runs this network",
                    "sees that your two devices talk, when and how much.",
                ),
                ("Your node", "sees nothing of what goes this way."),
                ("The content", SEALED),
            ],
        },
        Some(Route::Direct) => RouteWords {
            word: "direct",
            name: "Direct",
            what: "Your devices talk to each other directly, over the shortest way there is.",
            sight: &[
                (
                    "Your contact",
                    "sees your Internet address, and with it roughly where you are.",
                ),
                (
                    "Internet providers on the way",
                    "see that two addresses talk, when and how much.",
                ),
                ("Your node", "sees nothing of what goes this way."),
                ("The content", SEALED),
            ],
        },
        Some(Route::Relay) => RouteWords {
            word: "relay",
            name: "Relay",
            what: "Your node’s relay passes the bytes on. That adds some latency; it works \
                   where networks allow nothing else, and with relay only it hides your address.",
            sight: &[
                ("Your contact", "sees the relay’s address, not yours."),
                (
                    "The relay",
                    "sees both addresses, sizes and times, in memory only, and no content.",
                ),
                (
                    "Internet providers",
                    "see that you talk to your node, not with whom.",
                ),
                ("The content", SEALED),
            ],
        },
        None => RouteWords {
            word: "mailbox",
            name: "Mailbox",
            what: "There is no open connection right now. Messages wait, sealed, in your \
                   contact’s mailbox at the node until they come for them.",
            sight: &[
                ("Your contact", "does not see your address."),
                (
                    "The node",
                    "sees that something of some size was left in a mailbox with a random name.",
                ),
                (
                    "Internet providers",
                    "see that you talk to your node, not with whom.",
                ),
                ("The content", SEALED),
            ],
        },
    }
}

/// `12 ms`.
pub(crate) fn rtt(rtt_ms: Option<u32>) -> String {
    rtt_ms.map_or_else(String::new, |rtt| format!("{rtt} ms"))
}

/// Who sees what on a path: with the second way that stands ready beside it, if one does, and with an address that
/// the other side has been shown, whichever way is taken now.
pub(crate) fn sight(
    route: Option<Route>,
    (spare, shown): (bool, bool),
) -> impl Iterator<Item = (&'static str, &'static str)> {
    const SPARE_SIGHT: (&str, &str) = (
        "The relay",
        "keeps the second way open: it sees your two addresses and how long it stands, in memory \
         only, and no content.",
    );
    const SHOWN: &str = "was told your address when a direct path was looked for; now your packets \
                         reach them from the relay’s. Relay only would have hidden it.";
    let relayed = route == Some(Route::Relay);
    let rows = self::route(route).sight.iter().copied();
    let rows = rows.enumerate().map(move |(index, row)| match row {
        (contact, _) if index == 0 && relayed && shown => (contact, SHOWN),
        row => row,
    });
    rows.chain(spare.then_some(SPARE_SIGHT))
}

/// What a path is carried by.
pub(crate) fn carried(route: Route, protocol: TransportProtocol) -> String {
    let over = network::transport(protocol);
    match route {
        Route::Relay => format!(
            "To the relay over {over}. Adds latency: the round trip is longer than a direct one."
        ),
        Route::SameNetwork | Route::Direct => format!("Over {over}."),
    }
}

/// How a path was found, as a text to pass on.
pub(crate) fn timeline_text(
    name: &str,
    carried: Option<&str>,
    rtt_ms: Option<u32>,
    timeline: &[TimelineEntry],
) -> String {
    let mut text = format!("Hither: path {name}");
    let measured = rtt_ms.map(|rtt| format!("{rtt} ms there and back"));
    for part in carried.into_iter().chain(measured.as_deref()) {
        text.push_str(". ");
        text.push_str(part.trim_end_matches('.'));
    }
    for entry in timeline {
        text.push_str(&format!("\n{}  {}", timeline_time(entry), entry.what));
    }
    text.push('\n');
    text
}

/// `0.42 s`.
pub(crate) fn timeline_time(entry: &TimelineEntry) -> String {
    format!("{}.{:02} s", entry.at_ms / 1000, entry.at_ms % 1000 / 10)
}

/// Before an account is deleted.
pub(crate) fn deletion(owns: bool) -> String {
    let node = if owns {
        " You own this node: it will have no owner until it is started again and prints a link for another one."
    } else {
        ""
    };
    format!(
        "Your keys, your contacts and every conversation on this device are destroyed. Your contacts are told that it \
         is over, if they can be reached within a few seconds. What they have of it stays with them. Nobody can undo this.{node}"
    )
}

/// What somebody is at their node.
pub(crate) fn role(role: Role) -> &'static str {
    match role {
        Role::Owner => OWNER,
        Role::Admin => "You are an admin of this node: you can let new people register.",
        Role::Member => "You are a member of this node.",
    }
}

/// Which kind of call it is.
pub(crate) fn call_kind(video: bool) -> &'static str {
    if video { "Video call" } else { "Voice call" }
}

/// The same as a picture.
pub(crate) fn call_glyph(video: bool) -> Glyph {
    if video { Glyph::Camera } else { Glyph::Phone }
}

/// What became of a call that nobody answered.
pub(crate) fn past_call(direction: CallDirection, video: bool, reason: EndReason) -> String {
    let kind = if video { "video call" } else { "call" };
    match (direction, reason) {
        (CallDirection::Incoming, _) => format!("Missed {kind}"),
        (CallDirection::Outgoing, EndReason::Declined) => format!("Your {kind} was declined"),
        (CallDirection::Outgoing, EndReason::Busy) => {
            format!("Your {kind} found them in another call")
        }
        (CallDirection::Outgoing, _) => format!("Your {kind} was not answered"),
    }
}

/// On the button beside it. Whoever presses it knows whether their camera goes on.
pub(crate) fn call_anew(incoming: bool, video: bool) -> &'static str {
    match (incoming, video) {
        (true, false) => "Call back",
        (true, true) => "Call back with video",
        (false, false) => "Call again",
        (false, true) => "Call again with video",
    }
}

/// Read out when it rings.
pub(crate) fn rings(name: &str, video: bool) -> String {
    let how = if video { " with video" } else { "" };
    format!("{name} is calling{how}.")
}

/// Why a call ended.
pub(crate) fn end_reason(reason: EndReason, incoming: bool, name: &str) -> String {
    match reason {
        EndReason::Declined if incoming => format!("You declined the call from {name}."),
        EndReason::NoAnswer if incoming => missed_from(name),
        EndReason::HungUp => "You hung up.".to_owned(),
        EndReason::RemoteHungUp => format!("{name} hung up."),
        EndReason::Declined => format!("{name} declined the call."),
        EndReason::Busy => format!("{name} is in another call."),
        EndReason::NoAnswer => format!("{name} did not answer."),
        EndReason::Missed => missed_from(name),
        EndReason::Lost => {
            "The connection was lost and could not be mended. Check your network and call again."
                .to_owned()
        }
    }
}

/// A word for tests.
pub(crate) fn end_reason_word(reason: EndReason) -> &'static str {
    match reason {
        EndReason::HungUp => "hung-up",
        EndReason::RemoteHungUp => "remote-hung-up",
        EndReason::Declined => "declined",
        EndReason::Busy => "busy",
        EndReason::NoAnswer => "no-answer",
        EndReason::Missed => "missed",
        EndReason::Lost => "lost",
    }
}

/// `Today`, `Yesterday`, `Friday`, or the whole date.
pub(crate) fn day(time: UnixTime) -> String {
    match clock::days_ago(time) {
        0 => "Today".to_owned(),
        1 => "Yesterday".to_owned(),
        2..=6 => clock::weekday(time),
        _ => clock::long_day(time),
    }
}

/// When the newest message was written, for the narrow column of a list.
pub(crate) fn brief_time(time: UnixTime) -> String {
    match clock::days_ago(time) {
        0 => clock::time_of_day(time),
        1 => "Yesterday".to_owned(),
        2..=6 => clock::weekday(time),
        _ => clock::short_day(time),
    }
}

/// When an invitation ends.
pub(crate) fn expiry(expires: UnixTime) -> String {
    let left = expires.as_secs().saturating_sub(clock::now().as_secs());
    match left {
        0 => "Expired".to_owned(),
        1..7_200 => format!("Ends in {} minutes", left.div_ceil(60)),
        7_200..172_800 => format!("Ends in {} hours", (left + 1_800) / 3_600),
        // One of seven days that was just made ends in seven days.
        _ => format!("Ends in {} days", (left + 43_200) / 86_400),
    }
}

/// The last sign-in of a device, a day at most.
pub(crate) fn last_seen(day: Option<u64>) -> String {
    let Some(day) = day else {
        return "Never seen".to_owned();
    };
    match clock::now().day().saturating_sub(day) {
        0 => "Seen today".to_owned(),
        1 => "Seen yesterday".to_owned(),
        days => format!("Seen {days} days ago"),
    }
}

/// Advice while a passphrase is being chosen: a step from 0 to 3, and a sentence.
pub(crate) fn passphrase_advice(passphrase: &str) -> (u8, &'static str) {
    let length = passphrase.chars().count();
    let mut kinds: Vec<char> = passphrase.chars().collect();
    kinds.sort_unstable();
    kinds.dedup();
    match (length, kinds.len()) {
        (0, _) => (
            0,
            "Several words that only you would put together are easy to keep and hard to guess.",
        ),
        (1..8, _) => (0, "A little longer: at least 8 characters."),
        (_, 0..5) => (1, "Too regular: it repeats the same few characters."),
        (8..12, _) => (
            1,
            "This will do against curious people. A few more words will do against machines.",
        ),
        (12..20, _) => (2, "Good. One more word makes it very good."),
        _ => (3, "Very good. Long beats clever."),
    }
}

/// What this node keeps, why, and until when.
pub(crate) const RETENTION: [(&str, &str, &str); 6] = [
    (
        "Your account: a random number, the public keys of your devices, your role, a sealed profile",
        "So that your devices can sign in",
        "You delete it",
    ),
    (
        "Each device: a random number, a key, a sealed label, the day it was last seen",
        "So that a lost device can be signed out",
        "You sign it out",
    ),
    (
        "Mailboxes with random names; sealed, padded messages",
        "So that messages reach people who are away",
        "They are fetched, or 30 days",
    ),
    (
        "Parked invitations: a random number and a sealed package",
        "So that a short link is enough",
        "They are used, or 7 days",
    ),
    (
        "Relay: two addresses and ports",
        "To pass the next packet on",
        "The call ends; in memory only",
    ),
    (
        "Which device is connected",
        "To deliver at once",
        "The connection ends; in memory only",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_title_of_a_refusal_still_makes_a_sentence() {
        let refusal = Notice::NodeRefused {
            kind: String::new(),
            title: String::new(),
            detail: String::new(),
        };
        assert_eq!(
            notice(&refusal, &|_| String::new()).to_text(),
            "The node refused."
        );
    }

    #[test]
    fn whoever_keeps_a_second_way_open_is_named_beside_a_direct_one() {
        let named = |spare| {
            let mut rows = sight(Some(Route::Direct), (spare, true));
            rows.any(|(who, _)| who == "The relay")
        };
        assert!(named(true) && !named(false));
    }

    #[test]
    fn an_address_that_was_shown_is_not_said_to_be_hidden_by_the_relay() {
        let contact = |shown| sight(Some(Route::Relay), (false, shown)).next().unwrap();
        assert!(contact(true).1.contains("was told your address"));
        assert!(contact(false).1.contains("not yours"));
    }

    #[test]
    fn an_unknown_word_is_answered_with_the_nearest() {
        let unknown = Notice::CodeUnknownWord {
            position: 3,
            nearest: Some("abandon".into()),
        };
        let words = notice(&unknown, &|_| String::new());
        assert!(words.what.contains("Word 3"), "{}", words.what);
        assert!(words.advice.contains("abandon"), "{}", words.advice);
    }

    #[test]
    fn words_are_counted_however_they_are_written() {
        for text in [
            "one two three",
            "1. One\n2. Two\n3. Three",
            " one,two - three ",
        ] {
            assert_eq!(count_words(text), 3, "{text}");
        }
        assert_eq!(count_words(""), 0);
    }

    #[test]
    fn a_longer_passphrase_is_never_called_worse() {
        let steps: Vec<u8> = (0..40)
            .map(|length| {
                let text: String = "correct horse battery staple wonders and bread"
                    .chars()
                    .take(length)
                    .collect();
                passphrase_advice(&text).0
            })
            .collect();
        assert!(steps.is_sorted(), "{steps:?}");
        assert_eq!((steps.first(), steps.last()), (Some(&0), Some(&3)));
    }

    #[test]
    fn a_repeated_character_is_called_regular_however_often() {
        assert_eq!(passphrase_advice(&"a".repeat(40)).0, 1);
    }
}
