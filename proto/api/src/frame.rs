// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames of the WebSocket: one version byte, then a postcard value.
//!
//! The node speaks first with a challenge. Until the client has signed in, nothing else is answered.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    Bearer, DeviceId, KeyHash, MailboxId, Problem, ReadKey, Role, TurnGrant, VERSION, limits,
};

/// A frame cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FrameError {
    /// Longer than the limit for its direction.
    #[error("the frame is too long")]
    TooLong,
    /// Of a version that this program does not speak.
    #[error("the frame is of an unknown version")]
    Version,
    /// Not a value of the expected type, or bytes are left over.
    #[error("the frame is malformed")]
    Malformed,
}

/// What a client says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientFrame {
    /// Answers [`ServerFrame::Challenge`].
    SignIn {
        /// Who signs in.
        device: DeviceId,
        /// Ed25519 over [`sign_in_transcript`]; 64 bytes.
        signature: Vec<u8>,
    },
    /// Makes a mailbox, or does nothing if it exists with the same hashes.
    CreateMailbox {
        /// Echoed in the answer.
        request: u32,
        /// Where.
        mailbox: MailboxId,
        /// Hash of the capability that will permit writing.
        write_hash: KeyHash,
        /// Hash of the key that will permit reading.
        read_hash: KeyHash,
    },
    /// Starts delivery from a mailbox: what waits, then what comes.
    Subscribe {
        /// Echoed in the answer.
        request: u32,
        /// Where.
        mailbox: MailboxId,
        /// Permits it.
        read_key: ReadKey,
    },
    /// The envelope is safe at the client; the node forgets it. Needs a subscription on this socket.
    Acknowledge {
        /// Where.
        mailbox: MailboxId,
        /// Which, from [`ServerFrame::Envelope`].
        sequence: u64,
    },
    /// Removes a mailbox with what waits in it.
    DeleteMailbox {
        /// Echoed in the answer.
        request: u32,
        /// Where.
        mailbox: MailboxId,
        /// Permits it.
        read_key: ReadKey,
    },
    /// Asks for fresh access to the relay.
    TurnGrant,
    /// Keeps the socket alive; answered by [`ServerFrame::Pong`].
    Ping,
}

/// What a node says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServerFrame {
    /// The first frame: sign this.
    Challenge {
        /// Fresh random bytes.
        nonce: [u8; 32],
    },
    /// Signed in.
    Welcome {
        /// Signs HTTP requests in while this socket lives.
        bearer: Bearer,
        /// What the account may do.
        role: Role,
        /// Access to the relay.
        turn: TurnGrant,
    },
    /// The request was carried out.
    Done {
        /// From the request.
        request: u32,
    },
    /// The request was refused.
    Refused {
        /// From the request.
        request: u32,
        /// Why.
        problem: Problem,
    },
    /// Something arrived.
    Envelope {
        /// Where.
        mailbox: MailboxId,
        /// For [`ClientFrame::Acknowledge`]; grows within a mailbox.
        sequence: u64,
        /// The envelope as it was put.
        bytes: Vec<u8>,
    },
    /// Fresh access to the relay.
    TurnGrant(TurnGrant),
    /// Answers [`ClientFrame::Ping`].
    Pong,
    /// This device has been signed out for good; the socket closes.
    Revoked,
    /// Sign-in failed, or the client broke the rules; the socket closes.
    Goodbye {
        /// Why.
        problem: Problem,
    },
}

/// The bytes that a device signs to sign in.
///
/// The sign-in key is used at one node only, so no other node can pass a challenge on.
#[must_use]
pub fn sign_in_transcript(nonce: &[u8; 32], device: DeviceId) -> Vec<u8> {
    [
        b"hither/v1/sign-in".as_slice(),
        nonce.as_slice(),
        device.as_bytes().as_slice(),
    ]
    .concat()
}

impl ClientFrame {
    /// The frame's bytes.
    #[must_use]
    pub fn emit(&self) -> Vec<u8> {
        emit(self)
    }

    /// Reads a frame of at most [`limits::MAX_CLIENT_FRAME`] bytes.
    ///
    /// # Errors
    /// If it is too long, of another version, or malformed.
    pub fn parse(bytes: &[u8]) -> Result<Self, FrameError> {
        parse(bytes, limits::MAX_CLIENT_FRAME)
    }
}

impl ServerFrame {
    /// The frame's bytes.
    #[must_use]
    pub fn emit(&self) -> Vec<u8> {
        emit(self)
    }

    /// Reads a frame of at most [`limits::MAX_SERVER_FRAME`] bytes.
    ///
    /// # Errors
    /// If it is too long, of another version, or malformed.
    pub fn parse(bytes: &[u8]) -> Result<Self, FrameError> {
        parse(bytes, limits::MAX_SERVER_FRAME)
    }
}

fn emit<T: Serialize>(frame: &T) -> Vec<u8> {
    // Writing plain values into a growing vector has no way to fail.
    postcard::to_extend(frame, vec![VERSION]).unwrap_or_default()
}

fn parse<T: DeserializeOwned>(bytes: &[u8], limit: usize) -> Result<T, FrameError> {
    if bytes.len() > limit {
        return Err(FrameError::TooLong);
    }
    match bytes.split_first() {
        Some((&VERSION, rest)) => match postcard::take_from_bytes(rest) {
            Ok((frame, [])) => Ok(frame),
            Ok(_) | Err(_) => Err(FrameError::Malformed),
        },
        Some(_) => Err(FrameError::Version),
        None => Err(FrameError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn frames_survive_the_wire() {
        let frame = ClientFrame::Acknowledge {
            mailbox: MailboxId::from_bytes([1; 32]),
            sequence: 77,
        };
        assert_eq!(ClientFrame::parse(&frame.emit()), Ok(frame));
    }

    #[test]
    fn a_frame_of_another_version_is_refused() {
        let mut bytes = ClientFrame::Ping.emit();
        bytes[0] = 2;
        assert_eq!(ClientFrame::parse(&bytes), Err(FrameError::Version));
    }

    #[test]
    fn left_over_bytes_are_refused() {
        let mut bytes = ClientFrame::Ping.emit();
        bytes.push(0);
        assert_eq!(ClientFrame::parse(&bytes), Err(FrameError::Malformed));
    }

    #[test]
    fn an_endless_frame_is_refused_before_it_is_read() {
        let bytes = vec![VERSION; limits::MAX_CLIENT_FRAME + 1];
        assert_eq!(ClientFrame::parse(&bytes), Err(FrameError::TooLong));
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            drop(ClientFrame::parse(&bytes));
            drop(ServerFrame::parse(&bytes));
        }

        #[test]
        fn whatever_parses_is_emitted_to_something_that_parses_alike(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut framed = vec![VERSION];
            framed.extend(bytes);
            if let Ok(frame) = ClientFrame::parse(&framed) {
                prop_assert_eq!(ClientFrame::parse(&frame.emit()), Ok(frame));
            }
        }
    }
}
