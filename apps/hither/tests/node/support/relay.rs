// SPDX-License-Identifier: MIT OR Apache-2.0
//! `hither relay` as a process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::Instant;

use tempfile::TempDir;

use super::process::{PATIENCE, appending, hither, pause, signal, wait_for};

/// A relay on free ports of a loopback address.
pub(crate) struct RelayAlone {
    child: Child,
    directory: TempDir,
    ready: serde_json::Value,
}

impl RelayAlone {
    /// Starts one with a configuration file of these settings.
    pub(crate) fn start(settings: &str) -> Self {
        Self::start_at("127.0.0.1:0", settings)
    }

    /// Starts one that listens there.
    pub(crate) fn start_at(listen: &str, settings: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = |name| directory.path().join(name);
        std::fs::write(at("relay.toml"), settings).unwrap();
        let child = hither()
            .args(["relay", "--listen", listen, "--config"])
            .arg(at("relay.toml"))
            .arg("--data-dir")
            .arg(at("data"))
            .arg("--ready-file")
            .arg(at("ready.json"))
            // Ports that the system gives to nobody by itself.
            .env("HITHER_RELAY__FIRST_PORT", "61000")
            .stdin(Stdio::null())
            .stdout(appending(&at("out")))
            .stderr(appending(&at("err")))
            .spawn()
            .unwrap();
        let mut relay = Self {
            child,
            directory,
            ready: serde_json::Value::Null,
        };
        relay.wait_until_ready();
        relay
    }

    fn wait_until_ready(&mut self) {
        let path = self.path("ready.json");
        let deadline = Instant::now() + PATIENCE;
        while !path.exists() {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended: {}", self.said());
            assert!(Instant::now() < deadline, "it does not start");
            pause();
        }
        self.ready = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    }

    /// A file beside its configuration.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn secret_file(&self) -> PathBuf {
        self.path("data").join("relay-secret")
    }

    pub(crate) fn secret(&self) -> String {
        std::fs::read_to_string(self.secret_file()).unwrap()
    }

    /// The first place where it listens: "udp", "tcp" or "tls".
    pub(crate) fn at(&self, protocol: &str) -> SocketAddr {
        self.ready[protocol][0].as_str().unwrap().parse().unwrap()
    }

    pub(crate) fn metrics(&self) -> SocketAddr {
        self.ready["metrics"].as_str().unwrap().parse().unwrap()
    }

    /// Everything that was said so far, on both outputs.
    pub(crate) fn said(&self) -> String {
        let read = |name| std::fs::read_to_string(self.path(name)).unwrap();
        read("out") + &read("err")
    }

    /// Changes the settings and waits until it says something with this text in it.
    pub(crate) fn reload(&self, settings: &str, until: &str) {
        let before = self.said().matches(until).count();
        std::fs::write(self.path("relay.toml"), settings).unwrap();
        self.send("-HUP");
        self.until_said(until, before + 1);
    }

    pub(crate) fn until_said(&self, text: &str, times: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.said().matches(text).count() < times {
            assert!(Instant::now() < deadline, "no {text} in {}", self.said());
            pause();
        }
    }

    pub(crate) fn send(&self, name: &str) {
        signal(self.child.id(), name);
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        wait_for(&mut self.child)
    }

    /// What a scraper gets.
    pub(crate) fn scrape(&self) -> String {
        super::http::get(self.metrics(), "/metrics")
    }
}

impl Drop for RelayAlone {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// Writes a file with `0o600`.
pub(crate) fn write_secret(path: &Path, secret: &str) {
    std::fs::write(path, secret).unwrap();
    let own: std::fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(path, own).unwrap();
}
