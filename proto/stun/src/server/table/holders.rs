// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who holds how many allocations: usernames, and the networks that clients come from. Each is kept once.

use core::net::IpAddr;

use hashbrown::HashTable;
use rand_core::Rng;

use super::keyed_hash::KeyedHash;

/// The place of a holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct HolderId(u32);

/// Holders of one kind, each as long as it holds something.
#[derive(Debug)]
pub(super) struct Holders {
    hash: KeyedHash,
    places: HashTable<u32>,
    holders: Vec<Holder>,
    free: Vec<u32>,
}

#[derive(Debug, Default)]
struct Holder {
    name: Box<[u8]>,
    count: usize,
}

impl Holders {
    pub(super) fn new(rng: &mut impl Rng) -> Self {
        Self {
            hash: KeyedHash::random(rng),
            places: HashTable::new(),
            holders: Vec::new(),
            free: Vec::new(),
        }
    }

    /// How many allocations it holds.
    pub(super) fn count(&self, name: &[u8]) -> usize {
        let place = self.place(name);
        place.map_or(0, |place| at(&self.holders, place).map_or(0, |it| it.count))
    }

    pub(super) fn name(&self, id: HolderId) -> &[u8] {
        at(&self.holders, id.0).map_or(&[], |holder| &holder.name)
    }

    /// Notes that it holds one more.
    pub(super) fn add(&mut self, name: &[u8]) -> HolderId {
        let place = self.place(name).unwrap_or_else(|| self.insert(name));
        if let Some(holder) = at_mut(&mut self.holders, place) {
            holder.count += 1;
        }
        HolderId(place)
    }

    /// Notes that it holds one less, and forgets it if that was the last.
    pub(super) fn remove(&mut self, id: HolderId) {
        let Some(holder) = at_mut(&mut self.holders, id.0) else {
            return;
        };
        holder.count = holder.count.saturating_sub(1);
        if holder.count > 0 {
            return;
        }
        let hash = self.hash.of_bytes(&holder.name);
        *holder = Holder::default();
        if let Ok(entry) = self.places.find_entry(hash, |place| *place == id.0) {
            entry.remove();
            self.free.push(id.0);
        }
    }

    fn insert(&mut self, name: &[u8]) -> u32 {
        let holder = Holder {
            name: name.into(),
            count: 0,
        };
        let place = match self.free.pop() {
            Some(place) => {
                if let Some(free) = at_mut(&mut self.holders, place) {
                    *free = holder;
                }
                place
            }
            None => {
                self.holders.push(holder);
                // There are at most as many as allocations, whose places are counted in 24 bits.
                u32::try_from(self.holders.len() - 1).unwrap_or(u32::MAX)
            }
        };
        let (hash, holders) = (&self.hash, &self.holders);
        let hash_at = |place: &u32| {
            let name = at(holders, *place).map_or(&[][..], |holder| &holder.name);
            hash.of_bytes(name)
        };
        self.places
            .insert_unique(hash.of_bytes(name), place, hash_at);
        place
    }

    fn place(&self, name: &[u8]) -> Option<u32> {
        let is_it = |place: &u32| at(&self.holders, *place).is_some_and(|it| *it.name == *name);
        self.places.find(self.hash.of_bytes(name), is_it).copied()
    }
}

/// What counts as one source: an IPv4 address, or the /64 that whoever has one IPv6 address has whole.
pub(super) fn source_of(ip: IpAddr) -> ([u8; 8], usize) {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            ([a, b, c, d, 0, 0, 0, 0], 4)
        }
        IpAddr::V6(ip) => {
            let [prefix @ .., _, _, _, _, _, _, _, _] = ip.octets();
            (prefix, 8)
        }
    }
}

fn at(holders: &[Holder], place: u32) -> Option<&Holder> {
    holders.get(usize::try_from(place).ok()?)
}

fn at_mut(holders: &mut [Holder], place: u32) -> Option<&mut Holder> {
    holders.get_mut(usize::try_from(place).ok()?)
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    #[test]
    fn who_holds_nothing_any_more_is_forgotten_and_its_place_used_again() {
        let mut holders = Holders::new(&mut ChaCha20Rng::seed_from_u64(1));
        let ana = holders.add(b"ana");
        assert_eq!(holders.add(b"ana"), ana);
        let ben = holders.add(b"ben");
        assert_eq!((holders.count(b"ana"), holders.count(b"ben")), (2, 1));
        assert_eq!(holders.name(ben), b"ben");
        holders.remove(ana);
        assert_eq!(holders.count(b"ana"), 1);
        holders.remove(ana);
        assert_eq!(holders.count(b"ana"), 0);
        assert_eq!(holders.add(b"carol"), ana);
        assert_eq!(holders.holders.len(), 2);
        assert_eq!(holders.places.len(), 2);
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_source() {
        let source = |ip: &str| source_of(ip.parse().unwrap());
        assert_eq!(source("2a00:1:2:3::1"), source("2a00:1:2:3:ffff::2"));
        assert_ne!(source("2a00:1:2:3::1"), source("2a00:1:2:4::1"));
        assert_ne!(source("192.0.2.1"), source("192.0.2.2"));
    }
}
