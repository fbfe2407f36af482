// SPDX-License-Identifier: MIT OR Apache-2.0
//! An ICE-like prober (RFC 8445) for one lane: what it gathers and tells, what it tries, and which path it
//! has chosen.
//!
//! Direct has a head start: a path over the relay is nominated only when that is over. While one over the
//! relay carries, direct ones are still tried, more and more slowly, and taken when one works.

use std::collections::BTreeMap;

use hither_path::Word;
use hither_sansio::{Duration, Instant};

use crate::address::{Addr, Ip};

/// Between two checks of one agent (Ta of RFC 8445 section 14.2).
const PACE: Duration = Duration::from_millis(20);
/// Between two checks of one pair, at first and later.
const RETRY: Duration = Duration::from_millis(100);
const SLOW_RETRY: Duration = Duration::from_millis(1_000);
/// After so many checks without answer a pair is tried slowly.
const EAGER_TRIES: u32 = 40;
/// How often the chosen path is tested, which also keeps NAT mappings alive.
const KEEPALIVE: Duration = Duration::from_millis(1_000);
/// How long direct may take before the relay is nominated.
pub const HEAD_START: Duration = Duration::from_millis(800);
/// Between two requests to the node that are not answered.
const GATHER_RETRY: Duration = Duration::from_millis(250);
/// A stranger's checks fill no more than this.
const MAX_REMOTES: usize = 16;
const MAX_PENDING: usize = 256;

/// Peers say this to each other.
#[derive(Clone, Copy, Debug)]
pub enum Inner {
    /// A connectivity check.
    Check {
        /// Which restart it belongs to (the user name fragment of RFC 8445).
        generation: u32,
        /// Its transaction id.
        id: u64,
        /// The sender controls, and nominates this pair.
        nominates: bool,
    },
    /// The answer to a check.
    Answer {
        /// The check's transaction id.
        id: u64,
    },
    /// Twenty milliseconds of sound.
    Frame {
        /// When it was recorded.
        recorded: Instant,
    },
    /// What one watch tells the other.
    Word(Word),
}

/// From where an agent sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Base {
    /// Its own socket.
    Socket,
    /// Its relayed address.
    Relay,
}

/// Where the other side may be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The address.
    pub addr: Addr,
    /// What it is.
    pub kind: Kind,
}

/// Kinds of candidates, the best last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// On a relay.
    Relay,
    /// Outside of a NAT, as the node sees it.
    ServerReflexive,
    /// Outside of a NAT, as the other side sees it.
    PeerReflexive,
    /// Of the host itself.
    Host,
}

/// A way to the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path {
    /// From where.
    pub base: Base,
    /// Where to.
    pub remote: Addr,
    /// What that is.
    pub kind: Kind,
    /// Which restart found it.
    pub generation: u32,
}

impl Path {
    /// No relay carries it.
    #[must_use]
    pub fn is_direct(&self) -> bool {
        self.base == Base::Socket && self.kind != Kind::Relay
    }

    /// Larger is better.
    fn priority(&self) -> (bool, Kind, Base) {
        // Of two relayed paths the one with only one relay on it.
        let base = if self.base == Base::Socket {
            Base::Relay
        } else {
            Base::Socket
        };
        (self.is_direct(), self.kind, base)
    }
}

#[derive(Clone, Debug)]
struct Pair {
    path: Path,
    tries: u32,
    due: Instant,
    works: bool,
    /// The other side has nominated it before it worked here.
    wanted: bool,
}

/// What an agent wants done.
#[derive(Clone, Copy, Debug)]
pub enum Output {
    /// Ask the node which address it sees.
    Bind,
    /// Ask the node for a relayed address.
    Allocate,
    /// Tell the other side's agent about this candidate.
    Signal(u32, Candidate),
    /// Send to the other side.
    Send(Base, Addr, Inner),
    /// Another path carries from now on.
    Chosen(Path),
}

/// What an agent may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Only over the relay: no address is shown, no direct path tried.
    pub relay_only: bool,
    /// Decides between paths that work on both sides.
    pub controls: bool,
    /// The host's own address, and the agent's port there.
    pub host: Addr,
    /// The node's address: what comes from there is relayed.
    pub relay: Ip,
}

/// The prober of one lane on one side.
#[derive(Clone, Debug)]
pub struct Agent {
    policy: Policy,
    generation: u32,
    started: Instant,
    mapped: Option<Addr>,
    relayed: Option<Addr>,
    ask_again: Instant,
    pairs: Vec<Pair>,
    remotes: usize,
    chosen: Option<Path>,
    nominating: Option<usize>,
    pending: BTreeMap<u64, (Path, bool)>,
    last_check: Instant,
    head_start_is_over: bool,
    next_id: u64,
    /// When the chosen path last answered.
    pub answered: Instant,
    outputs: Vec<Output>,
}

impl Agent {
    /// An agent that has begun to gather.
    #[must_use]
    pub fn new(policy: Policy, now: Instant) -> Self {
        let mut agent = Self {
            policy,
            generation: 0,
            started: now,
            mapped: None,
            relayed: None,
            ask_again: now,
            pairs: Vec::new(),
            remotes: 0,
            chosen: None,
            nominating: None,
            pending: BTreeMap::new(),
            last_check: Instant::ZERO,
            head_start_is_over: false,
            next_id: 0,
            answered: now,
            outputs: Vec::new(),
        };
        agent.begin(1, now);
        agent
    }

    /// Begins anew and keeps the path that carries until another one is found.
    pub fn restart(&mut self, now: Instant) {
        self.begin(self.generation + 1, now);
    }

    /// Which restart this is.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// The path that carries.
    #[must_use]
    pub fn chosen(&self) -> Option<Path> {
        self.chosen
    }

    /// The other side told of a candidate. One of a later restart restarts here too.
    pub fn handle_signal(&mut self, generation: u32, candidate: Candidate, now: Instant) {
        if generation > self.generation {
            self.begin(generation, now);
        }
        if generation == self.generation {
            self.add_remote(candidate, now);
        }
    }

    /// The node sees this address.
    pub fn handle_mapped(&mut self, mapped: Addr) {
        if self.mapped.replace(mapped).is_none()
            && !self.policy.relay_only
            && mapped != self.policy.host
        {
            self.signal(mapped, Kind::ServerReflexive);
        }
    }

    /// The node gave this relayed address.
    pub fn handle_relayed(&mut self, relayed: Addr, now: Instant) {
        if self.relayed.replace(relayed).is_none() {
            self.signal(relayed, Kind::Relay);
            for path in self.remote_candidates() {
                self.add_pair(Base::Relay, path, now);
            }
        }
    }

    /// The other side sent a check or an answer.
    pub fn handle_inner(&mut self, base: Base, from: Addr, inner: Inner, now: Instant) {
        match inner {
            Inner::Check {
                generation,
                id,
                nominates,
            } => self.handle_check(base, from, generation, (id, nominates), now),
            Inner::Answer { id } => self.handle_answer(base, from, id, now),
            Inner::Frame { .. } | Inner::Word(_) => {}
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.head_start_is_over = now >= self.started + HEAD_START;
        self.gather(now);
        self.nominate(now);
        if now < self.last_check + PACE {
            return;
        }
        let due = (0..self.pairs.len()).filter(|i| self.is_due(*i) && self.pairs[*i].due <= now);
        let first = due.min_by_key(|i| {
            let pair = &self.pairs[*i];
            (pair.due, core::cmp::Reverse(pair.path.priority()))
        });
        if let Some(index) = first {
            self.check(index, now);
        }
    }

    /// When `handle_timeout` is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Instant {
        let checks = (0..self.pairs.len()).filter(|i| self.is_due(*i));
        let checks = checks.map(|i| self.pairs[i].due.max(self.last_check + PACE));
        let gathering = (!self.has_gathered()).then_some(self.ask_again);
        let head_start = self.started + HEAD_START;
        let nomination = (!self.head_start_is_over).then_some(head_start);
        let all = checks.chain(gathering).chain(nomination).min();
        all.unwrap_or(Instant::from_millis(u64::MAX))
    }

    /// What is to be done.
    pub fn poll_outputs(&mut self) -> Vec<Output> {
        core::mem::take(&mut self.outputs)
    }

    fn begin(&mut self, generation: u32, now: Instant) {
        self.generation = generation;
        self.started = now;
        self.head_start_is_over = false;
        self.mapped = None;
        self.relayed = None;
        self.ask_again = now;
        self.pairs.clear();
        self.remotes = 0;
        self.nominating = None;
        self.pending.clear();
        if !self.policy.relay_only {
            self.signal(self.policy.host, Kind::Host);
        }
    }

    fn signal(&mut self, addr: Addr, kind: Kind) {
        let candidate = Candidate { addr, kind };
        self.outputs
            .push(Output::Signal(self.generation, candidate));
    }

    fn has_gathered(&self) -> bool {
        self.relayed.is_some() && (self.policy.relay_only || self.mapped.is_some())
    }

    /// Asks the node for what is missing; at most for ten seconds, for UDP may be blocked.
    fn gather(&mut self, now: Instant) {
        if self.has_gathered() || now < self.ask_again {
            return;
        }
        let since = now.saturating_since(self.started);
        let patient = since > Duration::from_secs(2);
        self.ask_again = now + if patient { SLOW_RETRY } else { GATHER_RETRY };
        if self.mapped.is_none() && !self.policy.relay_only {
            self.outputs.push(Output::Bind);
        }
        if self.relayed.is_none() {
            self.outputs.push(Output::Allocate);
        }
    }

    fn remote_candidates(&self) -> Vec<Candidate> {
        let mut found: Vec<Candidate> = Vec::new();
        for Pair { path, .. } in &self.pairs {
            if found.iter().all(|candidate| candidate.addr != path.remote) {
                found.push(Candidate {
                    addr: path.remote,
                    kind: path.kind,
                });
            }
        }
        found
    }

    fn add_remote(&mut self, candidate: Candidate, now: Instant) {
        if self.remotes >= MAX_REMOTES {
            return;
        }
        self.remotes += 1;
        // Relay-only agents keep their pairs too: the base is what shows an address.
        self.add_pair(Base::Socket, candidate, now);
        self.add_pair(Base::Relay, candidate, now);
    }

    fn add_pair(&mut self, base: Base, candidate: Candidate, now: Instant) {
        let path = Path {
            base,
            remote: candidate.addr,
            kind: candidate.kind,
            generation: self.generation,
        };
        if self.find(base, candidate.addr).is_none() {
            self.pairs.push(Pair {
                path,
                tries: 0,
                due: now,
                works: false,
                wanted: false,
            });
        }
    }

    fn find(&self, base: Base, remote: Addr) -> Option<usize> {
        let same = |pair: &Pair| pair.path.base == base && pair.path.remote == remote;
        self.pairs.iter().position(same)
    }

    /// Whether a pair is to be checked (again) at its time: until it works, if it were better than what
    /// carries; then if it is being nominated or is what carries.
    fn is_due(&self, index: usize) -> bool {
        let Pair { path, works, .. } = &self.pairs[index];
        let possible = match path.base {
            Base::Socket => !self.policy.relay_only,
            Base::Relay => self.relayed.is_some(),
        };
        let current = self.chosen.filter(|c| c.generation == self.generation);
        let better = current.is_none_or(|c| path.priority() > c.priority());
        let carries = current.is_some_and(|c| c == *path);
        possible && ((better && !works) || carries || self.nominating == Some(index))
    }

    fn check(&mut self, index: usize, now: Instant) {
        let nominates = self.nominating == Some(index);
        let pair = &mut self.pairs[index];
        let keeps_alive = pair.works && !nominates;
        pair.tries = pair.tries.saturating_add(1);
        pair.due = now
            + match pair.tries {
                _ if keeps_alive => KEEPALIVE,
                0..EAGER_TRIES => RETRY,
                _ => SLOW_RETRY,
            };
        let path = pair.path;
        self.last_check = now;
        self.next_id += 1;
        self.pending.insert(self.next_id, (path, nominates));
        if self.pending.len() > MAX_PENDING {
            self.pending.pop_first();
        }
        let check = Inner::Check {
            generation: self.generation,
            id: self.next_id,
            nominates,
        };
        self.outputs
            .push(Output::Send(path.base, path.remote, check));
    }

    fn handle_check(
        &mut self,
        base: Base,
        from: Addr,
        generation: u32,
        (id, nominates): (u64, bool),
        now: Instant,
    ) {
        if generation > self.generation || (self.policy.relay_only && base == Base::Socket) {
            return;
        }
        self.outputs
            .push(Output::Send(base, from, Inner::Answer { id }));
        if generation < self.generation {
            return;
        }
        if self.find(base, from).is_none() && self.remotes < MAX_REMOTES {
            self.remotes += 1;
            let kind = if from.ip == self.policy.relay {
                Kind::Relay
            } else {
                Kind::PeerReflexive
            };
            self.add_pair(base, Candidate { addr: from, kind }, now);
        }
        let Some(index) = self.find(base, from) else {
            return;
        };
        let pair = &mut self.pairs[index];
        if !pair.works {
            // A triggered check (RFC 8445 section 7.3.1.4).
            pair.due = now;
            pair.tries = pair.tries.min(EAGER_TRIES - 1);
        }
        if nominates && !self.policy.controls {
            self.pairs[index].wanted = true;
            self.accept(index, now);
        }
    }

    fn handle_answer(&mut self, base: Base, from: Addr, id: u64, now: Instant) {
        let Some((path, nominated)) = self.pending.remove(&id) else {
            return;
        };
        // Answers come from where the check went (RFC 8445 section 7.2.5.2.1).
        if (path.base, path.remote) != (base, from) {
            return;
        }
        let Some(index) = self.find(base, from) else {
            return;
        };
        self.pairs[index].works = true;
        if self.chosen == Some(path) {
            self.answered = now;
        }
        if nominated && self.nominating == Some(index) {
            self.nominating = None;
            self.choose(index, now);
        }
        self.accept(index, now);
        self.nominate(now);
    }

    /// The controlled side follows a nomination once the pair works here.
    fn accept(&mut self, index: usize, now: Instant) {
        let pair = &self.pairs[index];
        if pair.wanted && pair.works {
            self.choose(index, now);
        }
    }

    fn choose(&mut self, index: usize, now: Instant) {
        let path = self.pairs[index].path;
        self.pairs[index].wanted = false;
        self.pairs[index].due = now + KEEPALIVE;
        if self.chosen != Some(path) {
            self.chosen = Some(path);
            self.answered = now;
            self.outputs.push(Output::Chosen(path));
        }
    }

    /// The controlling side nominates the best pair that works, one over the relay only after the head
    /// start.
    fn nominate(&mut self, now: Instant) {
        if !self.policy.controls {
            return;
        }
        let current = self.chosen.filter(|c| c.generation == self.generation);
        let in_time = self.policy.relay_only || now >= self.started + HEAD_START;
        let candidates = (0..self.pairs.len()).filter(|i| {
            let Pair { path, works, .. } = &self.pairs[*i];
            let better = current.is_none_or(|c| path.priority() > c.priority());
            *works && better && (in_time || path.is_direct())
        });
        let best = candidates.max_by_key(|i| self.pairs[*i].path.priority());
        if let Some(index) = best.filter(|i| self.nominating != Some(*i)) {
            self.nominating = Some(index);
            self.pairs[index].due = now;
        }
    }
}
