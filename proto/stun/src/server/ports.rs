// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which port an allocation gets: one that nobody can guess (RFC 8656 §7.2, RFC 6056).

use rand_core::Rng;

use super::config::PortRange;

/// How often chance is tried before the range is searched from end to end.
const RANDOM_TRIES: usize = 32;

/// Draws a free port.
pub(super) fn draw(
    range: PortRange,
    even: bool,
    is_taken: impl Fn(u16) -> bool,
    rng: &mut impl Rng,
) -> Option<u16> {
    let span = u32::from(range.last - range.first) + 1;
    let port_at = |offset: u32| {
        let port = u16::try_from(u32::from(range.first) + offset % span).ok()?;
        let port = if even { port & !1 } else { port };
        (range.contains(port) && !is_taken(port)).then_some(port)
    };
    for _ in 0..RANDOM_TRIES {
        if let Some(port) = port_at(rng.next_u32() % span) {
            return Some(port);
        }
    }
    let start = rng.next_u32() % span;
    (0..span).find_map(|step| port_at(start + step))
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    const RANGE: PortRange = PortRange {
        first: 50_001,
        last: 50_004,
    };

    #[test]
    fn the_last_free_port_is_found_and_then_none() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        assert_eq!(
            draw(RANGE, false, |port| port != 50_003, &mut rng),
            Some(50_003)
        );
        assert_eq!(draw(RANGE, false, |_| true, &mut rng), None);
    }

    #[test]
    fn an_even_port_is_even_and_in_the_range() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        for _ in 0..100 {
            let port = draw(RANGE, true, |_| false, &mut rng).unwrap();
            assert!(port == 50_002 || port == 50_004, "{port}");
        }
    }

    #[test]
    fn the_whole_port_space_is_a_range() {
        let range = PortRange {
            first: 1,
            last: u16::MAX,
        };
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        assert_eq!(
            draw(range, false, |port| port != u16::MAX, &mut rng),
            Some(u16::MAX)
        );
    }
}
