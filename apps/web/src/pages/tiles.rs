// SPDX-License-Identifier: MIT OR Apache-2.0
//! Media elements of a call. Each stays for the length of the call, so that its stream never restarts.

use hither_browser::Stream;
use leptos::html::{Audio, Video};
use leptos::prelude::*;
use web_sys::HtmlMediaElement;

use crate::state::App;

/// A picture that moves: somebody's camera or screen.
#[component]
pub(crate) fn VideoTile(
    app: App,
    /// Which.
    stream: Stream,
    /// Whether there is something to see.
    #[prop(into)]
    on: Signal<bool>,
    /// What it shows, for those who do not see it.
    #[prop(into)]
    label: Signal<String>,
    /// For tests.
    testid: &'static str,
    /// Where it goes.
    class: &'static str,
) -> impl IntoView {
    let element = NodeRef::<Video>::new();
    keep_attached(app, stream, move || {
        element.get().map(|video| (*video).clone())
    });
    view! {
        <video
            class=format!("tile {class}")
            data-testid=testid
            node_ref=element
            class:off=move || !on.get()
            aria-label=move || label.get()
            aria-hidden=move || (!on.get()).to_string()
            autoplay
            playsinline
            prop:muted=true
        ></video>
    }
}

/// Their voice.
#[component]
pub(crate) fn Sound(app: App) -> impl IntoView {
    let element = NodeRef::<Audio>::new();
    keep_attached(app, Stream::RemoteSound, move || {
        element.get().map(|audio| (*audio).clone())
    });
    let spare = NodeRef::<Audio>::new();
    keep_attached(app, Stream::RemoteSpareSound, move || {
        spare.get().map(|audio| (*audio).clone())
    });
    view! {
        <audio data-testid="audio-remote" node_ref=element autoplay></audio>
        // By the spare link, while the other one is silent.
        <audio data-testid="audio-spare" node_ref=spare autoplay></audio>
    }
}

fn keep_attached(
    app: App,
    stream: Stream,
    element: impl Fn() -> Option<HtmlMediaElement> + Copy + Send + Sync + 'static,
) {
    let link = Memo::new(move |_| {
        app.call
            .with(|call| call.as_ref().and_then(|call| call.link))
    });
    Effect::new(move || {
        // Attached anew for every link: the host forgets the streams of a closed one.
        link.track();
        if let Some(element) = element() {
            app.attach(&element, stream);
        }
    });
    on_cleanup(move || {
        if let Some(element) = untrack(element) {
            app.detach(&element);
        }
    });
}
