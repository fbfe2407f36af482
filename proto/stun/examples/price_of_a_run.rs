// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the machine's share of a packet's price is: nanoseconds to decide about a run of channel data from one
//! client of the relay to another, with few and with many allocations, in an order that no cache can foresee.
//!
//! `cargo run --release -p hither-stun --example price_of_a_run`
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

use std::hint::black_box;
use std::time::Instant;

use crowd::{CHANNEL, Crowd};
use hither_stun::server::{Decision, Run};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

const RUNS: usize = 2_000_000;
const ROUNDS: usize = 7;

fn main() {
    for allocations in [2, 500, 50_000] {
        let started = Instant::now();
        let mut crowd = Crowd::new(allocations);
        crowd.join_in_pairs(allocations / 2);
        let set_up = started.elapsed().as_secs_f64() / as_f64(allocations);
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
    // Drawn beforehand: a random number costs as much as a decision.
    let order: Vec<_> = (0..RUNS)
        .map(|_| usize::try_from(rng.next_u32() % count).expect("it is below the count"))
        .collect();
    let started = Instant::now();
    for who in order {
        let client = crowd.clients[who].tuple;
        let decision = crowd
            .server
            .handle_client(client, Run::one(&datagram), crowd.now);
        if !matches!(black_box(decision), Decision::ToClient { .. }) {
            println!("a run was lost");
        }
    }
    started.elapsed().as_secs_f64() * 1e9 / as_f64(RUNS)
}

fn as_f64(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}
