// SPDX-License-Identifier: MIT OR Apache-2.0
//! The sockets of relayed addresses, which the host opens and closes.

use hither_sansio::Now;
use rand_core::CryptoRng;

use super::allocation::{Relay, Socket};
use super::tuple::RelayedAddr;
use super::{Event, Server};
use crate::address::AddressFamily;

impl<R: CryptoRng> Server<R> {
    /// The host opened the socket that [`Event::OpenRelay`] asked for: who waits for it is answered.
    pub fn handle_relay_opened(&mut self, relayed: RelayedAddr, now: Now) {
        if let Some(slot) = self.abandoned.remove(&relayed) {
            // Its client went away in the meantime.
            self.ports.release(relayed, self.owner(slot));
            self.events.push_back(Event::CloseRelay { relayed });
            return;
        }
        self.settle_relay(relayed, true, now.instant);
    }

    /// The host could not open it: who waits for it is refused (508).
    pub fn handle_relay_failed(&mut self, relayed: RelayedAddr, now: Now) {
        if let Some(slot) = self.abandoned.remove(&relayed) {
            self.ports.release(relayed, self.owner(slot));
            return;
        }
        self.settle_relay(relayed, false, now.instant);
    }

    /// Gives up one of an allocation's relayed addresses, and with the last one the allocation.
    pub(super) fn remove_relay(&mut self, slot: u32, family: AddressFamily) {
        let Some(allocation) = self.table.get_mut(slot) else {
            return;
        };
        let relay = allocation.take_relay(family);
        if allocation.first_expiry().is_none() {
            self.remove(slot);
        } else {
            self.table.reschedule(slot);
        }
        if let Some(relay) = relay {
            self.close(slot, relay);
        }
    }

    /// Gives up an allocation.
    pub(super) fn remove(&mut self, slot: u32) {
        let Some(allocation) = self.table.remove(slot) else {
            return;
        };
        let source = allocation.client.client.ip();
        self.ports.dismiss(&allocation.username, source);
        for relay in allocation.relays() {
            self.close(slot, *relay);
        }
    }

    fn close(&mut self, slot: u32, relay: Relay) {
        let relayed = relay.address;
        match relay.socket {
            // Nobody may have the port before the host has said what became of it.
            Socket::Opening => {
                self.abandoned.insert(relayed, slot);
                return;
            }
            Socket::Open => self.events.push_back(Event::CloseRelay { relayed }),
            Socket::None => {}
        }
        self.ports.release(relayed, self.owner(slot));
    }
}
