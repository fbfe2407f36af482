// SPDX-License-Identifier: MIT OR Apache-2.0
//! The browser client's face: pages, components and words over the `View` of `proto/endpoint`.
//!
//! It sends [`hither_endpoint::Command`]s and renders [`hither_endpoint::View`]s, nothing else: it never
//! touches a key, a frame or a socket. `host/browser` carries commands out and hands views back.
//!
//! ```text
//!   pages/       one per screen                    state/   signals over the view, navigation, ring
//!   components/  dumb parts: values in, callbacks out      dom/     small errands to the browser
//!   words.rs     every sentence that says what happened and what to do
//! ```
//!
//! It leaves looks to `static/assets/style.css`, and starting the wasm to `static/assets/boot.js`.

#![expect(
    unreachable_pub,
    reason = "Leptos' component macro writes `pub` whatever the function says"
)]

mod components;
mod dom;
#[cfg(feature = "gallery")]
mod gallery;
mod pages;
mod state;
mod words;

use leptos::prelude::*;
use wasm_bindgen::prelude::wasm_bindgen;

/// Called by `boot.js` once the module is there.
#[wasm_bindgen(start)]
pub fn start() {
    console_error_panic_hook::set_once();
    #[cfg(feature = "gallery")]
    if gallery::mount() {
        return;
    }
    mount_to_body(|| {
        let app = state::App::new();
        app.connect();
        view! { <pages::Root app /> }
    });
}
