// SPDX-License-Identifier: MIT OR Apache-2.0
//! Access to the relay: ephemeral credentials, and the URLs under which it is reached.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use hither_api::TurnGrant;
use hither_relay::{SharedSecret, mint};
use hither_sansio::UnixTime;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use super::random;
use crate::config;

/// Longest host that is looked at, in bytes (RFC 1035 §2.3.4), with brackets for IPv6.
const MAX_HOST: usize = 255;

/// Hands out access to relays.
#[derive(Debug)]
pub(crate) struct Grants {
    access: RwLock<RelayAccess>,
}

/// What is needed to let somebody use relays.
#[derive(Clone, Debug)]
pub(crate) struct RelayAccess {
    secret: SharedSecret,
    /// The node's own relay, if there is one.
    pub(crate) own: Option<OwnPorts>,
    /// Goes before the host of the page.
    public_host: Option<String>,
    /// URLs of relays that know the same secret.
    elsewhere: Vec<String>,
    lasts: Duration,
}

/// Ports of the node's own relay, the preferred one of a kind first.
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnPorts {
    pub(crate) udp: Vec<u16>,
    pub(crate) tcp: Vec<u16>,
    /// The first is shared with HTTPS.
    pub(crate) tls: Vec<u16>,
}

impl Grants {
    pub(crate) fn new(access: RelayAccess) -> Self {
        Self {
            access: RwLock::new(access),
        }
    }

    /// Follows other settings.
    pub(crate) fn reload(&self, config: &config::Access, secret: &SharedSecret) {
        let mut access = self.access.write().unwrap_or_else(PoisonError::into_inner);
        let own = access.own.take();
        *access = RelayAccess {
            own,
            ..RelayAccess::new(config, secret.clone())
        };
    }

    /// Sends nobody to the own relay any more.
    pub(crate) fn withdraw_own(&self) {
        let mut access = self.access.write().unwrap_or_else(PoisonError::into_inner);
        access.own = None;
    }

    /// Access for a while, for a client that reached this node as `host`. Without a relay it has no URLs.
    pub(crate) fn grant(&self, host: &str, now: UnixTime) -> Result<TurnGrant, getrandom::Error> {
        let access = self.access.read().unwrap_or_else(PoisonError::into_inner);
        let urls = access.urls(host);
        if urls.is_empty() {
            return Ok(TurnGrant {
                username: String::new(),
                password: String::new(),
                expires: now.as_secs(),
                urls,
            });
        }
        let mut rng = ChaCha20Rng::from_seed(random()?);
        let credential = mint(&access.secret, now, access.lasts, &mut rng);
        Ok(TurnGrant {
            username: credential.username,
            password: credential.password,
            expires: (now + access.lasts).as_secs(),
            urls,
        })
    }
}

impl RelayAccess {
    /// Access to relays elsewhere; the own one is added when it runs.
    pub(crate) fn new(config: &config::Access, secret: SharedSecret) -> Self {
        Self {
            secret,
            own: None,
            public_host: config.public_host.clone(),
            elsewhere: config.elsewhere.clone(),
            lasts: config.lasts,
        }
    }

    pub(crate) fn urls(&self, host: &str) -> Vec<String> {
        let host = self.public_host.as_deref().unwrap_or(host);
        urls(host, self.own.as_ref(), &self.elsewhere)
    }
}

/// Best first (RFC 7064 §3.1, RFC 7065 §3.1); the own relay before others.
pub(crate) fn urls(host: &str, own: Option<&OwnPorts>, elsewhere: &[String]) -> Vec<String> {
    let mut urls = Vec::new();
    if let Some(own) = own {
        let stun = own.udp.first().map(|port| format!("stun:{host}:{port}"));
        urls.extend(stun);
        let turn = |scheme, ports: &[u16], transport| {
            let url = |port| format!("{scheme}:{host}:{port}?transport={transport}");
            ports.iter().map(url).collect::<Vec<_>>()
        };
        urls.extend(turn("turn", &own.udp, "udp"));
        urls.extend(turn("turn", &own.tcp, "tcp"));
        urls.extend(turn("turns", &own.tls, "tcp"));
    }
    urls.extend(elsewhere.iter().cloned());
    urls
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
