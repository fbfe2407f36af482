// SPDX-License-Identifier: MIT OR Apache-2.0
//! CreatePermission and ChannelBind: who may reach a client, and by which short name (RFC 8656 §9–12).

use core::net::IpAddr;

use hither_sansio::Instant;
use rand_core::CryptoRng;

use super::Server;
use super::allocation::{BindError, Full};
use super::reply::{Answer, Refusal};
use super::tuple::{FiveTuple, PeerAddr};
use crate::address::{AddressFamily, XorAddress};
use crate::attribute::AttributeType;
use crate::channel_data::ChannelNumber;
use crate::error_code::ErrorCode;
use crate::message::Message;

impl<R: CryptoRng> Server<R> {
    /// RFC 8656 §10.2.
    pub(super) fn create_permission(
        &mut self,
        client: FiveTuple,
        request: &Message<'_>,
        now: Instant,
    ) -> Result<Answer, Refusal> {
        let mut ips = Vec::new();
        for attribute in request.attributes() {
            if attribute.kind == AttributeType::XOR_PEER_ADDRESS {
                let peer = XorAddress::parse(attribute.value, request.transaction_id())
                    .ok_or(ErrorCode::BAD_REQUEST)?;
                self.check_peer_ip(&client, peer.ip())?;
                ips.push(peer.ip());
            }
        }
        if ips.is_empty() {
            return Err(ErrorCode::BAD_REQUEST.into());
        }
        self.permit(client, &ips, now)?;
        Ok(Answer::Done)
    }

    /// RFC 8656 §12.2.
    pub(super) fn channel_bind(
        &mut self,
        client: FiveTuple,
        request: &Message<'_>,
        now: Instant,
    ) -> Result<Answer, Refusal> {
        let channel = request
            .attribute(AttributeType::CHANNEL_NUMBER)
            .and_then(ChannelNumber::parse_attribute)
            .flatten();
        let peer = request
            .attribute(AttributeType::XOR_PEER_ADDRESS)
            .and_then(|value| XorAddress::parse(value, request.transaction_id()));
        let (Some(channel), Some(peer)) = (channel, peer) else {
            return Err(ErrorCode::BAD_REQUEST.into());
        };
        let peer = PeerAddr::new(peer);
        self.check_peer_ip(&client, peer.ip())?;
        if !self.policy.permits_channel(peer) {
            return Err(ErrorCode::FORBIDDEN.into());
        }
        let max = self.config.limits.max_channels_per_allocation;
        let allocation = self.table.allocation_mut(&client);
        let allocation = allocation.ok_or(ErrorCode::ALLOCATION_MISMATCH)?;
        match allocation.can_bind(channel, peer, max, now) {
            Ok(()) => {}
            Err(BindError::Taken) => return Err(ErrorCode::BAD_REQUEST.into()),
            Err(BindError::Full) => return Err(ErrorCode::INSUFFICIENT_CAPACITY.into()),
        }
        self.permit(client, &[peer.ip()], now)?;
        if let Some(allocation) = self.table.allocation_mut(&client) {
            allocation.bind(channel, peer, now);
        }
        Ok(Answer::Done)
    }

    fn permit(&mut self, client: FiveTuple, ips: &[IpAddr], now: Instant) -> Result<(), Refusal> {
        let max = self.config.limits.max_permissions_per_allocation;
        let allocation = self.table.allocation_mut(&client);
        let allocation = allocation.ok_or(ErrorCode::ALLOCATION_MISMATCH)?;
        allocation
            .permit(ips, max, now)
            .map_err(|Full| ErrorCode::INSUFFICIENT_CAPACITY.into())
    }

    fn check_peer_ip(&self, client: &FiveTuple, peer: IpAddr) -> Result<(), Refusal> {
        if Some(AddressFamily::of(peer)) != self.family_of(client) {
            return Err(ErrorCode::PEER_ADDRESS_FAMILY_MISMATCH.into());
        }
        if !self.policy.permits_ip(peer) {
            return Err(ErrorCode::FORBIDDEN.into());
        }
        Ok(())
    }

    pub(super) fn family_of(&self, client: &FiveTuple) -> Option<AddressFamily> {
        let allocation = self.table.allocation(client)?;
        Some(AddressFamily::of(allocation.relayed.0.ip()))
    }
}
