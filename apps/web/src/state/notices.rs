// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which notices are shown beside the form that caused them, and which go away by themselves.

use std::time::Duration;

use hither_endpoint::{Command, ContactState, Notice};
use leptos::prelude::*;

use super::{App, Screen};

/// Good news goes away by itself; it can still be seen in the list of contacts.
const NEWS_STAYS: Duration = Duration::from_secs(8);

/// Shown inside the join dialog while it is open.
pub(crate) fn concerns_join(notice: &Notice) -> bool {
    matches!(
        notice,
        Notice::InvitationGone
            | Notice::CodeWordCount { .. }
            | Notice::CodeUnknownWord { .. }
            | Notice::CodeChecksum
            | Notice::CodeWrong
            | Notice::InvitationExpired
            | Notice::InvitationMalformed
            | Notice::InvitationForged
            | Notice::InvitationOwn
            | Notice::InvitationElsewhere { .. }
            | Notice::InvitationUnsupported
            | Notice::NodeUnreachable
            | Notice::NodeRefused { .. }
    )
}

/// Shown inside the invite dialog while it is open.
pub(crate) fn concerns_invite(notice: &Notice) -> bool {
    matches!(
        notice,
        Notice::MayNotRegisterOthers
            | Notice::NotNow
            | Notice::NodeUnreachable
            | Notice::NodeRefused { .. }
    )
}

impl App {
    pub(super) fn follow_news(self) {
        Effect::new(move || {
            let over = self
                .notices
                .with(|notices| notices.iter().position(|notice| self.is_over(notice)));
            if let Some(index) = over {
                self.send(Command::DismissNotice { index });
            }
        });
        let timed = StoredValue::new(Vec::<Notice>::new());
        Effect::new(move || {
            if !self.visible.get() {
                return;
            }
            let news: Vec<Notice> = self.notices.with(|notices| {
                notices
                    .iter()
                    .filter(|notice| is_news(notice))
                    .cloned()
                    .collect()
            });
            for notice in &news {
                if !timed.with_value(|timed| timed.contains(notice)) {
                    let notice = notice.clone();
                    set_timeout(move || self.dismiss(&notice), NEWS_STAYS);
                }
            }
            timed.set_value(news);
        });
    }

    /// Whether the person has acted on it already, or looks at what it is about.
    fn is_over(self, notice: &Notice) -> bool {
        match notice {
            Notice::ApprovalWanted { contact } => {
                let state = self.contact_now(*contact).map(|contact| contact.state);
                state.is_some_and(|state| state != ContactState::WantsApproval)
            }
            Notice::ContactConfirmed { contact } => {
                self.screen.get() == Screen::Conversation(*contact)
            }
            _ => false,
        }
    }

    fn dismiss(self, notice: &Notice) {
        let index = self
            .notices
            .try_with_untracked(|notices| notices.iter().position(|other| other == notice));
        if let Some(index) = index.flatten() {
            self.send(Command::DismissNotice { index });
        }
    }
}

fn is_news(notice: &Notice) -> bool {
    matches!(
        notice,
        Notice::ApprovalWanted { .. } | Notice::ContactConfirmed { .. }
    )
}
