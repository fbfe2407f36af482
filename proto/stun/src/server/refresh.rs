// SPDX-License-Identifier: MIT OR Apache-2.0
//! Refresh: longer, or no longer (RFC 8656 §8).

use hither_sansio::Instant;
use rand_core::CryptoRng;

use super::Server;
use super::allocate::Wish;
use super::reply::{Answer, Refusal};
use super::tuple::FiveTuple;
use crate::attribute::AttributeType;
use crate::error_code::ErrorCode;
use crate::message::Message;

impl<R: CryptoRng> Server<R> {
    /// RFC 8656 §8.2.
    pub(super) fn refresh(
        &mut self,
        client: FiveTuple,
        request: &Message<'_>,
        now: Instant,
    ) -> Result<Answer, Refusal> {
        let lifetime = Wish::lifetime(request, &self.config.limits)?;
        let family = Wish::family(request, AttributeType::REQUESTED_ADDRESS_FAMILY)?;
        if family.is_some_and(|family| Some(family) != self.family_of(&client)) {
            return Err(ErrorCode::PEER_ADDRESS_FAMILY_MISMATCH.into());
        }
        if lifetime.is_zero() {
            self.remove(&client);
        } else {
            self.table.set_expiry(&client, now + lifetime);
        }
        Ok(Answer::Refreshed { lifetime })
    }
}
