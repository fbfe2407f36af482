// SPDX-License-Identifier: MIT OR Apache-2.0
//! One person's end of a call: an agent for each lane, and the watch over both.

use hither_path::{Config, Event, Lane, Watch};
use hither_sansio::{Duration, Instant};

use crate::agent::{Agent, Path};
use crate::network::HostId;

/// Between two frames of sound.
pub const FRAME: Duration = Duration::from_millis(20);
/// While main is in doubt, it is restarted again after so long.
const RETRY: Duration = Duration::from_secs(3);
/// A spare whose path has not answered for so long is made anew.
const SPARE_LOST: Duration = Duration::from_millis(3_500);

/// What is to be restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Restarts {
    /// Main.
    pub main: bool,
    /// The spare.
    pub spare: bool,
}

/// One end of a call.
#[derive(Clone, Debug)]
pub struct Side {
    /// Its host.
    pub host: HostId,
    /// Its ports on that host, by lane.
    pub ports: [u16; 2],
    /// Its agents, by lane; the spare's begins when main has a path.
    pub agents: [Option<Agent>; 2],
    /// The watch.
    pub watch: Watch,
    /// When frames were played.
    pub played: Vec<Instant>,
    /// What the watch said, and when.
    pub events: Vec<(Instant, Event)>,
    /// Which paths main took, and when.
    pub paths: Vec<(Instant, Path)>,
    /// Frames sent, by lane.
    pub sent: [u64; 2],
    retry_at: Option<Instant>,
    spare_retry_at: Instant,
}

impl Side {
    /// An end that has not begun.
    #[must_use]
    pub fn new(host: HostId, ports: [u16; 2], now: Instant) -> Self {
        Self {
            host,
            ports,
            agents: [None, None],
            watch: Watch::new(Config::sound(), now),
            played: Vec::new(),
            events: Vec::new(),
            paths: Vec::new(),
            sent: [0, 0],
            retry_at: None,
            spare_retry_at: now,
        }
    }

    /// A lane's agent.
    #[must_use]
    pub fn agent(&self, lane: Lane) -> Option<&Agent> {
        self.agents[lane as usize].as_ref()
    }

    /// The path that a lane has.
    #[must_use]
    pub fn path(&self, lane: Lane) -> Option<Path> {
        self.agent(lane).and_then(Agent::chosen)
    }

    /// Whether sound and main are direct.
    #[must_use]
    pub fn is_direct(&self) -> bool {
        self.watch.plays(Lane::Main) && self.path(Lane::Main).is_some_and(|path| path.is_direct())
    }

    /// How often the watch has said this.
    #[must_use]
    pub fn count(&self, event: Event) -> usize {
        self.events.iter().filter(|(_, e)| *e == event).count()
    }

    /// The longest time from `start` to `end` without a frame played.
    #[must_use]
    pub fn longest_gap(&self, start: Instant, end: Instant) -> Duration {
        let within = self.played.iter().filter(|at| **at >= start && **at <= end);
        let (last, longest) = within.fold((start, Duration::ZERO), |(last, longest), at| {
            (*at, longest.max(at.saturating_since(last)))
        });
        longest.max(end.saturating_since(last))
    }

    /// Writes down what the watch says, and follows it.
    pub fn drain_events(&mut self, now: Instant) -> Restarts {
        let mut restarts = Restarts::default();
        while let Some(event) = self.watch.poll_event() {
            self.events.push((now, event));
            match event {
                Event::Silent { lane: Lane::Main } => {
                    restarts.main = true;
                    self.retry_at = Some(now + RETRY);
                }
                Event::Heard { lane: Lane::Main } => self.retry_at = None,
                Event::BothSilent => restarts.spare = true,
                Event::Silent { .. }
                | Event::Heard { .. }
                | Event::Opened
                | Event::Shut
                | Event::Plays { .. } => {}
            }
        }
        restarts
    }

    /// What is due to be restarted (again).
    pub fn handle_timeout(&mut self, now: Instant) -> Restarts {
        let main = self.retry_at.is_some_and(|at| now >= at);
        if main {
            self.retry_at = Some(now + RETRY);
        }
        let spare = self.spare_is_lost_at().is_some_and(|at| now >= at);
        if spare {
            self.spare_retry_at = now + RETRY;
        }
        Restarts { main, spare }
    }

    /// When `handle_timeout` is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.retry_at, self.spare_is_lost_at()]
            .into_iter()
            .flatten()
            .min()
    }

    fn spare_is_lost_at(&self) -> Option<Instant> {
        let answered = self.agent(Lane::Spare)?.answered;
        Some((answered + SPARE_LOST).max(self.spare_retry_at))
    }
}
