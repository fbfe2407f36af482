// SPDX-License-Identifier: MIT OR Apache-2.0
//! Access to the relay: ephemeral credentials, and the URLs under which it is reached.

use std::time::Duration;

use hither_api::TurnGrant;
use hither_relay::{SharedSecret, mint};
use hither_sansio::UnixTime;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use super::random;

/// Longest host that is looked at, in bytes (RFC 1035 §2.3.4), with brackets for IPv6.
const MAX_HOST: usize = 255;

/// Hands out access to the relay.
#[derive(Debug, Default)]
pub(crate) struct Grants {
    pub(crate) relay: Option<RelayAccess>,
}

/// What is needed to let somebody use the relay.
#[derive(Clone, Debug)]
pub(crate) struct RelayAccess {
    pub(crate) secret: SharedSecret,
    pub(crate) udp_port: Option<u16>,
    pub(crate) tcp_port: Option<u16>,
    /// Where TURN shares a socket with HTTPS.
    pub(crate) tls_port: Option<u16>,
    /// Goes before the host of the page.
    pub(crate) public_host: Option<String>,
    pub(crate) lasts: Duration,
}

impl Grants {
    /// Access for a while, for a client that reached this node as `host`. Without a relay it has no URLs.
    pub(crate) fn grant(&self, host: &str, now: UnixTime) -> Result<TurnGrant, getrandom::Error> {
        let Some(relay) = &self.relay else {
            return Ok(TurnGrant {
                username: String::new(),
                password: String::new(),
                expires: now.as_secs(),
                urls: Vec::new(),
            });
        };
        let mut rng = ChaCha20Rng::from_seed(random()?);
        let credential = mint(&relay.secret, now, relay.lasts, &mut rng);
        Ok(TurnGrant {
            username: credential.username,
            password: credential.password,
            expires: (now + relay.lasts).as_secs(),
            urls: relay.urls(host),
        })
    }
}

impl RelayAccess {
    /// Best first (RFC 7064 §3.1, RFC 7065 §3.1).
    pub(crate) fn urls(&self, host: &str) -> Vec<String> {
        let host = self.public_host.as_deref().unwrap_or(host);
        let mut urls = Vec::new();
        if let Some(port) = self.udp_port {
            urls.push(format!("stun:{host}:{port}"));
            urls.push(format!("turn:{host}:{port}?transport=udp"));
        }
        if let Some(port) = self.tcp_port {
            urls.push(format!("turn:{host}:{port}?transport=tcp"));
        }
        if let Some(port) = self.tls_port {
            urls.push(format!("turns:{host}:{port}?transport=tcp"));
        }
        urls
    }
}

/// The host in `host[:port]`, if it is one: letters, digits, dots and hyphens, or an IPv6 address in brackets.
pub(crate) fn host_of(authority: &str) -> Option<&str> {
    let host = if authority.starts_with('[') {
        let end = authority.find(']')?;
        let (host, rest) = authority.split_at(end + 1);
        host[1..end].parse::<std::net::Ipv6Addr>().ok()?;
        is_port(rest).then_some(host)?
    } else {
        let (host, rest) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
        is_port(rest).then_some(host)?
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-.[]:".contains(c);
    let fits = !host.is_empty() && host.len() <= MAX_HOST && host.chars().all(plain);
    fits.then_some(host)
}

/// Nothing, or a colon and a port.
fn is_port(text: &str) -> bool {
    text.is_empty()
        || text
            .strip_prefix(':')
            .is_some_and(|port| port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_found_without_its_port() {
        for (authority, host) in [
            ("localhost:8440", Some("localhost")),
            ("chat.example.org", Some("chat.example.org")),
            ("[::1]:8440", Some("[::1]")),
            ("[::1]", Some("[::1]")),
            ("192.0.2.1:1", Some("192.0.2.1")),
            ("", None),
            (":80", None),
            ("a:b", None),
            ("a b", None),
            ("[::1", None),
            ("[x]:1", None),
            ("a?transport=udp", None),
            ("a:1:2", None),
        ] {
            assert_eq!(host_of(authority), host, "{authority}");
        }
    }
}
