// SPDX-License-Identifier: MIT OR Apache-2.0
//! A link as tests see it: what it does to packets, and which it does not carry.

use std::net::SocketAddr;
use std::sync::Arc;

use super::backbone::Backbone;
use super::forwarder::Shared;
use super::frame::{Frame, Transport};
use super::lane::{Lane, LinkShape, Passage};

/// What a link does not carry, without saying so to anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Nothing passes: dead, but not down.
    Everything,
    /// No UDP passes.
    Udp,
    /// No UDP passes but what goes to [hosts of the backbone](super::Net::host) and comes from them: clients no longer
    /// reach each other, and still a relay.
    DirectUdp,
}

/// A link of a client or a router. It stays what it is while the other end is there.
#[derive(Debug, Clone)]
pub struct Link {
    shared: Arc<Shared>,
    port: usize,
}

impl Link {
    pub(super) fn new(shared: &Arc<Shared>, port: usize) -> Self {
        Self {
            shared: Arc::clone(shared),
            port,
        }
    }

    /// From now on, both directions are like this. What is already on the way stays on it.
    pub fn set(&self, shape: LinkShape) {
        self.set_up(shape);
        self.set_down(shape);
    }

    /// The direction away from the client, towards the backbone.
    pub fn set_up(&self, shape: LinkShape) {
        self.shared.with_line(self.port, |line| line.up.set(shape));
    }

    /// The direction towards the client.
    pub fn set_down(&self, shape: LinkShape) {
        self.shared
            .with_line(self.port, |line| line.down.set(shape));
    }

    /// Carries everything but this, from now on; what was cut before passes again.
    pub fn cut(&self, cut: Cut) {
        self.shared
            .with_line(self.port, |line| line.cut = Some(cut));
    }

    /// Carries everything again.
    pub fn mend(&self) {
        self.shared.with_line(self.port, |line| line.cut = None);
    }

    /// What has become of packets so far, away from the client and towards it.
    #[must_use]
    pub fn passed(&self) -> (Passage, Passage) {
        let mut passages = Default::default();
        self.shared.with_line(self.port, |line| {
            passages = (line.up.passage, line.down.passage);
        });
        passages
    }
}

/// A direction of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Up,
    Down,
}

/// A link as the forwarder keeps it.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) up: Lane,
    pub(super) down: Lane,
    pub(super) cut: Option<Cut>,
}

impl Line {
    pub(super) fn lane(&mut self, way: Way) -> &mut Lane {
        match way {
            Way::Up => &mut self.up,
            Way::Down => &mut self.down,
        }
    }

    /// Whether this frame runs into the cut, on this way.
    pub(super) fn cuts(&self, frame: &Frame, way: Way, backbone: &Backbone) -> bool {
        let remote: SocketAddr = match way {
            Way::Up => frame.destination(),
            Way::Down => frame.source(),
        };
        let udp = frame.transport() == Transport::Udp;
        match self.cut {
            None => false,
            Some(Cut::Everything) => true,
            Some(Cut::Udp) => udp,
            Some(Cut::DirectUdp) => udp && !backbone.is_host(remote.ip()),
        }
    }
}
