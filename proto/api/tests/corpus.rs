// SPDX-License-Identifier: MIT OR Apache-2.0
//! Replays the corpus of the fuzz target `api_frame`: what was once interesting stays tested.
#![cfg(not(target_arch = "wasm32"))]

#[path = "../../../fuzz/bodies/api_frame.rs"]
mod body;

use std::fs;
use std::path::Path;

#[test]
fn the_corpus_of_frames_holds() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/api_frame");
    let mut count = 0;
    for entry in fs::read_dir(corpus).expect("the corpus is committed") {
        let entry = entry.expect("a readable entry");
        body::run(&fs::read(entry.path()).expect("a readable file"));
        count += 1;
    }
    assert!(count > 0, "the corpus is empty");
}
