// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an administrator has to let through, from the configuration alone: where this machine listens, and what
//! the networks of its people have to let out. Purposes and protections are those of `docs/network.md`.

use std::net::SocketAddr;

use hither_api::sheet::{Purpose, lines};

use crate::config::{Config, Relay};
use crate::node::grants::{self, OwnPorts};
use crate::serve::listen;
use crate::words::table;

type Row = [String; 5];

/// The sheet of `hither serve`.
pub(crate) fn of_node(config: &Config) -> String {
    let http = if config.scheme() == "https" {
        Purpose::Web.encryption()
    } else if config.behind_proxy {
        "by the proxy in front"
    } else {
        "none; does not leave this machine"
    };
    let mut rows = Vec::new();
    for at in &config.listen {
        rows.push(row(Purpose::Web, at, "in", http));
        if config.scheme() == "https" && config.relay.is_some() {
            let tls = Purpose::Tls.encryption();
            rows.push(row(Purpose::Tls, at, "in", tls));
        }
    }
    rows.extend(config.relay.iter().flat_map(relay));
    rows.extend(metrics(config));
    format!("{}\n{}", print(&rows, "node"), outside(config))
}

/// The sheet of `hither relay`.
pub(crate) fn of_relay(config: &Config) -> String {
    let mut rows: Vec<Row> = config.relay.iter().flat_map(relay).collect();
    rows.extend(metrics(config));
    print(&rows, "relay")
}

fn relay(relay: &Relay) -> Vec<Row> {
    let listens = |purpose: Purpose, at: &SocketAddr| row(purpose, at, "in", purpose.encryption());
    let mut rows = Vec::new();
    for at in relay.listen_udp.iter().chain(&relay.listen_udp_too) {
        rows.push(listens(Purpose::Udp, at));
    }
    for at in &relay.listen_tcp {
        rows.push(listens(Purpose::Tcp, at));
    }
    for at in &relay.listen_tls {
        rows.push(listens(Purpose::Tls, at));
    }
    let ports = format!("{}-{}", relay.ports.start(), relay.ports.end());
    for ip in relay.relayed_ips.iter().map(|ip| ip.advertised) {
        let at = if ip.is_ipv6() {
            format!("[{ip}]:{ports}")
        } else {
            format!("{ip}:{ports}")
        };
        let purpose = Purpose::Relayed;
        rows.push(row(purpose, at, "in and out", purpose.encryption()));
    }
    rows
}

fn metrics(config: &Config) -> Option<Row> {
    let at = config.metrics?;
    let purpose = Purpose::Metrics;
    Some(row(purpose, at, "in", purpose.encryption()))
}

fn row(purpose: Purpose, at: impl ToString, way: &str, encryption: &str) -> Row {
    let (what, transport) = (purpose.what(), purpose.transport());
    [what, transport, &at.to_string(), way, encryption].map(str::to_owned)
}

fn print(rows: &[Row], who: &str) -> String {
    let head = ["purpose", "protocol", "here", "direction", "encryption"].map(str::to_owned);
    let sheet = table(head, rows);
    format!("{sheet}\nThe {who} makes no other connection; clients make outgoing connections only.")
}

/// What has to get out of a network for its people to use this node: the lines that the page "Your network" shows
/// them.
fn outside(config: &Config) -> String {
    let origin = listen::origin(config, config.listen.first().copied());
    let page = origin
        .split_once("://")
        .and_then(|(_, at)| grants::host_of(at));
    let host = config.access.public_host.as_deref().or(page);
    let own = own_ports(config);
    let urls = grants::urls(
        host.unwrap_or_default(),
        own.as_ref(),
        &config.access.elsewhere,
    );
    let mut text = "\nOut of the networks of its people:\n".to_owned();
    for line in lines(&origin, &urls) {
        text.push_str("  ");
        text.push_str(&line.to_string());
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text
}

/// As clients will be told them. What takes any free port is not known before it runs.
fn own_ports(config: &Config) -> Option<OwnPorts> {
    let relay = config.relay.as_ref()?;
    let other = relay.behaviour.map(|behaviour| behaviour.other);
    let known = |at: &&SocketAddr| {
        let explores =
            other.is_some_and(|other| at.ip() == other.ip() || at.port() == other.port());
        at.port() != 0 && !explores
    };
    let ports = |places: &mut dyn Iterator<Item = &SocketAddr>| {
        let mut ports = Vec::new();
        for at in places.filter(known) {
            if !ports.contains(&at.port()) {
                ports.push(at.port());
            }
        }
        ports
    };
    let mut tls = ports(&mut relay.listen_tls.iter());
    if config.scheme() == "https" && !config.behind_proxy {
        let shared = listen::port(config, config.listen.first().copied());
        tls.retain(|port| Some(*port) != shared);
        tls.splice(0..0, shared.filter(|port| *port != 0));
    }
    Some(OwnPorts {
        udp: ports(&mut relay.listen_udp.iter().chain(&relay.listen_udp_too)),
        tcp: ports(&mut relay.listen_tcp.iter()),
        tls,
    })
}
