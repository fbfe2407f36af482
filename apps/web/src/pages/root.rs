// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is shown at all: start, onboarding, lock, or the client itself.

use hither_browser::StartError;
use hither_endpoint::{NodeState, Phase};
use leptos::prelude::*;

use super::approve::ApproveDialog;
use super::call::{CallPanel, IncomingCall};
use super::contact::ContactPage;
use super::conversation::ConversationPage;
use super::help::HelpDialog;
use super::home::Sidebar;
use super::invite::InviteDialog;
use super::join::JoinDialog;
use super::network::NetworkPage;
use super::onboarding::OnboardingPage;
use super::settings::SettingsPage;
use super::unlock::UnlockPage;
use crate::components::{ConfirmDialog, ErrorText, Glyph, Icon, Notices};
use crate::state::{App, Screen, Start};
use crate::words;

/// The whole page.
#[component]
pub(crate) fn Root(app: App) -> impl IntoView {
    let phase = app.phase;
    view! {
        <div class="visually-hidden" role="status" aria-live="polite" data-testid="live-region">
            {move || app.spoken.get()}
        </div>
        {move || match app.start.get() {
            Start::Loading => view! { <Loading /> }.into_any(),
            Start::Failed(why) => view! { <StartFailed why /> }.into_any(),
            Start::Running => view! {
                {move || match phase.get() {
                    Phase::Fresh | Phase::Onboarding => view! { <OnboardingPage app /> }.into_any(),
                    Phase::Locked | Phase::Unlocking => view! { <UnlockPage app /> }.into_any(),
                    Phase::Ready => view! { <Shell app /> }.into_any(),
                }}
            }.into_any(),
        }}
    }
}

/// The mark of Hither: two people, and what is between them.
#[component]
pub(crate) fn Mark() -> impl IntoView {
    view! {
        <svg class="mark" viewBox="0 0 64 64" aria-hidden="true" focusable="false">
            <path class="mark-between" d="M32 14.700a20 20 0 0 1 0 34.600 20 20 0 0 1 0-34.600Z" />
            <circle class="mark-one" cx="22" cy="32" r="20" />
            <circle class="mark-other" cx="42" cy="32" r="20" />
        </svg>
    }
}

#[component]
fn Loading() -> impl IntoView {
    view! {
        <main class="gate" data-testid="loading" aria-busy="true">
            <div class="gate-card gate-quiet">
                <Mark />
                <h1 class="opening">"Opening…"</h1>
            </div>
        </main>
    }
}

#[component]
fn StartFailed(why: StartError) -> impl IntoView {
    let words = words::start_failed(&why);
    view! {
        <main class="gate" data-testid="start-failed">
            <div class="gate-card">
                <Mark />
                <h1>"Hither cannot start here"</h1>
                <ErrorText words=Signal::stored(Some(words)) />
            </div>
        </main>
    }
}

/// The client itself: list, conversation, details, call.
#[component]
fn Shell(app: App) -> impl IntoView {
    let screen = app.screen;
    let call = Memo::new(move |_| app.call.with(Option::is_some));
    let contact = Memo::new(move |_| screen.get().contact());
    let details = Memo::new(move |_| match screen.get() {
        Screen::Contact(contact) => Some(contact),
        Screen::Home | Screen::Conversation(_) | Screen::Settings | Screen::Network(_) => None,
    });
    let settings = Memo::new(move |_| screen.get() == Screen::Settings);
    let network = Memo::new(move |_| matches!(screen.get(), Screen::Network(_)));
    let home = Memo::new(move |_| screen.get() == Screen::Home);
    let small = RwSignal::new(false);
    // A new call is shown in full.
    Effect::new(move || {
        if !call.get() {
            small.set(false);
        }
    });
    // Whoever looks at the network during a call wants to see it.
    Effect::new(move || {
        if network.get() {
            small.set(true);
        }
    });
    view! {
        <main
            class="shell"
            data-testid="home"
            data-screen=move || screen.get().word()
            data-call=move || match (call.get(), small.get()) {
                (false, _) => "none",
                (true, false) => "large",
                (true, true) => "small",
            }
        >
            <h1 class="visually-hidden">"Hither"</h1>
            <Sidebar app>
                <div class="narrow-only"><OfflineBanner app testid="offline-banner-list" /></div>
            </Sidebar>
            {move || call.get().then(|| view! { <CallPanel app small /> })}
            <div id="main" class="main" tabindex="-1">
                <OfflineBanner app testid="offline-banner" />
                {move || contact.get().map(|contact| view! { <ConversationPage app contact /> })}
                {move || settings.get().then(|| view! { <SettingsPage app /> })}
                {move || network.get().then(|| view! { <NetworkPage app /> })}
                {move || home.get().then(|| view! { <Nothing app /> })}
            </div>
            {move || details.get().map(|contact| view! { <ContactPage app contact /> })}
            <Notices app />
        </main>
        <InviteDialog app />
        <JoinDialog app />
        <ApproveDialog app />
        <HelpDialog app />
        <ConfirmDialog app />
        <IncomingCall app />
    }
}

#[component]
fn OfflineBanner(app: App, testid: &'static str) -> impl IntoView {
    let gone = move || matches!(app.node.get(), NodeState::Offline | NodeState::Revoked);
    view! {
        <Show when=gone>
            <p class="banner" data-testid=testid role="status">
                <Icon glyph=Glyph::Warning />
                {move || words::node_state(app.node.get()).2}
            </p>
        </Show>
    }
}

/// On a wide screen, before a conversation is chosen.
#[component]
fn Nothing(app: App) -> impl IntoView {
    let alone = move || app.contacts.with(Vec::is_empty);
    view! {
        <div class="nothing" data-testid="nothing-chosen">
            <Mark />
            <p>{move || if alone() { words::NO_CONVERSATION } else { words::NOTHING_CHOSEN }}</p>
        </div>
    }
}
