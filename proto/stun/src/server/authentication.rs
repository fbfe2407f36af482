// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who asks, and whether to believe it (RFC 8489 §9.2.4).
//!
//! The nonce is looked at before the username and the integrity, not after them as the RFC lists it: it is
//! the cheapest to check, and it proves the source's address, so that nobody fails in another's name.

use hither_sansio::Now;
use rand_core::CryptoRng;

use super::Server;
use super::reply::Refusal;
use super::tuple::FiveTuple;
use crate::attribute::AttributeType;
use crate::credential::{self, MAX_USERNAME_LEN};
use crate::error_code::ErrorCode;
use crate::integrity::{IntegrityKey, PasswordAlgorithm};
use crate::message::Message;
use crate::message_type::Method;
use crate::nonce::NONCE_COOKIE;

/// The value of PASSWORD-ALGORITHMS in every challenge: SHA-256 and MD5, the better first.
pub(super) const PASSWORD_ALGORITHMS: [u8; 8] = {
    let [a, b, c, d] = PasswordAlgorithm::Sha256.emit();
    let [e, f, g, h] = PasswordAlgorithm::Md5.emit();
    [a, b, c, d, e, f, g, h]
};

/// A username whose request bears its integrity.
#[derive(Debug)]
pub(super) struct Authenticated {
    pub(super) username: String,
    pub(super) key: IntegrityKey,
}

impl<R: CryptoRng> Server<R> {
    /// Checks nonce, username, integrity and expiry. Changes nothing but counters and budgets. None, if it is
    /// wrong and the source has failed so often that it is not even told.
    pub(super) fn authenticate(
        &mut self,
        client: &FiveTuple,
        request: &Message<'_>,
        now: Now,
    ) -> Result<Option<Authenticated>, Refusal> {
        if !request.has_integrity() {
            return Err(self.challenge(ErrorCode::UNAUTHENTICATED, client, now));
        }
        let username = request.attribute(AttributeType::USERNAME);
        let has_username = username.is_some() || has(request, AttributeType::USERHASH);
        let nonce = request.attribute(AttributeType::NONCE);
        let (true, true, Some(nonce)) = (has_username, has(request, AttributeType::REALM), nonce)
        else {
            return Err(ErrorCode::BAD_REQUEST.into());
        };
        let algorithm = password_algorithm(request, nonce)?;
        let nonce_lifetime = self.config.limits.nonce_lifetime;
        if !self
            .nonce_key
            .verify(nonce, client, nonce_lifetime, now.instant)
        {
            return Err(self.challenge(ErrorCode::STALE_NONCE, client, now));
        }
        let source = client.client.ip();
        let failures = self.config.limits.failures;
        if let Some(authenticated) =
            self.check_credential(client, request, username, algorithm, now)
        {
            // However often others at this source failed: nobody guesses 160 bits, and nobody may lock out who
            // need not guess.
            return Ok(Some(authenticated));
        }
        self.counters.authentication_failures += 1;
        if !self.budget.may_fail(source, failures, now.instant) {
            self.counters.dropped_by_throttle += 1;
            return Ok(None);
        }
        self.budget.fail(source, failures, now.instant);
        Err(self.challenge(ErrorCode::UNAUTHENTICATED, client, now))
    }

    /// There is no username behind a USERHASH: whose it is could only be found in a table of usernames, and
    /// none is kept. A client that read our nonce's cookie sends none.
    fn check_credential(
        &self,
        client: &FiveTuple,
        request: &Message<'_>,
        username: Option<&[u8]>,
        algorithm: Option<PasswordAlgorithm>,
        now: Now,
    ) -> Option<Authenticated> {
        let username = username.filter(|username| username.len() <= MAX_USERNAME_LEN)?;
        let username = core::str::from_utf8(username).ok()?;
        let expiry = credential::expiry(username)?;
        let held = self.table.find(client);
        let held = held.filter(|allocation| *allocation.username == *username);
        let known_key = held.map(|allocation| &allocation.key);
        let known_key = known_key
            .filter(|key| key.negotiated_algorithm() == algorithm)
            .filter(|key| request.verify_integrity(key));
        let key = known_key
            .cloned()
            .or_else(|| self.derive_key(request, username, algorithm))?;
        let holds_allocation = request.method() != Method::ALLOCATE && held.is_some();
        let good_until = if holds_allocation {
            expiry + self.config.limits.refresh_after_expiry
        } else {
            expiry
        };
        (now.unix < good_until).then(|| Authenticated {
            username: username.to_owned(),
            key,
        })
    }

    /// The key of this username, if it made the request's integrity.
    fn derive_key(
        &self,
        request: &Message<'_>,
        username: &str,
        algorithm: Option<PasswordAlgorithm>,
    ) -> Option<IntegrityKey> {
        let realm = &self.config.realm;
        self.config.secrets.iter().find_map(|secret| {
            let key = secret.integrity_key(algorithm, username, realm);
            request.verify_integrity(&key).then_some(key)
        })
    }

    fn challenge(&self, code: ErrorCode, client: &FiveTuple, now: Now) -> Refusal {
        Refusal::Challenge {
            code,
            nonce: self.nonce_key.mint(client, now.instant),
        }
    }
}

/// The algorithm that the client negotiated; none, if it knows of none and means MD5.
///
/// Somebody on the way who takes PASSWORD-ALGORITHMS out of a challenge, so that the weaker algorithm is used,
/// must also take the bit out of the nonce's cookie, which [`NonceKey`](crate::nonce::NonceKey) then refuses;
/// or the client echoes another list than it was sent, which is refused here (RFC 8489 §9.2.1).
fn password_algorithm(
    request: &Message<'_>,
    nonce: &[u8],
) -> Result<Option<PasswordAlgorithm>, Refusal> {
    if !nonce.starts_with(NONCE_COOKIE.as_bytes()) {
        // Not ours, and about to be called stale.
        return Ok(None);
    }
    match (
        request.attribute(AttributeType::PASSWORD_ALGORITHM),
        request.attribute(AttributeType::PASSWORD_ALGORITHMS),
    ) {
        (None, None) => Ok(None),
        (Some(chosen), Some(offered)) if offered == PASSWORD_ALGORITHMS => {
            match PasswordAlgorithm::parse(chosen) {
                Some(algorithm) => Ok(Some(algorithm)),
                None => Err(ErrorCode::BAD_REQUEST.into()),
            }
        }
        _ => Err(ErrorCode::BAD_REQUEST.into()),
    }
}

fn has(request: &Message<'_>, kind: AttributeType) -> bool {
    request.attribute(kind).is_some()
}
