// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who asks, and whether to believe it (RFC 8489 §9.2.4).

use hither_sansio::Now;
use rand_core::CryptoRng;

use super::Server;
use super::reply::Refusal;
use super::tuple::FiveTuple;
use crate::attribute::AttributeType;
use crate::credential::{self, MAX_USERNAME_LEN};
use crate::error_code::ErrorCode;
use crate::integrity::IntegrityKey;
use crate::message::Message;
use crate::message_type::Method;

/// A username whose request bears its integrity.
#[derive(Debug)]
pub(super) struct Authenticated {
    pub(super) username: String,
    pub(super) key: IntegrityKey,
}

impl<R: CryptoRng> Server<R> {
    /// Checks nonce, username, integrity and expiry, in the order of the RFC. Changes nothing but a counter.
    pub(super) fn authenticate(
        &mut self,
        client: &FiveTuple,
        request: &Message<'_>,
        now: Now,
    ) -> Result<Authenticated, Refusal> {
        if !request.has_integrity() {
            return Err(self.challenge(ErrorCode::UNAUTHENTICATED, client, now));
        }
        let (Some(username), Some(_), Some(nonce)) = (
            request.attribute(AttributeType::USERNAME),
            request.attribute(AttributeType::REALM),
            request.attribute(AttributeType::NONCE),
        ) else {
            return Err(ErrorCode::BAD_REQUEST.into());
        };
        let nonce_lifetime = self.config.limits.nonce_lifetime;
        if !self
            .nonce_key
            .verify(nonce, client, nonce_lifetime, now.instant)
        {
            return Err(self.challenge(ErrorCode::STALE_NONCE, client, now));
        }
        match self.check_credential(client, request, username, now) {
            Some(authenticated) => Ok(authenticated),
            None => {
                self.counters.authentication_failures += 1;
                Err(self.challenge(ErrorCode::UNAUTHENTICATED, client, now))
            }
        }
    }

    fn check_credential(
        &self,
        client: &FiveTuple,
        request: &Message<'_>,
        username: &[u8],
        now: Now,
    ) -> Option<Authenticated> {
        if username.len() > MAX_USERNAME_LEN {
            return None;
        }
        let username = core::str::from_utf8(username).ok()?;
        let expiry = credential::expiry(username)?;
        let realm = &self.config.realm;
        let mut keys = self.config.secrets.iter();
        let key = keys
            .by_ref()
            .map(|secret| secret.integrity_key(username, realm))
            .find(|key| request.verify_integrity(key))?;
        let holds_allocation = request.method() != Method::ALLOCATE
            && self
                .table
                .allocation(client)
                .is_some_and(|allocation| allocation.username == username);
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

    fn challenge(&self, code: ErrorCode, client: &FiveTuple, now: Now) -> Refusal {
        Refusal::Challenge {
            code,
            nonce: self.nonce_key.mint(client, now.instant),
        }
    }
}
