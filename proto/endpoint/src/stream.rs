// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ordered, reliable stream of MLS messages inside one session, whatever path carries them.
//!
//! Every message has a number. The sender keeps it until the other side acknowledges it, and hands it to the
//! data channel or the mailbox, or to both one after the other when the path changes; the receiver takes
//! each number once and in order. This is where "no loss, no double, no reordering at the switch" lives.
//! Sealing and paths are left to [`crate::contact`].

use std::collections::BTreeMap;

use hither_sansio::{Duration, Instant};
use serde::{Deserialize, Serialize};

/// Messages received out of order that are kept.
const MAX_EARLY: usize = 64;
/// How far ahead of the next expected number a message may be.
const MAX_AHEAD: u64 = 256;
/// After this long without progress, an acknowledgement of less means a loss on a channel.
const CHANNEL_PATIENCE: Duration = Duration::from_secs(5);
/// The same for a mailbox, which may still be delivering. Too little costs a double, which is recognised.
const MAILBOX_PATIENCE: Duration = Duration::from_secs(8);

/// The way a message was handed over last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    /// Not yet.
    Nowhere,
    /// The open data channel.
    Channel,
    /// An HTTP request is under way.
    Posting,
    /// The node has it.
    Mailbox,
}

/// A message that the other side has not acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) stored: StoredOutgoing,
    pub(crate) via: Via,
    pub(crate) since: Instant,
}

/// What of it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StoredOutgoing {
    /// The MLS message.
    pub(crate) body: Vec<u8>,
    /// The text that it carries.
    pub(crate) text: Option<u64>,
    /// The node had it before the last reload.
    pub(crate) posted: bool,
}

/// The sending half.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sender {
    next: u64,
    waiting: BTreeMap<u64, Outgoing>,
    /// The highest acknowledgement, and when it came.
    progress: (u64, Instant),
}

impl Sender {
    /// Continues after `next - 1` with what is still unacknowledged.
    pub(crate) fn restore(next: u64, waiting: BTreeMap<u64, StoredOutgoing>) -> Self {
        let waiting = waiting
            .into_iter()
            .map(|(number, stored)| (number, Outgoing::new(stored)))
            .collect::<BTreeMap<_, _>>();
        // What waits no more was acknowledged: to hear so again is no progress.
        let first = waiting.keys().next().copied().unwrap_or(next);
        Self {
            next,
            waiting,
            progress: (first.saturating_sub(1), Instant::ZERO),
        }
    }

    /// The number of the next message.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// The number of the newest message, 0 if there was none.
    pub(crate) fn sent(&self) -> u64 {
        self.next.saturating_sub(1)
    }

    /// What may not have left yet, or only over the channel.
    pub(crate) fn unsure(&self) -> impl Iterator<Item = (u64, &StoredOutgoing)> {
        let unsure = |outgoing: &Outgoing| outgoing.via != Via::Mailbox;
        self.waiting
            .iter()
            .filter(move |(_, outgoing)| unsure(outgoing))
            .map(|(number, outgoing)| (*number, &outgoing.stored))
    }

    /// Gives up everything that waits; answers its numbers.
    pub(crate) fn clear(&mut self) -> Vec<u64> {
        core::mem::take(&mut self.waiting).into_keys().collect()
    }

    /// Something was handed over and is not acknowledged; whether it is all over the channel.
    pub(crate) fn awaits_ack(&self) -> Option<bool> {
        let handed = |outgoing: &&Outgoing| matches!(outgoing.via, Via::Channel | Via::Mailbox);
        let first = self.waiting.values().find(handed)?;
        Some(first.via == Via::Channel)
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes a message in and names it.
    pub(crate) fn push(&mut self, stored: StoredOutgoing) -> u64 {
        let number = self.next.max(1);
        self.next = number.saturating_add(1);
        self.waiting.insert(number, Outgoing::new(stored));
        number
    }

    pub(crate) fn get(&self, number: u64) -> Option<&Outgoing> {
        self.waiting.get(&number)
    }

    /// The first message not handed over yet.
    pub(crate) fn first_unsent(&self) -> Option<u64> {
        self.waiting
            .iter()
            .find(|(_, outgoing)| outgoing.via == Via::Nowhere)
            .map(|(number, _)| *number)
    }

    /// How many HTTP requests are under way.
    pub(crate) fn posting(&self) -> usize {
        self.waiting
            .values()
            .filter(|outgoing| outgoing.via == Via::Posting)
            .count()
    }

    pub(crate) fn mark(&mut self, number: u64, via: Via, now: Instant) {
        if let Some(outgoing) = self.waiting.get_mut(&number) {
            outgoing.via = via;
            outgoing.since = now;
        }
    }

    /// The channel is gone: whatever was only there has to go another way.
    pub(crate) fn channel_lost(&mut self) {
        for outgoing in self.waiting.values_mut() {
            if outgoing.via == Via::Channel {
                outgoing.via = Via::Nowhere;
            }
        }
    }

    /// The other side has everything up to `up_to`. Answers what is done with.
    pub(crate) fn acknowledge(&mut self, up_to: u64, now: Instant) -> Vec<(u64, StoredOutgoing)> {
        let later = self.waiting.split_off(&up_to.saturating_add(1));
        let done = core::mem::replace(&mut self.waiting, later);
        let progress = up_to > self.progress.0;
        if progress {
            self.progress = (up_to, now);
        }
        let (_, moved) = self.progress;
        for outgoing in self.waiting.values_mut() {
            let patience = match outgoing.via {
                Via::Channel => CHANNEL_PATIENCE,
                Via::Mailbox => MAILBOX_PATIENCE,
                Via::Nowhere | Via::Posting => continue,
            };
            // Whoever is working through a long mailbox has lost nothing.
            if now.saturating_since(outgoing.since.max(moved)) > patience {
                outgoing.via = Via::Nowhere;
            }
        }
        done.into_iter()
            .map(|(number, outgoing)| (number, outgoing.stored))
            .collect()
    }
}

impl Outgoing {
    fn new(stored: StoredOutgoing) -> Self {
        let via = if stored.posted {
            Via::Mailbox
        } else {
            Via::Nowhere
        };
        Self {
            stored,
            via,
            since: Instant::ZERO,
        }
    }
}

/// What became of a message that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It is the next one, or waits for it: see [`Receiver::next_ready`].
    Kept,
    /// It had arrived before.
    Duplicate,
    /// It is too far ahead, or too many wait: it will be sent again.
    Refused,
}

/// The receiving half. Early messages are kept in memory only: their sender still has them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Receiver<T> {
    received: u64,
    early: BTreeMap<u64, T>,
}

impl<T> Receiver<T> {
    /// Continues after `received` messages.
    pub(crate) fn restore(received: u64) -> Self {
        Self {
            received,
            early: BTreeMap::new(),
        }
    }

    /// Everything up to here has been taken.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// A message arrived.
    pub(crate) fn arrive(&mut self, number: u64, message: T) -> Arrival {
        if number <= self.received || self.early.contains_key(&number) {
            return Arrival::Duplicate;
        }
        let ahead = number.saturating_sub(self.received);
        if ahead > MAX_AHEAD || (ahead > 1 && self.early.len() >= MAX_EARLY) {
            return Arrival::Refused;
        }
        self.early.insert(number, message);
        Arrival::Kept
    }

    /// The next message in order, if it is there. Counts as received only after [`Self::advance`].
    pub(crate) fn next_ready(&mut self) -> Option<T> {
        self.early.remove(&self.received.saturating_add(1))
    }

    /// The message from [`Self::next_ready`] is taken.
    pub(crate) fn advance(&mut self) {
        self.received = self.received.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stored(byte: u8) -> StoredOutgoing {
        StoredOutgoing {
            body: vec![byte],
            text: None,
            posted: false,
        }
    }

    #[test]
    fn what_was_only_in_the_channel_goes_another_way_when_it_closes() {
        let mut sender = Sender::default();
        let first = sender.push(stored(1));
        let second = sender.push(stored(2));
        sender.mark(first, Via::Mailbox, Instant::ZERO);
        sender.mark(second, Via::Channel, Instant::ZERO);
        assert_eq!(sender.first_unsent(), None);
        sender.channel_lost();
        assert_eq!(sender.first_unsent(), Some(second));
    }

    #[test]
    fn an_acknowledgement_of_less_sends_a_lost_message_again() {
        let mut sender = Sender::default();
        let first = sender.push(stored(1));
        sender.mark(first, Via::Channel, Instant::ZERO);
        assert!(
            sender
                .acknowledge(0, Instant::from_millis(4_000))
                .is_empty()
        );
        assert_eq!(sender.first_unsent(), None, "too early to tell");
        sender.acknowledge(0, Instant::from_millis(6_000));
        assert_eq!(sender.first_unsent(), Some(first));
    }

    #[test]
    fn a_message_far_ahead_is_refused_and_a_double_is_recognised() {
        let mut receiver = Receiver::restore(10);
        assert_eq!(receiver.arrive(11 + MAX_AHEAD, ()), Arrival::Refused);
        assert_eq!(receiver.arrive(10, ()), Arrival::Duplicate);
        assert_eq!(receiver.arrive(12, ()), Arrival::Kept);
        assert_eq!(receiver.arrive(12, ()), Arrival::Duplicate);
        assert_eq!(receiver.next_ready(), None);
    }

    proptest! {
        #[test]
        fn any_order_with_doubles_and_losses_ends_in_order_and_once(
            mut wire in proptest::collection::vec(1_u64..20, 0..200),
        ) {
            // Whatever the wire does, in the end everything is sent once more.
            wire.extend(1..20);
            let mut receiver = Receiver::default();
            let mut taken = Vec::new();
            for number in wire {
                receiver.arrive(number, number);
                while let Some(message) = receiver.next_ready() {
                    receiver.advance();
                    taken.push(message);
                }
            }
            prop_assert_eq!(taken, (1..20).collect::<Vec<_>>());
        }
    }
}
