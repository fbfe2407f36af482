// SPDX-License-Identifier: MIT OR Apache-2.0
//! The settings of the relay, and of access to it.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use hither_relay::{Behaviour, Net, PeerRules, RelayedIp};
use hither_stun::server::AddressClass;
use serde::Deserialize;

use super::elsewhere::Elsewhere;
use super::{CheckError, Perhaps};
use crate::config::{Access, Peers, PeersBecause, Purpose, Relay, Tls};
use crate::node::grants::host_of;
use crate::own_address;

/// The port of HTTPS, which firewalls leave open when they leave anything open.
const HTTPS: u16 = 443;
/// Longest that stopping may be put off.
const MAX_DRAIN_SECS: u64 = 86_400;
/// Last labels of names that exist only locally (RFC 6761, 6762, 8375), and those that people use like them.
const LOCAL_NAMES: [&str; 9] = [
    "localhost",
    "local",
    "internal",
    "arpa",
    "lan",
    "home",
    "intranet",
    "private",
    "test",
];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRelay {
    enabled: bool,
    port: u16,
    listen_udp: Vec<SocketAddr>,
    listen_tcp: Vec<SocketAddr>,
    listen_tls: Vec<SocketAddr>,
    udp_on_443: bool,
    relayed_ips: Vec<IpAddr>,
    external_ips: Vec<IpAddr>,
    first_port: u16,
    last_port: u16,
    public_host: String,
    elsewhere: Vec<Elsewhere>,
    secret_file: PathBuf,
    previous_secret_file: PathBuf,
    grant_hours: u64,
    private_peers: PrivatePeers,
    allow_peers: Vec<NetText>,
    deny_peers: Vec<NetText>,
    max_allocations: u32,
    max_allocations_per_username: u32,
    max_allocations_per_source: u32,
    max_kib_per_second: u32,
    max_streams: u32,
    workers: u8,
    drain_seconds: u64,
    alternate_servers: Vec<SocketAddr>,
    behaviour_ip: Perhaps<IpAddr>,
    behaviour_port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum PrivatePeers {
    Auto,
    Open,
    Closed,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
struct NetText(Net);

impl TryFrom<String> for NetText {
    type Error = <Net as std::str::FromStr>::Err;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

/// What the checks need of other sections.
pub(super) struct Around<'a> {
    pub(super) purpose: Purpose,
    pub(super) http: &'a [SocketAddr],
    pub(super) tls: &'a Tls,
    pub(super) public_url: Option<&'a str>,
    pub(super) data_dir: &'a std::path::Path,
}

impl RawRelay {
    /// Access to this relay and to others.
    pub(super) fn access(&self, around: &Around<'_>) -> Result<Access, CheckError> {
        if !(1..=24).contains(&self.grant_hours) {
            return Err(CheckError::GrantHours);
        }
        let given = |path: &PathBuf| (!path.as_os_str().is_empty()).then(|| path.clone());
        let mut secret_file = given(&self.secret_file);
        if around.purpose == Purpose::RelayAlone {
            secret_file.get_or_insert_with(|| around.data_dir.join("relay-secret"));
        }
        let previous_secret_file = given(&self.previous_secret_file);
        let needs_file = !self.elsewhere.is_empty() || previous_secret_file.is_some();
        if needs_file && secret_file.is_none() {
            return Err(CheckError::SecretFile);
        }
        let elsewhere = self.elsewhere.iter().flat_map(|relay| relay.urls.clone());
        Ok(Access {
            secret_file,
            previous_secret_file,
            elsewhere: elsewhere.collect(),
            public_host: relay_host(&self.public_host)?,
            lasts: Duration::from_secs(self.grant_hours * 3600),
        })
    }

    /// The relay itself, if there is to be one.
    pub(super) fn check(self, around: &Around<'_>) -> Result<Option<Relay>, CheckError> {
        if !self.enabled && around.purpose == Purpose::Node {
            return Ok(None);
        }
        if self.first_port < 1024 || self.first_port > self.last_port {
            return Err(CheckError::RelayPorts);
        }
        let bounds = [
            self.max_allocations,
            self.max_allocations_per_username,
            self.max_allocations_per_source,
            self.max_streams,
        ];
        if bounds.contains(&0) {
            return Err(CheckError::RelayLimits);
        }
        if self.drain_seconds > MAX_DRAIN_SECS {
            return Err(CheckError::Drain);
        }
        if !are_alternates(&self.alternate_servers) {
            return Err(CheckError::AlternateServers);
        }
        if !self.listen_tls.is_empty() && *around.tls == Tls::Off {
            return Err(CheckError::RelayTls);
        }
        let mut listen_udp = places(&self.listen_udp, around.http, self.port);
        // Who names a place for UDP means the relay.
        let named_tcp = match self.listen_tcp.as_slice() {
            [] => &self.listen_udp,
            named => named,
        };
        let listen_tcp = places(named_tcp, around.http, self.port);
        let listen_tls = places(&self.listen_tls, &[], 0);
        let relayed_ips = self.relayed(&listen_udp, &listen_tcp)?;
        let listeners = listen_udp.iter().chain(&listen_tcp).chain(&listen_tls);
        let peers = self.peers(listeners, &relayed_ips, around);
        let mut listen_udp_too = Vec::new();
        let https = around.http.iter().any(|at| at.port() == HTTPS) && *around.tls != Tls::Off;
        if around.purpose == Purpose::Node && https && self.udp_on_443 {
            for at in &listen_udp {
                let too = SocketAddr::new(at.ip(), HTTPS);
                if !listen_udp.contains(&too) && !listen_udp_too.contains(&too) {
                    listen_udp_too.push(too);
                }
            }
        }
        let behaviour = self.behaviour(&listen_udp)?;
        for at in behaviour.iter().flat_map(Behaviour::listeners) {
            if !listen_udp.contains(&at) {
                listen_udp.push(at);
            }
        }
        Ok(Some(Relay {
            listen_udp,
            listen_udp_too,
            listen_tcp,
            listen_tls,
            relayed_ips,
            ports: self.first_port..=self.last_port,
            peers,
            max_allocations: self.max_allocations,
            max_allocations_per_username: self.max_allocations_per_username,
            max_allocations_per_source: self.max_allocations_per_source,
            max_kib_per_second: self.max_kib_per_second,
            max_streams: self.max_streams,
            workers: self.workers,
            drain: Duration::from_secs(self.drain_seconds),
            alternate_servers: self.alternate_servers,
            behaviour,
        }))
    }

    fn behaviour(&self, listen_udp: &[SocketAddr]) -> Result<Option<Behaviour>, CheckError> {
        let Some(ip) = self.behaviour_ip.0 else {
            return Ok(None);
        };
        let primary = listen_udp.iter().find(|at| at.is_ipv6() == ip.is_ipv6());
        let primary = *primary.ok_or(CheckError::Behaviour)?;
        let other = SocketAddr::new(ip, self.behaviour_port);
        let ports = [primary.port(), other.port()];
        if primary.ip() == ip || ports[0] == ports[1] || ports.contains(&0) {
            return Err(CheckError::Behaviour);
        }
        Ok(Some(Behaviour { primary, other }))
    }

    fn relayed(
        &self,
        listen_udp: &[SocketAddr],
        listen_tcp: &[SocketAddr],
    ) -> Result<Vec<RelayedIp>, CheckError> {
        let mut ips = self.relayed_ips.iter().chain(&self.external_ips);
        let stands_for_several = ips.any(|ip| ip.is_unspecified() || ip.is_multicast());
        if stands_for_several || !is_one_of_each(&self.relayed_ips) {
            return Err(CheckError::RelayedIps);
        }
        let bind = match (self.relayed_ips.as_slice(), listen_udp) {
            ([], []) => first_of_each_kind(listen_tcp),
            ([], udp) => first_of_each_kind(udp),
            (named, _) => named.to_vec(),
        };
        let seen = |v6: bool| self.external_ips.iter().find(|ip| ip.is_ipv6() == v6);
        let translates = |ip: &&IpAddr| bind.iter().any(|bind| bind.is_ipv6() == ip.is_ipv6());
        let all_translate = self.external_ips.iter().filter(translates).count();
        if !is_one_of_each(&self.external_ips) || all_translate != self.external_ips.len() {
            return Err(CheckError::ExternalIps);
        }
        let relayed = bind.iter().map(|&bind| RelayedIp {
            bind,
            advertised: seen(bind.is_ipv6()).copied().unwrap_or(bind),
        });
        Ok(relayed.collect())
    }

    fn peers<'a>(
        &self,
        mut listeners: impl Iterator<Item = &'a SocketAddr>,
        relayed_ips: &[RelayedIp],
        around: &Around<'_>,
    ) -> Peers {
        let is_global = |ip: IpAddr| AddressClass::of(ip) == AddressClass::Global;
        let leads_outside = relayed_ips.iter().any(|ip| is_global(ip.advertised))
            || listeners.any(|at| is_global(at.ip()));
        let url_host = around.public_url.and_then(|url| url.split_once("://"));
        let url_host = url_host.and_then(|(_, authority)| host_of(authority));
        let is_named = [Some(self.public_host.as_str()), url_host]
            .into_iter()
            .flatten()
            .any(is_public_name);
        let (private, because) = match self.private_peers {
            PrivatePeers::Open => (true, PeersBecause::Told),
            PrivatePeers::Closed => (false, PeersBecause::Told),
            PrivatePeers::Auto if leads_outside => (false, PeersBecause::PublicAddress),
            PrivatePeers::Auto if is_named => (false, PeersBecause::PublicName),
            PrivatePeers::Auto => (true, PeersBecause::PrivateAddressesOnly),
        };
        let nets = |list: &[NetText]| list.iter().map(|net| net.0).collect();
        Peers {
            rules: PeerRules {
                allow: nets(&self.allow_peers),
                deny: nets(&self.deny_peers),
                private,
            },
            because,
        }
    }
}

fn is_one_of_each(ips: &[IpAddr]) -> bool {
    let v4 = ips.iter().filter(|ip| ip.is_ipv4()).count();
    v4 <= 1 && ips.len() - v4 <= 1
}

/// Whether each client can be sent to at most one of them.
fn are_alternates(servers: &[SocketAddr]) -> bool {
    let ips: Vec<IpAddr> = servers.iter().map(SocketAddr::ip).collect();
    let leads_somewhere = |at: &SocketAddr| at.port() != 0 && !at.ip().is_unspecified();
    is_one_of_each(&ips) && servers.iter().all(leads_somewhere)
}

/// The places that are named, or the relay's port on every address on which HTTP is served.
fn places(named: &[SocketAddr], http: &[SocketAddr], port: u16) -> Vec<SocketAddr> {
    let instead: Vec<_> = http
        .iter()
        .map(|at| SocketAddr::new(at.ip(), port))
        .collect();
    let wanted = if named.is_empty() { &instead } else { named };
    let mut places = Vec::new();
    for at in wanted {
        for ip in own_address::concrete(at.ip()) {
            let place = SocketAddr::new(ip, at.port());
            if !places.contains(&place) {
                places.push(place);
            }
        }
    }
    places
}

/// From loopback only if there is nothing else: a relay that others reach through one of its addresses would
/// open this machine to them through the other.
fn first_of_each_kind(places: &[SocketAddr]) -> Vec<IpAddr> {
    let is_only_here = places.iter().all(|place| place.ip().is_loopback());
    let usable = places
        .iter()
        .filter(|place| is_only_here || !place.ip().is_loopback());
    let first = |v6: bool| usable.clone().find(|place| place.is_ipv6() == v6);
    let both = first(false).into_iter().chain(first(true));
    both.map(SocketAddr::ip).collect()
}

fn relay_host(given: &str) -> Result<Option<String>, CheckError> {
    if given.is_empty() {
        return Ok(None);
    }
    match host_of(given) {
        Some(host) if host == given => Ok(Some(given.to_owned())),
        Some(_) | None => Err(CheckError::RelayHost),
    }
}

/// Whether a name or an address may be known outside of the own network.
fn is_public_name(host: &str) -> bool {
    if let Ok(ip) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
        return AddressClass::of(ip) == AddressClass::Global;
    }
    let mut labels = host.trim_end_matches('.').rsplit('.');
    let last = labels.next().unwrap_or_default().to_lowercase();
    labels.next().is_some() && !LOCAL_NAMES.contains(&last.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_relayed_from_loopback_beside_an_address_that_others_reach() {
        for (places, from) in [
            (
                vec!["192.168.1.10:1", "127.0.0.1:1", "[::1]:1"],
                "192.168.1.10",
            ),
            (vec!["127.0.0.1:1", "192.168.1.10:1"], "192.168.1.10"),
            (vec!["127.0.0.1:1", "[fd00::1]:1"], "fd00::1"),
            (vec!["127.0.0.1:1"], "127.0.0.1"),
        ] {
            let places: Vec<SocketAddr> = places.iter().map(|at| at.parse().unwrap()).collect();
            let from: IpAddr = from.parse().unwrap();
            assert_eq!(first_of_each_kind(&places), [from], "{places:?}");
        }
        let both = ["[::1]:1", "127.0.0.1:1"].map(|at| at.parse().unwrap());
        assert_eq!(first_of_each_kind(&both).len(), 2);
    }

    #[test]
    fn names_that_may_be_known_outside_are_told_from_local_ones() {
        for (host, public) in [
            ("chat.example.org", true),
            ("chat.example.org.", true),
            ("9.9.9.9", true),
            ("[2a00:1::1]", true),
            ("", false),
            ("node", false),
            ("node.local", false),
            ("chat.school.lan", false),
            ("hall.home.arpa", false),
            ("192.168.1.2", false),
            ("[fd00::1]", false),
        ] {
            assert_eq!(is_public_name(host), public, "{host}");
        }
    }
}
