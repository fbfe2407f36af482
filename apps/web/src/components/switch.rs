// SPDX-License-Identifier: MIT OR Apache-2.0
//! On or off, with a sentence about what that means.

use leptos::prelude::*;

/// A switch and its explanation.
#[component]
pub(crate) fn Switch(
    /// What is switched.
    #[prop(into)]
    label: String,
    /// What it means.
    #[prop(optional, default = "")]
    explanation: &'static str,
    /// Whether it is on.
    #[prop(into)]
    on: Signal<bool>,
    /// The person wants it so.
    #[prop(into)]
    on_change: Callback<bool>,
    /// For tests.
    testid: &'static str,
) -> impl IntoView {
    view! {
        <label class="switch">
            <span class="switch-words">
                <span class="switch-label">{label}</span>
                <span class="switch-explanation">{explanation}</span>
            </span>
            <input
                type="checkbox"
                role="switch"
                data-testid=testid
                prop:checked=move || on.get()
                on:change=move |event| on_change.run(event_target_checked(&event))
            />
        </label>
    }
}
