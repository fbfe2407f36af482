// SPDX-License-Identifier: MIT OR Apache-2.0
//! coturn's programs: what they are told, and what they say.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use hither_relay::RelayHandle;

use crate::support::credential;

/// Longer than any of them takes on a busy machine; then it hangs.
const PATIENCE_SECS: &str = "180";

/// What `timeout` says of a program that is not there, and of one that hung (coreutils).
const NOT_FOUND: i32 = 127;
const HUNG: i32 = 124;

/// coturn's load client. Each of its clients sends messages to a peer, or to another one of them, and counts
/// what comes back.
#[derive(Clone, Debug)]
pub(crate) struct Uclient {
    pub(crate) server: SocketAddr,
    /// Where messages go; without one, clients send to each other's relayed addresses.
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) clients: u64,
    /// Of each client.
    pub(crate) messages: u64,
    /// Of each message, in bytes.
    pub(crate) length: u64,
    /// Between messages of a client.
    pub(crate) interval_ms: u64,
    pub(crate) username: String,
    pub(crate) password: String,
    pub(crate) flags: Vec<&'static str>,
}

/// What it said.
#[derive(Debug)]
pub(crate) struct Said {
    /// Messages, over all clients.
    pub(crate) sent: Option<u64>,
    pub(crate) received: Option<u64>,
    /// Every word of it.
    pub(crate) words: String,
}

impl Uclient {
    /// A client with a credential that the relay accepts.
    pub(crate) fn new(server: SocketAddr, flags: &[&'static str]) -> Self {
        let credential = credential();
        Self {
            server,
            peer: None,
            clients: 2,
            messages: 40,
            // Odd, so that streams need padding.
            length: 171,
            interval_ms: 5,
            username: credential.username,
            password: credential.password,
            flags: flags.to_vec(),
        }
    }

    /// Over UDP; over TCP with `-t`.
    pub(crate) fn of(relay: &RelayHandle, flags: &[&'static str]) -> Self {
        let server = match flags.contains(&"-t") || flags.contains(&"-T") {
            true => relay.local_tcp_addrs()[0],
            false => relay.local_udp_addrs()[0],
        };
        Self::new(server, flags)
    }

    pub(crate) fn arguments(&self) -> Vec<String> {
        let mut args: Vec<String> = self.flags.iter().map(ToString::to_string).collect();
        match self.peer {
            None => args.push("-y".to_owned()),
            Some(peer) => args.extend([
                "-e".to_owned(),
                peer.ip().to_string(),
                "-r".to_owned(),
                peer.port().to_string(),
            ]),
        }
        for (option, value) in [
            ("-p", self.server.port().to_string()),
            ("-u", self.username.clone()),
            ("-w", self.password.clone()),
            ("-m", self.clients.to_string()),
            ("-n", self.messages.to_string()),
            ("-l", self.length.to_string()),
            ("-z", self.interval_ms.to_string()),
        ] {
            args.extend([option.to_owned(), value]);
        }
        args.push(self.server.ip().to_string());
        args
    }

    /// Starts it, to be ended when the answer is dropped.
    pub(crate) fn spawn(&self) -> Running {
        let mut command = Command::new("turnutils_uclient");
        command.args(self.arguments());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Running(command.spawn().expect("coturn is installed"))
    }

    /// Runs it to its end.
    pub(crate) async fn run(&self) -> Said {
        Said::new(run("turnutils_uclient", self.arguments()).await)
    }
}

/// A program that is under way.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().expect("it can be stopped");
        self.0.wait().expect("it ends");
    }
}

impl Said {
    fn new(words: String) -> Self {
        // It reports every second, and at the end.
        let last = |key: &str| {
            let (_, after) = words.rsplit_once(key)?;
            let digits = after
                .split(|letter: char| !letter.is_ascii_digit())
                .next()?;
            digits.parse().ok()
        };
        Self {
            sent: last("tot_send_msgs="),
            received: last("tot_recv_msgs="),
            words,
        }
    }

    /// Every message, and there were so many, came back.
    pub(crate) fn assert_complete(&self, messages: u64) {
        let counted = (self.sent, self.received);
        assert_eq!(counted, (Some(messages), Some(messages)), "{}", self.words);
        let lost = "Total lost packets 0 (0.000000%), total send dropped 0 (0.000000%)";
        assert!(self.words.contains(lost), "{}", self.words);
    }
}

/// Runs a program to its end; what it said.
pub(crate) async fn run(program: &'static str, args: Vec<String>) -> String {
    let running = tokio::task::spawn_blocking(move || {
        let mut command = Command::new("timeout");
        command.arg(PATIENCE_SECS).arg(program).args(&args);
        let output = command.output().expect("coreutils are there");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert_ne!(
            output.status.code(),
            Some(NOT_FOUND),
            "cannot run {program}: install the package coturn, \
             for example with `apt-get install coturn`"
        );
        assert_ne!(
            output.status.code(),
            Some(HUNG),
            "it hangs: {program} {args:?}\n{said}"
        );
        said
    });
    running.await.expect("it runs")
}
