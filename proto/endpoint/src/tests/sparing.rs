// SPDX-License-Identifier: MIT OR Apache-2.0
//! The warm spare of a call: when it stands, what it carries, and what forged or broken ones come to.

use super::calling::{both_active, forge, in_call, is_active, is_reconnecting};
use super::world::{ANA, BEN, World};
use crate::payload::{LinkOffer, MAX_WORD, Signal};
use crate::{
    CallId, CallStage, Command, EndReason, LinkAction, LinkEvent, LinkId, LinkState, Route,
};

/// A call with a spare that is connected at both ends.
fn spared(seed: u64) -> World {
    let mut world = in_call(seed);
    world.run(4);
    for who in [ANA, BEN] {
        assert_eq!(world.live_spares(who).len(), 1);
    }
    world
}

fn main_link(world: &World, who: usize) -> LinkId {
    world.live_links(who)[0]
}

fn spare_link(world: &World, who: usize) -> LinkId {
    world.live_spares(who)[0]
}

fn tell(world: &mut World, who: usize, event: LinkEvent) {
    let now = world.now;
    world.people[who].endpoint.handle_link(event, now);
    world.drain(who);
}

/// The watches of both hear nothing on the main link.
fn silence(world: &mut World) {
    for who in [ANA, BEN] {
        let link = main_link(world, who);
        tell(world, who, LinkEvent::Silent { link });
    }
}

fn asked(world: &World, who: usize, what: impl Fn(&LinkAction) -> bool) -> usize {
    let asked = world.people[who].asked.iter();
    asked.filter(|action| what(action)).count()
}

fn restarts(world: &World) -> usize {
    let restart = |action: &LinkAction| matches!(action, LinkAction::RestartIce { .. });
    [ANA, BEN]
        .map(|who| asked(world, who, restart))
        .iter()
        .sum()
}

fn token_of_link(world: &mut World, who: usize) -> [u8; 16] {
    world.inside(who, |client, _, _| {
        let contact = client.contacts.values().next().expect("a contact");
        contact.link.as_ref().expect("a link").token
    })
}

#[test]
fn a_call_gets_a_spare_over_the_relay_alone_and_it_goes_with_the_call() {
    let mut world = spared(1);
    for who in [ANA, BEN] {
        let owner = (who, world.people[who].run);
        let links = world.links.of(owner);
        let spare = links.iter().find(|(_, link)| link.spare).expect("a spare");
        assert!(spare.1.ice.relay_only);
        assert!(spare.1.media.is_none(), "the host feeds it");
    }
    let keys = |world: &World, who| {
        let links = world.links.of((who, 0));
        let spare = links.iter().find(|(_, link)| link.spare).expect("a spare");
        (spare.1.send_key.clone(), spare.1.receive_key.clone())
    };
    let (ana, ben) = (keys(&world, ANA), keys(&world, BEN));
    assert_eq!(Some(ana.0), ben.1);
    assert_eq!(Some(ben.0), ana.1);
    world.tell(ANA, Command::HangUp);
    world.run(3);
    for who in [ANA, BEN] {
        assert!(world.live_spares(who).is_empty());
    }
}

#[test]
fn whoever_offered_the_link_offers_its_spare_and_nobody_else() {
    let world = spared(1);
    assert_eq!(world.links.spares, 2, "one spare, two ends");
}

#[test]
fn silence_of_the_link_restarts_it_at_once_and_the_call_does_not_notice() {
    let mut world = spared(1);
    let before = restarts(&world);
    silence(&mut world);
    world.run_ms(200);
    assert_eq!(
        restarts(&world),
        before + 1,
        "once, however many ask for it"
    );
    for who in [ANA, BEN] {
        let call = world.call(who).expect("a call");
        assert!(is_active(call.stage), "{who}");
        assert_eq!(call.route.map(|route| route.route), Some(Route::Relay));
    }
    for who in [ANA, BEN] {
        let link = main_link(&world, who);
        tell(&mut world, who, LinkEvent::Heard { link });
        let route = world.call(who).and_then(|call| call.route);
        assert_eq!(route.map(|route| route.route), Some(Route::Direct));
    }
}

#[test]
fn texts_go_by_the_spare_while_the_link_is_silent() {
    let mut world = spared(1);
    silence(&mut world);
    let requests = world.people[ANA].requests;
    world.say(ANA, "around");
    world.run(1);
    assert_eq!(world.received(BEN), ["around"]);
    assert_eq!(world.people[ANA].requests, requests, "no mailbox");
}

#[test]
fn only_silence_of_both_interrupts_the_call_and_a_frame_ends_it() {
    let mut world = spared(1);
    silence(&mut world);
    for who in [ANA, BEN] {
        let link = main_link(&world, who);
        tell(&mut world, who, LinkEvent::Sound { link, heard: false });
        assert!(world.stage(who).is_some_and(is_active), "a gap: {who}");
    }
    world.run(2);
    for who in [ANA, BEN] {
        assert!(world.stage(who).is_some_and(is_reconnecting), "{who}");
    }
    for who in [ANA, BEN] {
        let link = main_link(&world, who);
        tell(&mut world, who, LinkEvent::Sound { link, heard: true });
        assert!(world.stage(who).is_some_and(is_active), "{who}");
    }
}

#[test]
fn silence_of_both_opens_one_other_socket_and_restarts_again_and_again() {
    let mut world = spared(1);
    let opened = world.people[ANA].sockets;
    silence(&mut world);
    world.run(1);
    assert_eq!(world.people[ANA].sockets, opened, "the spare carries");
    let link = main_link(&world, ANA);
    tell(&mut world, ANA, LinkEvent::Sound { link, heard: false });
    world.run(1);
    assert_eq!(world.people[ANA].sockets, opened + 1);
    assert!(world.is_online(ANA));
    let restarted = restarts(&world);
    world.run(5);
    assert!(restarts(&world) > restarted + 1);
    assert_eq!(world.people[ANA].sockets, opened + 1, "it was a good one");
}

#[test]
fn a_microphone_that_gives_nothing_does_not_end_a_call_over_a_link_that_stands() {
    let mut world = spared(1);
    let link = main_link(&world, ANA);
    tell(&mut world, ANA, LinkEvent::Silent { link });
    tell(&mut world, ANA, LinkEvent::Sound { link, heard: false });
    world.run(10);
    assert!(world.stage(ANA).is_some_and(is_active));
    let restarted = restarts(&world);
    world.run(100);
    assert!(world.stage(ANA).is_some_and(is_active));
    assert_eq!(restarts(&world), restarted);
}

#[test]
fn silence_that_is_told_after_it_means_nothing_is_ignored() {
    let mut world = spared(1);
    world.tell(BEN, Command::SetMicrophone { on: false });
    world.run(1);
    let before = restarts(&world);
    let link = main_link(&world, ANA);
    tell(&mut world, ANA, LinkEvent::Silent { link });
    tell(&mut world, ANA, LinkEvent::Sound { link, heard: false });
    world.run(5);
    assert!(world.stage(ANA).is_some_and(is_active));
    assert_eq!(restarts(&world), before);
}

#[test]
fn a_call_in_total_silence_is_not_given_up_within_half_a_minute() {
    let mut world = spared(1);
    world.cut_links();
    silence(&mut world);
    for who in [ANA, BEN] {
        let link = main_link(&world, who);
        tell(&mut world, who, LinkEvent::Sound { link, heard: false });
    }
    world.run(30);
    let over = |stage| matches!(stage, CallStage::Ended { .. });
    for who in [ANA, BEN] {
        assert!(!world.stage(who).is_some_and(over), "{who}");
    }
}

#[test]
fn a_spare_that_breaks_is_made_anew_and_the_call_does_not_notice() {
    let mut world = spared(1);
    for who in [ANA, BEN] {
        let link = spare_link(&world, who);
        tell(&mut world, who, LinkEvent::Broken { link });
        assert!(world.stage(who).is_some_and(is_active));
        world.run(6);
        for who in [ANA, BEN] {
            assert_eq!(world.live_spares(who).len(), 1, "{who}");
            assert_ne!(world.live_spares(who)[0], link);
        }
    }
}

#[test]
fn a_spare_is_there_again_after_either_page_was_reloaded() {
    for who in [ANA, BEN] {
        let mut world = spared(1);
        world.restart(who);
        both_active(&mut world);
        world.run(12);
        for who in [ANA, BEN] {
            assert_eq!(world.live_spares(who).len(), 1, "{who}");
            assert_eq!(world.live_links(who).len(), 1, "{who}");
        }
    }
}

#[test]
fn a_link_that_is_given_up_is_replaced_while_the_spare_carries() {
    let mut world = spared(1);
    let link = main_link(&world, ANA);
    silence(&mut world);
    tell(&mut world, ANA, LinkEvent::Broken { link });
    for _ in 0..80 {
        world.run_ms(100);
        for who in [ANA, BEN] {
            assert!(world.stage(who).is_some_and(is_active), "{who}");
        }
    }
    assert_ne!(main_link(&world, ANA), link);
    let pair = |action: &LinkAction| match action {
        LinkAction::Pair { main, spare } => Some((*main, *spare)),
        _ => None,
    };
    let last = world.people[ANA].asked.iter().filter_map(pair).next_back();
    assert_eq!(
        last,
        Some((main_link(&world, ANA), spare_link(&world, ANA)))
    );
}

#[test]
fn a_spare_that_does_not_connect_is_given_up_and_tried_again_more_and_more_slowly() {
    let mut world = in_call(1);
    world.run_ms(200);
    world.links.cut = true;
    world.run(60);
    let first = world.links.spares;
    world.run(60);
    let second = world.links.spares - first;
    assert!(
        first >= 4 && second >= 2 && second < first,
        "{first}, then {second}"
    );
    world.links.cut = false;
    world.run(60);
    assert_eq!(world.live_spares(ANA).len(), 1);
}

#[test]
fn a_word_reaches_the_other_watch_and_no_other_link_does() {
    let mut world = spared(1);
    let link = main_link(&world, ANA);
    let word = vec![7; 10];
    tell(&mut world, ANA, LinkEvent::Word { link, word });
    world.run(1);
    let ben = main_link(&world, BEN);
    let heard = |action: &LinkAction| matches!(action, LinkAction::Word { link, word } if *link == ben && *word == [7; 10]);
    assert!(asked(&world, BEN, heard) >= 1);
}

#[test]
fn forged_words_and_spares_change_nothing() {
    let mut world = spared(1);
    let spare = spare_link(&world, BEN);
    let token = token_of_link(&mut world, ANA);
    let offer = |call| LinkOffer {
        token: [9; 16],
        epoch: 0,
        salt: [1; 16],
        sdp: "v=0".into(),
        candidates: Vec::new(),
        call,
    };
    let before = world.people[BEN].asked.len();
    for signal in [
        Signal::Word {
            token: [8; 16],
            word: vec![1],
        },
        Signal::Spare(offer(None)),
        Signal::Spare(offer(Some(CallId::from_bytes([3; 16])))),
        Signal::Spare(offer(world.call(ANA).map(|call| call.id))),
    ] {
        forge(&mut world, ANA, signal);
    }
    world.run(2);
    assert_eq!(world.people[BEN].asked.len(), before);
    assert_eq!(spare_link(&world, BEN), spare);
    let word = vec![1; MAX_WORD + 1];
    assert!(Signal::parse(&Signal::Word { token, word }.emit()).is_err());
}

#[test]
fn a_spare_without_a_call_is_refused() {
    let mut world = World::friends(1);
    let offer = LinkOffer {
        token: [9; 16],
        epoch: 0,
        salt: [1; 16],
        sdp: "v=0".into(),
        candidates: Vec::new(),
        call: Some(CallId::from_bytes([3; 16])),
    };
    forge(&mut world, ANA, Signal::Spare(offer));
    world.run(2);
    assert!(world.live_spares(BEN).is_empty());
    assert!(world.people[BEN].asked.is_empty());
}

#[test]
fn silence_means_nothing_to_a_call_that_is_over() {
    let mut world = spared(1);
    let (link, spare) = (main_link(&world, ANA), spare_link(&world, ANA));
    world.tell(BEN, Command::HangUp);
    world.run(2);
    for link in [link, spare] {
        tell(&mut world, ANA, LinkEvent::Silent { link });
        tell(&mut world, ANA, LinkEvent::Sound { link, heard: false });
    }
    world.run(3);
    let over = CallStage::Ended {
        reason: EndReason::RemoteHungUp,
    };
    assert_eq!(world.stage(ANA), Some(over));
    assert!(world.live_links(ANA).is_empty());
}

#[test]
fn a_link_that_fails_beside_a_good_spare_is_mended_behind_the_scenes() {
    let mut world = spared(1);
    for who in [ANA, BEN] {
        let link = main_link(&world, who);
        for state in [LinkState::Interrupted, LinkState::Failed] {
            tell(&mut world, who, LinkEvent::State { link, state });
            assert!(world.stage(who).is_some_and(is_active), "{who} {state:?}");
        }
    }
}
