// SPDX-License-Identifier: MIT OR Apache-2.0
//! Inviting somebody: a link on one channel, twelve words on another.

use hither_endpoint::{Command, InvitationKey, InvitationState, InvitationView};
use leptos::prelude::*;
use wasm_bindgen_futures::spawn_local;

use crate::components::{CategoryField, CopyButton, ErrorText, Glyph, Icon, Modal, QrCode, Switch};
use crate::dom::{clipboard, file};
use crate::state::{App, Confirmation, Panel, concerns_invite};
use crate::words;

/// What the dialog shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The form, and those that are open.
    Form,
    /// Asked for and not there yet.
    Waiting,
    /// One of them.
    One(InvitationKey),
}

#[component]
pub(crate) fn InviteDialog(app: App) -> impl IntoView {
    let step = RwSignal::new(Step::Form);
    let before = StoredValue::new(Vec::<InvitationKey>::new());
    let open = Memo::new(move |_| app.panel.get() == Some(Panel::Invite));
    Effect::new(move || {
        if open.get() {
            step.set(Step::Form);
            app.clear_notices(concerns_invite);
        }
    });
    follow_new(app, step, before);
    let title = Signal::derive(move || match step.get() {
        Step::Form | Step::Waiting => "Invite somebody".to_owned(),
        Step::One(_) => "Pass it on".to_owned(),
    });
    let submitted = move |command: Command| {
        before.set_value(keys(app));
        app.clear_notices(concerns_invite);
        step.set(Step::Waiting);
        app.send(command);
    };
    view! {
        <Modal open on_close=move || app.close_panel() title testid="invite-dialog">
            {move || match step.get() {
                Step::Form | Step::Waiting => view! { <Form app step submitted /> }.into_any(),
                Step::One(id) => view! { <Invitation app id step /> }.into_any(),
            }}
        </Modal>
    }
}

fn keys(app: App) -> Vec<InvitationKey> {
    app.invitations
        .with_untracked(|invitations| invitations.iter().map(|invitation| invitation.id).collect())
}

/// Moves on to the invitation that was just asked for; back to the form if it was refused.
fn follow_new(app: App, step: RwSignal<Step>, before: StoredValue<Vec<InvitationKey>>) {
    let refused = app.newest_notice(concerns_invite);
    Effect::new(move || {
        let new = app.invitations.with(|invitations| {
            let known = before.get_value();
            invitations
                .iter()
                .map(|invitation| invitation.id)
                .find(|id| !known.contains(id))
        });
        if step.get() != Step::Waiting {
            return;
        }
        if let Some(id) = new {
            step.set(Step::One(id));
        } else if refused.get().is_some() {
            step.set(Step::Form);
        }
    });
}

#[component]
fn Form(
    app: App,
    step: RwSignal<Step>,
    #[prop(into)] submitted: Callback<Command>,
) -> impl IntoView {
    let note = RwSignal::new(String::new());
    let first = app
        .categories
        .with_untracked(|categories| categories.first().cloned());
    let category = RwSignal::new(first.unwrap_or_default());
    let may_register = move || {
        app.me
            .with(|me| me.as_ref().is_some_and(|me| me.role.may_register_others()))
    };
    // Most people whom an owner invites are new here; a link that lets nobody in helps nobody.
    let with_registration = RwSignal::new(untrack(may_register));
    let busy = move || step.get() == Step::Waiting;
    let notice = app.newest_notice(concerns_invite);
    let error = Signal::derive(move || Some(words::notice(&notice.get()?, &|id| app.name_of(id))));
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        submitted.run(Command::CreateInvitation {
            note: note.get_untracked().trim().to_owned(),
            category: category.get_untracked().trim().to_owned(),
            with_registration: with_registration.get_untracked(),
        });
    };
    view! {
        <form on:submit=submit>
            <p class="lead">{words::INVITE}</p>
            <fieldset class="bare" disabled=busy>
                <div class="field">
                    <label for="invite-note">"For whom?"</label>
                    <input
                        id="invite-note"
                        data-testid="invite-note"
                        maxlength="64"
                        autocomplete="off"
                        placeholder="a note to yourself"
                        prop:value=move || note.get()
                        on:input=move |event| note.set(event_target_value(&event))
                    />
                </div>
                <CategoryField value=category known=app.categories testid="invite-category" id="invite-category" />
                <Show when=may_register>
                    <Switch
                        label="This person has no account here yet"
                        explanation=words::WITH_REGISTRATION
                        on=with_registration
                        testid="invite-register"
                        on_change=move |on| with_registration.set(on)
                    />
                </Show>
                <ErrorText words=error />
                <button type="submit" class="button primary wide" data-testid="invite-submit">
                    {move || if busy() { "Making it…" } else { "Make an invitation" }}
                </button>
            </fieldset>
        </form>
        <OpenList app step />
    }
}

#[component]
fn OpenList(app: App, step: RwSignal<Step>) -> impl IntoView {
    view! {
        <Show when=move || !app.invitations.with(Vec::is_empty)>
            <section class="open-invitations" data-testid="invitation-list">
                <h3>"Open invitations"</h3>
                <ul>
                    <For each=move || app.invitations.get() key=|invitation| (invitation.id, invitation.state as u8) let:invitation>
                        <li>
                            <button
                                type="button"
                                class="row-button"
                                data-testid="invitation-item"
                                data-note=invitation.note.clone()
                                on:click=move |_| step.set(Step::One(invitation.id))
                            >
                                <span class="row-words">
                                    <span>{if invitation.note.is_empty() { "Without a note".to_owned() } else { invitation.note.clone() }}</span>
                                    <span class="hint">{state_words(&invitation)}</span>
                                </span>
                                <Icon glyph=Glyph::ChevronRight />
                            </button>
                        </li>
                    </For>
                </ul>
            </section>
        </Show>
    }
}

fn state_words(invitation: &InvitationView) -> String {
    match invitation.state {
        InvitationState::Preparing => "Being made…".to_owned(),
        InvitationState::Ready | InvitationState::FileOnly => words::expiry(invitation.expires),
    }
}

/// One invitation, to be passed on.
#[component]
fn Invitation(app: App, id: InvitationKey, step: RwSignal<Step>) -> impl IntoView {
    let invitation = Memo::new(move |_| {
        app.invitations.with(|invitations| {
            invitations
                .iter()
                .find(|invitation| invitation.id == id)
                .cloned()
        })
    });
    // Used or taken back while it was looked at.
    Effect::new(move || {
        if invitation.with(Option::is_none) {
            step.set(Step::Form);
        }
    });
    move || {
        invitation.get().map(|invitation| match invitation.state {
            InvitationState::Preparing => view! {
                <div class="progress" role="status" data-testid="invite-preparing">
                    <span class="progress-bar"></span>
                    <p class="hint">{words::SEALING}</p>
                </div>
            }
            .into_any(),
            InvitationState::Ready | InvitationState::FileOnly => {
                view! { <PassOn app invitation step /> }.into_any()
            }
        })
    }
}

#[component]
fn PassOn(app: App, invitation: InvitationView, step: RwSignal<Step>) -> impl IntoView {
    let InvitationView {
        id,
        note,
        link,
        words,
        blob,
        expires,
        state,
    } = invitation;
    let (name, linked) = (note.clone(), state == InvitationState::Ready);
    let save = move |_| file::save(&file_name(&name), &blob);
    let withdrawal = move |_| {
        app.confirm(Confirmation {
            title: "Take the invitation back?".to_owned(),
            text: words::WITHDRAWAL.to_owned(),
            yes: "Take it back",
            command: Command::WithdrawInvitation { invitation: id },
        });
    };
    view! {
        <p class="hint" data-testid="invite-expiry">
            {(!note.is_empty()).then(|| format!("For {note} · "))}{words::expiry(expires)}" · works once"
        </p>
        {if linked {
            view! { <LinkStep link /> }.into_any()
        } else {
            view! { <p class="error-text" role="alert" data-testid="error-text">{words::FILE_ONLY}</p> }.into_any()
        }}
        <section class="step">
            <h3><span class="step-number">"2"</span>"The twelve words, another way"</h3>
            <p class="hint">{words::WORDS_APART}</p>
            <ol class="words" data-testid="invite-words" aria-label="Twelve words">
                {words.split_whitespace().map(|word| view! { <li>{word.to_owned()}" "</li> }).collect_view()}
            </ol>
            <div class="actions start">
                <CopyButton text=words.clone() label="Copy the words" testid="invite-words-copy" />
            </div>
            <details class="more" data-testid="invite-words-more">
                <summary>"Show the words as QR code"</summary>
                <QrCode text=words label="The twelve words as a QR code" testid="invite-words-qr" />
            </details>
        </section>
        <div class="actions spread">
            <button type="button" class="button" data-testid="invite-back" on:click=move |_| step.set(Step::Form)>
                <Icon glyph=Glyph::Back />"Back"
            </button>
            <button type="button" class="button" data-testid="invite-save" on:click=save>
                <Icon glyph=Glyph::Save />"Save as file"
            </button>
            <button type="button" class="button danger quiet" data-testid="invite-withdraw" on:click=withdrawal>
                <Icon glyph=Glyph::Trash />"Take it back"
            </button>
        </div>
    }
}

#[component]
fn LinkStep(link: String) -> impl IntoView {
    let shared = link.clone();
    let share = move |_| {
        let link = shared.clone();
        spawn_local(async move { clipboard::share(words::SHARE_TITLE, &link).await });
    };
    view! {
        <section class="step">
            <h3><span class="step-number">"1"</span>"The link, any way you like"</h3>
            <p class="passed-on" data-testid="invite-link">{link.clone()}</p>
            <div class="actions start">
                <CopyButton text=link.clone() label="Copy the link" testid="invite-link-copy" />
                {clipboard::can_share().then(|| view! {
                    <button type="button" class="button" data-testid="invite-share" on:click=share>
                        <Icon glyph=Glyph::Share />"Share"
                    </button>
                })}
            </div>
            <details class="more" data-testid="invite-link-more">
                <summary>"Show the link as QR code"</summary>
                <QrCode text=link label="The link as a QR code" testid="invite-qr" />
            </details>
        </section>
    }
}

/// A file name out of a note: letters and digits only.
fn file_name(note: &str) -> String {
    let plain: String = note
        .chars()
        .map(|letter| {
            if letter.is_alphanumeric() {
                letter
            } else {
                '-'
            }
        })
        .take(40)
        .collect();
    let plain = plain.trim_matches('-');
    if plain.is_empty() {
        "invitation.hither".to_owned()
    } else {
        format!("invitation-{plain}.hither")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_never_reaches_into_another_folder() {
        assert_eq!(
            file_name("../../etc/passwd"),
            "invitation-etc-passwd.hither"
        );
        assert_eq!(file_name("Oma Grete"), "invitation-Oma-Grete.hither");
        assert_eq!(file_name("…"), "invitation.hither");
    }
}
