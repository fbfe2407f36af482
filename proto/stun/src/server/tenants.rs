// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who has how many allocations, in all shards of a relay together: usernames, and the networks that clients
//! come from.

use core::net::IpAddr;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::config::Limits;
use crate::error_code::ErrorCode;

/// Each name is kept once, as long as somebody has an allocation by it.
#[derive(Debug, Default)]
pub(super) struct Tenants {
    count: usize,
    by_username: BTreeMap<Arc<str>, usize>,
    by_source: BTreeMap<Source, usize>,
}

/// An IPv4 address, or the /64 that whoever has one IPv6 address has whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    V4([u8; 4]),
    V6([u8; 8]),
}

impl Tenants {
    /// Notes one more allocation, if all bounds allow it.
    pub(super) fn admit(
        &mut self,
        username: &str,
        ip: IpAddr,
        limits: &Limits,
    ) -> Result<Arc<str>, ErrorCode> {
        let known = self.by_username.get_key_value(username);
        let of_username = known.map_or(0, |(_, count)| *count);
        let source = Source::of(ip);
        let of_source = self.by_source.get(&source).copied().unwrap_or(0);
        if of_username >= limits.max_allocations_per_username
            || of_source >= limits.max_allocations_per_source
        {
            return Err(ErrorCode::ALLOCATION_QUOTA_REACHED);
        }
        if self.count >= limits.max_allocations {
            return Err(ErrorCode::INSUFFICIENT_CAPACITY);
        }
        let username = known.map_or_else(|| username.into(), |(name, _)| Arc::clone(name));
        self.count += 1;
        self.by_username
            .insert(Arc::clone(&username), of_username + 1);
        self.by_source.insert(source, of_source + 1);
        Ok(username)
    }

    /// Notes that one that was admitted is gone.
    pub(super) fn dismiss(&mut self, username: &Arc<str>, ip: IpAddr) {
        self.count = self.count.saturating_sub(1);
        decrement(&mut self.by_username, username);
        decrement(&mut self.by_source, &Source::of(ip));
    }

    pub(super) const fn count(&self) -> usize {
        self.count
    }
}

impl Source {
    fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => Self::V4(ip.octets()),
            IpAddr::V6(ip) => {
                let [prefix @ .., _, _, _, _, _, _, _, _] = ip.octets();
                Self::V6(prefix)
            }
        }
    }
}

fn decrement<K: Ord>(counts: &mut BTreeMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        max_allocations: 5,
        max_allocations_per_username: 2,
        max_allocations_per_source: 3,
        ..Limits::RECOMMENDED
    };
    const QUOTA: Result<Arc<str>, ErrorCode> = Err(ErrorCode::ALLOCATION_QUOTA_REACHED);
    const FULL: Result<Arc<str>, ErrorCode> = Err(ErrorCode::INSUFFICIENT_CAPACITY);

    #[test]
    fn usernames_sources_and_all_together_have_their_bounds() {
        let mut tenants = Tenants::default();
        let mut admit = |name: &str, ip: &str| tenants.admit(name, ip.parse().unwrap(), &LIMITS);
        let ana = admit("ana", "192.0.2.1").unwrap();
        assert!(Arc::ptr_eq(&ana, &admit("ana", "192.0.2.1").unwrap()));
        assert_eq!(admit("ana", "192.0.2.9"), QUOTA);
        // One IPv6 network is one source.
        for host in 1..=3 {
            let name = format!("guest {host}");
            assert!(admit(&name, &format!("2a00:1:2:3::{host}")).is_ok());
        }
        assert_eq!(admit("guest 4", "2a00:1:2:3:ffff::4"), QUOTA);
        assert_eq!(admit("guest 4", "2a00:1:2:4::4"), FULL);
    }

    #[test]
    fn what_is_given_back_can_be_had_again_and_nobody_is_remembered() {
        let mut tenants = Tenants::default();
        let ip = "192.0.2.1".parse().unwrap();
        for _ in 0..10 {
            let all: Vec<_> = (0..2)
                .map(|_| tenants.admit("ana", ip, &LIMITS).unwrap())
                .collect();
            assert_eq!(tenants.admit("ana", ip, &LIMITS), QUOTA);
            for name in &all {
                tenants.dismiss(name, ip);
            }
        }
        assert_eq!(tenants.count(), 0);
        assert!(tenants.by_username.is_empty() && tenants.by_source.is_empty());
    }
}
