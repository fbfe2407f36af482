// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a starting node says, to people and to programs.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use super::private_file;
use super::relay::Running;
use super::tls::OwnCa;
use crate::config::{self, Config};
use crate::failure::Failure;

/// Everything there is to say.
pub(super) struct Greeting<'a> {
    pub(super) origin: &'a str,
    pub(super) owner_link: Option<&'a str>,
    pub(super) relay: Option<&'a Running>,
    pub(super) own_ca: Option<&'a OwnCa>,
    pub(super) data_dir: &'a Path,
}

/// The ready file.
#[derive(Serialize)]
struct Ready<'a> {
    address: &'a str,
    owner_invitation: Option<&'a str>,
    relay: Vec<String>,
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
        let _infallible = write!(
            text,
            "\nData: {}\nInvite somebody: {}\nStop: Ctrl-C",
            self.data_dir.display(),
            invite(self.data_dir, config::default_data_dir().as_deref())
        );
        text
    }

    /// For programs. The file appears whole or not at all.
    pub(super) fn write_ready_file(&self, path: &Path) -> Result<(), Failure> {
        let ready = Ready {
            address: self.origin,
            owner_invitation: self.owner_link,
            relay: self.relay_urls(),
        };
        let failed = |error: &dyn std::error::Error| {
            Failure::caused_by(format!("cannot write {}", path.display()), error)
        };
        let json = serde_json::to_vec_pretty(&ready).map_err(|error| failed(&error))?;
        private_file::write(path, &json).map_err(|error| failed(&error))
    }

    fn relay_urls(&self) -> Vec<String> {
        let authority = self.origin.split_once("://").map_or("", |(_, host)| host);
        let host = crate::node::grants::host_of(authority).unwrap_or("localhost");
        self.relay
            .map(|relay| relay.access.urls(host))
            .unwrap_or_default()
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

/// One of an earlier start would tell of another node.
pub(super) fn remove_ready_file(path: &Path) -> Result<(), Failure> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Failure::caused_by(
            format!("cannot remove {}", path.display()),
            &error,
        )),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Notes the address for `hither invite`.
pub(super) fn remember_address(directory: &Path, origin: &str) {
    if let Err(error) = std::fs::write(directory.join("address"), origin) {
        tracing::warn!(%error, "cannot note the node's address");
    }
}

/// What an administrator has to let through, from the configuration alone.
pub(super) fn network_sheet(config: &Config) -> String {
    let mut rows: Vec<[String; 5]> = Vec::new();
    let mut row = |purpose: &str, protocol: &str, at: String, direction: &str, encryption: &str| {
        rows.push([purpose, protocol, &at, direction, encryption].map(str::to_owned));
    };
    let http = if config.scheme() == "https" {
        "TLS 1.2 or 1.3"
    } else if config.behind_proxy {
        "by the proxy in front"
    } else {
        "none; does not leave this machine"
    };
    for at in &config.listen {
        row("web client, API, socket", "TCP", at.to_string(), "in", http);
        if config.scheme() == "https" && config.relay.is_some() {
            row("TURN, same port", "TCP", at.to_string(), "in", http);
        }
    }
    if let Some(relay) = &config.relay {
        let media = "end to end (SRTP, DTLS)";
        for at in &relay.listen_udp {
            row("STUN and TURN", "UDP", at.to_string(), "in", media);
        }
        for at in &relay.listen_tcp {
            row("TURN", "TCP", at.to_string(), "in", media);
        }
        let ports = format!("{}-{}", relay.ports.start(), relay.ports.end());
        for ip in &relay.relayed_ips {
            let at = if ip.is_ipv6() {
                format!("[{ip}]:{ports}")
            } else {
                format!("{ip}:{ports}")
            };
            row("relayed calls", "UDP", at, "in and out", media);
        }
    }
    table(
        ["purpose", "protocol", "here", "direction", "encryption"].map(str::to_owned),
        &rows,
    ) + "\nThe node makes no other connection; clients make outgoing connections only."
}

/// Left-aligned columns.
pub(crate) fn table<const N: usize>(head: [String; N], rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in std::iter::once(&head).chain(rows) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in std::iter::once(&head).chain(rows) {
        let cells = row.iter().zip(widths);
        let line: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text.push_str(line.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greeting_says_how_to_invite_to_this_very_node() {
        let said = |at: &str| invite(Path::new(at), Some(Path::new("/home/ana/hither")));
        assert_eq!(said("/home/ana/hither"), "hither invite");
        assert_eq!(said("/srv/x"), "hither invite --data-dir /srv/x");
        assert_eq!(
            said("/srv/ana's node"),
            r"hither invite --data-dir '/srv/ana'\''s node'"
        );
    }
}
