// SPDX-License-Identifier: MIT OR Apache-2.0
//! What every long-running command does with its process: settings, log, files, threads.

use std::sync::OnceLock;
use std::time::Duration;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::reload::{Handle, Layer};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry};

use crate::config::{self, Config, Flags};
use crate::failure::Failure;
use crate::words::remark;

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

/// Runs until it ends, with a log on standard error and as many files as the system allows.
pub(crate) fn run(
    config: &Config,
    work: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    log_to_standard_error(config);
    open_many_files();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::caused_by("cannot start", &error))?;
    let outcome = runtime.block_on(work);
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

/// Exchanges what is written to the log.
static FILTER: OnceLock<Handle<EnvFilter, Registry>> = OnceLock::new();

fn log_to_standard_error(config: &Config) {
    let (filter, handle) = Layer::new(EnvFilter::new(&config.log_filter));
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_writer(std::io::stderr);
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .init();
    let _first = FILTER.set(handle);
}

/// Follows another filter than before.
pub(crate) fn log_from_now_on(config: &Config) {
    if let Some(handle) = FILTER.get() {
        let _gone = handle.reload(EnvFilter::new(&config.log_filter));
    }
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
