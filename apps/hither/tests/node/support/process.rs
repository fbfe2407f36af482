// SPDX-License-Identifier: MIT OR Apache-2.0
//! Starts, stops and kills the real binary.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use hither_api::RegistrationToken;
use hither_api::link::Link;
use tempfile::TempDir;

/// Longest time that anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A node on a free port with a data directory of its own.
pub(crate) struct Node {
    child: Child,
    directory: TempDir,
    environment: Vec<(String, String)>,
    address: String,
    owner_link: Option<String>,
    relay: Vec<String>,
}

impl Node {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts one with settings from the environment.
    pub(crate) fn start_with(environment: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let environment: Vec<_> = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let child = spawn(directory.path(), &environment);
        let mut node = Self {
            child,
            directory,
            environment,
            address: String::new(),
            owner_link: None,
            relay: Vec::new(),
        };
        node.wait_until_ready();
        node
    }

    /// `127.0.0.1:port`
    pub(crate) fn authority(&self) -> String {
        let port = self.address.rsplit(':').next().unwrap();
        format!("127.0.0.1:{port}")
    }

    /// As the node says it.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn relay(&self) -> &[String] {
        &self.relay
    }

    pub(crate) fn owner_link(&self) -> Option<&str> {
        self.owner_link.as_deref()
    }

    pub(crate) fn owner_token(&self) -> RegistrationToken {
        match Link::parse(self.owner_link().unwrap()) {
            Some(Link::Registration { token, origin }) => {
                assert_eq!(origin, self.address);
                token
            }
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Everything that was said so far, on both outputs.
    pub(crate) fn said(&self) -> String {
        let read = |name| std::fs::read_to_string(self.directory.path().join(name)).unwrap();
        read("out") + &read("err")
    }

    /// Ends it without any chance to tidy up.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop and waits until it has.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.interrupt();
        self.wait()
    }

    /// Sends SIGINT, as Ctrl-C does.
    pub(crate) fn interrupt(&self) {
        self.send("-INT");
    }

    pub(crate) fn send(&self, name: &str) {
        signal(self.process_id(), name);
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        wait_for(&mut self.child)
    }

    /// Waits until it has said something.
    pub(crate) fn until_said(&self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.said().contains(text) {
            assert!(Instant::now() < deadline, "no {text} in {}", self.said());
            pause();
        }
    }

    /// Starts it again on the same data directory, on another port.
    pub(crate) fn start_again(&mut self) {
        std::fs::remove_file(self.directory.path().join("ready.json")).unwrap();
        self.child = spawn(self.directory.path(), &self.environment);
        self.wait_until_ready();
    }

    fn wait_until_ready(&mut self) {
        let path = self.directory.path().join("ready.json");
        let deadline = Instant::now() + PATIENCE;
        while !path.exists() {
            assert!(
                self.child.try_wait().unwrap().is_none(),
                "it ended: {}",
                self.said()
            );
            assert!(Instant::now() < deadline, "it does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        let ready: serde_json::Value =
            serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        self.address = ready["address"].as_str().unwrap().to_owned();
        self.owner_link = ready["owner_invitation"].as_str().map(str::to_owned);
        let relay = ready["relay"].as_array().unwrap().iter();
        self.relay = relay.map(|url| url.as_str().unwrap().to_owned()).collect();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

pub(super) fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}

/// Sends a signal by its name, such as `-HUP`.
pub(super) fn signal(process_id: u32, name: &str) {
    let sent = Command::new("kill")
        .args([name, &process_id.to_string()])
        .status();
    assert!(sent.unwrap().success());
}

pub(super) fn wait_for(child: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(Instant::now() < deadline, "it does not end");
        pause();
    }
}

pub(super) fn appending(path: &Path) -> File {
    let mut options = File::options();
    options.create(true).append(true);
    options.open(path).unwrap()
}

/// The binary, with nothing of this process's own settings.
pub(crate) fn hither() -> Command {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HITHER_") {
            command.env_remove(name);
        }
    }
    command
}

/// Cargo tells tests where it is; an example finds it beside itself.
fn binary() -> PathBuf {
    match option_env!("CARGO_BIN_EXE_hither") {
        Some(path) => path.into(),
        None => {
            let example = std::env::current_exe().unwrap();
            example.ancestors().nth(2).unwrap().join("hither")
        }
    }
}

fn spawn(directory: &Path, environment: &[(String, String)]) -> Child {
    let file = |name: &str| appending(&directory.join(name));
    hither()
        .args(["serve", "--listen", "127.0.0.1:0"])
        .arg("--data-dir")
        .arg(directory.join("data"))
        .arg("--ready-file")
        .arg(directory.join("ready.json"))
        .env("HITHER_RELAY__PORT", "0")
        .envs(environment.iter().cloned())
        .stdin(Stdio::null())
        .stdout(file("out"))
        .stderr(file("err"))
        .spawn()
        .unwrap()
}
