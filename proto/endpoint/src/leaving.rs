// SPDX-License-Identifier: MIT OR Apache-2.0
//! Deleting one's account: the contacts hear of it, the node forgets it, and nothing of it stays on this device.

use hither_api::path;
use hither_sansio::{Duration, Instant, Now};

use crate::base::{Base, Purpose};
use crate::client::{Client, Failure, Outcome, refused};
use crate::{ContactId, InvitationKey, Method, NodeState, Notice};

/// How long last words to contacts may take.
const FAREWELLS_WITHIN: Duration = Duration::from_secs(10);

/// How far the leaving is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// Last words are under way, until then at most.
    Farewells(Instant),
    /// The node is being asked.
    Asking,
    /// The account is gone; the endpoint forgets everything.
    Gone,
}

impl Client {
    /// Says farewell to everybody and has the account deleted. A device that the node does not know any more is
    /// only cleared.
    pub(crate) fn delete_account(&mut self, base: &mut Base, now: Now) {
        let reachable = matches!(self.node.state(), NodeState::Online | NodeState::Revoked);
        if !reachable {
            return base.notice(Notice::NodeUnreachable);
        }
        if self.leaving.is_some() {
            return;
        }
        let invitations: Vec<InvitationKey> = self.invitations.keys().copied().collect();
        for id in invitations {
            self.withdraw(base, id);
        }
        let contacts: Vec<ContactId> = self.contacts.keys().copied().collect();
        for id in contacts {
            self.remove_contact(base, id, now);
        }
        self.leaving = Some(Leaving::Farewells(now.instant + FAREWELLS_WITHIN));
        self.go_on_leaving(base, now);
    }

    /// When [`Self::go_on_leaving`] wants to look again.
    pub(crate) fn leaving_timeout(&self) -> Option<Instant> {
        match self.leaving {
            Some(Leaving::Farewells(until)) => Some(until),
            Some(Leaving::Asking | Leaving::Gone) | None => None,
        }
    }

    /// Asks the node once the last words have left, or have had their time.
    pub(crate) fn go_on_leaving(&mut self, base: &mut Base, now: Now) {
        let Some(Leaving::Farewells(until)) = self.leaving else {
            return;
        };
        if !self.farewells.is_empty() && now.instant < until {
            return;
        }
        if self.node.state() == NodeState::Revoked {
            self.leaving = Some(Leaving::Gone);
            return;
        }
        let (purpose, method) = (Purpose::DeleteAccount, Method::Delete);
        let asked = self
            .node
            .ask(base, purpose, method, path::ACCOUNT, Vec::new(), Vec::new());
        self.leaving = asked.then_some(Leaving::Asking);
        if !asked {
            base.notice(Notice::NodeUnreachable);
        }
    }

    /// The node answered.
    pub(crate) fn account_deleted(&mut self, base: &mut Base, result: Outcome) {
        self.leaving = match result {
            Ok(_) => Some(Leaving::Gone),
            // The answer to an earlier request was lost: nobody is known by this name any more.
            Err(Failure::Refused(problem)) if matches!(problem.status, 401 | 404) => {
                Some(Leaving::Gone)
            }
            Err(Failure::Refused(problem)) => {
                base.notice(refused(problem));
                None
            }
            Err(Failure::Later) => {
                base.notice(Notice::NodeUnreachable);
                None
            }
        };
    }
}
