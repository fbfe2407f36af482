// SPDX-License-Identifier: MIT OR Apache-2.0
//! Letting in the person who answered an invitation, or not.

use hither_endpoint::{Command, ContactState, ContactView};
use leptos::prelude::*;

use crate::components::{Avatar, Modal, SafetyNumber};
use crate::state::{App, Panel, Screen};
use crate::words;

#[component]
pub(crate) fn ApproveDialog(app: App) -> impl IntoView {
    let waiting = Memo::new(move |_| match app.panel.get() {
        Some(Panel::Approve(id)) => app
            .contact_now(id)
            .filter(|contact| contact.state == ContactState::WantsApproval),
        _ => None,
    });
    let open = Signal::derive(move || waiting.with(Option::is_some));
    let part = move |part: fn(&ContactView) -> String| {
        Signal::derive(move || {
            waiting.with(|waiting| waiting.as_ref().map(part).unwrap_or_default())
        })
    };
    let name = part(|contact| contact.name.clone());
    let number = part(|contact| contact.safety_number.clone());
    let note = part(|contact| contact.invited_as.clone().unwrap_or_default());
    let picture = Memo::new(move |_| waiting.with(|waiting| waiting.as_ref()?.picture.clone()));
    let answer = move |yes: bool| {
        let Some(contact) =
            waiting.with_untracked(|waiting| waiting.as_ref().map(|waiting| waiting.id))
        else {
            return;
        };
        app.close_panel();
        if yes {
            app.send(Command::Approve { contact });
            app.go(Screen::Conversation(contact));
        } else {
            app.send(Command::Reject { contact });
        }
    };
    view! {
        <Modal
            open
            on_close=move || app.close_panel()
            title=Signal::derive(move || format!("Let {} in?", name.get()))
            testid="approve-dialog"
        >
            <div class="person">
                <Avatar name picture size="huge" />
                <p class="lead">{move || words::wants_in(&name.get())}</p>
                <Show when=move || !note.with(String::is_empty)>
                    <p data-testid="approve-note">{move || words::invited_as(&note.get())}</p>
                </Show>
            </div>
            <SafetyNumber number />
            <p class="hint">{words::SAFETY}</p>
            <div class="actions spread">
                <button type="button" class="button danger quiet" data-testid="approve-no" on:click=move |_| answer(false)>
                    "Do not let in"
                </button>
                <button type="button" class="button primary" data-testid="approve-yes" on:click=move |_| answer(true)>
                    "Let in"
                </button>
            </div>
        </Modal>
    }
}
