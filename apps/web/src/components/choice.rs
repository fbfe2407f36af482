// SPDX-License-Identifier: MIT OR Apache-2.0
//! One of a few, each with a sentence about what it means.

use leptos::prelude::*;

/// A way to choose.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way<T: 'static> {
    /// What is chosen.
    pub(crate) value: T,
    /// What it is called.
    pub(crate) label: &'static str,
    /// What it means.
    pub(crate) explanation: Signal<String>,
    /// For tests.
    pub(crate) testid: &'static str,
}

/// Radio buttons.
#[component]
pub(crate) fn Choice<T>(
    /// What is to be chosen.
    legend: &'static str,
    /// Unique on the page.
    name: &'static str,
    /// In their order.
    ways: Vec<Way<T>>,
    /// What is chosen now.
    #[prop(into)]
    chosen: Signal<T>,
    /// The person wants this.
    #[prop(into)]
    on_choose: Callback<T>,
) -> impl IntoView
where
    T: Copy + PartialEq + Send + Sync + 'static,
{
    let way = move |way: Way<T>| {
        let Way {
            value,
            label,
            explanation,
            testid,
        } = way;
        view! {
            <label class="switch choice">
                <input
                    type="radio"
                    name=name
                    data-testid=testid
                    prop:checked=move || chosen.get() == value
                    on:change=move |_| on_choose.run(value)
                />
                <span class="switch-words">
                    <span class="switch-label">{label}</span>
                    <span class="switch-explanation">{move || explanation.get()}</span>
                </span>
            </label>
        }
    };
    view! {
        <fieldset class="choices">
            <legend class="switch-label">{legend}</legend>
            {ways.into_iter().map(way).collect_view()}
        </fieldset>
    }
}
