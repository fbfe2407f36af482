// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the system or a person at the keyboard asks for.

#[cfg(unix)]
use std::io::IsTerminal as _;

use crate::failure::Failure;

#[cfg(unix)]
use tokio::signal::unix::{SignalKind, signal};

/// Exit status of a program that was interrupted.
const INTERRUPTED: i32 = 130;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Ctrl-C: stop in order, now.
    Stop,
    /// SIGTERM: stop in order, when the calls under way have had their time.
    Drain,
    /// SIGHUP from whoever is not a closing terminal: read the configuration again.
    Reload,
}

/// Listens for signals.
pub(crate) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    hangup: tokio::signal::unix::Signal,
    /// Whether somebody sat at a terminal when it began.
    #[cfg(unix)]
    had_terminal: bool,
}

impl Signals {
    #[cfg(unix)]
    pub(crate) fn new() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| Failure::caused_by("cannot listen for signals", &error))
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
            had_terminal: std::io::stdin().is_terminal(),
        })
    }

    #[cfg(not(unix))]
    #[expect(clippy::unnecessary_wraps, reason = "fails elsewhere")]
    pub(crate) fn new() -> Result<Self, Failure> {
        Ok(Self {})
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) -> Asked {
        #[cfg(unix)]
        tokio::select! {
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.terminate.recv() => Asked::Drain,
            // A window that was closed sends the same signal; its terminal is gone then.
            _ = self.hangup.recv() => match self.had_terminal && !std::io::stdin().is_terminal() {
                true => Asked::Stop,
                false => Asked::Reload,
            },
        }
        #[cfg(not(unix))]
        {
            let _heard = tokio::signal::ctrl_c().await;
            Asked::Stop
        }
    }

    /// Waits for the next one that is about stopping.
    pub(crate) async fn next_stop(&mut self) -> Asked {
        loop {
            match self.next().await {
                Asked::Reload => {}
                stop => return stop,
            }
        }
    }

    /// From now on one more that is about stopping ends the process.
    pub(crate) fn next_stop_exits_at_once(mut self) {
        tokio::spawn(async move {
            self.next_stop().await;
            // Whoever asks again wants no clean end.
            std::process::exit(INTERRUPTED);
        });
    }
}
