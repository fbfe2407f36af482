// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bytes of payloads and signals are those of `docs/protocol.md`.

use crate::CallId;
use crate::payload::{Payload, Signal, WireEnd};

const PROTOCOL: &str = include_str!("../../../../docs/protocol.md");

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn payloads_and_signals_are_those_of_the_protocol() {
    let call = CallId::from_bytes([0xAA; 16]);
    let vectors = [
        (
            "Text",
            Payload::Text {
                number: 1,
                time: 1_700_000_000_000,
                text: "hello".into(),
            }
            .emit(),
        ),
        ("Close", Payload::Close.emit()),
        (
            "CallOffer",
            Payload::CallOffer {
                call,
                video: true,
                time: 1_700_000_000_000,
                epoch: 3,
                salt: [0xBB; 16],
            }
            .emit(),
        ),
        (
            "Ack",
            Signal::Ack {
                up_to: 3,
                sent: 300,
            }
            .emit(),
        ),
        ("Typing", Signal::Typing.emit()),
        (
            "CallEnd",
            Signal::CallEnd {
                call,
                end: WireEnd::Busy,
            }
            .emit(),
        ),
        (
            "Answer",
            Signal::Answer {
                token: [0xCC; 16],
                salt: [0xDD; 16],
                sdp: "v=0".into(),
            }
            .emit(),
        ),
    ];
    for (name, bytes) in vectors {
        let row = format!("| {name} | `{}` |", hex(&bytes));
        assert!(PROTOCOL.contains(&row), "docs/protocol.md lacks: {row}");
    }
}
