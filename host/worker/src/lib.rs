// SPDX-License-Identifier: MIT OR Apache-2.0
//! The module that runs in the browser's dedicated workers: it seals and opens media frames
//! (RFC 9605 inside `RTCRtpScriptTransform`) and stretches passphrases (Argon2id).
//!
//! For a call with a warm spare link it also watches, frame by frame, which of the two is heard, and lets sound
//! leave by the spare as soon as the other one falls silent (`lanes`).
//!
//! The page starts it twice, so that a derivation never stops the media. It says `Ready`
//! when it can hear: a transform that is made earlier would lose its event. What it holds are keys by link;
//! without a key a frame is dropped. It decides nothing, and leaves which key belongs to which link to the
//! page, and all cryptography to `hither-crypto`.

mod frames;
mod lanes;
mod message;
mod pump;
mod scope;

#[cfg(not(test))]
use wasm_bindgen::prelude::wasm_bindgen;

/// Starts listening. Called by the generated bindings once the module is there, but not when that is a module
/// of tests, which runs in a worker as well.
#[cfg_attr(not(test), wasm_bindgen(start))]
pub fn start() {
    scope::listen();
}
