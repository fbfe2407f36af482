// SPDX-License-Identifier: MIT OR Apache-2.0
//! The safety number, to be read to each other.

use leptos::prelude::*;

/// Sixty digits in twelve groups.
#[component]
pub(crate) fn SafetyNumber(#[prop(into)] number: Signal<String>) -> impl IntoView {
    let groups = move || {
        number.with(|number| {
            number
                .split_whitespace()
                .map(|group| view! { <span class="safety-group">{group.to_owned()}" "</span> })
                .collect_view()
        })
    };
    view! {
        <p class="safety-number" data-testid="safety-number" aria-label="Safety number">{groups}</p>
    }
}
