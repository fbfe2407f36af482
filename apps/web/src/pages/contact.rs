// SPDX-License-Identifier: MIT OR Apache-2.0
//! About one contact: the safety number, where they are listed, which paths are allowed, and the end.

use hither_endpoint::{Command, ContactId, ContactView, RelayOnly};
use leptos::prelude::*;

use crate::components::{
    Avatar, CategoryField, Choice, Glyph, Icon, IconButton, QrCode, SafetyNumber, Switch, Way,
};
use crate::state::{App, Confirmation};
use crate::words;

#[component]
pub(crate) fn ContactPage(app: App, contact: ContactId) -> impl IntoView {
    let id = contact;
    let contact = app.contact(id);
    let name = text(contact, |contact| contact.name.clone());
    let own_name = text(contact, |contact| contact.own_name.clone());
    let picture = Memo::new(move |_| contact.with(|contact| contact.as_ref()?.picture.clone()));
    let renamed = move || name.get() != own_name.get();
    view! {
        <aside class="details" data-testid="contact-page" aria-label=move || format!("About {}", name.get())>
            <header class="bar">
                <IconButton glyph=Glyph::Back label="Back to the messages" testid="contact-close" on_press=move || app.back() />
                <h2 class="bar-title">"About"</h2>
            </header>
            <div class="page">
                <div class="person">
                    <Avatar name picture size="huge" />
                    <h3>{move || name.get()}</h3>
                    <Show when=renamed>
                        <p class="muted">{move || format!("calls themselves {}", own_name.get())}</p>
                    </Show>
                </div>
                <Safety app id contact />
                <Listing app id contact />
                <Paths app id contact />
                <section class="card">
                    <button type="button" class="button danger quiet wide" data-testid="remove-contact"
                        on:click=move |_| app.confirm(removal(id, &name.get_untracked()))>
                        <Icon glyph=Glyph::Trash />"Remove this contact"
                    </button>
                </section>
            </div>
        </aside>
    }
}

fn text(contact: Memo<Option<ContactView>>, part: fn(&ContactView) -> String) -> Signal<String> {
    Memo::new(move |_| contact.with(|contact| contact.as_ref().map(part).unwrap_or_default()))
        .into()
}

fn is(contact: Memo<Option<ContactView>>, part: fn(&ContactView) -> bool) -> Signal<bool> {
    Memo::new(move |_| contact.with(|contact| contact.as_ref().is_some_and(part))).into()
}

#[component]
fn Safety(app: App, id: ContactId, contact: Memo<Option<ContactView>>) -> impl IntoView {
    let number = text(contact, |contact| contact.safety_number.clone());
    let verified = is(contact, |contact| contact.verified);
    view! {
        <section class="card">
            <h3>
                <Icon glyph=Signal::derive(move || if verified.get() { Glyph::ShieldCheck } else { Glyph::Shield }) />
                "Safety number"
            </h3>
            <p class="hint">{words::SAFETY}</p>
            <SafetyNumber number />
            <details class="more">
                <summary>"Show as QR code"</summary>
                <QrCode text=number label="The safety number as a QR code" testid="safety-qr" />
            </details>
            <Switch
                label="I compared it"
                explanation=words::COMPARED
                on=verified
                testid="verified-toggle"
                on_change=move |verified| app.send(Command::SetVerified { contact: id, verified })
            />
        </section>
    }
}

/// Category and alias.
#[component]
fn Listing(app: App, id: ContactId, contact: Memo<Option<ContactView>>) -> impl IntoView {
    let category = text(contact, |contact| contact.category.clone());
    let name = text(contact, |contact| contact.name.clone());
    let own_name = text(contact, |contact| contact.own_name.clone());
    let typed = RwSignal::new(category.get_untracked());
    Effect::new(move || typed.set(category.get()));
    let choose = move |wanted: String| {
        let wanted = wanted.trim().to_owned();
        if wanted.is_empty() {
            typed.set(category.get_untracked());
        } else if wanted != category.get_untracked() {
            app.send(Command::SetCategory {
                contact: id,
                category: wanted,
            });
        }
    };
    let alias = move || {
        let name = name.get();
        if name == own_name.get() {
            String::new()
        } else {
            name
        }
    };
    view! {
        <section class="card">
            <h3>"In your list"</h3>
            <CategoryField
                value=typed
                known=app.categories
                testid="contact-category"
                id="contact-category"
                on_choose=choose
            />
            <div class="field">
                <label for="contact-alias">"A name of your own for them"</label>
                <input
                    id="contact-alias"
                    data-testid="contact-alias"
                    maxlength="64"
                    autocomplete="off"
                    placeholder=move || own_name.get()
                    prop:value=alias
                    on:change=move |event| {
                        let alias = event_target_value(&event).trim().to_owned();
                        app.send(Command::SetAlias { contact: id, alias });
                    }
                />
                <p class="hint">"Only you see it."</p>
            </div>
        </section>
    }
}

#[component]
fn Paths(app: App, id: ContactId, contact: Memo<Option<ContactView>>) -> impl IntoView {
    let chosen = Memo::new(move |_| {
        contact.with(|contact| {
            contact
                .as_ref()
                .map_or(RelayOnly::Inherit, |one| one.relay_only)
        })
    });
    let for_all = app.relay_for_all;
    let category = text(contact, |contact| contact.category.clone());
    let by_category = Signal::derive(move || {
        let category = category.get();
        let hidden = app
            .relay_only_categories
            .with(|all| all.contains(&category));
        words::by_category(&category, hidden)
    });
    let way = |value, label, explanation, testid| Way {
        value,
        label,
        explanation,
        testid,
    };
    let fixed = |text: &'static str| Signal::stored(text.to_owned());
    let ways = vec![
        way(
            RelayOnly::Inherit,
            "As the category says",
            by_category,
            "relay-only-inherit",
        ),
        way(
            RelayOnly::Always,
            "Relay only",
            fixed(words::RELAY_ONLY),
            "relay-only",
        ),
        way(
            RelayOnly::Never,
            "Direct when possible",
            fixed(words::MAY_BE_DIRECT),
            "relay-only-never",
        ),
    ];
    view! {
        <section class="card">
            <h3>"Paths"</h3>
            <Choice legend="Your address" name="relay-only" ways chosen
                on_choose=move |relay_only| app.send(Command::SetRelayOnly { contact: id, relay_only }) />
            <Show when=move || for_all.get() && chosen.get() == RelayOnly::Never>
                <p class="hint" data-testid="relay-for-all-wins">{words::RELAY_FOR_ALL_WINS}</p>
            </Show>
            <Switch
                label="Always direct"
                explanation=words::ALWAYS_DIRECT
                on=is(contact, |contact| contact.always_direct)
                testid="always-direct"
                on_change=move |always_direct| app.send(Command::SetAlwaysDirect { contact: id, always_direct })
            />
        </section>
    }
}

fn removal(contact: ContactId, name: &str) -> Confirmation {
    Confirmation {
        title: format!("Remove {name}?"),
        text: words::REMOVAL.to_owned(),
        yes: "Remove",
        command: Command::RemoveContact { contact },
    }
}
