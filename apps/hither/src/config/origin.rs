// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where a setting was written, in words with which people find it again.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

/// One source of settings.
#[derive(Debug)]
pub(super) struct Origin {
    name: String,
    /// By section, and by `section.setting`, from 1.
    lines: BTreeMap<String, usize>,
}

impl Origin {
    /// A source without lines.
    pub(super) fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            lines: BTreeMap::new(),
        }
    }

    /// A TOML file.
    pub(super) fn file(name: impl Into<String>, text: &str) -> Self {
        Self {
            name: name.into(),
            lines: lines(text).unwrap_or_default(),
        }
    }

    /// The place of one setting, as the subject of a sentence.
    pub(super) fn of(&self, setting: &str) -> String {
        match self.lines.get(setting) {
            Some(line) => format!("{}, line {line},", self.name),
            None => self.name.clone(),
        }
    }
}

fn lines(text: &str) -> Option<BTreeMap<String, usize>> {
    let document = DeTable::parse(text).ok()?;
    let line = |at: usize| 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
    let mut lines = BTreeMap::new();
    for (section, values) in document.get_ref() {
        let name = section.get_ref();
        lines.insert(name.to_string(), line(section.span().start));
        if let DeValue::Table(values) = values.get_ref() {
            for key in values.keys() {
                let setting = format!("{name}.{}", key.get_ref());
                lines.insert(setting, line(key.span().start));
            }
        }
    }
    Some(lines)
}
