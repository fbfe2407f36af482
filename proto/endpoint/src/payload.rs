// SPDX-License-Identifier: MIT OR Apache-2.0
//! What two endpoints say to each other inside the envelope.
//!
//! A [`Payload`] is an MLS application message: signed, ordered, kept until the other side has it.
//! A [`Signal`] goes through the quick channel: sealed, cheap, transient; losing one must never lose
//! anything a person said. Both are one version byte and a postcard value, and bounded before parsing.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::CallId;

/// Version of both kinds.
const VERSION: u8 = 1;
/// Longest text, in bytes of UTF-8.
pub(crate) const MAX_TEXT: usize = 16 * 1024;
/// Longest name, in characters.
pub(crate) const MAX_NAME: usize = 64;
/// Largest picture, in bytes.
pub(crate) const MAX_PICTURE: usize = 48 * 1024;
/// Longest session description, in bytes.
const MAX_SDP: usize = 32 * 1024;
/// Longest candidate line, in bytes.
const MAX_CANDIDATE: usize = 1024;
/// Candidates carried along with an acceptance.
pub(crate) const MAX_CANDIDATES: usize = 64;
/// Longest word of a watch, in bytes.
pub(crate) const MAX_WORD: usize = 32;
/// Longest host and port of a node, in bytes.
const MAX_PLACE: usize = 300;
/// Longest payload, in bytes.
const MAX_PAYLOAD: usize = 128 * 1024;

/// Where the other side leaves envelopes for its writer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Address {
    /// The node's origin.
    pub(crate) node: String,
    /// The mailbox there.
    pub(crate) mailbox: [u8; 32],
    /// Permits writing.
    pub(crate) capability: [u8; 32],
}

/// How its writer introduces themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello {
    /// 1 to 64 characters.
    pub(crate) name: String,
    /// At most 48 KiB.
    pub(crate) picture: Option<Vec<u8>>,
    /// Absent from the inviter: theirs stands in the invitation.
    pub(crate) address: Option<Address>,
}

/// Signed, ordered, kept until it has arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Payload {
    /// M2: the inviter agrees. The body is the signature over the transcript.
    Accept {
        /// `Transcript::accept`.
        signature: Vec<u8>,
        /// The inviter.
        hello: Hello,
    },
    /// The inviter does not agree.
    Reject,
    /// A text.
    Text {
        /// Position among its writer's texts, from 1.
        number: u64,
        /// When it was written, milliseconds since 1970.
        time: u64,
        /// What was written.
        text: String,
    },
    /// The writer calls.
    CallOffer {
        /// The call.
        call: CallId,
        /// With the camera on.
        video: bool,
        /// When, milliseconds since 1970.
        time: u64,
        /// The epoch whose media secret the call uses.
        epoch: u64,
        /// The writer's fresh salt.
        salt: [u8; 16],
    },
    /// The writer has a new name or picture.
    Profile(Hello),
    /// The writer ends the conversation for good.
    Close,
}

/// A candidate on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WireCandidate {
    pub(crate) line: String,
    pub(crate) mid: String,
    pub(crate) index: u16,
}

/// An offer of a link, with what the media keys need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LinkOffer {
    /// Names the link on both sides; for the first link of a call, the call itself.
    pub(crate) token: [u8; 16],
    /// The epoch whose media secret is used.
    pub(crate) epoch: u64,
    /// The writer's fresh salt.
    pub(crate) salt: [u8; 16],
    /// The description.
    pub(crate) sdp: String,
    /// Candidates gathered so far.
    pub(crate) candidates: Vec<WireCandidate>,
    /// The call it is for.
    pub(crate) call: Option<CallId>,
}

/// Why a call ends, on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum WireEnd {
    HungUp,
    Declined,
    Busy,
    NoAnswer,
    Lost,
}

/// Sealed, cheap, transient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Signal {
    /// Everything up to here has been received; the writer has sent so much itself.
    Ack { up_to: u64, sent: u64 },
    /// Asks for an [`Signal::Ack`].
    Sync { sent: u64 },
    /// Texts up to this number were shown.
    Read { up_to: u64 },
    /// The writer is typing.
    Typing,
    /// An offer without a call, or for a call that is being mended.
    Offer(LinkOffer),
    /// The answer to an offer.
    Answer {
        token: [u8; 16],
        salt: [u8; 16],
        sdp: String,
    },
    /// A trickled candidate.
    Candidate {
        token: [u8; 16],
        candidate: WireCandidate,
    },
    /// A new offer on a standing link: ICE restart, numbered on each link.
    Restart {
        token: [u8; 16],
        number: u32,
        sdp: String,
    },
    /// The answer to the [`Signal::Restart`] of this number.
    Restarted {
        token: [u8; 16],
        number: u32,
        sdp: String,
    },
    /// The writer, who answered the link, asks its offerer to restart.
    WantRestart { token: [u8; 16] },
    /// The link is closed.
    LinkClosed { token: [u8; 16] },
    /// The call rings at the writer's.
    CallRinging { call: CallId },
    /// The writer takes the call; the link may come along.
    CallAccept {
        call: CallId,
        offer: Option<LinkOffer>,
        video: bool,
    },
    /// What the writer sends.
    CallMedia {
        call: CallId,
        microphone: bool,
        camera: bool,
        screen: bool,
    },
    /// The writer ends the call.
    CallEnd { call: CallId, end: WireEnd },
    /// The writer's client was reloaded and wants the call back.
    CallResume { call: CallId },
    /// Whether the writer always connects directly.
    AlwaysDirect { on: bool },
    /// The writer calls: what [`Payload::CallOffer`] says, ahead of its signature and of the disk.
    Call {
        call: CallId,
        video: bool,
        time: u64,
        epoch: u64,
        salt: [u8; 16],
    },
    /// The link of a call that rings at the writer's, over the relay alone. Nobody has taken the call.
    RingOffer(LinkOffer),
    /// Candidates that were gathered together.
    Candidates {
        token: [u8; 16],
        candidates: Vec<WireCandidate>,
    },
    /// An offer of a second, relay-only link of a call: the warm spare of the first.
    Spare(LinkOffer),
    /// What the writer's watch over a link and its spare says to the reader's; the token is the link's.
    Word { token: [u8; 16], word: Vec<u8> },
}

/// Bytes from the other side are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the other side's message is malformed or beyond its bounds")]
pub(crate) struct Malformed;

impl Hello {
    pub(crate) fn emit(&self) -> Vec<u8> {
        emit(self)
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let hello: Self = parse(bytes)?;
        hello.check().map(|()| hello)
    }

    fn check(&self) -> Result<(), Malformed> {
        let characters = self.name.chars().count();
        let picture = self.picture.as_ref().map_or(0, Vec::len);
        ensure(
            (1..=MAX_NAME).contains(&characters)
                && !self.name.chars().any(char::is_control)
                && picture <= MAX_PICTURE
                && self
                    .address
                    .as_ref()
                    .is_none_or(|address| is_origin(&address.node)),
        )
    }
}

impl Payload {
    pub(crate) fn emit(&self) -> Vec<u8> {
        emit(self)
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let payload: Self = parse(bytes)?;
        match &payload {
            Self::Accept { hello, .. } | Self::Profile(hello) => hello.check()?,
            Self::Text { text, .. } => ensure(!text.is_empty() && text.len() <= MAX_TEXT)?,
            Self::CallOffer { .. } | Self::Reject | Self::Close => {}
        }
        Ok(payload)
    }
}

impl Signal {
    /// Whether it claims nothing that this device must still know after a power cut: it need not wait for the
    /// store.
    pub(crate) fn is_of_the_moment(&self) -> bool {
        !matches!(
            self,
            Self::Ack { .. } | Self::Sync { .. } | Self::Read { .. } | Self::AlwaysDirect { .. }
        )
    }

    pub(crate) fn emit(&self) -> Vec<u8> {
        emit(self)
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let signal: Self = parse(bytes)?;
        match &signal {
            Self::Offer(offer)
            | Self::RingOffer(offer)
            | Self::Spare(offer)
            | Self::CallAccept {
                offer: Some(offer), ..
            } => offer.check()?,
            Self::Answer { sdp, .. } | Self::Restart { sdp, .. } | Self::Restarted { sdp, .. } => {
                ensure(sdp.len() <= MAX_SDP)?;
            }
            Self::Candidate { candidate, .. } => candidate.check()?,
            Self::Candidates { candidates, .. } => {
                ensure(candidates.len() <= MAX_CANDIDATES)?;
                candidates.iter().try_for_each(WireCandidate::check)?;
            }
            Self::Word { word, .. } => ensure(word.len() <= MAX_WORD)?,
            Self::Ack { .. }
            | Self::Sync { .. }
            | Self::Read { .. }
            | Self::Typing
            | Self::WantRestart { .. }
            | Self::LinkClosed { .. }
            | Self::CallRinging { .. }
            | Self::CallAccept { offer: None, .. }
            | Self::CallMedia { .. }
            | Self::CallEnd { .. }
            | Self::CallResume { .. }
            | Self::Call { .. }
            | Self::AlwaysDirect { .. } => {}
        }
        Ok(signal)
    }
}

impl LinkOffer {
    fn check(&self) -> Result<(), Malformed> {
        ensure(self.sdp.len() <= MAX_SDP && self.candidates.len() <= MAX_CANDIDATES)?;
        self.candidates.iter().try_for_each(WireCandidate::check)
    }
}

impl WireCandidate {
    fn check(&self) -> Result<(), Malformed> {
        ensure(self.line.len() <= MAX_CANDIDATE && self.mid.len() <= 32)
    }
}

/// Whether something is `http://host[:port]` or `https://host[:port]` and nothing more: requests go there.
pub(crate) fn is_origin(text: &str) -> bool {
    let place = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    place.is_some_and(|place| (1..=MAX_PLACE).contains(&place.len()) && place.bytes().all(fits))
}

fn ensure(holds: bool) -> Result<(), Malformed> {
    if holds { Ok(()) } else { Err(Malformed) }
}

fn emit<T: Serialize>(value: &T) -> Vec<u8> {
    // Writing plain values into a growing vector has no way to fail.
    postcard::to_extend(value, vec![VERSION]).unwrap_or_default()
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Malformed> {
    match bytes.split_first() {
        Some((&VERSION, rest)) if rest.len() <= MAX_PAYLOAD => {
            match postcard::take_from_bytes(rest) {
                Ok((value, [])) => Ok(value),
                Ok(_) | Err(_) => Err(Malformed),
            }
        }
        Some(_) | None => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_text_beyond_its_bound_is_refused() {
        let text = Payload::Text {
            number: 1,
            time: 0,
            text: "x".repeat(MAX_TEXT + 1),
        };
        assert_eq!(Payload::parse(&text.emit()), Err(Malformed));
    }

    #[test]
    fn a_name_with_control_characters_is_refused() {
        let hello = Hello {
            name: "Ana\u{7}".into(),
            picture: None,
            address: None,
        };
        assert_eq!(Hello::parse(&hello.emit()), Err(Malformed));
    }

    #[test]
    fn a_signal_of_another_version_is_refused() {
        let mut bytes = Signal::Typing.emit();
        bytes[0] = 9;
        assert_eq!(Signal::parse(&bytes), Err(Malformed));
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            drop(Payload::parse(&bytes));
            drop(Signal::parse(&bytes));
            drop(Hello::parse(&bytes));
        }
    }
}
