// SPDX-License-Identifier: MIT OR Apache-2.0
//! A call between two people, a node, the networks between them, and the clock.

use std::collections::BTreeMap;

use hither_path::{Lane, Word};
use hither_sansio::{Duration, Instant};

use crate::address::Addr;
use crate::agent::{Agent, Base, Candidate, Inner, Output, Policy};
use crate::dice::Dice;
use crate::nat::Behaviour;
use crate::network::{Header, HostId, Line, NetId, Network};
use crate::relay::{self, Action, Client, Relay, Reply, Request};
use crate::side::{FRAME, Restarts, Side};

/// Bytes of a sound frame on the wire, and of everything else.
const FRAME_BYTES: u64 = 160;
const SMALL_BYTES: u64 = 100;
/// A signal that finds a line cut is tried again after so long.
const SIGNAL_RETRY: Duration = Duration::from_millis(300);

/// Where a person is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The NATs above, the innermost first.
    pub nats: Vec<Behaviour>,
    /// The line.
    pub line: Line,
}

/// Where two people are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The caller's place and the callee's.
    pub places: [Place; 2],
    /// How many of the NATs they share, counted from the public network; all of them is the same network.
    pub shared: usize,
}

/// What happens to the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Every path but those over the node is cut, or open again.
    CutDirect(bool),
    /// No direct path leads to this side any more; those from it do. Or to both again.
    CutDirectTo(Option<usize>),
    /// Nothing passes a side's line, or all does again.
    CutLine(usize, bool),
    /// UDP does not pass a side's line, or does again.
    BlockUdp(usize, bool),
    /// A side's NATs forget their mappings, and perhaps get a new address.
    Rebind(usize, bool),
    /// Both lines' loss, of a thousand.
    Loss(u64),
}

#[derive(Clone, Debug)]
enum Body {
    Request(Request),
    Reply(Reply),
    Inner(Inner),
}

#[derive(Clone, Debug)]
enum Event {
    /// A datagram is where its destination is looked for.
    Cross(NetId, Header, Body),
    /// A datagram is at its host.
    Deliver(HostId, Header, Body),
    /// On a stream to the node.
    Up(Client, Request),
    /// On a stream from the node: to a side's lane.
    Down(usize, Lane, Reply),
    /// From one side to the other, through the node's mailboxes.
    Signal(usize, Lane, u32, Candidate),
    /// A side's microphone has a frame.
    Tick(usize),
    Fault(Fault),
}

/// Everything.
#[derive(Clone, Debug)]
pub struct World {
    /// The clock.
    pub now: Instant,
    /// The caller and the callee.
    pub sides: [Side; 2],
    /// The relay.
    pub relay: Relay,
    /// The networks.
    pub network: Network,
    node: HostId,
    dice: Dice,
    queue: BTreeMap<(Instant, u64), Event>,
    number: u64,
}

impl World {
    /// Two people in their places, at the moment in which both clients begin to look for a path.
    #[must_use]
    pub fn new(plan: &Plan, seed: u64) -> Self {
        let mut dice = Dice::new(seed ^ 0x5EED);
        let mut network = Network::new();
        let node = network.host(Network::PUBLIC, Line::new(0));
        let hosts = settle(&mut network, plan);
        let relay = Relay::new(network.ip(node));
        let now = Instant::from_millis(1_000);
        let mut ports = || u16::try_from(dice.between(30_000, 60_000)).unwrap_or(30_000);
        let sides = hosts.map(|host| Side::new(host, [ports(), ports()], now));
        let mut world = Self {
            now,
            sides,
            relay,
            network,
            node,
            dice,
            queue: BTreeMap::new(),
            number: 0,
        };
        for who in 0..2 {
            world.open(who, Lane::Main);
            world.sides[who].watch.handle_expecting(true, now);
            let first = now + Duration::from_millis(world.dice.below(20));
            world.push(first, Event::Tick(who));
            world.drain(who);
        }
        world
    }

    /// Lets something happen after a while.
    pub fn after(&mut self, wait: Duration, fault: Fault) {
        self.push(self.now + wait, Event::Fault(fault));
    }

    /// Lets something happen now.
    pub fn apply(&mut self, fault: Fault) {
        match fault {
            Fault::CutDirect(cut) => self.network.only = cut.then_some(self.relay.ip),
            Fault::CutDirectTo(who) => {
                let relay = self.relay.ip;
                self.network.hears_only = who.map(|who| (self.sides[who].host, relay));
            }
            Fault::CutLine(who, cut) => self.line(who).open = !cut,
            Fault::BlockUdp(who, blocked) => self.line(who).udp = !blocked,
            Fault::Rebind(who, renumber) => self.network.rebind(self.sides[who].host, renumber),
            Fault::Loss(loss) => (0..2).for_each(|who| self.line(who).loss = loss),
        }
    }

    /// Lets time pass.
    pub fn run(&mut self, wait: Duration) {
        let end = self.now + wait;
        while let Some(at) = self.next().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            while let Some(entry) = self.queue.first_entry().filter(|e| e.key().0 <= self.now) {
                let event = entry.remove();
                self.handle(event);
            }
            for who in 0..2 {
                self.handle_timeouts(who);
            }
        }
        self.now = end;
    }

    /// Whether both sides' sound goes directly.
    #[must_use]
    pub fn is_direct(&self) -> bool {
        self.sides.iter().all(Side::is_direct)
    }

    fn line(&mut self, who: usize) -> &mut Line {
        self.network.line(self.sides[who].host)
    }

    fn next(&self) -> Option<Instant> {
        let queue = self.queue.first_key_value().map(|((at, _), _)| *at);
        let sides = self.sides.iter().flat_map(|side| {
            let agents = side.agents.iter().flatten().map(Agent::poll_timeout);
            let watch = side.watch.poll_timeout().map(|(at, _)| at);
            agents.chain(watch).chain(side.poll_timeout())
        });
        sides.chain(queue).min()
    }

    fn handle_timeouts(&mut self, who: usize) {
        let now = self.now;
        let side = &mut self.sides[who];
        let mut worked = false;
        for agent in side.agents.iter_mut().flatten() {
            if agent.poll_timeout() <= now {
                agent.handle_timeout(now);
                worked = true;
                assert!(agent.poll_timeout() > now, "an agent is still due");
            }
        }
        if side.watch.poll_timeout().is_some_and(|(at, _)| at <= now) {
            side.watch.handle_timeout(now);
            worked = true;
        }
        let mut restarts = Restarts::default();
        if side.poll_timeout().is_some_and(|at| at <= now) {
            restarts = side.handle_timeout(now);
            worked = true;
        }
        self.restart(who, restarts);
        if worked {
            self.drain(who);
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Cross(net, header, body) => {
                let arrived = self.network.arrive(net, header, self.now, &mut self.dice);
                if let Some((host, header, at)) = arrived {
                    self.push(at, Event::Deliver(host, header, body));
                }
            }
            Event::Deliver(host, header, body) if host == self.node => {
                self.node_hears(header, body);
            }
            Event::Deliver(host, header, body) => self.side_hears(host, header, body),
            Event::Up(client, request) => {
                let action = self.relay.handle_request(client, request);
                self.act(action);
            }
            Event::Down(who, lane, reply) => self.reply(who, lane, reply),
            Event::Signal(to, lane, generation, candidate) => {
                self.signal_arrives(to, lane, generation, candidate);
            }
            Event::Tick(who) => self.tick(who),
            Event::Fault(fault) => self.apply(fault),
        }
    }

    fn node_hears(&mut self, header: Header, body: Body) {
        let action = match body {
            Body::Request(request) if header.to.port == relay::PORT => {
                let client = Client::Datagram(header.from);
                self.relay.handle_request(client, request)
            }
            Body::Inner(inner) => self.relay.handle_peer(header.to.port, header.from, inner),
            Body::Request(_) | Body::Reply(_) => None,
        };
        self.act(action);
    }

    fn act(&mut self, action: Option<Action>) {
        match action {
            Some(Action::Reply(Client::Datagram(to), reply)) => {
                let from = Addr::new(self.relay.ip, relay::PORT);
                self.send(self.node, from, to, Body::Reply(reply));
            }
            Some(Action::Reply(Client::Stream(host, port), reply)) => {
                let Some((who, lane)) = self.whose(host, port) else {
                    return;
                };
                let at = self.network.stream(host, false, self.now, &mut self.dice);
                if let Some(at) = at {
                    self.push(at, Event::Down(who, lane, reply));
                }
            }
            Some(Action::Forward(from, to, inner)) => {
                self.send(self.node, from, to, Body::Inner(inner));
            }
            None => {}
        }
    }

    fn side_hears(&mut self, host: HostId, header: Header, body: Body) {
        let Some((who, lane)) = self.whose(host, header.to.port) else {
            return;
        };
        match body {
            Body::Reply(reply) => self.reply(who, lane, reply),
            Body::Inner(inner) => self.inner(who, lane, (Base::Socket, header.from), inner),
            Body::Request(_) => {}
        }
    }

    fn reply(&mut self, who: usize, lane: Lane, reply: Reply) {
        let now = self.now;
        let Some(agent) = &mut self.sides[who].agents[lane as usize] else {
            return;
        };
        match reply {
            Reply::Mapped(addr) => agent.handle_mapped(addr),
            Reply::Relayed(addr) => agent.handle_relayed(addr, now),
            Reply::Data(from, inner) => return self.inner(who, lane, (Base::Relay, from), inner),
        }
        self.drain(who);
    }

    fn inner(&mut self, who: usize, lane: Lane, (base, from): (Base, Addr), inner: Inner) {
        let now = self.now;
        let side = &mut self.sides[who];
        match inner {
            Inner::Frame { .. } => {
                side.watch.handle_arrival(lane, now);
                if side.watch.plays(lane) {
                    side.played.push(now);
                }
            }
            Inner::Word(word) => side.watch.handle_word(word, now),
            Inner::Check { .. } | Inner::Answer { .. } => {
                if let Some(agent) = &mut side.agents[lane as usize] {
                    agent.handle_inner(base, from, inner, now);
                }
            }
        }
        self.drain(who);
    }

    /// A signal passes when both lines are open; until then the node keeps it.
    fn signal_arrives(&mut self, to: usize, lane: Lane, generation: u32, candidate: Candidate) {
        if (0..2).any(|who| !self.line(who).open) {
            let again = Event::Signal(to, lane, generation, candidate);
            return self.push(self.now + SIGNAL_RETRY, again);
        }
        if self.sides[to].agents[lane as usize].is_none() {
            self.open(to, lane);
        }
        if let Some(agent) = &mut self.sides[to].agents[lane as usize] {
            agent.handle_signal(generation, candidate, self.now);
        }
        self.drain(to);
    }

    fn tick(&mut self, who: usize) {
        self.push(self.now + FRAME, Event::Tick(who));
        for lane in Lane::ALL {
            let path = self.sides[who].path(lane);
            let Some(path) = path.filter(|_| self.sides[who].watch.sends_on(lane)) else {
                continue;
            };
            self.sides[who].sent[lane as usize] += 1;
            let frame = Inner::Frame { recorded: self.now };
            self.send_inner(who, lane, path.base, path.remote, frame);
        }
    }

    /// Empties a side's machines.
    fn drain(&mut self, who: usize) {
        let restarts = self.sides[who].drain_events(self.now);
        self.restart(who, restarts);
        for lane in Lane::ALL {
            let outputs = self.sides[who].agents[lane as usize]
                .as_mut()
                .map(Agent::poll_outputs);
            for output in outputs.unwrap_or_default() {
                self.output(who, lane, output);
            }
        }
        while let Some(word) = self.sides[who].watch.poll_word() {
            self.tell(who, word);
        }
    }

    fn output(&mut self, who: usize, lane: Lane, output: Output) {
        match output {
            Output::Bind => self.request(who, lane, Request::Binding),
            Output::Allocate => self.request(who, lane, Request::Allocate),
            Output::Send(base, to, inner) => self.send_inner(who, lane, base, to, inner),
            Output::Signal(generation, candidate) => {
                let delay = self.line(0).delay + self.line(1).delay;
                let at = self.now + Duration::from_millis(delay);
                self.push(at, Event::Signal(1 - who, lane, generation, candidate));
            }
            Output::Chosen(path) => {
                if lane == Lane::Main {
                    self.sides[who].paths.push((self.now, path));
                    if self.sides[who].agents[Lane::Spare as usize].is_none() {
                        self.open(who, Lane::Spare);
                    }
                }
                self.sides[who].watch.handle_ready(lane, true, self.now);
                self.drain(who);
            }
        }
    }

    /// A word goes on every lane that has a path.
    fn tell(&mut self, who: usize, word: Word) {
        for lane in Lane::ALL {
            if let Some(path) = self.sides[who].path(lane) {
                self.send_inner(who, lane, path.base, path.remote, Inner::Word(word));
            }
        }
    }

    fn open(&mut self, who: usize, lane: Lane) {
        let side = &mut self.sides[who];
        let policy = Policy {
            relay_only: lane == Lane::Spare,
            controls: who == 0,
            host: Addr::new(self.network.ip(side.host), side.ports[lane as usize]),
            relay: self.relay.ip,
        };
        side.agents[lane as usize] = Some(Agent::new(policy, self.now));
    }

    fn restart(&mut self, who: usize, restarts: Restarts) {
        let chosen = [restarts.main, restarts.spare];
        for (agent, _) in self.sides[who]
            .agents
            .iter_mut()
            .zip(chosen)
            .filter(|(_, c)| *c)
        {
            if let Some(agent) = agent {
                agent.restart(self.now);
            }
        }
    }

    fn send_inner(&mut self, who: usize, lane: Lane, base: Base, to: Addr, inner: Inner) {
        match base {
            Base::Relay => self.request(who, lane, Request::Send(to, inner)),
            Base::Socket => {
                let side = &self.sides[who];
                let from = Addr::new(self.network.ip(side.host), side.ports[lane as usize]);
                self.send(side.host, from, to, Body::Inner(inner));
            }
        }
    }

    /// To the node: the spare over a stream always, main if UDP is blocked.
    fn request(&mut self, who: usize, lane: Lane, request: Request) {
        let side = &self.sides[who];
        let (host, port) = (side.host, side.ports[lane as usize]);
        let udp = self.line(who).udp;
        if lane == Lane::Main && udp {
            let from = Addr::new(self.network.ip(host), port);
            let to = Addr::new(self.relay.ip, relay::PORT);
            return self.send(host, from, to, Body::Request(request));
        }
        if let Some(at) = self.network.stream(host, true, self.now, &mut self.dice) {
            self.push(at, Event::Up(Client::Stream(host, port), request));
        }
    }

    fn send(&mut self, host: HostId, from: Addr, to: Addr, body: Body) {
        let sound = |inner: &Inner| matches!(inner, Inner::Frame { .. });
        let is_frame = match &body {
            Body::Inner(inner) | Body::Request(Request::Send(_, inner)) => sound(inner),
            Body::Reply(Reply::Data(_, inner)) => sound(inner),
            Body::Request(_) | Body::Reply(_) => false,
        };
        let bytes = if is_frame { FRAME_BYTES } else { SMALL_BYTES };
        let header = Header { from, to, bytes };
        if let Some((net, header, at)) = self.network.leave(host, header, self.now, &mut self.dice)
        {
            self.push(at, Event::Cross(net, header, body));
        }
    }

    fn whose(&self, host: HostId, port: u16) -> Option<(usize, Lane)> {
        let who = self.sides.iter().position(|side| side.host == host)?;
        let lane = Lane::ALL
            .into_iter()
            .find(|l| self.sides[who].ports[*l as usize] == port)?;
        Some((who, lane))
    }

    fn push(&mut self, at: Instant, event: Event) {
        self.number += 1;
        self.queue.insert((at, self.number), event);
    }
}

/// Puts two people into their networks.
fn settle(network: &mut Network, plan: &Plan) -> [HostId; 2] {
    let [caller, callee] = &plan.places;
    let common = plan.shared.min(caller.nats.len()).min(callee.nats.len());
    let mut shared = Network::PUBLIC;
    for behaviour in caller.nats.iter().rev().take(common) {
        shared = network.behind(shared, *behaviour);
    }
    [caller, callee].map(|place| {
        let own = place.nats.iter().rev().skip(common);
        let net = own.fold(shared, |net, behaviour| network.behind(net, *behaviour));
        network.host(net, place.line)
    })
}
