// SPDX-License-Identifier: MIT OR Apache-2.0
//! Nonces that the server need not remember: a time and an HMAC over it and the client's address.
//!
//! Until a client echoes one, which proves that it can receive at its address, the server keeps no state for it.

use core::fmt;
use core::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use hither_sansio::{Duration, Instant};
use hmac::{Hmac, KeyInit, Mac};
use rand_core::CryptoRng;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::server::{FiveTuple, Transport};

/// Begins every nonce: that the server speaks RFC 8489, and which of its security features it has (§9.2).
///
/// Of the 24 bits, bit 0 (password algorithms) is set and bit 1 (username anonymity) is not: a username of
/// ours is random already, and could not be found from its hash without a table. Bits count from the least
/// significant one, as erratum 6290 and the vector of appendix B.1 have it.
pub const NONCE_COOKIE: &str = "obMatJos2AAAB";

/// Length of a nonce on the wire, in bytes: a multiple of four, so that it needs no padding.
pub const NONCE_LEN: usize = 28;

/// What follows the cookie encodes `seconds (3) ‖ HMAC-SHA256 (8)`. Forging 64 bits at a relay that answers
/// a source a few times a second takes longer than the source will be there; and a forged nonce proves only
/// an address, nobody's credential.
const RAW_LEN: usize = SECONDS_LEN + MAC_LEN;
const SECONDS_LEN: usize = 3;
const MAC_LEN: usize = 8;

/// A nonce as it stands in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonce([u8; NONCE_LEN]);

impl Nonce {
    /// The value of a NONCE attribute.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; NONCE_LEN] {
        &self.0
    }
}

/// The key of one server's nonces, drawn when it starts.
pub struct NonceKey(Zeroizing<[u8; 32]>);

impl NonceKey {
    /// Draws a key.
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        rng.fill_bytes(key.as_mut_slice());
        Self(key)
    }

    /// A nonce for this client, good from `now` on.
    #[must_use]
    pub fn mint(&self, client: &FiveTuple, now: Instant) -> Nonce {
        let seconds = seconds(now);
        let mut raw = [0; RAW_LEN];
        let (head, tail) = raw.split_at_mut(SECONDS_LEN);
        head.copy_from_slice(&low(seconds));
        tail.copy_from_slice(&self.mac(client, seconds));
        let mut nonce = [0; NONCE_LEN];
        let (cookie, rest) = nonce.split_at_mut(NONCE_COOKIE.len());
        cookie.copy_from_slice(NONCE_COOKIE.as_bytes());
        let written = STANDARD_NO_PAD.encode_slice(raw, rest);
        debug_assert_eq!(written, Ok(NONCE_LEN - NONCE_COOKIE.len()));
        Nonce(nonce)
    }

    /// Whether this nonce was minted here, for this client, at most `lifetime` ago.
    #[must_use]
    pub fn verify(
        &self,
        nonce: &[u8],
        client: &FiveTuple,
        lifetime: Duration,
        now: Instant,
    ) -> bool {
        let Some(encoded) = nonce.strip_prefix(NONCE_COOKIE.as_bytes()) else {
            return false;
        };
        let mut raw = [0; RAW_LEN];
        if nonce.len() != NONCE_LEN || STANDARD_NO_PAD.decode_slice(encoded, &mut raw).is_err() {
            return false;
        }
        let Some((&minted, mac)) = raw.split_first_chunk() else {
            return false;
        };
        let age = age(minted, now);
        // The MAC is over all of the time: what was minted before the three bytes went round is not ours.
        let is_ours = seconds(now)
            .checked_sub(age)
            .is_some_and(|minted| self.mac(client, minted).ct_eq(mac).into());
        is_ours && age <= lifetime.as_secs()
    }

    fn mac(&self, client: &FiveTuple, seconds: u64) -> [u8; MAC_LEN] {
        let mut mac = hmac_sha256(self.0.as_slice());
        mac.update(&seconds.to_be_bytes());
        mac.update(&[match client.transport {
            Transport::Udp => 0,
            Transport::Tcp => 1,
        }]);
        match client.client.ip() {
            IpAddr::V4(ip) => mac.update(&ip.to_ipv6_mapped().octets()),
            IpAddr::V6(ip) => mac.update(&ip.octets()),
        }
        mac.update(&client.client.port().to_be_bytes());
        let full: [u8; 32] = mac.finalize().into_bytes().into();
        let [a, b, c, d, e, f, g, h, ..] = full;
        [a, b, c, d, e, f, g, h]
    }
}

impl fmt::Debug for NonceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NonceKey(…)")
    }
}

/// Seconds of the host's clock.
const fn seconds(now: Instant) -> u64 {
    now.as_millis() / 1_000
}

/// The three lowest bytes.
const fn low(seconds: u64) -> [u8; SECONDS_LEN] {
    let [.., a, b, c] = seconds.to_be_bytes();
    [a, b, c]
}

/// How many seconds ago the clock's low bytes were these for the last time.
fn age(minted: [u8; SECONDS_LEN], now: Instant) -> u64 {
    let whole = |[a, b, c]: [u8; SECONDS_LEN]| u32::from_be_bytes([0, a, b, c]);
    let age = whole(low(seconds(now))).wrapping_sub(whole(minted)) & 0x00FF_FFFF;
    u64::from(age)
}

#[expect(
    clippy::expect_used,
    reason = "HMAC takes keys of any length (RFC 2104 §2)"
)]
pub(crate) fn hmac_sha256(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    const LIFETIME: Duration = Duration::from_secs(600);

    #[test]
    fn a_nonce_is_good_for_its_lifetime_and_not_a_second_longer() {
        let (key, client) = (key(1), client("192.0.2.1:1000"));
        let start = Instant::from_millis(5_000);
        let nonce = key.mint(&client, start);
        assert!(nonce.as_bytes().starts_with(b"obMatJos2AAAB"));
        let verify = |now| key.verify(nonce.as_bytes(), &client, LIFETIME, now);
        assert!(verify(start));
        assert!(verify(start + LIFETIME));
        assert!(!verify(start + LIFETIME + Duration::from_secs(1)));
    }

    #[test]
    fn a_nonce_of_another_client_or_another_server_is_worth_nothing() {
        let (here, there) = (client("192.0.2.1:1000"), client("192.0.2.1:1001"));
        let nonce = key(1).mint(&here, Instant::ZERO);
        assert!(!key(1).verify(nonce.as_bytes(), &there, LIFETIME, Instant::ZERO));
        assert!(!key(2).verify(nonce.as_bytes(), &here, LIFETIME, Instant::ZERO));
    }

    #[test]
    fn a_nonce_is_forgotten_even_when_its_time_comes_round_again() {
        let (key, client) = (key(1), client("192.0.2.1:1000"));
        let start = Instant::from_millis(5_000);
        let nonce = key.mint(&client, start);
        let again = start + Duration::from_secs(1 << 24);
        assert!(!key.verify(nonce.as_bytes(), &client, LIFETIME, again));
        assert_eq!(age(low(5), again), 0);
    }

    #[test]
    fn no_changed_character_of_a_nonce_goes_unnoticed() {
        let (key, client) = (key(1), client("192.0.2.1:1000"));
        let start = Instant::from_millis(5_000);
        let nonce = key.mint(&client, start);
        for at in 0..NONCE_LEN {
            let mut changed = *nonce.as_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert!(!key.verify(&changed, &client, LIFETIME, start), "{at}");
            assert!(!key.verify(&changed[..at], &client, LIFETIME, start));
        }
    }

    #[test]
    fn a_nonce_from_the_future_is_refused() {
        let (key, client) = (key(1), client("192.0.2.1:1000"));
        let nonce = key.mint(&client, Instant::from_millis(60_000));
        assert!(!key.verify(nonce.as_bytes(), &client, LIFETIME, Instant::ZERO));
    }

    fn key(seed: u64) -> NonceKey {
        NonceKey::random(&mut ChaCha20Rng::seed_from_u64(seed))
    }

    fn client(address: &str) -> FiveTuple {
        FiveTuple {
            transport: Transport::Udp,
            client: address.parse().unwrap(),
            local: "192.0.2.9:3478".parse().unwrap(),
        }
    }
}
