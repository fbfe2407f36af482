// SPDX-License-Identifier: MIT OR Apache-2.0
//! What becomes of sound and pictures on links that lose packets or shrink, and which codecs are used.

#![expect(clippy::expect_used, reason = "a test may fail loudly")]

#[path = "paths/place.rs"]
mod place;

mod quality {
    mod camera;
    mod codecs;
    mod links;
    mod scene;
}
