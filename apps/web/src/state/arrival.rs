// SPDX-License-Identifier: MIT OR Apache-2.0
//! The link that opened this page.

use hither_api::link::Link;
use web_sys::wasm_bindgen::JsValue;

/// The link in the address bar, if there is one.
pub(crate) fn link() -> Option<Link> {
    let location = web_sys::window()?.location();
    Link::parse(&location.href().ok()?)
}

/// Takes a used link out of the address bar and so out of what a reload would open.
pub(crate) fn forget() {
    let Some(window) = web_sys::window() else {
        return;
    };
    let at_root = window.location().pathname().is_ok_and(|path| path == "/");
    if let (false, Ok(history)) = (at_root, window.history()) {
        // Only a cosmetic loss if the browser refuses.
        drop(history.replace_state_with_url(&JsValue::from(0), "", Some("/")));
    }
}
