// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages with one contact.

use std::collections::BTreeMap;

use hither_endpoint::{
    Command, ContactId, ContactState, ContactView, Delivery, MessageId, MessageView,
};
use leptos::html::{Div, Textarea};
use leptos::prelude::*;

use crate::components::{Avatar, Glyph, Icon, IconButton, RouteBadge};
use crate::dom::clock;
use crate::state::{App, Screen};
use crate::words;

/// Longest text in bytes, see [`Command::SendText`].
const MAX_TEXT: usize = 16 * 1024;
/// From here on the rest is counted down.
const NEARLY_FULL: usize = MAX_TEXT - 1024;
/// At most one typing signal in this time.
const TYPING_EVERY_MS: u64 = 3_000;
/// Messages by one writer within this time form a group.
const GROUP_MS: u64 = 5 * 60_000;

#[component]
pub(crate) fn ConversationPage(app: App, contact: ContactId) -> impl IntoView {
    let id = contact;
    let contact = app.contact(id);
    let label = Signal::derive(move || {
        let name = contact.with(|contact| contact.as_ref().map(|contact| contact.name.clone()));
        format!("Conversation with {}", name.unwrap_or_default())
    });
    view! {
        <section class="conversation" data-testid="conversation" aria-label=label>
            <h2 class="visually-hidden">{label}</h2>
            <ConversationHeader app id contact />
            <Messages app id contact />
            <Foot app id contact />
        </section>
    }
}

#[component]
fn ConversationHeader(
    app: App,
    id: ContactId,
    contact: Memo<Option<ContactView>>,
) -> impl IntoView {
    let name = Signal::derive(move || {
        contact
            .with(|contact| contact.as_ref().map(|contact| contact.name.clone()))
            .unwrap_or_default()
    });
    let picture = Memo::new(move |_| contact.with(|contact| contact.as_ref()?.picture.clone()));
    let route = Memo::new(move |_| contact.with(|contact| contact.as_ref()?.route.clone()));
    let verified =
        move || contact.with(|contact| contact.as_ref().is_some_and(|contact| contact.verified));
    let in_call = Memo::new(move |_| app.call.with(Option::is_some));
    let may_call = Signal::derive(move || {
        let active = contact.with(|contact| {
            contact
                .as_ref()
                .is_some_and(|contact| contact.state == ContactState::Active)
        });
        active && !in_call.get()
    });
    view! {
        <header class="bar">
            <IconButton glyph=Glyph::Back label="Back to the list" testid="back" class="narrow-only".to_owned()
                on_press=move || app.go(Screen::Home) />
            <button
                type="button"
                class="bar-person"
                data-testid="contact-open"
                aria-label=move || format!("About {}", name.get())
                on:click=move |_| toggle_details(app, id)
            >
                <Avatar name picture size="small" />
                <span class="bar-words">
                    <span class="bar-name">
                        <span class="bar-name-text">{move || name.get()}</span>
                        <Show when=verified>
                            <span class="verified" title="You compared the safety number">
                                <Icon glyph=Glyph::ShieldCheck />
                                <span class="visually-hidden">"compared"</span>
                            </span>
                        </Show>
                    </span>
                    <span class="bar-sub">{move || sub_line(contact)}</span>
                </span>
            </button>
            <RouteBadge route testid="route-icon" />
            <IconButton glyph=Glyph::Phone label="Voice call" testid="call-voice"
                disabled=Signal::derive(move || !may_call.get())
                on_press=move || app.send(Command::Call { contact: id, video: false }) />
            <IconButton glyph=Glyph::Camera label="Video call" testid="call-video"
                disabled=Signal::derive(move || !may_call.get())
                on_press=move || app.send(Command::Call { contact: id, video: true }) />
        </header>
    }
}

fn toggle_details(app: App, id: ContactId) {
    if app.screen.get_untracked() == Screen::Contact(id) {
        app.back();
    } else {
        app.go(Screen::Contact(id));
    }
}

fn sub_line(contact: Memo<Option<ContactView>>) -> &'static str {
    contact.with(|contact| match contact {
        Some(contact) if contact.typing => "is writing…",
        Some(contact) if contact.state == ContactState::AwaitsApproval => "has not let you in yet",
        Some(contact) if contact.state == ContactState::Closed => "closed",
        _ => "",
    })
}

/// A line of the list: a day, or a message.
#[derive(Clone, PartialEq)]
enum Row {
    Day(String),
    Message {
        message: MessageView,
        first: bool,
        last: bool,
    },
}

impl Row {
    fn key(&self) -> (String, Option<MessageId>, bool, bool) {
        match self {
            Self::Day(day) => (day.clone(), None, false, false),
            Self::Message {
                message,
                first,
                last,
            } => (String::new(), Some(message.id), *first, *last),
        }
    }
}

#[component]
fn Messages(app: App, id: ContactId, contact: Memo<Option<ContactView>>) -> impl IntoView {
    let open = move |conversation: &Option<hither_endpoint::ConversationView>| {
        conversation
            .as_ref()
            .filter(|conversation| conversation.contact == id)
            .cloned()
    };
    let conversation = Memo::new(move |_| app.conversation.with(open));
    let rows = Memo::new(move |_| {
        conversation.with(|conversation| {
            conversation
                .as_ref()
                .map(|conversation| rows(&conversation.messages))
                .unwrap_or_default()
        })
    });
    let deliveries =
        Memo::new(move |_| conversation.with(|conversation| deliveries(conversation.as_ref())));
    let list = NodeRef::<Div>::new();
    let at_end = RwSignal::new(true);
    follow_end(list, at_end, rows);
    speak_arrivals(app, contact, conversation);
    let truncated = move || {
        conversation.with(|conversation| {
            conversation
                .as_ref()
                .is_some_and(|conversation| conversation.truncated)
        })
    };
    let loading = move || conversation.with(Option::is_none);
    let empty = move || {
        conversation.with(|conversation| {
            conversation
                .as_ref()
                .is_some_and(|conversation| conversation.messages.is_empty())
        })
    };
    let typing =
        move || contact.with(|contact| contact.as_ref().is_some_and(|contact| contact.typing));
    view! {
        <div class="messages-frame">
            <div
                class="messages"
                data-testid="message-list"
                data-masked=move || app.preferences.masked.get().to_string()
                node_ref=list
                role="log"
                aria-live="off"
                aria-label="Messages"
                tabindex="0"
                on:scroll=move |_| at_end.set(is_at_end(list))
            >
                <Show when=truncated><p class="day">"Older messages are kept, but not shown."</p></Show>
                <Show when=loading><div class="skeleton" aria-hidden="true"><i></i><i></i><i></i></div></Show>
                <Show when=empty><Greeting contact /></Show>
                <For each=move || rows.get() key=Row::key let:row>
                    {match row {
                        Row::Day(day) => view! { <p class="day" role="separator">{day}</p> }.into_any(),
                        Row::Message { message, first, last } => view! {
                            <Message message first last deliveries />
                        }.into_any(),
                    }}
                </For>
                <Show when=typing>
                    <p class="typing" data-testid="typing">
                        <span class="visually-hidden">"is writing"</span><i></i><i></i><i></i>
                    </p>
                </Show>
            </div>
            <Show when=move || !at_end.get()>
                <IconButton glyph=Glyph::Down label="To the newest message" testid="to-newest" class="to-newest".to_owned()
                    on_press=move || { at_end.set(true); to_end(list); } />
            </Show>
        </div>
    }
}

/// Before the first message.
#[component]
fn Greeting(contact: Memo<Option<ContactView>>) -> impl IntoView {
    let text = move || {
        contact.with(|contact| match contact {
            Some(contact) if contact.state == ContactState::AwaitsApproval => {
                words::awaiting(&contact.name)
            }
            Some(contact) if contact.state == ContactState::Closed => words::CLOSED.to_owned(),
            Some(contact) => words::first_message(&contact.name),
            None => String::new(),
        })
    };
    view! {
        <div class="greeting" data-testid="conversation-empty">
            <Icon glyph=Glyph::Lock />
            <p>{text}</p>
        </div>
    }
}

#[component]
fn Message(
    message: MessageView,
    first: bool,
    last: bool,
    deliveries: Memo<BTreeMap<MessageId, Delivery>>,
) -> impl IntoView {
    let MessageView {
        id,
        text,
        time,
        delivery,
    } = message;
    let delivery = Memo::new(move |_| {
        deliveries.with(|deliveries| deliveries.get(&id).copied().unwrap_or(delivery))
    });
    let shown = RwSignal::new(false);
    view! {
        <article
            class="message"
            class:first=first
            class:last=last
            class:shown=move || shown.get()
            data-testid="message"
            data-mine=id.mine.to_string()
            data-number=id.number.to_string()
            data-delivery=move || words::delivery(delivery.get()).0
            on:click=move |_| shown.set(true)
        >
            <p class="message-text" dir="auto">{text.to_string()}</p>
            <footer class="message-foot">
                <span class="visually-hidden">{if id.mine { "You, " } else { "" }}</span>
                <time>{clock::time_of_day(time)}</time>
                {id.mine.then(|| view! { <DeliveryMark delivery /> })}
            </footer>
        </article>
    }
}

#[component]
fn DeliveryMark(delivery: Memo<Delivery>) -> impl IntoView {
    let glyph = Signal::derive(move || match delivery.get() {
        Delivery::Queued => Glyph::Clock,
        Delivery::Sent => Glyph::Check,
        Delivery::Delivered | Delivery::Read => Glyph::Checks,
    });
    view! {
        <span
            class="delivery"
            data-state=move || words::delivery(delivery.get()).0
            title=move || words::delivery(delivery.get()).1
        >
            <Icon glyph />
            <span class="visually-hidden">{move || words::delivery(delivery.get()).1}</span>
        </span>
    }
}

/// Days and messages in order; neighbours by the same writer are marked as a group.
fn rows(messages: &[MessageView]) -> Vec<Row> {
    let together = |a: Option<&MessageView>, b: &MessageView| {
        a.is_some_and(|a| {
            a.id.mine == b.id.mine
                && a.time.as_millis().abs_diff(b.time.as_millis()) < GROUP_MS
                && clock::local_day(a.time) == clock::local_day(b.time)
        })
    };
    let mut rows = Vec::with_capacity(messages.len() + 8);
    let mut day = None;
    for (index, message) in messages.iter().enumerate() {
        let this = clock::local_day(message.time);
        if day.replace(this) != Some(this) {
            rows.push(Row::Day(words::day(message.time)));
        }
        let before = index.checked_sub(1).and_then(|index| messages.get(index));
        rows.push(Row::Message {
            message: MessageView {
                delivery: Delivery::Queued,
                ..message.clone()
            },
            first: !together(before, message),
            last: !together(messages.get(index + 1), message),
        });
    }
    rows
}

fn deliveries(
    conversation: Option<&hither_endpoint::ConversationView>,
) -> BTreeMap<MessageId, Delivery> {
    let messages = conversation
        .into_iter()
        .flat_map(|conversation| &conversation.messages);
    messages
        .map(|message| (message.id, message.delivery))
        .collect()
}

/// Stays at the newest message if the person was there.
fn follow_end(list: NodeRef<Div>, at_end: RwSignal<bool>, rows: Memo<Vec<Row>>) {
    Effect::new(move || {
        let mine = rows.with(
            |rows| matches!(rows.last(), Some(Row::Message { message, .. }) if message.id.mine),
        );
        if mine || at_end.get_untracked() {
            request_animation_frame(move || to_end(list));
        }
    });
}

fn to_end(list: NodeRef<Div>) {
    if let Some(list) = list.get_untracked() {
        list.scroll_to_with_x_and_y(0.0, f64::from(list.scroll_height()));
    }
}

/// Whether the newest line is in sight, or nearly.
fn is_at_end(list: NodeRef<Div>) -> bool {
    let below = list.get_untracked().and_then(|list| {
        let newest = list.last_element_child()?.get_bounding_client_rect();
        Some(newest.bottom() - list.get_bounding_client_rect().bottom())
    });
    below.is_none_or(|below| below < 48.0)
}

/// What arrives while the conversation is open is read out, the newest text only.
fn speak_arrivals(
    app: App,
    contact: Memo<Option<ContactView>>,
    conversation: Memo<Option<hither_endpoint::ConversationView>>,
) {
    let newest = Memo::new(move |_| {
        conversation.with(|conversation| {
            let messages = &conversation.as_ref()?.messages;
            let theirs = messages.iter().rev().find(|message| !message.id.mine);
            Some(theirs.map(|message| (message.id.number, message.text.clone())))
        })
    });
    Effect::watch(
        move || newest.get(),
        move |newest, before, _| {
            // The first look at a conversation is no arrival.
            let (Some(Some((number, text))), Some(Some(before))) = (newest, before) else {
                return;
            };
            let seen = before.as_ref().map_or(0, |(number, _)| *number);
            if *number > seen {
                let name = contact
                    .with_untracked(|contact| contact.as_ref().map(|contact| contact.name.clone()));
                app.speak(format!("{}: {text}", name.unwrap_or_default()));
            }
        },
        false,
    );
}

/// The composer, or why there is none.
#[component]
fn Foot(app: App, id: ContactId, contact: Memo<Option<ContactView>>) -> impl IntoView {
    let state =
        Memo::new(move |_| contact.with(|contact| contact.as_ref().map(|contact| contact.state)));
    move || match state.get() {
        Some(ContactState::Closed) => view! {
            <p class="composer-closed" data-testid="composer-closed">{words::CLOSED}</p>
        }
        .into_any(),
        _ => view! { <Composer app id /> }.into_any(),
    }
}

#[component]
fn Composer(app: App, id: ContactId) -> impl IntoView {
    let text = RwSignal::new(app.draft(id));
    let field = NodeRef::<Textarea>::new();
    let typed_at = StoredValue::new(0_u64);
    let length = Memo::new(move |_| text.with(String::len));
    let sendable =
        Memo::new(move |_| text.with(|text| !text.trim().is_empty()) && length.get() <= MAX_TEXT);
    let write = move |value: String| {
        app.keep_draft(id, value.clone());
        text.set(value);
    };
    let input = move |event| {
        write(event_target_value(&event));
        let now = clock::now().as_millis();
        if now.saturating_sub(typed_at.get_value()) > TYPING_EVERY_MS {
            typed_at.set_value(now);
            app.send(Command::Typing { contact: id });
        }
    };
    let send = move || {
        if sendable.get_untracked() {
            app.send(Command::SendText {
                contact: id,
                text: text.get_untracked(),
            });
            write(String::new());
            typed_at.set_value(0);
        }
        if let Some(field) = field.get_untracked() {
            drop(field.focus());
        }
    };
    let key = move |event: leptos::ev::KeyboardEvent| {
        if event.key() == "Enter" && !event.shift_key() && !event.is_composing() {
            event.prevent_default();
            send();
        }
    };
    view! {
        <form class="composer" on:submit=move |event| { event.prevent_default(); send(); }>
            <textarea
                id="composer"
                class="composer-field"
                data-testid="composer"
                rows="1"
                placeholder="Write a message"
                aria-label="Message"
                aria-describedby="composer-limit"
                node_ref=field
                prop:value=move || text.get()
                on:input=input
                on:keydown=key
            ></textarea>
            <p
                id="composer-limit"
                class="composer-limit"
                class:over=move || { length.get() > MAX_TEXT }
                data-testid="composer-limit"
                aria-live="polite"
            >
                {move || limit_words(length.get())}
            </p>
            <button
                type="submit"
                class="icon-button primary"
                data-testid="send"
                aria-label="Send"
                title="Send (Enter)"
                disabled=move || !sendable.get()
            >
                <Icon glyph=Glyph::Send />
            </button>
        </form>
    }
}

fn limit_words(length: usize) -> String {
    match length {
        0..NEARLY_FULL => String::new(),
        NEARLY_FULL..=MAX_TEXT => format!("{} bytes left", MAX_TEXT - length),
        _ => format!("{} bytes too long: split it into two", length - MAX_TEXT),
    }
}
