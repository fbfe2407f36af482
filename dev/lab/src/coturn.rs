// SPDX-License-Identifier: MIT OR Apache-2.0
//! coturn as the relay of calls with nothing of ours in them.

use std::fs;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::artifacts::artifacts_dir;
use crate::process::kill_group;
use crate::{Host, LabError};

/// How long it may take to come up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Names of files.
const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";

/// A running coturn, at 3478 and 443, over UDP, TCP and TLS, as our node's relay is. Dropping it ends the process.
#[derive(Debug)]
pub struct Coturn {
    host: Host,
    child: Child,
    dir: TempDir,
}

impl Coturn {
    /// Starts it on a host of a laboratory and waits until it answers.
    ///
    /// # Errors
    ///
    /// When there is no `turnserver`, or it does not come up.
    pub fn start(host: Host) -> Result<Self, LabError> {
        let dir = tempfile::Builder::new()
            .prefix("hither-lab-coturn-")
            .tempdir()
            .map_err(LabError::io("create a directory for coturn"))?;
        certify(host.ipv4().into(), dir.path())?;
        let child = spawn(&host, dir.path())?;
        let coturn = Self { host, child, dir };
        coturn.wait_until_up()?;
        Ok(coturn)
    }

    /// Kills it and starts it anew: its allocations are gone.
    ///
    /// # Errors
    ///
    /// When it does not come up.
    pub fn restart(&mut self) -> Result<(), LabError> {
        kill_group(&mut self.child);
        self.child = spawn(&self.host, self.dir.path())?;
        self.wait_until_up()
    }

    /// `iceServers` of a page that uses it: every rung that our own relay has.
    #[must_use]
    pub fn ice_servers(&self) -> Value {
        let at = self.host.ipv4();
        let turn = [
            format!("turn:{at}:3478?transport=udp"),
            format!("turn:{at}:443?transport=udp"),
            format!("turn:{at}:3478?transport=tcp"),
            format!("turns:{at}:443?transport=tcp"),
        ];
        json!([
            { "urls": format!("stun:{at}:3478") },
            { "urls": turn, "username": "bare", "credential": "bare" },
        ])
    }

    /// Asks for a binding (RFC 8489 §6) until it answers.
    fn wait_until_up(&self) -> Result<(), LabError> {
        let request = [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], b"hither-lab--"].concat();
        let socket = self.host.inside(|| UdpSocket::bind("0.0.0.0:0"))?;
        let socket = socket.map_err(LabError::io("ask coturn"))?;
        socket
            .set_read_timeout(Some(Duration::from_millis(100)))
            .map_err(LabError::io("ask coturn"))?;
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let asked = socket.send_to(&request, SocketAddr::from((self.host.ipv4(), 3478)));
            if asked.is_ok() && socket.recv_from(&mut [0; 512]).is_ok() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err(LabError::Unexpected("coturn does not answer".to_owned()))
    }
}

impl Drop for Coturn {
    fn drop(&mut self) {
        kill_group(&mut self.child);
    }
}

fn spawn(host: &Host, dir: &Path) -> Result<Child, LabError> {
    use std::os::unix::process::CommandExt;

    let address = host.ipv4();
    let log = artifacts_dir().join("logs").join("coturn.log");
    let setting = |name: &str, value: &Path| format!("--{name}={}", value.display());
    let mut command = host.command("turnserver");
    command
        .args(["-n", "--no-cli", "--lt-cred-mech", "--no-multicast-peers"])
        .args(["--user=bare:bare", "--realm=lab", "--relay-threads=1"])
        .args(["--listening-port=3478", "--tls-listening-port=443"])
        .arg(format!("--listening-ip={address}"))
        .arg(format!("--relay-ip={address}"))
        .arg(setting("cert", &dir.join(CERTIFICATE)))
        .arg(setting("pkey", &dir.join(KEY)))
        .arg(setting("log-file", &log))
        .arg(setting("pidfile", &dir.join("pid")))
        .arg("--simple-log")
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0);
    command.spawn().map_err(|source| LabError::Start {
        program: "turnserver".to_owned(),
        source,
    })
}

/// A certificate that nobody knows; bare browsers are told not to mind.
fn certify(address: IpAddr, dir: &Path) -> Result<(), LabError> {
    let refused = |error: rcgen::Error| LabError::Unexpected(format!("no certificate: {error}"));
    let made = rcgen::generate_simple_self_signed([address.to_string()]).map_err(refused)?;
    let files = [
        (CERTIFICATE, made.cert.pem()),
        (KEY, made.signing_key.serialize_pem()),
    ];
    for (name, contents) in files {
        fs::write(dir.join(name), contents).map_err(LabError::io("write for coturn"))?;
    }
    Ok(())
}
