// SPDX-License-Identifier: MIT OR Apache-2.0
//! What happened so far, in plain integers. Nothing here says to whom it happened: no address, no name, not
//! even a port.

use crate::error_code::ErrorCode;

/// Events since the server was made; only [`Self::allocations`] goes down again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Allocations that exist now.
    pub allocations: u64,
    /// Allocations that were ever made.
    pub allocations_made: u64,
    /// Requests that were granted.
    pub requests_granted: u64,
    /// Requests that were refused, challenges (401, 438) included.
    pub requests_refused: u64,
    /// The same, by what they were told.
    pub refusals: Refusals,
    /// Requests refused because of their credential: no such username, expired, or a wrong integrity.
    pub authentication_failures: u64,
    /// Datagrams from a client to a peer.
    pub datagrams_to_peers: u64,
    /// Their payload, in bytes.
    pub bytes_to_peers: u64,
    /// Datagrams from a peer to a client.
    pub datagrams_to_clients: u64,
    /// Their payload, in bytes.
    pub bytes_to_clients: u64,
    /// Datagrams from a client to a client of the same relay; counted in neither of the above.
    pub datagrams_between_clients: u64,
    /// Their payload, in bytes.
    pub bytes_between_clients: u64,
    /// Frames that are neither STUN nor channel data, or are malformed.
    pub dropped_malformed: u64,
    /// Well-formed frames that ask for nothing this server does: responses, unknown methods, indications
    /// with attributes that are missing or unknown, retransmissions of what is being worked on.
    pub dropped_unexpected: u64,
    /// Data of clients without an allocation, or for relayed addresses without one.
    pub dropped_without_allocation: u64,
    /// Channel data on a channel that is not bound.
    pub dropped_without_channel: u64,
    /// Data to or from a peer without a permission.
    pub dropped_without_permission: u64,
    /// Answers that were not given because unauthenticated requests of the source had been answered with too
    /// many bytes.
    pub dropped_by_budget: u64,
    /// Requests with a wrong credential that were not answered because the source had failed too often.
    pub dropped_by_throttle: u64,
    /// Data beyond what its allocation may carry.
    pub dropped_by_bandwidth: u64,
    /// Data to a peer that the policy forbids.
    pub dropped_by_policy: u64,
}

impl Counters {
    /// Adds another server's, a shard's of the same relay.
    pub fn add(&mut self, other: &Self) {
        for (sum, one) in self.fields_mut().into_iter().zip(other.fields()) {
            *sum = sum.saturating_add(one);
        }
        self.refusals.add(&other.refusals);
    }

    pub(super) fn refuse(&mut self, code: ErrorCode) {
        self.requests_refused += 1;
        self.refusals.note(code);
    }

    fn fields_mut(&mut self) -> [&mut u64; 20] {
        [
            &mut self.allocations,
            &mut self.allocations_made,
            &mut self.requests_granted,
            &mut self.requests_refused,
            &mut self.authentication_failures,
            &mut self.datagrams_to_peers,
            &mut self.bytes_to_peers,
            &mut self.datagrams_to_clients,
            &mut self.bytes_to_clients,
            &mut self.datagrams_between_clients,
            &mut self.bytes_between_clients,
            &mut self.dropped_malformed,
            &mut self.dropped_unexpected,
            &mut self.dropped_without_allocation,
            &mut self.dropped_without_channel,
            &mut self.dropped_without_permission,
            &mut self.dropped_by_budget,
            &mut self.dropped_by_throttle,
            &mut self.dropped_by_bandwidth,
            &mut self.dropped_by_policy,
        ]
    }

    fn fields(&self) -> [u64; 20] {
        let mut copy = *self;
        copy.fields_mut().map(|field| *field)
    }
}

/// Requests that were refused, by error code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refusals([u64; CODES.len()]);

/// Every code that this server uses.
const CODES: [(ErrorCode, &str); 13] = [
    (ErrorCode::TRY_ALTERNATE, "300"),
    (ErrorCode::BAD_REQUEST, "400"),
    (ErrorCode::UNAUTHENTICATED, "401"),
    (ErrorCode::FORBIDDEN, "403"),
    (ErrorCode::UNKNOWN_ATTRIBUTE, "420"),
    (ErrorCode::ALLOCATION_MISMATCH, "437"),
    (ErrorCode::STALE_NONCE, "438"),
    (ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED, "440"),
    (ErrorCode::WRONG_CREDENTIALS, "441"),
    (ErrorCode::UNSUPPORTED_TRANSPORT_PROTOCOL, "442"),
    (ErrorCode::PEER_ADDRESS_FAMILY_MISMATCH, "443"),
    (ErrorCode::ALLOCATION_QUOTA_REACHED, "486"),
    (ErrorCode::INSUFFICIENT_CAPACITY, "508"),
];

impl Refusals {
    /// How many requests were refused with this code.
    #[must_use]
    pub fn with(&self, code: ErrorCode) -> u64 {
        let mut all = CODES.iter().zip(self.0);
        all.find(|((known, _), _)| *known == code)
            .map_or(0, |(_, count)| count)
    }

    /// Every code that this server uses, in text, and how many requests were refused with it.
    pub fn by_code(self) -> impl Iterator<Item = (&'static str, u64)> {
        CODES.iter().zip(self.0).map(|((_, text), n)| (*text, n))
    }

    fn note(&mut self, code: ErrorCode) {
        let mut all = CODES.iter().zip(&mut self.0);
        let counter = all.find(|((known, _), _)| *known == code);
        debug_assert!(counter.is_some(), "every code that is used is counted");
        if let Some((_, count)) = counter {
            *count += 1;
        }
    }

    fn add(&mut self, other: &Self) {
        for (sum, one) in self.0.iter_mut().zip(other.0) {
            *sum = sum.saturating_add(one);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_is_summed() {
        // Each field another number, none of which another could make up.
        let mut one = Counters::default();
        for (index, field) in (0..).zip(one.fields_mut()) {
            *field = 1_000 + index;
        }
        for (code, _) in CODES {
            one.refusals.note(code);
        }
        let mut sum = one;
        sum.add(&one);
        for (twice, once) in sum.fields().into_iter().zip(one.fields()) {
            assert_eq!(twice, 2 * once);
        }
        for (code, _) in CODES {
            assert_eq!(sum.refusals.with(code), 2);
        }
        // Nothing was forgotten in the list of fields.
        assert_eq!(
            size_of::<Counters>(),
            8 * (one.fields().len() + CODES.len())
        );
    }

    #[test]
    fn a_label_is_what_its_code_is() {
        for (code, text) in CODES {
            assert_eq!(code.number().to_string(), text);
        }
    }
}
