// SPDX-License-Identifier: MIT OR Apache-2.0
//! Peer connections as the machine sees them: what it asks of the host, what the host reports.
//!
//! A *link* is one `RTCPeerConnection` (or its native twin) to one contact. It always carries one reliable,
//! ordered data channel and three transceivers (sound, camera, screen), all made at once with their frame
//! transforms, so that a call never has to renegotiate: media starts when a track is put into its sender.

use hither_crypto::media::MediaKey;

use crate::LinkId;

/// Who writes the offer (RFC 8829).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkRole {
    /// Makes the data channel, the transceivers and the offer.
    Offerer,
    /// Answers.
    Answerer,
}

/// Servers and policy for gathering.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct IceConfig {
    /// `stun:` and `turn:` URLs.
    pub urls: Vec<String>,
    /// For the relay.
    pub username: String,
    /// For the relay.
    pub password: String,
    /// Gather relayed candidates only (RFC 8828 mode 4's idea): the other side sees no address.
    pub relay_only: bool,
}

impl core::fmt::Debug for IceConfig {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("IceConfig")
            .field("relay_only", &self.relay_only)
            .finish_non_exhaustive()
    }
}

/// What the machine asks of the host. For an unknown link the host does nothing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum LinkAction {
    /// Make a link. An offerer answers with [`LinkEvent::Description`].
    Open {
        /// Its name from now on.
        link: LinkId,
        /// Who offers.
        role: LinkRole,
        /// Servers and policy.
        ice: IceConfig,
        /// Seals what this device sends.
        send_key: MediaKey,
        /// Opens what arrives; absent until the other side's salt is known.
        receive_key: Option<MediaKey>,
    },
    /// Now the other side's key is known. Frames that came earlier are dropped.
    SetReceiveKey {
        /// Which link.
        link: LinkId,
        /// Opens what arrives.
        key: MediaKey,
    },
    /// The other side's offer (the host answers with [`LinkEvent::Description`]) or answer.
    SetRemoteDescription {
        /// Which link.
        link: LinkId,
        /// Offer or answer.
        kind: DescriptionKind,
        /// As it came out of the envelope.
        sdp: String,
    },
    /// The other side's candidate. May come before the description: the host keeps it until then.
    AddCandidate {
        /// Which link.
        link: LinkId,
        /// As it came out of the envelope.
        candidate: Candidate,
    },
    /// Gather anew and offer again (RFC 8445 §9), with fresh servers.
    RestartIce {
        /// Which link; the offerer's side.
        link: LinkId,
        /// Servers and policy.
        ice: IceConfig,
    },
    /// Use these servers and this policy: at once as long as no [`LinkEvent::Description`] was reported, else from
    /// the next gathering on, which the other side's restart begins.
    SetIce {
        /// Which link.
        link: LinkId,
        /// Servers and policy.
        ice: IceConfig,
    },
    /// Send over the data channel. Only between `ChannelOpened` and `ChannelClosed`.
    Send {
        /// Which link.
        link: LinkId,
        /// One envelope.
        bytes: Vec<u8>,
    },
    /// Which local tracks feed the link's senders. What is needed and not yet captured is captured.
    SetMedia {
        /// Which link; absent: only capture (or release), there is no link yet.
        link: Option<LinkId>,
        /// Microphone.
        microphone: bool,
        /// Camera.
        camera: bool,
        /// Screen.
        screen: bool,
    },
    /// `spare` is the warm spare of `main` from now on, and carries media only while the watch over both says
    /// so. Follows [`Self::Open`] of either at once.
    Pair {
        /// The link of the call.
        main: LinkId,
        /// Relay-only, idle as long as the main one is heard.
        spare: LinkId,
    },
    /// Whether the other side sends sound on this link, so that its silence means something. The host watches,
    /// and answers with [`LinkEvent::Silent`] and [`LinkEvent::Heard`].
    Expect {
        /// The main link.
        link: LinkId,
        /// They send sound.
        sound: bool,
    },
    /// What the other side's watch says to ours.
    Word {
        /// The main link.
        link: LinkId,
        /// As [`LinkEvent::Word`] there.
        word: Vec<u8>,
    },
    /// Close it and forget it.
    Close {
        /// Which link.
        link: LinkId,
    },
    /// Stop every captured track.
    ReleaseCapture,
}

impl LinkAction {
    /// The link that it is about, if it is about one.
    pub(crate) fn link(&self) -> Option<LinkId> {
        match self {
            Self::Open { link, .. }
            | Self::SetReceiveKey { link, .. }
            | Self::SetRemoteDescription { link, .. }
            | Self::AddCandidate { link, .. }
            | Self::RestartIce { link, .. }
            | Self::SetIce { link, .. }
            | Self::Send { link, .. }
            | Self::Pair { main: link, .. }
            | Self::Expect { link, .. }
            | Self::Word { link, .. }
            | Self::Close { link } => Some(*link),
            Self::SetMedia { link, .. } => *link,
            Self::ReleaseCapture => None,
        }
    }
}

/// Offer or answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DescriptionKind {
    /// RFC 3264 offer.
    Offer,
    /// RFC 3264 answer.
    Answer,
}

/// An ICE candidate as WebRTC writes it.
#[derive(Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The `candidate:` attribute; empty at the end of candidates.
    pub line: String,
    /// `sdpMid`.
    pub mid: String,
    /// `sdpMLineIndex`.
    pub index: u16,
}

impl core::fmt::Debug for Candidate {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Candidate(…)")
    }
}

/// How a link stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// ICE and DTLS at work.
    Connecting,
    /// Bytes can flow.
    Connected,
    /// ICE `disconnected`: nothing heard for a while.
    Interrupted,
    /// ICE `failed`: needs a restart.
    Failed,
}

/// RFC 8445 §4 candidate types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CandidateKind {
    /// An address of the device.
    Host,
    /// As a STUN server saw it.
    ServerReflexive,
    /// As the other side saw it.
    PeerReflexive,
    /// At a relay.
    Relayed,
}

/// What carries the selected pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportProtocol {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
}

/// The selected pair, from the host's statistics, a few times a second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathReport {
    /// Our candidate.
    pub local: CandidateKind,
    /// Theirs.
    pub remote: CandidateKind,
    /// Between us and the other side, or us and the relay.
    pub protocol: TransportProtocol,
    /// Both addresses are of a private or link-local range, or of this very machine.
    pub private_addresses: bool,
    /// Measured by connectivity checks.
    pub rtt_ms: Option<u32>,
    /// `local → remote` addresses for the timeline that the person may look at; never stored, never logged.
    pub addresses: String,
}

/// Media counters of a link since it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct MediaReport {
    /// Video frames decoded.
    pub frames_decoded: u64,
    /// Frames the worker sealed.
    pub sealed: u64,
    /// Frames the worker opened.
    pub opened: u64,
    /// Frames the worker refused: wrong key, altered, replayed.
    pub refused: u64,
    /// How the other side's sound came through.
    pub sound: SoundReport,
    /// How pictures came through, both ways.
    pub pictures: PicturesReport,
}

/// What came of sound, as W3C webrtc-stats `inbound-rtp` counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct SoundReport {
    /// `packetsReceived`
    pub packets: u64,
    /// `packetsLost`
    pub lost: u64,
    /// `totalSamplesReceived`, the concealed ones too
    pub samples: u64,
    /// `concealedSamples`: made up, because what belonged there did not come in time
    pub concealed: u64,
    /// `silentConcealedSamples`: of these, the ones that are silence
    pub concealed_by_silence: u64,
    /// `fecPacketsReceived`: packets with repair of an earlier one (RFC 6716 §2.1.7)
    pub repaired: u64,
}

/// What came of pictures, camera and screen together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct PicturesReport {
    /// `inbound-rtp.packetsReceived`
    pub packets: u64,
    /// `inbound-rtp.packetsLost`
    pub lost: u64,
    /// `inbound-rtp.nackCount`: times that we asked for lost packets (RFC 4585 §6.2.1)
    pub asked_again: u64,
    /// `inbound-rtp.retransmittedPacketsReceived` (RFC 4588)
    pub came_again: u64,
    /// `outbound-rtp.nackCount`: times that the other side asked
    pub asked_of_us: u64,
    /// `outbound-rtp.retransmittedPacketsSent`
    pub sent_again: u64,
}

/// What the camera button and its siblings stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaptureKind {
    /// Microphone or camera.
    Devices,
    /// Screen.
    Screen,
}

/// What the host reports.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum LinkEvent {
    /// Our description, set locally or about to be; if it cannot be, [`Self::Broken`] follows.
    Description {
        /// Which link.
        link: LinkId,
        /// Offer or answer.
        kind: DescriptionKind,
        /// SDP without candidates.
        sdp: String,
    },
    /// Our candidate (trickle, RFC 8838).
    Candidate {
        /// Which link.
        link: LinkId,
        /// The candidate.
        candidate: Candidate,
    },
    /// State of ICE and DTLS together.
    State {
        /// Which link.
        link: LinkId,
        /// The state.
        state: LinkState,
    },
    /// The data channel is open.
    ChannelOpened {
        /// Which link.
        link: LinkId,
    },
    /// The data channel is closed; what was handed over and not acknowledged may be lost.
    ChannelClosed {
        /// Which link.
        link: LinkId,
    },
    /// Something came over the data channel.
    Message {
        /// Which link.
        link: LinkId,
        /// One envelope.
        bytes: Vec<u8>,
    },
    /// The selected pair.
    Path {
        /// Which link.
        link: LinkId,
        /// What is known.
        report: PathReport,
    },
    /// Media counters.
    Media {
        /// Which link.
        link: LinkId,
        /// Counters.
        report: MediaReport,
    },
    /// Sound is expected on this link, and for longer than its gaps explain none came: media goes by the other
    /// one of the pair already, if that is up.
    Silent {
        /// The main link or its spare.
        link: LinkId,
    },
    /// Sound comes on this link again, and has for a while.
    Heard {
        /// The main link or its spare.
        link: LinkId,
    },
    /// Whether sound that is expected comes at all, over either link of the pair.
    Sound {
        /// The main link or its spare.
        link: LinkId,
        /// It comes.
        heard: bool,
    },
    /// Our watch has something to say to theirs. Losing it does no lasting harm.
    Word {
        /// The main link or its spare.
        link: LinkId,
        /// A few bytes.
        word: Vec<u8>,
    },
    /// The watchdog saw frames encoded or decoded that the worker did not touch; the host stopped all tracks.
    Unprotected {
        /// Which link.
        link: LinkId,
    },
    /// A capture was refused or failed.
    CaptureFailed {
        /// What.
        kind: CaptureKind,
        /// The browser's name of the error.
        reason: String,
    },
    /// The person stopped sharing with the browser's own button.
    ScreenEnded,
    /// The host could not carry out an action on this link; it is closed.
    Broken {
        /// Which link.
        link: LinkId,
    },
}
