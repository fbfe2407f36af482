// SPDX-License-Identifier: MIT OR Apache-2.0
//! The one value that every page is given: the view as signals, and the ways to act.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use hither_api::link::Link;
use hither_browser::{Client, Hooks, StartError, Stream};
use hither_endpoint::network::NetworkView;
use hither_endpoint::{
    CallDirection, CallStage, CallView, Command, ContactId, ContactState, ContactView,
    ConversationView, DeviceView, Event, InvitationView, JoiningView, MeView, NodeState, Notice,
    Phase, View,
};
use leptos::prelude::*;
use web_sys::HtmlMediaElement;
use web_sys::wasm_bindgen::JsValue;

use super::ring::Ringing;
use super::{Preferences, Screen, Tone, arrival};
use crate::components::Around;
use crate::dom;
use crate::words;

/// A region that was empty for a moment is read out even if it says the same again.
const SPEAK_AFTER: Duration = Duration::from_millis(80);
/// Whoever walks through the page later finds no old news in it.
const SPOKEN_STAYS: Duration = Duration::from_secs(12);

/// How far the page itself is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// The store is being opened.
    Loading,
    /// There is a view.
    Running,
    /// This browser cannot run Hither.
    Failed(StartError),
}

/// The dialog in front, if any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Panel {
    /// Make an invitation.
    Invite,
    /// Answer one.
    Join,
    /// Let somebody in.
    Approve(ContactId),
    /// Keys.
    Help,
}

/// A question before something that cannot be undone.
#[derive(Clone, Debug)]
pub(crate) struct Confirmation {
    pub(crate) title: String,
    pub(crate) text: String,
    pub(crate) yes: &'static str,
    pub(crate) command: Command,
}

/// Everything that pages need. A handful of handles; copy it freely.
#[derive(Clone, Copy)]
pub(crate) struct App {
    view: RwSignal<View>,
    host: StoredValue<Option<Client>, LocalStorage>,
    ringing: StoredValue<Option<Ringing>, LocalStorage>,
    drafts: StoredValue<BTreeMap<ContactId, String>>,
    pub(crate) start: RwSignal<Start>,
    pub(crate) screen: RwSignal<Screen>,
    pub(crate) panel: RwSignal<Option<Panel>>,
    pub(crate) confirmation: RwSignal<Option<Confirmation>>,
    pub(crate) preferences: Preferences,
    /// The link that opened the page, until it was used.
    pub(crate) arrival: RwSignal<Option<Link>>,
    /// Whether the person can see the page.
    pub(super) visible: RwSignal<bool>,
    /// Read out politely.
    pub(crate) spoken: RwSignal<String>,
    /// Counts what was read out, so that what is late knows it.
    speaking: StoredValue<u32>,
    pub(crate) phase: Memo<Phase>,
    pub(crate) me: Memo<Option<MeView>>,
    pub(crate) node: Memo<NodeState>,
    pub(crate) contacts: Memo<Vec<ContactView>>,
    pub(crate) categories: Memo<Vec<String>>,
    pub(crate) invitations: Memo<Vec<InvitationView>>,
    pub(crate) joining: Memo<Option<JoiningView>>,
    pub(crate) conversation: Memo<Option<ConversationView>>,
    pub(crate) call: Memo<Option<CallView>>,
    pub(crate) devices: Memo<Option<Vec<DeviceView>>>,
    pub(crate) relay_for_all: Memo<bool>,
    pub(crate) relay_only_categories: Memo<Vec<String>>,
    pub(crate) network: Memo<NetworkView>,
    pub(crate) notices: Memo<Vec<Notice>>,
}

impl App {
    pub(crate) fn new() -> Self {
        Self::with_view(nothing_yet())
    }

    pub(crate) fn with_view(view: View) -> Self {
        let view = RwSignal::new(view);
        macro_rules! part {
            ($field:ident) => {
                Memo::new(move |_| view.with(|view| view.$field.clone()))
            };
        }
        let app = Self {
            view,
            host: StoredValue::new_local(None),
            ringing: StoredValue::new_local(None),
            drafts: StoredValue::new(BTreeMap::new()),
            start: RwSignal::new(Start::Loading),
            screen: RwSignal::new(Screen::Home),
            panel: RwSignal::new(None),
            confirmation: RwSignal::new(None),
            preferences: Preferences::load(),
            arrival: RwSignal::new(arrival::link()),
            visible: RwSignal::new(dom::is_visible()),
            spoken: RwSignal::new(String::new()),
            speaking: StoredValue::new(0),
            phase: part!(phase),
            me: part!(me),
            node: part!(node),
            contacts: part!(contacts),
            categories: part!(categories),
            invitations: part!(invitations),
            joining: part!(joining),
            conversation: part!(conversation),
            call: part!(call),
            devices: part!(devices),
            relay_for_all: part!(relay_for_all),
            relay_only_categories: part!(relay_only_categories),
            network: part!(network),
            notices: part!(notices),
        };
        app.listen_for_shortcuts();
        app.listen_to_browser();
        app.follow_screen();
        app.follow_phase();
        app.follow_approvals();
        app.follow_ring();
        app.follow_news();
        app.follow_title();
        app
    }

    /// Hands a wish to the client.
    pub(crate) fn send(self, command: Command) {
        if let Some(host) = self.host.get_value() {
            host.command(command);
        }
    }

    /// Takes over what there is to show.
    pub(crate) fn show_view(self, mut view: View) {
        // Whoever invited us says their name when they let us in.
        for contact in view
            .contacts
            .iter_mut()
            .filter(|contact| contact.name.is_empty())
        {
            words::NAMELESS.clone_into(&mut contact.name);
        }
        self.view.set(view);
    }

    /// One contact, followed.
    pub(crate) fn contact(self, id: ContactId) -> Memo<Option<ContactView>> {
        Memo::new(move |_| self.contact_now(id))
    }

    /// One contact, read once by whoever follows the list.
    pub(crate) fn contact_now(self, id: ContactId) -> Option<ContactView> {
        self.contacts
            .with(|contacts| contacts.iter().find(|contact| contact.id == id).cloned())
    }

    /// The name of a contact, now.
    pub(crate) fn name_of(self, id: ContactId) -> String {
        self.contacts.with(|contacts| {
            contacts
                .iter()
                .find(|contact| contact.id == id)
                .map_or_else(
                    || words::SOMEBODY.to_owned(),
                    |contact| contact.name.clone(),
                )
        })
    }

    /// Goes to a screen; deeper ones can be left with the browser's back button.
    pub(crate) fn go(self, screen: Screen) {
        let now = self.screen.get_untracked();
        if now == screen {
            return;
        }
        self.screen.set(screen);
        focus_after(now, screen);
        let Some(history) = web_sys::window().and_then(|window| window.history().ok()) else {
            return;
        };
        let state = JsValue::from(screen.depth());
        // History is a convenience; the screen has changed already.
        drop(if screen.depth() > now.depth() {
            history.push_state_with_url(&state, "", None)
        } else {
            history.replace_state_with_url(&state, "", None)
        });
    }

    /// One step back, as the browser's button would.
    pub(crate) fn back(self) {
        let screen = self.screen.get_untracked();
        self.go(screen.parent());
    }

    /// Puts a dialog in front.
    pub(crate) fn show(self, panel: Panel) {
        self.panel.set(Some(panel));
    }

    /// Puts the dialog away.
    pub(crate) fn close_panel(self) {
        self.panel.set(None);
    }

    /// Asks before doing.
    pub(crate) fn confirm(self, confirmation: Confirmation) {
        self.confirmation.set(Some(confirmation));
    }

    /// Says something to people who listen to the page: also what was said just before, and nothing for ever.
    pub(crate) fn speak(self, sentence: String) {
        let turn = self.hush();
        let mine = move || self.speaking.try_get_value() == Some(turn);
        set_timeout(
            move || {
                if mine() {
                    self.spoken.set(sentence);
                }
            },
            SPEAK_AFTER,
        );
        set_timeout(
            move || {
                if mine() {
                    self.spoken.set(String::new());
                }
            },
            SPOKEN_STAYS,
        );
    }

    /// Takes back what was said, or was about to be.
    fn hush(self) -> u32 {
        self.speaking
            .update_value(|turn| *turn = turn.wrapping_add(1));
        self.spoken.set(String::new());
        self.speaking.get_value()
    }

    /// Dismisses every notice of a kind: the person tries again.
    pub(crate) fn clear_notices(self, which: fn(&Notice) -> bool) {
        let indices: Vec<usize> = self.notices.with_untracked(|notices| {
            let matching = notices
                .iter()
                .enumerate()
                .filter(|(_, notice)| which(notice));
            matching.map(|(index, _)| index).collect()
        });
        for index in indices.into_iter().rev() {
            self.send(Command::DismissNotice { index });
        }
    }

    /// The newest notice of a kind.
    pub(crate) fn newest_notice(self, which: fn(&Notice) -> bool) -> Memo<Option<Notice>> {
        Memo::new(move |_| self.newest_notice_now(which))
    }

    /// The same, read once by whoever follows the notices.
    pub(crate) fn newest_notice_now(self, which: fn(&Notice) -> bool) -> Option<Notice> {
        self.notices
            .with(|notices| notices.iter().rev().find(|notice| which(notice)).cloned())
    }

    /// What was being written to a contact.
    pub(crate) fn draft(self, contact: ContactId) -> String {
        self.drafts
            .with_value(|drafts| drafts.get(&contact).cloned().unwrap_or_default())
    }

    /// Remembers what is being written, in memory only.
    pub(crate) fn keep_draft(self, contact: ContactId, text: String) {
        self.drafts.update_value(|drafts| {
            drafts.insert(contact, text);
        });
    }

    /// Whether to ring, and how.
    pub(crate) fn tone(self) -> Option<Tone> {
        self.call.with(|call| {
            let call = call.as_ref()?;
            match (call.direction, call.stage) {
                (CallDirection::Incoming, CallStage::Ringing) => Some(Tone::Incoming),
                (CallDirection::Outgoing, CallStage::Ringing) => Some(Tone::Outgoing),
                _ => None,
            }
        })
    }

    /// What the explanation of a path may say of the network around, and the way to its page.
    pub(crate) fn around(
        self,
        contact: impl Fn() -> Option<ContactId> + Copy + Send + Sync + 'static,
    ) -> Around {
        let why_not_direct = Signal::derive(move || {
            let asked = contact()
                .and_then(|id| self.contact_now(id))
                .is_some_and(|contact| contact.hidden);
            self.network
                .with(|view| words::network::why_not_direct(view, asked))
        });
        Around {
            why_not_direct,
            on_look: Callback::new(move |()| self.go(Screen::Network(untrack(contact)))),
        }
    }

    fn follow_ring(self) {
        let tone = Memo::new(move |_| self.tone().filter(|_| !self.preferences.silent.get()));
        Effect::new(move || {
            let tone = tone.get();
            self.ringing.set_value(None);
            self.ringing.set_value(tone.and_then(Ringing::start));
        });
    }

    /// The client learns which conversation is in front. What nobody can see does not count as read.
    fn follow_screen(self) {
        let contact = Memo::new(move |_| {
            let looked_at = self.phase.get() == Phase::Ready && self.visible.get();
            self.screen.get().contact().filter(|_| looked_at)
        });
        Effect::watch(
            move || contact.get(),
            move |contact, _, _| {
                self.send(contact.map_or(Command::CloseConversation, |contact| {
                    Command::OpenConversation { contact }
                }));
            },
            false,
        );
        // A removed contact leaves no screen behind.
        Effect::new(move || {
            let gone = self.screen.get().contact().is_some_and(|id| {
                self.contacts
                    .with(|contacts| contacts.iter().all(|contact| contact.id != id))
            });
            if gone && self.phase.get() == Phase::Ready {
                self.go(Screen::Home);
            }
        });
    }

    /// Whoever locks or leaves for good leaves nothing on the screen; whoever arrives by a link goes on with it.
    fn follow_phase(self) {
        Effect::new(move |before: Option<Phase>| {
            let phase = self.phase.get();
            match phase {
                Phase::Ready => {
                    self.use_arrival();
                    self.offer_waiting();
                }
                Phase::Locked => self.clear(),
                Phase::Fresh if before == Some(Phase::Ready) => {
                    self.clear();
                    self.preferences.forget();
                    self.speak(words::ACCOUNT_DELETED.to_owned());
                }
                Phase::Fresh | Phase::Onboarding | Phase::Unlocking => {}
            }
            phase
        });
    }

    /// Nothing of a person stays in the page.
    fn clear(self) {
        self.panel.set(None);
        self.confirmation.set(None);
        self.hush();
        self.drafts.set_value(BTreeMap::new());
        self.go(Screen::Home);
    }

    /// An invitation that waits for its words since before the page was loaded.
    fn offer_waiting(self) {
        if self.joining.with_untracked(Option::is_some) {
            self.show(Panel::Join);
        }
    }

    fn use_arrival(self) {
        let Some(link) = self.arrival.get() else {
            return;
        };
        self.arrival.set(None);
        arrival::forget();
        if let Link::Invitation { .. } = link {
            self.clear_notices(super::concerns_join);
            self.send(Command::OpenLink { link });
            self.show(Panel::Join);
        }
    }

    /// Somebody waiting is shown at once, unless the person is in the middle of something.
    fn follow_approvals(self) {
        let first = Memo::new(move |_| {
            self.contacts.with(|contacts| {
                contacts
                    .iter()
                    .find(|contact| contact.state == ContactState::WantsApproval)
                    .map(|contact| contact.id)
            })
        });
        Effect::new(move || {
            let Some(contact) = first.get() else { return };
            let busy = self.call.with_untracked(Option::is_some)
                || self.confirmation.with_untracked(Option::is_some)
                || self.is_writing()
                || matches!(self.panel.get_untracked(), Some(Panel::Join | Panel::Help));
            if !busy {
                self.show(Panel::Approve(contact));
            }
        });
    }

    fn is_writing(self) -> bool {
        let contact = self.screen.get_untracked().contact();
        contact.is_some_and(|contact| !self.draft(contact).is_empty())
    }

    fn follow_title(self) {
        Effect::new(move || {
            let unread: u32 = self.contacts.with(|contacts| {
                contacts
                    .iter()
                    .fold(0, |sum: u32, contact| sum.saturating_add(contact.unread))
            });
            let title = match (self.tone(), unread) {
                (Some(Tone::Incoming), _) => words::TITLE_RINGING.to_owned(),
                (_, 0) => words::TITLE.to_owned(),
                (_, unread) => format!("({unread}) {}", words::TITLE),
            };
            document().set_title(&title);
        });
    }

    fn listen_to_browser(self) {
        let back = window_event_listener(leptos::ev::popstate, move |event| {
            let depth = event.state().as_f64().unwrap_or(0.0);
            let mut screen = self.screen.get_untracked();
            let before = screen;
            while f64::from(screen.depth()) > depth {
                screen = screen.parent();
            }
            self.screen.set(screen);
            focus_after(before, screen);
        });
        let link = window_event_listener(leptos::ev::hashchange, move |_| {
            if let Some(link) = arrival::link() {
                self.arrival.set(Some(link));
            }
        });
        let online = window_event_listener(leptos::ev::online, move |_| {
            self.send(Command::NetworkChanged);
        });
        let offline = window_event_listener(leptos::ev::offline, move |_| {
            self.send(Command::NetworkChanged);
        });
        let visible = window_event_listener(leptos::ev::visibilitychange, move |_| {
            self.visible.set(dom::is_visible());
            if dom::is_visible() {
                self.send(Command::NetworkChanged);
            }
        });
        on_cleanup(move || {
            for handle in [back, link, online, offline, visible] {
                handle.remove();
            }
        });
    }
}

impl App {
    /// Starts the client behind the page.
    pub(crate) fn connect(self) {
        wasm_bindgen_futures::spawn_local(async move {
            let hooks = Hooks {
                on_view: Rc::new(move |view| self.show_view(view)),
                on_event: Rc::new(move |event| self.hear(&event)),
            };
            match Client::start(hooks).await {
                Ok(client) => {
                    self.show_view(client.view());
                    self.host.set_value(Some(client));
                    self.start.set(Start::Running);
                }
                Err(error) => self.start.set(Start::Failed(error)),
            }
        });
    }

    /// Shows a stream in an element, and goes on doing so when the stream changes.
    pub(crate) fn attach(self, element: &HtmlMediaElement, stream: Stream) {
        if let Some(host) = self.host.get_value() {
            host.attach(element, stream);
        }
    }

    /// The element is about to go.
    pub(crate) fn detach(self, element: &HtmlMediaElement) {
        if let Some(host) = self.host.get_value() {
            host.detach(element);
        }
    }

    /// Reads out what the eye would catch.
    fn hear(self, event: &Event) {
        let name = |contact| untrack(|| self.name_of(contact));
        match event {
            Event::Notice(notice) => self.speak(words::notice(notice, &name).to_text()),
            Event::Unread { contact } => self.speak(words::unread_from(&name(*contact))),
            Event::MissedCall { contact } => self.speak(words::missed_from(&name(*contact))),
            _ => {}
        }
    }
}

/// The keyboard goes where the eye goes: into the composer at a desk, to the new pane on a phone (without
/// opening its keyboard), and back to the contact that was left.
fn focus_after(before: Screen, now: Screen) {
    match (now, before.contact()) {
        (Screen::Conversation(_), _) if dom::is_wide() => dom::focus::first("#composer"),
        (Screen::Home, Some(contact)) => {
            dom::focus::first(&format!("[data-contact=\"{}\"]", contact.to_hex()));
        }
        (Screen::Contact(_), _) => dom::focus::first("[data-testid=\"contact-close\"]"),
        (Screen::Home, None) => {}
        (Screen::Conversation(_) | Screen::Settings | Screen::Network(_), _) => {
            dom::focus::first("#main");
        }
    }
}

/// The view before there is one.
pub(crate) const fn nothing_yet() -> View {
    View::bare(Phase::Fresh, Vec::new())
}
