// SPDX-License-Identifier: MIT OR Apache-2.0
//! Replays the corpora of the fuzz targets `envelope` and `invitation`: what was once interesting stays tested.
#![cfg(not(target_arch = "wasm32"))]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may fail loudly"
)]

use std::path::PathBuf;

#[path = "../../../fuzz/bodies/envelope.rs"]
mod envelope;
#[path = "../../../fuzz/bodies/invitation.rs"]
mod invitation;

fn replay(target: &str, run: fn(&[u8])) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(target);
    let mut inputs = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        run(&std::fs::read(entry.unwrap().path()).unwrap());
        inputs += 1;
    }
    assert!(inputs >= 8, "{inputs} inputs of {target}");
}

#[test]
fn the_corpus_of_envelopes_holds() {
    replay("envelope", envelope::run);
}

#[test]
fn the_corpus_of_invitations_holds() {
    replay("invitation", invitation::run);
}
