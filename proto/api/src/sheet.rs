// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an administrator has to let through: the one source of the table in `docs/network.md`, of `hither serve
//! --print-network-sheet`, and of what the page "Your network" asks for.
//!
//! A [`Purpose`] is a row of the table with its words; a [`Line`] is a row with real hosts and ports. Which of
//! them are closed somewhere is measured by `hither-endpoint`, where a node listens is known to `hither`.

use core::fmt;

/// Why bytes have to get through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// The page and everything it says to its node.
    Web,
    /// STUN, and TURN over UDP.
    Udp,
    /// TURN over TCP.
    Tcp,
    /// TURN over TLS.
    Tls,
    /// From device to device.
    Direct,
    /// Between the relay and those whom it reaches for its clients.
    Relayed,
    /// Prometheus.
    Metrics,
}

impl Purpose {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 7] = [
        Self::Web,
        Self::Udp,
        Self::Tcp,
        Self::Tls,
        Self::Direct,
        Self::Relayed,
        Self::Metrics,
    ];

    /// What it is for.
    #[must_use]
    pub const fn what(self) -> &'static str {
        match self {
            Self::Web => "web client, API, signalling",
            Self::Udp => "finding the own address, relay",
            Self::Tcp => "relay where UDP is closed",
            Self::Tls => "relay where only HTTPS is open",
            Self::Direct => "direct media and data between people",
            Self::Relayed => "relayed transport addresses",
            Self::Metrics => "metrics, if there are any",
        }
    }

    /// `TCP` or `UDP`: what a firewall tells apart.
    #[must_use]
    pub const fn transport(self) -> &'static str {
        match self {
            Self::Web | Self::Tcp | Self::Tls | Self::Metrics => "TCP",
            Self::Udp | Self::Direct | Self::Relayed => "UDP",
        }
    }

    /// What is spoken over it, if that is worth a word.
    #[must_use]
    pub const fn spoken(self) -> Option<&'static str> {
        match self {
            Self::Web => Some("HTTPS, WebSocket"),
            Self::Udp => Some("STUN, TURN"),
            Self::Tcp => Some("TURN"),
            Self::Tls => Some("TURN in TLS"),
            Self::Direct => Some("ICE, DTLS, SRTP, SCTP"),
            Self::Relayed => None,
            Self::Metrics => Some("HTTP"),
        }
    }

    /// Who is at the other end.
    #[must_use]
    pub const fn host(self) -> &'static str {
        match self {
            Self::Web => "the node",
            Self::Udp | Self::Tcp | Self::Tls | Self::Relayed | Self::Metrics => {
                "the node, or a relay alone"
            }
            Self::Direct => "the other person",
        }
    }

    /// The ports by default.
    #[must_use]
    pub const fn ports(self) -> &'static str {
        match self {
            Self::Web => "443 (development: 8440, plain HTTP on loopback only)",
            Self::Udp => "3478, and 443 where HTTPS is on 443 (development: 8478)",
            Self::Tcp => "3478 (development: 8478)",
            Self::Tls => "443, shared with HTTPS",
            Self::Direct => "ephemeral, one port per pair",
            Self::Relayed => "49152–65535",
            Self::Metrics => "as configured; loopback by default",
        }
    }

    /// Who begins.
    #[must_use]
    pub const fn direction(self) -> &'static str {
        match self {
            Self::Web | Self::Tcp | Self::Tls => "client → node",
            Self::Udp => "client → node, answers",
            Self::Direct => "both, started from inside",
            Self::Relayed => "node ↔ clients outside",
            Self::Metrics => "Prometheus → node",
        }
    }

    /// What it is protected with.
    #[must_use]
    pub const fn encryption(self) -> &'static str {
        match self {
            Self::Web => "TLS 1.2/1.3, inside it the envelope",
            Self::Udp | Self::Tcp | Self::Relayed => "SRTP/DTLS inside, inside it the envelope",
            Self::Tls => "TLS 1.2/1.3, inside it SRTP/DTLS and the envelope",
            Self::Direct => "DTLS 1.2/1.3, inside it the envelope",
            Self::Metrics => "none; numbers only",
        }
    }
}

/// A row with a real host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Why.
    pub purpose: Purpose,
    /// Name or address of the other end; brackets around an IPv6 address.
    pub host: String,
    /// `None` for any port.
    pub port: Option<u16>,
    /// What it is protected with.
    pub encryption: &'static str,
}

/// What protects HTTP without TLS: that nobody else can listen.
const LOOPBACK: &str = "plain HTTP, which does not leave this machine";

impl fmt::Display for Line {
    /// One line that a person can pass on: `UDP to chat.example.org port 3478: …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            purpose,
            host,
            port,
            encryption,
        } = self;
        write!(f, "{} to {host} ", purpose.transport())?;
        match port {
            Some(port) => write!(f, "port {port}")?,
            None => f.write_str("(any port)")?,
        }
        write!(
            f,
            ": {} ({}; {encryption})",
            purpose.what(),
            purpose.direction(),
        )
    }
}

/// What has to get out of a network for its people to use the node at `origin` (`https://host[:port]`) and the
/// relays at `urls` (RFC 7064, RFC 7065). What is not understood is left out.
#[must_use]
pub fn lines(origin: &str, urls: &[String]) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut add = |line: Line| {
        if !lines.contains(&line) {
            lines.push(line);
        }
    };
    if let Some((scheme, authority)) = origin.split_once("://") {
        let default = if scheme == "https" { 443 } else { 80 };
        let (host, port) = host_and_port(authority.trim_end_matches('/'));
        add(Line {
            purpose: Purpose::Web,
            host: host.to_owned(),
            port: port.or(Some(default)),
            encryption: if scheme == "https" {
                Purpose::Web.encryption()
            } else {
                LOOPBACK
            },
        });
    }
    for url in urls {
        if let Some(line) = line_of(url) {
            add(line);
        }
    }
    add(Line {
        purpose: Purpose::Direct,
        host: Purpose::Direct.host().to_owned(),
        port: None,
        encryption: Purpose::Direct.encryption(),
    });
    lines
}

/// The line that one URL of a relay needs.
#[must_use]
pub fn line_of(url: &str) -> Option<Line> {
    let (scheme, rest) = url.split_once(':')?;
    let (authority, query) = rest.split_once('?').unwrap_or((rest, ""));
    let over_tcp = query.split('&').any(|part| part == "transport=tcp");
    let (purpose, default) = match (scheme, over_tcp) {
        ("stun", _) | ("turn", false) => (Purpose::Udp, 3478),
        ("turn", true) => (Purpose::Tcp, 3478),
        ("turns", true) => (Purpose::Tls, 5349),
        _ => return None,
    };
    let (host, port) = host_and_port(authority);
    (!host.is_empty()).then(|| Line {
        purpose,
        host: host.to_owned(),
        port: port.or(Some(default)),
        encryption: purpose.encryption(),
    })
}

/// `host`, `host:port`, `[v6]` or `[v6]:port`.
fn host_and_port(authority: &str) -> (&str, Option<u16>) {
    let at = match authority.rfind(']') {
        Some(end) => authority
            .get(end + 1..)
            .and_then(|rest| rest.find(':'))
            .map(|colon| end + 1 + colon),
        None => authority.rfind(':'),
    };
    let split = at.and_then(|at| Some((authority.get(..at)?, authority.get(at + 1..)?)));
    match split {
        Some((host, port)) => (host, port.parse().ok()),
        None => (authority, None),
    }
}

/// The table as `docs/network.md` shows it.
#[must_use]
pub fn markdown() -> String {
    let mut table = "| purpose | protocol | host | port (default) | direction | encryption |\n\
                     |---|---|---|---|---|---|\n"
        .to_owned();
    for purpose in Purpose::ALL {
        let protocol = match purpose.spoken() {
            Some(spoken) => format!("{}: {spoken}", purpose.transport()),
            None => purpose.transport().to_owned(),
        };
        let cells = [
            purpose.what(),
            &protocol,
            purpose.host(),
            purpose.ports(),
            purpose.direction(),
            purpose.encryption(),
        ];
        table.push_str("| ");
        table.push_str(&cells.join(" | "));
        table.push_str(" |\n");
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(urls: &[&str]) -> Vec<String> {
        urls.iter().map(|&url| url.to_owned()).collect()
    }

    #[test]
    fn the_table_of_the_documents_is_this_one() {
        let document = include_str!("../../../docs/network.md");
        assert!(
            document.contains(&markdown()),
            "docs/network.md should hold this:\n{}",
            markdown()
        );
    }

    #[test]
    fn a_client_needs_its_node_the_relay_and_other_people() {
        let urls = urls(&[
            "stun:chat.example.org:3478",
            "turn:chat.example.org:3478?transport=udp",
            "turn:chat.example.org:443?transport=udp",
            "turn:chat.example.org:3478?transport=tcp",
            "turns:chat.example.org:443?transport=tcp",
        ]);
        let told: Vec<String> = lines("https://chat.example.org", &urls)
            .iter()
            .map(Line::to_string)
            .collect();
        let begins = [
            "TCP to chat.example.org port 443: web client",
            "UDP to chat.example.org port 3478: finding",
            "UDP to chat.example.org port 443: finding",
            "TCP to chat.example.org port 3478: relay where UDP is closed",
            "TCP to chat.example.org port 443: relay where only HTTPS is open",
            "UDP to the other person (any port): direct",
        ];
        assert_eq!(told.len(), begins.len(), "{told:#?}");
        for (line, begin) in told.iter().zip(begins) {
            assert!(line.starts_with(begin), "{line}");
        }
    }

    #[test]
    fn hosts_and_ports_are_found_in_every_shape() {
        for (url, host, port) in [
            ("stun:a.example", "a.example", 3478),
            ("turn:[2001:db8::1]?transport=tcp", "[2001:db8::1]", 3478),
            ("turn:[2001:db8::1]:443?transport=udp", "[2001:db8::1]", 443),
            ("turns:a.example?transport=tcp", "a.example", 5349),
            ("turn:192.0.2.1:8478", "192.0.2.1", 8478),
        ] {
            let line = line_of(url).expect("understood");
            assert_eq!((line.host.as_str(), line.port), (host, Some(port)), "{url}");
        }
        for url in [
            "",
            "turn",
            "turn:",
            "http://a.example",
            "turns:a?transport=udp",
        ] {
            assert_eq!(line_of(url), None, "{url}");
        }
    }

    #[test]
    fn the_own_port_of_a_node_is_in_its_line() {
        let line = &lines("http://localhost:8440", &[])[0];
        assert_eq!((line.host.as_str(), line.port), ("localhost", Some(8440)));
        assert!(!line.to_string().contains("TLS"), "{line}");
        let line = &lines("https://[2001:db8::1]", &[])[0];
        assert_eq!(
            (line.host.as_str(), line.port),
            ("[2001:db8::1]", Some(443))
        );
    }
}
