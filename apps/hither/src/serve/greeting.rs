// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a starting node says, to people and to programs.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use serde::Serialize;

use crate::config;
use crate::failure::Failure;
use crate::node::grants::RelayAccess;
use crate::ready_file;
use crate::relay::Described;
use crate::tls::OwnCa;

/// Everything there is to say.
pub(super) struct Greeting<'a> {
    pub(super) origin: &'a str,
    pub(super) owner_link: Option<&'a str>,
    pub(super) relay: Option<Described<'a>>,
    pub(super) access: &'a RelayAccess,
    pub(super) own_ca: Option<&'a OwnCa>,
    pub(super) data_dir: &'a Path,
    pub(super) metrics: Option<SocketAddr>,
}

/// The ready file.
#[derive(Serialize)]
struct Ready<'a> {
    address: &'a str,
    owner_invitation: Option<&'a str>,
    relay: Vec<String>,
    metrics: Option<SocketAddr>,
}

impl Greeting<'_> {
    /// For the person who started it.
    pub(super) fn text(&self) -> String {
        let mut text = format!("Hither is ready: {}\n", self.origin);
        if let Some(link) = self.owner_link {
            let _infallible = write!(
                text,
                "\nNobody owns this node yet. Open this link to become its owner; it works once:\n  {link}\n"
            );
        }
        if let Some(ca) = self.own_ca {
            let _infallible = write!(
                text,
                "\nIts certificate comes from its own authority. To trust it, open {}/ca.crt and compare\n  SHA-256 {}\n",
                self.origin, ca.fingerprint
            );
        }
        if let Some(relay) = &self.relay {
            let _infallible = write!(text, "\nRelay:\n{}", relay.text());
        }
        let _infallible = write!(
            text,
            "\nData: {}\nInvite somebody: {}\nStop: Ctrl-C",
            self.data_dir.display(),
            invite(self.data_dir, config::default_data_dir().as_deref())
        );
        text
    }

    /// For programs.
    pub(super) fn write_ready_file(&self, path: &Path) -> Result<(), Failure> {
        let ready = Ready {
            address: self.origin,
            owner_invitation: self.owner_link,
            relay: self.relay_urls(),
            metrics: self.metrics,
        };
        ready_file::write(path, &ready)
    }

    fn relay_urls(&self) -> Vec<String> {
        let authority = self.origin.split_once("://").map_or("", |(_, host)| host);
        let host = crate::node::grants::host_of(authority).unwrap_or("localhost");
        self.access.urls(host)
    }
}

/// The command that finds this node again, as a shell takes it.
fn invite(data_dir: &Path, default: Option<&Path>) -> String {
    if default == Some(data_dir) {
        return "hither invite".to_owned();
    }
    let path = std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.to_owned());
    let path = path.to_string_lossy();
    let plain = |c: char| c.is_alphanumeric() || "/._-+@%:,=".contains(c);
    if path.chars().all(plain) {
        format!("hither invite --data-dir {path}")
    } else {
        format!("hither invite --data-dir '{}'", path.replace('\'', r"'\''"))
    }
}

/// Notes the address for `hither invite`.
pub(super) fn remember_address(directory: &Path, origin: &str) {
    if let Err(error) = std::fs::write(directory.join("address"), origin) {
        tracing::warn!(%error, "cannot note the node's address");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greeting_says_how_to_invite_to_this_very_node() {
        let said = |at: &str| invite(Path::new(at), Some(Path::new("/var/lib/hither")));
        assert_eq!(said("/var/lib/hither"), "hither invite");
        assert_eq!(said("/srv/x"), "hither invite --data-dir /srv/x");
        assert_eq!(
            said("/srv/ana's node"),
            r"hither invite --data-dir '/srv/ana'\''s node'"
        );
    }
}
