// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who runs where, and what it cost.

use std::fs;
use std::path::Path;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use crate::BenchError;

/// One core for the relay that is measured, another for the generator.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cores {
    relay: usize,
    generator: usize,
    /// The kernel's thread for network work that was put off on the relay's core.
    softirq: Option<u32>,
}

impl Cores {
    /// The first two that this process may use.
    pub(crate) fn choose() -> Result<Self, BenchError> {
        let allowed = sched_getaffinity(Pid::from_raw(0)).map_err(pinning)?;
        let mut cores = (0..CpuSet::count()).filter(|&core| allowed.is_set(core).unwrap_or(false));
        match (cores.next(), cores.next()) {
            (Some(generator), Some(relay)) => Ok(Self {
                relay,
                generator,
                softirq: softirq_thread(relay),
            }),
            _ => Err(BenchError::OneCore),
        }
    }

    /// From now on this thread, and the processes that it starts, run on the generator's core.
    pub(crate) fn pin_generator(self) -> Result<(), BenchError> {
        pin(self.generator)
    }

    /// Runs `start` so that the processes it starts run on the relay's core.
    pub(crate) fn on_relays_core<T>(self, start: impl FnOnce() -> T) -> Result<T, BenchError> {
        pin(self.relay)?;
        let started = start();
        self.pin_generator()?;
        Ok(started)
    }

    /// Nanoseconds that a process, with all its threads, has used so far. What the kernel put off to its
    /// own thread on the relay's core was done for the relay too.
    pub(crate) fn nanos_used(self, process: u32) -> Result<u64, BenchError> {
        let of_kernel = self.softirq.map_or(0, |thread| {
            task_nanos(&Path::new("/proc").join(thread.to_string()))
        });
        Ok(process_nanos(process)? + of_kernel)
    }
}

fn pin(core: usize) -> Result<(), BenchError> {
    let mut set = CpuSet::new();
    set.set(core).map_err(pinning)?;
    sched_setaffinity(Pid::from_raw(0), &set).map_err(pinning)
}

fn pinning(error: nix::Error) -> BenchError {
    BenchError::io("pin to a core")(error.into())
}

fn process_nanos(process: u32) -> Result<u64, BenchError> {
    let reading = BenchError::io("read what a process has used");
    let tasks = fs::read_dir(format!("/proc/{process}/task")).map_err(reading)?;
    Ok(tasks.flatten().map(|task| task_nanos(&task.path())).sum())
}

/// The first number of schedstat: nanoseconds on a core.
fn task_nanos(task: &Path) -> u64 {
    let text = fs::read_to_string(task.join("schedstat")).unwrap_or_default();
    let first = text.split_ascii_whitespace().next();
    first.and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn softirq_thread(core: usize) -> Option<u32> {
    // Kernel threads are the first to be started.
    (2..1_000).find(|process| {
        fs::read_to_string(format!("/proc/{process}/comm"))
            .is_ok_and(|name| name.trim_end() == format!("ksoftirqd/{core}"))
    })
}

/// What others do on the machine while the bench runs: it makes all figures worse.
#[derive(Debug)]
pub(crate) struct Others {
    /// Clock ticks of all cores so far, of what was not idle, and of ours.
    at_first: (u64, u64, u64),
}

impl Others {
    /// Begins to watch.
    pub(crate) fn watch() -> Self {
        Self { at_first: ticks() }
    }

    /// Which part of all cores they have used since, in percent. What we have started counts once it has ended.
    pub(crate) fn percent(&self) -> f64 {
        let (all, busy, ours) = ticks();
        let (all_at_first, busy_at_first, ours_at_first) = self.at_first;
        let others = (busy - busy_at_first).saturating_sub(ours - ours_at_first);
        100.0 * others as f64 / (all - all_at_first).max(1) as f64
    }
}

fn ticks() -> (u64, u64, u64) {
    let numbers = |text: &str| -> Vec<u64> {
        let words = text.split_ascii_whitespace();
        words.filter_map(|word| word.parse().ok()).collect()
    };
    // user, nice, system, idle, waiting for a disk, interrupts, soft interrupts, taken by other machines
    let machine = fs::read_to_string("/proc/stat").unwrap_or_default();
    let machine = numbers(machine.lines().next().unwrap_or_default());
    let all: u64 = machine.iter().take(8).sum();
    let idle: u64 = machine.iter().skip(3).take(2).sum();
    // After the name, which may have spaces: state, ten others, then the times of us and our children.
    let process = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = process.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ours = after_name.split_ascii_whitespace().skip(11).take(4);
    (
        all,
        all - idle,
        ours.filter_map(|word| word.parse::<u64>().ok()).sum(),
    )
}

/// What a process holds, in KiB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// All that is resident.
    pub(crate) resident: u64,
    /// What is its own and would be written to disk: no file, nothing shared.
    pub(crate) private: u64,
    /// What the kernel holds in small objects, for everybody: sockets are among them.
    pub(crate) kernel: u64,
}

impl Memory {
    pub(crate) fn of(process: u32) -> Result<Self, BenchError> {
        let read = |path: String| {
            fs::read_to_string(path).map_err(BenchError::io("read what a process holds"))
        };
        let rollup = read(format!("/proc/{process}/smaps_rollup"))?;
        let kernel = read("/proc/meminfo".to_owned())?;
        Ok(Self {
            resident: field(&rollup, "Rss:"),
            private: field(&rollup, "Private_Dirty:"),
            kernel: field(&kernel, "Slab:"),
        })
    }
}

fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_ascii_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}
