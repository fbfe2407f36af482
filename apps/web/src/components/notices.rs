// SPDX-License-Identifier: MIT OR Apache-2.0
//! Notices that belong to no form.

use hither_endpoint::{Command, ContactState, Notice};
use leptos::prelude::*;

use super::{Glyph, Icon, IconButton};
use crate::state::{App, Panel, Screen, concerns_invite, concerns_join};
use crate::words::{self, Weight, Words};

/// At most so many at a time, the newest; older ones come back when these are dismissed.
const IN_FRONT: usize = 3;

/// Those in front, oldest first, each until it is dismissed.
#[component]
pub(crate) fn Notices(app: App) -> impl IntoView {
    let shown = Memo::new(move |_| {
        let beside_form: fn(&Notice) -> bool = match app.panel.get() {
            Some(Panel::Join) => concerns_join,
            Some(Panel::Invite) => concerns_invite,
            Some(Panel::Approve(_) | Panel::Help) | None => |_| false,
        };
        let notices = app.notices.get().into_iter().enumerate();
        let notices: Vec<_> = notices.filter(|(_, notice)| !beside_form(notice)).collect();
        notices[notices.len().saturating_sub(IN_FRONT)..].to_vec()
    });
    view! {
        <div class="notices" role="region" aria-label="Notices">
            {move || shown.get().into_iter().map(|(index, notice)| {
                view! { <NoticeCard app index notice /> }
            }).collect_view()}
        </div>
    }
}

#[component]
fn NoticeCard(app: App, index: usize, notice: Notice) -> impl IntoView {
    let Words {
        kind,
        weight,
        what,
        advice,
    } = untrack(|| words::notice(&notice, &|id| app.name_of(id)));
    let glyph = match weight {
        Weight::News => Glyph::Check,
        Weight::Problem => Glyph::Warning,
        Weight::Alarm => Glyph::Shield,
    };
    view! {
        <article class=format!("notice notice-{}", weight.word()) data-testid="notice" data-kind=kind>
            <Icon glyph />
            <div class="notice-text">
                <p><strong>{what}</strong>" "{advice}</p>
                {next_step(app, &notice)}
            </div>
            <IconButton
                glyph=Glyph::Close
                label="Dismiss this notice"
                testid="notice-dismiss"
                on_press=move || app.send(Command::DismissNotice { index })
            />
        </article>
    }
}

/// The button that leads to what the notice is about.
fn next_step(app: App, notice: &Notice) -> Option<impl IntoView + use<>> {
    let (label, contact) = match notice {
        Notice::ApprovalWanted { contact } => {
            let waits = app.contact(*contact).get_untracked()?.state == ContactState::WantsApproval;
            (waits.then_some("Have a look")?, *contact)
        }
        Notice::ContactConfirmed { contact } => ("Write", *contact),
        _ => return None,
    };
    let wants_approval = matches!(notice, Notice::ApprovalWanted { .. });
    let act = move |_| {
        if wants_approval {
            app.show(Panel::Approve(contact));
        } else {
            app.go(Screen::Conversation(contact));
        }
    };
    Some(view! {
        <button type="button" class="button small" data-testid="notice-action" on:click=act>{label}</button>
    })
}
