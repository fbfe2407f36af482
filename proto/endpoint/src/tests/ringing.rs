// SPDX-License-Identifier: MIT OR Apache-2.0
//! While it rings: both meet at the relay, and neither is seen, heard or found before the call is taken.

use super::calling::{accept, both_active, call, ended, forge, is_active};
use super::world::{ANA, BEN, World};
use crate::payload::{LinkOffer, Signal, WireCandidate};
use crate::{CallStage, Command, EndReason, IceConfig, LinkAction, LinkId, RelayOnly, Route};

/// Ana calls Ben, and the link over the relay is up while he thinks.
fn ringing(seed: u64) -> World {
    let mut world = World::friends(seed);
    call(&mut world, ANA, true);
    world.until_stage(BEN, |stage| stage == CallStage::Ringing);
    world.until(|world| world.channel_open(ANA) && world.channel_open(BEN));
    world.run(1);
    world
}

fn link(world: &World, who: usize) -> LinkId {
    let links = world.live_links(who);
    assert_eq!(links.len(), 1, "{who}");
    links[0]
}

fn token(world: &mut World, who: usize) -> [u8; 16] {
    world.inside(who, |client, _, _| {
        let contact = client.contacts.values().next().unwrap();
        contact.link.as_ref().unwrap().token
    })
}

/// Every policy with which somebody's host was told to gather.
fn policies(world: &World, who: usize) -> Vec<IceConfig> {
    let asked = world.people[who].asked.iter();
    asked
        .filter_map(|action| match action {
            LinkAction::Open { ice, .. }
            | LinkAction::RestartIce { ice, .. }
            | LinkAction::SetIce { ice, .. } => Some(ice.clone()),
            _ => None,
        })
        .collect()
}

/// Every candidate of the other side that somebody's host was told of.
fn candidates(world: &World, who: usize) -> Vec<String> {
    let asked = world.people[who].asked.iter();
    asked
        .filter_map(|action| match action {
            LinkAction::AddCandidate { candidate, .. } => Some(candidate.line.clone()),
            _ => None,
        })
        .filter(|line| !line.is_empty())
        .collect()
}

fn media(world: &World, who: usize) -> Option<[bool; 3]> {
    let links = world.links.of((who, world.people[who].run));
    links[0].1.media
}

fn assert_veiled(world: &World) {
    for who in [ANA, BEN] {
        let policies = policies(world, who);
        assert!(!policies.is_empty(), "{who} gathers");
        assert!(policies.iter().all(|ice| ice.relay_only), "{who}");
        let candidates = candidates(world, who);
        assert!(!candidates.is_empty(), "{who} has heard of the other");
        let relayed = |line: &String| line.contains(" typ relay");
        assert!(candidates.iter().all(relayed), "{who}: {candidates:?}");
        assert_eq!(media(world, who), None, "{who} sends nothing");
    }
}

#[test]
fn before_a_call_is_taken_both_are_connected_over_the_relay_and_show_and_send_nothing() {
    let mut world = ringing(1);
    world.run(20);
    assert_veiled(&world);
    assert_eq!(world.links.capture, Some([true, true, false]), "only Ana's");
    let started = |who: usize| {
        let asked = world.people[who].asked.iter();
        let mut media = asked.filter(|action| matches!(action, LinkAction::SetMedia { .. }));
        media.next().is_some()
    };
    assert!(started(ANA) && !started(BEN), "Ben's devices stay shut");
    for who in [ANA, BEN] {
        assert_eq!(world.stage(who), Some(CallStage::Ringing), "{who}");
        assert_eq!(world.call(who).unwrap().route, None, "{who}");
        assert_eq!(world.contact(who).route, None, "{who}");
    }
}

#[test]
fn a_call_that_is_taken_goes_over_the_relay_at_once_and_directly_soon() {
    let mut world = ringing(1);
    accept(&mut world, BEN, true);
    assert!(world.stage(BEN).is_some_and(is_active), "at once");
    let taken = world.now.instant;
    world.until_stage(ANA, is_active);
    let waited = world.now.instant.saturating_since(taken).as_millis();
    assert!(waited <= 100, "{waited}: no more than the acceptance takes");
    for who in [ANA, BEN] {
        assert_eq!(media(&world, who), Some([true, true, false]));
        let route = world.call(who).unwrap().route.unwrap();
        assert_eq!(route.route, Route::Relay, "{who}");
    }
    world.run(2);
    for who in [ANA, BEN] {
        let route = world.call(who).unwrap().route.unwrap();
        assert_eq!(route.route, Route::Direct, "{who}");
        let lines: Vec<_> = route.timeline.iter().map(|entry| &entry.what).collect();
        let line = |words: &str| lines.iter().position(|line| line.starts_with(words));
        let [relay, taken, direct] =
            ["the relay carries", "the call is taken", "direct took over"].map(line);
        assert!(
            relay.is_some() && relay < taken && taken < direct,
            "{lines:?}"
        );
    }
    assert_eq!(world.links.opened, 2, "one link, two ends");
    world.assert_untroubled();
}

#[test]
fn whoever_hides_stays_behind_the_relay_when_the_call_is_taken() {
    for who in [ANA, BEN] {
        let mut world = World::friends(1);
        let contact = world.friend(who);
        let relay_only = RelayOnly::Always;
        world.tell(
            who,
            Command::SetRelayOnly {
                contact,
                relay_only,
            },
        );
        call(&mut world, ANA, false);
        world.until_stage(BEN, |stage| stage == CallStage::Ringing);
        world.run(2);
        accept(&mut world, BEN, false);
        both_active(&mut world);
        world.run(5);
        assert!(policies(&world, who).iter().all(|ice| ice.relay_only));
        for one in [ANA, BEN] {
            let route = world.call(one).unwrap().route.unwrap();
            assert_eq!(route.route, Route::Relay);
            let told = candidates(&world, 1 - one);
            let told = told.iter().any(|line| line.contains("typ host"));
            assert_eq!(route.shown, told, "what is said is what was sent");
            assert_eq!(told, one == BEN && who == ANA);
        }
    }
}

#[test]
fn whoever_is_always_direct_shows_everything_as_soon_as_it_rings() {
    for who in [ANA, BEN] {
        let mut world = World::friends(1);
        let contact = world.friend(who);
        let always_direct = true;
        world.tell(
            who,
            Command::SetAlwaysDirect {
                contact,
                always_direct,
            },
        );
        world.run(1);
        call(&mut world, ANA, false);
        world.until_stage(BEN, |stage| stage == CallStage::Ringing);
        world.run(2);
        assert!(!policies(&world, who).iter().any(|ice| ice.relay_only));
        assert!(policies(&world, 1 - who).iter().all(|ice| ice.relay_only));
        accept(&mut world, BEN, false);
        both_active(&mut world);
        world.run(2);
        let route = world.call(ANA).unwrap().route.unwrap();
        assert_eq!(route.route, Route::Direct);
    }
}

#[test]
fn a_caller_who_forges_candidates_is_not_looked_for_before_the_call_is_taken() {
    let mut world = ringing(1);
    let token = token(&mut world, BEN);
    let lines = [
        "candidate:1 1 udp 1 192.0.2.66 9 typ host",
        "candidate:1 1 udp 1 192.0.2.66 9 typ srflx raddr 192.0.2.66 rport 9",
        "candidate:1 1 udp 1 planted.example 9 typ relay",
        "candidate:1 1 udp 1 planted.local 9 typ relay raddr 0.0.0.0 rport 0",
        "candidate:1 1 udp 1 192.0.2.66 9 typ host typ relay",
        "candidate:1 1 udp 1 192.0.2.66 9 generation 0 typ relay",
    ];
    let before = candidates(&world, BEN);
    for line in lines {
        let candidate = WireCandidate {
            line: line.into(),
            mid: "0".into(),
            index: 0,
        };
        let candidates = vec![candidate.clone()];
        forge(&mut world, ANA, Signal::Candidate { token, candidate });
        forge(&mut world, ANA, Signal::Candidates { token, candidates });
    }
    world.run(1);
    assert_eq!(candidates(&world, BEN), before);
    assert_veiled(&world);
}

#[test]
fn a_description_that_comes_before_the_call_is_taken_brings_no_candidates_along() {
    let mut world = World::friends(1);
    call(&mut world, ANA, false);
    world.until_stage(BEN, |stage| stage == CallStage::Ringing);
    let token = *world.call(BEN).unwrap().id.as_bytes();
    // Ben's offer has left, and this overtakes Ana's answer.
    world.run_ms(16);
    let sdp = "v=0 1 1 1 1\r\na=candidate:1 1 udp 1 192.0.2.66 9 typ host\r\na=mid:0\r\n".into();
    let salt = [7; 16];
    forge(&mut world, ANA, Signal::Answer { token, salt, sdp });
    world.run(2);
    let asked = world.people[BEN].asked.iter();
    let mut told = asked.filter_map(|action| match action {
        LinkAction::SetRemoteDescription { sdp, .. } => Some(sdp.as_str()),
        _ => None,
    });
    let told = told.next().expect("an answer");
    assert!(!told.contains("192.0.2.66"), "{told}");
}

#[test]
fn no_restart_lifts_the_veil() {
    let mut world = ringing(1);
    let token = token(&mut world, BEN);
    let sdp = "v=0 1 1 1 1".to_owned();
    let number = 1;
    for signal in [
        Signal::WantRestart { token },
        Signal::Restart {
            token,
            number,
            sdp: sdp.clone(),
        },
        Signal::Restarted { token, number, sdp },
    ] {
        forge(&mut world, ANA, signal);
        world.run(1);
    }
    for who in [ANA, BEN] {
        world.tell(who, Command::NetworkChanged);
    }
    world.cut_links();
    world.run(8);
    world.links.cut = false;
    world.run(8);
    let asked = world.people[BEN].asked.iter();
    let restarts = asked.filter(|action| matches!(action, LinkAction::RestartIce { .. }));
    assert!(restarts.count() > 1, "it was mended");
    assert_veiled(&world);
}

#[test]
fn nobody_but_the_callee_offers_what_rings_and_that_takes_no_call() {
    let mut world = ringing(1);
    let call = world.call(BEN).unwrap().id;
    let offer = LinkOffer {
        token: [7; 16],
        epoch: 3,
        salt: [7; 16],
        sdp: "v=0 1 1 1 1".into(),
        candidates: Vec::new(),
        call: Some(call),
    };
    let before = (world.links.opened, world.people[BEN].asked.len());
    forge(&mut world, ANA, Signal::RingOffer(offer.clone()));
    world.run(1);
    assert_eq!((world.links.opened, world.people[BEN].asked.len()), before);
    forge(&mut world, BEN, Signal::RingOffer(offer));
    world.run(1);
    for who in [ANA, BEN] {
        assert_eq!(world.stage(who), Some(CallStage::Ringing));
    }
    assert_veiled(&world);
}

#[test]
fn a_call_that_comes_to_nothing_leaves_no_link_however_connected_it_was() {
    for (who, command, here, there) in [
        (
            BEN,
            Command::DeclineCall,
            EndReason::Declined,
            EndReason::Declined,
        ),
        (ANA, Command::HangUp, EndReason::HungUp, EndReason::Missed),
    ] {
        for always_direct in [false, true] {
            let mut world = ringing(1);
            // A wish for a standing link keeps no link that was made behind the veil.
            for who in [ANA, BEN] {
                let contact = world.friend(who);
                world.tell(
                    who,
                    Command::SetAlwaysDirect {
                        contact,
                        always_direct,
                    },
                );
            }
            world.run(1);
            let veiled = [link(&world, ANA), link(&world, BEN)];
            world.tell(who, command.clone());
            world.run(10);
            assert_eq!(world.stage(who), ended(here));
            assert_eq!(world.stage(1 - who), ended(there));
            assert_eq!(world.links.capture, None);
            for who in [ANA, BEN] {
                assert!(!world.live_links(who).contains(&veiled[who]));
                assert_eq!(world.live_links(who).len(), usize::from(always_direct));
            }
        }
    }
}

#[test]
fn a_call_taken_while_the_relay_is_being_found_connects_and_shows_everything() {
    for pause in [1, 10, 16, 20, 30, 45, 60, 80, 100, 130, 160, 200] {
        for seed in 0..3 {
            let mut world = World::friends(seed);
            world.trouble.spread = 40;
            call(&mut world, ANA, false);
            world.until_stage(BEN, |stage| stage == CallStage::Ringing);
            world.run_ms(pause);
            accept(&mut world, BEN, false);
            both_active(&mut world);
            world.run(4);
            for who in [ANA, BEN] {
                let route = world.call(who).unwrap().route.map(|route| route.route);
                assert_eq!(route, Some(Route::Direct), "{who}, {pause} ms, seed {seed}");
            }
            assert_eq!(world.links.opened, 2, "{pause} ms, seed {seed}");
        }
    }
}

#[test]
fn a_call_is_taken_though_the_relay_was_never_reached() {
    let mut world = World::friends(1);
    world.links.cut = true;
    call(&mut world, ANA, false);
    world.until_stage(BEN, |stage| stage == CallStage::Ringing);
    world.run(40);
    world.links.cut = false;
    accept(&mut world, BEN, false);
    both_active(&mut world);
    world.run(3);
    let route = world.call(ANA).unwrap().route.unwrap();
    assert_eq!(route.route, Route::Direct);
}

#[test]
fn an_answer_to_a_restart_that_was_overtaken_counts_for_nothing() {
    let mut world = ringing(1);
    accept(&mut world, BEN, false);
    both_active(&mut world);
    let token = token(&mut world, BEN);
    let answers = |world: &World| {
        let asked = world.people[BEN].asked.iter();
        let told = |action: &&LinkAction| matches!(action, LinkAction::SetRemoteDescription { .. });
        asked.filter(told).count()
    };
    world.run(2);
    let before = answers(&world);
    for number in [0, 2, 99] {
        let sdp = "v=0 0 0 1 1".to_owned();
        forge(&mut world, ANA, Signal::Restarted { token, number, sdp });
    }
    world.run(1);
    assert_eq!(answers(&world), before);
}

#[test]
fn a_call_over_the_relay_moves_to_a_direct_path_that_opens_later() {
    let mut world = World::friends(1);
    world.links.walled = true;
    call(&mut world, ANA, false);
    world.until_stage(BEN, |stage| stage == CallStage::Ringing);
    world.run(1);
    accept(&mut world, BEN, false);
    both_active(&mut world);
    world.run(3);
    let route = |world: &World| world.call(ANA).unwrap().route.map(|route| route.route);
    assert_eq!(route(&world), Some(Route::Relay));
    world.links.walled = false;
    world.run(12);
    assert_eq!(route(&world), Some(Route::Direct));
    assert!(world.stage(ANA).is_some_and(is_active));
    let looked = |world: &World| {
        let asked = world.people[BEN].asked.iter();
        asked
            .filter(|action| matches!(action, LinkAction::RestartIce { .. }))
            .count()
    };
    let so_far = looked(&world);
    world.run(900);
    assert_eq!(
        looked(&world),
        so_far,
        "there is nothing better to look for"
    );
}

#[test]
fn a_direct_path_that_is_not_there_is_looked_for_less_and_less() {
    let mut world = World::friends(1);
    world.links.walled = true;
    call(&mut world, ANA, false);
    world.until_stage(BEN, |stage| stage == CallStage::Ringing);
    world.run(1);
    accept(&mut world, BEN, false);
    both_active(&mut world);
    world.run(900);
    let asked = world.people[BEN].asked.iter();
    let looked = asked
        .filter(|action| matches!(action, LinkAction::RestartIce { .. }))
        .count();
    assert!(
        (3..=6).contains(&looked),
        "{looked} in a quarter of an hour"
    );
    assert!(world.stage(ANA).is_some_and(is_active));
}

#[test]
fn opening_a_conversation_refreshes_the_session_so_that_a_call_need_not() {
    let mut world = World::friends(1);
    world.run(3_600);
    let epoch = |world: &mut World, who: usize| {
        world.inside(who, |client, _, _| {
            let contact = client.contacts.values().next().unwrap();
            contact.stored.current.epoch
        })
    };
    let before = epoch(&mut world, ANA);
    for who in [ANA, BEN] {
        let contact = world.friend(who);
        world.tell(who, Command::OpenConversation { contact });
        world.run(2);
    }
    let fresh = epoch(&mut world, ANA);
    assert!(fresh > before);
    assert_eq!(epoch(&mut world, BEN), fresh);
    let posted = world.people[ANA].requests;
    call(&mut world, ANA, false);
    world.run_ms(8);
    assert_eq!(world.people[ANA].requests, posted + 2, "the call alone");
}

#[test]
fn a_call_rings_before_its_offer_is_signed_and_stored() {
    let mut world = World::friends(1);
    world.people[ANA].store = super::world::Store::Hangs;
    call(&mut world, ANA, false);
    world.until_stage(BEN, |stage| stage == CallStage::Ringing);
    world.until(|world| world.channel_open(ANA) && world.channel_open(BEN));
    accept(&mut world, BEN, false);
    both_active(&mut world);
}

#[test]
fn an_offer_that_comes_after_its_call_was_declined_and_put_away_changes_nothing() {
    let mut world = World::friends(1);
    world.people[ANA].store = super::world::Store::Hangs;
    call(&mut world, ANA, false);
    world.until_stage(BEN, |stage| stage == CallStage::Ringing);
    let id = world.call(BEN).unwrap().id;
    world.tell(BEN, Command::DeclineCall);
    world.tell(BEN, Command::DismissCall);
    world.run(1);
    let offer = super::calling::offer_of(&world, id);
    super::calling::forge_payload(&mut world, ANA, &offer);
    world.people[ANA].store = super::world::Store::Works;
    world.restart(ANA);
    super::calling::forge_payload(&mut world, ANA, &offer);
    world.run(2);
    assert!(world.call(BEN).is_none());
    assert_eq!(world.contact(BEN).unread, 0);
}

#[test]
fn an_answer_that_comes_while_the_next_restart_is_being_described_counts_for_nothing() {
    let mut world = ringing(1);
    accept(&mut world, BEN, false);
    both_active(&mut world);
    world.run(2);
    let answers = |world: &World| {
        let asked = world.people[BEN].asked.iter();
        let told = |action: &&LinkAction| matches!(action, LinkAction::SetRemoteDescription { .. });
        asked.filter(told).count()
    };
    let before = answers(&world);
    let restart = |world: &mut World| {
        world.inside(BEN, |client, base, now| {
            let id = *client.contacts.keys().next().unwrap();
            let ice = client.ice_now(id);
            let contact = client.contacts.get_mut(&id).unwrap();
            contact.restart(base, ice, now);
        });
    };
    restart(&mut world);
    let first = world.now.instant;
    // Its answer is about to come when the second is asked for.
    world.until(|world| world.people[ANA].asked.iter().any(|action| matches!(action, LinkAction::SetRemoteDescription { sdp, .. } if sdp.contains(" 2\r"))));
    assert!(world.now.instant > first);
    world.run_ms(100);
    restart(&mut world);
    world.run_ms(14);
    assert_eq!(answers(&world), before, "of the first, which came too late");
    world.run(2);
    assert_eq!(answers(&world), before + 1, "of the second");
    assert!(world.stage(BEN).is_some_and(is_active));
}

#[test]
fn a_call_of_an_unknown_epoch_ends_no_call_of_ours() {
    let mut world = World::friends(1);
    call(&mut world, ANA, true);
    let signal = Signal::Call {
        call: crate::CallId::from_bytes([0; 16]),
        video: false,
        time: world.now.unix.as_millis(),
        epoch: 999,
        salt: [1; 16],
    };
    forge(&mut world, BEN, signal);
    world.until_stage(BEN, |stage| stage == CallStage::Ringing);
    world.run(1);
    assert_eq!(world.stage(ANA), Some(CallStage::Ringing), "still ours");
    accept(&mut world, BEN, false);
    both_active(&mut world);
}

#[test]
fn whoever_asks_for_restarts_without_end_gets_them_with_measure() {
    let mut world = ringing(1);
    let token = token(&mut world, BEN);
    for _ in 0..40 {
        forge(&mut world, ANA, Signal::WantRestart { token });
        world.run_ms(100);
    }
    let asked = world.people[BEN].asked.iter();
    let restarts = asked.filter(|action| matches!(action, LinkAction::RestartIce { .. }));
    assert_eq!(restarts.count(), 1, "in four seconds of ringing");
    assert_veiled(&world);
}

#[test]
fn whoever_hides_while_a_call_connects_shows_nothing_any_more() {
    let mut world = World::friends(1);
    call(&mut world, ANA, false);
    world.until_stage(BEN, |stage| stage == CallStage::Ringing);
    accept(&mut world, BEN, false);
    // The description leaves, and the first candidate has not been gathered.
    world.run_ms(20);
    world.tell(BEN, Command::SetRelayForAll { relay_only: true });
    let before = candidates(&world, ANA);
    both_active(&mut world);
    world.run(3);
    let all = candidates(&world, ANA);
    let after = all.get(before.len()..).unwrap();
    assert!(
        !after.is_empty() && after.iter().all(|line| line.contains(" typ relay")),
        "{after:?}"
    );
    let route = world.call(ANA).unwrap().route.unwrap();
    assert_eq!(route.route, Route::Relay);
}
