// SPDX-License-Identifier: MIT OR Apache-2.0
//! Random conversations against a model that knows only who has which allocation until when.

use std::collections::BTreeMap;

use hither_sansio::{Duration, Instant};
use proptest::prelude::*;

use super::scene::{Client, OTHER_PEER, PEER, Scene, config};
use crate::server::{Decision, Event, RelayedAddr};

#[derive(Clone, Debug)]
enum Step {
    Allocate(usize),
    Refresh(usize, u32),
    Permit(usize, bool),
    Bind(usize, u16, bool),
    SendOn(usize, u16),
    SendTo(usize, bool),
    Peer(usize, bool),
    Wait(u64),
    Garbage(usize, Vec<u8>),
}

const CLIENTS: usize = 3;

fn step() -> impl Strategy<Value = Step> {
    let channel = 0x4000u16..0x4003;
    prop_oneof![
        (0..CLIENTS).prop_map(Step::Allocate),
        (0..CLIENTS, prop_oneof![Just(0), Just(600), Just(1_200)])
            .prop_map(|(who, lifetime)| Step::Refresh(who, lifetime)),
        (0..CLIENTS, any::<bool>()).prop_map(|(who, peer)| Step::Permit(who, peer)),
        (0..CLIENTS, channel.clone(), any::<bool>())
            .prop_map(|(who, channel, peer)| Step::Bind(who, channel, peer)),
        (0..CLIENTS, channel).prop_map(|(who, channel)| Step::SendOn(who, channel)),
        (0..CLIENTS, any::<bool>()).prop_map(|(who, peer)| Step::SendTo(who, peer)),
        (0..CLIENTS, any::<bool>()).prop_map(|(who, peer)| Step::Peer(who, peer)),
        (1u64..400).prop_map(Step::Wait),
        (0..CLIENTS, prop::collection::vec(any::<u8>(), 0..60))
            .prop_map(|(who, bytes)| Step::Garbage(who, bytes)),
    ]
}

fn peer(which: bool) -> &'static str {
    if which { PEER } else { OTHER_PEER }
}

/// What a client holds, as RFC 8656 has it, in the simplest form that can be right.
#[derive(Debug)]
struct Held {
    relayed: RelayedAddr,
    expires: Instant,
    permissions: BTreeMap<bool, Instant>,
    /// When it expires, and whose it is.
    channels: BTreeMap<u16, (Instant, bool)>,
}

impl Held {
    fn permits(&self, peer: bool, now: Instant) -> bool {
        self.permissions
            .get(&peer)
            .is_some_and(|expires| now < *expires)
    }

    fn may_bind(&self, number: u16, peer: bool, now: Instant) -> bool {
        let quarantine = Duration::from_secs(300);
        let live = self
            .channels
            .iter()
            .filter(|(_, (expires, _))| now < *expires + quarantine);
        live.into_iter()
            .all(|(other, (_, whose))| (*other == number) == (*whose == peer))
    }
}

fn run(steps: Vec<Step>) {
    let mut configured = config();
    configured.limits.refresh_after_expiry = Duration::from_secs(1_000_000);
    configured.limits.nonce_lifetime = Duration::from_secs(1_000_000);
    let mut scene = Scene::with(configured);
    let clients: Vec<Client> = (1..=CLIENTS)
        .map(|host| scene.client(&format!("192.0.2.{host}:1000")))
        .collect();
    let mut held: BTreeMap<usize, Held> = BTreeMap::new();
    let after = |scene: &Scene, seconds| scene.now.instant + Duration::from_secs(seconds);
    for step in steps {
        let now = scene.now.instant;
        match step {
            Step::Allocate(who) => {
                let is_fresh = scene.now.unix.as_secs() < 1_800_003_600;
                let answer = scene.request(
                    &clients[who],
                    crate::message_type::Method::ALLOCATE,
                    super::scene::udp_transport,
                );
                assert_eq!(
                    answer.error().is_none(),
                    is_fresh && !held.contains_key(&who)
                );
                if answer.error().is_none() {
                    let kind = crate::attribute::AttributeType::XOR_RELAYED_ADDRESS;
                    held.insert(
                        who,
                        Held {
                            relayed: RelayedAddr(answer.address(kind)),
                            expires: after(&scene, 600),
                            permissions: BTreeMap::new(),
                            channels: BTreeMap::new(),
                        },
                    );
                }
            }
            Step::Refresh(who, lifetime) => {
                let answer = scene.refresh(&clients[who], lifetime);
                assert_eq!(answer.error().is_none(), held.contains_key(&who));
                match held.get_mut(&who) {
                    Some(_) if lifetime == 0 => drop(held.remove(&who)),
                    Some(held) => held.expires = after(&scene, lifetime.into()),
                    None => {}
                }
            }
            Step::Permit(who, which) => {
                let answer = scene.create_permission(&clients[who], peer(which));
                assert_eq!(answer.error().is_none(), held.contains_key(&who));
                if let Some(held) = held.get_mut(&who) {
                    held.permissions.insert(which, after(&scene, 300));
                }
            }
            Step::Bind(who, number, which) => {
                let may = held
                    .get(&who)
                    .is_some_and(|held| held.may_bind(number, which, now));
                let answer = scene.bind(&clients[who], number, peer(which));
                assert_eq!(answer.error().is_none(), may);
                if let (true, Some(held)) = (may, held.get_mut(&who)) {
                    held.channels.retain(|_, (_, whose)| *whose != which);
                    held.channels.insert(number, (after(&scene, 600), which));
                    held.permissions.insert(which, after(&scene, 300));
                }
            }
            Step::SendOn(who, number) => {
                let expected = held.get(&who).is_some_and(|held| {
                    let bound = held.channels.get(&number);
                    bound
                        .is_some_and(|(expires, which)| now < *expires && held.permits(*which, now))
                });
                let decision = scene.say_on(&clients[who], number, b"x");
                assert_eq!(decision != Decision::Keep, expected);
            }
            Step::SendTo(who, which) => {
                let expected = held.get(&who).is_some_and(|held| held.permits(which, now));
                let decision = scene.say_to(&clients[who], peer(which), b"x");
                assert_eq!(decision != Decision::Keep, expected);
            }
            Step::Peer(who, which) => {
                if let Some(held) = held.get(&who) {
                    let expected = held.permits(which, now);
                    let decision = scene.peer_says(held.relayed, peer(which), b"x");
                    assert_eq!(decision != Decision::Keep, expected);
                }
            }
            Step::Wait(seconds) => {
                scene.wait(seconds);
                held.retain(|_, held| scene.now.instant < held.expires);
            }
            Step::Garbage(who, bytes) => {
                // Whatever it is, it forwards nothing that a permission does not cover.
                let decision = scene.say(clients[who].tuple, &bytes);
                assert!(decision == Decision::Keep || held.contains_key(&who));
                while scene.server.poll_transmit().is_some() {}
            }
        }
        while let Some(event) = scene.server.poll_event() {
            assert!(
                matches!(event, Event::CloseRelay { .. }),
                "sockets are opened at once"
            );
        }
        for (who, client) in clients.iter().enumerate() {
            assert_eq!(
                scene.server.has_allocation(&client.tuple),
                held.contains_key(&who)
            );
        }
        let due = held.values().map(|held| held.expires).min();
        assert_eq!(scene.server.poll_timeout().map(|(at, _)| at), due);
    }
}

proptest! {
    #[test]
    fn the_server_agrees_with_the_model(steps in prop::collection::vec(step(), 1..60)) {
        run(steps);
    }
}
