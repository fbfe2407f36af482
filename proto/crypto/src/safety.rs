// SPDX-License-Identifier: MIT OR Apache-2.0
//! Numbers that two people compare to know that nobody is in between.

use crate::identity::Fingerprint;
use crate::primitives::{derive, sha512};

const SAFETY_LABEL: &[u8] = b"hither/v1/safety number";
const CALL_LABEL: &[u8] = b"hither/v1/call number";
/// What it costs to try one identity when looking for a similar number.
const ITERATIONS: usize = 5200;

/// The safety number of two identities: twelve groups of five digits, the same on both sides.
///
/// h₀ = SHA-512(label ‖ smaller ‖ larger), hᵢ = SHA-512(hᵢ₋₁ ‖ smaller ‖ larger); each group is five bytes
/// of h₅₂₀₀ modulo 100,000.
#[must_use]
pub fn safety_number(a: &Fingerprint, b: &Fingerprint) -> String {
    let (low, high) = if a <= b { (a, b) } else { (b, a) };
    let mut hash = sha512(&[SAFETY_LABEL, low.as_bytes(), high.as_bytes()]);
    for _ in 0..ITERATIONS {
        hash = sha512(&[&hash, low.as_bytes(), high.as_bytes()]);
    }
    let groups = hash.chunks_exact(5).take(12).map(|bytes| {
        let number = bytes
            .iter()
            .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        format!("{:05}", number % 100_000)
    });
    groups.collect::<Vec<_>>().join(" ")
}

/// The short number of a call: two groups of four digits, from the epoch authenticator
/// (RFC 9420 section 8.7) and the call's id.
#[must_use]
pub fn call_number(authenticator: &[u8], call: &[u8; 16]) -> String {
    let derived = derive::<8>(call, authenticator, &[CALL_LABEL]);
    let number = u64::from_be_bytes(*derived.as_bytes()) % 100_000_000;
    format!("{:04} {:04}", number / 10_000, number % 10_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_see_the_same_number() {
        let (ana, ben) = (
            Fingerprint::from_bytes([1; 32]),
            Fingerprint::from_bytes([2; 32]),
        );
        let number = safety_number(&ana, &ben);
        assert_eq!(number, safety_number(&ben, &ana));
        assert_eq!(number.split(' ').count(), 12);
        assert!(number.split(' ').all(|group| group.len() == 5));
        let eve = Fingerprint::from_bytes([3; 32]);
        assert_ne!(number, safety_number(&ana, &eve));
    }

    #[test]
    fn a_call_number_depends_on_call_and_epoch() {
        let number = call_number(&[7; 48], &[1; 16]);
        assert_eq!(number.len(), 9);
        assert_ne!(number, call_number(&[7; 48], &[2; 16]));
        assert_ne!(number, call_number(&[8; 48], &[1; 16]));
    }
}
