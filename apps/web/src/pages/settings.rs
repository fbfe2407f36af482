// SPDX-License-Identifier: MIT OR Apache-2.0
//! Profile, devices, paths, and what this client and its node are.

use std::sync::Arc;

use hither_api::Role;
use hither_endpoint::{Command, DeviceView};
use leptos::prelude::*;
use wasm_bindgen_futures::spawn_local;

use crate::components::{Glyph, Icon, IconButton, PictureField, Switch};
use crate::dom::node;
use crate::state::{App, Confirmation, Panel, Screen};
use crate::words;

#[component]
pub(crate) fn SettingsPage(app: App) -> impl IntoView {
    view! {
        <section class="settings" data-testid="settings" aria-label="Settings">
            <header class="bar">
                <IconButton glyph=Glyph::Back label="Back to the list" testid="settings-close" on_press=move || app.back() />
                <h2 class="bar-title">"Settings"</h2>
            </header>
            <div class="page page-columns">
                <Profile app />
                <Devices app />
                <Privacy app />
                <Around app />
                <About app />
                <Leaving app />
            </div>
        </section>
    }
}

#[component]
fn Profile(app: App) -> impl IntoView {
    let me = app.me.get_untracked();
    let (own_name, own_picture) = me.map(|me| (me.name, me.picture)).unwrap_or_default();
    let name = RwSignal::new(own_name);
    let picture = RwSignal::new(own_picture);
    let changed = move || {
        app.me.with(|me| {
            me.as_ref()
                .is_some_and(|me| me.name != name.get().trim() || me.picture != picture.get())
        })
    };
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        app.send(Command::SetProfile {
            name: name.get_untracked().trim().to_owned(),
            picture: picture
                .get_untracked()
                .map(|bytes: Arc<[u8]>| bytes.to_vec()),
        });
    };
    view! {
        <section class="card">
            <h3>"You"</h3>
            <form on:submit=submit>
                <PictureField name value=picture testid="profile-picture" />
                <div class="field">
                    <label for="profile-name">"Name"</label>
                    <input
                        id="profile-name"
                        data-testid="profile-name"
                        required
                        maxlength="64"
                        prop:value=move || name.get()
                        on:input=move |event| name.set(event_target_value(&event))
                    />
                    <p class="hint">"Your contacts are told, and nobody else."</p>
                </div>
                <p class="role" data-testid="own-role">
                    <Icon glyph=Glyph::Shield />
                    {move || app.me.with(|me| me.as_ref().map(|me| words::role(me.role)))}
                </p>
                <button type="submit" class="button primary" data-testid="profile-save" disabled=move || !changed()>
                    {move || if changed() { "Save" } else { "Saved" }}
                </button>
            </form>
        </section>
    }
}

#[component]
fn Devices(app: App) -> impl IntoView {
    app.send(Command::RefreshDevices);
    let devices = app.devices;
    view! {
        <section class="card" data-testid="devices">
            <div class="card-head">
                <h3>"Your devices"</h3>
                <button type="button" class="button quiet small" data-testid="devices-refresh"
                    on:click=move |_| app.send(Command::RefreshDevices)>"Look again"</button>
            </div>
            <Show when=move || devices.with(Option::is_none)>
                <div class="skeleton" aria-label="Loading" role="status"><i></i><i></i></div>
            </Show>
            <ul class="rows">
                <For each=move || devices.get().unwrap_or_default() key=|device| (device.id, device.label.clone(), device.last_seen_day) let:device>
                    <Device app device />
                </For>
            </ul>
            <p class="hint">{words::DEVICES}</p>
        </section>
    }
}

#[component]
fn Device(app: App, device: DeviceView) -> impl IntoView {
    let DeviceView {
        id,
        label,
        last_seen_day,
        current,
    } = device;
    let editing = RwSignal::new(false);
    let shown = if label.is_empty() {
        "Without a name".to_owned()
    } else {
        label.clone()
    };
    let typed = RwSignal::new(label.clone());
    let rename = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        editing.set(false);
        app.send(Command::RenameDevice {
            device: id,
            label: typed.get_untracked().trim().to_owned(),
        });
    };
    let name = shown.clone();
    let revocation = move || {
        app.confirm(Confirmation {
            title: format!("Sign out {name}?"),
            text: words::REVOCATION.to_owned(),
            yes: "Sign out",
            command: Command::RevokeDevice { device: id },
        });
    };
    view! {
        <li class="row" data-testid="device-item" data-label=label data-current=current.to_string()>
            <Icon glyph=Glyph::Device />
            <div class="row-words">
                <span>{shown}</span>
                <span class="hint">{if current { "This device".to_owned() } else { words::last_seen(last_seen_day) }}</span>
            </div>
            <IconButton glyph=Glyph::Pencil label="Rename this device" testid="device-rename"
                on_press=move || editing.update(|editing| *editing = !*editing) />
            {(!current).then(|| view! {
                <IconButton glyph=Glyph::Trash label="Sign this device out" testid="device-revoke" on_press=revocation />
            })}
            <Show when=move || editing.get()>
                <form class="row-form" on:submit=rename>
                    <input
                        data-testid="device-label"
                        aria-label="Name of the device"
                        maxlength="64"
                        prop:value=move || typed.get()
                        on:input=move |event| typed.set(event_target_value(&event))
                    />
                    <button type="submit" class="button" data-testid="device-rename-save">"Save"</button>
                </form>
            </Show>
        </li>
    }
}

#[component]
fn Privacy(app: App) -> impl IntoView {
    let preferences = app.preferences;
    view! {
        <section class="card">
            <h3>"Privacy and quiet"</h3>
            <Switch
                label="Relay for everybody"
                explanation=words::RELAY_FOR_ALL
                on=app.relay_for_all
                testid="relay-for-all"
                on_change=move |relay_only| app.send(Command::SetRelayForAll { relay_only })
            />
            <Show when=move || !app.relay_for_all.get()>
                <CategoryRules app />
            </Show>
            <Switch
                label="Veil messages"
                explanation=words::VEIL
                on=preferences.masked
                testid="veil"
                on_change=move |on| preferences.masked.set(on)
            />
            <Switch
                label="Ring silently"
                explanation="Calls are shown and not heard on this device."
                on=preferences.silent
                testid="silent"
                on_change=move |on| preferences.silent.set(on)
            />
            <div class="actions start">
                <button type="button" class="button" data-testid="settings-lock" on:click=move |_| app.send(Command::Lock)>
                    <Icon glyph=Glyph::Lock />"Lock now"
                </button>
                <button type="button" class="button" data-testid="settings-help" on:click=move |_| app.show(Panel::Help)>
                    <Icon glyph=Glyph::Help />"Keys and icons"
                </button>
            </div>
        </section>
    }
}

/// From which categories the address is hidden.
#[component]
fn CategoryRules(app: App) -> impl IntoView {
    view! {
        <details class="more" data-testid="category-rules">
            <summary>"Relay only by category"</summary>
            <p class="hint">{words::BY_CATEGORY}</p>
            <For each=move || app.categories.get() key=Clone::clone let:category>
                <CategoryRule app category />
            </For>
        </details>
        <p class="hint" data-testid="before-answering">{words::BEFORE_ANSWERING}</p>
    }
}

#[component]
fn CategoryRule(app: App, category: String) -> impl IntoView {
    let label = category.clone();
    let asked = category.clone();
    let on = Memo::new(move |_| app.relay_only_categories.with(|all| all.contains(&asked)));
    let change = move |relay_only| {
        app.send(Command::SetCategoryRelayOnly {
            category: category.clone(),
            relay_only,
        });
    };
    view! { <Switch label on testid="category-relay-only" on_change=change /> }
}

#[component]
fn Around(app: App) -> impl IntoView {
    view! {
        <section class="card">
            <h3>"Your network"</h3>
            <p class="hint">{words::network::LEAD}</p>
            <div class="actions start">
                <button type="button" class="button" data-testid="network-open" on:click=move |_| app.go(Screen::Network(None))>
                    <Icon glyph=Glyph::Direct />"Look at it"
                </button>
            </div>
        </section>
    }
}

#[component]
fn Leaving(app: App) -> impl IntoView {
    let ask = move |_| {
        let owns = app
            .me
            .with_untracked(|me| me.as_ref().is_some_and(|me| me.role == Role::Owner));
        app.confirm(Confirmation {
            title: "Delete your account?".to_owned(),
            text: words::deletion(owns),
            yes: "Delete everything",
            command: Command::DeleteAccount,
        });
    };
    view! {
        <section class="card card-wide">
            <h3>"Leave for good"</h3>
            <p class="hint">{words::LEAVING}</p>
            <div class="actions start">
                <button type="button" class="button danger quiet" data-testid="account-delete" on:click=ask>
                    <Icon glyph=Glyph::Trash />"Delete my account"
                </button>
            </div>
        </section>
    }
}

#[component]
fn About(app: App) -> impl IntoView {
    let hash = RwSignal::new(None::<String>);
    spawn_local(async move {
        if let Some(found) = node::web_hash().await {
            drop(hash.try_set(Some(found)));
        }
    });
    let origin = move || app.me.with(|me| me.as_ref().map(|me| me.node.clone()));
    view! {
        <section class="card card-wide" data-testid="about">
            <h3>"About"</h3>
            <dl class="facts">
                <dt>"Your node"</dt><dd>{origin}</dd>
                <dt>"This client"</dt>
                <dd class="hash" data-testid="client-hash">
                    {move || hash.get().unwrap_or_else(|| "not known while the node is away".to_owned())}
                </dd>
            </dl>
            <p class="hint">{words::CLIENT_HASH}</p>
            <h4>"What your node can see"</h4>
            <div class="table-frame" tabindex="0" role="region" aria-label="What your node keeps">
                <table class="retention" data-testid="retention">
                    <thead><tr><th scope="col">"What"</th><th scope="col">"Why"</th><th scope="col">"Until"</th></tr></thead>
                    <tbody>
                        {words::RETENTION.iter().map(|(what, why, until)| view! {
                            <tr><td>{*what}</td><td>{*why}</td><td>{*until}</td></tr>
                        }).collect_view()}
                    </tbody>
                </table>
            </div>
            <p class="hint">{words::NOTHING_ELSE}</p>
        </section>
    }
}
