// SPDX-License-Identifier: MIT OR Apache-2.0
//! One run of measuring: what is asked, what has come back, and what there is to show.

use core::net::IpAddr;

use hither_api::TurnGrant;
use hither_api::sheet::{self, Line, Purpose};
use hither_sansio::{Duration, Instant, Now};

use super::judge::{self, Nearness, Sightings, Standing};
use super::{
    Climb, Finding, Gathered, NetworkView, Passage, ProbeAction, ProbeEvent, ProbeState, Rung,
    RungView, Scope, Unknown,
};
use crate::{IceConfig, TransportProtocol};

/// How long servers may take to answer, milliseconds. Five round trips of a satellite, with a retransmission.
const OBSERVE_PATIENCE: u32 = 4_000;
/// How long a loop over a rung may take: handshakes of TCP, TLS and TURN, then checks.
const CLIMB_PATIENCE: u32 = 7_000;
/// How long checks are waited for that may never arrive, with the control after them.
const FILTER_PATIENCE: u32 = 7_000;
/// A host that says nothing at all is not waited for longer than this.
const PATIENCE: Duration = Duration::from_secs(12);
/// Rungs that are climbed; a grant may name more relays than make sense.
const MAX_RUNGS: usize = 8;
/// Candidates that are looked at.
const MAX_CANDIDATES: usize = 64;

/// The measuring: none yet, one under way, or the last one.
#[derive(Debug, Default)]
pub(crate) struct Network {
    number: u32,
    state: Option<Ended>,
    run: Option<Run>,
}

/// Why there is no run.
#[derive(Clone, Copy, Debug)]
enum Ended {
    Offline,
    NoRelay,
}

#[derive(Debug)]
struct Run {
    rungs: Vec<(Rung, Finding<Climb>)>,
    observed: Option<Vec<Gathered>>,
    passages: Vec<(Host, Host, Finding<Passage>)>,
    sheet: Vec<Line>,
    deadline: Option<Instant>,
    /// The node was away when it began, or was lost before it ended.
    away: bool,
}

/// Name or address, with brackets around an IPv6 address.
type Host = String;

impl Network {
    /// Measures anew. `grant` is the access to the relay, if there is any; `online` whether the node is there.
    pub(crate) fn probe(
        &mut self,
        origin: &str,
        grant: Option<&TurnGrant>,
        online: bool,
        now: Now,
    ) -> Vec<ProbeAction> {
        self.number = self.number.wrapping_add(1);
        self.run = None;
        let stop = vec![ProbeAction::Stop];
        let Some(grant) = grant.filter(|grant| !is_over(grant, now)) else {
            self.state = Some(Ended::Offline);
            return stop;
        };
        let rungs = rungs(&grant.urls);
        if rungs.is_empty() {
            self.state = Some(Ended::NoRelay);
            return stop;
        }
        self.state = None;
        let (mut run, actions) = Run::begin(self.number, origin, grant, rungs, now);
        run.away = !online;
        self.run = Some(run);
        stop.into_iter().chain(actions).collect()
    }

    /// The node is away. What is being measured cannot be told from a closed network any more, nor can silence
    /// that was there already: it may have gone before that was noticed.
    pub(crate) fn node_lost(&mut self) {
        if let Some(run) = &mut self.run {
            run.away |= run.deadline.is_some() || run.is_deaf();
        }
    }

    /// Something was measured. Whether there is anything new to show.
    pub(crate) fn handle_probe(&mut self, event: ProbeEvent, online: bool) -> bool {
        let current = self.number;
        let Some(run) = self.run.as_mut().filter(|run| run.deadline.is_some()) else {
            return false;
        };
        match event {
            ProbeEvent::Observed {
                run: number,
                mut candidates,
            } if number == current => {
                candidates.truncate(MAX_CANDIDATES);
                run.observed.get_or_insert(candidates);
            }
            ProbeEvent::Filtered {
                run: number,
                number: which,
                passage,
            } if number == current => {
                if let Some((.., finding)) = run.passages.get_mut(which) {
                    *finding = Finding::Found(passage);
                }
            }
            ProbeEvent::Climbed {
                run: number,
                number: which,
                climb,
            } if number == current => {
                if let Some((_, finding)) = run.rungs.get_mut(which) {
                    *finding = Finding::Found(climb);
                }
            }
            ProbeEvent::Observed { .. }
            | ProbeEvent::Filtered { .. }
            | ProbeEvent::Climbed { .. } => return false,
        }
        if run.is_complete() {
            run.deadline = None;
            run.away |= !online;
        }
        true
    }

    /// When [`Self::handle_timeout`] has something to do.
    pub(crate) fn timeout(&self) -> Option<Instant> {
        self.run.as_ref()?.deadline
    }

    /// What has not come by now does not come. Whether there is anything new to show.
    pub(crate) fn handle_timeout(&mut self, online: bool, now: Now) -> bool {
        let Some(run) = &mut self.run else {
            return false;
        };
        if run.deadline.is_none_or(|at| at > now.instant) {
            return false;
        }
        run.deadline = None;
        run.away |= !online;
        run.give_up();
        true
    }

    /// What there is to show. A node that is not online is not mistaken for a network that is closed.
    pub(crate) fn view(&self, online: bool) -> NetworkView {
        let state = match self.state {
            Some(Ended::Offline) => ProbeState::Offline,
            Some(Ended::NoRelay) => ProbeState::NoRelay,
            None => ProbeState::Idle,
        };
        let idle = NetworkView {
            state,
            ..NetworkView::idle()
        };
        match &self.run {
            Some(run) if run.away || (!online && run.is_deaf()) => run.view().of_nothing(),
            Some(run) => run.view(),
            None => idle,
        }
    }
}

impl Run {
    fn begin(
        number: u32,
        origin: &str,
        grant: &TurnGrant,
        rungs: Vec<(String, Rung)>,
        now: Now,
    ) -> (Self, Vec<ProbeAction>) {
        let with = |urls: Vec<String>, relay_only| IceConfig {
            urls,
            username: grant.username.clone(),
            password: grant.password.clone(),
            relay_only,
        };
        let udp: Vec<&(String, Rung)> = rungs
            .iter()
            .filter(|(_, rung)| rung.transport == TransportProtocol::Udp)
            .collect();
        let urls = |of: &[&(String, Rung)]| of.iter().map(|(url, _)| url.clone()).collect();
        let mut actions = vec![ProbeAction::Observe {
            run: number,
            servers: with(urls(&udp), false),
            patience_ms: OBSERVE_PATIENCE,
        }];
        let mut passages = Vec::new();
        if let Some((observer, seen_at)) = udp.first() {
            for (sender, rung) in senders(&udp) {
                actions.push(ProbeAction::Filter {
                    run: number,
                    number: passages.len(),
                    observer: with(vec![observer.clone()], false),
                    sender: with(vec![sender.clone()], true),
                    patience_ms: FILTER_PATIENCE,
                });
                passages.push((seen_at.host.clone(), rung.host.clone(), Finding::Waiting));
            }
        }
        for (place, (url, _)) in rungs.iter().enumerate() {
            actions.push(ProbeAction::Climb {
                run: number,
                number: place,
                server: with(vec![url.clone()], true),
                patience_ms: CLIMB_PATIENCE,
            });
        }
        let run = Self {
            rungs: rungs
                .into_iter()
                .map(|(_, rung)| (rung, Finding::Waiting))
                .collect(),
            observed: None,
            passages,
            sheet: sheet::lines(origin, &grant.urls),
            deadline: Some(now.instant + PATIENCE),
            away: false,
        };
        (run, actions)
    }

    fn is_complete(&self) -> bool {
        let climbed = |(_, climb): &(Rung, Finding<Climb>)| *climb != Finding::Waiting;
        let filtered =
            |(.., passage): &(Host, Host, Finding<Passage>)| *passage != Finding::Waiting;
        self.observed.is_some()
            && self.rungs.iter().all(climbed)
            && self.passages.iter().all(filtered)
    }

    /// Everything is in, and nothing came back.
    fn is_deaf(&self) -> bool {
        let answers = |(_, climb): &(Rung, Finding<Climb>)| {
            matches!(
                climb,
                Finding::Found(Climb::Open { .. } | Climb::Refused { .. })
            )
        };
        self.deadline.is_none() && !self.rungs.iter().any(answers)
    }

    fn give_up(&mut self) {
        self.observed.get_or_insert_default();
        for (_, climb) in &mut self.rungs {
            if *climb == Finding::Waiting {
                *climb = Finding::Unknown(Unknown::TooLittle);
            }
        }
        for (.., passage) in &mut self.passages {
            if *passage == Finding::Waiting {
                *passage = Finding::Unknown(Unknown::TooLittle);
            }
        }
    }

    fn view(&self) -> NetworkView {
        let udp_rungs: Vec<Finding<Climb>> = self
            .rungs
            .iter()
            .filter(|(rung, _)| rung.transport == TransportProtocol::Udp)
            .map(|(_, climb)| climb.clone())
            .collect();
        let seen = self
            .observed
            .as_ref()
            .map(|candidates| [false, true].map(|v6| Sightings::of(candidates, v6)));
        let observed = seen
            .as_ref()
            .map(|families| families.iter().any(|one| !one.is_empty()));
        let udp = if udp_rungs.is_empty() {
            Finding::Unknown(Unknown::NoRelay)
        } else {
            judge::udp(observed, &udp_rungs)
        };
        let (mut ipv4, mut ipv6, mut mapping) =
            (Finding::Waiting, Finding::Waiting, Finding::Waiting);
        if let Some([v4, v6]) = &seen {
            (ipv4, ipv6) = (judge::own_address(v4), judge::own_address(v6));
            let told = if v4.is_empty() { v6 } else { v4 };
            mapping = judge::mapping(told, host_of);
            if told.is_empty() {
                (ipv4, ipv6) = (
                    Finding::Unknown(Unknown::NoAnswer),
                    Finding::Unknown(Unknown::NoAnswer),
                );
            }
        }
        let filtering = judge::filtering(&self.nearness());
        let view = NetworkView {
            state: if self.deadline.is_some() {
                ProbeState::Running
            } else {
                ProbeState::Done
            },
            direct: judge::direct(&udp, &mapping, &filtering),
            wanted: self.wanted(&udp),
            udp,
            ipv4,
            ipv6,
            mapping,
            filtering,
            rungs: self
                .rungs
                .iter()
                .map(|(rung, climb)| RungView {
                    rung: rung.clone(),
                    climb: climb.clone(),
                })
                .collect(),
            not_offered: self.not_offered(),
            sheet: self.sheet.clone(),
        };
        match self.standing(&seen.unwrap_or_default()) {
            Standing::Outside => view,
            Standing::Inside => NetworkView {
                direct: judge::direct_from_inside(view.direct),
                ..view
            },
            Standing::Here => view.measured_from_here(),
        }
    }

    /// Where the node stands, whose relay is the first.
    fn standing(&self, seen: &[Sightings; 2]) -> Standing {
        let own = self.rungs.iter().find(|(rung, _)| rung.own);
        let host = own.map_or("", |(rung, _)| rung.host.as_str());
        let candidates = self.observed.as_deref().unwrap_or_default();
        let of_own: Vec<Gathered> = candidates
            .iter()
            .filter(|one| host_of(&one.url) == host)
            .cloned()
            .collect();
        judge::standing(host, &of_own, seen)
    }

    /// Each passage with where it came from. Only addresses that are written out can be told apart; under one
    /// name there is one address as far as is known.
    fn nearness(&self) -> Vec<Finding<(Passage, Nearness)>> {
        let near = |(seen_at, sender, finding): &(Host, Host, Finding<Passage>)| match finding {
            Finding::Waiting => Finding::Waiting,
            Finding::Unknown(why) => Finding::Unknown(*why),
            Finding::Found(passage) => {
                let from = match passage {
                    Passage::Passed { from } | Passage::Held { from } => *from,
                    Passage::Unmapped | Passage::Unrelayed | Passage::Unsent => None,
                };
                let written = seen_at.trim_matches(['[', ']']).parse::<IpAddr>().ok();
                let same = match (written, from) {
                    (Some(written), Some(from)) => written == from,
                    _ => seen_at == sender,
                };
                let nearness = if same {
                    Nearness::SameAddress
                } else {
                    Nearness::OtherAddress
                };
                Finding::Found((*passage, nearness))
            }
        };
        self.passages.iter().map(near).collect()
    }

    fn not_offered(&self) -> Vec<TransportProtocol> {
        use TransportProtocol::{Tcp, Tls, Udp};
        let offered = |wanted| self.rungs.iter().any(|(rung, _)| rung.transport == wanted);
        [Udp, Tcp, Tls]
            .into_iter()
            .filter(|transport| !offered(*transport))
            .collect()
    }

    /// The lines of the sheet that turned out to be closed.
    fn wanted(&self, udp: &Finding<bool>) -> Vec<Line> {
        let closed = |line: &&Line| match line.purpose {
            Purpose::Direct => *udp == Finding::Found(false),
            Purpose::Web | Purpose::Relayed | Purpose::Metrics => false,
            Purpose::Udp | Purpose::Tcp | Purpose::Tls => self.rungs.iter().any(|(rung, climb)| {
                purpose_of(rung.transport) == line.purpose
                    && rung.host == line.host
                    && Some(rung.port) == line.port
                    && *climb == Finding::Found(Climb::Silent)
            }),
        };
        self.sheet.iter().filter(closed).cloned().collect()
    }
}

impl NetworkView {
    /// The same where the node is away: nothing is known of the network, and until all is in nothing is said.
    fn of_nothing(mut self) -> Self {
        fn nothing<T>(state: ProbeState) -> Finding<T> {
            match state {
                ProbeState::Running => Finding::Waiting,
                _ => Finding::Unknown(Unknown::NodeAway),
            }
        }
        let state = self.state;
        for rung in &mut self.rungs {
            rung.climb = nothing(state);
        }
        Self {
            ipv4: nothing(state),
            ipv6: nothing(state),
            udp: nothing(state),
            mapping: nothing(state),
            filtering: nothing(state),
            direct: nothing(state),
            wanted: Vec::new(),
            ..self
        }
    }

    /// The same where the node is on this device: no packet left it, so there is nothing to ask anybody for.
    fn measured_from_here(mut self) -> Self {
        for address in [&mut self.ipv4, &mut self.ipv6] {
            if let Finding::Found(own) = address {
                own.scope = Scope::Device;
            }
        }
        Self {
            udp: judge::from_here(&self.udp),
            mapping: judge::from_here(&self.mapping),
            filtering: judge::from_here(&self.filtering),
            direct: judge::from_here(&self.direct),
            wanted: Vec::new(),
            ..self
        }
    }
}

fn is_over(grant: &TurnGrant, now: Now) -> bool {
    !grant.urls.is_empty() && grant.expires <= now.unix.as_secs()
}

/// The relays of a grant, in its order. The first host is the node's own.
fn rungs(urls: &[String]) -> Vec<(String, Rung)> {
    let turn = urls.iter().filter(|url| url.starts_with("turn"));
    let mut rungs: Vec<(String, Rung)> = Vec::new();
    for (url, line) in turn.filter_map(|url| Some((url, sheet::line_of(url)?))) {
        let transport = match line.purpose {
            Purpose::Tcp => TransportProtocol::Tcp,
            Purpose::Tls => TransportProtocol::Tls,
            _ => TransportProtocol::Udp,
        };
        let own = rungs
            .first()
            .is_none_or(|(_, first)| first.host == line.host);
        let rung = Rung {
            transport,
            port: line.port.unwrap_or(3478),
            host: line.host,
            own,
        };
        if rungs.len() < MAX_RUNGS && rungs.iter().all(|(_, known)| *known != rung) {
            rungs.push((url.clone(), rung));
        }
    }
    rungs
}

fn purpose_of(transport: TransportProtocol) -> Purpose {
    match transport {
        TransportProtocol::Udp => Purpose::Udp,
        TransportProtocol::Tcp => Purpose::Tcp,
        TransportProtocol::Tls => Purpose::Tls,
    }
}

/// The first relay, and the first on another host.
fn senders<'a>(udp: &[&'a (String, Rung)]) -> Vec<&'a (String, Rung)> {
    let first = udp.first().copied();
    let elsewhere = udp
        .iter()
        .find(|(_, rung)| first.is_some_and(|(_, first)| first.host != rung.host));
    first.into_iter().chain(elsewhere.copied()).collect()
}

/// The host in a URL of a relay; what has none stands for itself.
fn host_of(url: &str) -> String {
    sheet::line_of(url).map_or_else(|| url.to_owned(), |line| line.host)
}
