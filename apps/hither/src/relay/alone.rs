// SPDX-License-Identifier: MIT OR Apache-2.0
//! `hither relay`: a relay without a node, for nodes elsewhere that know its secret.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::secret;
use super::tls::TlsListeners;
use super::{Described, Running};
use crate::cli::RelayFlags;
use crate::config::{self, Config, Flags, Purpose};
use crate::failure::Failure;
use crate::metrics::{Counted, MetricsListener};
use crate::ready_file;
use crate::reload::Reloading;
use crate::signals::{Asked, Signals};
use crate::words::{remark, say};
use crate::{process, sheet, tls};

/// Does what the flags say.
pub(crate) fn run(flags: &RelayFlags) -> Result<(), Failure> {
    let merged = Flags {
        config: flags.source.config.clone(),
        data_dir: flags.source.data_dir.clone(),
        listen: flags.listen.clone(),
        purpose: Purpose::RelayAlone,
    };
    let config = process::load(&merged)?;
    if flags.print_network_sheet {
        say(&sheet::of_relay(&config));
        return Ok(());
    }
    let ready = flags.ready_file.as_deref();
    process::run(&config, serve(&config, merged, ready))
}

/// The ready file.
#[derive(Serialize)]
struct Ready<'a> {
    udp: &'a [SocketAddr],
    tcp: &'a [SocketAddr],
    tls: &'a [SocketAddr],
    metrics: Option<SocketAddr>,
}

async fn serve(config: &Config, flags: Flags, ready: Option<&Path>) -> Result<(), Failure> {
    let mut signals = Signals::new()?;
    if let Some(path) = ready {
        ready_file::remove(path)?;
    }
    let Some(relay) = &config.relay else {
        return Err(Failure::new("there is no relay in this configuration"));
    };
    let secrets = secret::at_start(&config.access)?;
    let protection = tls::prepare(config, &relay.listen_tls)?;
    let listeners = TlsListeners::bind(&relay.listen_tls)?;
    let tls_places = listeners.places();
    let metrics = MetricsListener::bind(config.metrics)?;
    let metrics_at = metrics.as_ref().map(MetricsListener::at);
    let services: Vec<u16> = tls_places
        .iter()
        .chain(&metrics_at)
        .map(SocketAddr::port)
        .collect();
    let running = super::start(relay, secrets.secrets.clone(), &services)?;
    let counted = Counted {
        relay: Some(Arc::downgrade(&running.handle)),
        node: None,
    };
    let _metering = metrics.map(|metrics| metrics.serve(counted));
    let accepting = protection
        .acceptor
        .map(|acceptor| listeners.serve(&acceptor, &running.handle, &config.limits));
    for text in &running.remarks {
        remark(text);
    }
    say(&greeting(config, relay, &running, &tls_places));
    if let Some(path) = ready {
        let ready = Ready {
            udp: running.handle.local_udp_addrs(),
            tcp: running.handle.local_tcp_addrs(),
            tls: &tls_places,
            metrics: metrics_at,
        };
        ready_file::write(path, &ready)?;
    }
    let mut reloading = Reloading {
        flags,
        config: config.clone(),
        secrets,
        certificate: protection.certificate,
        relay: Some(Arc::downgrade(&running.handle)),
        node: None,
    };
    let asked = reloading.until_stop(&mut signals).await;
    if let (Ok(Asked::Drain), Some(settings)) = (&asked, &reloading.config.relay) {
        super::drain(&running.handle, settings, &mut signals).await;
    }
    say("Stopping. Press Ctrl-C again to stop at once.");
    signals.next_stop_exits_at_once();
    drop(accepting);
    if let Some(handle) = Arc::into_inner(running.handle) {
        handle.shutdown().await;
    }
    asked.map(drop)
}

fn greeting(
    config: &Config,
    relay: &config::Relay,
    running: &Running,
    tls: &[SocketAddr],
) -> String {
    let described = Described {
        config: relay,
        handle: &running.handle,
        tls,
    };
    let mut text = format!("The relay is ready.\n{}", described.text());
    if let Some(path) = &config.access.secret_file {
        let _infallible = write!(
            text,
            "\nSecret: {}\nA node hands out access to this relay when it has the same secret \
             (relay.secret_file)\nand this host in relay.elsewhere.\n",
            path.display()
        );
    }
    let _infallible = write!(
        text,
        "\nRead the settings again: kill -HUP {}\nStop: Ctrl-C",
        std::process::id()
    );
    text
}
