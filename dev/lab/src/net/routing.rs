// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where a router sends a packet, and what it makes of it: switching between its clients, the NAT, the firewall.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::firewall::Firewall;
use super::frame::{Frame, Transport};
use super::nat::{Gate, Rebinding, Translator};

/// The link that leads to the backbone.
pub(super) const UPLINK: usize = 0;

/// What a router does with packets.
#[derive(Debug)]
pub(super) struct Routing {
    /// Which link leads to whom; all others are beyond [`UPLINK`].
    ports: BTreeMap<IpAddr, usize>,
    /// Without one, IPv4 passes as it is.
    translator: Option<Translator>,
    /// Without one, IPv6 passes in both directions.
    gate: Option<Gate>,
    firewall: Option<Firewall>,
    /// Whether clients reach each other over the router's own network.
    switching: bool,
}

impl Routing {
    pub(super) fn new(
        translator: Option<Translator>,
        gate: Option<Gate>,
        firewall: Option<Firewall>,
        switching: bool,
    ) -> Self {
        Self {
            ports: BTreeMap::new(),
            translator,
            gate,
            firewall,
            switching,
        }
    }

    pub(super) fn add(&mut self, port: usize, addresses: &[IpAddr]) {
        self.ports
            .extend(addresses.iter().map(|address| (*address, port)));
    }

    pub(super) fn remove(&mut self, port: usize) {
        self.ports.retain(|_, one| *one != port);
    }

    pub(super) fn set_firewall(&mut self, firewall: Option<Firewall>) {
        self.firewall = firewall;
    }

    pub(super) fn rebind(&mut self, what: Rebinding) {
        if let Some(translator) = &mut self.translator {
            translator.rebind(what);
        }
    }

    /// The links by which a packet leaves that came by this one, and what it is then.
    pub(super) fn route(
        &mut self,
        from: usize,
        frame: Frame,
        now: Duration,
    ) -> Vec<(usize, Frame)> {
        if from == UPLINK {
            return self.inwards(frame, now).into_iter().collect();
        }
        let destination = frame.destination().ip();
        if destination.is_multicast() {
            return self.to_all_but(from, &frame);
        }
        if let Some(port) = self.ports.get(&destination) {
            let passes = self.switching && *port != from;
            return passes.then_some((*port, frame)).into_iter().collect();
        }
        let outside = self.translator.as_ref().map(|nat| nat.outside().into());
        let routed = if outside == Some(destination) {
            self.hairpin(frame, now)
        } else {
            self.outwards(frame, now)
        };
        routed.into_iter().collect()
    }

    /// Names are asked for this way on a local network (RFC 6762). It never leaves it.
    fn to_all_but(&self, from: usize, frame: &Frame) -> Vec<(usize, Frame)> {
        if !self.switching {
            return Vec::new();
        }
        let mut others: Vec<usize> = self.ports.values().copied().collect();
        others.sort_unstable();
        others.dedup();
        others.retain(|port| *port != from);
        others
            .into_iter()
            .map(|port| (port, frame.clone()))
            .collect()
    }

    fn outwards(&mut self, mut frame: Frame, now: Duration) -> Option<(usize, Frame)> {
        let (transport, inside, remote) = (frame.transport(), frame.source(), frame.destination());
        if !self.lets_through(transport, remote) {
            return None;
        }
        if inside.is_ipv6() {
            if let Some(gate) = &mut self.gate {
                gate.outbound(transport, inside, remote, now);
            }
        } else if let Some(translator) = &mut self.translator {
            let outside = translator.outbound(transport, inside, remote, now)?;
            frame.set_source(outside);
        }
        Some((UPLINK, frame))
    }

    fn inwards(&self, mut frame: Frame, now: Duration) -> Option<(usize, Frame)> {
        let (transport, remote) = (frame.transport(), frame.source());
        if !self.lets_through(transport, remote) {
            return None;
        }
        if remote.is_ipv6() {
            if let Some(gate) = &self.gate
                && !gate.lets_in(transport, frame.destination(), remote)
            {
                return None;
            }
        } else if let Some(translator) = &self.translator {
            if frame.destination().ip() != translator.outside() {
                return None;
            }
            let port = frame.destination().port();
            let inside = translator.inbound(transport, port, remote, now)?;
            frame.set_destination(inside);
        }
        let port = *self.ports.get(&frame.destination().ip())?;
        (port != UPLINK).then_some((port, frame))
    }

    /// Out and in again: the receiver sees the sender's outside address (RFC 4787 REQ-9).
    fn hairpin(&mut self, mut frame: Frame, now: Duration) -> Option<(usize, Frame)> {
        let (transport, destination) = (frame.transport(), frame.destination());
        if !self.lets_through(transport, destination) {
            return None;
        }
        let translator = self.translator.as_mut().filter(|nat| nat.hairpinning())?;
        let outside = translator.outbound(transport, frame.source(), destination, now)?;
        let inside = translator.inbound(transport, destination.port(), outside, now)?;
        frame.set_source(outside);
        frame.set_destination(inside);
        let port = *self.ports.get(&inside.ip())?;
        Some((port, frame))
    }

    fn lets_through(&self, transport: Transport, remote: SocketAddr) -> bool {
        let passes = |firewall: &Firewall| firewall.lets_through(transport, remote);
        self.firewall.as_ref().is_none_or(passes)
    }
}
