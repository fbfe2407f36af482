// SPDX-License-Identifier: MIT OR Apache-2.0
//! A person's picture, or one drawn from their name: the same on every device.

use std::sync::Arc;

use leptos::prelude::*;

use crate::dom::{file, picture};

/// A round picture. Decoration: the name always stands beside it.
#[component]
pub(crate) fn Avatar(
    /// Whose.
    #[prop(into)]
    name: Signal<String>,
    /// Their picture, if they chose one.
    #[prop(into)]
    picture: Signal<Option<Arc<[u8]>>>,
    /// `small`, `medium`, `large` or `huge`.
    #[prop(optional, default = "medium")]
    size: &'static str,
) -> impl IntoView {
    let url = object_url(picture);
    view! {
        <span class=format!("avatar avatar-{size}") aria-hidden="true">
            {move || match url.get() {
                Some(url) => view! { <img src=url alt="" /> }.into_any(),
                None => drawn(&name.get()).into_any(),
            }}
        </span>
    }
}

fn object_url(bytes: Signal<Option<Arc<[u8]>>>) -> RwSignal<Option<String>> {
    let url = RwSignal::new(None::<String>);
    let give_back = move || {
        if let Some(old) = url.try_get_untracked().flatten() {
            file::forget(&old);
        }
    };
    Effect::new(move || {
        let bytes = bytes.get();
        give_back();
        url.set(bytes.and_then(|bytes| file::object_url(&bytes, picture::kind(&bytes)?)));
    });
    on_cleanup(give_back);
    url
}

/// Two overlapping circles and an initial, turned and coloured by the name.
fn drawn(name: &str) -> impl IntoView + use<> {
    let hash = name.trim().bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    let turn = hash / 8 % 12 * 30;
    let initial: String = name
        .trim()
        .chars()
        .next()
        .map(|first| first.to_uppercase().collect())
        .unwrap_or_default();
    view! {
        <svg class=format!("drawn hue-{}", hash % 8) viewBox="0 0 40 40">
            <rect class="drawn-ground" width="40" height="40" />
            <g transform=format!("rotate({turn} 20 20)")>
                <circle class="drawn-shape" cx="9" cy="20" r="17" />
                <circle class="drawn-shape" cx="34" cy="20" r="13" />
            </g>
            <text class="drawn-initial" x="20" y="20" dy=".36em" text-anchor="middle">
                {initial}
            </text>
        </svg>
    }
}
