// SPDX-License-Identifier: MIT OR Apache-2.0
//! The list of contacts by category, and the way to everything else.

use hither_api::Role;
use hither_endpoint::{Command, ContactId, ContactState, ContactView, InvitationState};
use hither_sansio::UnixTime;
use leptos::prelude::*;

use crate::components::{Avatar, Glyph, Icon, IconButton};
use crate::state::{App, Panel, Screen};
use crate::words;

#[component]
pub(crate) fn Sidebar(app: App, children: Children) -> impl IntoView {
    let search = RwSignal::new(String::new());
    view! {
        <nav class="sidebar" aria-label="Contacts">
            <h1 class="visually-hidden">"Hither"</h1>
            <OwnHeader app />
            {children()}
            <div class="sidebar-actions">
                <button
                    type="button"
                    class="button primary"
                    data-testid="invite-open"
                    on:click=move |_| app.show(Panel::Invite)
                >
                    <Icon glyph=Glyph::Invite />
                    <span>"Invite"</span>
                    <OpenInvitations app />
                </button>
                <button
                    type="button"
                    class="button"
                    data-testid="join-open"
                    on:click=move |_| app.show(Panel::Join)
                >
                    <Icon glyph=Glyph::Enter />
                    <span>"Join"</span>
                    <Show when=move || app.joining.with(Option::is_some)>
                        <span class="count" data-testid="join-waits" title=words::JOIN_WAITS>
                            "1"<span class="visually-hidden">{format!(": {}", words::JOIN_WAITS)}</span>
                        </span>
                    </Show>
                </button>
            </div>
            <Show when=move || app.contacts.with(|contacts| contacts.len() > 1)>
                <div class="search">
                    <Icon glyph=Glyph::Search />
                    <input
                        id="contact-search"
                        type="search"
                        data-testid="contact-search"
                        placeholder="Search"
                        aria-label="Search contacts"
                        autocomplete="off"
                        prop:value=move || search.get()
                        on:input=move |event| search.set(event_target_value(&event))
                    />
                </div>
            </Show>
            <ContactList app search />
            <button
                type="button"
                class="button quiet small sidebar-foot wide-only"
                data-testid="help-open"
                on:click=move |_| app.show(Panel::Help)
            >
                <Icon glyph=Glyph::Help />"Keys and icons"
            </button>
        </nav>
    }
}

#[component]
fn OpenInvitations(app: App) -> impl IntoView {
    let ready = move || {
        app.invitations.with(|invitations| {
            let open = invitations.iter();
            open.filter(|invitation| invitation.state != InvitationState::Preparing)
                .count()
        })
    };
    view! {
        <Show when=move || { ready() > 0 }>
            <span class="count" data-testid="invitation-count" title="Open invitations">
                {ready}<span class="visually-hidden">" open"</span>
            </span>
        </Show>
    }
}

/// Own name and picture, the node, lock and settings.
#[component]
fn OwnHeader(app: App) -> impl IntoView {
    let name = Signal::derive(move || {
        app.me
            .with(|me| me.as_ref().map(|me| me.name.clone()))
            .unwrap_or_default()
    });
    let picture = Memo::new(move |_| {
        app.me
            .with(|me| me.as_ref().and_then(|me| me.picture.clone()))
    });
    let state = move || words::node_state(app.node.get());
    view! {
        <header class="own">
            <button
                type="button"
                class="own-person"
                data-testid="own-profile"
                aria-label=move || format!("{}, your profile and settings", name.get())
                on:click=move |_| app.go(Screen::Settings)
            >
                <Avatar name picture size="medium" />
                <span class="own-words">
                    <span class="own-name">{move || name.get()}</span>
                    <span
                        class="node-state"
                        data-testid="node-state"
                        data-state=move || state().0
                        title=move || state().2
                    >
                        {move || state().1}
                    </span>
                </span>
            </button>
            <IconButton glyph=Glyph::Sliders label="Settings" testid="settings-open"
                on_press=move || app.go(Screen::Settings) />
            <IconButton glyph=Glyph::Lock label="Lock now (Alt+L)" testid="lock"
                on_press=move || app.send(Command::Lock) />
        </header>
    }
}

#[component]
fn ContactList(app: App, search: RwSignal<String>) -> impl IntoView {
    let groups = Memo::new(move |_| {
        let wanted = search.get().trim().to_lowercase();
        app.contacts.with(|contacts| grouped(contacts, &wanted))
    });
    let alone = Memo::new(move |_| app.contacts.with(Vec::is_empty));
    let owns = move || {
        let role = app.me.with(|me| me.as_ref().map(|me| me.role));
        role == Some(Role::Owner)
    };
    view! {
        <div class="contact-list" data-testid="contact-list">
            <Show when=move || alone.get()>
                <div class="empty" data-testid="contact-list-empty">
                    <p><strong>"Nobody here yet."</strong></p>
                    <p>{words::NOBODY_YET}</p>
                    <Show when=owns><p data-testid="owner">{words::OWNER}</p></Show>
                </div>
            </Show>
            <Show when=move || !alone.get() && groups.with(Vec::is_empty)>
                <p class="empty" data-testid="search-empty">"Nobody by that name."</p>
            </Show>
            <For each=move || groups.get() key=|group| group.clone() let:group>
                <section class="bubble" data-testid="category" data-category=group.0.clone()>
                    <h2 class="bubble-name">{group.0.clone()}</h2>
                    <ul>
                        <For each={let ids = group.1.clone(); move || ids.clone()} key=|id| *id let:id>
                            <ContactItem app id />
                        </For>
                    </ul>
                </section>
            </For>
        </div>
    }
}

/// Categories in order, each with those of its contacts whose name fits the search.
fn grouped(contacts: &[ContactView], wanted: &str) -> Vec<(String, Vec<ContactId>)> {
    let mut groups: Vec<(String, Vec<ContactId>)> = Vec::new();
    let fits = |contact: &&ContactView| {
        wanted.is_empty()
            || contact.name.to_lowercase().contains(wanted)
            || contact.own_name.to_lowercase().contains(wanted)
    };
    for contact in contacts.iter().filter(fits) {
        match groups.last_mut() {
            Some((category, ids)) if *category == contact.category => ids.push(contact.id),
            _ => groups.push((contact.category.clone(), vec![contact.id])),
        }
    }
    groups
}

#[component]
fn ContactItem(app: App, id: ContactId) -> impl IntoView {
    let contact = app.contact(id);
    let part = move |part: fn(&ContactView) -> String| {
        contact.with(|contact| contact.as_ref().map(part).unwrap_or_default())
    };
    let name = Signal::derive(move || part(|contact| contact.name.clone()));
    let picture = Memo::new(move |_| contact.with(|contact| contact.as_ref()?.picture.clone()));
    let state =
        Memo::new(move |_| contact.with(|contact| contact.as_ref().map(|contact| contact.state)));
    let current = move || app.screen.get().contact() == Some(id);
    let open = move |_| {
        if state.get_untracked() == Some(ContactState::WantsApproval) {
            app.show(Panel::Approve(id));
        } else {
            app.go(Screen::Conversation(id));
        }
    };
    view! {
        <li>
            <button
                type="button"
                class="contact-item"
                data-testid="contact-item"
                data-name=move || name.get()
                data-state=move || state.get().map(words::contact_state)
                data-contact=id.to_hex()
                aria-current=move || current().then_some("page")
                on:click=open
            >
                <Avatar name picture />
                <span class="contact-words">
                    <span class="contact-name">{move || name.get()}</span>
                    <span class="contact-last">{move || contact.with(|contact| contact.as_ref().map(preview))}</span>
                </span>
                <span class="contact-side">
                    <span class="contact-time">
                        {move || contact.with(|contact| contact.as_ref().and_then(last_time).map(words::brief_time))}
                    </span>
                    <Unread contact />
                </span>
            </button>
        </li>
    }
}

#[component]
fn Unread(contact: Memo<Option<ContactView>>) -> impl IntoView {
    let unread =
        move || contact.with(|contact| contact.as_ref().map_or(0, |contact| contact.unread));
    view! {
        <Show when=move || { unread() > 0 }>
            <span class="count" data-testid="unread">{unread}<span class="visually-hidden">" unread"</span></span>
        </Show>
    }
}

/// When something was last said, or a call came to nothing.
fn last_time(contact: &ContactView) -> Option<UnixTime> {
    let call = contact.last_call.as_ref().map(|call| call.time);
    call.or(contact.last_time)
}

/// The line below the name.
fn preview(contact: &ContactView) -> String {
    match contact.state {
        ContactState::WantsApproval => "Wants to come in".to_owned(),
        ContactState::AwaitsApproval => "Has not let you in yet".to_owned(),
        ContactState::Closed => "Closed".to_owned(),
        ContactState::Active if contact.typing => "is writing…".to_owned(),
        ContactState::Active => {
            let call = contact.last_call.as_ref();
            call.map(|call| words::past_call(call.direction, call.video, call.reason))
                .or_else(|| contact.last_text.clone())
                .unwrap_or_else(|| "Say hello".to_owned())
        }
    }
}
