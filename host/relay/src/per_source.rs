// SPDX-License-Identifier: MIT OR Apache-2.0
//! How many streams each source has: an IPv4 address, or the /64 that whoever has one IPv6 address has whole.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts streams and bounds them. It remembers only who has one.
#[derive(Debug)]
pub(crate) struct PerSource {
    most: usize,
    streams: Mutex<BTreeMap<IpAddr, usize>>,
}

/// One stream of a source; counted out when it is dropped.
#[derive(Debug)]
pub(crate) struct Entered {
    all: Arc<PerSource>,
    source: IpAddr,
}

impl PerSource {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            streams: Mutex::default(),
        })
    }

    /// Counts one more, unless there are too many.
    pub(crate) fn enter(self: &Arc<Self>, ip: IpAddr) -> Option<Entered> {
        let source = source_of(ip);
        let mut all = self.lock();
        let before = all.get(&source).copied().unwrap_or(0);
        if before >= self.most {
            return None;
        }
        all.insert(source, before + 1);
        Some(Entered {
            all: Arc::clone(self),
            source,
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<IpAddr, usize>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut all = self.all.lock();
        let left = all.get(&self.source).map_or(0, |count| count - 1);
        match left {
            0 => all.remove(&self.source),
            left => all.insert(self.source, left),
        };
    }
}

fn source_of(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_so_many_streams_and_room_again_when_one_ends() {
        let all = PerSource::new(2);
        let enter = |ip: &str| all.enter(ip.parse().unwrap());
        let first = enter("2001:db8::1");
        let second = enter("2001:db8::2");
        assert!(first.is_some() && second.is_some());
        assert!(enter("2001:db8::3").is_none(), "the same /64");
        let elsewhere = [enter("2001:db8:0:1::1"), enter("192.0.2.1")];
        assert!(elsewhere.iter().all(Option::is_some));
        drop(first);
        let third = enter("2001:db8::3");
        assert!(third.is_some());
        drop((second, third, elsewhere));
        assert!(all.lock().is_empty());
    }

    #[test]
    fn an_ipv4_address_is_one_source_however_it_is_written() {
        let all = PerSource::new(1);
        let first = all.enter("192.0.2.1".parse().unwrap());
        assert!(first.is_some());
        assert!(all.enter("::ffff:192.0.2.1".parse().unwrap()).is_none());
        assert!(all.enter("::ffff:192.0.2.2".parse().unwrap()).is_some());
    }
}
