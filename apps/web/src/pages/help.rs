// SPDX-License-Identifier: MIT OR Apache-2.0
//! Keys, and what the icons of the paths mean.

use hither_endpoint::{Phase, Route};
use leptos::prelude::*;

use crate::components::{Glyph, Icon, Modal};
use crate::state::{App, Panel, SHORTCUTS, Screen};
use crate::words;

#[component]
pub(crate) fn HelpDialog(app: App) -> impl IntoView {
    let open = Signal::derive(move || app.panel.get() == Some(Panel::Help));
    view! {
        <Modal open on_close=move || app.close_panel() title=Signal::derive(|| "Keys and icons".to_owned()) testid="help-dialog">
            <h3>"Keys"</h3>
            <dl class="keys">
                {SHORTCUTS.iter().map(|(keys, what)| view! {
                    <dt>{keys.iter().map(|key| view! { <kbd>{*key}</kbd>" " }).collect_view()}</dt>
                    <dd>{*what}</dd>
                }).collect_view()}
            </dl>
            <h3>"Which way it goes"</h3>
            <dl class="legend">
                {LEGEND.iter().map(|(glyph, route)| view! {
                    <dt><Icon glyph=*glyph />{words::route(*route).name}</dt>
                    <dd>{words::route(*route).what}</dd>
                }).collect_view()}
            </dl>
            <Show when=move || app.phase.get() == Phase::Ready>
                <div class="actions start">
                    <button type="button" class="button" data-testid="help-network" on:click=move |_| {
                        app.close_panel();
                        app.go(Screen::Network(None));
                    }>
                        <Icon glyph=Glyph::Direct />"Your network"
                    </button>
                </div>
            </Show>
        </Modal>
    }
}

const LEGEND: [(Glyph, Option<Route>); 4] = [
    (Glyph::SameNetwork, Some(Route::SameNetwork)),
    (Glyph::Direct, Some(Route::Direct)),
    (Glyph::Relay, Some(Route::Relay)),
    (Glyph::Mailbox, None),
];
