// SPDX-License-Identifier: MIT OR Apache-2.0
//! From whom this device's address is hidden: relay only for everybody, for a category, for a contact.
//!
//! Everybody comes first, then the contact's own word, then the category. A rule for a category is kept while nobody
//! is in it, so that whoever comes back is treated as before. Rules that cannot be read hide from everybody who has
//! no word of their own: better slow than shown.

use std::collections::BTreeSet;

use hither_sansio::Now;
use serde::{Deserialize, Serialize};

use crate::base::{Base, read_record};
use crate::client::{Client, DEFAULT_CATEGORY};
use crate::{ContactId, Notice};

/// The record of the rules for categories.
pub(crate) const HIDING: &str = "hiding";
/// Rules that are kept.
const MAX_RULES: usize = 256;
/// Longest name of a category, in characters.
pub(crate) const MAX_CATEGORY: usize = 32;

/// A word about one contact. Stored where there once was a yes or no: the first two mean the same as these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum RelayOnly {
    /// As their category says.
    #[default]
    Inherit,
    /// They never see this device's address.
    Always,
    /// They may see it, whatever their category says.
    Never,
}

/// Rules for categories.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hiding {
    categories: BTreeSet<String>,
    unreadable: bool,
}

impl Hiding {
    pub(crate) fn restore(bytes: &[u8]) -> Self {
        match read_record(bytes) {
            Some(categories) => Self {
                categories,
                unreadable: false,
            },
            None => Self {
                unreadable: true,
                ..Self::default()
            },
        }
    }

    /// Whether the rules were lost.
    pub(crate) fn is_damaged(&self) -> bool {
        self.unreadable
    }

    /// Whether the address is hidden from whoever is in this category and has no word of their own.
    pub(crate) fn hides(&self, category: &str) -> bool {
        self.unreadable || self.categories.contains(category)
    }
}

impl Client {
    /// Whether only relayed candidates are for this contact.
    pub(crate) fn hides_from(&self, contact: ContactId) -> bool {
        if self.account.relay_for_all {
            return true;
        }
        let Some(contact) = self.contacts.get(&contact) else {
            return false;
        };
        match contact.stored.relay_only {
            RelayOnly::Inherit => self.hiding.hides(&contact.stored.category),
            RelayOnly::Always => true,
            RelayOnly::Never => false,
        }
    }

    /// Changes the rule of a category that somebody is in.
    pub(crate) fn hide_from_category(
        &mut self,
        base: &mut Base,
        category: &str,
        hide: bool,
        now: Now,
    ) {
        let known = category == DEFAULT_CATEGORY
            || self
                .contacts
                .values()
                .any(|contact| contact.stored.category == category);
        let room = self.hiding.categories.len() < MAX_RULES;
        if hide && !(known && room) {
            return base.notice(Notice::NotNow);
        }
        let before = self.hidden();
        if self.hiding.unreadable {
            // From here on the rules are known again: all that there are hid until now.
            self.hiding.unreadable = false;
            let all = self
                .contacts
                .values()
                .map(|one| one.stored.category.clone());
            self.hiding.categories = all.take(MAX_RULES).collect();
        }
        if hide {
            self.hiding.categories.insert(category.to_owned());
        } else {
            self.hiding.categories.remove(category);
        }
        base.put(HIDING, &self.hiding.categories);
        self.follow_hiding(base, &before, now);
        base.changed();
    }

    /// From whom the address is hidden now.
    pub(crate) fn hidden(&self) -> BTreeSet<ContactId> {
        let all = self.contacts.keys().copied();
        all.filter(|id| self.hides_from(*id)).collect()
    }

    /// Open links gather anew where the answer is another one than before.
    pub(crate) fn follow_hiding(
        &mut self,
        base: &mut Base,
        before: &BTreeSet<ContactId>,
        now: Now,
    ) {
        let after = self.hidden();
        let changed: Vec<ContactId> = before.symmetric_difference(&after).copied().collect();
        for id in changed {
            self.follow_policy(base, Some(id), now);
        }
    }
}
