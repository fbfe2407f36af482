// SPDX-License-Identifier: MIT OR Apache-2.0
//! Refresh: longer, or no longer (RFC 8656 §8).

use hither_sansio::Instant;
use rand_core::CryptoRng;

use super::Server;
use super::allocate::Wish;
use super::reply::{Answer, Refusal};
use crate::address::AddressFamily;
use crate::attribute::AttributeType;
use crate::error_code::ErrorCode;
use crate::message::Message;

impl<R: CryptoRng> Server<R> {
    /// RFC 8656 §8.2. A family that is named is meant alone; otherwise both are.
    pub(super) fn refresh(
        &mut self,
        slot: u32,
        request: &Message<'_>,
        now: Instant,
    ) -> Result<Answer, Refusal> {
        let lifetime = Wish::lifetime(request, &self.config.limits)?;
        let only = Wish::family(request, AttributeType::REQUESTED_ADDRESS_FAMILY)?;
        let allocation = self.table.get_mut(slot);
        let allocation = allocation.ok_or(ErrorCode::ALLOCATION_MISMATCH)?;
        if only.is_some_and(|family| allocation.relay(family).is_none()) {
            return Err(ErrorCode::PEER_ADDRESS_FAMILY_MISMATCH.into());
        }
        let is_meant = |family| only.is_none_or(|only| only == family);
        let families = [AddressFamily::V4, AddressFamily::V6];
        let meant = families.into_iter().filter(|family| is_meant(*family));
        if lifetime.is_zero() {
            for family in meant {
                self.remove_relay(slot, family);
            }
        } else {
            for family in meant {
                if let Some(relay) = allocation.relay_mut(family) {
                    relay.expires = now + lifetime;
                }
            }
            self.table.reschedule(slot);
        }
        Ok(Answer::Refreshed { lifetime })
    }
}
