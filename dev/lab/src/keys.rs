// SPDX-License-Identifier: MIT OR Apache-2.0
//! Keys of a keyboard as the browser's protocol wants them.

use serde_json::{Value, json};

use crate::LabError;

/// A key, with the modifiers held down while it is pressed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct KeyPress {
    key: String,
    code: String,
    key_code: u32,
    text: Option<String>,
    modifiers: u32,
}

impl KeyPress {
    /// Reads `Enter`, `a`, `Shift+Tab`, `Control+a`, `Control+Shift+K`, …
    pub(crate) fn parse(name: &str) -> Result<Self, LabError> {
        let unknown = || LabError::UnknownKey(name.to_owned());
        // The last character may itself be a plus.
        let split = name
            .char_indices()
            .filter(|(at, character)| *character == '+' && *at > 0 && *at + 1 < name.len())
            .map(|(at, _)| at)
            .next_back();
        let (held, key) = match split {
            Some(at) => (&name[..at], &name[at + 1..]),
            None => ("", name),
        };
        let mut modifiers = 0;
        for modifier in held.split('+').filter(|modifier| !modifier.is_empty()) {
            modifiers |= match modifier {
                "Alt" => 1,
                "Control" => 2,
                "Meta" => 4,
                "Shift" => 8,
                _ => return Err(unknown()),
            };
        }
        let mut press = Self::plain(key).ok_or_else(unknown)?;
        press.modifiers = modifiers;
        // With one of these held, a key is a command and not a letter.
        if modifiers & (1 | 2 | 4) != 0 {
            press.text = None;
        }
        Ok(press)
    }

    /// The press that writes one character, if a plain keyboard has a key for it.
    pub(crate) fn of_char(character: char) -> Option<Self> {
        match character {
            '\n' => Self::plain("Enter"),
            '\t' => Self::plain("Tab"),
            ' ' => Self::plain("Space"),
            character => Self::plain(character.encode_utf8(&mut [0; 4])),
        }
    }

    fn plain(name: &str) -> Option<Self> {
        let (key, code, key_code, text) = match name {
            "Enter" => ("Enter", "Enter".to_owned(), 13, Some("\r")),
            "Space" => (" ", "Space".to_owned(), 32, Some(" ")),
            "Tab" => ("Tab", "Tab".to_owned(), 9, None),
            "Escape" => ("Escape", "Escape".to_owned(), 27, None),
            "Backspace" => ("Backspace", "Backspace".to_owned(), 8, None),
            "Delete" => ("Delete", "Delete".to_owned(), 46, None),
            "Home" => ("Home", "Home".to_owned(), 36, None),
            "End" => ("End", "End".to_owned(), 35, None),
            "PageUp" => ("PageUp", "PageUp".to_owned(), 33, None),
            "PageDown" => ("PageDown", "PageDown".to_owned(), 34, None),
            "ArrowLeft" => ("ArrowLeft", "ArrowLeft".to_owned(), 37, None),
            "ArrowUp" => ("ArrowUp", "ArrowUp".to_owned(), 38, None),
            "ArrowRight" => ("ArrowRight", "ArrowRight".to_owned(), 39, None),
            "ArrowDown" => ("ArrowDown", "ArrowDown".to_owned(), 40, None),
            _ => {
                let character = single(name)?;
                let upper = character.to_ascii_uppercase();
                let (code, key_code) = match upper {
                    'A'..='Z' => (format!("Key{upper}"), u32::from(upper)),
                    '0'..='9' => (format!("Digit{upper}"), u32::from(upper)),
                    '!'..='~' => (String::new(), 0),
                    _ => return None,
                };
                (name, code, key_code, Some(name))
            }
        };
        Some(Self {
            key: key.to_owned(),
            code,
            key_code,
            text: text.map(str::to_owned),
            modifiers: 0,
        })
    }

    /// Parameters of `Input.dispatchKeyEvent` for pressing.
    pub(crate) fn down(&self) -> Value {
        let mut event = self.event(if self.text.is_some() {
            "keyDown"
        } else {
            "rawKeyDown"
        });
        if let Some(text) = &self.text {
            event["text"] = json!(text);
        }
        event
    }

    /// Parameters of `Input.dispatchKeyEvent` for letting go.
    pub(crate) fn up(&self) -> Value {
        self.event("keyUp")
    }

    fn event(&self, kind: &str) -> Value {
        json!({
            "type": kind,
            "key": self.key,
            "code": self.code,
            "windowsVirtualKeyCode": self.key_code,
            "modifiers": self.modifiers,
        })
    }
}

fn single(name: &str) -> Option<char> {
    let mut characters = name.chars();
    let first = characters.next()?;
    characters.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modifiers_are_held() {
        let press = KeyPress::parse("Control+Shift+a").expect("a key");
        assert_eq!(press.modifiers, 2 | 8);
        assert_eq!(press.text, None, "a command writes nothing");
        assert_eq!(
            KeyPress::parse("Shift+A").expect("a key").text.as_deref(),
            Some("A")
        );
    }

    #[test]
    fn a_plus_is_a_key_too() {
        assert_eq!(KeyPress::parse("+").expect("a key").key, "+");
        assert_eq!(KeyPress::parse("Control++").expect("a key").modifiers, 2);
    }

    #[test]
    fn what_is_on_no_keyboard_is_refused() {
        for name in ["", "Entre", "Hyper+a", "ä"] {
            assert!(KeyPress::parse(name).is_err(), "{name}");
        }
        assert_eq!(KeyPress::of_char('ä'), None);
    }
}
