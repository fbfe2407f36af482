// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tastes in `localStorage`. Nothing that matters: a browser may refuse it, and anybody at the device may read it.

/// What was remembered under a key.
pub(crate) fn read(key: &str) -> Option<String> {
    web_sys::window()?
        .local_storage()
        .ok()??
        .get_item(key)
        .ok()?
}

/// Remembers nothing under it any more.
pub(crate) fn forget(key: &str) {
    let storage = web_sys::window().and_then(|window| window.local_storage().ok()?);
    if let Some(storage) = storage {
        // Forbidden: then nothing was remembered.
        drop(storage.remove_item(key));
    }
}

/// Remembers it, if the browser lets us.
pub(crate) fn write(key: &str, value: &str) {
    let storage = web_sys::window().and_then(|window| window.local_storage().ok()?);
    if let Some(storage) = storage {
        // Full or forbidden: the taste lasts until the page is closed.
        drop(storage.set_item(key, value));
    }
}
