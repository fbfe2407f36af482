// SPDX-License-Identifier: MIT OR Apache-2.0
//! Replays the corpus of the fuzz target `stun_message`: what was once interesting stays tested.
#![expect(clippy::expect_used, reason = "a test may fail loudly")]

use std::fs;
use std::path::Path;

#[path = "../../../fuzz/bodies/stun_message.rs"]
mod body;

#[test]
fn the_corpus_of_stun_messages_holds() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/stun_message");
    let mut count = 0;
    for entry in fs::read_dir(corpus).expect("the corpus is committed") {
        let path = entry.expect("it can be listed").path();
        body::run(&fs::read(&path).expect("it can be read"));
        count += 1;
    }
    assert!(count > 0, "the corpus is empty");
}
