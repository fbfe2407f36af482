// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the page and its workers say to each other: postcard in an `ArrayBuffer` that is handed over, not
//! copied, so that a key or passphrase stays nowhere on the way. The page includes this file as it is.

use hither_crypto::Secret;
use hither_crypto::stretch::{Stretch, StretchParams};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use zeroize::{Zeroize as _, Zeroizing};

/// Larger messages are not read.
const MAX_MESSAGE: usize = 16 * 1024;

/// Page to worker.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Run Argon2id; answered by [`Response::Stretched`].
    Stretch {
        /// Echoed.
        id: u32,
        /// What to run.
        job: Job,
    },
    /// Seal what this link sends. The first key of a link stays: another one would start its counters anew.
    SendKey {
        /// Which link.
        link: u32,
        /// The base key.
        key: Secret<32>,
    },
    /// Open what this link receives.
    ReceiveKey {
        /// Which link.
        link: u32,
        /// The base key.
        key: Secret<32>,
    },
    /// One link is the warm spare of another: it carries nothing until that one falls silent.
    Pair {
        /// The link of the call.
        main: u32,
        /// Its spare.
        spare: u32,
    },
    /// Whether sound is expected on a main link, so that its silence means something.
    Expect {
        /// Which link.
        link: u32,
        /// The other side sends sound.
        sound: bool,
    },
    /// A link is connected, or no more.
    Up {
        /// Which link.
        link: u32,
        /// It is.
        up: bool,
    },
    /// What the other side's watch says of a main link.
    Word {
        /// Which link.
        link: u32,
        /// From its [`News::Word`].
        word: Vec<u8>,
    },
    /// Forget the keys of a link; its frames are dropped from now on.
    Forget {
        /// Which link.
        link: u32,
    },
    /// Say how many frames went through; answered by [`Response::Counted`].
    Count {
        /// Which link.
        link: u32,
    },
}

/// A derivation.
#[derive(Serialize, Deserialize)]
pub(crate) struct Job {
    password: Vec<u8>,
    salt: [u8; 16],
    params: StretchParams,
}

impl From<&Stretch> for Job {
    fn from(stretch: &Stretch) -> Self {
        Self {
            password: stretch.password.to_vec(),
            salt: stretch.salt,
            params: stretch.params,
        }
    }
}

impl From<Job> for Stretch {
    fn from(mut job: Job) -> Self {
        Self {
            password: Zeroizing::new(core::mem::take(&mut job.password)),
            salt: job.salt,
            params: job.params,
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.password.zeroize();
    }
}

impl core::fmt::Debug for Job {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Job(…)")
    }
}

/// Worker to page.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Response {
    /// The worker hears from now on.
    Ready,
    /// The derivation is done.
    Stretched {
        /// From the request.
        id: u32,
        /// What came out; absent if it could not run.
        key: Option<Secret<32>>,
    },
    /// What the watch has to say.
    Watch {
        /// Which link, or that of whose pair.
        link: u32,
        /// What.
        news: News,
    },
    /// The counters of a link.
    Counted {
        /// From the request.
        link: u32,
        /// One for each transceiver, in the order of [`Slot`].
        counters: [Counters; 3],
    },
}

/// What the watch over a link and its spare tells the page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum News {
    /// Sound is expected on this link, and does not come.
    Silent,
    /// Sound comes on this link again.
    Heard,
    /// Whether expected sound comes at all.
    Sound {
        /// By one of the two.
        heard: bool,
    },
    /// Whether sound leaves by the spare, too, so that pictures are to take it.
    Open {
        /// It does.
        open: bool,
    },
    /// The other side's picture comes by the other link now.
    Picture {
        /// Which picture.
        slot: Slot,
        /// By the spare.
        spare: bool,
    },
    /// To be carried to the other side's watch.
    Word {
        /// A few bytes.
        word: Vec<u8>,
    },
}

/// Frames since the link was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Counters {
    /// Sealed and passed on.
    pub(crate) sealed: u64,
    /// Opened and passed on.
    pub(crate) opened: u64,
    /// Dropped on arrival: no key yet, wrong key, altered, replayed.
    pub(crate) refused: u64,
}

/// The three transceivers of a link, in the order of their media sections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Slot {
    /// Sound.
    Sound,
    /// Camera.
    Camera,
    /// Screen.
    Screen,
}

impl Slot {
    /// All three, in order.
    pub(crate) const ALL: [Self; 3] = [Self::Sound, Self::Camera, Self::Screen];

    /// Position in [`Self::ALL`]; also the SFrame key id under which this transceiver's frames are sealed,
    /// so that no two of them ever share a nonce.
    #[must_use]
    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Sound => 0,
            Self::Camera => 1,
            Self::Screen => 2,
        }
    }
}

/// Which way frames go through a transform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Direction {
    /// Encoder to network.
    Send,
    /// Network to decoder.
    Receive,
}

/// The options of an `RTCRtpScriptTransform`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TransformOptions {
    /// Which link.
    pub(crate) link: u32,
    /// Which transceiver.
    pub(crate) slot: Slot,
    /// Which way.
    pub(crate) direction: Direction,
}

/// Writes a message. Its bytes are erased when dropped.
#[must_use]
pub(crate) fn emit<T: Serialize>(message: &T) -> Zeroizing<Vec<u8>> {
    // With room for everything, growing leaves no copy of a secret behind.
    let room = Vec::with_capacity(MAX_MESSAGE);
    Zeroizing::new(postcard::to_extend(message, room).unwrap_or_default())
}

/// Reads a message.
#[must_use]
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    if bytes.len() > MAX_MESSAGE {
        return None;
    }
    postcard::from_bytes(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_derivation_arrives_as_it_was_asked_for() {
        let stretch = Stretch {
            password: Zeroizing::new(b"correct horse".to_vec()),
            salt: [7; 16],
            params: StretchParams::INVITATION,
        };
        let bytes = emit(&Request::Stretch {
            id: 3,
            job: Job::from(&stretch),
        });
        let Some(Request::Stretch { id: 3, job }) = parse(&bytes) else {
            panic!("another message");
        };
        let arrived = Stretch::from(job);
        assert_eq!(arrived.password, stretch.password);
        assert_eq!(arrived.salt, stretch.salt);
        assert_eq!(arrived.params, stretch.params);
    }

    #[test]
    fn secrets_are_not_printed() {
        let request = Request::SendKey {
            link: 1,
            key: Secret::from_bytes([0x41; 32]),
        };
        let text = format!("{request:?}");
        assert!(!text.contains("65") && !text.contains("41"), "{text}");
    }

    #[test]
    fn garbage_is_no_message() {
        assert!(parse::<Request>(&[]).is_none());
        assert!(parse::<Request>(&[0xff; 64]).is_none());
        assert!(parse::<Request>(&[0; MAX_MESSAGE + 1]).is_none());
    }
}
