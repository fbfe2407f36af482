// SPDX-License-Identifier: MIT OR Apache-2.0
//! From nothing to a client, the vault, and this account's devices.

use hither_api::{DeviceId, Role};
use zeroize::Zeroizing;

use super::world::{ANA, BEN, PASSPHRASE, Store, World};
use crate::{Command, ContactState, Delivery, Event, NodeState, Notice, Phase};

fn refused(world: &World, kind: &str) -> bool {
    world.notices(ANA).iter().any(|notice| match notice {
        Notice::NodeRefused { kind: found, .. } => found == kind,
        _ => false,
    })
}

#[test]
fn a_new_person_is_signed_in_and_keeps_nothing_in_the_clear() {
    let mut world = World::new(1, 1);
    world.onboard(ANA);
    let me = world.view(ANA).me.unwrap();
    assert_eq!(me.name, "planted Ana");
    assert_eq!(me.role, Role::Owner);
    let readable = world.people[ANA]
        .records
        .values()
        .any(|record| record.windows(7).any(|window| window == b"planted"));
    assert!(!readable);
}

#[test]
fn a_short_passphrase_is_refused_before_anything_happens() {
    let mut world = World::new(1, 1);
    let command = world.onboarding("planted Ana", "short");
    world.tell(ANA, command);
    world.run(5);
    assert!(world.heard(ANA, &Notice::PassphraseTooShort));
    assert_eq!(world.view(ANA).phase, Phase::Fresh);
    assert_eq!(world.people[ANA].requests, 0);
}

#[test]
fn an_empty_an_endless_and_an_unprintable_name_are_refused() {
    for name in ["  ", &"x".repeat(65), "Ana\u{7}"] {
        let mut world = World::new(1, 1);
        let command = world.onboarding(name, PASSPHRASE);
        world.tell(ANA, command);
        assert!(world.heard(ANA, &Notice::NameInvalid), "{name}");
    }
}

#[test]
fn a_huge_picture_is_refused() {
    let mut world = World::new(1, 1);
    let mut command = world.onboarding("planted Ana", PASSPHRASE);
    if let Command::Onboard { picture, .. } = &mut command {
        *picture = Some(vec![0; 48 * 1024 + 1]);
    }
    world.tell(ANA, command);
    assert!(world.heard(ANA, &Notice::PictureTooLarge));
}

#[test]
fn an_address_that_is_no_node_is_refused() {
    for address in ["", "node.example", "ftp://node.example", "https://a b"] {
        let mut world = World::new(1, 1);
        let mut command = world.onboarding("planted Ana", PASSPHRASE);
        if let Command::Onboard { node, .. } = &mut command {
            *node = address.to_owned();
        }
        world.tell(ANA, command);
        world.run(3);
        assert_eq!(world.view(ANA).phase, Phase::Fresh, "{address}");
        assert!(world.heard(ANA, &Notice::NodeUnreachable), "{address}");
    }
}

#[test]
fn a_spent_token_is_refused_in_the_nodes_words_and_another_one_works() {
    let mut world = World::strangers(1, 1);
    let mut world_of_one_more = World::new(1, 2);
    world_of_one_more.node.disk = world.node.disk.clone();
    world = world_of_one_more;
    let mut command = world.onboarding("planted Ana", PASSPHRASE);
    let good = command.clone();
    if let Command::Onboard { registration, .. } = &mut command {
        *registration = Some(hither_api::RegistrationToken::from_bytes([9; 32]));
    }
    world.tell(ANA, command);
    world.run(3);
    assert!(refused(&world, "token-spent"));
    assert_eq!(world.view(ANA).phase, Phase::Fresh);
    world.tell(ANA, good);
    world.until(|world| world.is_online(ANA));
    assert!(world.view(ANA).notices.is_empty());
}

#[test]
fn an_unreachable_node_is_told_and_asked_again() {
    let mut world = World::new(1, 1);
    world.stop_node();
    let command = world.onboarding("planted Ana", PASSPHRASE);
    world.tell(ANA, command);
    world.run(3);
    assert!(world.heard(ANA, &Notice::NodeUnreachable));
    assert_eq!(world.view(ANA).phase, Phase::Onboarding);
    world.start_node();
    world.until(|world| world.is_online(ANA));
    assert!(world.view(ANA).notices.is_empty());
}

#[test]
fn a_reload_before_the_answer_of_the_node_loses_neither_the_token_nor_the_name() {
    let mut world = World::new(1, 1);
    world.stop_node();
    let command = world.onboarding("planted Ana", PASSPHRASE);
    world.tell(ANA, command);
    world.run(3);
    world.reload(ANA);
    assert_eq!(world.view(ANA).phase, Phase::Locked);
    world.start_node();
    world.unlock(ANA);
    world.until(|world| world.is_online(ANA));
    assert_eq!(world.view(ANA).me.unwrap().name, "planted Ana");
}

#[test]
fn whoever_onboards_twice_is_told_that_it_is_not_the_moment() {
    let mut world = World::strangers(1, 1);
    let command = world.onboarding("planted Eve", PASSPHRASE);
    world.tell(ANA, command);
    assert!(world.heard(ANA, &Notice::NotNow));
    assert_eq!(world.view(ANA).me.unwrap().name, "planted Ana");
}

#[test]
fn a_wrong_passphrase_is_told_and_the_right_one_opens() {
    let mut world = World::strangers(1, 1);
    world.reload(ANA);
    assert_eq!(world.view(ANA).phase, Phase::Locked);
    world.unlock_with(ANA, "planted mistake");
    assert_eq!(world.view(ANA).phase, Phase::Unlocking);
    world.run(1);
    assert!(world.heard(ANA, &Notice::WrongPassphrase));
    assert_eq!(world.view(ANA).phase, Phase::Locked);
    world.unlock(ANA);
    assert!(world.view(ANA).notices.is_empty());
    world.until(|world| world.is_online(ANA));
}

#[test]
fn a_vault_of_another_world_is_unreadable_and_says_so() {
    let mut world = World::strangers(1, 1);
    let header = [0; 16];
    world.people[ANA].records.insert(header, vec![9, 9, 9]);
    world.reload(ANA);
    assert_eq!(world.view(ANA).phase, Phase::Fresh);
    assert!(world.heard(ANA, &Notice::StoreUnreadable));
    // Nothing may overwrite what somebody may still be able to read.
    let before = world.people[ANA].records.clone();
    let command = world.onboarding("planted Ana", PASSPHRASE);
    world.tell(ANA, command);
    world.run(3);
    assert_eq!(world.people[ANA].records, before);
}

#[test]
fn one_damaged_record_does_not_take_the_others_with_it() {
    let mut world = World::friends(1);
    for text in ["one", "two", "three"] {
        world.say(BEN, text);
        world.run(1);
    }
    let damaged = world.inside(ANA, |client, base, _| {
        let contact = *client.contacts.keys().next().unwrap();
        let name = format!("contact/{}/text/{:016x}", contact.to_hex(), 1);
        base.root().unwrap().record_id(&name)
    });
    world.people[ANA].records.get_mut(&damaged).unwrap()[40] ^= 1;
    world.restart(ANA);
    world.run(2);
    assert!(world.heard(ANA, &Notice::StoreUnreadable));
    assert_eq!(world.received(ANA), ["one", "three"]);
    world.say(BEN, "four");
    world.run(2);
    world.restart(ANA);
    assert_eq!(world.received(ANA), ["one", "three", "four"]);
}

#[test]
fn a_reload_keeps_everything() {
    let mut world = World::friends(1);
    world.say(ANA, "before");
    world.say(BEN, "likewise");
    world.run(2);
    let contact = world.friend(ANA);
    let alias = "planted alias".to_owned();
    world.tell(ANA, Command::SetAlias { contact, alias });
    world.tell(
        ANA,
        Command::SetVerified {
            contact,
            verified: true,
        },
    );
    world.invite(ANA);
    world.run(2);
    let before = world.view(ANA);
    let texts = world.texts(ANA);
    world.restart(ANA);
    world.run(2);
    let after = world.view(ANA);
    assert_eq!(before.contacts, after.contacts);
    assert_eq!(before.me, after.me);
    assert_eq!(before.invitations, after.invitations);
    assert_eq!(texts, world.texts(ANA));
}

#[test]
fn lock_forgets_ends_the_call_and_unlocking_brings_everything_back() {
    let mut world = World::friends(1);
    world.say(BEN, "before");
    world.run(1);
    let contact = world.friend(ANA);
    let video = false;
    world.tell(ANA, Command::Call { contact, video });
    world.run(1);
    world.tell(ANA, Command::Lock);
    assert_eq!(world.view(ANA).phase, Phase::Locked);
    assert!(world.view(ANA).contacts.is_empty());
    assert!(world.people[ANA].events.contains(&Event::Locked));
    world.run_ms(50);
    assert!(world.live_links(ANA).is_empty());
    assert_eq!(world.links.capture, None);
    world.run(2);
    world.say(BEN, "while locked");
    world.run(2);
    world.unlock(ANA);
    world.run(2);
    assert_eq!(world.received(ANA), ["before", "while locked"]);
    assert!(
        world
            .call(BEN)
            .is_none_or(|call| matches!(call.stage, crate::CallStage::Ended { .. }))
    );
}

#[test]
fn a_link_opened_after_unlocking_has_a_name_of_its_own() {
    let mut world = World::friends(1);
    let contact = world.friend(ANA);
    let video = false;
    world.tell(ANA, Command::Call { contact, video });
    world.run(1);
    let before = world.live_links(ANA);
    world.tell(ANA, Command::Lock);
    world.unlock(ANA);
    world.run(2);
    world.tell(ANA, Command::Call { contact, video });
    world.run(1);
    let after = world.live_links(ANA);
    assert_eq!((before.len(), after.len()), (1, 1));
    assert_ne!(before, after);
}

#[test]
fn a_command_before_unlocking_does_nothing() {
    let mut world = World::friends(1);
    let contact = world.friend(ANA);
    world.reload(ANA);
    let text = "planted early".to_owned();
    world.tell(ANA, Command::SendText { contact, text });
    world.tell(ANA, Command::HangUp);
    world.unlock(ANA);
    world.run(1);
    assert!(world.texts(ANA).is_empty());
}

#[test]
fn the_socket_comes_back_after_the_node_was_away() {
    let mut world = World::strangers(1, 1);
    world.stop_node();
    world.run(1);
    assert_eq!(world.view(ANA).node, NodeState::Offline);
    world.run(60);
    world.start_node();
    world.run(25);
    assert_eq!(world.view(ANA).node, NodeState::Online);
}

#[test]
fn a_network_that_came_back_is_looked_at_at_once() {
    let mut world = World::strangers(1, 1);
    world.stop_node();
    world.run(60);
    world.start_node();
    world.tell(ANA, Command::NetworkChanged);
    world.run(1);
    assert_eq!(world.view(ANA).node, NodeState::Online);
}

#[test]
fn a_socket_that_answers_nothing_is_given_up() {
    let mut world = World::strangers(1, 1);
    // The node forgets its sockets without closing them.
    world.node.stop();
    world.node.outbox.clear();
    world.run(40);
    assert_eq!(world.view(ANA).node, NodeState::Offline);
    world.start_node();
    world.run(25);
    assert!(world.is_online(ANA));
}

#[test]
fn devices_are_listed_renamed_and_revoked() {
    let mut world = World::strangers(1, 1);
    world.tell(ANA, Command::RefreshDevices);
    world.run(1);
    let devices = world.view(ANA).devices.unwrap();
    assert_eq!(devices.len(), 1);
    assert!(devices[0].current);
    assert_eq!(devices[0].label, "planted device");
    let device = devices[0].id;
    let label = "planted laptop".to_owned();
    world.tell(ANA, Command::RenameDevice { device, label });
    world.run(1);
    assert_eq!(world.view(ANA).devices.unwrap()[0].label, "planted laptop");
    world.tell(ANA, Command::RevokeDevice { device });
    world.run(1);
    assert_eq!(world.view(ANA).node, NodeState::Revoked);
    assert!(world.heard(ANA, &Notice::DeviceRevoked));
}

fn device_of(world: &mut World, who: usize) -> DeviceId {
    world.inside(who, |client, _, _| client.account.device)
}

#[test]
fn a_revoked_device_does_not_come_back() {
    let mut world = World::strangers(1, 1);
    let device = device_of(&mut world, ANA);
    world.with_node(|node| node.revoke_device(device));
    world.run(1);
    assert_eq!(world.view(ANA).node, NodeState::Revoked);
    let before = world.people[ANA].requests;
    world.tell(ANA, Command::NetworkChanged);
    world.run(120);
    assert_eq!(world.view(ANA).node, NodeState::Revoked);
    assert_eq!(world.people[ANA].requests, before);
}

#[test]
fn a_device_revoked_while_away_hears_of_it() {
    let mut world = World::strangers(1, 1);
    let device = device_of(&mut world, ANA);
    world.reload(ANA);
    world.with_node(|node| node.revoke_device(device));
    world.unlock(ANA);
    world.run(30);
    assert_eq!(world.view(ANA).node, NodeState::Revoked);
    assert!(world.heard(ANA, &Notice::DeviceRevoked));
}

#[test]
fn a_full_store_lets_nothing_leave_and_recovers() {
    let mut world = World::friends(1);
    world.run(2);
    world.people[ANA].store = Store::Full;
    let before = world.people[ANA].requests;
    world.say(ANA, "waits");
    world.run(60);
    assert!(world.heard(ANA, &Notice::StoreFull));
    assert_eq!(world.people[ANA].requests, before);
    assert_eq!(world.deliveries(ANA), [Delivery::Queued]);
    world.people[ANA].store = Store::Works;
    world.run(10);
    assert_eq!(world.received(BEN), ["waits"]);
    assert_eq!(world.deliveries(ANA), [Delivery::Delivered]);
}

#[test]
fn a_store_that_hangs_lets_nothing_leave() {
    let mut world = World::friends(1);
    world.run(2);
    world.people[ANA].store = Store::Hangs;
    let before = world.people[ANA].requests;
    world.say(ANA, "never stored");
    world.run(60);
    assert_eq!(world.people[ANA].requests, before);
    assert!(world.received(BEN).is_empty());
}

#[test]
fn an_hour_without_a_store_does_not_pile_up_what_is_to_be_done() {
    let mut world = World::friends(1);
    world.people[ANA].store = Store::Full;
    for _ in 0..60 {
        world.say(BEN, "knock");
        world.run(60);
    }
    let waiting = world.inside(ANA, |_, base, _| base.waiting_transmits());
    assert!(waiting < 400, "{waiting}");
    world.people[ANA].store = Store::Works;
    world.run(90);
    assert_eq!(world.received(ANA).len(), 60);
    assert!(world.is_online(ANA));
}

#[test]
fn a_new_name_reaches_the_contacts() {
    let mut world = World::friends(1);
    let name = "planted Anna".to_owned();
    let picture = None;
    world.tell(ANA, Command::SetProfile { name, picture });
    world.run(2);
    assert_eq!(world.contact(BEN).own_name, "planted Anna");
    assert_eq!(world.contact(BEN).picture, None);
    world.restart(BEN);
    assert_eq!(world.contact(BEN).own_name, "planted Anna");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let story = || {
        let mut world = World::friends(7);
        world.trouble.spread = 400;
        world.say(ANA, "one");
        world.say(BEN, "two");
        world.run(3);
        // The session draws randomness of its own: bytes differ, everything else does not.
        let record = world.node.record.iter();
        let sizes: Vec<usize> = record.map(|(_, bytes)| bytes.len()).collect();
        (sizes, world.texts(ANA), world.texts(BEN), world.now)
    };
    assert_eq!(story(), story());
}

#[test]
fn a_passphrase_that_could_not_be_stretched_leaves_the_vault_as_it_was() {
    let mut world = World::strangers(1, 1);
    world.reload(ANA);
    let now = world.now;
    let passphrase = Zeroizing::new(PASSPHRASE.to_owned());
    let endpoint = &mut world.people[ANA].endpoint;
    endpoint.handle_command(Command::Unlock { passphrase }, now);
    let Some(crate::Transmit::Stretch(job)) = endpoint.poll_transmit() else {
        panic!("a key is stretched");
    };
    endpoint.handle_stretched(job.id, None, now);
    assert_eq!(world.view(ANA).phase, Phase::Locked);
    world.unlock(ANA);
}

#[test]
fn who_deletes_their_account_leaves_nothing_here_nor_at_the_node_and_nobody_waiting() {
    let mut world = World::friends(1);
    world.say(ANA, "this is my last word");
    world.invite(ANA);
    let (accounts, mailboxes) = (world.node.accounts(), world.node.mailboxes());
    let parked = world.node.parked();
    assert!(parked > 0);
    world.tell(ANA, Command::DeleteAccount);
    world.run(5);
    assert_eq!(world.view(ANA).phase, Phase::Fresh);
    assert!(world.people[ANA].records.is_empty());
    assert_eq!(world.contact(BEN).state, ContactState::Closed);
    assert_eq!(world.received(BEN), ["this is my last word"]);
    assert!(!world.heard(ANA, &Notice::DeviceRevoked));
    assert_eq!(world.node.accounts(), accounts - 1);
    assert_eq!(world.node.parked(), parked - 1);
    assert!(world.node.mailboxes() < mailboxes);
    world.onboard(ANA);
    assert!(world.view(ANA).contacts.is_empty());
}

#[test]
fn an_account_cannot_be_deleted_while_its_node_is_away() {
    let mut world = World::friends(1);
    world.stop_node();
    world.run(40);
    world.tell(ANA, Command::DeleteAccount);
    assert!(world.heard(ANA, &Notice::NodeUnreachable));
    assert_eq!(world.contact(ANA).state, ContactState::Active);
}

#[test]
fn a_node_that_has_dropped_the_session_unnoticed_still_deletes_the_account() {
    let mut world = World::friends(1);
    let accounts = world.node.accounts();
    world.node.drop_sessions();
    world.tell(ANA, Command::DeleteAccount);
    world.run(11);
    // It was asked, and knew nobody by this bearer.
    assert_eq!(world.view(ANA).phase, Phase::Ready);
    assert!(!world.people[ANA].records.is_empty());
    world.until(|world| world.view(ANA).phase == Phase::Fresh);
    world.run(1);
    assert_eq!(world.node.accounts(), accounts - 1);
    assert!(world.people[ANA].records.is_empty());
}

#[test]
fn a_deletion_whose_answer_is_lost_ends_when_the_node_knows_the_device_no_more() {
    let mut world = World::friends(1);
    let accounts = world.node.accounts();
    world.trouble.lost_answers = 100;
    world.tell(ANA, Command::DeleteAccount);
    world.until(|world| world.view(ANA).phase == Phase::Fresh);
    world.run(1);
    assert_eq!(world.node.accounts(), accounts - 1);
    assert!(world.people[ANA].records.is_empty());
}

#[test]
fn last_words_that_a_mailbox_puts_off_are_said_again_before_everything_is_forgotten() {
    let mut world = World::friends(1);
    world.node.full = true;
    world.tell(ANA, Command::DeleteAccount);
    world.run(3);
    assert_eq!(world.view(ANA).phase, Phase::Ready);
    world.node.full = false;
    world.run(4);
    assert_eq!(world.view(ANA).phase, Phase::Fresh);
    assert_eq!(world.contact(BEN).state, ContactState::Closed);
}
