// SPDX-License-Identifier: MIT OR Apache-2.0
//! The first start: a name, a picture, a passphrase.

use std::sync::Arc;

use hither_api::{RegistrationToken, link::Link};
use hither_endpoint::{Command, Phase};
use leptos::prelude::*;
use zeroize::Zeroizing;

use super::root::Mark;
use crate::components::{ErrorText, PictureField};
use crate::dom;
use crate::state::App;
use crate::words::{self, Words};

#[component]
pub(crate) fn OnboardingPage(app: App) -> impl IntoView {
    let name = RwSignal::new(String::new());
    let picture = RwSignal::new(None::<Arc<[u8]>>);
    let passphrase = RwSignal::new(String::new());
    let again = RwSignal::new(String::new());
    let differ = RwSignal::new(false);
    let busy = Memo::new(move |_| app.phase.get() == Phase::Onboarding);
    let refused = app.newest_notice(|_| true);
    let error = Signal::derive(move || problem(app, differ.get(), refused));
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        app.clear_notices(|_| true);
        differ.set(passphrase.get_untracked() != again.get_untracked());
        if busy.get_untracked() || differ.get_untracked() {
            return;
        }
        app.send(Command::Onboard {
            name: name.get_untracked().trim().to_owned(),
            picture: picture.get_untracked().map(|bytes| bytes.to_vec()),
            passphrase: Zeroizing::new(passphrase.get_untracked()),
            node: dom::origin(),
            registration: registration(app.arrival.get_untracked().as_ref()),
        });
    };
    view! {
        <main class="gate" data-testid="onboarding">
            <form class="gate-card" on:submit=submit aria-busy=move || busy.get().to_string()>
                <div class="gate-brand"><Mark /><span>"Hither"</span></div>
                <h1>"Come closer"</h1>
                <p class="lead">{welcome(app)}</p>
                <fieldset class="bare" disabled=move || busy.get()>
                    <PictureField name value=picture testid="onboard-picture" />
                    <div class="field">
                        <label for="onboard-name">"Your name"</label>
                        <input
                            id="onboard-name"
                            data-testid="onboard-name"
                            required
                            maxlength="64"
                            autocomplete="nickname"
                            prop:value=move || name.get()
                            on:input=move |event| name.set(event_target_value(&event))
                        />
                        <p class="hint">"As your contacts will see it. Nobody else does."</p>
                    </div>
                    <Passphrases passphrase again />
                    <ErrorText words=error />
                    <button type="submit" class="button primary wide" data-testid="onboard-submit">
                        {move || if busy.get() { "Making your keys…" } else { "Start" }}
                    </button>
                </fieldset>
                <Show when=move || busy.get()>
                    <div class="progress" role="status" data-testid="onboard-progress">
                        <span class="progress-bar"></span>
                        <p class="hint">{words::STRETCHING}</p>
                    </div>
                </Show>
            </form>
        </main>
    }
}

/// The passphrase, twice, with plain advice.
#[component]
fn Passphrases(passphrase: RwSignal<String>, again: RwSignal<String>) -> impl IntoView {
    let advice = Memo::new(move |_| passphrase.with(|text| words::passphrase_advice(text)));
    let equal = Memo::new(move |_| {
        again.with(|again| !again.is_empty() && passphrase.with(|passphrase| passphrase == again))
    });
    view! {
        <div class="field">
            <label for="onboard-passphrase">"A passphrase for this device"</label>
            <input
                id="onboard-passphrase"
                type="password"
                data-testid="onboard-passphrase"
                required
                minlength="8"
                autocomplete="new-password"
                aria-describedby="passphrase-advice"
                prop:value=move || passphrase.get()
                on:input=move |event| passphrase.set(event_target_value(&event))
            />
            <div class="strength" data-step=move || advice.get().0.to_string() aria-hidden="true">
                <i></i><i></i><i></i>
            </div>
            <p class="hint" id="passphrase-advice" data-testid="passphrase-advice" aria-live="polite">
                {move || advice.get().1}
            </p>
        </div>
        <div class="field">
            <label for="onboard-passphrase-again">"The same again"</label>
            <input
                id="onboard-passphrase-again"
                type="password"
                data-testid="onboard-passphrase-again"
                required
                autocomplete="new-password"
                prop:value=move || again.get()
                on:input=move |event| again.set(event_target_value(&event))
            />
            <p class="hint">
                {move || if equal.get() { "They are the same." } else { words::NO_RESET }}
            </p>
        </div>
    }
}

fn welcome(app: App) -> &'static str {
    match app.arrival.get_untracked() {
        Some(Link::Invitation { .. }) => words::WELCOME_INVITED,
        Some(Link::Registration { .. }) | None => words::WELCOME,
    }
}

fn registration(link: Option<&Link>) -> Option<RegistrationToken> {
    match link? {
        Link::Registration { token, .. } => Some(*token),
        Link::Invitation { registration, .. } => *registration,
    }
}

fn problem(
    app: App,
    differ: bool,
    refused: Memo<Option<hither_endpoint::Notice>>,
) -> Option<Words> {
    if differ {
        return Some(words::passphrases_differ());
    }
    let notice = refused.get()?;
    Some(words::notice(&notice, &|id| app.name_of(id)))
}
