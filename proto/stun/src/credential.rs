// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ephemeral credentials: a username that carries its expiry, a password that anyone with the shared
//! secret can recompute (draft-uberti-behave-turn-rest-00). The relay keeps no account.
//!
//! `username = <expiry in Unix seconds>:<random>`, `password = base64(HMAC-SHA1(secret, username))`

use core::fmt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hither_sansio::{Duration, UnixTime};
use hmac::Mac;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::integrity::{IntegrityKey, PasswordAlgorithm, hmac_sha1};

/// The longest USERNAME that is looked at, in bytes (RFC 8489 §14.3).
pub const MAX_USERNAME_LEN: usize = 508;

const RANDOM_LEN: usize = 12;

/// What the relay and whoever mints credentials for it both know.
#[derive(Clone)]
pub struct SharedSecret(Zeroizing<Vec<u8>>);

impl SharedSecret {
    /// Wraps the secret; 32 random bytes are a good one.
    #[must_use]
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// Draws one.
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = Zeroizing::new(vec![0; 32]);
        rng.fill_bytes(bytes.as_mut_slice());
        Self(bytes)
    }

    /// The key with which the owner of this username signs its requests, if it negotiated this algorithm,
    /// or none.
    pub(crate) fn integrity_key(
        &self,
        negotiated: Option<PasswordAlgorithm>,
        username: &str,
        realm: &str,
    ) -> IntegrityKey {
        let password = self.password(username);
        match negotiated {
            None => IntegrityKey::long_term(username, realm, &password),
            Some(algorithm) => IntegrityKey::negotiated(algorithm, username, realm, &password),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn password(&self, username: &str) -> Zeroizing<String> {
        let mut mac = hmac_sha1(&self.0);
        mac.update(username.as_bytes());
        Zeroizing::new(STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret(…)")
    }
}

/// The secret that credentials are minted with, and the one before it, whose credentials are still good
/// while the secret is being changed everywhere.
#[derive(Clone, Debug)]
pub struct Secrets {
    /// What new credentials are minted with.
    pub current: SharedSecret,
    /// What older ones were minted with.
    pub previous: Option<SharedSecret>,
}

impl Secrets {
    /// One secret, and none before it.
    #[must_use]
    pub const fn only(current: SharedSecret) -> Self {
        Self {
            current,
            previous: None,
        }
    }

    /// The newest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &SharedSecret> {
        core::iter::once(&self.current).chain(&self.previous)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.iter().any(SharedSecret::is_empty)
    }
}

/// What a client needs to get allocations until the expiry in its username.
#[derive(Clone, PartialEq, Eq)]
pub struct TurnCredential {
    /// The expiry and random bytes; means nothing to anyone else.
    pub username: String,
    /// Proves that whoever knows the shared secret handed the username out.
    pub password: String,
}

impl fmt::Debug for TurnCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TurnCredential(…)")
    }
}

/// Makes a credential with which allocations can be made for `ttl` from `now` on.
pub fn mint(
    secret: &SharedSecret,
    now: UnixTime,
    ttl: Duration,
    rng: &mut impl CryptoRng,
) -> TurnCredential {
    let mut random = [0; RANDOM_LEN];
    rng.fill_bytes(&mut random);
    let expiry = (now + ttl).as_secs();
    let username = format!("{expiry}:{}", URL_SAFE_NO_PAD.encode(random));
    let password = secret.password(&username).to_string();
    TurnCredential { username, password }
}

/// The expiry that a username carries; `None` if it carries none.
#[must_use]
pub fn expiry(username: &str) -> Option<UnixTime> {
    let (digits, _) = username.split_once(':')?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().map(UnixTime::from_secs)
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    #[test]
    fn a_minted_username_says_when_it_expires() {
        let secret = SharedSecret::new(*b"secret");
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let now = UnixTime::from_secs(1_000);
        let credential = mint(&secret, now, Duration::from_secs(60), &mut rng);
        assert_eq!(
            expiry(&credential.username),
            Some(UnixTime::from_secs(1_060))
        );
    }

    #[test]
    fn the_password_is_what_other_implementations_compute() {
        // printf %s 1060:x | openssl dgst -sha1 -hmac secret -binary | base64
        let secret = SharedSecret::new(*b"secret");
        assert_eq!(*secret.password("1060:x"), "lhVyha/DNMkb6FoHuIe2JW9JZNo=");
    }

    #[test]
    fn two_credentials_of_the_same_moment_differ() {
        let secret = SharedSecret::new(*b"secret");
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let mut mint = || {
            mint(
                &secret,
                UnixTime::from_secs(0),
                Duration::from_secs(1),
                &mut rng,
            )
        };
        assert_ne!(mint(), mint());
    }

    #[test]
    fn usernames_without_an_expiry_have_none() {
        for username in [
            "",
            ":",
            "ana",
            "ana:1",
            "+5:x",
            "99999999999999999999999:x",
            "5",
        ] {
            assert_eq!(expiry(username), None, "{username}");
        }
    }

    #[test]
    fn nothing_secret_can_be_printed() {
        let secret = SharedSecret::new(*b"hush");
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let credential = mint(&secret, UnixTime::from_secs(0), Duration::ZERO, &mut rng);
        assert_eq!(format!("{secret:?}"), "SharedSecret(…)");
        assert_eq!(format!("{credential:?}"), "TurnCredential(…)");
    }
}
