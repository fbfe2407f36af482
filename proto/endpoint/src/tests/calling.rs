// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls, and links without one.

use hither_sansio::Duration;

use super::world::{ANA, BEN, CARA, World};
use crate::payload::{LinkOffer, Payload, Signal, WireCandidate};
use crate::{
    CallDirection, CallId, CallStage, CaptureKind, Command, Delivery, EndReason, Event, LinkAction,
    LinkEvent, LinkId, Notice, RelayOnly, Route,
};

pub(super) fn call(world: &mut World, who: usize, video: bool) {
    let contact = world.friend(who);
    world.tell(who, Command::Call { contact, video });
}

pub(super) fn accept(world: &mut World, who: usize, video: bool) {
    world.tell(who, Command::AcceptCall { video });
}

pub(super) fn is_active(stage: CallStage) -> bool {
    matches!(stage, CallStage::Active { .. })
}

pub(super) fn is_reconnecting(stage: CallStage) -> bool {
    matches!(stage, CallStage::Reconnecting { .. })
}

/// As [`World::stage`] answers it.
#[expect(
    clippy::unnecessary_wraps,
    reason = "to be compared with what may be none"
)]
pub(super) fn ended(reason: EndReason) -> Option<CallStage> {
    Some(CallStage::Ended { reason })
}

pub(super) fn both_active(world: &mut World) {
    world.until_stage(ANA, is_active);
    world.until_stage(BEN, is_active);
}

/// Ana calls Ben, who takes it; both hear each other.
pub(super) fn in_call(seed: u64) -> World {
    let mut world = World::friends(seed);
    call(&mut world, ANA, false);
    world.until_stage(BEN, |stage| stage == CallStage::Ringing);
    accept(&mut world, BEN, false);
    both_active(&mut world);
    world.run(1);
    world
}

fn always_direct(world: &mut World) {
    for who in [ANA, BEN] {
        let contact = world.friend(who);
        let always_direct = true;
        world.tell(
            who,
            Command::SetAlwaysDirect {
                contact,
                always_direct,
            },
        );
    }
}

/// A signal as a client sends it that does not keep to the rules.
pub(super) fn forge(world: &mut World, who: usize, signal: Signal) {
    world.inside(who, |client, base, _| {
        let contact = client.contacts.values_mut().next().unwrap();
        contact.signal(base, &signal, 60);
    });
}

pub(super) fn forge_payload(world: &mut World, who: usize, payload: &Payload) {
    world.inside(who, |client, base, now| {
        let contact = client.contacts.values_mut().next().unwrap();
        contact.send(base, payload, None, now);
    });
}

/// Whether a page let a description or candidate of its own go: only over the wire of the machine.
fn asked_for_media(world: &World, who: usize) -> bool {
    world.people[who]
        .asked
        .iter()
        .any(|action| matches!(action, LinkAction::SetMedia { .. }))
}

#[test]
fn a_call_rings_is_taken_and_both_hear_each_other() {
    let mut world = World::friends(1);
    call(&mut world, ANA, true);
    assert_eq!(world.stage(ANA), Some(CallStage::Calling));
    world.until_stage(BEN, |stage| stage == CallStage::Ringing);
    let ringing = world.call(BEN).unwrap();
    assert_eq!(ringing.direction, CallDirection::Incoming);
    assert!(ringing.remote_camera, "she calls with her camera on");
    let contact = world.friend(BEN);
    let ring = Event::Ring {
        call: ringing.id,
        contact,
    };
    assert!(world.people[BEN].events.contains(&ring));
    world.until_stage(ANA, |stage| stage == CallStage::Ringing);
    accept(&mut world, BEN, false);
    both_active(&mut world);
    assert!(world.people[BEN].events.contains(&Event::RingStopped));
    world.run(1);
    let (ana, ben) = (world.call(ANA).unwrap(), world.call(BEN).unwrap());
    assert_eq!(ana.number, ben.number);
    assert!(ana.number.is_some());
    assert!(ben.remote_camera && !ana.remote_camera && ana.remote_microphone);
    assert_eq!(ana.route.map(|route| route.route), Some(Route::Direct));
    let owner = |who: usize| (who, world.people[who].run);
    let (ana_link, ben_link) = (world.links.of(owner(ANA)), world.links.of(owner(BEN)));
    let ((_, ana_link), (_, ben_link)) = (&ana_link[0], &ben_link[0]);
    assert_eq!(ana_link.media, Some([true, true, false]));
    assert_eq!(ben_link.media, Some([true, false, false]));
    let keys = |key: &hither_crypto::media::MediaKey| key.to_bytes();
    assert_eq!(
        keys(&ana_link.send_key),
        keys(ben_link.receive_key.as_ref().unwrap())
    );
    assert_eq!(
        keys(&ben_link.send_key),
        keys(ana_link.receive_key.as_ref().unwrap())
    );
    world.assert_untroubled();
}

#[test]
fn a_caller_cannot_take_the_call_in_the_others_stead() {
    let mut world = World::friends(1);
    call(&mut world, ANA, false);
    world.until_stage(BEN, |stage| stage == CallStage::Ringing);
    let id = world.call(BEN).unwrap().id;
    let epoch = world.inside(ANA, |client, _, _| {
        client
            .contacts
            .values()
            .next()
            .unwrap()
            .stored
            .current
            .epoch
    });
    let offer = LinkOffer {
        token: [7; 16],
        epoch,
        salt: [7; 16],
        sdp: "v=0 1 1 1 1".into(),
        candidates: Vec::new(),
        call: Some(id),
    };
    let accept = Signal::CallAccept {
        call: id,
        offer: Some(offer.clone()),
        video: true,
    };
    for signal in [
        accept,
        Signal::Offer(offer),
        Signal::CallResume { call: id },
    ] {
        forge(&mut world, ANA, signal);
        world.run(1);
        let stage = world.stage(BEN);
        assert!(
            matches!(stage, Some(CallStage::Ringing | CallStage::Ended { .. })),
            "{stage:?}"
        );
    }
    assert!(!asked_for_media(&world, BEN));
}

#[test]
fn a_declined_call_ends_on_both_sides() {
    let mut world = World::friends(1);
    call(&mut world, ANA, false);
    world.until_stage(BEN, |stage| stage == CallStage::Ringing);
    world.tell(BEN, Command::DeclineCall);
    world.run(2);
    assert_eq!(world.stage(ANA), ended(EndReason::Declined));
    assert_eq!(world.stage(BEN), ended(EndReason::Declined));
    assert!(world.live_links(ANA).is_empty() && world.live_links(BEN).is_empty());
    assert_eq!(world.links.capture, None);
    world.tell(ANA, Command::DismissCall);
    assert!(world.call(ANA).is_none());
}

#[test]
fn whoever_is_in_a_call_is_busy_for_a_third() {
    let mut world = World::strangers(3, 1);
    world.befriend(ANA, BEN);
    world.befriend(BEN, CARA);
    call(&mut world, ANA, false);
    world.until_stage(BEN, |stage| stage == CallStage::Ringing);
    accept(&mut world, BEN, false);
    both_active(&mut world);
    call(&mut world, CARA, false);
    world.run(3);
    assert_eq!(world.stage(CARA), ended(EndReason::Busy));
    assert!(world.stage(ANA).is_some_and(is_active));
    assert!(world.stage(BEN).is_some_and(is_active));
    let contacts = world.view(BEN).contacts;
    let cara = contacts.iter().find(|one| one.own_name.contains("Cara"));
    let cara = cara.unwrap();
    let missed = cara.last_call.as_ref().map(|call| call.reason);
    assert_eq!(missed, Some(EndReason::Missed), "what Ben did not see ring");
    assert_eq!(cara.unread, 1);
    let contact = cara.id;
    let told = Event::MissedCall { contact };
    let told = world.people[BEN]
        .events
        .iter()
        .filter(|event| **event == told);
    assert_eq!(told.count(), 1);
    world.tell(
        BEN,
        Command::Call {
            contact,
            video: false,
        },
    );
    assert!(world.heard(BEN, &Notice::NotNow));
}

#[test]
fn a_call_that_nobody_takes_ends_by_itself() {
    let mut world = World::friends(1);
    call(&mut world, ANA, false);
    world.run(60);
    assert_eq!(world.stage(ANA), ended(EndReason::NoAnswer));
    assert_eq!(world.stage(BEN), ended(EndReason::Missed));
    assert!(world.live_links(ANA).is_empty() && world.live_links(BEN).is_empty());
}

#[test]
fn a_caller_who_gives_up_leaves_a_missed_call() {
    let mut world = World::friends(1);
    call(&mut world, ANA, false);
    world.until_stage(BEN, |stage| stage == CallStage::Ringing);
    world.tell(ANA, Command::HangUp);
    world.run(2);
    assert_eq!(world.stage(ANA), ended(EndReason::HungUp));
    assert_eq!(world.stage(BEN), ended(EndReason::Missed));
    assert!(world.people[BEN].events.contains(&Event::RingStopped));
}

#[test]
fn a_call_given_up_while_the_node_was_away_rings_nowhere_when_it_is_back() {
    let mut world = World::friends(1);
    world.stop_node();
    world.run(2);
    call(&mut world, ANA, false);
    world.run(5);
    world.tell(ANA, Command::HangUp);
    world.run(5);
    world.start_node();
    world.run(60);
    assert!(world.is_online(ANA) && world.is_online(BEN));
    let rang = |event: &Event| matches!(event, Event::Ring { .. });
    assert!(!world.people[BEN].events.iter().any(rang));
    assert_eq!(past_calls(&mut world, BEN).len(), 1);
}

fn past_calls(world: &mut World, who: usize) -> Vec<crate::PastCallView> {
    let contact = world.friend(who);
    world.tell(who, Command::OpenConversation { contact });
    let conversation = world.view(who).conversation;
    conversation.map(|shown| shown.calls).unwrap_or_default()
}

#[test]
fn a_call_that_nobody_took_leaves_a_line_at_both_ends_where_it_happened() {
    let mut world = World::friends(1);
    world.say(ANA, "I will call you");
    world.run(2);
    call(&mut world, ANA, true);
    world.until_stage(BEN, |stage| stage == CallStage::Ringing);
    world.tell(ANA, Command::HangUp);
    world.run(2);
    assert_eq!(world.contact(BEN).unread, 2, "the text and the call");
    assert!(world.contact(BEN).last_call.is_some());
    world.say(ANA, "Never mind");
    world.run(2);
    for who in [ANA, BEN] {
        world.restart(who);
        let [line] = past_calls(&mut world, who).try_into().expect("one line");
        assert_eq!(
            line.after.map(|id| (id.mine, id.number)),
            Some((who == ANA, 1))
        );
        assert!(line.video);
        let (direction, reason) = if who == ANA {
            (CallDirection::Outgoing, EndReason::HungUp)
        } else {
            (CallDirection::Incoming, EndReason::Missed)
        };
        assert_eq!((line.direction, line.reason), (direction, reason));
        assert_eq!(world.contact(who).last_call, None, "a text is newer");
        assert_eq!(world.contact(who).unread, 0);
    }
}

#[test]
fn a_call_that_was_taken_or_declined_by_this_person_leaves_no_line_here() {
    let mut world = World::friends(1);
    call(&mut world, ANA, false);
    world.until_stage(BEN, |stage| stage == CallStage::Ringing);
    accept(&mut world, BEN, false);
    both_active(&mut world);
    world.tell(ANA, Command::HangUp);
    world.run(2);
    assert!(past_calls(&mut world, ANA).is_empty());
    assert!(past_calls(&mut world, BEN).is_empty());

    world.tell(ANA, Command::DismissCall);
    world.tell(BEN, Command::DismissCall);
    call(&mut world, ANA, false);
    world.until_stage(BEN, |stage| stage == CallStage::Ringing);
    world.tell(BEN, Command::DeclineCall);
    world.run(2);
    assert!(past_calls(&mut world, BEN).is_empty());
    let reasons: Vec<_> = past_calls(&mut world, ANA)
        .iter()
        .map(|call| call.reason)
        .collect();
    assert_eq!(reasons, [EndReason::Declined]);
}

#[test]
fn a_call_to_somebody_who_is_away_is_missed_when_they_return() {
    for away in [60, 3_600] {
        let mut world = World::friends(1);
        world.leave(BEN);
        call(&mut world, ANA, false);
        world.run(away);
        assert_eq!(world.stage(ANA), ended(EndReason::NoAnswer));
        world.unlock(BEN);
        world.run(5);
        assert_eq!(world.stage(BEN), ended(EndReason::Missed), "{away}");
        assert_eq!(past_calls(&mut world, BEN).len(), 1, "{away}");
        assert!(world.live_links(BEN).is_empty());
    }
}

#[test]
fn somebody_who_returns_while_it_rings_can_take_the_call() {
    let mut world = World::friends(1);
    world.leave(BEN);
    call(&mut world, ANA, false);
    world.run(20);
    assert_eq!(world.stage(ANA), Some(CallStage::Calling));
    world.unlock(BEN);
    world.until_stage(BEN, |stage| stage == CallStage::Ringing);
    accept(&mut world, BEN, false);
    both_active(&mut world);
}

#[test]
fn clocks_that_differ_by_a_minute_do_not_make_a_call_a_missed_one() {
    let mut world = World::friends(1);
    let ahead = world.now.unix + Duration::from_secs(60);
    call(&mut world, ANA, false);
    world.calendar_jumps(ahead);
    world.run(2);
    assert_eq!(world.stage(BEN), Some(CallStage::Ringing));
}

#[test]
fn two_who_call_each_other_at_once_end_up_in_one_call() {
    for seed in 0..6 {
        let mut world = World::friends(seed);
        call(&mut world, ANA, seed % 2 == 0);
        call(&mut world, BEN, false);
        both_active(&mut world);
        world.run(2);
        let (ana, ben) = (world.call(ANA).unwrap(), world.call(BEN).unwrap());
        assert_eq!(ana.id, ben.id, "seed {seed}");
        assert_ne!(ana.direction, ben.direction);
        assert_eq!(ana.camera, seed % 2 == 0);
        assert_eq!(world.live_links(ANA).len(), 1);
        world.tell(ANA, Command::HangUp);
        world.run(2);
        assert_eq!(world.stage(BEN), ended(EndReason::RemoteHungUp));
    }
}

#[test]
fn a_call_taken_before_the_page_is_ready_still_connects() {
    let mut world = World::friends(1);
    call(&mut world, ANA, false);
    world.until_stage(BEN, |stage| stage == CallStage::Ringing);
    // At once: the description of the prepared link is not there yet.
    accept(&mut world, BEN, false);
    assert_eq!(world.stage(BEN), Some(CallStage::Connecting));
    both_active(&mut world);
    assert_eq!(world.links.opened, 2, "one link, two ends");
}

#[test]
fn either_side_can_hang_up() {
    for who in [ANA, BEN] {
        let mut world = in_call(1);
        world.tell(who, Command::HangUp);
        world.run(2);
        assert_eq!(world.stage(who), ended(EndReason::HungUp));
        assert_eq!(world.stage(1 - who), ended(EndReason::RemoteHungUp));
        assert!(world.live_links(ANA).is_empty() && world.live_links(BEN).is_empty());
        world.tell(who, Command::HangUp);
        assert!(world.heard(who, &Notice::NotNow));
    }
}

#[test]
fn microphone_camera_and_screen_are_told_to_the_other_side() {
    let mut world = in_call(1);
    world.tell(ANA, Command::SetCamera { on: true });
    world.tell(ANA, Command::SetMicrophone { on: false });
    world.tell(ANA, Command::SetScreen { on: true });
    world.run(1);
    let ben = world.call(BEN).unwrap();
    assert!(ben.remote_camera && ben.remote_screen && !ben.remote_microphone);
    let link = world.live_links(ANA)[0];
    let now = world.now;
    let ended = LinkEvent::ScreenEnded;
    world.people[ANA].endpoint.handle_link(ended, now);
    world.drain(ANA);
    world.run(1);
    assert!(!world.call(BEN).unwrap().remote_screen);
    let owner = (ANA, world.people[ANA].run);
    let (id, own) = &world.links.of(owner)[0];
    assert_eq!((*id, own.media), (link, Some([false, true, false])));
}

#[test]
fn a_refused_camera_is_told_and_the_call_goes_on() {
    let mut world = in_call(1);
    world.tell(ANA, Command::SetScreen { on: true });
    let now = world.now;
    let failed = LinkEvent::CaptureFailed {
        kind: CaptureKind::Screen,
        reason: "NotAllowedError".into(),
    };
    world.people[ANA].endpoint.handle_link(failed, now);
    world.drain(ANA);
    world.run(1);
    let ana = world.call(ANA).unwrap();
    assert!(!ana.screen && ana.microphone);
    assert!(is_active(ana.stage));
    let told = Notice::CaptureFailed {
        reason: "NotAllowedError".into(),
        screen: true,
    };
    assert!(world.heard(ANA, &told));
}

#[test]
fn media_that_would_leave_unprotected_ends_the_call() {
    let mut world = in_call(1);
    let link = world.live_links(ANA)[0];
    let now = world.now;
    let unprotected = LinkEvent::Unprotected { link };
    world.people[ANA].endpoint.handle_link(unprotected, now);
    world.drain(ANA);
    world.run(2);
    assert!(world.heard(ANA, &Notice::MediaUnprotected));
    assert_eq!(world.stage(ANA), ended(EndReason::HungUp));
    assert!(world.live_links(ANA).is_empty());
}

#[test]
fn relay_only_is_passed_on_and_shows() {
    let mut world = World::friends(1);
    let contact = world.friend(BEN);
    let relay_only = RelayOnly::Always;
    world.tell(
        BEN,
        Command::SetRelayOnly {
            contact,
            relay_only,
        },
    );
    call(&mut world, ANA, false);
    world.until_stage(BEN, |stage| stage == CallStage::Ringing);
    accept(&mut world, BEN, false);
    both_active(&mut world);
    world.run(1);
    let ices = |who: usize| {
        let owner = (who, world.people[who].run);
        world.links.of(owner)[0].1.ice.clone()
    };
    assert!(ices(BEN).relay_only && !ices(ANA).relay_only);
    assert_eq!(ices(BEN).urls, ["turn:node.example:3478"]);
    let route = world.call(ANA).unwrap().route.unwrap();
    assert_eq!(route.route, Route::Relay);
}

#[test]
fn relay_for_all_is_passed_on_and_survives_a_reload() {
    let mut world = World::friends(1);
    world.tell(ANA, Command::SetRelayForAll { relay_only: true });
    world.run(1);
    world.restart(ANA);
    world.run(1);
    call(&mut world, ANA, false);
    world.run(1);
    let owner = (ANA, world.people[ANA].run);
    assert!(world.links.of(owner)[0].1.ice.relay_only);
    assert!(world.view(ANA).relay_for_all);
}

#[test]
fn a_link_that_is_cut_is_mended_and_the_call_goes_on() {
    let mut world = in_call(1);
    let since = world.stage(ANA);
    world.cut_links();
    world.until_stage(ANA, is_reconnecting);
    world.until_stage(BEN, is_reconnecting);
    world.run(10);
    world.links.cut = false;
    both_active(&mut world);
    assert_eq!(world.stage(ANA), since, "the same call");
    world.run(5);
    assert!(world.channel_open(ANA));
}

#[test]
fn a_link_that_cannot_be_mended_is_given_up_after_a_minute() {
    let mut world = in_call(1);
    world.cut_links();
    world.until_stage(ANA, is_reconnecting);
    world.run(50);
    assert!(world.stage(ANA).is_some_and(is_reconnecting));
    world.run(20);
    assert_eq!(world.stage(ANA), ended(EndReason::Lost));
    assert_eq!(world.stage(BEN), ended(EndReason::Lost));
    assert!(world.live_links(ANA).is_empty() && world.live_links(BEN).is_empty());
}

#[test]
fn a_network_that_came_back_is_used_at_once() {
    let mut world = in_call(1);
    world.cut_links();
    world.until_stage(ANA, is_reconnecting);
    world.until_stage(BEN, is_reconnecting);
    world.run(10);
    world.links.cut = false;
    for who in [ANA, BEN] {
        world.tell(who, Command::NetworkChanged);
    }
    world.run(1);
    assert!(world.stage(ANA).is_some_and(is_active));
}

#[test]
fn a_call_survives_that_either_page_is_reloaded() {
    for who in [ANA, BEN] {
        for away in [0, 1, 4, 12, 30] {
            let mut world = in_call(1);
            let id = world.call(ANA).unwrap().id;
            world.reload(who);
            world.run(away);
            world.unlock(who);
            both_active(&mut world);
            world.run(8);
            for who in [ANA, BEN] {
                let call = world.call(who).unwrap();
                assert_eq!(call.id, id);
                assert!(is_active(call.stage), "{who} {away}");
                assert!(call.microphone);
            }
            assert_eq!(world.live_links(ANA).len(), 1);
            assert_eq!(world.live_links(BEN).len(), 1);
            world.tell(who, Command::HangUp);
            world.run(2);
            assert_eq!(world.stage(1 - who), ended(EndReason::RemoteHungUp));
        }
    }
}

#[test]
fn a_call_survives_that_both_pages_are_reloaded() {
    for seed in 0..4 {
        let mut world = in_call(seed);
        world.reload(ANA);
        world.reload(BEN);
        world.unlock(ANA);
        world.run_ms(400 * seed);
        world.unlock(BEN);
        both_active(&mut world);
        world.run(8);
        assert!(world.stage(ANA).is_some_and(is_active), "seed {seed}");
        assert!(world.stage(BEN).is_some_and(is_active), "seed {seed}");
    }
}

#[test]
fn a_call_is_not_taken_up_long_after_a_reload() {
    let mut world = in_call(1);
    world.leave(BEN);
    world.run(200);
    assert_eq!(world.stage(ANA), ended(EndReason::Lost));
    world.unlock(BEN);
    world.run(2);
    assert!(world.call(BEN).is_none());
    assert!(
        !world.people[BEN].asked.iter().any(
            |action| matches!(action, LinkAction::SetMedia { .. }) && world.call(BEN).is_some()
        )
    );
}

#[test]
fn a_long_call_can_still_be_taken_up_after_a_reload() {
    let mut world = in_call(1);
    world.run(1_200);
    world.restart(BEN);
    both_active(&mut world);
}

#[test]
fn a_call_that_ended_while_the_page_was_reloaded_is_over() {
    let mut world = in_call(1);
    world.reload(BEN);
    world.tell(ANA, Command::HangUp);
    world.run(1);
    world.unlock(BEN);
    world.run(10);
    let stage = world.stage(BEN);
    assert!(
        matches!(stage, None | Some(CallStage::Ended { .. })),
        "{stage:?}"
    );
    assert_eq!(world.stage(ANA), ended(EndReason::HungUp));
}

#[test]
fn call_and_texts_go_on_while_the_node_is_away() {
    let mut world = in_call(1);
    world.stop_node();
    world.run(5);
    for number in 0..10 {
        world.say(ANA, &format!("a{number}"));
        world.say(BEN, &format!("b{number}"));
        world.run(3);
    }
    assert!(world.stage(ANA).is_some_and(is_active));
    let expected = |letter: &str| -> Vec<String> {
        (0..10).map(|number| format!("{letter}{number}")).collect()
    };
    assert_eq!(world.received(BEN), expected("a"));
    assert_eq!(world.received(ANA), expected("b"));
    assert!(
        world
            .deliveries(ANA)
            .iter()
            .all(|d| *d >= Delivery::Delivered)
    );
    world.start_node();
    world.run(60);
    assert!(world.is_online(ANA) && world.is_online(BEN));
    assert!(world.stage(ANA).is_some_and(is_active));
    assert_eq!(world.received(BEN), expected("a"), "nothing doubles");
    assert_eq!(world.received(ANA), expected("b"));
    world.assert_untroubled();
}

#[test]
fn many_epochs_over_the_channel_do_not_make_what_waits_at_the_node_suspicious() {
    let mut world = in_call(1);
    // Something is on its way through the node when it stops.
    forge(&mut world, ANA, Signal::Typing);
    world.inside(ANA, |client, base, _| {
        let contact = client.contacts.values_mut().next().unwrap();
        if let Some(link) = &mut contact.link {
            link.channel_open = false;
        }
        contact.signal(base, &Signal::Typing, 7 * 86_400);
        if let Some(link) = &mut contact.link {
            link.channel_open = true;
        }
    });
    world.run_ms(15);
    world.stop_node();
    for _ in 0..90 {
        world.say(ANA, "on");
        world.run_ms(300);
        world.say(BEN, "and on");
        world.run_ms(300);
    }
    world.start_node();
    world.run(60);
    assert_eq!(world.received(BEN).len(), 90);
    assert_eq!(world.received(ANA).len(), 90);
    world.assert_untroubled();
}

#[test]
fn both_always_direct_are_linked_without_a_call() {
    let mut world = World::friends(1);
    always_direct(&mut world);
    world.run(5);
    assert!(world.channel_open(ANA) && world.channel_open(BEN));
    let route = world.contact(ANA).route.unwrap();
    assert_eq!(route.route, Route::Direct);
    assert!(!route.timeline.is_empty());
    assert!(world.call(ANA).is_none());
    let before = world.node.record.len();
    world.say(ANA, "straight");
    world.run(1);
    assert_eq!(world.received(BEN), ["straight"]);
    assert_eq!(world.deliveries(ANA), [Delivery::Delivered]);
    assert_eq!(world.node.record.len(), before, "the node saw nothing");
}

#[test]
fn one_who_is_always_direct_alone_is_not_linked() {
    let mut world = World::friends(1);
    let contact = world.friend(ANA);
    let always_direct = true;
    world.tell(
        ANA,
        Command::SetAlwaysDirect {
            contact,
            always_direct,
        },
    );
    world.run(5);
    assert!(world.live_links(ANA).is_empty() && world.live_links(BEN).is_empty());
}

#[test]
fn a_standing_link_comes_back_after_a_reload_and_goes_when_it_is_not_wanted() {
    for who in [ANA, BEN] {
        let mut world = World::friends(1);
        always_direct(&mut world);
        world.run(5);
        world.restart(who);
        world.run(30);
        assert!(world.channel_open(ANA) && world.channel_open(BEN), "{who}");
        let contact = world.friend(who);
        let always_direct = false;
        world.tell(
            who,
            Command::SetAlwaysDirect {
                contact,
                always_direct,
            },
        );
        world.run(5);
        assert!(world.live_links(ANA).is_empty() && world.live_links(BEN).is_empty());
    }
}

#[test]
fn a_standing_link_that_broke_is_not_mended_for_ever() {
    let mut world = World::friends(1);
    always_direct(&mut world);
    world.run(5);
    world.leave(BEN);
    world.run(300);
    assert!(world.live_links(ANA).is_empty());
    let quiet = world.people[ANA].requests;
    world.run(600);
    assert_eq!(world.people[ANA].requests, quiet);
    world.unlock(BEN);
    world.run(10);
    assert!(world.channel_open(ANA) && world.channel_open(BEN));
}

#[test]
fn a_call_over_a_standing_link_needs_no_other_and_leaves_it_standing() {
    let mut world = World::friends(1);
    always_direct(&mut world);
    world.run(5);
    let opened = world.links.opened;
    call(&mut world, BEN, false);
    world.until_stage(ANA, |stage| stage == CallStage::Ringing);
    accept(&mut world, ANA, true);
    both_active(&mut world);
    world.run(1);
    assert!(world.call(BEN).unwrap().remote_camera);
    world.tell(BEN, Command::HangUp);
    world.run(2);
    assert_eq!(world.stage(ANA), ended(EndReason::RemoteHungUp));
    assert_eq!(world.links.opened, opened);
    assert!(world.channel_open(ANA));
}

#[test]
fn texts_take_the_mailbox_while_the_link_is_broken() {
    let mut world = in_call(1);
    world.cut_links();
    world.run(3);
    world.say(ANA, "around");
    world.run(2);
    assert_eq!(world.received(BEN), ["around"]);
    world.links.cut = false;
    both_active(&mut world);
    world.run(5);
    assert_eq!(world.received(BEN), ["around"]);
}

#[test]
fn a_candidate_that_overtakes_its_offer_is_not_lost() {
    for seed in 0..8 {
        let mut world = World::friends(seed);
        // Requests overtake each other by up to a second and a half.
        world.trouble.spread = 1_500;
        call(&mut world, ANA, false);
        world.until_stage(BEN, |stage| stage == CallStage::Ringing);
        world.run(3);
        accept(&mut world, BEN, false);
        both_active(&mut world);
        world.run(1);
        world.restart(ANA);
        both_active(&mut world);
        world.run(3);
        let opened = world.links.opened;
        world.run(30);
        assert_eq!(world.links.opened, opened, "seed {seed}");
    }
}

#[test]
fn a_lost_acceptance_does_not_lose_the_call() {
    let mut world = World::friends(1);
    call(&mut world, ANA, false);
    world.until_stage(BEN, |stage| stage == CallStage::Ringing);
    world.run(3);
    world.trouble.lost_requests = 100;
    accept(&mut world, BEN, false);
    world.run(1);
    world.trouble.lost_requests = 0;
    both_active(&mut world);
}

#[test]
fn a_call_whose_end_overtakes_its_offer_does_not_ring() {
    let mut world = World::friends(1);
    let id = CallId::from_bytes([3; 16]);
    let end = Signal::CallEnd {
        call: id,
        end: crate::payload::WireEnd::HungUp,
    };
    forge(&mut world, ANA, end);
    world.run(1);
    let offer = offer_of(&world, id);
    forge_payload(&mut world, ANA, &offer);
    world.run(1);
    assert_eq!(world.stage(BEN), ended(EndReason::Missed));
}

pub(super) fn offer_of(world: &World, call: CallId) -> Payload {
    Payload::CallOffer {
        call,
        video: false,
        time: world.now.unix.as_millis(),
        epoch: 3,
        salt: [1; 16],
    }
}

#[test]
fn forty_offers_ring_once_and_are_answered_no_faster_than_the_node_takes_it() {
    let mut world = World::friends(1);
    for number in 0..40 {
        let mut id = [0; 16];
        id[0] = number;
        let offer = offer_of(&world, CallId::from_bytes(id));
        forge_payload(&mut world, ANA, &offer);
    }
    world.run(5);
    let rings = |world: &World| {
        let events = world.people[BEN].events.iter();
        events
            .filter(|event| matches!(event, Event::Ring { .. }))
            .count()
    };
    assert_eq!(rings(&world), 1);
    assert_eq!(world.live_links(BEN).len(), 1);
    world.run(60);
    world.say(ANA, "still friends");
    world.run(2);
    assert_eq!(world.received(BEN), ["still friends"]);
}

#[test]
fn the_same_offer_twice_rings_once() {
    let mut world = World::friends(1);
    let offer = offer_of(&world, CallId::from_bytes([9; 16]));
    forge_payload(&mut world, ANA, &offer);
    world.run(1);
    world.tell(BEN, Command::DeclineCall);
    forge_payload(&mut world, ANA, &offer);
    world.run(1);
    assert_eq!(world.stage(BEN), ended(EndReason::Declined));
}

#[test]
fn an_offer_of_an_unknown_epoch_does_not_ring() {
    let mut world = World::friends(1);
    let mut offer = offer_of(&world, CallId::from_bytes([9; 16]));
    if let Payload::CallOffer { epoch, time, .. } = &mut offer {
        *epoch = u64::MAX;
        *time = u64::MAX;
    }
    forge_payload(&mut world, ANA, &offer);
    world.run(1);
    assert!(world.call(BEN).is_none());
}

#[test]
fn a_link_that_nobody_wants_is_refused() {
    let mut world = World::friends(1);
    let offer = |call| LinkOffer {
        token: [7; 16],
        epoch: 3,
        salt: [7; 16],
        sdp: "v=0 1 1 1 1".into(),
        candidates: Vec::new(),
        call,
    };
    forge(&mut world, ANA, Signal::Offer(offer(None)));
    forge(
        &mut world,
        ANA,
        Signal::Offer(offer(Some(CallId::from_bytes([1; 16])))),
    );
    let (token, sdp) = ([7; 16], "v=0".to_owned());
    forge(
        &mut world,
        ANA,
        Signal::Restart {
            token,
            number: 1,
            sdp: sdp.clone(),
        },
    );
    forge(
        &mut world,
        ANA,
        Signal::Answer {
            token,
            salt: token,
            sdp,
        },
    );
    forge(&mut world, ANA, Signal::WantRestart { token });
    world.run(2);
    assert!(world.people[BEN].asked.is_empty());
}

#[test]
fn candidates_without_end_are_bounded() {
    let mut world = in_call(1);
    let token = world.inside(ANA, |client, _, _| {
        let contact = client.contacts.values().next().unwrap();
        contact.link.as_ref().unwrap().token
    });
    let link = world.live_links(BEN)[0];
    for number in 0..700 {
        let token = if number % 2 == 0 { token } else { [5; 16] };
        let candidate = WireCandidate {
            line: format!("candidate:{number}"),
            mid: "0".into(),
            index: 0,
        };
        forge(&mut world, ANA, Signal::Candidate { token, candidate });
    }
    world.run(5);
    let tried = world.people[BEN].asked.iter().filter(
        |action| matches!(action, LinkAction::AddCandidate { link: of, .. } if *of == link),
    );
    assert_eq!(tried.count(), 256);
    let early = world.inside(BEN, |client, _, _| {
        client
            .contacts
            .values()
            .next()
            .unwrap()
            .early_candidates
            .len()
    });
    assert!(early <= 64);
    let timeline = world.call(BEN).unwrap().route.unwrap().timeline;
    assert!(timeline.len() <= 64);
}

#[test]
fn events_of_unknown_links_are_ignored() {
    let mut world = in_call(1);
    let link = LinkId(9_999);
    let (state, sdp) = (crate::LinkState::Failed, String::new());
    let kind = crate::DescriptionKind::Offer;
    let events = [
        LinkEvent::Description { link, kind, sdp },
        LinkEvent::State { link, state },
        LinkEvent::ChannelOpened { link },
        LinkEvent::ChannelClosed { link },
        LinkEvent::Message {
            link,
            bytes: vec![1; 50],
        },
        LinkEvent::Broken { link },
    ];
    for event in events {
        let now = world.now;
        world.people[ANA].endpoint.handle_link(event, now);
        world.drain(ANA);
    }
    world.run(10);
    assert!(world.stage(ANA).is_some_and(is_active));
    world.assert_untroubled();
}

#[test]
fn a_broken_link_is_replaced_during_a_call() {
    for who in [ANA, BEN] {
        let mut world = in_call(1);
        let link = world.live_links(who)[0];
        let now = world.now;
        world.people[who]
            .endpoint
            .handle_link(LinkEvent::Broken { link }, now);
        world.drain(who);
        world.until_stage(who, is_reconnecting);
        both_active(&mut world);
        world.run(20);
        assert!(world.stage(ANA).is_some_and(is_active));
        assert!(world.stage(BEN).is_some_and(is_active));
        assert!(!world.live_links(who).contains(&link));
    }
}

#[test]
fn a_contact_removed_during_a_call_ends_it() {
    let mut world = in_call(1);
    let contact = world.friend(ANA);
    world.tell(ANA, Command::RemoveContact { contact });
    world.run(5);
    assert!(world.live_links(ANA).is_empty() && world.live_links(BEN).is_empty());
    let stage = world.stage(BEN);
    assert!(matches!(stage, Some(CallStage::Ended { .. })), "{stage:?}");
}

#[test]
fn nobody_can_call_whom_they_do_not_have() {
    let mut world = World::friends(1);
    let contact = crate::ContactId::from_bytes([1; 16]);
    world.tell(
        ANA,
        Command::Call {
            contact,
            video: true,
        },
    );
    assert!(world.heard(ANA, &Notice::NotNow));
    accept(&mut world, ANA, false);
    world.tell(ANA, Command::SetCamera { on: true });
    assert!(world.call(ANA).is_none());
    assert_eq!(world.links.capture, None);
}

#[test]
fn hiding_ones_address_during_a_call_gathers_anew_with_the_new_policy() {
    for who in [ANA, BEN] {
        let mut world = in_call(1);
        world.tell(who, Command::SetRelayForAll { relay_only: true });
        world.run(5);
        let owner = (who, world.people[who].run);
        assert!(world.links.of(owner)[0].1.ice.relay_only);
        let restarts = |action: &LinkAction| matches!(action, LinkAction::RestartIce { .. });
        let mut asked = world.people.iter().flat_map(|person| &person.asked);
        assert!(asked.any(restarts));
        assert!(world.stage(who).is_some_and(is_active));
    }
}
