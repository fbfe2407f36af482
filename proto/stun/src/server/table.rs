// SPDX-License-Identifier: MIT OR Apache-2.0
//! All allocations of one server: in places that relayed ports lead to, found by client, and by expiry.

mod keyed_hash;

use std::collections::BTreeSet;

use hashbrown::HashTable;
use hither_sansio::Instant;
use rand_core::Rng;

use super::allocation::Allocation;
use super::ports::MAX_SLOTS;
use super::tuple::FiveTuple;
use keyed_hash::KeyedHash;

/// How many places the index has room for from the start, so that it does not grow in the middle of calls.
const FIRST_ROOM: usize = 65_536;

/// How many places are made at once.
const PIECE: usize = 64;
const PIECE_LEN: u32 = 64;

/// The allocations of one server. Its indices agree after every call.
///
/// An allocation's place says as much as its relayed port (`RelayedPorts` tells one from the other), so data
/// from peers is found without hashing; data from clients costs one keyed hash.
#[derive(Debug)]
pub(super) struct Table {
    hash: KeyedHash,
    /// In pieces of [`PIECE`], so that nothing is moved when there are more.
    slots: Vec<Box<[Option<Allocation>]>>,
    free: Vec<u32>,
    slots_by_client: HashTable<u32>,
    slots_by_expiry: BTreeSet<(Instant, u32)>,
}

impl Table {
    /// An empty one that will hold about `expected` allocations.
    pub(super) fn new(expected: usize, rng: &mut impl Rng) -> Self {
        Self {
            hash: KeyedHash::random(rng),
            slots: Vec::new(),
            free: Vec::new(),
            slots_by_client: HashTable::with_capacity(expected.min(FIRST_ROOM)),
            slots_by_expiry: BTreeSet::new(),
        }
    }

    pub(super) fn slot_of(&self, client: &FiveTuple) -> Option<u32> {
        let is_it = |slot: &u32| self.get(*slot).is_some_and(|it| it.client == *client);
        let hash = self.hash.of_client(client);
        self.slots_by_client.find(hash, is_it).copied()
    }

    pub(super) fn get(&self, slot: u32) -> Option<&Allocation> {
        at(&self.slots, slot)
    }

    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut Allocation> {
        self.place_mut(slot)?.as_mut()
    }

    pub(super) fn find(&self, client: &FiveTuple) -> Option<&Allocation> {
        self.get(self.slot_of(client)?)
    }

    pub(super) fn find_mut(&mut self, client: &FiveTuple) -> Option<&mut Allocation> {
        self.get_mut(self.slot_of(client)?)
    }

    /// All of them, in the order of their places.
    pub(super) fn allocations_mut(&mut self) -> impl Iterator<Item = &mut Allocation> {
        let places = self.slots.iter_mut().flatten();
        places.filter_map(Option::as_mut)
    }

    pub(super) fn len(&self) -> usize {
        self.slots_by_client.len()
    }

    /// Where [`Self::insert`] will put the next allocation; `None` if there is no place.
    pub(super) fn vacant(&mut self) -> Option<u32> {
        if self.free.is_empty() {
            let first = u32::try_from(self.slots.len() * PIECE).ok()?;
            let piece = first..first.checked_add(PIECE_LEN)?;
            if piece.end > MAX_SLOTS {
                return None;
            }
            self.slots.push((0..PIECE).map(|_| None).collect());
            self.free.extend(piece.rev());
        }
        self.free.last().copied()
    }

    /// Puts an allocation where [`Self::vacant`] said. There is no other of the same client.
    pub(super) fn insert(&mut self, allocation: Allocation) {
        let Some(slot) = self.free.pop() else { return };
        let (hash, due) = (self.hash.of_client(&allocation.client), allocation.due);
        if let Some(place) = self.place_mut(slot) {
            *place = Some(allocation);
        }
        self.slots_by_expiry.insert((due, slot));
        let (key, slots) = (&self.hash, &self.slots);
        let hash_at = |slot: &u32| at(slots, *slot).map_or(0, |it| key.of_client(&it.client));
        self.slots_by_client.insert_unique(hash, slot, hash_at);
    }

    pub(super) fn remove(&mut self, slot: u32) -> Option<Allocation> {
        let allocation = self.place_mut(slot)?.take()?;
        self.free.push(slot);
        let hash = self.hash.of_client(&allocation.client);
        if let Ok(entry) = self.slots_by_client.find_entry(hash, |it| *it == slot) {
            entry.remove();
        }
        self.slots_by_expiry.remove(&(allocation.due, slot));
        Some(allocation)
    }

    /// To be called whenever what an allocation has expires at another time than before.
    pub(super) fn reschedule(&mut self, slot: u32) {
        let Some(allocation) = self.get_mut(slot) else {
            return;
        };
        let (before, Some(due)) = (allocation.due, allocation.first_expiry()) else {
            return;
        };
        allocation.due = due;
        self.slots_by_expiry.remove(&(before, slot));
        self.slots_by_expiry.insert((due, slot));
    }

    /// The allocation of which something expires first.
    pub(super) fn first_to_expire(&self) -> Option<(Instant, u32)> {
        self.slots_by_expiry.first().copied()
    }

    fn place_mut(&mut self, slot: u32) -> Option<&mut Option<Allocation>> {
        let slot = usize::try_from(slot).ok()?;
        self.slots.get_mut(slot / PIECE)?.get_mut(slot % PIECE)
    }
}

fn at(slots: &[Box<[Option<Allocation>]>], slot: u32) -> Option<&Allocation> {
    let slot = usize::try_from(slot).ok()?;
    slots.get(slot / PIECE)?.get(slot % PIECE)?.as_ref()
}
