// SPDX-License-Identifier: MIT OR Apache-2.0
//! How many connections each source has, in memory only.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::source::Source;

/// Counts connections and bounds them.
#[derive(Debug)]
pub(crate) struct PerSource {
    most: usize,
    connections: Mutex<BTreeMap<Source, usize>>,
}

/// One connection; counted out when it is dropped.
#[derive(Debug)]
pub(crate) struct Entered {
    all: Arc<PerSource>,
    source: Source,
}

impl PerSource {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            connections: Mutex::default(),
        })
    }

    /// Counts one more, unless there are too many.
    pub(crate) fn enter(self: &Arc<Self>, ip: IpAddr) -> Option<Entered> {
        let source = Source::of(ip);
        let mut all = self.lock();
        let connections = all.entry(source).or_default();
        if *connections >= self.most {
            return None;
        }
        *connections += 1;
        Some(Entered {
            all: Arc::clone(self),
            source,
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Source, usize>> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut all = self.all.lock();
        if let Some(connections) = all.get_mut(&self.source) {
            *connections -= 1;
            if *connections == 0 {
                all.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_has_so_many_connections_and_room_again_when_one_ends() {
        let all = PerSource::new(2);
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        let first = all.enter(ip("2a00:1::1"));
        let second = all.enter(ip("2a00:1::2"));
        assert!(first.is_some() && second.is_some());
        assert!(all.enter(ip("2a00:1::3")).is_none(), "one /64");
        assert!(all.enter(ip("192.0.2.1")).is_some());
        drop(first);
        assert!(all.enter(ip("2a00:1::3")).is_some());
        drop(second);
        assert!(all.lock().is_empty());
    }
}
