// SPDX-License-Identifier: MIT OR Apache-2.0
//! The node's STUN and TURN, as far as a call notices them: what address a request came from, allocations by
//! five-tuple, permissions by address. (The real server is `proto/stun`; its bytes are tested there.)

use std::collections::{BTreeMap, BTreeSet};

use crate::address::{Addr, Ip};
use crate::agent::Inner;
use crate::network::HostId;

/// Where the node listens.
pub const PORT: u16 = 3_478;

/// Who owns an allocation: one end of a five-tuple.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Client {
    /// A datagram's source address, as the node sees it.
    Datagram(Addr),
    /// A stream of this host, for the agent with this local port.
    Stream(HostId, u16),
}

/// From a client to the node.
#[derive(Clone, Copy, Debug)]
pub enum Request {
    /// Which address do you see?
    Binding,
    /// A relayed address, please; the same as before if there is one.
    Allocate,
    /// Pass this on from my relayed address. Installs the permission too.
    Send(Addr, Inner),
}

/// From the node to a client.
#[derive(Clone, Copy, Debug)]
pub enum Reply {
    /// The address that the node sees.
    Mapped(Addr),
    /// The relayed address.
    Relayed(Addr),
    /// This came to your relayed address.
    Data(Addr, Inner),
}

/// What the relay does about a request.
#[derive(Clone, Copy, Debug)]
pub enum Action {
    /// Tell a client.
    Reply(Client, Reply),
    /// Send a datagram from a relayed address to a peer.
    Forward(Addr, Addr, Inner),
}

#[derive(Clone, Debug, Default)]
struct Allocation {
    port: u16,
    permitted: BTreeSet<Ip>,
}

/// The relay's tables and counters.
#[derive(Clone, Debug)]
pub struct Relay {
    /// The node's address.
    pub ip: Ip,
    allocations: BTreeMap<Client, Allocation>,
    owners: BTreeMap<u16, Client>,
    /// Sound frames that clients have handed over.
    pub frames: u64,
}

impl Relay {
    /// A relay at this address that nobody uses.
    #[must_use]
    pub fn new(ip: Ip) -> Self {
        Self {
            ip,
            allocations: BTreeMap::new(),
            owners: BTreeMap::new(),
            frames: 0,
        }
    }

    /// A client's request.
    pub fn handle_request(&mut self, client: Client, request: Request) -> Option<Action> {
        match request {
            Request::Binding => match client {
                Client::Datagram(seen) => Some(Action::Reply(client, Reply::Mapped(seen))),
                Client::Stream(..) => None,
            },
            Request::Allocate => {
                let port = self.allocate(client);
                let relayed = Addr::new(self.ip, port);
                Some(Action::Reply(client, Reply::Relayed(relayed)))
            }
            Request::Send(to, inner) => {
                if matches!(inner, Inner::Frame { .. }) {
                    self.frames += 1;
                }
                let allocation = self.allocations.get_mut(&client)?;
                allocation.permitted.insert(to.ip);
                let from = Addr::new(self.ip, allocation.port);
                if to.ip == self.ip {
                    // The other side is this relay's client too.
                    return self.handle_peer(to.port, from, inner);
                }
                Some(Action::Forward(from, to, inner))
            }
        }
    }

    /// A datagram came to a relayed address.
    pub fn handle_peer(&mut self, port: u16, from: Addr, inner: Inner) -> Option<Action> {
        let client = *self.owners.get(&port)?;
        let allocation = self.allocations.get(&client)?;
        let permitted = allocation.permitted.contains(&from.ip);
        permitted.then_some(Action::Reply(client, Reply::Data(from, inner)))
    }

    fn allocate(&mut self, client: Client) -> u16 {
        if let Some(allocation) = self.allocations.get(&client) {
            return allocation.port;
        }
        let port = u16::try_from(49_152 + self.owners.len()).unwrap_or(u16::MAX);
        self.owners.insert(port, client);
        let allocation = Allocation {
            port,
            permitted: BTreeSet::new(),
        };
        self.allocations.insert(client, allocation);
        port
    }
}
