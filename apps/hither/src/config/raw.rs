// SPDX-License-Identifier: MIT OR Apache-2.0
//! The settings as they are written, and the checks that make a [`Config`] of them.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::{Config, Limits, Relay, Tls};
use crate::own_address;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    node: RawNode,
    http: RawHttp,
    tls: RawTls,
    relay: RawRelay,
    limits: RawLimits,
    log: RawLog,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawNode {
    name: String,
    open_registration: bool,
    data_dir: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHttp {
    listen: Vec<SocketAddr>,
    public_url: String,
    behind_proxy: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTls {
    mode: TlsMode,
    certificate: PathBuf,
    key: PathBuf,
    names: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum TlsMode {
    Off,
    OwnCa,
    Files,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRelay {
    enabled: bool,
    port: u16,
    listen_udp: Vec<SocketAddr>,
    listen_tcp: Vec<SocketAddr>,
    relayed_ips: Vec<IpAddr>,
    first_port: u16,
    last_port: u16,
    public_host: String,
    allow_private_peers: bool,
    grant_hours: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLimits {
    max_connections: usize,
    connections_per_source: usize,
    max_storage_mib: u64,
    registrations_per_minute: u32,
    invitations_per_minute: u32,
    failures_per_minute: u32,
    sockets_per_minute: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLog {
    filter: String,
}

/// Settings that are readable one by one and make no sense together.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum CheckError {
    #[error("http.listen is empty, so nobody could reach the node")]
    NowhereToListen,
    #[error(
        "plain HTTP may not leave this machine, and http.listen has an address that does: \
         set tls.mode to \"own-ca\" or \"files\", or http.behind_proxy if a proxy speaks TLS"
    )]
    PlainHttp,
    #[error("tls.mode is \"files\", so tls.certificate and tls.key must both be given")]
    TlsFiles,
    #[error("http.public_url must look like https://chat.example.org, without a path")]
    PublicUrl,
    #[error("node.name may have at most 64 characters, none of them a control character")]
    Name,
    #[error("node.data_dir is empty and neither XDG_DATA_HOME nor HOME says where to keep things")]
    NoDataDir,
    #[error("relay.relayed_ips may have one IPv4 address, one IPv6 address, or one of each")]
    RelayedIps,
    #[error("relay.first_port must be at least 1024 and not above relay.last_port")]
    RelayPorts,
    #[error("relay.public_host must be a host name or an address, without a port")]
    RelayHost,
    #[error("relay.grant_hours must be between 1 and 24")]
    GrantHours,
    #[error("each of the limits must be at least 1")]
    Limits,
    #[error("log.filter cannot be understood; try \"info\"")]
    LogFilter,
}

impl Raw {
    pub(super) fn check(self) -> Result<Config, CheckError> {
        let tls = self.tls.check()?;
        if self.http.listen.is_empty() {
            return Err(CheckError::NowhereToListen);
        }
        let leaves = self.http.listen.iter().any(|at| !at.ip().is_loopback());
        if tls == Tls::Off && leaves && !self.http.behind_proxy {
            return Err(CheckError::PlainHttp);
        }
        let name = self.node.name;
        if name.chars().count() > 64 || name.chars().any(char::is_control) {
            return Err(CheckError::Name);
        }
        if self
            .log
            .filter
            .parse::<tracing_subscriber::EnvFilter>()
            .is_err()
        {
            return Err(CheckError::LogFilter);
        }
        Ok(Config {
            name,
            open_registration: self.node.open_registration,
            data_dir: data_dir(self.node.data_dir)?,
            relay: self.relay.check(&self.http.listen)?,
            listen: self.http.listen,
            public_url: public_url(&self.http.public_url)?,
            behind_proxy: self.http.behind_proxy,
            tls,
            limits: self.limits.check()?,
            log_filter: self.log.filter,
        })
    }
}

impl RawTls {
    fn check(self) -> Result<Tls, CheckError> {
        let given = |path: &PathBuf| !path.as_os_str().is_empty();
        match self.mode {
            TlsMode::Off => Ok(Tls::Off),
            TlsMode::OwnCa => Ok(Tls::OwnCa { names: self.names }),
            TlsMode::Files if given(&self.certificate) && given(&self.key) => Ok(Tls::Files {
                certificate: self.certificate,
                key: self.key,
            }),
            TlsMode::Files => Err(CheckError::TlsFiles),
        }
    }
}

impl RawRelay {
    fn check(self, http: &[SocketAddr]) -> Result<Option<Relay>, CheckError> {
        if !self.enabled {
            return Ok(None);
        }
        let listen_udp = places(self.listen_udp, http, self.port);
        let listen_tcp = places(self.listen_tcp, http, self.port);
        let v4 = self.relayed_ips.iter().filter(|ip| ip.is_ipv4()).count();
        let v6 = self.relayed_ips.len() - v4;
        if v4 > 1 || v6 > 1 {
            return Err(CheckError::RelayedIps);
        }
        let relayed_ips = if self.relayed_ips.is_empty() {
            first_of_each_kind(&listen_udp)
        } else {
            self.relayed_ips
        };
        if self.first_port < 1024 || self.first_port > self.last_port {
            return Err(CheckError::RelayPorts);
        }
        if !(1..=24).contains(&self.grant_hours) {
            return Err(CheckError::GrantHours);
        }
        Ok(Some(Relay {
            listen_udp,
            listen_tcp,
            relayed_ips,
            ports: self.first_port..=self.last_port,
            public_host: relay_host(self.public_host)?,
            allow_private_peers: self.allow_private_peers,
            grant: Duration::from_secs(self.grant_hours * 3600),
        }))
    }
}

impl RawLimits {
    fn check(self) -> Result<Limits, CheckError> {
        let rates = [
            self.registrations_per_minute,
            self.invitations_per_minute,
            self.failures_per_minute,
            self.sockets_per_minute,
        ];
        let sizes = [self.max_connections, self.connections_per_source];
        if sizes.contains(&0) || self.max_storage_mib == 0 || rates.contains(&0) {
            return Err(CheckError::Limits);
        }
        Ok(Limits {
            max_connections: self.max_connections.min(1_000_000),
            connections_per_source: self.connections_per_source,
            max_storage_bytes: self.max_storage_mib.saturating_mul(1 << 20),
            registrations_per_minute: self.registrations_per_minute,
            invitations_per_minute: self.invitations_per_minute,
            failures_per_minute: self.failures_per_minute,
            sockets_per_minute: self.sockets_per_minute,
        })
    }
}

/// The places that are named, or the relay's port on every address on which HTTP is served.
fn places(named: Vec<SocketAddr>, http: &[SocketAddr], port: u16) -> Vec<SocketAddr> {
    if !named.is_empty() {
        return named;
    }
    let mut places = Vec::new();
    for ip in http.iter().flat_map(|at| own_address::concrete(at.ip())) {
        let place = SocketAddr::new(ip, port);
        if !places.contains(&place) {
            places.push(place);
        }
    }
    places
}

fn first_of_each_kind(places: &[SocketAddr]) -> Vec<IpAddr> {
    let first = |v6: bool| places.iter().find(|place| place.is_ipv6() == v6);
    let both = first(false).into_iter().chain(first(true));
    both.map(SocketAddr::ip).collect()
}

fn data_dir(given: PathBuf) -> Result<PathBuf, CheckError> {
    if !given.as_os_str().is_empty() {
        return Ok(given);
    }
    default_data_dir().ok_or(CheckError::NoDataDir)
}

/// Where everything is kept if nobody says otherwise.
pub(crate) fn default_data_dir() -> Option<PathBuf> {
    let absolute = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_DATA_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
        .map(|base| base.join("hither"))
}

fn public_url(given: &str) -> Result<Option<String>, CheckError> {
    if given.is_empty() {
        return Ok(None);
    }
    origin(given).map(Some).ok_or(CheckError::PublicUrl)
}

/// What stands before the path of every address of a node, without a trailing slash.
pub(crate) fn origin(given: &str) -> Option<String> {
    let url = given.trim_end_matches('/');
    let host = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"))?;
    crate::node::grants::host_of(host)?;
    Some(url.to_owned())
}

fn relay_host(given: String) -> Result<Option<String>, CheckError> {
    if given.is_empty() {
        return Ok(None);
    }
    match crate::node::grants::host_of(&given) {
        Some(host) if host == given => Ok(Some(given)),
        Some(_) | None => Err(CheckError::RelayHost),
    }
}
