// SPDX-License-Identifier: MIT OR Apache-2.0
//! `hither serve`: everything a node is, started in order, and stopped in the reverse order.

mod greeting;
mod listen;
mod owner;
mod private_file;
mod relay;
mod signals;
mod tls;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hither_relay::RelayHandle;
use hither_store::{NodeStore, Store};
use tokio::sync::{Semaphore, watch};

use crate::api;
use crate::cli::ServeFlags;
use crate::config::{self, Config, Flags};
use crate::failure::Failure;
use crate::node::Node;
use crate::node::bus::Bus;
use crate::node::grants::Grants;
use crate::node::rate::Rates;
use crate::words::{remark, say};
use crate::{clock, web};
pub(crate) use greeting::table;
use listen::Listeners;

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
    let config = configure(flags)?;
    if flags.print_network_sheet {
        say(&greeting::network_sheet(&config));
        return Ok(());
    }
    log_to_standard_error(&config);
    open_many_files();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::caused_by("cannot start", &error))?;
    let outcome = runtime.block_on(serve(config, flags.ready_file.as_deref()));
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

fn configure(flags: &ServeFlags) -> Result<Config, Failure> {
    let merged = Flags {
        config: flags.source.config.clone(),
        data_dir: flags.source.data_dir.clone(),
        listen: flags.listen.clone(),
    };
    load(&merged)
}

/// The configuration of this process.
pub(crate) fn load(flags: &Flags) -> Result<Config, Failure> {
    // A variable that is no text is none of ours.
    let environment: Vec<_> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let names = environment.iter().map(|(name, _)| name.clone());
    for (name, nearest) in config::unknown_variables(names) {
        let nearest = nearest.map_or_else(String::new, |name| format!("; did you mean {name}?"));
        remark(&format!(
            "the environment variable {name} is no setting{nearest}"
        ));
    }
    config::load(flags, environment.into_iter()).map_err(|error| {
        Failure::caused_by("the configuration cannot be used", &error)
            .hint("`hither serve --print-default-config` shows every setting with its explanation.")
    })
}

fn log_to_standard_error(config: &Config) {
    let filter = tracing_subscriber::EnvFilter::new(&config.log_filter);
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_writer(std::io::stderr)
        .init();
}

/// A connection is an open file, and many systems begin with 1,024; whoever may have more takes more.
fn open_many_files() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit, setrlimit};
        let mut limit = getrlimit(Resource::Nofile);
        limit.current = limit.maximum;
        if setrlimit(Resource::Nofile, limit).is_err() {
            tracing::debug!("the limit of open files stays as it is");
        }
    }
}

async fn serve(config: Config, ready_file: Option<&Path>) -> Result<(), Failure> {
    let mut signals = signals::Signals::new()?;
    if let Some(path) = ready_file {
        greeting::remove_ready_file(path)?;
    }
    let mut store = open_store(&config.data_dir)?;
    store.set_capacity(config.limits.max_storage_bytes);
    let _lock = lock(&config.data_dir)?;
    let protection = tls::prepare(&config)?;
    let listeners = Listeners::bind(&config)?;
    let tls_port = protection
        .acceptor
        .as_ref()
        .and_then(|_| listeners.port(&config));
    let relay = relay::start(&config, tls_port)?;
    let (store, store_thread) = Store::start(store)
        .map_err(|error| Failure::caused_by("cannot start the store", &error))?;

    let node = Arc::new(node(&config, store.clone(), &protection, relay.as_ref()));
    let origin = listeners.origin(&config);
    let owner_link = owner::invitation(&store, &origin).await?;
    greeting::remember_address(&config.data_dir, &origin);
    let greeting = greeting::Greeting {
        origin: &origin,
        owner_link: owner_link.as_deref(),
        relay: relay.as_ref(),
        own_ca: protection.own_ca.as_ref(),
        data_dir: &config.data_dir,
    };
    say(&greeting.text());
    if let Some(path) = ready_file {
        greeting.write_ready_file(path)?;
    }

    let sweeper = tokio::spawn(sweep(store.clone()));
    let relay = relay.map(|relay| relay.handle);
    let answer = listen::Answer {
        acceptor: protection.acceptor,
        router: api::router(Arc::clone(&node)),
        relay: relay.clone(),
    };
    let connections = listeners.serve(&config, answer);
    signals.first().await;
    say("Stopping. Press Ctrl-C again to stop at once.");
    signals.second_exits_at_once();
    sweeper.abort();
    stop(&node, config.limits.max_connections, connections, relay).await;
    drop((node, store));
    // The router of the last connection may hold the store for a moment longer.
    let closed = tokio::task::spawn_blocking(move || store_thread.join());
    let _late = tokio::time::timeout(LAST_REQUESTS, closed).await;
    Ok(())
}

fn node(
    config: &Config,
    store: Store,
    protection: &tls::Protection,
    relay: Option<&relay::Running>,
) -> Node {
    Node {
        name: config.name.clone(),
        open_registration: config.open_registration,
        behind_proxy: config.behind_proxy,
        store,
        sessions: Arc::default(),
        bus: Bus::default(),
        rates: Rates::new(config.limits),
        grants: Grants {
            relay: relay.map(|relay| relay.access.clone()),
        },
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
    relay: Option<Arc<RelayHandle>>,
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
    // A stream that still holds it ends with its task.
    if let Some(relay) = relay.and_then(Arc::into_inner) {
        relay.shutdown().await;
    }
}
