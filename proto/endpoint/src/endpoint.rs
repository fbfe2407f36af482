// SPDX-License-Identifier: MIT OR Apache-2.0
//! The machine itself.

use hither_crypto::stretch::{StretchParams, Stretched};
use hither_sansio::{Instant, Now};

use crate::{Command, Event, HttpResponse, LinkEvent, SocketEvent, Transmit, View, WriteBatch};

/// What a host decides once.
#[derive(Clone, Debug)]
pub struct Config {
    /// How hard the passphrase is stretched for a new vault.
    pub stretch: StretchParams,
    /// What this device is called until the person renames it, e.g. `Chromium on Linux`.
    pub device_label: String,
}

/// The client. See the crate's head for its loop.
#[derive(Debug)]
pub struct Endpoint {
    config: Config,
}

impl Endpoint {
    /// A client over what its store holds (everything, in any order) and a fresh random seed.
    #[must_use]
    pub fn new(
        config: Config,
        records: Vec<([u8; 16], Vec<u8>)>,
        seed: [u8; 32],
        now: Now,
    ) -> Self {
        drop((records, seed, now));
        Self { config }
    }

    /// A person's wish.
    pub fn handle_command(&mut self, command: Command, now: Now) {
        drop((command, now));
    }

    /// The answer to a request.
    pub fn handle_http(&mut self, response: HttpResponse, now: Now) {
        drop((response, now));
    }

    /// The socket to the node.
    pub fn handle_socket(&mut self, event: SocketEvent, now: Now) {
        drop((event, now));
    }

    /// A peer connection.
    pub fn handle_link(&mut self, event: LinkEvent, now: Now) {
        drop((event, now));
    }

    /// Argon2id is done; `None` if it could not run.
    pub fn handle_stretched(&mut self, id: u32, key: Option<Stretched>, now: Now) {
        drop((id, key, now));
    }

    /// A batch is safely stored.
    pub fn handle_written(&mut self, number: u64, now: Now) {
        let _ = (number, now);
    }

    /// A batch could not be stored; nothing of it was.
    pub fn handle_write_failed(&mut self, number: u64, now: Now) {
        let _ = (number, now);
    }

    /// The time of [`Self::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Now) {
        let _ = now;
    }

    /// The next batch to store.
    pub fn poll_write(&mut self) -> Option<WriteBatch> {
        None
    }

    /// The next thing to do outside; nothing while a write is unconfirmed.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        None
    }

    /// The next thing to tell.
    pub fn poll_event(&mut self) -> Option<Event> {
        None
    }

    /// When to call [`Self::handle_timeout`], and why.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        None
    }

    /// What to show.
    #[must_use]
    pub fn view(&self) -> View {
        let _ = &self.config;
        View::fresh()
    }
}
