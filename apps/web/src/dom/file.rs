// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files that a person chooses, and files that they keep.

use js_sys::{Array, Uint8Array};
use leptos::prelude::document;
use wasm_bindgen_futures::JsFuture;
use web_sys::wasm_bindgen::JsCast as _;
use web_sys::{Blob, BlobPropertyBag, File, HtmlAnchorElement, HtmlInputElement, Url};

/// The one file that was chosen.
pub(crate) fn chosen(input: &HtmlInputElement) -> Option<File> {
    let file = input.files()?.get(0);
    // So that the same file can be chosen again.
    input.set_value("");
    file
}

/// Its bytes, unless there are more than `limit`.
pub(crate) async fn read(file: &File, limit: u32) -> Option<Vec<u8>> {
    if file.size() > f64::from(limit) {
        return None;
    }
    let buffer = JsFuture::from(file.array_buffer()).await.ok()?;
    Some(Uint8Array::new(&buffer).to_vec())
}

/// An address under which the page can show the bytes; to be given back with [`forget`].
pub(crate) fn object_url(bytes: &[u8], kind: &str) -> Option<String> {
    let parts = Array::of1(&Uint8Array::from(bytes));
    let options = BlobPropertyBag::new();
    options.set_type(kind);
    let blob = Blob::new_with_u8_array_sequence_and_options(&parts, &options).ok()?;
    Url::create_object_url_with_blob(&blob).ok()
}

/// Gives an address back.
pub(crate) fn forget(url: &str) {
    // An address that is not known any more is as good as forgotten.
    drop(Url::revoke_object_url(url));
}

/// Offers the bytes as a download.
pub(crate) fn save(name: &str, bytes: &[u8]) {
    let Some(url) = object_url(bytes, "application/octet-stream") else {
        return;
    };
    let anchor = document().create_element("a").ok();
    if let Some(anchor) = anchor.and_then(|anchor| anchor.dyn_into::<HtmlAnchorElement>().ok()) {
        anchor.set_href(&url);
        anchor.set_download(name);
        anchor.click();
    }
    forget(&url);
}
