// SPDX-License-Identifier: MIT OR Apache-2.0
//! The lock: one field, one button.

use hither_endpoint::{Command, Phase};
use leptos::html::Input;
use leptos::prelude::*;
use zeroize::Zeroizing;

use super::root::Mark;
use crate::components::{ErrorText, Glyph, Icon};
use crate::state::App;
use crate::words;

#[component]
pub(crate) fn UnlockPage(app: App) -> impl IntoView {
    let passphrase = RwSignal::new(String::new());
    let field = NodeRef::<Input>::new();
    let busy = Memo::new(move |_| app.phase.get() == Phase::Unlocking);
    let newest = app.newest_notice(|_| true);
    let error = Signal::derive(move || {
        let notice = newest.get().filter(|_| !busy.get())?;
        Some(words::notice(&notice, &|id| app.name_of(id)))
    });
    let focus = move || {
        if let Some(field) = field.get_untracked() {
            // A page in the background keeps its focus to itself.
            drop(field.focus());
            field.select();
        }
    };
    Effect::new(move || {
        if !busy.get() {
            request_animation_frame(focus);
        }
    });
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        if busy.get_untracked() {
            return;
        }
        app.clear_notices(|_| true);
        app.send(Command::Unlock {
            passphrase: Zeroizing::new(passphrase.get_untracked()),
        });
    };
    view! {
        <main class="gate" data-testid="unlock">
            <form class="gate-card gate-narrow" on:submit=submit aria-busy=move || busy.get().to_string()>
                <Mark />
                <h1>"Locked"</h1>
                <p class="lead">{words::LOCKED}</p>
                <div class="field">
                    <label for="unlock-passphrase">"Passphrase"</label>
                    <input
                        id="unlock-passphrase"
                        type="password"
                        data-testid="unlock-passphrase"
                        required
                        autocomplete="current-password"
                        node_ref=field
                        readonly=move || busy.get()
                        prop:value=move || passphrase.get()
                        on:input=move |event| passphrase.set(event_target_value(&event))
                    />
                </div>
                <ErrorText words=error />
                <button
                    type="submit"
                    class="button primary wide"
                    data-testid="unlock-submit"
                    disabled=move || busy.get()
                >
                    <Icon glyph=Glyph::Lock />
                    {move || if busy.get() { "Unlocking…" } else { "Unlock" }}
                </button>
                <Show when=move || busy.get()>
                    <div class="progress" role="status"><span class="progress-bar"></span></div>
                </Show>
                <p class="hint">{words::FORGOTTEN}</p>
            </form>
        </main>
    }
}
