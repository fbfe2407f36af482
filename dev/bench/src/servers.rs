// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is measured: processes that are started, found ready, asked what they use, and ended.

use std::env;
use std::fmt;
use std::io::BufReader;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::BenchError;
use crate::cores::{Cores, Memory};
use crate::floor::{self, Means};
use crate::flows::{self, End, Relation};
use crate::turn::{REALM, SECRET, sessions};

/// Where our relay listens and relays: a relay alone on its address, so that no port is taken already.
const HITHER_IP: Ipv4Addr = Ipv4Addr::new(127, 0, 3, 1);

/// Where coturn does.
const COTURN_IP: Ipv4Addr = Ipv4Addr::new(127, 0, 4, 1);

/// The ports they may have: nearly all, so that 50,000 fit.
pub(crate) const PORTS: (u16, u16) = (5_000, 65_535);

/// Something that forwards datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contender {
    /// Our relay.
    Hither,
    /// Debian's coturn.
    Coturn,
    /// The bare forwarder.
    Floor(Means),
}

impl Contender {
    /// All, in the order of the tables.
    pub(crate) const ALL: [Self; 4] = [
        Self::Hither,
        Self::Coturn,
        Self::Floor(Means::Segmented),
        Self::Floor(Means::Batched),
    ];
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hither => "Hither",
            Self::Coturn => "coturn",
            Self::Floor(Means::Segmented) => "floor, GRO/GSO",
            Self::Floor(Means::Batched) => "floor, mmsg",
        })
    }
}

/// A process on the relay's core. It is ended when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    contender: Contender,
    cores: Cores,
    child: Child,
    /// Its standard input and output, of those that talk.
    pipes: Option<(ChildStdin, BufReader<ChildStdout>)>,
    /// Where it listens for TURN.
    turn: Option<SocketAddr>,
}

impl Server {
    /// Starts a TURN server and waits until it answers.
    pub(crate) fn turn(contender: Contender, cores: Cores) -> Result<Self, BenchError> {
        let (ip, is_coturn) = match contender {
            Contender::Coturn => (COTURN_IP, true),
            Contender::Hither | Contender::Floor(_) => (HITHER_IP, false),
        };
        let address = free_address(ip)?;
        let mut server = match is_coturn {
            true => Self::start(contender, coturn(address), cores, false)?,
            false => {
                let mut command = ourselves()?;
                command.args(["serve-relay", &address.to_string()]);
                Self::start(contender, command, cores, true)?
            }
        };
        server.turn = Some(address);
        wait_for_answer(address)?;
        Ok(server)
    }

    /// Starts every contender, each with as many flows of its own.
    pub(crate) fn all_with_flows(
        cores: Cores,
        relation: Relation,
        flows: usize,
    ) -> Result<Vec<(Self, Vec<End>)>, BenchError> {
        let with_flows = |&contender| Self::with_flows(contender, cores, relation, flows);
        Contender::ALL.iter().map(with_flows).collect()
    }

    /// Starts what carries these flows, and connects them.
    fn with_flows(
        contender: Contender,
        cores: Cores,
        relation: Relation,
        flows: usize,
    ) -> Result<(Self, Vec<End>), BenchError> {
        let Contender::Floor(means) = contender else {
            let server = Self::turn(contender, cores)?;
            let ends = flows::through(server.address()?, relation, flows)?;
            return Ok((server, ends));
        };
        let mut command = ourselves()?;
        command.args(["serve-floor", means.name(), relation.name()]);
        let mut server = Self::start(contender, command, cores, true)?;
        let (input, output) = server.pipes.as_mut().ok_or(BenchError::Silent)?;
        let ends = floor::through(input, output, relation, flows)?;
        Ok((server, ends))
    }

    fn start(
        contender: Contender,
        mut command: Command,
        cores: Cores,
        talks: bool,
    ) -> Result<Self, BenchError> {
        let pipe = || if talks { Stdio::piped() } else { Stdio::null() };
        command.stdin(pipe()).stdout(pipe());
        if !talks {
            command.stderr(Stdio::null());
        }
        let child = cores.on_relays_core(|| command.spawn())?;
        let mut child = child.map_err(BenchError::io("start a relay"))?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        Ok(Self {
            contender,
            cores,
            child,
            pipes: pipes.map(|(input, output)| (input, BufReader::new(output))),
            turn: None,
        })
    }

    /// What it is.
    pub(crate) const fn contender(&self) -> Contender {
        self.contender
    }

    /// Where it listens for TURN.
    pub(crate) fn address(&self) -> Result<SocketAddr, BenchError> {
        self.turn.ok_or(BenchError::Silent)
    }

    /// Nanoseconds that it has used so far.
    pub(crate) fn nanos_used(&self) -> Result<u64, BenchError> {
        self.cores.nanos_used(self.child.id())
    }

    /// What it holds.
    pub(crate) fn memory(&self) -> Result<Memory, BenchError> {
        Memory::of(self.child.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // What has ended already cannot be ended again.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

/// This program.
fn ourselves() -> Result<Command, BenchError> {
    let program = env::current_exe().map_err(BenchError::io("find this program"))?;
    Ok(Command::new(program))
}

/// coturn as an operator would run it for this: no TLS, no log, credentials from a shared secret.
fn coturn(address: SocketAddr) -> Command {
    let mut command = Command::new("turnserver");
    let (ip, port) = (address.ip().to_string(), address.port().to_string());
    let (first, last) = (PORTS.0.to_string(), PORTS.1.to_string());
    // No configuration file, one thread for relaying, because there is one core.
    command.args(["-n", "--relay-threads=1", "-L", &ip, "-p", &port, "-E", &ip]);
    command.args(["--min-port", &first, "--max-port", &last]);
    command.args([
        "--use-auth-secret",
        "--static-auth-secret",
        SECRET,
        "--realm",
        REALM,
    ]);
    command.args([
        "--allow-loopback-peers",
        "--no-cli",
        "--no-tls",
        "--no-dtls",
        "--no-tcp",
    ]);
    command.args(["--no-rfc5780", "--no-software-attribute", "--no-auth-pings"]);
    command.args([
        "--simple-log",
        "--log-file",
        "/dev/null",
        "--pidfile",
        "/dev/null",
    ]);
    command
}

/// The version of the coturn that is installed.
pub(crate) fn coturn_version() -> Option<String> {
    let output = Command::new("turnserver").arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines()
        .map(str::trim)
        .rfind(|line| !line.is_empty())
        .map(str::to_owned)
}

/// An address whose port nobody had a moment ago, below those that are relayed.
fn free_address(ip: Ipv4Addr) -> Result<SocketAddr, BenchError> {
    (3_478..PORTS.0)
        .map(|port| SocketAddr::from((ip, port)))
        .find(|address| UdpSocket::bind(address).is_ok())
        .ok_or(BenchError::Silent)
}

/// Asks for an allocation until there is any answer.
fn wait_for_answer(address: SocketAddr) -> Result<(), BenchError> {
    let probe = End::open(0)?;
    probe.connect(address)?;
    let session = sessions(1).pop().ok_or(BenchError::Silent)?;
    let request = session.allocate(0);
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(10) {
        // Until somebody listens, the system refuses.
        let _sent = probe.socket.send(&request);
        std::thread::sleep(Duration::from_millis(20));
        if probe.socket.recv(&mut [0; 1_500]).is_ok() {
            return Ok(());
        }
    }
    Err(BenchError::Silent)
}
