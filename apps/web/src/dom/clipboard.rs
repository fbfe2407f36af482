// SPDX-License-Identifier: MIT OR Apache-2.0
//! Passing text on: clipboard and the system's share sheet.

use leptos::prelude::window;
use wasm_bindgen_futures::JsFuture;
use web_sys::ShareData;
use web_sys::wasm_bindgen::JsValue;

/// Copies; false where the browser refuses.
pub(crate) async fn copy(text: &str) -> bool {
    let clipboard = window().navigator().clipboard();
    JsFuture::from(clipboard.write_text(text)).await.is_ok()
}

/// Whether there is a share sheet.
pub(crate) fn can_share() -> bool {
    let navigator = JsValue::from(window().navigator());
    js_sys::Reflect::has(&navigator, &JsValue::from_str("share")).unwrap_or(false)
}

/// Opens the share sheet. Being cancelled is no failure.
pub(crate) async fn share(title: &str, url: &str) {
    let content = ShareData::new();
    content.set_title(title);
    content.set_url(url);
    let promise = window().navigator().share_with_data(&content);
    drop(JsFuture::from(promise).await);
}
