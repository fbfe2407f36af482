// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ctrl-C and its kin: the first one stops in order, the second one at once.

use crate::failure::Failure;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Exit status of a program that was interrupted.
const INTERRUPTED: i32 = 130;

/// Listens for requests to stop.
pub(super) struct Signals {
    #[cfg(unix)]
    interrupt: Signal,
    #[cfg(unix)]
    terminate: Signal,
}

impl Signals {
    #[cfg(unix)]
    pub(super) fn new() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| Failure::caused_by("cannot listen for signals", &error))
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    #[cfg(not(unix))]
    #[expect(clippy::unnecessary_wraps, reason = "fails elsewhere")]
    pub(super) fn new() -> Result<Self, Failure> {
        Ok(Self {})
    }

    /// Waits for the next one.
    pub(super) async fn first(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        #[cfg(not(unix))]
        let _heard = tokio::signal::ctrl_c().await;
    }

    /// From now on one more ends the process.
    pub(super) fn second_exits_at_once(mut self) {
        tokio::spawn(async move {
            self.first().await;
            // Whoever asks twice wants no clean end.
            std::process::exit(INTERRUPTED);
        });
    }
}
