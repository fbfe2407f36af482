// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an allocation costs in memory.
#![expect(clippy::expect_used, reason = "a test may fail loudly")]

mod counting;
mod crowd;

use counting::ALLOCATOR;
use crowd::Crowd;

const ALLOCATIONS: usize = 2_000;

#[test]
fn an_allocation_with_a_channel_costs_a_kilobyte_and_a_half_at_most() {
    let empty = bytes_of_server(Crowd::new(ALLOCATIONS));
    let mut crowd = Crowd::new(ALLOCATIONS);
    crowd.join_in_pairs(ALLOCATIONS / 2);
    let full = bytes_of_server(crowd);
    let each = (full - empty) / ALLOCATIONS;
    println!("{each} bytes an allocation");
    assert!(each <= 1_536, "{each}");
    assert!(each >= 200, "the memory was counted: {each}");
}

/// What is given back when it ends.
fn bytes_of_server(crowd: Crowd) -> usize {
    let Crowd {
        server, clients, ..
    } = crowd;
    let before = ALLOCATOR.bytes();
    drop(server);
    let after = ALLOCATOR.bytes();
    drop(clients);
    before - after
}
