// SPDX-License-Identifier: MIT OR Apache-2.0
//! The settings as they are written, and the checks that make a [`Config`] of them.

mod elsewhere;
mod relay;

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use serde::Deserialize;
use toml::Table;

use super::{Config, Limits, Purpose, Tls};
use relay::{Around, RawRelay};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    node: RawNode,
    http: RawHttp,
    tls: RawTls,
    relay: RawRelay,
    metrics: RawMetrics,
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
struct RawMetrics {
    listen: Perhaps<SocketAddr>,
    public: bool,
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
    #[error(
        "relay.relayed_ips and relay.external_ips may each have one IPv4 address, one IPv6 address, \
         or one of each, and none that stands for several"
    )]
    RelayedIps,
    #[error(
        "relay.external_ips may have one address for each of relay.relayed_ips, of the same kind"
    )]
    ExternalIps,
    #[error("relay.first_port must be at least 1024 and not above relay.last_port")]
    RelayPorts,
    #[error("relay.public_host must be a host name or an address, without a port")]
    RelayHost,
    #[error("relay.listen_tls needs a certificate: set tls.mode to \"own-ca\" or \"files\"")]
    RelayTls,
    #[error(
        "relay.behaviour_ip must be another address than relay.listen_udp has, of the same kind, and \
         relay.behaviour_port another port; both ports must be fixed ones"
    )]
    Behaviour,
    #[error("each of relay.max_… must be at least 1, but for relay.max_kib_per_second")]
    RelayLimits,
    #[error("relay.drain_seconds may be at most 86400, which is a day")]
    Drain,
    #[error(
        "relay.alternate_servers may have one IPv4 address, one IPv6 address, or one of each, \
         with a port that clients can send to"
    )]
    AlternateServers,
    #[error(
        "relay.elsewhere and relay.previous_secret_file need relay.secret_file: \
         relays elsewhere must know the secret, and it must outlive this process"
    )]
    SecretFile,
    #[error("relay.grant_hours must be between 1 and 24")]
    GrantHours,
    #[error(
        "metrics.listen is an address that others reach: \
         set metrics.public to true if that is meant, or listen on 127.0.0.1"
    )]
    PublicMetrics,
    #[error("each of the limits must be at least 1")]
    Limits,
    #[error(
        "log.filter cannot be understood: write error, warn, info, debug, trace or off, also by part, \
         as in \"info,hither::api=debug\""
    )]
    LogFilter,
}

impl Raw {
    pub(super) fn check(self, purpose: Purpose, settings: Table) -> Result<Config, CheckError> {
        let tls = self.tls.check()?;
        if purpose == Purpose::Node {
            self.http.check(&tls)?;
        }
        let name = self.node.name;
        if name.chars().count() > 64 || name.chars().any(char::is_control) {
            return Err(CheckError::Name);
        }
        let filter = self.log.filter.parse::<tracing_subscriber::EnvFilter>();
        if filter.is_err() || !self.log.filter.split(',').all(is_level_or_part) {
            return Err(CheckError::LogFilter);
        }
        let data_dir = data_dir(self.node.data_dir)?;
        let public_url = public_url(&self.http.public_url)?;
        let around = Around {
            purpose,
            http: &self.http.listen,
            tls: &tls,
            public_url: public_url.as_deref(),
            data_dir: &data_dir,
        };
        Ok(Config {
            settings,
            name,
            open_registration: self.node.open_registration,
            access: self.relay.access(&around)?,
            relay: self.relay.check(&around)?,
            metrics: self.metrics.check()?,
            data_dir,
            listen: self.http.listen,
            public_url,
            behind_proxy: self.http.behind_proxy,
            tls,
            limits: self.limits.check()?,
            log_filter: self.log.filter,
        })
    }
}

impl RawHttp {
    fn check(&self, tls: &Tls) -> Result<(), CheckError> {
        if self.listen.is_empty() {
            return Err(CheckError::NowhereToListen);
        }
        let leaves = self.listen.iter().any(|at| !at.ip().is_loopback());
        if *tls == Tls::Off && leaves && !self.behind_proxy {
            return Err(CheckError::PlainHttp);
        }
        Ok(())
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

impl RawMetrics {
    fn check(&self) -> Result<Option<SocketAddr>, CheckError> {
        match self.listen.0 {
            Some(at) if !at.ip().is_loopback() && !self.public => Err(CheckError::PublicMetrics),
            at => Ok(at),
        }
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

/// Whether a directive says a level. A bare word that is none would be taken for a part, and silence the rest.
fn is_level_or_part(directive: &str) -> bool {
    let levels = ["error", "warn", "info", "debug", "trace", "off"];
    let word = directive.trim();
    word.contains(['=', '[']) || levels.iter().any(|level| word.eq_ignore_ascii_case(level))
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

/// What an empty text leaves out.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
struct Perhaps<T: FromStr<Err: Display>>(Option<T>);

impl<T: FromStr<Err: Display>> TryFrom<String> for Perhaps<T> {
    type Error = T::Err;

    fn try_from(text: String) -> Result<Self, T::Err> {
        if text.is_empty() {
            return Ok(Self(None));
        }
        text.parse().map(|value| Self(Some(value)))
    }
}
