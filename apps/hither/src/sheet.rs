// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an administrator has to let through, from the configuration alone.

use crate::config::{Config, Relay};
use crate::words::table;

type Row = [String; 5];

/// What a call is protected with, whoever carries it.
const MEDIA: &str = "end to end (SRTP, DTLS)";
const TLS: &str = "TLS 1.2 or 1.3";

/// The sheet of `hither serve`.
pub(crate) fn of_node(config: &Config) -> String {
    let http = if config.scheme() == "https" {
        TLS
    } else if config.behind_proxy {
        "by the proxy in front"
    } else {
        "none; does not leave this machine"
    };
    let mut rows = Vec::new();
    for at in &config.listen {
        rows.push(row("web client, API, socket", "TCP", at, "in", http));
        if config.scheme() == "https" && config.relay.is_some() {
            rows.push(row("TURN, same port", "TCP", at, "in", http));
        }
    }
    rows.extend(config.relay.iter().flat_map(relay));
    rows.extend(metrics(config));
    print(&rows, "node")
}

/// The sheet of `hither relay`.
pub(crate) fn of_relay(config: &Config) -> String {
    let mut rows: Vec<Row> = config.relay.iter().flat_map(relay).collect();
    rows.extend(metrics(config));
    print(&rows, "relay")
}

fn relay(relay: &Relay) -> Vec<Row> {
    let mut rows = Vec::new();
    for at in relay.listen_udp.iter().chain(&relay.listen_udp_too) {
        rows.push(row("STUN and TURN", "UDP", at, "in", MEDIA));
    }
    for at in &relay.listen_tcp {
        rows.push(row("TURN", "TCP", at, "in", MEDIA));
    }
    for at in &relay.listen_tls {
        rows.push(row("TURN", "TCP", at, "in", TLS));
    }
    let ports = format!("{}-{}", relay.ports.start(), relay.ports.end());
    for ip in relay.relayed_ips.iter().map(|ip| ip.advertised) {
        let at = if ip.is_ipv6() {
            format!("[{ip}]:{ports}")
        } else {
            format!("{ip}:{ports}")
        };
        rows.push(row("relayed calls", "UDP", at, "in and out", MEDIA));
    }
    rows
}

fn metrics(config: &Config) -> Option<Row> {
    let at = config.metrics?;
    Some(row("metrics, for Prometheus", "TCP", at, "in", "none"))
}

fn row(purpose: &str, protocol: &str, at: impl ToString, way: &str, encryption: &str) -> Row {
    [purpose, protocol, &at.to_string(), way, encryption].map(str::to_owned)
}

fn print(rows: &[Row], who: &str) -> String {
    let head = ["purpose", "protocol", "here", "direction", "encryption"].map(str::to_owned);
    let sheet = table(head, rows);
    format!("{sheet}\nThe {who} makes no other connection; clients make outgoing connections only.")
}
