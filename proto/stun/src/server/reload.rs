// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an operator can change while calls go on: the configuration, and whether there will be new calls.

use core::net::SocketAddr;

use rand_core::CryptoRng;

use super::Server;
use super::config::{ConfigError, Limits};
use super::peer_policy::{PeerPolicy, PeerRules};
use super::reply::Refusal;
use super::tuple::FiveTuple;
use crate::address::AddressFamily;
use crate::credential::Secrets;
use crate::error_code::ErrorCode;

/// What of a configuration can change without losing an allocation.
#[derive(Clone, Debug)]
pub struct Reload {
    /// Shared with whoever mints credentials.
    pub secrets: Secrets,
    /// Bounds; what exists beyond them stays until it ends.
    pub limits: Limits,
    /// Which peers may be reached. Permissions and channels that are no longer allowed end at once.
    pub peers: PeerRules,
}

impl<R: CryptoRng> Server<R> {
    /// Takes over another configuration. If it cannot work, everything stays as it was.
    pub fn reconfigure(&mut self, reload: Reload) -> Result<(), ConfigError> {
        let Reload {
            secrets,
            limits,
            peers,
        } = reload;
        let mut config = self.config.clone();
        (config.secrets, config.limits, config.peers) = (secrets, limits, peers);
        config.check()?;
        self.policy = PeerPolicy::new(&config);
        self.config = config;
        let policy = &self.policy;
        for allocation in self.table.allocations_mut() {
            let permits_channel = |peer| policy.permits_channel(peer);
            allocation
                .peers
                .retain(|ip| policy.permits_ip(ip), permits_channel);
        }
        Ok(())
    }

    /// From now on no allocation is made: clients are sent to the alternative of their address family
    /// (300 Try Alternate, RFC 8489 §10), or refused if there is none (508). What exists goes on, and may be
    /// refreshed.
    pub fn drain(&mut self, alternatives: Vec<SocketAddr>) {
        self.draining = Some(alternatives);
    }

    /// Whether the last allocation is gone, and nothing waits for the host.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.len() == 0 && self.abandoned.is_empty()
    }

    pub(super) fn refuse_if_draining(&self, client: &FiveTuple) -> Result<(), Refusal> {
        let Some(alternatives) = &self.draining else {
            return Ok(());
        };
        let family = AddressFamily::of(client.client.ip());
        let mut fitting = alternatives.iter();
        match fitting.find(|alternative| AddressFamily::of(alternative.ip()) == family) {
            Some(&server) => Err(Refusal::TryAlternate { server }),
            None => Err(ErrorCode::INSUFFICIENT_CAPACITY.into()),
        }
    }
}
