// SPDX-License-Identifier: MIT OR Apache-2.0
//! Programs that tests need and cargo does not bring.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::TaskError;
use crate::cargo::{cargo, run, target};

/// A program, the places beside `PATH` where Debian has it, and the package it comes in.
struct Tool {
    program: &'static str,
    elsewhere: &'static [&'static str],
    package: &'static str,
}

const TOOLS: [Tool; 6] = [
    Tool {
        program: "chromium",
        elsewhere: &["/usr/lib/chromium/chromium"],
        package: "chromium",
    },
    Tool {
        program: "turnserver",
        elsewhere: &["/usr/bin/turnserver"],
        package: "coturn",
    },
    Tool {
        program: "nft",
        elsewhere: &["/usr/sbin/nft"],
        package: "nftables",
    },
    Tool {
        program: "ip",
        elsewhere: &["/usr/sbin/ip", "/sbin/ip"],
        package: "iproute2",
    },
    Tool {
        program: "certutil",
        elsewhere: &[],
        package: "libnss3-tools",
    },
    Tool {
        program: "cc",
        elsewhere: &[],
        package: "build-essential",
    },
];

const DENY_VERSION: &str = "0.20.2";

/// Installs what tests need, when this machine allows it; else says what to install.
pub(crate) fn install(root: &Path) -> Result<(), TaskError> {
    install_some(root, |_| true)
}

/// The same for one program.
pub(crate) fn install_only(root: &Path, program: &str) -> Result<(), TaskError> {
    install_some(root, |tool| tool.program == program)
}

fn install_some(root: &Path, wanted: impl Fn(&Tool) -> bool) -> Result<(), TaskError> {
    let packages = missing(&wanted);
    if packages.is_empty() {
        return Ok(());
    }
    let list = packages.join(" ");
    if !(is_root() && found("apt-get", &[])) {
        return Err(TaskError::Missing(format!(
            "install the Debian packages {list} first (as root: apt-get install --no-install-recommends {list}), \
             or what your system calls them"
        )));
    }
    let apt = || {
        let mut command = Command::new("apt-get");
        command
            .current_dir(root)
            .env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    run(apt().args(["update", "--quiet"]))?;
    run(apt()
        .args(["install", "--quiet", "--yes", "--no-install-recommends"])
        .args(&packages))?;
    match missing(&wanted) {
        packages if packages.is_empty() => Ok(()),
        packages => Err(TaskError::Missing(format!(
            "apt-get has installed {}, and they are still not found",
            packages.join(" ")
        ))),
    }
}

/// Licences, sources and bans of the dependencies; known vulnerabilities when their list can be had.
pub(crate) fn deny(root: &Path) -> Result<(), TaskError> {
    let program = deny_program(root)?;
    let checked = |what: &[&str]| {
        let mut command = Command::new(&program);
        command
            .current_dir(root)
            .args([
                "--log-level=error",
                "--locked",
                "--workspace",
                "check",
                "--hide-inclusion-graph",
            ])
            .args(what);
        command
    };
    run(&mut checked(&["bans", "licenses", "sources"]))?;

    // The list of vulnerabilities is fetched from the network, which a test machine may not have.
    let fetched = Command::new(&program)
        .current_dir(root)
        .args(["--workspace", "fetch", "db"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if fetched {
        run(&mut checked(&["--disable-fetch", "advisories"]))
    } else {
        crate::say("the list of known vulnerabilities cannot be reached: NOT checked");
        Ok(())
    }
}

/// cargo-deny of the version that is asked for: the one on this machine, or one of our own.
fn deny_program(root: &Path) -> Result<PathBuf, TaskError> {
    let tools = target(root).join("tools");
    let own = tools.join("bin/cargo-deny");
    for program in [PathBuf::from("cargo-deny"), own.clone()] {
        let version = Command::new(&program).arg("--version").output();
        let version = version.map(|output| output.stdout).unwrap_or_default();
        if String::from_utf8_lossy(&version).contains(DENY_VERSION) {
            return Ok(program);
        }
    }
    run(cargo(root)
        .args(["install", "--quiet", "--locked", "cargo-deny"])
        .args(["--version", DENY_VERSION])
        .arg("--root")
        .arg(&tools)
        .arg("--target-dir")
        .arg(tools.join("build")))?;
    Ok(own)
}

/// Packages of the tools that are not there.
fn missing(wanted: impl Fn(&Tool) -> bool) -> Vec<&'static str> {
    TOOLS
        .iter()
        .filter(|tool| wanted(tool))
        .filter(|tool| !found(tool.program, tool.elsewhere))
        // Another Chromium than Debian's can be named.
        .filter(|tool| tool.program != "chromium" || env::var_os("CHROMIUM").is_none())
        .map(|tool| tool.package)
        .collect()
}

fn found(program: &str, elsewhere: &[&str]) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|dir| dir.join(program).is_file())
        || elsewhere.iter().any(|place| Path::new(place).is_file())
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}
