// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the keyboard is.

use leptos::prelude::document;
use web_sys::HtmlElement;
use web_sys::wasm_bindgen::JsCast as _;

/// Whether keys go into a text field.
pub(crate) fn is_typing() -> bool {
    document().active_element().is_some_and(|element| {
        matches!(element.tag_name().as_str(), "INPUT" | "TEXTAREA" | "SELECT")
    })
}

/// Whether a dialog is in front.
pub(crate) fn modal_is_open() -> bool {
    matches!(
        document().query_selector("dialog[open], .route-popover"),
        Ok(Some(_))
    )
}

/// Moves the keyboard, after the page has drawn what was just asked for.
pub(crate) fn first(selector: &str) {
    let selector = selector.to_owned();
    leptos::prelude::request_animation_frame(move || {
        let element = document().query_selector(&selector).ok().flatten();
        if let Some(element) = element.and_then(|element| element.dyn_into::<HtmlElement>().ok()) {
            // Nothing to be done when the browser does not want to.
            drop(element.focus());
        }
    });
}
