// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the person is. Kept in memory; the browser's history holds a depth and nothing that identifies.

use hither_endpoint::ContactId;

/// What the main pane shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Screen {
    /// Nothing chosen: on a phone the list.
    Home,
    /// Messages with one contact.
    Conversation(ContactId),
    /// About one contact.
    Contact(ContactId),
    /// About this person and device.
    Settings,
    /// About the network around; with whom one came from.
    Network(Option<ContactId>),
}

impl Screen {
    /// How many steps back to the list.
    pub(crate) fn depth(self) -> u32 {
        match self {
            Self::Home => 0,
            Self::Conversation(_) | Self::Settings => 1,
            Self::Contact(_) | Self::Network(_) => 2,
        }
    }

    /// One step back.
    pub(crate) fn parent(self) -> Self {
        match self {
            Self::Contact(contact) | Self::Network(Some(contact)) => Self::Conversation(contact),
            Self::Network(None) => Self::Settings,
            Self::Home | Self::Conversation(_) | Self::Settings => Self::Home,
        }
    }

    /// The contact this is about.
    pub(crate) fn contact(self) -> Option<ContactId> {
        match self {
            Self::Conversation(contact) | Self::Contact(contact) => Some(contact),
            Self::Home | Self::Settings | Self::Network(_) => None,
        }
    }

    /// A word for style sheets and tests.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Home => "home",
            Self::Conversation(_) => "conversation",
            Self::Contact(_) => "contact",
            Self::Settings => "settings",
            Self::Network(_) => "network",
        }
    }
}
