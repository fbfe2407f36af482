// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every network with every other: who reaches whom which way, and what becomes of a call when a network changes.

#![expect(clippy::expect_used, reason = "a test may fail loudly")]

#[path = "paths/place.rs"]
mod place;

mod paths {
    mod expectation;
    mod hiding;
    mod matrix;
    mod pair;
    #[expect(dead_code, reason = "the bench of networks uses the rest")]
    mod town;
    mod traffic;
}
