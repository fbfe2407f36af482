// SPDX-License-Identifier: MIT OR Apache-2.0
//! Answering an invitation: link or file, twelve words, waiting.

use hither_api::limits::MAX_PARKED;
use hither_api::link::Link;
use hither_endpoint::{Command, ContactId, ContactState, JoinStage, JoiningView, Notice};
use leptos::html::{Input, Textarea};
use leptos::prelude::*;
use wasm_bindgen_futures::spawn_local;
use zeroize::Zeroizing;

use crate::components::{Avatar, CategoryField, ErrorText, Glyph, Icon, Modal, SafetyNumber};
use crate::dom::{file, focus};
use crate::state::{App, Panel, Screen, concerns_join};
use crate::words::{self, Words};

/// How far it is, as the person sees it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Choose,
    Fetching,
    Code,
    Checking,
    Waiting(ContactId),
    Done(ContactId),
}

impl Step {
    fn word(self) -> &'static str {
        match self {
            Self::Choose => "choose",
            Self::Fetching => "fetching",
            Self::Code => "code",
            Self::Checking => "checking",
            Self::Waiting(_) => "waiting",
            Self::Done(_) => "done",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Choose => "Join by an invitation",
            Self::Fetching => "Getting the invitation",
            Self::Code => "The twelve words",
            Self::Checking => "Opening the invitation",
            Self::Waiting(_) => "Waiting to be let in",
            Self::Done(_) => "You are connected",
        }
    }
}

#[component]
pub(crate) fn JoinDialog(app: App) -> impl IntoView {
    let open = Memo::new(move |_| app.panel.get() == Some(Panel::Join));
    let joined = RwSignal::new(None::<ContactId>);
    let known = StoredValue::new(Vec::<ContactId>::new());
    let local = RwSignal::new(None::<Words>);
    let step = Memo::new(move |_| step(app, joined.get()));
    follow_new(app, joined, known);
    Effect::new(move || {
        if open.get() {
            joined.set(None);
            local.set(None);
        }
    });
    let close = move || {
        // What only waits for its words waits on, and the list says so.
        if !app
            .joining
            .with_untracked(|joining| joining.as_ref().is_none_or(may_wait))
        {
            app.send(Command::CancelJoin);
        }
        app.clear_notices(concerns_join);
        app.close_panel();
    };
    let error = Signal::derive(move || error(app, local));
    let remember = move || {
        local.set(None);
        app.clear_notices(concerns_join);
        known.set_value(contacts(app));
    };
    let coding = Memo::new(move |_| matches!(step.get(), Step::Code | Step::Checking));
    view! {
        <Modal open on_close=close title=Signal::derive(move || step.get().title().to_owned()) testid="join-dialog">
            <div class="join" data-testid="join-stage" data-stage=move || step.get().word()>
                {move || (step.get() == Step::Choose).then(|| view! { <Choose app local error /> })}
                {move || (step.get() == Step::Fetching).then(|| view! { <Fetching /> })}
                {move || coding.get().then(|| view! { <CodeForm app step error remember /> })}
                {move || match step.get() {
                    Step::Waiting(id) | Step::Done(id) => Some(view! { <Answered app id /> }),
                    _ => None,
                }}
            </div>
        </Modal>
    }
}

fn step(app: App, joined: Option<ContactId>) -> Step {
    let joining = app.joining.with(|joining| {
        let joining = joining.as_ref()?;
        Some((joining.stage, joining.problem.is_some()))
    });
    if let Some((stage, failed)) = joining {
        return match stage {
            // The link led nowhere: another one may be pasted, below the reason.
            JoinStage::Fetching if failed => Step::Choose,
            JoinStage::Fetching => Step::Fetching,
            JoinStage::NeedsCode => Step::Code,
            JoinStage::Checking => Step::Checking,
        };
    }
    let state = joined.and_then(|id| app.contact_now(id).map(|contact| (id, contact.state)));
    match state {
        Some((id, ContactState::AwaitsApproval)) => Step::Waiting(id),
        Some((id, ContactState::Active)) => Step::Done(id),
        Some((_, ContactState::WantsApproval | ContactState::Closed)) | None => Step::Choose,
    }
}

/// Whether an invitation may still be opened, with better words or later.
fn may_wait(joining: &JoiningView) -> bool {
    let words_may_help = matches!(
        joining.problem,
        None | Some(
            Notice::CodeWordCount { .. }
                | Notice::CodeUnknownWord { .. }
                | Notice::CodeChecksum
                | Notice::CodeWrong
        )
    );
    joining.stage == JoinStage::NeedsCode && words_may_help
}

/// Finds the contact that came out of the invitation.
fn follow_new(app: App, joined: RwSignal<Option<ContactId>>, known: StoredValue<Vec<ContactId>>) {
    let checking = Memo::new(move |_| {
        app.joining.with(|joining| {
            joining
                .as_ref()
                .is_some_and(|joining| joining.stage == JoinStage::Checking)
        })
    });
    Effect::watch(
        move || (checking.get(), contacts_now(app)),
        move |(checking, now), before, _| {
            let was_checking = before.is_some_and(|(checking, _)| *checking);
            if *checking || was_checking {
                let known = known.get_value();
                let new = now.iter().find(|id| !known.contains(id));
                if let Some(new) = new {
                    joined.set(Some(*new));
                }
            }
        },
        false,
    );
}

fn contacts_now(app: App) -> Vec<ContactId> {
    app.contacts
        .with(|contacts| contacts.iter().map(|contact| contact.id).collect())
}

fn contacts(app: App) -> Vec<ContactId> {
    untrack(|| contacts_now(app))
}

/// What the machine says about this invitation, or what the form itself found.
fn error(app: App, local: RwSignal<Option<Words>>) -> Option<Words> {
    if let Some(words) = local.get() {
        return Some(words);
    }
    let told = app
        .joining
        .with(|joining| joining.as_ref().and_then(|joining| joining.problem.clone()));
    let notice = told.or_else(|| app.newest_notice_now(concerns_join))?;
    Some(words::notice(&notice, &|id| app.name_of(id)))
}

#[component]
fn Choose(app: App, local: RwSignal<Option<Words>>, error: Signal<Option<Words>>) -> impl IntoView {
    let text = RwSignal::new(String::new());
    let input = NodeRef::<Input>::new();
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        app.clear_notices(concerns_join);
        let link = Link::parse(&text.get_untracked());
        if let Some(link @ Link::Invitation { .. }) = link {
            local.set(None);
            app.send(Command::OpenLink { link });
        } else {
            local.set(Some(words::no_link()));
        }
    };
    let chosen = move |_| {
        let Some(file) = input.get_untracked().and_then(|input| file::chosen(&input)) else {
            return;
        };
        app.clear_notices(concerns_join);
        spawn_local(async move {
            let limit = u32::try_from(MAX_PARKED).unwrap_or(u32::MAX);
            let blob = file::read(&file, limit).await;
            local.set(blob.is_none().then(words::no_invitation_file));
            if let Some(blob) = blob {
                app.send(Command::OpenFile { blob });
            }
        });
    };
    view! {
        <form on:submit=submit>
            <p class="lead">{words::JOIN}</p>
            <div class="field">
                <label for="join-link">"Its link"</label>
                <input
                    id="join-link"
                    data-testid="join-link"
                    type="url"
                    inputmode="url"
                    autocomplete="off"
                    placeholder="https://…/i#…"
                    prop:value=move || text.get()
                    on:input=move |event| text.set(event_target_value(&event))
                />
            </div>
            <ErrorText words=error />
            <div class="actions spread">
                <label class="button file-button">
                    <Icon glyph=Glyph::File />"I have a file"
                    <input class="visually-hidden" type="file" data-testid="join-file" node_ref=input on:change=chosen />
                </label>
                <button type="submit" class="button primary" data-testid="join-open-link">"Open it"</button>
            </div>
        </form>
    }
}

#[component]
fn Fetching() -> impl IntoView {
    view! {
        <div class="progress" role="status">
            <span class="progress-bar"></span>
            <p class="hint">"Asking its node for it…"</p>
        </div>
    }
}

#[component]
fn CodeForm(
    app: App,
    step: Memo<Step>,
    error: Signal<Option<Words>>,
    #[prop(into)] remember: Callback<()>,
) -> impl IntoView {
    let typed = RwSignal::new(String::new());
    let first = app
        .categories
        .with_untracked(|categories| categories.first().cloned());
    let category = RwSignal::new(first.unwrap_or_default());
    let field = NodeRef::<Textarea>::new();
    let count = Memo::new(move |_| typed.with(|typed| words::count_words(typed)));
    let busy = move || step.get() == Step::Checking;
    Effect::new(move || {
        if let Some(field) = field.get() {
            request_animation_frame(move || drop(field.focus()));
        }
    });
    let submit = move || {
        if busy() {
            return;
        }
        remember.run(());
        app.send(Command::EnterCode {
            words: Zeroizing::new(typed.get_untracked()),
            category: category.get_untracked().trim().to_owned(),
        });
    };
    let discard = move |_| {
        app.clear_notices(concerns_join);
        app.send(Command::CancelJoin);
        // The button goes with the form.
        focus::first("#join-dialog-title");
    };
    let key = move |event: leptos::ev::KeyboardEvent| {
        if event.key() == "Enter" && !event.shift_key() {
            event.prevent_default();
            submit();
        }
    };
    view! {
        <form on:submit=move |event| { event.prevent_default(); submit(); }>
            <p class="lead">{words::ENTER_CODE}</p>
            <fieldset class="bare" disabled=busy>
                <div class="field">
                    <label for="join-words">"Twelve words"</label>
                    <textarea
                        id="join-words"
                        class="code-field"
                        data-testid="join-words"
                        rows="3"
                        autocomplete="off"
                        autocapitalize="none"
                        spellcheck="false"
                        aria-describedby="join-count"
                        node_ref=field
                        prop:value=move || typed.get()
                        on:input=move |event| typed.set(event_target_value(&event))
                        on:keydown=key
                    ></textarea>
                    <p id="join-count" class="hint" data-testid="join-count" aria-live="polite"
                        class:done=move || { count.get() == 12 }>
                        {move || words::word_count(count.get())}
                    </p>
                </div>
                <CategoryField value=category known=app.categories testid="join-category" id="join-category" />
                <ErrorText words=Signal::derive(move || error.get().filter(|_| !busy())) />
                <button type="submit" class="button primary wide" data-testid="join-submit">
                    {move || if busy() { "Opening…" } else { "Open the invitation" }}
                </button>
                <button type="button" class="button quiet wide" data-testid="join-discard" on:click=discard>
                    "Discard this invitation"
                </button>
            </fieldset>
            <Show when=busy>
                <div class="progress" role="status" data-testid="join-progress">
                    <span class="progress-bar"></span>
                    <p class="hint">{words::STRETCHING}</p>
                </div>
            </Show>
        </form>
    }
}

/// The invitation was good; now it is the other side's turn, or done.
#[component]
fn Answered(app: App, id: ContactId) -> impl IntoView {
    let contact = app.contact(id);
    let name = Signal::derive(move || {
        contact
            .with(|contact| contact.as_ref().map(|contact| contact.name.clone()))
            .unwrap_or_default()
    });
    let picture = Memo::new(move |_| contact.with(|contact| contact.as_ref()?.picture.clone()));
    let number = Signal::derive(move || {
        contact
            .with(|contact| {
                contact
                    .as_ref()
                    .map(|contact| contact.safety_number.clone())
            })
            .unwrap_or_default()
    });
    let active = Memo::new(move |_| {
        contact.with(|contact| {
            contact
                .as_ref()
                .is_some_and(|contact| contact.state == ContactState::Active)
        })
    });
    let write = move |_| {
        app.close_panel();
        app.go(Screen::Conversation(id));
    };
    view! {
        <div class="person">
            <Avatar name picture size="huge" />
            <h3>{move || name.get()}</h3>
        </div>
        <p class="lead" role="status">
            {move || if active.get() { words::connected(&name.get()) } else { words::awaiting(&name.get()) }}
        </p>
        <SafetyNumber number />
        <p class="hint">{words::SAFETY}</p>
        <button type="button" class="button primary wide" data-testid="join-write" on:click=write>
            {move || if active.get() { "Write" } else { "Write already" }}
        </button>
    }
}
