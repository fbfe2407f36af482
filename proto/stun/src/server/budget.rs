// SPDX-License-Identifier: MIT OR Apache-2.0
//! How often the relay answers those who have not proved that they are where they say.
//!
//! Over UDP anyone can ask in another's name, and the answer is longer than the question. Each source has so
//! many answers a second, then silence. Sources share a fixed number of buckets under a keyed hash, so a flood
//! from many names can neither fill a table nor aim at a victim's bucket.

use core::fmt;
use core::net::IpAddr;

use hither_sansio::Instant;
use hmac::Mac;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::nonce::hmac_sha256;

const BUCKETS: usize = 4_096;

/// What was spent in the current second.
pub(super) struct Budget {
    key: Zeroizing<[u8; 32]>,
    second: u64,
    spent: Vec<u32>,
}

impl Budget {
    pub(super) fn new(rng: &mut impl CryptoRng) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        rng.fill_bytes(key.as_mut_slice());
        Self {
            key,
            second: 0,
            spent: vec![0; BUCKETS],
        }
    }

    /// Takes one answer out of the source's budget; false if there is none left.
    pub(super) fn spend(&mut self, source: IpAddr, max: u32, now: Instant) -> bool {
        let second = now.as_millis() / 1_000;
        if second != self.second {
            self.second = second;
            self.spent.fill(0);
        }
        let bucket = self.bucket(source);
        match self.spent.get_mut(bucket) {
            Some(spent) if *spent < max => {
                *spent += 1;
                true
            }
            _ => false,
        }
    }

    fn bucket(&self, source: IpAddr) -> usize {
        let mut mac = hmac_sha256(self.key.as_slice());
        match source {
            IpAddr::V4(ip) => mac.update(&ip.octets()),
            // Whoever has one IPv6 address has a whole /64.
            IpAddr::V6(ip) => {
                let [prefix @ .., _, _, _, _, _, _, _, _] = ip.octets();
                mac.update(&prefix);
            }
        }
        let [a, b, ..]: [u8; 32] = mac.finalize().into_bytes().into();
        usize::from(u16::from_be_bytes([a, b])) % BUCKETS
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Budget(…)")
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    #[test]
    fn a_source_is_answered_so_often_a_second_and_again_in_the_next() {
        let mut budget = budget();
        let source = "192.0.2.1".parse().unwrap();
        for second in 1..4 {
            let now = Instant::from_millis(second * 1_000 + 500);
            let answered = (0..10).filter(|_| budget.spend(source, 3, now)).count();
            assert_eq!(answered, 3);
        }
    }

    #[test]
    fn all_addresses_of_one_ipv6_network_share_a_budget() {
        let mut budget = budget();
        let now = Instant::ZERO;
        assert!(budget.spend("2a00:1:2:3::1".parse().unwrap(), 1, now));
        assert!(!budget.spend("2a00:1:2:3:ffff::2".parse().unwrap(), 1, now));
        assert!(budget.spend("2a00:1:2:4::1".parse().unwrap(), 1, now));
    }

    fn budget() -> Budget {
        Budget::new(&mut ChaCha20Rng::seed_from_u64(1))
    }
}
