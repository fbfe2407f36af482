// SPDX-License-Identifier: MIT OR Apache-2.0
//! Nonces that the server need not remember: a time and an HMAC over it and the client's address.
//!
//! Until a client echoes one, which proves that it can receive at its address, the server keeps no state for it.

use core::fmt;
use core::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hither_sansio::{Duration, Instant};
use hmac::{Hmac, KeyInit, Mac};
use rand_core::CryptoRng;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::server::{FiveTuple, Transport};

/// Length of a nonce on the wire, in bytes; what it encodes is `seconds (4) ‖ HMAC-SHA256 (14)`.
pub const NONCE_LEN: usize = 24;

const SECONDS_LEN: usize = 4;
const MAC_LEN: usize = 14;

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
    pub fn mint(&self, client: &FiveTuple, now: Instant) -> String {
        let seconds = seconds(now);
        let mut raw = [0; SECONDS_LEN + MAC_LEN];
        let (head, tail) = raw.split_at_mut(SECONDS_LEN);
        head.copy_from_slice(&seconds);
        tail.copy_from_slice(&self.mac(client, seconds));
        STANDARD.encode(raw)
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
        let mut raw = [0; SECONDS_LEN + MAC_LEN];
        if nonce.len() != NONCE_LEN || STANDARD.decode_slice(nonce, &mut raw).is_err() {
            return false;
        }
        let Some((&minted, mac)) = raw.split_first_chunk::<SECONDS_LEN>() else {
            return false;
        };
        let is_ours: bool = self.mac(client, minted).ct_eq(mac).into();
        let age = u32::from_be_bytes(seconds(now)).wrapping_sub(u32::from_be_bytes(minted));
        is_ours && u64::from(age) <= lifetime.as_secs()
    }

    fn mac(&self, client: &FiveTuple, seconds: [u8; SECONDS_LEN]) -> [u8; MAC_LEN] {
        let mut mac = hmac_sha256(self.0.as_slice());
        mac.update(&seconds);
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
        let mut short = [0; MAC_LEN];
        for (to, from) in short.iter_mut().zip(full) {
            *to = from;
        }
        short
    }
}

impl fmt::Debug for NonceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NonceKey(…)")
    }
}

/// Seconds of the host's clock, modulo 2^32.
fn seconds(now: Instant) -> [u8; SECONDS_LEN] {
    let [_, _, _, _, low @ ..] = (now.as_millis() / 1000).to_be_bytes();
    low
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
        assert_eq!(nonce.len(), NONCE_LEN);
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
