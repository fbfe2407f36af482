// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages with one contact.

use std::collections::BTreeMap;

use hither_endpoint::{
    CallDirection, CallId, Command, ContactId, ContactState, ContactView, ConversationView,
    Delivery, MessageId, MessageView, PastCallView,
};
use leptos::html::{Div, Textarea};
use leptos::prelude::*;

use crate::components::{Avatar, Glyph, Icon, IconButton, RouteBadge};
use crate::dom::{self, clock};
use crate::state::{App, Screen};
use crate::words;

/// Longest text in bytes, see [`Command::SendText`]. What is longer goes in several.
const MAX_TEXT: usize = 16 * 1024;
/// What is longer than this is no message any more.
const MAX_WRITTEN: usize = 10 * MAX_TEXT;
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
    let may_call = may_call(app, contact);
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
            <RouteBadge route around=app.around(move || Some(id)) testid="route-icon" />
            <IconButton glyph=Glyph::Phone label="Voice call" testid="call-voice"
                disabled=Signal::derive(move || !may_call.get())
                on_press=move || app.send(Command::Call { contact: id, video: false }) />
            <IconButton glyph=Glyph::Camera label="Video call" testid="call-video"
                disabled=Signal::derive(move || !may_call.get())
                on_press=move || app.send(Command::Call { contact: id, video: true }) />
        </header>
    }
}

/// Whether this contact can be called now.
fn may_call(app: App, contact: Memo<Option<ContactView>>) -> Signal<bool> {
    let in_call = Memo::new(move |_| app.call.with(Option::is_some));
    Signal::derive(move || {
        let active = contact.with(|contact| {
            contact
                .as_ref()
                .is_some_and(|contact| contact.state == ContactState::Active)
        });
        active && !in_call.get()
    })
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

/// A line of the list: a day, a message, or a call that nobody answered.
#[derive(Clone, PartialEq)]
enum Row {
    Day {
        words: String,
        /// The line below it: a day may come twice when clocks differ.
        above: RowKey,
    },
    Message {
        message: MessageView,
        first: bool,
        last: bool,
    },
    Call(PastCallView),
}

/// What makes a line the same line.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum RowKey {
    DayAboveMessage(MessageId),
    DayAboveCall(CallId),
    Message(MessageId, bool, bool),
    Call(CallId),
}

impl Row {
    fn key(&self) -> RowKey {
        match self {
            Self::Day { above, .. } => *above,
            Self::Message {
                message,
                first,
                last,
            } => RowKey::Message(message.id, *first, *last),
            Self::Call(call) => RowKey::Call(call.id),
        }
    }
}

#[component]
fn Messages(app: App, id: ContactId, contact: Memo<Option<ContactView>>) -> impl IntoView {
    let open = move |conversation: &Option<ConversationView>| {
        conversation
            .as_ref()
            .filter(|conversation| conversation.contact == id)
            .cloned()
    };
    let conversation = Memo::new(move |_| app.conversation.with(open));
    let rows = Memo::new(move |_| {
        conversation.with(|conversation| conversation.as_ref().map(rows).unwrap_or_default())
    });
    let deliveries =
        Memo::new(move |_| conversation.with(|conversation| deliveries(conversation.as_ref())));
    let list = NodeRef::<Div>::new();
    let at_end = RwSignal::new(true);
    follow_end(list, at_end, rows);
    let size = StoredValue::new((0, 0));
    follow_size(list, at_end, size);
    let scrolled = move |_| {
        // A pane with a size that is news has not been scrolled by the person: its end is looked for first.
        if list
            .get_untracked()
            .is_some_and(|list| size_of(&list) == size.get_value())
        {
            at_end.set(is_at_end(list));
        }
    };
    speak_arrivals(app, contact, conversation);
    let truncated = move || {
        conversation.with(|conversation| {
            conversation
                .as_ref()
                .is_some_and(|conversation| conversation.truncated)
        })
    };
    let loading = move || conversation.with(Option::is_none);
    let empty = move || !loading() && rows.with(Vec::is_empty);
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
                on:scroll=scrolled
            >
                <Show when=truncated><p class="day">"Older messages are kept, but not shown."</p></Show>
                <Show when=loading><div class="skeleton" aria-hidden="true"><i></i><i></i><i></i></div></Show>
                <Show when=empty><Greeting contact /></Show>
                <For each=move || rows.get() key=Row::key let:row>
                    {match row {
                        Row::Day { words, .. } => view! { <p class="day" role="separator">{words}</p> }.into_any(),
                        Row::Call(call) => view! { <PastCall app contact call /> }.into_any(),
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
                <time datetime=clock::machine(time)>{clock::time_of_day(time)}</time>
                {id.mine.then(|| view! { <DeliveryMark delivery /> })}
            </footer>
        </article>
    }
}

/// A call that came to nothing, and the way to make another one.
#[component]
fn PastCall(app: App, contact: Memo<Option<ContactView>>, call: PastCallView) -> impl IntoView {
    let PastCallView {
        direction,
        video,
        time,
        reason,
        ..
    } = call;
    let may_call = may_call(app, contact);
    let again = move |_| {
        let id = contact.with_untracked(|contact| contact.as_ref().map(|contact| contact.id));
        if let Some(contact) = id {
            app.send(Command::Call { contact, video });
        }
    };
    let incoming = direction == CallDirection::Incoming;
    let what = words::past_call(direction, video, reason);
    view! {
        <article class="past-call" class:missed=incoming data-testid="past-call" data-reason=words::end_reason_word(reason)>
            <Icon glyph=words::call_glyph(video) />
            <span>{what}", "<time datetime=clock::machine(time)>{clock::time_of_day(time)}</time></span>
            <button type="button" class="button quiet small" data-testid="call-back"
                disabled=move || !may_call.get() on:click=again>
                {words::call_anew(incoming, video)}
            </button>
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

/// Days, messages and calls in order; neighbours by the same writer are marked as a group.
fn rows(conversation: &ConversationView) -> Vec<Row> {
    let together = |a: Option<&MessageView>, b: &MessageView| {
        a.is_some_and(|a| {
            a.id.mine == b.id.mine
                && a.time.as_millis().abs_diff(b.time.as_millis()) < GROUP_MS
                && clock::local_day(a.time) == clock::local_day(b.time)
        })
    };
    let ConversationView {
        messages, calls, ..
    } = conversation;
    let mut rows = Vec::with_capacity(messages.len() + calls.len() + 8);
    let below = |after: Option<MessageId>| {
        let calls = calls.iter().filter(move |call| call.after == after);
        calls.map(|call| Row::Call(call.clone()))
    };
    rows.extend(below(None));
    for (index, message) in messages.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|index| messages.get(index));
        rows.push(Row::Message {
            message: MessageView {
                delivery: Delivery::Queued,
                ..message.clone()
            },
            first: !together(before, message),
            last: !together(messages.get(index + 1), message),
        });
        rows.extend(below(Some(message.id)));
    }
    with_days(rows)
}

/// Puts each day above the first of its lines.
fn with_days(rows: Vec<Row>) -> Vec<Row> {
    let mut day = None;
    let mut dated = Vec::with_capacity(rows.len() + 8);
    for row in rows {
        let (time, above) = match &row {
            Row::Message { message, .. } => (message.time, RowKey::DayAboveMessage(message.id)),
            Row::Call(call) => (call.time, RowKey::DayAboveCall(call.id)),
            Row::Day { .. } => continue,
        };
        let this = clock::local_day(time);
        if day.replace(this) != Some(this) {
            let words = words::day(time);
            dated.push(Row::Day { words, above });
        }
        dated.push(row);
    }
    dated
}

fn deliveries(conversation: Option<&ConversationView>) -> BTreeMap<MessageId, Delivery> {
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

/// The same when a call opens or closes beside it, a keyboard comes up, or the composer grows.
fn follow_size(list: NodeRef<Div>, at_end: RwSignal<bool>, size: StoredValue<(i32, i32)>) {
    Effect::new(move || {
        let Some(element) = list.get() else { return };
        // Kept until the effect is cleaned up.
        StoredValue::new_local(dom::size::follow(&element, move || {
            if let Some(list) = list.try_get_untracked().flatten() {
                size.try_set_value(size_of(&list));
            }
            if at_end.try_get_untracked() == Some(true) {
                to_end(list);
            }
        }));
    });
}

fn size_of(list: &web_sys::Element) -> (i32, i32) {
    (list.client_width(), list.client_height())
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
    conversation: Memo<Option<ConversationView>>,
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
    let sendable = Memo::new(move |_| {
        text.with(|text| !text.trim().is_empty()) && length.get() <= MAX_WRITTEN
    });
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
            text.with_untracked(|text| {
                for part in parts(text) {
                    let text = part.to_owned();
                    app.send(Command::SendText { contact: id, text });
                }
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
                class:over=move || { length.get() > MAX_WRITTEN }
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
    if length <= MAX_TEXT {
        return String::new();
    }
    match length.checked_sub(MAX_WRITTEN) {
        None | Some(0) => "Long: it will be sent as several messages.".to_owned(),
        Some(over) => format!("Too long by {} kB.", over.div_ceil(1000)),
    }
}

/// A text in pieces that fit into a message each, cut where it hurts least: at the end of a line, else of a word.
fn parts(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text.trim_end();
    while rest.len() > MAX_TEXT {
        let fits = rest.floor_char_boundary(MAX_TEXT);
        let (head, _) = rest.split_at(fits);
        // A cut in the first half would make more messages than are needed.
        let seam = |found: Option<usize>| found.filter(|at| *at > MAX_TEXT / 2);
        let cut = seam(head.rfind('\n')).or_else(|| seam(head.rfind(' ')));
        let (part, after) = rest.split_at(cut.unwrap_or(fits));
        parts.push(part);
        // The seam itself, and nothing behind it: blank lines and indentation are the writer's.
        let at_seam = cut.and_then(|_| after.strip_prefix(['\n', ' ']));
        rest = at_seam.unwrap_or(after);
    }
    parts.push(rest);
    parts.retain(|part| !part.trim().is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_text_stays_whole() {
        assert_eq!(parts("Hello\nBen "), ["Hello\nBen"]);
    }

    #[test]
    fn a_long_text_is_cut_between_lines_or_words_and_nothing_is_lost() {
        let line = "two or three words\n".repeat(2_000);
        let cut = parts(&line);
        assert!(cut.iter().all(|part| part.len() <= MAX_TEXT));
        assert_eq!(cut.join("\n"), line.trim_end());

        let words = "word ".repeat(8_000);
        assert_eq!(parts(&words).join(" "), words.trim_end());
    }

    #[test]
    fn of_a_seam_one_separator_goes_and_indentation_stays() {
        let head = "x".repeat(MAX_TEXT - 1);
        let text = format!("{head}\n    indented\n\n    more");
        assert_eq!(parts(&text), [&*head, "    indented\n\n    more"]);
    }

    #[test]
    fn a_text_without_a_seam_is_cut_between_letters() {
        let text = "ä".repeat(MAX_TEXT);
        let cut = parts(&text);
        assert!(cut.iter().all(|part| part.len() <= MAX_TEXT));
        assert_eq!(cut.concat(), text);
    }
}
