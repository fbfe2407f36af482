// SPDX-License-Identifier: MIT OR Apache-2.0
//! Fields that several forms share.

use std::sync::Arc;

use leptos::html::Input;
use leptos::prelude::*;
use wasm_bindgen_futures::spawn_local;

use super::{Avatar, Glyph, Icon};
use crate::dom::{file, picture};
use crate::words::Words;

/// What went wrong, beside the form where it did.
#[component]
pub(crate) fn ErrorText(#[prop(into)] words: Signal<Option<Words>>) -> impl IntoView {
    view! {
        {move || words.get().map(|words| view! {
            <div class="error-text" data-testid="error-text" role="alert" data-kind=words.kind>
                <Icon glyph=Glyph::Warning />
                <p><strong>{words.what}</strong>" "{words.advice}</p>
            </div>
        })}
    }
}

/// A category: one in use by a touch, or a new one by its name.
#[component]
pub(crate) fn CategoryField(
    /// What is typed.
    value: RwSignal<String>,
    /// Those in use.
    #[prop(into)]
    known: Signal<Vec<String>>,
    /// For tests.
    testid: &'static str,
    /// Of the input; unique on the page.
    id: &'static str,
    /// A wish to save on change, rather than with the form.
    #[prop(into, optional)]
    on_choose: Option<Callback<String>>,
) -> impl IntoView {
    let choose = move |category: String| {
        value.set(category.clone());
        if let Some(on_choose) = on_choose {
            on_choose.run(category);
        }
    };
    view! {
        <div class="field">
            <label for=id>"Category"</label>
            <div class="chips" role="group" aria-label="Categories in use">
                {move || known.get().into_iter().map(|category| {
                    let (here, chosen) = (category.clone(), category.clone());
                    view! {
                        <button
                            type="button"
                            class="chip"
                            data-testid="category-chip"
                            aria-pressed=move || (value.get() == here).to_string()
                            on:click=move |_| choose(chosen.clone())
                        >
                            {category}
                        </button>
                    }
                }).collect_view()}
            </div>
            <input
                id=id
                data-testid=testid
                maxlength="32"
                autocomplete="off"
                placeholder="or a new one"
                prop:value=move || value.get()
                on:input=move |event| value.set(event_target_value(&event))
                on:change=move |event| choose(event_target_value(&event))
            />
        </div>
    }
}

/// A picture chosen from a file and made small at once.
#[component]
pub(crate) fn PictureField(
    /// For the picture that is drawn when none is chosen.
    #[prop(into)]
    name: Signal<String>,
    /// What was chosen.
    value: RwSignal<Option<Arc<[u8]>>>,
    /// For tests.
    testid: &'static str,
) -> impl IntoView {
    let input = NodeRef::<Input>::new();
    let problem = RwSignal::new(false);
    let chosen = move |_| {
        let Some(file) = input.get_untracked().and_then(|input| file::chosen(&input)) else {
            return;
        };
        spawn_local(async move {
            let bytes = picture::shrink(&file).await;
            problem.set(bytes.is_none());
            if let Some(bytes) = bytes {
                value.set(Some(bytes.into()));
            }
        });
    };
    let words = Signal::derive(move || problem.get().then(crate::words::no_picture));
    view! {
        <div class="picture-field">
            <Avatar name picture=value size="large" />
            <div class="picture-choices">
                <label class="button file-button">
                    <Icon glyph=Glyph::Picture />
                    {move || if value.with(Option::is_some) { "Another picture" } else { "Choose a picture" }}
                    <input
                        class="visually-hidden"
                        type="file"
                        accept="image/*"
                        data-testid=testid
                        node_ref=input
                        on:change=chosen
                    />
                </label>
                <Show when=move || value.with(Option::is_some)>
                    <button
                        type="button"
                        class="button quiet"
                        data-testid="picture-remove"
                        on:click=move |_| value.set(None)
                    >
                        "Use the drawn one"
                    </button>
                </Show>
            </div>
            <ErrorText words />
        </div>
    }
}
