// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the machine's share of a packet's price is: nanoseconds to decide about a run of channel data from one
//! client of the relay to another, with few and with many allocations, in an order that no cache can foresee.
//!
//! `cargo run --release -p hither-stun --example price_of_a_run`
//!
//! On Linux it is the thread's own time on a core that is measured, whoever else is busy.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "an example talks to whoever runs it"
)]
#![expect(
    clippy::disallowed_types,
    reason = "what is measured here is time itself"
)]

#[path = "../tests/crowd/mod.rs"]
mod crowd;

use std::fs;
use std::hint::black_box;
use std::time::Instant;

use crowd::{CHANNEL, Crowd};
use hither_stun::server::{Decision, Run};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

const RUNS: usize = 500_000;
const ROUNDS: usize = 7;

fn main() {
    for allocations in [2, 500, 50_000] {
        let clock = Clock::start();
        let mut crowd = Crowd::new(allocations);
        crowd.join_in_pairs(allocations / 2);
        let set_up = clock.seconds() / as_f64(allocations);
        let mut rounds: Vec<_> = (0..ROUNDS)
            .map(|_| nanoseconds_per_run(&mut crowd))
            .collect();
        rounds.sort_by(f64::total_cmp);
        let [best, median] = [rounds[0], rounds[ROUNDS / 2]];
        println!(
            "{allocations:>6} allocations: {median:>5.0} ns a run (best {best:.0}), \
             {:>5.1} µs a set-up with its client's side",
            set_up * 1e6
        );
    }
}

fn nanoseconds_per_run(crowd: &mut Crowd) -> f64 {
    let datagram = [&CHANNEL.to_be_bytes()[..], &[0, 160], &[7; 160]].concat();
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let count = u32::try_from(crowd.clients.len()).expect("there are not so many");
    // Drawn beforehand, and read one after another: where a datagram comes from, a host has at hand.
    let senders: Vec<_> = (0..RUNS)
        .map(|_| usize::try_from(rng.next_u32() % count).expect("it is below the count"))
        .map(|who| crowd.clients[who].tuple)
        .collect();
    let clock = Clock::start();
    for client in senders {
        let decision = crowd
            .server
            .handle_client(client, Run::one(&datagram), crowd.now);
        if !matches!(black_box(decision), Decision::ToClient { .. }) {
            println!("a run was lost");
        }
    }
    clock.seconds() * 1e9 / as_f64(RUNS)
}

/// Time on a core where the system tells it, otherwise time on the wall.
struct Clock {
    started: Instant,
    on_core: Option<f64>,
}

impl Clock {
    fn start() -> Self {
        Self {
            started: Instant::now(),
            on_core: nanoseconds_on_core(),
        }
    }

    fn seconds(&self) -> f64 {
        match (self.on_core, nanoseconds_on_core()) {
            (Some(start), Some(end)) => (end - start) / 1e9,
            _ => self.started.elapsed().as_secs_f64(),
        }
    }
}

fn nanoseconds_on_core() -> Option<f64> {
    let schedstat = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    schedstat.split_whitespace().next()?.parse().ok()
}

fn as_f64(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}
