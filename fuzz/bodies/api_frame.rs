// SPDX-License-Identifier: MIT OR Apache-2.0
//! What must hold for any bytes on a socket between a node and a client, and for any text that somebody pastes as
//! a link. Run by the fuzz target of the same name, and over the committed corpus by `proto/api/tests/corpus.rs`.

use hither_api::link::Link;
use hither_api::{ClientFrame, FrameError, MailboxId, ServerFrame, VERSION, limits};

/// The input is taken as a frame of each direction, as it is and behind a version byte, and as a link.
pub(crate) fn run(bytes: &[u8]) {
    let framed = [&[VERSION], bytes].concat();
    for input in [bytes, framed.as_slice()] {
        client(input);
        server(input);
    }
    if let Ok(text) = core::str::from_utf8(bytes) {
        link(text);
    }
}

fn client(bytes: &[u8]) {
    match ClientFrame::parse(bytes) {
        Ok(frame) => {
            assert!(bytes.len() <= limits::MAX_CLIENT_FRAME);
            assert_eq!(ClientFrame::parse(&frame.emit()), Ok(frame));
        }
        Err(error) => excused(bytes, error, limits::MAX_CLIENT_FRAME),
    }
}

fn server(bytes: &[u8]) {
    match ServerFrame::parse(bytes) {
        Ok(frame) => {
            assert!(bytes.len() <= limits::MAX_SERVER_FRAME);
            assert_eq!(ServerFrame::parse(&frame.emit()), Ok(frame));
        }
        Err(error) => excused(bytes, error, limits::MAX_SERVER_FRAME),
    }
}

fn excused(bytes: &[u8], error: FrameError, limit: usize) {
    match error {
        FrameError::TooLong => assert!(bytes.len() > limit),
        FrameError::Version => assert_ne!(bytes.first(), Some(&VERSION)),
        FrameError::Malformed => {}
    }
}

fn link(text: &str) {
    if let Some(link) = Link::parse(text) {
        assert_eq!(Link::parse(&link.to_text()), Some(link));
    }
    if let Ok(mailbox) = text.parse::<MailboxId>() {
        assert_eq!(mailbox.to_text().parse(), Ok(mailbox));
    }
}
