// SPDX-License-Identifier: MIT OR Apache-2.0
//! The `hither` binary as a process.

use std::env;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;
use tempfile::TempDir;

use crate::LabError;
use crate::artifacts::{artifacts_dir, workspace_root};
use crate::person::copy_tree;
use crate::process::{ends_within, kill_group, signal};

/// How long a node may take to come up, or to stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes of the log in an error.
const LOG_SHOWN: usize = 4096;

/// How to start a node.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// Names the log.
    pub name: String,
    /// The network namespace to start in, as `ip netns` knows it.
    pub netns: Option<String>,
    /// Arguments for `hither serve`, after the data directory and the ready file.
    pub args: Vec<String>,
    /// Environment variables.
    pub env: Vec<(String, String)>,
}

impl NodeConfig {
    /// A node with nothing set but ports of its own.
    ///
    /// # Errors
    ///
    /// When no ports are free.
    pub fn new(name: &str) -> Result<Self, LabError> {
        let web = free_port()?;
        let turn = free_port()?;
        let place = format!("127.0.0.1:{turn}");
        // Below is where the system finds ports for whoever names none, such as a browser on this machine.
        let first = "61000".to_owned();
        let env = [
            ("HITHER_RELAY__LISTEN_UDP", place.clone()),
            ("HITHER_RELAY__LISTEN_TCP", place),
            ("HITHER_RELAY__FIRST_PORT", first),
        ];
        Ok(Self {
            name: name.to_owned(),
            netns: None,
            args: vec![format!("--listen=127.0.0.1:{web}")],
            env: env.map(|(name, value)| (name.to_owned(), value)).into(),
        })
    }
}

/// What a node says when it is up: the contents of its `--ready-file`.
#[derive(Debug, Clone, Deserialize)]
pub struct Ready {
    /// Where its pages are: `http://localhost:8080`.
    pub address: String,
    /// The invitation of the first owner, as long as nobody has used it.
    #[serde(default)]
    pub owner_invitation: Option<String>,
    /// Addresses of its relay: `turn:localhost:8478?transport=udp`, …
    #[serde(default)]
    pub relay: Vec<String>,
}

/// A node on a data directory of its own. Dropping it kills the process and removes the directory.
#[derive(Debug)]
pub struct Node {
    config: NodeConfig,
    dir: TempDir,
    child: Option<Child>,
    ready: Ready,
}

impl Node {
    /// Starts a node and waits until it is up.
    ///
    /// # Errors
    ///
    /// When it does not come up; the error has the end of its log.
    pub fn start(config: NodeConfig) -> Result<Self, LabError> {
        Self::start_in(config, directory()?)
    }

    /// Starts a node on a copy of the data of another one, which must not be running.
    ///
    /// # Errors
    ///
    /// Those of [`Node::start`], and when the data cannot be copied.
    pub fn start_from(config: NodeConfig, data: &Path) -> Result<Self, LabError> {
        let dir = directory()?;
        copy_tree(data, &data_dir(dir.path()))?;
        Self::start_in(config, dir)
    }

    fn start_in(config: NodeConfig, dir: TempDir) -> Result<Self, LabError> {
        let (child, ready) = spawn(&config, dir.path())?;
        Ok(Self {
            config,
            dir,
            child: Some(child),
            ready,
        })
    }

    /// What the node said when it came up last.
    #[must_use]
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// An address of the node: `node.url("/")`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.ready.address.trim_end_matches('/'))
    }

    /// Where the node listens for HTTP.
    ///
    /// # Errors
    ///
    /// When its address names no port.
    pub fn address(&self) -> Result<SocketAddr, LabError> {
        let port = self.ready.address.trim_end_matches('/').rsplit(':').next();
        let port = port.and_then(|port| port.parse::<u16>().ok());
        let port = port
            .ok_or_else(|| LabError::Unexpected(format!("{} names no port", self.ready.address)))?;
        Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }

    /// The data directory.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        data_dir(self.dir.path())
    }

    /// The process, for measuring, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Everything that the node has printed since it was first started.
    ///
    /// # Errors
    ///
    /// When the log cannot be read.
    pub fn log(&self) -> Result<String, LabError> {
        let path = log_path(&self.config.name);
        let bytes = fs::read(&path).map_err(LabError::io(format!("read {}", path.display())))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Kills the node as a power cut would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            kill_group(&mut child);
        }
    }

    /// Stops the node as `systemctl stop` would, and waits for its end.
    ///
    /// # Errors
    ///
    /// When it does not end, or ends in failure.
    pub fn stop(&mut self) -> Result<(), LabError> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        signal(&child, "TERM", false);
        let ended = ends_within(&mut child, PATIENCE);
        let status = child.try_wait();
        kill_group(&mut child);
        match status {
            Ok(Some(status)) if ended && status.success() => Ok(()),
            status => Err(LabError::Unexpected(format!(
                "the node does not stop in order: {status:?}"
            ))),
        }
    }

    /// Starts the node again, with the same data directory and ports.
    ///
    /// # Errors
    ///
    /// When it does not come up.
    pub fn restart(&mut self) -> Result<(), LabError> {
        self.kill();
        let (child, ready) = spawn(&self.config, self.dir.path())?;
        self.child = Some(child);
        self.ready = ready;
        Ok(())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

fn directory() -> Result<TempDir, LabError> {
    tempfile::Builder::new()
        .prefix("hither-lab-node-")
        .tempdir()
        .map_err(LabError::io("create a directory for a node"))
}

/// Only what the node itself has written is in there.
fn data_dir(dir: &Path) -> PathBuf {
    dir.join("data")
}

fn spawn(config: &NodeConfig, dir: &Path) -> Result<(Child, Ready), LabError> {
    use std::os::unix::process::CommandExt;

    let program = hither()?;
    let ready_file = dir.join("ready.json");
    // What an earlier process wrote would be taken for the new one's word.
    let _absent = fs::remove_file(&ready_file);
    let log = log_path(&config.name);
    let (out, err) = open_log(&log)?;
    let mut command = match &config.netns {
        None => Command::new(&program),
        Some(name) => {
            let mut command = Command::new("ip");
            command.args(["netns", "exec", name]).arg(&program);
            command
        }
    };
    let mut child = command
        .arg("serve")
        .arg("--data-dir")
        .arg(data_dir(dir))
        .arg("--ready-file")
        .arg(&ready_file)
        .args(&config.args)
        .envs(config.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        .process_group(0)
        .spawn()
        .map_err(|source| LabError::Start {
            program: program.display().to_string(),
            source,
        })?;
    match wait_until_ready(&mut child, &ready_file) {
        Ok(ready) => Ok((child, ready)),
        Err(reason) => {
            kill_group(&mut child);
            let bytes = fs::read(&log).unwrap_or_default();
            let shown = bytes.len().saturating_sub(LOG_SHOWN);
            Err(LabError::NodeDown {
                reason,
                log: String::from_utf8_lossy(bytes.get(shown..).unwrap_or_default()).into_owned(),
            })
        }
    }
}

fn wait_until_ready(child: &mut Child, ready_file: &Path) -> Result<Ready, String> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        // A file that is still being written does not parse, and is read again.
        let ready = fs::read(ready_file).ok();
        if let Some(ready) = ready.and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
            return Ok(ready);
        }
        if let Ok(Some(status)) = child.try_wait() {
            return Err(format!("it ended ({status})"));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Err(format!("it did not write {}", ready_file.display()))
}

/// `HITHER_BIN`, or the newest build in the workspace's target directory.
fn hither() -> Result<PathBuf, LabError> {
    if let Some(program) = env::var_os("HITHER_BIN") {
        return Ok(PathBuf::from(program));
    }
    let target = workspace_root().join("target");
    let built = ["release", "debug"].map(|profile| target.join(profile).join("hither"));
    let newest = built
        .into_iter()
        .filter_map(|path| Some((fs::metadata(&path).ok()?.modified().ok()?, path)))
        .max();
    newest.map(|(_, path)| path).ok_or_else(|| {
        LabError::Unexpected(
            "there is no hither binary: build one, or name it in HITHER_BIN".to_owned(),
        )
    })
}

fn log_path(name: &str) -> PathBuf {
    artifacts_dir()
        .join("logs")
        .join(format!("node-{name}.log"))
}

fn open_log(path: &Path) -> Result<(File, File), LabError> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).map_err(LabError::io(format!("create {}", dir.display())))?;
    }
    let open = || {
        File::options()
            .create(true)
            .append(true)
            .open(path)
            .map_err(LabError::io(format!("open {}", path.display())))
    };
    Ok((open()?, open()?))
}

/// A port that is free for TCP and for UDP right now.
fn free_port() -> Result<u16, LabError> {
    const ATTEMPTS: usize = 50;
    for _ in 0..ATTEMPTS {
        let tcp = TcpListener::bind("127.0.0.1:0").map_err(LabError::io("find a free port"))?;
        let address = tcp.local_addr().map_err(LabError::io("find a free port"))?;
        if UdpSocket::bind(address).is_ok() {
            return Ok(address.port());
        }
    }
    Err(LabError::Unexpected("no port is free".to_owned()))
}
