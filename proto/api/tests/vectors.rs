// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bytes of frames are those of `docs/protocol.md`.

use hither_api::{Capability, ClientFrame, DeviceId, MailboxId, ServerFrame, sign_in_transcript};

const PROTOCOL: &str = include_str!("../../../docs/protocol.md");

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn frames_are_those_of_the_protocol() {
    let mailbox = MailboxId::from_bytes([0xAA; 32]);
    let acknowledge = ClientFrame::Acknowledge {
        mailbox,
        sequence: 300,
    };
    let envelope = ServerFrame::Envelope {
        mailbox,
        sequence: 300,
        bytes: vec![1, 2, 3],
    };
    let challenge = ServerFrame::Challenge { nonce: [0xBB; 32] };
    let device = DeviceId::from_bytes([0xCC; 16]);
    let vectors = [
        ("Ping", ClientFrame::Ping.emit()),
        ("Acknowledge", acknowledge.emit()),
        ("Challenge", challenge.emit()),
        ("Envelope", envelope.emit()),
        (
            "sign-in transcript",
            sign_in_transcript(&[0xBB; 32], device),
        ),
        (
            "hash of a capability",
            Capability::from_bytes([0xDD; 32])
                .hash()
                .as_bytes()
                .to_vec(),
        ),
    ];
    for (name, bytes) in vectors {
        let row = format!("| {name} | `{}` |", hex(&bytes));
        assert!(PROTOCOL.contains(&row), "docs/protocol.md lacks: {row}");
    }
}
