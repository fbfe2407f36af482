// SPDX-License-Identifier: MIT OR Apache-2.0
//! Networks joined by NATs, and the lines of the hosts in them.
//!
//! A packet passes the NATs on its way out when it leaves, and those on its way in when it has crossed the
//! backbone: that is what makes hole punching a matter of time.

use std::collections::BTreeMap;

use hither_sansio::{Duration, Instant};

use crate::address::{Addr, Ip};
use crate::dice::Dice;
use crate::nat::{Behaviour, Nat};

/// A line's queue longer than this loses what is added to it.
const LONGEST_QUEUE: Duration = Duration::from_millis(400);

/// A network's number. The first is the public one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NetId(usize);

/// A host's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub usize);

/// A NAT's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NatId(usize);

/// What a host's line does to what passes it, in each direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Anything passes.
    pub open: bool,
    /// UDP passes.
    pub udp: bool,
    /// Milliseconds.
    pub delay: u64,
    /// At most so many milliseconds more.
    pub jitter: u64,
    /// Lost, of a thousand.
    pub loss: u64,
    /// Kilobits a second, if limited.
    pub rate: Option<u64>,
}

impl Line {
    /// A line that loses nothing.
    #[must_use]
    pub const fn new(delay: u64) -> Self {
        Self {
            open: true,
            udp: true,
            delay,
            jitter: 0,
            loss: 0,
            rate: None,
        }
    }

    /// When something that is sent now is through, if it gets through. `busy` is until when the line is
    /// taken by what went before.
    fn pass(
        &self,
        bytes: u64,
        busy: &mut Instant,
        now: Instant,
        dice: &mut Dice,
    ) -> Option<Instant> {
        let delay = Duration::from_millis(self.delay + dice.below(self.jitter + 1));
        let lost = !self.open || dice.chance(self.loss);
        let Some(rate) = self.rate else {
            return (!lost).then_some(now + delay);
        };
        let start = now.max(*busy);
        if start.saturating_since(now) > LONGEST_QUEUE {
            return None;
        }
        *busy = start + Duration::from_millis((bytes * 8).div_ceil(rate.max(1)));
        (!lost).then_some(*busy + delay)
    }
}

#[derive(Clone, Debug)]
struct Host {
    net: NetId,
    ip: Ip,
    line: Line,
    busy: [Instant; 2],
}

#[derive(Clone, Copy, Debug)]
enum Owner {
    Host(HostId),
    Nat(NatId),
}

#[derive(Clone, Debug, Default)]
struct Net {
    owners: BTreeMap<Ip, Owner>,
    gateway: Option<NatId>,
}

#[derive(Clone, Debug)]
struct Gate {
    nat: Nat,
    inner: NetId,
    outer: NetId,
}

/// A packet's addresses and size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Where it seems to come from.
    pub from: Addr,
    /// Where it is going.
    pub to: Addr,
    /// Its size.
    pub bytes: u64,
}

/// All hosts and NATs.
#[derive(Clone, Debug)]
pub struct Network {
    nets: Vec<Net>,
    gates: Vec<Gate>,
    hosts: Vec<Host>,
    /// Nothing passes but what goes to or comes from this host: every direct path is cut.
    pub only: Option<Ip>,
    /// To this host nothing passes but what comes from that address: its direct paths are cut one way.
    pub hears_only: Option<(HostId, Ip)>,
    next_ip: u32,
}

impl Network {
    /// The public network, with nobody in it.
    #[must_use]
    pub fn new() -> Self {
        Self {
            nets: vec![Net::default()],
            gates: Vec::new(),
            hosts: Vec::new(),
            only: None,
            hears_only: None,
            next_ip: 1,
        }
    }

    /// The public network.
    pub const PUBLIC: NetId = NetId(0);

    /// A new network behind a NAT in `outer`.
    pub fn behind(&mut self, outer: NetId, behaviour: Behaviour) -> NetId {
        let inner = NetId(self.nets.len());
        let id = NatId(self.gates.len());
        let ip = self.free_ip();
        self.nets.push(Net {
            owners: BTreeMap::new(),
            gateway: Some(id),
        });
        self.nets[outer.0].owners.insert(ip, Owner::Nat(id));
        let nat = Nat::new(behaviour, ip);
        self.gates.push(Gate { nat, inner, outer });
        inner
    }

    /// A new host. Addresses in different networks are drawn from one counter, so that a candidate of
    /// another private network never happens to be somebody here.
    pub fn host(&mut self, net: NetId, line: Line) -> HostId {
        let id = HostId(self.hosts.len());
        let ip = self.free_ip();
        self.nets[net.0].owners.insert(ip, Owner::Host(id));
        self.hosts.push(Host {
            net,
            ip,
            line,
            busy: [Instant::ZERO; 2],
        });
        id
    }

    /// A host's own address.
    #[must_use]
    pub fn ip(&self, host: HostId) -> Ip {
        self.hosts[host.0].ip
    }

    /// A host's line, to be changed.
    pub fn line(&mut self, host: HostId) -> &mut Line {
        &mut self.hosts[host.0].line
    }

    /// The NATs above a host forget everything; the outermost gets a new address if asked for.
    pub fn rebind(&mut self, host: HostId, renumber: bool) {
        let mut net = self.hosts[host.0].net;
        while let Some(id) = self.nets[net.0].gateway {
            let outer = self.gates[id.0].outer;
            let old = self.gates[id.0].nat.ip;
            let renumbered = (renumber && outer == Self::PUBLIC).then(|| self.free_ip());
            if let Some(ip) = renumbered {
                self.nets[outer.0].owners.remove(&old);
                self.nets[outer.0].owners.insert(ip, Owner::Nat(id));
            }
            self.gates[id.0].nat.rebind(renumbered);
            net = outer;
        }
    }

    /// A packet leaves a host: the network in which its destination is looked for, the packet as it is
    /// there, and when.
    pub fn leave(
        &mut self,
        host: HostId,
        mut header: Header,
        now: Instant,
        dice: &mut Dice,
    ) -> Option<(NetId, Header, Instant)> {
        let Host {
            net, line, busy, ..
        } = &mut self.hosts[host.0];
        if !line.udp {
            return None;
        }
        let at = line.pass(header.bytes, &mut busy[0], now, dice)?;
        let mut net = *net;
        loop {
            if self.nets[net.0].owners.contains_key(&header.to.ip) {
                return Some((net, header, at));
            }
            let Gate { nat, outer, .. } = &mut self.gates[self.nets[net.0].gateway?.0];
            let to_itself = header.to.ip == nat.ip;
            if to_itself && !nat.behaviour.hairpins {
                return None;
            }
            header.from = nat.outbound(header.from, header.to, now, dice);
            net = *outer;
        }
    }

    /// A packet has arrived where its destination was looked for: the host it is for, and when that has it.
    pub fn arrive(
        &mut self,
        mut net: NetId,
        mut header: Header,
        now: Instant,
        dice: &mut Dice,
    ) -> Option<(HostId, Header, Instant)> {
        let server = |only: Ip| header.from.ip == only || header.to.ip == only;
        if self.only.is_some_and(|only| !server(only)) {
            return None;
        }
        loop {
            match *self.nets[net.0].owners.get(&header.to.ip)? {
                Owner::Nat(id) => {
                    let gate = &self.gates[id.0];
                    header.to = gate.nat.inbound(header.to.port, header.from, now)?;
                    net = gate.inner;
                }
                Owner::Host(id) => {
                    let deaf = |(host, to): (HostId, Ip)| host == id && header.from.ip != to;
                    if self.hears_only.is_some_and(deaf) {
                        return None;
                    }
                    let host = &mut self.hosts[id.0];
                    if !host.line.udp {
                        return None;
                    }
                    let at = host.line.pass(header.bytes, &mut host.busy[1], now, dice)?;
                    return Some((id, header, at));
                }
            }
        }
    }

    /// What a stream (TCP, TLS) between a host and the node does: no NAT minds it, loss costs a
    /// retransmission, and it passes where UDP does not.
    pub fn stream(
        &mut self,
        host: HostId,
        up: bool,
        now: Instant,
        dice: &mut Dice,
    ) -> Option<Instant> {
        let line = self.hosts[host.0].line;
        let mut delay = line.delay + dice.below(line.jitter + 1);
        if dice.chance(line.loss) {
            delay += 200 + 2 * line.delay;
        }
        let at = now + Duration::from_millis(delay);
        // A stream is in order.
        let busy = &mut self.hosts[host.0].busy[usize::from(!up)];
        if line.rate.is_none() {
            *busy = at.max(*busy);
        }
        line.open.then_some(at)
    }

    fn free_ip(&mut self) -> Ip {
        self.next_ip += 1;
        Ip(self.next_ip)
    }
}

impl Default for Network {
    fn default() -> Self {
        Self::new()
    }
}
