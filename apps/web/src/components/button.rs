// SPDX-License-Identifier: MIT OR Apache-2.0
//! A button that is only an icon: it must have a name.

use leptos::prelude::*;

use super::{Glyph, Icon};

/// An icon with a spoken name, which is also its tooltip.
#[component]
pub(crate) fn IconButton(
    /// What is drawn.
    #[prop(into)]
    glyph: Signal<Glyph>,
    /// What it does.
    #[prop(into)]
    label: Signal<String>,
    /// For tests.
    testid: &'static str,
    /// More classes.
    #[prop(into, optional)]
    class: Signal<String>,
    /// Set for toggles.
    #[prop(into, optional)]
    pressed: Option<Signal<bool>>,
    /// Greyed out.
    #[prop(into, optional)]
    disabled: Signal<bool>,
    /// What happens.
    #[prop(into)]
    on_press: Callback<()>,
) -> impl IntoView {
    view! {
        <button
            type="button"
            class=move || format!("icon-button {}", class.get())
            data-testid=testid
            aria-label=move || label.get()
            title=move || label.get()
            aria-pressed=move || pressed.map(|pressed| pressed.get().to_string())
            disabled=move || disabled.get()
            on:click=move |_| on_press.run(())
        >
            <Icon glyph />
        </button>
    }
}
