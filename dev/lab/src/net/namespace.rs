// SPDX-License-Identifier: MIT OR Apache-2.0
//! A network namespace with a name, as `ip netns` keeps them.

use std::fs::{self, File};
use std::io::Write;
use std::net::Ipv6Addr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::LabError;

/// Where `ip netns` keeps names.
const NAMES: &str = "/run/netns";

/// Begins every name of ours; the process and a number follow.
const PREFIX: &str = "hither-lab-";

/// A namespace. Dropping it ends the processes in it and removes it, links and all.
#[derive(Debug)]
pub(super) struct Namespace {
    name: String,
}

impl Namespace {
    /// A namespace with nothing but its loopback interface. Addresses that it will have are not looked for
    /// elsewhere first, which would take seconds.
    pub(super) fn new(purpose: &str) -> Result<Self, LabError> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{number}-{purpose}", process::id());
        let made = Command::new("ip").args(["netns", "add", &name]).output();
        match made {
            Ok(output) if output.status.success() => {}
            Ok(output) => return Err(LabError::NoNamespaces(said(&output))),
            Err(error) => return Err(LabError::NoNamespaces(format!("ip: {error}"))),
        }
        let namespace = Self { name };
        namespace.switch("ipv6/conf/default/accept_dad", "0")?;
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Runs commands of `ip`, one a line, in this namespace.
    pub(super) fn ip(&self, commands: &str) -> Result<(), LabError> {
        let mut ip = Command::new("ip");
        ip.args(["-n", &self.name, "-batch", "-"]);
        fed(&mut ip, commands)?;
        Ok(())
    }

    /// The same for one address family, `-4` or `-6`, where the words do not say which.
    pub(super) fn ip_of(&self, family: &str, commands: &str) -> Result<(), LabError> {
        let mut ip = Command::new("ip");
        ip.args([family, "-n", &self.name, "-batch", "-"]);
        fed(&mut ip, commands)?;
        Ok(())
    }

    /// Runs `nft` in this namespace with this input, and gives what it printed.
    pub(super) fn nft(&self, args: &[&str], input: &str) -> Result<String, LabError> {
        fed(self.command("nft").args(args), input)
    }

    /// A program to be started in this namespace.
    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    /// Runs `work` on a thread inside of this namespace: the sockets that it opens stay there.
    pub(super) fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, LabError> {
        let path = path(&self.name);
        let namespace = File::open(&path).map_err(LabError::io("open a network namespace"))?;
        let enter = || {
            let kind = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(namespace.as_fd(), kind)
                .map_err(|error| LabError::io("enter a network namespace")(error.into()))?;
            Ok(work())
        };
        thread::scope(|scope| scope.spawn(enter).join()).unwrap_or_else(|panic| {
            std::panic::resume_unwind(panic);
        })
    }

    /// Lets this namespace pass packets on from one link to another.
    pub(super) fn route_between_links(&self) -> Result<(), LabError> {
        self.switch("ipv4/ip_forward", "1")?;
        self.switch("ipv6/conf/all/forwarding", "1")
    }

    /// No interface has IPv6 from now on.
    pub(super) fn without_ipv6(&self) -> Result<(), LabError> {
        self.switch("ipv6/conf/all/disable_ipv6", "1")?;
        self.switch("ipv6/conf/default/disable_ipv6", "1")
    }

    /// Sets one of the switches below `/proc/sys/net`.
    fn switch(&self, name: &str, value: &str) -> Result<(), LabError> {
        let path = Path::new("/proc/sys/net").join(name);
        self.inside(|| fs::write(&path, value))?
            .map_err(LabError::io(format!("write {}", path.display())))
    }

    /// Waits until an interface has a carrier: before, what is sent is lost.
    pub(super) fn wait_for_link(&self, interface: &str) -> Result<(), LabError> {
        let args = ["link", "show", "dev", interface];
        self.wait_until(&args, "state UP")
    }

    /// Waits until an address of IPv6 is the system's own, some time after it was added: before, what comes for it is
    /// lost.
    pub(super) fn wait_for_address(&self, address: Ipv6Addr) -> Result<(), LabError> {
        let args = ["-6", "route", "show", "table", "local"];
        self.wait_until(&args, &format!("local {address} "))
    }

    /// Asks `ip` until it says this.
    fn wait_until(&self, args: &[&str], wanted: &str) -> Result<(), LabError> {
        const PATIENCE: Duration = Duration::from_secs(10);
        let deadline = Instant::now() + PATIENCE;
        let mut ip = Command::new("ip");
        ip.args(["-n", &self.name]).args(args);
        while Instant::now() < deadline {
            if fed(&mut ip, "")?.contains(wanted) {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(5));
        }
        Err(LabError::Unexpected(format!(
            "in vain: ip {} does not say {wanted}",
            args.join(" ")
        )))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

/// Removes the namespaces of processes that are no more.
pub(super) fn remove_leftovers() {
    let Ok(names) = fs::read_dir(NAMES) else {
        return;
    };
    for name in names.flatten() {
        let name = name.file_name().to_string_lossy().into_owned();
        let maker = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split('-').next());
        if maker.is_some_and(|maker| !Path::new("/proc").join(maker).exists()) {
            remove(&name);
        }
    }
}

/// Ends the processes in a namespace and removes it. One that another test removes meanwhile is gone as well.
fn remove(name: &str) {
    let processes = Command::new("ip").args(["netns", "pids", name]).output();
    let processes = processes.map(|output| output.stdout).unwrap_or_default();
    let processes = String::from_utf8_lossy(&processes);
    if !processes.trim().is_empty() {
        quiet(
            Command::new("kill")
                .arg("-KILL")
                .args(processes.split_whitespace()),
        );
    }
    quiet(Command::new("ip").args(["netns", "del", name]));
}

fn quiet(command: &mut Command) {
    let _ended = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
}

fn path(name: &str) -> PathBuf {
    Path::new(NAMES).join(name)
}

/// Runs a program with this input, and gives its output.
fn fed(command: &mut Command, input: &str) -> Result<String, LabError> {
    let words: Vec<_> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let program = words.join(" ");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| LabError::Start {
            program: program.clone(),
            source,
        })?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ends before it has read everything says why.
        let _read = stdin.write_all(input.as_bytes());
    }
    let output = child
        .wait_with_output()
        .map_err(LabError::io(format!("wait for {program}")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(LabError::Unexpected(format!(
        "{program}: {}\n{input}",
        said(&output)
    )))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}
