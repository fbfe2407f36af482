// SPDX-License-Identifier: MIT OR Apache-2.0
//! A window over the counters that were seen, as RFC 6479 describes it.

use serde::{Deserialize, Serialize};

/// How far behind the newest counter one may be.
const SPAN: u64 = 1024;
const WORDS: usize = 17; // SPAN / 64, and one that is being filled

/// Remembers the last [`SPAN`] counters.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Window {
    newest: Option<u64>,
    seen: [u64; WORDS],
}

impl Window {
    pub(crate) const fn new() -> Self {
        Self {
            newest: None,
            seen: [0; WORDS],
        }
    }

    /// Whether the counter was not seen and is not too old to tell. Changes nothing: what does not
    /// authenticate must not move the window.
    pub(crate) fn is_fresh(&self, counter: u64) -> bool {
        let Some(newest) = self.newest else {
            return true;
        };
        if counter > newest {
            return true;
        }
        let (word, bit) = Self::place(counter);
        newest - counter < SPAN && self.seen.get(word).is_some_and(|word| word & bit == 0)
    }

    /// Marks an authenticated counter as seen.
    pub(crate) fn record(&mut self, counter: u64) {
        let old = self.newest.map(|newest| newest / 64);
        if self.newest.is_none_or(|newest| counter > newest) {
            let steps = old.map_or(0, |old| counter / 64 - old);
            for step in 0..steps.min(WORDS as u64) {
                let (word, _) = Self::place((counter / 64 - step) * 64);
                self.clear(word);
            }
            self.newest = Some(counter);
        }
        let (word, bit) = Self::place(counter);
        if let Some(word) = self.seen.get_mut(word) {
            *word |= bit;
        }
    }

    fn clear(&mut self, word: usize) {
        if let Some(word) = self.seen.get_mut(word) {
            *word = 0;
        }
    }

    fn place(counter: u64) -> (usize, u64) {
        let word = counter / 64 % WORDS as u64;
        (usize::try_from(word).unwrap_or(0), 1 << (counter % 64))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_counter_is_fresh_once() {
        let mut window = Window::new();
        for counter in [0, 5, 3, 1 << 40, (1 << 40) - 1023, u64::MAX] {
            assert!(window.is_fresh(counter), "{counter}");
            window.record(counter);
            assert!(!window.is_fresh(counter), "{counter}");
        }
        assert!(!window.is_fresh(7), "too old to tell");
    }

    proptest! {
        #[test]
        fn the_window_agrees_with_a_set(steps in proptest::collection::vec((0_u64..3000, any::<bool>()), 1..300)) {
            let mut window = Window::new();
            let mut seen = BTreeSet::new();
            let mut base = 0;
            for (offset, forward) in steps {
                let counter = if forward { base + offset } else { base.saturating_sub(offset) };
                let newest = seen.last().copied().unwrap_or(0);
                let expected = seen.is_empty()
                    || counter > newest
                    || (newest - counter < SPAN && !seen.contains(&counter));
                prop_assert_eq!(window.is_fresh(counter), expected, "{} after {}", counter, newest);
                if expected {
                    window.record(counter);
                    seen.insert(counter);
                }
                base = seen.last().copied().unwrap_or(0);
            }
        }
    }
}
