// SPDX-License-Identifier: MIT OR Apache-2.0
//! Texts, receipts, epochs; what is lost, doubled or late on the way, and crashes at any moment.

use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use super::world::{ANA, BEN, Store, World, cases};
use crate::{Command, Delivery, Event, Notice};

fn numbered(letter: &str, count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("{letter}{number}"))
        .collect()
}

fn epoch(world: &mut World, who: usize) -> u64 {
    world.inside(who, |client, _, _| {
        client
            .contacts
            .values()
            .next()
            .unwrap()
            .stored
            .current
            .epoch
    })
}

fn link_both(world: &mut World) {
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

/// Everything written arrived, once, in order, on both sides, and both know.
fn assert_complete(world: &mut World, ana: usize, ben: usize) {
    let seed = world.seed;
    assert_eq!(world.received(BEN), numbered("a", ana), "seed {seed}");
    assert_eq!(world.received(ANA), numbered("b", ben), "seed {seed}");
    for who in [ANA, BEN] {
        let behind = |delivery: &Delivery| *delivery < Delivery::Delivered;
        assert!(!world.deliveries(who).iter().any(behind), "seed {seed}");
    }
    world.assert_untroubled();
}

#[test]
fn texts_go_both_ways_and_their_fate_is_told() {
    let mut world = World::friends(1);
    world.say(ANA, "hello");
    assert_eq!(world.deliveries(ANA), [Delivery::Queued]);
    world.until(|world| world.contact(BEN).unread == 1);
    world.run(1);
    assert_eq!(world.deliveries(ANA), [Delivery::Delivered]);
    let contact = world.friend(BEN);
    assert!(
        world.people[BEN]
            .events
            .contains(&Event::Unread { contact })
    );
    world.tell(BEN, Command::OpenConversation { contact });
    world.run(1);
    assert_eq!(world.deliveries(ANA), [Delivery::Read]);
    assert_eq!(world.contact(BEN).unread, 0);
    world.say(BEN, "hello yourself");
    world.say(ANA, "how are you?");
    world.run(1);
    assert_eq!(world.received(ANA), ["hello yourself"]);
    assert_eq!(world.deliveries(ANA), [Delivery::Read; 2], "it is open");
    assert_eq!(world.contact(BEN).unread, 0);
    assert_eq!(world.contact(ANA).unread, 1);
}

#[test]
fn a_text_to_somebody_who_is_away_is_sent_and_later_delivered() {
    let mut world = World::friends(1);
    world.leave(BEN);
    world.say(ANA, "a0");
    world.run(2);
    assert_eq!(world.deliveries(ANA), [Delivery::Sent]);
    world.leave(ANA);
    world.unlock(BEN);
    world.run(2);
    world.say(BEN, "b0");
    world.run(2);
    world.unlock(ANA);
    world.run(2);
    assert_complete(&mut world, 1, 1);
}

#[test]
fn a_text_written_while_the_node_is_away_waits_and_leaves() {
    let mut world = World::friends(1);
    world.stop_node();
    world.run(1);
    world.say(ANA, "a0");
    world.run(30);
    assert_eq!(world.deliveries(ANA), [Delivery::Queued]);
    world.restart(ANA);
    world.start_node();
    world.run(40);
    assert_complete(&mut world, 1, 0);
}

#[test]
fn empty_and_endless_texts_are_refused() {
    let mut world = World::friends(1);
    let contact = world.friend(ANA);
    for text in [" \n ".to_owned(), "x".repeat(16 * 1024 + 1)] {
        world.tell(ANA, Command::SendText { contact, text });
    }
    assert!(world.heard(ANA, &Notice::TextInvalid));
    let text = "planted".repeat(2_340);
    world.tell(ANA, Command::SendText { contact, text });
    world.run(2);
    assert_eq!(world.received(BEN).len(), 1);
}

#[test]
fn unread_texts_survive_a_reload_and_reading_counts_them_down() {
    let mut world = World::friends(1);
    for text in ["one", "two", "three"] {
        world.say(ANA, text);
        world.run(1);
    }
    world.restart(BEN);
    assert_eq!(world.contact(BEN).unread, 3);
    let contact = world.friend(BEN);
    world.tell(BEN, Command::OpenConversation { contact });
    world.run(1);
    world.restart(BEN);
    assert_eq!(world.contact(BEN).unread, 0);
    assert_eq!(world.deliveries(ANA), [Delivery::Read; 3]);
}

#[test]
fn a_receipt_that_did_not_get_through_is_told_again() {
    let mut world = World::friends(1);
    world.say(ANA, "one");
    world.until(|world| world.contact(BEN).unread == 1);
    world.trouble.lost_requests = 100;
    let contact = world.friend(BEN);
    world.tell(BEN, Command::OpenConversation { contact });
    world.run(1);
    assert_ne!(world.deliveries(ANA), [Delivery::Read]);
    world.trouble.lost_requests = 0;
    world.run(20);
    assert_eq!(world.deliveries(ANA), [Delivery::Read]);
}

#[test]
fn a_receipt_that_a_reload_swallowed_is_told_afterwards() {
    let mut world = World::friends(1);
    world.say(ANA, "one");
    world.until(|world| world.contact(BEN).unread == 1);
    world.trouble.lost_requests = 100;
    world.run_ms(400);
    world.trouble.lost_requests = 0;
    world.restart(BEN);
    world.run(5);
    assert_eq!(world.deliveries(ANA), [Delivery::Delivered]);
}

#[test]
fn typing_shows_for_a_while_and_is_not_repeated_too_often() {
    let mut world = World::friends(1);
    world.run(2);
    let before = world.people[ANA].requests;
    let contact = world.friend(ANA);
    for _ in 0..20 {
        world.tell(ANA, Command::Typing { contact });
    }
    world.run(1);
    assert!(world.contact(BEN).typing);
    assert_eq!(world.people[ANA].requests, before + 1);
    world.run(8);
    assert!(!world.contact(BEN).typing);
}

#[test]
fn the_session_is_refreshed_every_fifty_messages_by_turns() {
    let mut world = World::friends(1);
    let start = epoch(&mut world, ANA);
    for number in 0..110 {
        world.say(ANA, &format!("a{number}"));
        if number % 10 == 9 {
            world.run(2);
        }
    }
    world.run(5);
    let reached = epoch(&mut world, ANA);
    assert_eq!(reached, epoch(&mut world, BEN));
    assert!(reached >= start + 2, "{reached}");
    assert_complete(&mut world, 110, 0);
}

#[test]
fn a_day_later_the_session_is_refreshed() {
    let mut world = World::friends(1);
    let start = epoch(&mut world, ANA);
    world.say(ANA, "a0");
    world.run(2);
    world.run(25 * 3_600);
    world.say(BEN, "b0");
    world.run(5);
    assert_eq!(epoch(&mut world, ANA), start + 1);
    assert_complete(&mut world, 1, 1);
}

#[test]
fn both_write_while_the_session_is_being_refreshed() {
    let mut world = World::friends(3);
    world.trouble.spread = 700;
    for number in 0..60 {
        world.say(ANA, &format!("a{number}"));
        world.say(BEN, &format!("b{number}"));
        world.run_ms(130);
    }
    world.run(90);
    assert_complete(&mut world, 60, 60);
}

#[test]
fn a_mailbox_that_is_full_for_a_while_loses_nothing() {
    let mut world = World::friends(1);
    world.node.full = true;
    world.say(ANA, "a0");
    world.run(20);
    let contact = world.friend(ANA);
    let refused = world.notices(ANA).into_iter().find(|notice| {
        matches!(notice, Notice::MailboxRefused { contact: whose, .. } if *whose == contact)
    });
    assert!(refused.is_some());
    let requests = world.people[ANA].requests;
    world.run(600);
    assert!(
        world.people[ANA].requests - requests < 40,
        "it does not hammer"
    );
    world.node.full = false;
    world.run(700);
    assert_complete(&mut world, 1, 0);
}

#[test]
fn texts_that_wait_at_the_node_survive_its_restart_and_ours() {
    let mut world = World::friends(1);
    world.leave(BEN);
    for number in 0..20 {
        world.say(ANA, &format!("a{number}"));
        world.run_ms(200);
    }
    world.run(3);
    world.stop_node();
    world.run(2);
    world.restart(ANA);
    world.start_node();
    world.unlock(BEN);
    world.run(60);
    assert_complete(&mut world, 20, 0);
}

#[test]
fn what_is_lost_in_the_mailbox_is_sent_again_after_a_while() {
    let mut world = World::friends(1);
    let mut number = 0;
    world.node.tamper = Some(Box::new(move |bytes: &[u8]| {
        number += 1;
        if number == 1 {
            Vec::new()
        } else {
            vec![bytes.to_vec()]
        }
    }));
    world.say(ANA, "a0");
    world.run(2);
    world.say(ANA, "a1");
    world.run(2);
    assert!(world.received(BEN).is_empty(), "the first one is missing");
    world.run(300);
    assert_complete(&mut world, 2, 0);
}

/// One story: both write `each` texts while the node, the links and the pages have their troubles.
fn stormy(seed: u64, each: usize, crashes: bool) {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut world = World::friends(seed);
    link_both(&mut world);
    let mut below = |end: u64| rng.next_u64() % end;
    world.trouble.spread = below(900);
    world.trouble.lost_requests = below(25);
    world.trouble.lost_answers = below(25);
    for number in 0..each {
        for (who, letter) in [(ANA, "a"), (BEN, "b")] {
            world.say(who, &format!("{letter}{number}"));
            if below(3) > 0 {
                world.run_ms(below(400));
            } else if crashes {
                // Whatever was said is not on disk yet: only from here on is it kept.
                world.run_ms(12);
            }
        }
        match below(12) {
            0 => {
                world.cut_links();
                world.run_ms(below(4_000));
            }
            1 => world.links.cut = false,
            2 => world.stop_node(),
            3 => world.start_node(),
            4 | 5 if crashes => {
                world.run_ms(12 + below(300));
                let who = usize::from(below(2) == 0);
                world.restart(who);
            }
            _ => {}
        }
    }
    world.links.cut = false;
    world.start_node();
    world.trouble.lost_requests = 0;
    world.trouble.lost_answers = 0;
    world.run(400);
    assert_complete(&mut world, each, each);
}

#[test]
fn two_hundred_texts_through_loss_and_switching_paths_arrive_once_and_in_order() {
    stormy(11, 100, false);
}

proptest! {
    #![proptest_config(cases(4))]

    #[test]
    fn no_storm_loses_doubles_or_reorders_a_text(seed in any::<u64>()) {
        stormy(seed, 16, false);
    }

    #[test]
    fn no_crash_between_two_writes_hurts_the_conversation(seed in any::<u64>()) {
        stormy(seed, 14, true);
    }

    /// The machine is dropped at any moment, also between a write and its confirmation.
    #[test]
    fn a_crash_at_any_moment_repeats_no_step_of_a_ratchet(
        seed in any::<u64>(),
        moments in proptest::collection::vec((0_u64..60, any::<bool>()), 1..6),
    ) {
        let mut world = World::friends(seed);
        for (number, (moment, ana)) in moments.into_iter().enumerate() {
            let who = if ana { ANA } else { BEN };
            world.say(ANA, &format!("lost or not {number}"));
            world.say(BEN, &format!("lost or not {number}"));
            world.run_ms(moment);
            world.restart(who);
            world.run(3);
            // Whatever became of these, the next ones pass.
            for (who, other) in [(ANA, BEN), (BEN, ANA)] {
                let text = format!("surely {number}");
                world.say(who, &text);
                world.run(2);
                prop_assert_eq!(world.received(other).pop(), Some(text));
            }
        }
        world.run(10);
        // Both know the same conversation.
        let ana = world.texts(ANA).into_iter().filter(|(mine, _)| *mine);
        let ana: Vec<String> = ana.map(|(_, text)| text).collect();
        prop_assert_eq!(world.received(BEN), ana);
        world.assert_untroubled();
    }

    #[test]
    fn a_store_that_fails_now_and_then_loses_nothing(seed in any::<u64>()) {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut world = World::friends(seed);
        for number in 0..8 {
            let who = usize::from(rng.next_u64() % 2 == 0);
            world.people[who].store = Store::Full;
            world.say(ANA, &format!("a{number}"));
            world.say(BEN, &format!("b{number}"));
            world.run_ms(rng.next_u64() % 9_000);
            world.people[who].store = Store::Works;
        }
        world.run(60);
        assert_complete(&mut world, 8, 8);
    }
}
