// SPDX-License-Identifier: MIT OR Apache-2.0
//! Your network: what the way out of here does to packets, measured against the own node while one looks.

use hither_endpoint::network::ProbeState;
use hither_endpoint::{Command, NodeState};
use leptos::prelude::*;

use crate::components::{CopyButton, Glyph, Icon, IconButton};
use crate::state::App;
use crate::words::network::{self as words, Look, Row, Verdict};

#[component]
pub(crate) fn NetworkPage(app: App) -> impl IntoView {
    app.send(Command::ProbeNetwork);
    let state = Memo::new(move |_| app.network.with(|view| view.state));
    let running = Memo::new(move |_| state.get() == ProbeState::Running);
    let verdict = Memo::new(move |_| app.network.with(words::verdict));
    Effect::watch(
        move || verdict.get(),
        move |verdict, _, _| {
            if verdict.look != Look::Waiting {
                app.speak(format!("{} {}", verdict.what, verdict.why));
            }
        },
        false,
    );
    // What could not be measured because the node was away is measured when it is back, while one looks.
    let returned = Memo::new(move |_| {
        let could_not = verdict.with(|verdict| matches!(verdict.word, "node-away" | "offline"));
        could_not && app.node.get() == NodeState::Online
    });
    Effect::watch(
        move || returned.get(),
        move |returned, _, _| {
            if *returned {
                app.send(Command::ProbeNetwork);
            }
        },
        false,
    );
    let text = Signal::derive(move || app.network.with(words::as_text));
    let measured =
        Memo::new(move |_| matches!(state.get(), ProbeState::Running | ProbeState::Done));
    view! {
        <section class="settings" data-testid="network" data-state=move || state_word(state.get()) aria-label="Your network">
            <header class="bar">
                <IconButton glyph=Glyph::Back label="Back" testid="network-close" on_press=move || app.back() />
                <h2 class="bar-title">"Your network"</h2>
            </header>
            <div class="page page-columns" aria-busy=move || running.get().to_string()>
                <section class="card card-wide verdict" data-testid="network-verdict" data-verdict=move || verdict.with(|verdict| verdict.word)>
                    {move || view! { <Summary verdict=verdict.get() /> }}
                    <p class="hint">{words::LEAD}</p>
                    <div class="actions start">
                        <button type="button" class="button" data-testid="network-again" disabled=running
                            on:click=move |_| app.send(Command::ProbeNetwork)>
                            {move || if running.get() { "Measuring…" } else { "Measure again" }}
                        </button>
                        <Show when=move || measured.get()>
                            <CopyButton text label="Copy all" testid="network-copy" />
                        </Show>
                    </div>
                </section>
                <Show when=move || measured.get()>
                    <Findings app />
                    <Wanted app />
                </Show>
            </div>
        </section>
    }
}

fn state_word(state: ProbeState) -> &'static str {
    match state {
        ProbeState::Idle => "idle",
        ProbeState::Running => "running",
        ProbeState::Done => "done",
        ProbeState::Offline => "offline",
        ProbeState::NoRelay => "no-relay",
    }
}

#[component]
fn Summary(verdict: Verdict) -> impl IntoView {
    view! {
        <h3 class="verdict-what"><Mark look=verdict.look />{verdict.what}</h3>
        <p>{verdict.why}</p>
    }
}

/// A sign that is not told by its colour alone.
#[component]
fn Mark(look: Look) -> impl IntoView {
    let glyph = match look {
        Look::Waiting => Glyph::Clock,
        Look::Good => Glyph::Check,
        Look::Fair => Glyph::Warning,
        Look::Bad => Glyph::Close,
        Look::Unknown => Glyph::Help,
    };
    view! { <span class="mark-look" data-look=look.word()><Icon glyph /></span> }
}

#[component]
fn Findings(app: App) -> impl IntoView {
    let section = move |place: usize| {
        let title = Memo::new(move |_| app.network.with(|view| words::sections(view)[place].0));
        let rows = Memo::new(move |_| {
            app.network
                .with(|view| words::sections(view)[place].1.clone())
        });
        view! {
            <section class="card" data-testid="network-findings">
                <h3>{title}</h3>
                <ul class="rows">
                    <For each=move || rows.get() key=|row| row.clone() let:row>
                        <FindingRow row />
                    </For>
                </ul>
            </section>
        }
    };
    (0..3).map(section).collect_view()
}

#[component]
fn FindingRow(row: Row) -> impl IntoView {
    let Row {
        id,
        label,
        look,
        value,
        meaning,
        term,
    } = row;
    view! {
        <li class="finding" data-testid=format!("network-{id}") data-look=look.word() data-term=term>
            <Mark look />
            <div class="row-words">
                <span class="finding-label">{label}</span>
                <span class="finding-value">{value}</span>
                {(!term.is_empty()).then(|| view! { <span class="finding-term">{term}</span> })}
                {(!meaning.is_empty()).then(|| view! { <span class="hint">{meaning}</span> })}
            </div>
        </li>
    }
}

/// What an administrator is asked for: the lines of `docs/network.md`, with this node's host and ports.
#[component]
fn Wanted(app: App) -> impl IntoView {
    let wanted = Memo::new(move |_| app.network.with(|view| lines(&view.wanted)));
    let sheet = Memo::new(move |_| app.network.with(|view| lines(&view.sheet)));
    let advice = Memo::new(move |_| app.network.with(words::advice));
    view! {
        <section class="card" data-testid="network-wanted">
            <h3>"To ask the administrator for"</h3>
            <p class="hint">{advice}</p>
            <Lines lines=wanted />
            <details class="more" data-testid="network-sheet">
                <summary>{words::SHEET}</summary>
                <Lines lines=sheet />
            </details>
            <p class="hint">{words::COPIED_IS}</p>
        </section>
    }
}

fn lines(lines: &[hither_api::sheet::Line]) -> Vec<String> {
    lines.iter().map(ToString::to_string).collect()
}

#[component]
fn Lines(lines: Memo<Vec<String>>) -> impl IntoView {
    view! {
        <ul class="lines">
            <For each=move || lines.get() key=Clone::clone let:line>
                <li>{line}</li>
            </For>
        </ul>
    }
}
