// SPDX-License-Identifier: MIT OR Apache-2.0
//! Small errands to the browser that the pages have in common.

pub(crate) mod clipboard;
pub(crate) mod clock;
pub(crate) mod file;
pub(crate) mod focus;
pub(crate) mod node;
pub(crate) mod picture;
pub(crate) mod size;
pub(crate) mod storage;

/// Whether the person can see the page.
pub(crate) fn is_visible() -> bool {
    leptos::prelude::document().visibility_state() == web_sys::VisibilityState::Visible
}

/// Whether list and conversation stand side by side; the style sheet breaks at the same width.
pub(crate) fn is_wide() -> bool {
    let width = leptos::prelude::window().inner_width().ok();
    width
        .and_then(|width| width.as_f64())
        .is_some_and(|width| width >= 760.0)
}

/// Whether the browser can share a screen; phones cannot.
pub(crate) fn can_share_screen() -> bool {
    let navigator = leptos::prelude::window().navigator();
    let devices = js_sys::Reflect::get(&navigator, &"mediaDevices".into()).unwrap_or_default();
    devices.is_object()
        && js_sys::Reflect::has(&devices, &"getDisplayMedia".into()).unwrap_or(false)
}

/// `https://host[:port]` of the node that served this page.
pub(crate) fn origin() -> String {
    let location = leptos::prelude::window().location();
    location.origin().unwrap_or_default()
}
