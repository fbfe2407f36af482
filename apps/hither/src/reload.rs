// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reading the settings again while everything runs (SIGHUP): all of what can be applied is, or nothing.

use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use hither_relay::RelayHandle;
use toml::Table;

use crate::config::{Config, Flags, PeersBecause, Purpose};
use crate::failure::Failure;
use crate::node::Node;
use crate::process;
use crate::relay;
use crate::relay::secret::{self, IfMissing};
use crate::signals::{Asked, Signals};
use crate::tls::{Certificate, Renewal};
use crate::words::complain;

/// How often to look whether the relay is well.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Settings that a running process takes over; all others wait for a restart.
const APPLIED: [&str; 18] = [
    "log.filter",
    "relay.allow_peers",
    "relay.alternate_servers",
    "relay.deny_peers",
    "relay.drain_seconds",
    "relay.elsewhere",
    "relay.grant_hours",
    "relay.max_allocations",
    "relay.max_allocations_per_source",
    "relay.max_allocations_per_username",
    "relay.max_kib_per_second",
    "relay.previous_secret_file",
    "relay.private_peers",
    "relay.public_host",
    "relay.secret_file",
    "tls.certificate",
    "tls.key",
    "tls.names",
];

/// What runs, and what it was told last.
pub(crate) struct Reloading {
    pub(crate) flags: Flags,
    pub(crate) config: Config,
    /// What access is minted and checked with.
    pub(crate) secrets: secret::Loaded,
    pub(crate) certificate: Option<Arc<Certificate>>,
    pub(crate) relay: Option<Weak<RelayHandle>>,
    pub(crate) node: Option<Weak<Node>>,
}

/// Read, checked, and not applied yet.
struct Next {
    config: Config,
    secrets: secret::Loaded,
    certificate: Option<Renewal>,
    changed: Vec<String>,
}

impl Reloading {
    /// Reloads as often as somebody asks for it, until one asks to stop or the relay is no longer whole.
    pub(crate) async fn until_stop(&mut self, signals: &mut Signals) -> Result<Asked, Failure> {
        let relay = self.relay.clone();
        let is_whole = move || {
            let relay = relay.as_ref().and_then(Weak::upgrade);
            relay.is_none_or(|relay| relay.is_healthy())
        };
        let mut broken = std::pin::pin!(until_broken(is_whole));
        loop {
            tokio::select! {
                asked = signals.next() => match asked {
                    Asked::Reload => self.reload().await,
                    stop => return Ok(stop),
                },
                failure = &mut broken => return Err(failure),
            }
        }
    }

    /// Reads everything again and applies it, or says why not. The log names settings, never their values.
    async fn reload(&mut self) {
        let outcome = match self.read() {
            Ok(next) => self.apply(next).await,
            Err(failure) => Err(failure),
        };
        if let Err(failure) = outcome {
            tracing::warn!("the settings cannot be used as they are now; nothing was changed");
            complain(&failure);
        }
    }

    fn read(&self) -> Result<Next, Failure> {
        let mut config = process::load(&self.flags)?;
        let changed = differences(&self.config.settings, &config.settings);
        let is_changed = |name: &str| changed.iter().any(|changed| changed == name);
        // Where things are kept is not moved while it is used.
        config.data_dir.clone_from(&self.config.data_dir);
        if !is_changed("relay.secret_file") {
            let file = self.config.access.secret_file.clone();
            config.access.secret_file = file;
        }
        let secrets = match config.access.secret_file {
            Some(_) => secret::load(&config.access, IfMissing::Refuse)?,
            // One that lives as long as the process.
            None => self.secrets.clone(),
        };
        let certificate = if is_changed("tls.mode") {
            None
        } else {
            Renewal::read(&config, self.shown_at(&config))?
        };
        Ok(Next {
            config,
            secrets,
            certificate,
            changed,
        })
    }

    async fn apply(&mut self, next: Next) -> Result<(), Failure> {
        let (mut applied, waiting): (Vec<_>, Vec<_>) = next
            .changed
            .into_iter()
            .partition(|name| APPLIED.contains(&name.as_str()));
        let mut config = next.config;
        self.keep_closed(&mut config, &waiting);
        // First who can say no.
        let relay = self.relay.as_ref().and_then(Weak::upgrade);
        if let (Some(relay), Some(settings)) = (relay, &config.relay) {
            relay::reload(&relay, settings, &next.secrets.secrets).await?;
        }
        if applied.iter().any(|name| name == "log.filter") {
            process::log_from_now_on(&config);
        }
        if let (Some(renewal), Some(certificate)) = (next.certificate, &self.certificate)
            && renewal.show(certificate)
        {
            applied.push("the certificate".to_owned());
        }
        if next.secrets.mark != self.secrets.mark {
            applied.push("the secret".to_owned());
        }
        self.secrets = next.secrets;
        if let Some(node) = self.node.as_ref().and_then(Weak::upgrade) {
            node.grants
                .reload(&config.access, &self.secrets.secrets.current);
        }
        self.settle(config, &waiting);
        tell(&applied, &waiting);
        Ok(())
    }

    /// Addresses that this process does not listen on yet, or still does, open nothing.
    fn keep_closed(&self, config: &mut Config, waiting: &[String]) {
        let was_open = self.config.relay.as_ref().map(|relay| &relay.peers.rules);
        let (Some(relay), Some(was_open)) = (&mut config.relay, was_open) else {
            return;
        };
        if !waiting.is_empty() && relay.peers.because != PeersBecause::Told {
            relay.peers.rules.private &= was_open.private;
        }
    }

    /// Remembers what was applied. What waits for a restart is said again the next time.
    fn settle(&mut self, mut config: Config, waiting: &[String]) {
        for name in waiting {
            let Some((section, key)) = name.split_once('.') else {
                continue;
            };
            let before = self.config.settings.get(section);
            let before = before.and_then(|values| values.get(key)).cloned();
            let now = config.settings.get_mut(section);
            let now = now.and_then(|values| values.as_table_mut());
            if let (Some(before), Some(now)) = (before, now) {
                now.insert(key.to_owned(), before);
            }
        }
        self.config = config;
    }

    fn shown_at<'a>(&self, config: &'a Config) -> &'a [SocketAddr] {
        match (self.flags.purpose, &config.relay) {
            (Purpose::RelayAlone, Some(relay)) => &relay.listen_tls,
            _ => &config.listen,
        }
    }
}

/// Waits until part of the relay is gone. Others would lead clients to a part that does not know them, so
/// whoever supervises this process had better start it again.
async fn until_broken(is_whole: impl Fn() -> bool) -> Failure {
    let mut looking = tokio::time::interval(LOOK_EVERY);
    loop {
        looking.tick().await;
        if !is_whole() {
            return Failure::new("a worker of the relay has died, so this process ends").hint(
                "Start it again (a supervisor does), and please report what it said before.",
            );
        }
    }
}

fn tell(applied: &[String], waiting: &[String]) {
    if applied.is_empty() && waiting.is_empty() {
        tracing::info!("the settings were read again; nothing has changed");
        return;
    }
    if !applied.is_empty() {
        let changed = applied.join(", ");
        tracing::info!(changed, "the settings were read again and applied");
    }
    if !waiting.is_empty() {
        let changed = waiting.join(", ");
        tracing::warn!(changed, "some settings need a restart");
    }
}

/// `section.setting` for each that differs.
fn differences(before: &Table, now: &Table) -> Vec<String> {
    let mut differences = Vec::new();
    for (section, values) in now {
        let Some(values) = values.as_table() else {
            continue;
        };
        let before = before.get(section);
        for (key, value) in values {
            if before.and_then(|before| before.get(key)) != Some(value) {
                differences.push(format!("{section}.{key}"));
            }
        }
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DEFAULTS;

    #[test]
    fn what_is_applied_while_running_exists() {
        let defaults: Table = DEFAULTS.parse().expect("TOML");
        for name in APPLIED {
            let (section, key) = name.split_once('.').expect("a section");
            assert!(defaults[section].get(key).is_some(), "{name}");
        }
    }

    #[tokio::test]
    async fn a_relay_that_is_no_longer_whole_ends_the_process() {
        let failure = until_broken(|| false).await;
        assert!(failure.message.contains("has died"), "{failure:?}");
        let looks = std::cell::Cell::new(0);
        let dies_later = until_broken(|| {
            looks.set(looks.get() + 1);
            looks.get() < 2
        });
        dies_later.await;
        assert_eq!(looks.get(), 2);
    }

    #[test]
    fn differences_are_named_by_section_and_setting() {
        let before: Table = DEFAULTS.parse().expect("TOML");
        let mut now = before.clone();
        assert_eq!(differences(&before, &now), Vec::<String>::new());
        now["relay"]["port"] = 3478.into();
        now["log"]["filter"] = "warn".into();
        assert_eq!(differences(&before, &now), ["log.filter", "relay.port"]);
    }
}
