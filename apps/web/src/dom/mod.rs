// SPDX-License-Identifier: MIT OR Apache-2.0
//! Small errands to the browser that the pages have in common.

pub(crate) mod clipboard;
pub(crate) mod clock;
pub(crate) mod file;
pub(crate) mod focus;
pub(crate) mod node;
pub(crate) mod picture;
pub(crate) mod storage;

/// Whether the person can see the page.
pub(crate) fn is_visible() -> bool {
    leptos::prelude::document().visibility_state() == web_sys::VisibilityState::Visible
}

/// `https://host[:port]` of the node that served this page.
pub(crate) fn origin() -> String {
    let location = leptos::prelude::window().location();
    location.origin().unwrap_or_default()
}
