// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ending processes, politely and not.

use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_millis(20);

/// Sends a signal to a process, or to its whole group.
pub(crate) fn signal(child: &Child, name: &str, group: bool) {
    let sign = if group { "-" } else { "" };
    // The process may have ended by itself: then there is nobody to tell, and that is fine.
    let _told = Command::new("kill")
        .args(["-s", name, "--", &format!("{sign}{}", child.id())])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

/// Whether the process ends by itself before `patience` does.
pub(crate) fn ends_within(child: &mut Child, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        if !matches!(child.try_wait(), Ok(None)) {
            return true;
        }
        thread::sleep(POLL);
    }
    false
}

/// Kills the process's whole group and waits for the process.
pub(crate) fn kill_group(child: &mut Child) {
    signal(child, "KILL", true);
    let _gone = child.kill();
    let _status = child.wait();
}
