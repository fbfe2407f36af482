// SPDX-License-Identifier: MIT OR Apache-2.0
//! `hither serve`: everything a node is, started in order, and stopped in the reverse order.

mod greeting;
pub(crate) mod listen;
mod owner;
mod relaying;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hither_store::{NodeStore, Store};
use tokio::sync::{Semaphore, watch};

use crate::api;
use crate::cli::ServeFlags;
use crate::config::{self, Config, Flags, Purpose};
use crate::failure::Failure;
use crate::metrics::{Counted, MetricsListener};
use crate::node::Node;
use crate::node::bus::Bus;
use crate::node::grants::{Grants, RelayAccess};
use crate::node::rate::Rates;
use crate::reload::Reloading;
use crate::signals::{Asked, Signals};
use crate::words::say;
use crate::{clock, process, ready_file, relay, sheet, tls, web};
use listen::Listeners;
use relaying::Relaying;

/// How often what has ended is removed.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// How long sockets and requests may take to end when the node stops.
const LAST_REQUESTS: Duration = Duration::from_secs(5);

/// Does what the flags say.
pub(crate) fn run(flags: &ServeFlags) -> Result<(), Failure> {
    if flags.print_default_config {
        say(config::DEFAULTS.trim_end());
        return Ok(());
    }
    if flags.print_web_hash {
        say(web::HASH);
        return Ok(());
    }
    let merged = Flags {
        config: flags.source.config.clone(),
        data_dir: flags.source.data_dir.clone(),
        listen: flags.listen.clone(),
        purpose: Purpose::Node,
    };
    let config = process::load(&merged)?;
    if flags.print_network_sheet {
        say(&sheet::of_node(&config));
        return Ok(());
    }
    let ready = flags.ready_file.as_deref();
    process::run(&config, serve(&config, merged, ready))
}

async fn serve(config: &Config, flags: Flags, ready: Option<&Path>) -> Result<(), Failure> {
    let mut signals = Signals::new()?;
    if let Some(path) = ready {
        ready_file::remove(path)?;
    }
    let mut store = open_store(&config.data_dir)?;
    store.set_capacity(config.limits.max_storage_bytes);
    let _lock = lock(&config.data_dir)?;
    let protection = tls::prepare(config, &config.listen)?;
    let listeners = Listeners::bind(config)?;
    let metrics = MetricsListener::bind(config.metrics)?;
    let metrics_at = metrics.as_ref().map(MetricsListener::at);
    let relaying = relaying::start(config, &listeners, metrics_at, &protection)?;
    let (store, store_thread) = Store::start(store)
        .map_err(|error| Failure::caused_by("cannot start the store", &error))?;

    let access = &relaying.access;
    let node = Arc::new(node(config, store.clone(), &protection, access.clone()));
    let origin = listeners.origin(config);
    let owner_link = owner::invitation(&store, &origin).await?;
    greeting::remember_address(&config.data_dir, &origin);
    let greeting = greeting::Greeting {
        origin: &origin,
        owner_link: owner_link.as_deref(),
        relay: relaying.described(),
        access,
        own_ca: protection.own_ca.as_ref(),
        data_dir: &config.data_dir,
        metrics: metrics_at,
    };
    say(&greeting.text());
    if let Some(path) = ready {
        greeting.write_ready_file(path)?;
    }

    let sweeper = tokio::spawn(sweep(store.clone()));
    let counted = Counted {
        relay: relaying.handle.as_ref().map(Arc::downgrade),
        node: Some((Arc::downgrade(&node), config.limits.max_connections)),
    };
    let _metering = metrics.map(|metrics| metrics.serve(counted));
    let answer = listen::Answer {
        acceptor: protection.acceptor,
        router: api::router(Arc::clone(&node)),
        relay: relaying.handle.clone(),
    };
    let connections = listeners.serve(config, answer);
    let mut reloading = Reloading {
        flags,
        config: config.clone(),
        secrets: relaying.secrets.clone(),
        certificate: protection.certificate,
        relay: relaying.handle.as_ref().map(Arc::downgrade),
        node: Some(Arc::downgrade(&node)),
    };
    let asked = reloading.until_stop(&mut signals).await;
    if let (Ok(Asked::Drain), Some(relay), Some(settings)) =
        (&asked, &relaying.handle, &reloading.config.relay)
    {
        node.grants.withdraw_own();
        relay::drain(relay, settings, &mut signals).await;
    }
    say("Stopping. Press Ctrl-C again to stop at once.");
    signals.next_stop_exits_at_once();
    sweeper.abort();
    stop(&node, config.limits.max_connections, connections, relaying).await;
    drop((node, store));
    // The router of the last connection may hold the store for a moment longer.
    let closed = tokio::task::spawn_blocking(move || store_thread.join());
    let _late = tokio::time::timeout(LAST_REQUESTS, closed).await;
    asked.map(drop)
}

fn node(config: &Config, store: Store, protection: &tls::Protection, access: RelayAccess) -> Node {
    Node {
        name: config.name.clone(),
        open_registration: config.open_registration,
        behind_proxy: config.behind_proxy,
        store,
        sessions: Arc::default(),
        bus: Bus::default(),
        rates: Rates::new(config.limits),
        grants: Grants::new(access),
        own_ca: protection.own_ca.as_ref().map(|ca| ca.pem.clone()),
        sockets: Arc::new(Semaphore::new(config.limits.max_connections)),
        stopping: watch::Sender::new(false),
    }
}

fn open_store(directory: &Path) -> Result<NodeStore, Failure> {
    NodeStore::open(directory).map_err(|error| {
        Failure::caused_by("cannot open the data directory", &error).hint(format!(
            "It is {}; choose another one with --data-dir.",
            directory.display()
        ))
    })
}

/// Two nodes on one directory would tell each other's readers nothing.
fn lock(directory: &Path) -> Result<File, Failure> {
    let path = directory.join("lock");
    let file = File::create(&path)
        .map_err(|error| Failure::caused_by("cannot make the lock file", &error))?;
    file.try_lock().map_err(|_| {
        Failure::new(format!(
            "another hither uses the data directory {}",
            directory.display()
        ))
        .hint("Stop it, or choose another directory with --data-dir.")
    })?;
    Ok(file)
}

async fn sweep(store: Store) {
    let mut every = tokio::time::interval(SWEEP_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        match store.call(|store| store.sweep(clock::now())).await {
            Ok(Ok(swept)) => tracing::debug!(removed = swept.removed, "swept"),
            Ok(Err(error)) => tracing::error!(%error, "cannot remove what has ended"),
            Err(_) => return,
        }
    }
}

/// Sockets hear goodbye, requests end, the relay closes.
async fn stop(
    node: &Node,
    all_sockets: usize,
    connections: listen::Connections,
    relaying: Relaying<'_>,
) {
    node.stopping.send_replace(true);
    let all_sockets = u32::try_from(all_sockets).unwrap_or(u32::MAX);
    let ended = async {
        connections.finish().await;
        // All permits are back when every socket has ended.
        let _all = node.sockets.acquire_many(all_sockets).await;
    };
    if tokio::time::timeout(LAST_REQUESTS, ended).await.is_err() {
        tracing::info!("some connections did not end in time");
    }
    drop(relaying.accepting);
    // A stream that still holds it ends with its task.
    if let Some(relay) = relaying.handle.and_then(Arc::into_inner) {
        relay.shutdown().await;
    }
}
