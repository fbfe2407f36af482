// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which way bytes go: an icon that explains itself.

use hither_endpoint::{Route, RouteView};
use leptos::html::Div;
use leptos::prelude::*;
use web_sys::Node;
use web_sys::wasm_bindgen::JsCast as _;

use super::{CopyButton, Glyph, Icon};
use crate::words;

fn glyph(route: Option<Route>) -> Glyph {
    match route {
        Some(Route::SameNetwork) => Glyph::SameNetwork,
        Some(Route::Direct) => Glyph::Direct,
        Some(Route::Relay) => Glyph::Relay,
        None => Glyph::Mailbox,
    }
}

/// What may be said of the network around, and the way to its page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Around {
    /// Why it goes through the relay, as far as that is known.
    pub(crate) why_not_direct: Signal<&'static str>,
    /// To the page.
    pub(crate) on_look: Callback<()>,
}

/// The icon; a touch opens the explanation below it.
#[component]
pub(crate) fn RouteBadge(
    /// The way; nothing is the mailbox.
    #[prop(into)]
    route: Signal<Option<RouteView>>,
    /// The network around.
    around: Around,
    /// For tests.
    testid: &'static str,
) -> impl IntoView {
    let open = RwSignal::new(false);
    let place = NodeRef::<Div>::new();
    close_from_outside(place, open);
    let kind = Memo::new(move |_| route.with(|route| route.as_ref().map(|route| route.route)));
    let rtt = Memo::new(move |_| route.with(|route| route.as_ref().and_then(|route| route.rtt_ms)));
    let label = move || {
        let words = words::route(kind.get());
        let rtt = words::rtt(rtt.get());
        format!(
            "Path: {}. Who can see what?",
            [words.name, &rtt].join(" ").trim_end()
        )
    };
    view! {
        <div class="route" node_ref=place>
            <button
                type="button"
                class="route-badge"
                data-testid=testid
                data-route=move || words::route(kind.get()).word
                data-rtt=move || rtt.get().map(|rtt| rtt.to_string())
                aria-label=label
                title="Which way? Who sees what?"
                aria-expanded=move || open.get().to_string()
                on:click=move |_| open.update(|open| *open = !*open)
            >
                <Icon glyph=Signal::derive(move || glyph(kind.get())) />
                <span class="route-name">{move || words::route(kind.get()).name}</span>
                <span class="route-rtt">{move || words::rtt(rtt.get())}</span>
            </button>
            <Show when=move || open.get()>
                <div class="route-popover" role="dialog" aria-label="The path, explained">
                    <RouteExplanation route around on_look=move || open.set(false) />
                </div>
            </Show>
        </div>
    }
}

/// Escape, or a touch elsewhere, closes.
fn close_from_outside(place: NodeRef<Div>, open: RwSignal<bool>) {
    let pressed = window_event_listener(leptos::ev::pointerdown, move |event| {
        let target = event
            .target()
            .and_then(|target| target.dyn_into::<Node>().ok());
        let inside = place
            .get_untracked()
            .is_some_and(|place| place.contains(target.as_ref()));
        if !inside && open.get_untracked() {
            open.set(false);
        }
    });
    let escaped = window_event_listener(leptos::ev::keydown, move |event| {
        if event.key() == "Escape" && open.get_untracked() {
            event.stop_propagation();
            open.set(false);
        }
    });
    on_cleanup(move || {
        pressed.remove();
        escaped.remove();
    });
}

/// What the path is, who sees what on it, and how it was found.
#[component]
pub(crate) fn RouteExplanation(
    #[prop(into)] route: Signal<Option<RouteView>>,
    around: Around,
    on_look: impl Fn() + Copy + Send + 'static,
) -> impl IntoView {
    let kind = Memo::new(move |_| route.with(|route| route.as_ref().map(|route| route.route)));
    let rtt = move || route.with(|route| route.as_ref().and_then(|route| route.rtt_ms));
    let timeline = move || {
        route
            .with(|route| route.as_ref().map(|route| route.timeline.clone()))
            .unwrap_or_default()
    };
    let carried = move || {
        route.with(|route| {
            route
                .as_ref()
                .map(|route| words::carried(route.route, route.protocol))
        })
    };
    let spare = move || route.with(|route| route.as_ref().is_some_and(|route| route.spare));
    let shown = move || route.with(|route| route.as_ref().is_some_and(|route| route.shown));
    let exported = Signal::derive(move || {
        let name = words::route(kind.get()).name;
        words::timeline_text(name, carried().as_deref(), rtt(), &timeline())
    });
    let look = move |_| {
        on_look();
        around.on_look.run(());
    };
    let sight = move || {
        words::sight(kind.get(), (spare(), shown()))
            .map(|(who, what)| view! { <dt>{who}</dt><dd>{what}</dd> })
            .collect_view()
    };
    view! {
        <div class="route-explanation" data-testid="route-explanation">
            <h3>
                <Icon glyph=Signal::derive(move || glyph(kind.get())) />
                {move || words::route(kind.get()).name}
                <Show when=move || rtt().is_some()>
                    <span class="muted">{move || format!("{} there and back", words::rtt(rtt()))}</span>
                </Show>
            </h3>
            <p>{move || words::route(kind.get()).what}</p>
            <Show when=move || carried().is_some()>
                <p class="hint" data-testid="route-transport">{carried}</p>
            </Show>
            <Show when=spare>
                <p class="hint" data-testid="route-spare">{words::SPARE}</p>
            </Show>
            <Show when=move || kind.get() == Some(Route::Relay)>
                <h4>"Why not direct"</h4>
                <p class="hint" data-testid="route-why">{move || around.why_not_direct.get()}</p>
            </Show>
            <h4>"Who could see what"</h4>
            <dl class="sight">{sight}</dl>
            <Show when=move || !timeline().is_empty()>
                <details class="timeline" data-testid="route-timeline">
                    <summary>"How this path was found"</summary>
                    <ol>
                        {move || timeline().into_iter().map(|entry| view! {
                            <li><time>{words::timeline_time(&entry)}</time>" "<span>{entry.what}</span></li>
                        }).collect_view()}
                    </ol>
                    <CopyButton text=exported label="Copy" testid="timeline-copy" />
                </details>
            </Show>
            <button type="button" class="button small" data-testid="route-network" on:click=look>
                <Icon glyph=Glyph::Direct />"Your network"
            </button>
        </div>
    }
}
