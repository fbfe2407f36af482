// SPDX-License-Identifier: MIT OR Apache-2.0
//! Copying with an answer.

use std::time::Duration;

use leptos::prelude::*;
use wasm_bindgen_futures::spawn_local;

use super::{Glyph, Icon};
use crate::dom::clipboard;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    None,
    Copied,
    Refused,
}

/// Copies a text and says so.
#[component]
pub(crate) fn CopyButton(
    /// What.
    #[prop(into)]
    text: Signal<String>,
    /// What it is called.
    label: &'static str,
    /// For tests.
    testid: &'static str,
) -> impl IntoView {
    let outcome = RwSignal::new(Outcome::None);
    let copy = move |_| {
        let text = text.get_untracked();
        spawn_local(async move {
            let copied = clipboard::copy(&text).await;
            outcome.set(if copied {
                Outcome::Copied
            } else {
                Outcome::Refused
            });
            set_timeout(
                move || {
                    outcome.try_set(Outcome::None);
                },
                Duration::from_secs(3),
            );
        });
    };
    let glyph = Signal::derive(move || match outcome.get() {
        Outcome::Copied => Glyph::Check,
        Outcome::None | Outcome::Refused => Glyph::Copy,
    });
    view! {
        <button type="button" class="button" data-testid=testid on:click=copy>
            <Icon glyph />
            <span aria-live="polite">
                {move || match outcome.get() {
                    Outcome::None => label,
                    Outcome::Copied => "Copied",
                    Outcome::Refused => "Please select and copy it by hand",
                }}
            </span>
        </button>
    }
}
