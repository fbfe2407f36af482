// SPDX-License-Identifier: MIT OR Apache-2.0
//! A relay of two shards beside a model of it: over random sequences of what can happen, and over those that
//! the fuzz target `turn_machine` found worth keeping.
#![expect(clippy::expect_used, clippy::panic, reason = "a test may fail loudly")]

use std::fs;
use std::path::Path;

use proptest::prelude::*;

#[path = "../../../fuzz/bodies/turn_machine.rs"]
mod body;

/// Three allocations on both shards, and in each a channel to another and one to a peer outside, whose sockets
/// are open: from here every step can matter.
const CALLS_GO_ON: [[u8; 4]; 12] = [
    [0, 2, 0, 0],
    [0, 3, 0, 0],
    [0, 4, 7, 0],
    [4, 2, 3 * 16 + 12, 0],
    [4, 3, 2 * 16 + 12, 1],
    [4, 4, 2 * 16 + 12, 0],
    [4, 2, 0, 1],
    [4, 3, 2, 2],
    [4, 4, 3, 1],
    [11, 0, 0, 1],
    [11, 0, 0, 1],
    [11, 0, 0, 1],
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn a_relay_agrees_with_its_model(
        steps in prop::collection::vec(any::<u8>(), 0..500),
        begins_with_calls in prop::bool::weighted(0.7),
    ) {
        let calls = CALLS_GO_ON.concat();
        let begin = if begins_with_calls { calls.as_slice() } else { &[] };
        body::run(&[begin, &steps].concat());
    }
}

#[test]
fn the_corpus_of_the_machine_holds() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/turn_machine");
    let mut count = 0;
    for entry in fs::read_dir(corpus).expect("the corpus is committed") {
        let path = entry.expect("it can be listed").path();
        body::run(&fs::read(&path).expect("it can be read"));
        count += 1;
    }
    assert!(count > 0, "the corpus is empty");
}
