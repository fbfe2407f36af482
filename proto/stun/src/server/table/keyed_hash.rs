// SPDX-License-Identifier: MIT OR Apache-2.0
//! Hashes under a key of this server, so that nobody outside can choose what collides.

use core::fmt;
use core::hash::Hasher;
use core::net::{IpAddr, SocketAddr};

use foldhash::SharedSeed;
use foldhash::fast::FoldHasher;
use rand_core::Rng;

use super::super::tuple::{FiveTuple, Transport};

/// The key.
pub(super) struct KeyedHash {
    seed: u64,
    shared: SharedSeed,
}

impl KeyedHash {
    pub(super) fn random(rng: &mut impl Rng) -> Self {
        Self {
            seed: rng.next_u64(),
            shared: SharedSeed::from_u64(rng.next_u64()),
        }
    }

    pub(super) fn of_client(&self, tuple: &FiveTuple) -> u64 {
        let mut hasher = self.begin();
        write_ip(&mut hasher, tuple.client);
        write_ip(&mut hasher, tuple.local);
        let transport = match tuple.transport {
            Transport::Udp => 0,
            Transport::Tcp => 1,
        };
        let ports = u64::from(tuple.client.port()) << 16 | u64::from(tuple.local.port());
        hasher.write_u64(transport << 32 | ports);
        hasher.finish()
    }

    const fn begin(&self) -> FoldHasher<'_> {
        FoldHasher::with_seed(self.seed, &self.shared)
    }
}

fn write_ip(hasher: &mut FoldHasher<'_>, address: SocketAddr) {
    match address.ip() {
        IpAddr::V4(ip) => hasher.write_u32(ip.to_bits()),
        IpAddr::V6(ip) => hasher.write_u128(ip.to_bits()),
    }
}

impl fmt::Debug for KeyedHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyedHash(…)")
    }
}
