// SPDX-License-Identifier: MIT OR Apache-2.0
//! What happened so far, in plain integers. Nothing here says to whom it happened.

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
    /// Answers that were not given because the source had too many unauthenticated ones in one second.
    pub dropped_by_budget: u64,
    /// Data to a peer that the policy forbids.
    pub dropped_by_policy: u64,
}
