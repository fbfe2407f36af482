// SPDX-License-Identifier: MIT OR Apache-2.0
//! Keys that work everywhere. All are with Alt, so that they collide neither with typing nor with readers.

use hither_endpoint::{CallStage, Command, Phase};
use leptos::prelude::*;
use web_sys::KeyboardEvent;

use super::{App, Panel, Screen};

/// Keys and what they do, for the help dialog.
pub(crate) const SHORTCUTS: [(&[&str], &str); 12] = [
    (&["Alt", "L"], "Lock: forget every key in memory"),
    (&["Alt", "K"], "Search contacts"),
    (&["Alt", "I"], "Invite somebody"),
    (&["Alt", "J"], "Join by an invitation"),
    (&["Alt", "S"], "Settings"),
    (&["Alt", "M"], "In a call: microphone on or off"),
    (&["Alt", "V"], "In a call: camera on or off"),
    (&["Alt", "X"], "In a call: hang up"),
    (&["Enter"], "Send the message"),
    (&["Shift", "Enter"], "New line in the message"),
    (&["Esc"], "Close a dialog, or go back to the list"),
    (&["?"], "This list"),
];

impl App {
    /// Listens for as long as the page lives.
    pub(crate) fn listen_for_shortcuts(self) {
        let handle = window_event_listener(leptos::ev::keydown, move |event| {
            if self.phase.get_untracked() == Phase::Ready && self.carry_out_key(&event) {
                event.prevent_default();
            }
        });
        on_cleanup(move || handle.remove());
    }

    fn carry_out_key(self, event: &KeyboardEvent) -> bool {
        if event.alt_key() && !event.ctrl_key() && !event.meta_key() {
            return self.carry_out_alt(&event.code());
        }
        if crate::dom::focus::modal_is_open() || crate::dom::focus::is_typing() {
            return false;
        }
        match event.key().as_str() {
            "?" => self.show(Panel::Help),
            "Escape" if self.screen.get_untracked() != Screen::Home => self.back(),
            _ => return false,
        }
        true
    }

    fn carry_out_alt(self, code: &str) -> bool {
        match code {
            "KeyL" => self.send(Command::Lock),
            "KeyK" => {
                self.go(Screen::Home);
                crate::dom::focus::first("#contact-search");
            }
            "KeyI" => self.show(Panel::Invite),
            "KeyJ" => self.show(Panel::Join),
            "KeyS" => self.go(Screen::Settings),
            "KeyM" => {
                return self.in_call(|call| Command::SetMicrophone {
                    on: !call.microphone,
                });
            }
            "KeyV" => return self.in_call(|call| Command::SetCamera { on: !call.camera }),
            "KeyX" => return self.in_call(|_| Command::HangUp),
            _ => return false,
        }
        true
    }

    fn in_call(self, command: impl Fn(&hither_endpoint::CallView) -> Command) -> bool {
        let command = self.call.with_untracked(|call| {
            call.as_ref()
                .filter(|call| !matches!(call.stage, CallStage::Ended { .. }))
                .map(command)
        });
        let Some(command) = command else { return false };
        self.send(command);
        true
    }
}
