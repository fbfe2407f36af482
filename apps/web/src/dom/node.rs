// SPDX-License-Identifier: MIT OR Apache-2.0
//! The one thing the page asks the node itself: which client it serves.

use hither_api::path;
use js_sys::Reflect;
use leptos::prelude::window;
use wasm_bindgen_futures::JsFuture;
use web_sys::Response;
use web_sys::wasm_bindgen::{JsCast as _, JsValue};

/// The hash of the client, as the node tells it.
pub(crate) async fn web_hash() -> Option<String> {
    let promise = window().fetch_with_str(path::NODE);
    let response: Response = JsFuture::from(promise).await.ok()?.dyn_into().ok()?;
    let description = JsFuture::from(response.json().ok()?).await.ok()?;
    let hash = Reflect::get(&description, &JsValue::from_str("web_hash")).ok()?;
    hash.as_string().filter(|hash| !hash.is_empty())
}
