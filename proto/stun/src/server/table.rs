// SPDX-License-Identifier: MIT OR Apache-2.0
//! All allocations, found by client, by relayed address, and by expiry.

use std::collections::{BTreeMap, BTreeSet};

use hither_sansio::Instant;

use super::allocation::{Allocation, Opening};
use super::tuple::{FiveTuple, RelayedAddr};

/// The allocations of one server and those about to be. Its indices agree after every call.
#[derive(Debug, Default)]
pub(super) struct Table {
    allocations_by_client: BTreeMap<FiveTuple, Allocation>,
    clients_by_relayed: BTreeMap<RelayedAddr, FiveTuple>,
    openings_by_relayed: BTreeMap<RelayedAddr, Opening>,
    clients_by_expiry: BTreeSet<(Instant, FiveTuple)>,
    count_by_username: BTreeMap<String, usize>,
}

impl Table {
    pub(super) fn allocation(&self, client: &FiveTuple) -> Option<&Allocation> {
        self.allocations_by_client.get(client)
    }

    /// For permissions and channels; the expiry is changed by [`Self::set_expiry`] alone.
    pub(super) fn allocation_mut(&mut self, client: &FiveTuple) -> Option<&mut Allocation> {
        self.allocations_by_client.get_mut(client)
    }

    pub(super) fn client_of(&self, relayed: RelayedAddr) -> Option<FiveTuple> {
        self.clients_by_relayed.get(&relayed).copied()
    }

    pub(super) fn is_opening(&self, client: &FiveTuple) -> bool {
        self.openings_by_relayed
            .values()
            .any(|opening| opening.client == *client)
    }

    /// Allocations, and those about to be.
    pub(super) fn len(&self) -> usize {
        self.allocations_by_client.len() + self.openings_by_relayed.len()
    }

    pub(super) fn allocations(&self) -> usize {
        self.allocations_by_client.len()
    }

    pub(super) fn count_of(&self, username: &str) -> usize {
        self.count_by_username.get(username).copied().unwrap_or(0)
    }

    pub(super) fn insert_opening(&mut self, relayed: RelayedAddr, opening: Opening) {
        *self
            .count_by_username
            .entry(opening.username.clone())
            .or_default() += 1;
        self.openings_by_relayed.insert(relayed, opening);
    }

    pub(super) fn remove_opening(&mut self, relayed: RelayedAddr) -> Option<Opening> {
        let opening = self.openings_by_relayed.remove(&relayed)?;
        self.forget_one_of(&opening.username);
        Some(opening)
    }

    /// Forgets what is being opened for a client that went away.
    pub(super) fn remove_opening_of(&mut self, client: &FiveTuple) {
        let relayed = self
            .openings_by_relayed
            .iter()
            .find(|(_, opening)| opening.client == *client)
            .map(|(relayed, _)| *relayed);
        if let Some(relayed) = relayed {
            self.remove_opening(relayed);
        }
    }

    pub(super) fn insert(&mut self, client: FiveTuple, allocation: Allocation) {
        *self
            .count_by_username
            .entry(allocation.username.clone())
            .or_default() += 1;
        self.clients_by_relayed.insert(allocation.relayed, client);
        self.clients_by_expiry.insert((allocation.expires, client));
        self.allocations_by_client.insert(client, allocation);
    }

    pub(super) fn remove(&mut self, client: &FiveTuple) -> Option<Allocation> {
        let allocation = self.allocations_by_client.remove(client)?;
        self.clients_by_relayed.remove(&allocation.relayed);
        self.clients_by_expiry
            .remove(&(allocation.expires, *client));
        self.forget_one_of(&allocation.username);
        Some(allocation)
    }

    pub(super) fn set_expiry(&mut self, client: &FiveTuple, expires: Instant) {
        if let Some(allocation) = self.allocations_by_client.get_mut(client) {
            self.clients_by_expiry
                .remove(&(allocation.expires, *client));
            self.clients_by_expiry.insert((expires, *client));
            allocation.expires = expires;
        }
    }

    /// The allocation that expires first.
    pub(super) fn first_to_expire(&self) -> Option<(Instant, FiveTuple)> {
        self.clients_by_expiry.first().copied()
    }

    fn forget_one_of(&mut self, username: &str) {
        if let Some(count) = self.count_by_username.get_mut(username) {
            *count -= 1;
            if *count == 0 {
                self.count_by_username.remove(username);
            }
        }
    }
}
