// SPDX-License-Identifier: MIT OR Apache-2.0
//! A relay in words: where it listens, which peers it reaches, what a firewall must let through.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use hither_relay::{RelayHandle, RelayedIp};

use crate::config::{PeersBecause, Relay};

/// What there is to say about one relay.
pub(crate) struct Described<'a> {
    pub(crate) config: &'a Relay,
    pub(crate) handle: &'a RelayHandle,
    /// Where TLS is taken off for it.
    pub(crate) tls: &'a [SocketAddr],
}

impl Described<'_> {
    /// Where it listens and which peers are open, in lines that begin with two spaces.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, what: &str| {
            let _infallible = writeln!(text, "  {name:<7}{what}");
        };
        for (name, places) in [
            ("UDP", self.handle.local_udp_addrs()),
            ("TCP", self.handle.local_tcp_addrs()),
            ("TLS", self.tls),
        ] {
            if !places.is_empty() {
                line(name, &list(places));
            }
        }
        line("from", &self.leaves());
        line("peers", &peers(self.config));
        line("with", &self.granted());
        text
    }

    fn granted(&self) -> String {
        let granted = self.handle.granted();
        let workers = counted(granted.workers, "worker");
        // The system counts what it reserves, which is twice what it gives.
        let buffer = granted.listener_buffer / 2 / 1024;
        let files = match granted.open_files {
            Some(files) => format!(", {files} open files"),
            None => String::new(),
        };
        format!("{workers}, receive buffers of {buffer} KiB{files}")
    }

    fn leaves(&self) -> String {
        let (first, last) = (self.config.ports.start(), self.config.ports.end());
        let ips: Vec<String> = self.config.relayed_ips.iter().map(relayed).collect();
        format!("{}, ports {first}-{last}", ips.join(", "))
    }
}

fn counted(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

fn list(places: &[SocketAddr]) -> String {
    let places: Vec<String> = places.iter().map(SocketAddr::to_string).collect();
    places.join(", ")
}

fn relayed(ip: &RelayedIp) -> String {
    if ip.bind == ip.advertised {
        ip.bind.to_string()
    } else {
        format!("{} (seen as {})", ip.bind, ip.advertised)
    }
}

/// Which peers are open, which are closed, and why.
pub(crate) fn peers(config: &Relay) -> String {
    let ips: Vec<IpAddr> = config.relayed_ips.iter().map(|ip| ip.advertised).collect();
    let open = config.peers.rules.spoken(&ips);
    let (private, because) = (config.peers.rules.private, config.peers.because);
    let why = match because {
        PeersBecause::Told => "as relay.private_peers says",
        PeersBecause::PrivateAddressesOnly => "it listens on private addresses only",
        PeersBecause::PublicAddress => "a public address leads to it",
        PeersBecause::PublicName => "a public name leads to it",
    };
    let private = if private {
        "of its own kind are open"
    } else {
        "are closed"
    };
    format!("{open}; private networks {private}: {why}")
}
