// SPDX-License-Identifier: MIT OR Apache-2.0
//! Deleting one's account: the contacts hear of it, the node forgets it, and nothing of it stays on this device.

use hither_api::path;
use hither_sansio::{Duration, Instant, Now};

use crate::base::{Base, Purpose};
use crate::client::{Client, Failure, Outcome, is_passing, refused};
use crate::{ContactId, InvitationKey, Method, NodeState, Notice};

/// How long last words, and what is left at nodes, may take.
const LAST_WORDS_WITHIN: Duration = Duration::from_secs(10);
/// When something that was put off is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// How far the leaving is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// Last words are under way.
    LastWords {
        /// No longer than this.
        until: Instant,
        /// When those that were put off are said again.
        again: Instant,
    },
    /// The node is being asked.
    Asking,
    /// The node did not do it yet. It is asked again then, or as soon as it is back.
    PutOff(Instant),
    /// The account is gone; the endpoint forgets everything.
    Gone,
}

impl Leaving {
    fn begin(now: Now) -> Self {
        Self::LastWords {
            until: now.instant + LAST_WORDS_WITHIN,
            again: now.instant + AGAIN_AFTER,
        }
    }
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
        self.leaving = Some(Leaving::begin(now));
        self.go_on_leaving(base, now);
    }

    /// When [`Self::leaving_timed_out`] wants to look again.
    pub(crate) fn leaving_timeout(&self) -> Option<Instant> {
        match self.leaving {
            Some(Leaving::LastWords { until, again }) => Some(until.min(again)),
            Some(Leaving::PutOff(again)) => Some(again),
            Some(Leaving::Asking | Leaving::Gone) | None => None,
        }
    }

    /// The time of [`Self::leaving_timeout`] has come.
    pub(crate) fn leaving_timed_out(&mut self, base: &mut Base, now: Now) {
        match &mut self.leaving {
            Some(Leaving::LastWords { again, .. }) => {
                if *again <= now.instant {
                    *again = now.instant + AGAIN_AFTER;
                    self.retry_leftovers(base);
                }
                self.go_on_leaving(base, now);
            }
            Some(Leaving::PutOff(_)) => self.ask_to_leave(base, now),
            Some(Leaving::Asking | Leaving::Gone) | None => {}
        }
    }

    /// The node is back: what it put off, and what it has not heard yet, comes first.
    pub(crate) fn leaving_signed_in(&mut self, base: &mut Base, now: Now) {
        if let Some(Leaving::PutOff(_)) = self.leaving {
            self.leaving = Some(Leaving::begin(now));
            self.go_on_leaving(base, now);
        }
    }

    /// Asks the node once the last words have left, or have had their time. A device that the node does not know
    /// has nothing to ask for: the answer to an earlier request was lost, or somebody else was faster.
    pub(crate) fn go_on_leaving(&mut self, base: &mut Base, now: Now) {
        let revoked = self.node.state() == NodeState::Revoked;
        match self.leaving {
            Some(Leaving::LastWords { until, .. }) => {
                if now.instant < until && self.has_last_words() {
                    return;
                }
                if revoked {
                    self.leaving = Some(Leaving::Gone);
                } else {
                    self.ask_to_leave(base, now);
                }
            }
            Some(Leaving::Asking | Leaving::PutOff(_)) if revoked => {
                self.leaving = Some(Leaving::Gone);
            }
            Some(Leaving::Asking | Leaving::PutOff(_) | Leaving::Gone) | None => {}
        }
    }

    fn has_last_words(&self) -> bool {
        // Mailboxes are deleted through the socket, and who is revoked has none.
        let may_delete = self.node.state() != NodeState::Revoked;
        !self.farewells.is_empty()
            || self.leftovers.has_parked()
            || (may_delete && self.leftovers.has_mailboxes())
    }

    fn ask_to_leave(&mut self, base: &mut Base, now: Now) {
        let (purpose, method) = (Purpose::DeleteAccount, Method::Delete);
        let asked = self
            .node
            .ask(base, purpose, method, path::ACCOUNT, Vec::new(), Vec::new());
        if asked {
            self.leaving = Some(Leaving::Asking);
        } else {
            self.put_off_leaving(base, now);
        }
    }

    fn put_off_leaving(&mut self, base: &mut Base, now: Now) {
        self.leaving = Some(Leaving::PutOff(now.instant + AGAIN_AFTER));
        if !base.notices.contains(&Notice::NodeUnreachable) {
            base.notice(Notice::NodeUnreachable);
        }
    }

    /// The node answered.
    pub(crate) fn account_deleted(&mut self, base: &mut Base, result: Outcome, now: Now) {
        if self.leaving != Some(Leaving::Asking) {
            return;
        }
        match result {
            Ok(_) => self.leaving = Some(Leaving::Gone),
            // The node has dropped the socket on which the bearer rests, and nobody has noticed here yet. That says
            // nothing about the account.
            Err(Failure::Refused(problem)) if problem.status == 401 => {
                self.node.hurry(base, now);
                self.leaving = Some(Leaving::PutOff(now.instant + AGAIN_AFTER));
            }
            Err(Failure::Refused(problem)) if !is_passing(problem.status) => {
                base.notice(refused(problem));
                self.leaving = None;
            }
            Err(Failure::Refused(_) | Failure::Later) => self.put_off_leaving(base, now),
        }
    }
}
