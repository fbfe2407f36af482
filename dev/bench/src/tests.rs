// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bench itself, for a moment and without figures: so that it does not rot.

use std::io::{BufReader, pipe};
use std::net::UdpSocket;
use std::thread;
use std::time::Duration;

use crate::floor::{self, Means, STOP};
use crate::flows::{self, Relation};
use crate::generator::{Shape, Tally, Traffic};
use crate::payload::Pool;
use crate::{BenchError, Choice};

const MOMENT: Duration = Duration::from_millis(60);

/// Sends through the floor; what is damaged or goes astray is an error.
fn through_the_floor(means: Means, relation: Relation, shape: Shape) -> Result<Tally, BenchError> {
    let (floor_hears, to_floor) = pipe().unwrap();
    let (from_floor, floor_says) = pipe().unwrap();
    let floor = thread::spawn(move || {
        floor::serve(means, relation, BufReader::new(floor_hears), floor_says)
    });
    let ends = floor::through(to_floor, BufReader::new(from_floor), relation, shape.flows)?;
    let tally = Traffic::new(&ends, &Pool::new(), shape)?.pace(5_000.0, MOMENT);
    ends[0].socket.send(STOP).unwrap();
    floor.join().unwrap()?;
    tally
}

#[test]
fn what_the_floor_carries_arrives_whole_by_all_means() {
    for relation in [Relation::Pair, Relation::Peer] {
        for (means, burst) in [
            (Means::Batched, 1),
            (Means::Batched, 8),
            (Means::Segmented, 8),
        ] {
            let shape = Shape {
                flows: 3,
                burst,
                payload: 160,
            };
            let tally = through_the_floor(means, relation, shape).unwrap();
            let arrived = tally.received + tally.late;
            assert!(arrived > 0, "{means:?} {relation:?} {shape}: {tally:?}");
        }
    }
}

#[test]
fn long_payloads_are_cut_where_they_were_joined() {
    let shape = Shape {
        flows: 2,
        burst: 20,
        payload: 1_200,
    };
    let tally = through_the_floor(Means::Segmented, Relation::Peer, shape).unwrap();
    assert!(tally.received + tally.late > 0, "{tally:?}");
}

#[test]
fn the_generator_reaches_itself() {
    let shape = Shape {
        flows: 2,
        burst: 8,
        payload: 160,
    };
    let ends = flows::direct(shape.flows).unwrap();
    let pool = Pool::new();
    let mut traffic = Traffic::new(&ends, &pool, shape).unwrap();
    let tally = traffic.saturate(MOMENT, 64).unwrap();
    assert!(tally.received > 0, "{tally:?}");
    let delays = traffic.delays(1_000.0, MOMENT).unwrap();
    assert!(delays.is_sorted() && !delays.is_empty());
}

/// Lets one flow go through a socket that changes each datagram, and tells what the generator says.
fn through_meddling(meddle: impl Fn(&mut Vec<u8>) + Send + 'static) -> Result<Tally, BenchError> {
    let mut ends = flows::direct(2).unwrap();
    let middle = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = ends[1].address().unwrap();
    ends.truncate(2);
    ends[0].connect(middle.local_addr().unwrap()).unwrap();
    ends[1].connect(middle.local_addr().unwrap()).unwrap();
    let meddler = thread::spawn(move || {
        let mut buffer = vec![0; 2_048];
        loop {
            let (length, from) = middle.recv_from(&mut buffer).unwrap();
            if length == STOP.len() {
                return;
            }
            if from != to {
                let mut datagram = buffer[..length].to_vec();
                meddle(&mut datagram);
                middle.send_to(&datagram, to).unwrap();
            }
        }
    });
    let shape = Shape {
        flows: 1,
        burst: 1,
        payload: 160,
    };
    let pool = Pool::new();
    let tally =
        Traffic::new(&ends, &pool, shape).and_then(|mut traffic| traffic.pace(1_000.0, MOMENT));
    ends[0].socket.send(STOP).unwrap();
    meddler.join().unwrap();
    tally
}

#[test]
fn an_honest_middle_is_believed() {
    assert!(through_meddling(|_| ()).unwrap().received > 0);
}

#[test]
fn a_flipped_bit_is_noticed_wherever_it_is() {
    for at in [0, 39, 40, 159] {
        let damaged = through_meddling(move |datagram| datagram[at] ^= 1);
        assert!(
            matches!(damaged, Err(BenchError::Damaged(_))),
            "byte {at}: {damaged:?}"
        );
    }
}

#[test]
fn a_payload_cut_short_is_noticed() {
    let damaged = through_meddling(|datagram| datagram.truncate(150));
    assert!(
        matches!(damaged, Err(BenchError::Damaged(_))),
        "{damaged:?}"
    );
}

#[test]
fn only_known_sections_can_be_chosen() {
    let choice = Choice::parse(&["--quick", "--only", "delays,crowd"]).unwrap();
    assert!(choice.is_quick && choice.has("crowd") && !choice.has("packets"));
    assert_eq!(Choice::parse(&["--only", "speed"]), None);
    let choice = Choice::parse(&["--shapes", "1x20,500x1"]).unwrap();
    assert_eq!(choice.effort().patterns, [(1, 20), (500, 1)]);
    assert_eq!(Choice::parse(&["--shapes", "501x1"]), None);
    assert_eq!(Choice::parse(&["--only"]), None);
    assert_eq!(Choice::parse(&["fast"]), None);
}
