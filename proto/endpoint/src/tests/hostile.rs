// SPDX-License-Identifier: MIT OR Apache-2.0
//! A node that lies, a contact that lies, and bytes that mean nothing.

use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use hither_api::{MailboxId, Problem, ServerFrame};

use super::world::{ANA, BEN, World, cases};
use crate::payload::{Address, Hello, Payload, Signal};
use crate::{
    Command, ContactState, Delivery, HttpFailure, HttpResponse, LinkEvent, NodeState, Notice,
    SocketEvent,
};

fn tampering_seen(world: &World, who: usize) -> bool {
    let contact = world.friend(who);
    world.heard(who, &Notice::TamperingSeen { contact })
}

fn forge(world: &mut World, who: usize, payload: &Payload) {
    world.inside(who, |client, base, now| {
        let contact = client.contacts.values_mut().next().unwrap();
        contact.send(base, payload, None, now);
    });
}

fn forge_signal(world: &mut World, who: usize, signal: &Signal) {
    world.inside(who, |client, base, _| {
        let contact = client.contacts.values_mut().next().unwrap();
        contact.signal(base, signal, 60);
    });
}

fn inbox(world: &mut World, who: usize) -> MailboxId {
    world.inside(who, |client, _, _| {
        MailboxId::from_bytes(
            client
                .contacts
                .values()
                .next()
                .unwrap()
                .stored
                .inbox
                .mailbox,
        )
    })
}

fn hand_frame(world: &mut World, who: usize, frame: &ServerFrame) {
    let now = world.now;
    let event = SocketEvent::Frame(frame.emit());
    world.people[who].endpoint.handle_socket(event, now);
    world.drain(who);
}

/// A text comes through, both ways.
fn assert_friends(world: &mut World) {
    world.say(ANA, "still there?");
    world.say(BEN, "yes");
    world.run(100);
    assert_eq!(
        world.received(BEN).last().map(String::as_str),
        Some("still there?")
    );
    assert_eq!(world.received(ANA).last().map(String::as_str), Some("yes"));
}

#[test]
fn a_flipped_bit_is_refused_and_told_and_nothing_is_lost() {
    for place in [0, 32, 33, 40, 100, 8_000] {
        let mut world = World::friends(1);
        world.run(2);
        world.node.tamper = Some(Box::new(move |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            let place = place.min(bytes.len() - 1);
            bytes[place] ^= 0x10;
            vec![bytes]
        }));
        world.say(ANA, "precious");
        world.run(12);
        assert!(tampering_seen(&world, BEN), "{place}");
        assert!(world.received(BEN).is_empty());
        assert_ne!(world.deliveries(ANA), [Delivery::Delivered]);
        world.node.tamper = None;
        world.run(300);
        assert_eq!(world.received(BEN), ["precious"]);
    }
}

#[test]
fn a_message_that_was_altered_comes_again_within_seconds_and_nothing_waits_behind_it_for_long() {
    let mut world = World::friends(1);
    world.restart(ANA);
    world.run(5);
    let mut first = true;
    world.node.tamper = Some(Box::new(move |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        if core::mem::take(&mut first) {
            bytes[100] ^= 0x10;
        }
        vec![bytes]
    }));
    world.say(ANA, "precious");
    world.run(11);
    assert!(tampering_seen(&world, BEN));
    world.say(ANA, "more");
    world.run(9);
    assert_eq!(world.received(BEN), ["precious", "more"]);
}

#[test]
fn a_signal_is_not_taken_again_after_a_reload() {
    let mut world = World::friends(1);
    world.run(5);
    let contact = world.friend(BEN);
    world.node.record.clear();
    world.tell(BEN, Command::Typing { contact });
    world.run_ms(500);
    assert!(world.contact(ANA).typing);
    let recorded = world.node.record.clone();
    assert_eq!(recorded.len(), 1, "a sign of typing and nothing else");
    world.run(8);
    for reload in [false, true] {
        if reload {
            world.restart(ANA);
            world.run(2);
        }
        assert!(!world.contact(ANA).typing);
        for (mailbox, bytes) in recorded.clone() {
            world.with_node(|node| node.put(mailbox, bytes));
        }
        world.run(1);
        assert!(!world.contact(ANA).typing, "reload: {reload}");
    }
    world.tell(BEN, Command::Typing { contact });
    world.run_ms(500);
    assert!(world.contact(ANA).typing, "a new one is taken");
}

#[test]
fn a_cut_envelope_is_refused_and_told() {
    let mut world = World::friends(1);
    world.run(2);
    world.node.tamper = Some(Box::new(|bytes: &[u8]| {
        vec![bytes[..40].to_vec(), Vec::new()]
    }));
    world.say(ANA, "precious");
    world.run(12);
    assert!(tampering_seen(&world, BEN));
    world.node.tamper = None;
    world.run(300);
    assert_eq!(world.received(BEN), ["precious"]);
}

#[test]
fn an_envelope_of_somebody_else_is_refused_and_told() {
    let mut world = World::friends(1);
    world.say(BEN, "to Ana");
    world.run(2);
    let mailbox = inbox(&mut world, BEN);
    let other = world.node.record.iter().find(|(of, _)| *of != mailbox);
    let (_, bytes) = other.unwrap().clone();
    world.with_node(|node| node.put(mailbox, bytes));
    world.run(2);
    assert!(tampering_seen(&world, BEN));
    assert!(world.received(BEN).is_empty());
    assert_friends(&mut world);
}

#[test]
fn replayed_and_shuffled_envelopes_change_nothing() {
    let mut world = World::friends(1);
    let mut kept: Vec<Vec<u8>> = Vec::new();
    world.node.tamper = Some(Box::new(move |bytes: &[u8]| {
        kept.push(bytes.to_vec());
        // The newest, and before it everything of the past.
        let mut all = kept.clone();
        all.reverse();
        all
    }));
    for number in 0..12 {
        world.say(ANA, &format!("a{number}"));
        world.run_ms(150);
    }
    world.run(5);
    let expected: Vec<String> = (0..12).map(|number| format!("a{number}")).collect();
    assert_eq!(world.received(BEN), expected);
    assert_eq!(world.deliveries(ANA), [Delivery::Delivered; 12]);
    assert_eq!(world.contact(BEN).unread, 12);
}

#[test]
fn what_is_replayed_after_a_reload_changes_nothing() {
    let mut world = World::friends(1);
    for number in 0..3 {
        world.say(ANA, &format!("a{number}"));
        world.say(BEN, &format!("b{number}"));
        world.run(2);
    }
    let before = (world.texts(ANA), world.texts(BEN));
    world.restart(ANA);
    world.restart(BEN);
    world.run(2);
    for (mailbox, bytes) in world.node.record.clone() {
        world.with_node(|node| node.put(mailbox, bytes));
    }
    world.run(15);
    assert_eq!((world.texts(ANA), world.texts(BEN)), before);
    world.assert_untroubled();
    assert_friends(&mut world);
}

#[test]
fn envelopes_that_are_withheld_for_long_arrive_in_order() {
    let mut world = World::friends(1);
    let mut withheld: Vec<Vec<u8>> = Vec::new();
    world.node.tamper = Some(Box::new(move |bytes: &[u8]| {
        withheld.push(bytes.to_vec());
        if withheld.len() < 9 {
            return Vec::new();
        }
        let mut all = core::mem::take(&mut withheld);
        all.reverse();
        all
    }));
    for number in 0..9 {
        world.say(ANA, &format!("a{number}"));
        world.run_ms(100);
    }
    world.run(3);
    world.node.tamper = None;
    world.run(300);
    let expected: Vec<String> = (0..9).map(|number| format!("a{number}")).collect();
    assert_eq!(world.received(BEN), expected);
    world.assert_untroubled();
}

#[test]
fn a_lying_acknowledgement_is_seen_and_loses_nothing() {
    let mut world = World::friends(1);
    let (up_to, sent) = (u64::MAX, u64::MAX);
    forge_signal(&mut world, BEN, &Signal::Ack { up_to, sent });
    world.run(1);
    assert!(tampering_seen(&world, ANA));
    world.say(ANA, "after the lie");
    world.run(2);
    assert_eq!(world.received(BEN), ["after the lie"]);
    assert_friends(&mut world);
}

#[test]
fn texts_that_were_never_written_cannot_have_been_read() {
    let mut world = World::friends(1);
    world.say(ANA, "one");
    world.run(1);
    forge_signal(&mut world, BEN, &Signal::Read { up_to: u64::MAX });
    world.run(1);
    assert!(tampering_seen(&world, ANA));
    assert_eq!(world.deliveries(ANA), [Delivery::Delivered]);
    world.say(ANA, "two");
    assert_eq!(world.deliveries(ANA)[1], Delivery::Queued);
}

#[test]
fn a_text_with_a_number_of_its_own_invention_is_refused() {
    for number in [0, 1, 3, u64::MAX] {
        let mut world = World::friends(1);
        world.say(ANA, "one");
        world.run(1);
        let (time, text) = (u64::MAX, "planted lie".to_owned());
        forge(&mut world, ANA, &Payload::Text { number, time, text });
        world.run(1);
        assert!(tampering_seen(&world, BEN), "{number}");
        assert_eq!(world.received(BEN), ["one"]);
        assert_friends(&mut world);
    }
}

#[test]
fn a_text_from_the_future_is_dated_now() {
    let mut world = World::friends(1);
    let (number, time) = (1, u64::MAX);
    let text = "planted future".to_owned();
    forge(&mut world, ANA, &Payload::Text { number, time, text });
    world.run(1);
    let dated = world.contact(BEN).last_time.unwrap();
    assert!(dated <= world.now.unix);
}

#[test]
fn a_name_or_picture_beyond_its_bounds_is_refused() {
    let mut world = World::friends(1);
    let address = Some(Address {
        node: "javascript:alert(1)".into(),
        mailbox: [0; 32],
        capability: [0; 32],
    });
    let hello = |name: &str, picture: usize, address: Option<Address>| Hello {
        name: name.to_owned(),
        picture: Some(vec![0; picture]),
        address,
    };
    for lie in [
        hello("", 0, None),
        hello(&"x".repeat(65), 0, None),
        hello("Ana", 48 * 1024 + 1, None),
        hello("Ana", 0, address),
    ] {
        forge(&mut world, ANA, &Payload::Profile(lie));
        world.run(1);
    }
    assert!(tampering_seen(&world, BEN));
    assert_eq!(world.contact(BEN).own_name, "planted Ana");
    assert_friends(&mut world);
}

#[test]
fn an_acceptance_out_of_place_changes_nothing() {
    let mut world = World::friends(1);
    let hello = Hello {
        name: "planted Impostor".into(),
        picture: None,
        address: None,
    };
    let signature = vec![0; 100];
    forge(&mut world, ANA, &Payload::Accept { signature, hello });
    world.run(1);
    assert_eq!(world.contact(BEN).own_name, "planted Ana");
    assert_eq!(world.contact(BEN).state, ContactState::Active);
}

#[test]
fn a_forged_acceptance_lets_nobody_in() {
    let mut world = World::strangers(2, 1);
    let invitation = world.invite(ANA);
    world.join(BEN, &invitation);
    let hello = Hello {
        name: "planted Ana".into(),
        picture: None,
        address: None,
    };
    let signature = vec![7; 4_691];
    forge(&mut world, ANA, &Payload::Accept { signature, hello });
    world.run(1);
    assert_eq!(world.contact(BEN).state, ContactState::AwaitsApproval);
    assert!(tampering_seen(&world, BEN));
    world.approve_all(ANA);
    world.run(3);
    assert_eq!(world.contact(BEN).state, ContactState::Active);
}

#[test]
fn a_stranger_cannot_fill_the_store_before_approval() {
    let mut world = World::strangers(2, 1);
    let invitation = world.invite(ANA);
    world.join(BEN, &invitation);
    for number in 0..40 {
        world.say(BEN, &format!("let me in {number}"));
        world.run_ms(50);
    }
    world.run(10);
    assert_eq!(world.received(ANA).len(), 32);
    assert!(world.heard(BEN, &Notice::NotNow), "and is told so");
    // A client that does not keep to this is not heard.
    for number in 33..40 {
        let (time, text) = (0, "planted flood".to_owned());
        forge(&mut world, BEN, &Payload::Text { number, time, text });
    }
    world.run(3);
    assert_eq!(world.received(ANA).len(), 32);
    world.inside(BEN, |client, _, _| {
        client
            .contacts
            .values_mut()
            .next()
            .unwrap()
            .stored
            .own_texts = 39;
    });
    world.approve_all(ANA);
    world.run(5);
    assert_friends(&mut world);
}

#[test]
fn asking_for_acknowledgements_without_end_is_answered_with_measure() {
    let mut world = World::friends(1);
    world.run(2);
    for _ in 0..300 {
        forge_signal(&mut world, BEN, &Signal::Sync { sent: u64::MAX });
        world.run_ms(1);
    }
    let waiting = world.inside(ANA, |_, base, _| base.waiting_transmits());
    assert!(waiting <= 70, "{waiting}");
    world.run(5);
    assert_friends(&mut world);
}

#[test]
fn rubbish_in_a_mailbox_is_held_in_bounds_and_told_once() {
    let mut world = World::friends(1);
    let mailbox = inbox(&mut world, BEN);
    for number in 0..200_u8 {
        let mut rubbish = mailbox.as_bytes().to_vec();
        rubbish.push(1);
        rubbish.resize(1_085, number);
        world.with_node(|node| node.put(mailbox, rubbish));
    }
    world.run(30);
    let contact = world.friend(BEN);
    let told = Notice::TamperingSeen { contact };
    let count = world
        .notices(BEN)
        .into_iter()
        .filter(|n| *n == told)
        .count();
    assert_eq!(count, 1);
    assert_eq!(world.node.waiting(), 0, "and does not come again");
    assert_friends(&mut world);
}

#[test]
fn a_node_that_speaks_nonsense_is_left_and_tried_again() {
    let mut world = World::strangers(1, 1);
    for bytes in [Vec::new(), vec![9; 30], vec![1, 255, 255, 255]] {
        let now = world.now;
        let event = SocketEvent::Frame(bytes);
        world.people[ANA].endpoint.handle_socket(event, now);
        world.drain(ANA);
        assert_eq!(world.view(ANA).node, NodeState::Offline);
        world.run(25);
        assert_eq!(world.view(ANA).node, NodeState::Online);
    }
}

#[test]
fn a_nodes_endless_sentence_is_cut() {
    let mut world = World::strangers(1, 1);
    let long = "x".repeat(60_000);
    let problem = Problem::new(500, &long, &long, &long);
    let request = 77;
    hand_frame(&mut world, ANA, &ServerFrame::Refused { request, problem });
    let Some(Notice::NodeRefused { title, detail, .. }) = world.notices(ANA).pop() else {
        panic!("it is told");
    };
    assert!(title.len() <= 300 && detail.len() <= 300);
}

#[test]
fn an_envelope_for_nobody_is_acknowledged_and_forgotten() {
    let mut world = World::friends(1);
    let frame = ServerFrame::Envelope {
        mailbox: MailboxId::from_bytes([9; 32]),
        sequence: u64::MAX,
        bytes: vec![3; 500],
    };
    hand_frame(&mut world, ANA, &frame);
    world.run(2);
    world.assert_untroubled();
    assert_friends(&mut world);
}

#[test]
fn calendars_that_jump_hurt_no_conversation() {
    let mut world = World::friends(1);
    let there = world.now.unix;
    for millis in [0, u64::MAX, 1, there.as_millis()] {
        world.calendar_jumps(hither_sansio::UnixTime::from_millis(millis));
        world.say(ANA, "whenever");
        world.say(BEN, "whenever");
        world.run(70);
    }
    world.run(100);
    assert_eq!(world.received(ANA).len(), 4);
    assert_eq!(world.received(BEN).len(), 4);
}

#[test]
fn the_monotonic_clock_may_stand_at_its_end() {
    let mut world = World::friends(1);
    world.now.instant = hither_sansio::Instant::from_millis(u64::MAX - 10);
    let now = world.now;
    for _ in 0..50 {
        world.people[ANA].endpoint.handle_timeout(now);
        world.drain(ANA);
    }
}

proptest! {
    #![proptest_config(cases(4))]

    #[test]
    fn no_bytes_from_outside_make_the_machine_panic(seed in any::<u64>()) {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut world = World::friends(seed);
        let contact = world.friend(ANA);
        world.tell(ANA, Command::Call { contact, video: true });
        world.run(1);
        for _ in 0..60 {
            let length = usize::try_from(rng.next_u64() % 300).unwrap();
            let mut bytes = vec![0; length];
            rng.fill_bytes(&mut bytes);
            if let Some(first) = bytes.first_mut() {
                *first = 1;
            }
            let id = u32::try_from(rng.next_u64() % 40).unwrap();
            let now = world.now;
            let link = crate::LinkId(id % 3);
            let endpoint = &mut world.people[ANA].endpoint;
            match rng.next_u64() % 6 {
                0 => endpoint.handle_socket(SocketEvent::Frame(bytes), now),
                1 => endpoint.handle_http(HttpResponse { id, result: Ok((200, bytes)) }, now),
                2 => endpoint.handle_http(HttpResponse { id, result: Ok((id.try_into().unwrap(), bytes)) }, now),
                3 => endpoint.handle_http(HttpResponse { id, result: Err(HttpFailure::TooLong) }, now),
                4 => endpoint.handle_link(LinkEvent::Message { link, bytes }, now),
                _ => endpoint.handle_stretched(id, None, now),
            }
            world.drain(ANA);
            world.run_ms(rng.next_u64() % 500);
        }
        world.tell(ANA, Command::HangUp);
        world.run(60);
        assert_friends(&mut world);
    }
}
