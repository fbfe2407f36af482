// SPDX-License-Identifier: MIT OR Apache-2.0
//! Invitations, joining, approval, parting.

use hither_api::{InvitationId, MailboxId, link::Link};
use hither_sansio::Duration;

use super::node::ORIGIN;
use super::world::{ANA, BEN, CARA, World};
use crate::{Command, ContactState, Delivery, InvitationState, JoinStage, NodeState, Notice};

fn problem(world: &World, who: usize) -> Option<Notice> {
    world.view(who).joining.and_then(|joining| joining.problem)
}

fn heard_replay(world: &World, who: usize) -> bool {
    let replayed = Notice::InvitationReplayed {
        note: "planted note".into(),
    };
    world.heard(who, &replayed)
}

fn states(world: &World, who: usize) -> Vec<ContactState> {
    let contacts = world.view(who).contacts;
    contacts.into_iter().map(|contact| contact.state).collect()
}

fn swap_words(words: &str) -> String {
    let mut list: Vec<&str> = words.split(' ').collect();
    let other = (1..list.len()).find(|index| list[*index] != list[0]);
    list.swap(0, other.unwrap());
    list.join(" ")
}

#[test]
fn an_invitation_makes_two_contacts_with_one_safety_number() {
    let mut world = World::strangers(2, 1);
    let invitation = world.invite(ANA);
    world.join(BEN, &invitation);
    assert_eq!(states(&world, BEN), [ContactState::AwaitsApproval]);
    assert_eq!(states(&world, ANA), [ContactState::WantsApproval]);
    let contact = world.friend(ANA);
    assert!(world.heard(ANA, &Notice::ApprovalWanted { contact }));
    assert_eq!(world.contact(ANA).own_name, "planted Ben");
    let note = world.contact(ANA).invited_as;
    assert_eq!(note.as_deref(), Some("planted note"));
    world.approve_all(ANA);
    world.run(3);
    let (ana, ben) = (world.contact(ANA), world.contact(BEN));
    assert_eq!(ana.state, ContactState::Active);
    assert_eq!(ben.state, ContactState::Active);
    assert_eq!(ben.own_name, "planted Ana");
    assert_eq!(ana.safety_number, ben.safety_number);
    assert_eq!(ana.category, "Friends");
    assert_eq!(ana.safety_number.split(' ').count(), 12);
    assert!(world.heard(BEN, &Notice::ContactConfirmed { contact: ben.id }));
    assert!(world.view(ANA).invitations.is_empty());
    assert_eq!(world.node.parked(), 0, "used, so taken back");
    assert!(world.view(BEN).joining.is_none());
    world.assert_untroubled();
}

#[test]
fn both_sides_refresh_the_session_after_they_have_met() {
    let mut world = World::strangers(2, 1);
    world.befriend(ANA, BEN);
    world.run(3);
    for who in [ANA, BEN] {
        let epoch = world.inside(who, |client, _, _| {
            let contact = client.contacts.values().next().unwrap();
            contact.stored.current.epoch
        });
        assert_eq!(epoch, 3, "join, M2's commit, M3's commit");
    }
    assert_eq!(world.node.waiting(), 0, "everything was fetched");
}

#[test]
fn a_wrong_word_is_named_with_its_neighbour() {
    let mut world = World::strangers(2, 1);
    let (link, words) = world.invite(ANA);
    world.open(BEN, &link);
    let (_, rest) = words.split_once(' ').unwrap();
    world.enter(BEN, &format!("abandonn {rest}"));
    assert_eq!(
        problem(&world, BEN),
        Some(Notice::CodeUnknownWord {
            position: 1,
            nearest: Some("abandon".into())
        })
    );
    world.enter(BEN, "abandon");
    assert_eq!(
        problem(&world, BEN),
        Some(Notice::CodeWordCount { found: 1 })
    );
    world.enter(BEN, &words);
    assert_eq!(states(&world, BEN), [ContactState::AwaitsApproval]);
}

#[test]
fn swapped_words_are_told_and_the_right_order_works_afterwards() {
    let mut world = World::strangers(2, 1);
    let (link, words) = world.invite(ANA);
    world.open(BEN, &link);
    world.enter(BEN, &swap_words(&words));
    let told = problem(&world, BEN);
    assert!(
        matches!(told, Some(Notice::CodeChecksum | Notice::CodeWrong)),
        "{told:?}"
    );
    world.enter(BEN, &words);
    assert_eq!(states(&world, BEN), [ContactState::AwaitsApproval]);
}

#[test]
fn the_code_of_another_invitation_does_not_open_this_one() {
    let mut world = World::strangers(2, 1);
    let (link, words) = world.invite(ANA);
    let (_, other) = world.invite(ANA);
    assert_ne!(words, other);
    world.open(BEN, &link);
    world.enter(BEN, &other);
    assert_eq!(problem(&world, BEN), Some(Notice::CodeWrong));
    assert!(states(&world, ANA).is_empty());
    world.enter(BEN, &words);
    assert_eq!(states(&world, BEN), [ContactState::AwaitsApproval]);
}

#[test]
fn a_link_to_nothing_is_gone() {
    let mut world = World::strangers(1, 1);
    let link = Link::Invitation {
        origin: ORIGIN.into(),
        invitation: InvitationId::from_bytes([7; 32]),
        registration: None,
    };
    world.open(ANA, &link);
    assert_eq!(problem(&world, ANA), Some(Notice::InvitationGone));
}

#[test]
fn a_link_whose_node_is_away_can_be_opened_again() {
    let mut world = World::strangers(2, 1);
    let invitation = world.invite(ANA);
    world.stop_node();
    world.open(BEN, &invitation.0);
    assert_eq!(problem(&world, BEN), Some(Notice::NodeUnreachable));
    world.start_node();
    world.join(BEN, &invitation);
    assert_eq!(states(&world, BEN), [ContactState::AwaitsApproval]);
}

#[test]
fn a_file_works_like_a_link() {
    let mut world = World::strangers(2, 1);
    let (_, words) = world.invite(ANA);
    let blob = world.view(ANA).invitations[0].blob.to_vec();
    world.tell(BEN, Command::OpenFile { blob });
    world.enter(BEN, &words);
    world.approve_all(ANA);
    world.run(3);
    assert_eq!(states(&world, BEN), [ContactState::Active]);
}

#[test]
fn a_file_that_is_no_invitation_is_malformed() {
    for blob in [Vec::new(), vec![1; 40], vec![0; 70_000]] {
        let mut world = World::strangers(1, 1);
        world.tell(ANA, Command::OpenFile { blob });
        let told = problem(&world, ANA);
        assert_eq!(told, Some(Notice::InvitationMalformed));
    }
}

#[test]
fn ones_own_invitation_is_recognised() {
    let mut world = World::strangers(1, 1);
    let invitation = world.invite(ANA);
    world.join(ANA, &invitation);
    assert_eq!(problem(&world, ANA), Some(Notice::InvitationOwn));
    assert!(states(&world, ANA).is_empty());
}

#[test]
fn an_expired_invitation_is_refused_by_file_and_gone_by_link() {
    let mut world = World::strangers(2, 1);
    let (link, words) = world.invite(ANA);
    let blob = world.view(ANA).invitations[0].blob.to_vec();
    let later = world.now.unix + Duration::from_secs(8 * 86_400);
    world.calendar_jumps(later);
    world.run(60);
    assert!(world.view(ANA).invitations.is_empty());
    world.open(BEN, &link);
    assert_eq!(problem(&world, BEN), Some(Notice::InvitationGone));
    world.tell(BEN, Command::OpenFile { blob });
    world.enter(BEN, &words);
    assert_eq!(problem(&world, BEN), Some(Notice::InvitationExpired));
}

#[test]
fn a_withdrawn_invitation_is_gone() {
    let mut world = World::strangers(2, 1);
    let (link, _) = world.invite(ANA);
    let invitation = world.view(ANA).invitations[0].id;
    let mailboxes = world.node.mailboxes();
    world.tell(ANA, Command::WithdrawInvitation { invitation });
    world.run(1);
    assert!(world.view(ANA).invitations.is_empty());
    assert_eq!(world.node.mailboxes(), mailboxes - 1);
    world.open(BEN, &link);
    assert_eq!(problem(&world, BEN), Some(Notice::InvitationGone));
}

#[test]
fn an_invitation_withdrawn_while_the_node_is_away_is_gone_when_it_returns() {
    let mut world = World::strangers(2, 1);
    let (link, _) = world.invite(ANA);
    let mailboxes = world.node.mailboxes();
    world.stop_node();
    world.run(1);
    let invitation = world.view(ANA).invitations[0].id;
    world.tell(ANA, Command::WithdrawInvitation { invitation });
    world.run(2);
    world.restart(ANA);
    world.start_node();
    world.run(30);
    world.open(BEN, &link);
    assert_eq!(problem(&world, BEN), Some(Notice::InvitationGone));
    assert_eq!(world.node.mailboxes(), mailboxes - 1);
}

#[test]
fn an_invitation_made_offline_is_a_file_first_and_a_link_later() {
    let mut world = World::strangers(2, 1);
    world.stop_node();
    world.run(1);
    world.tell(
        ANA,
        Command::CreateInvitation {
            note: String::new(),
            category: String::new(),
            with_registration: false,
        },
    );
    world.run(1);
    let state = |world: &World| world.view(ANA).invitations[0].state;
    assert_eq!(state(&world), InvitationState::FileOnly);
    world.restart(ANA);
    world.start_node();
    world.run(30);
    assert_eq!(state(&world), InvitationState::Ready);
    let invitation = world.invitation(ANA);
    world.join(BEN, &invitation);
    assert_eq!(states(&world, ANA), [ContactState::WantsApproval]);
}

#[test]
fn parking_whose_answer_was_lost_still_ends_with_a_working_link() {
    let mut world = World::strangers(2, 1);
    world.trouble.lost_answers = 100;
    world.tell(
        ANA,
        Command::CreateInvitation {
            note: String::new(),
            category: String::new(),
            with_registration: false,
        },
    );
    world.run(2);
    let state = |world: &World| world.view(ANA).invitations[0].state;
    assert_eq!(state(&world), InvitationState::FileOnly);
    world.trouble.lost_answers = 0;
    world.restart(ANA);
    world.run(2);
    assert_eq!(state(&world), InvitationState::Ready);
    let invitation = world.invitation(ANA);
    world.join(BEN, &invitation);
    assert_eq!(states(&world, BEN), [ContactState::AwaitsApproval]);
}

#[test]
fn an_invitation_with_registration_lets_a_newcomer_in() {
    let mut world = World::strangers(1, 1);
    world.tell(
        ANA,
        Command::CreateInvitation {
            note: String::new(),
            category: String::new(),
            with_registration: true,
        },
    );
    world.run(2);
    let (link, _) = world.invitation(ANA);
    let Link::Invitation { registration, .. } = link else {
        panic!("an invitation");
    };
    assert!(registration.is_some());
}

#[test]
fn a_member_may_not_let_others_in() {
    let mut world = World::strangers(1, 1);
    world.inside(ANA, |client, _, _| {
        client.node.role = hither_api::Role::Member;
    });
    let (note, category) = (String::new(), String::new());
    world.tell(
        ANA,
        Command::CreateInvitation {
            note,
            category,
            with_registration: true,
        },
    );
    assert!(world.heard(ANA, &Notice::MayNotRegisterOthers));
    assert!(world.view(ANA).invitations.is_empty());
}

#[test]
fn the_inviter_may_be_away_and_first_messages_wait_for_approval() {
    let mut world = World::strangers(2, 1);
    let invitation = world.invite(ANA);
    world.leave(ANA);
    world.join(BEN, &invitation);
    world.say(BEN, "it is me");
    world.say(BEN, "are you there?");
    world.run(5);
    assert_eq!(world.deliveries(BEN), [Delivery::Sent, Delivery::Sent]);
    world.unlock(ANA);
    world.run(3);
    assert_eq!(states(&world, ANA), [ContactState::WantsApproval]);
    assert_eq!(world.received(ANA), ["it is me", "are you there?"]);
    world.approve_all(ANA);
    world.run(3);
    assert_eq!(states(&world, BEN), [ContactState::Active]);
    world.say(ANA, "welcome");
    world.run(2);
    assert_eq!(world.received(BEN), ["welcome"]);
    assert!(!heard_replay(&world, ANA));
    world.assert_untroubled();
}

#[test]
fn nobody_learns_that_they_were_read_before_they_are_approved() {
    let mut world = World::strangers(2, 1);
    let invitation = world.invite(ANA);
    world.join(BEN, &invitation);
    let contact = world.friend(ANA);
    world.tell(ANA, Command::OpenConversation { contact });
    world.say(BEN, "hello?");
    world.run(3);
    assert_ne!(world.deliveries(BEN), [Delivery::Read]);
    world.approve_all(ANA);
    world.run(3);
    assert_eq!(world.deliveries(BEN), [Delivery::Read]);
}

#[test]
fn a_stranger_cannot_call_before_approval() {
    let mut world = World::strangers(2, 1);
    let invitation = world.invite(ANA);
    world.join(BEN, &invitation);
    let contact = world.friend(BEN);
    let video = false;
    world.tell(BEN, Command::Call { contact, video });
    assert!(world.heard(BEN, &Notice::NotNow));
    // A client that does not keep to this is not heard either.
    world.inside(BEN, |client, base, now| {
        let contact = client.contacts.values_mut().next().unwrap();
        contact.stored.state = ContactState::Active;
        let id = contact.id;
        client.start_call(base, id, false, now);
    });
    world.run(3);
    assert!(world.call(ANA).is_none());
    assert!(world.live_links(ANA).is_empty());
}

#[test]
fn rejection_is_told_and_leaves_nothing() {
    let mut world = World::strangers(2, 1);
    let invitation = world.invite(ANA);
    world.join(BEN, &invitation);
    let contact = world.friend(ANA);
    world.tell(ANA, Command::Reject { contact });
    world.run(3);
    assert!(states(&world, ANA).is_empty());
    let contact = world.friend(BEN);
    assert!(world.heard(BEN, &Notice::ContactRejected { contact }));
    assert_eq!(states(&world, BEN), [ContactState::Closed]);
    let kept = world.inside(ANA, |_, base, _| base.names("contact/"));
    assert!(kept.is_empty());
}

#[test]
fn an_invitation_serves_once_and_the_inviter_hears_of_the_second_use() {
    let mut world = World::strangers(3, 1);
    let (link, words) = world.invite(ANA);
    let blob = world.view(ANA).invitations[0].blob.to_vec();
    world.join(BEN, &(link, words.clone()));
    world.approve_all(ANA);
    world.run(3);
    world.tell(CARA, Command::OpenFile { blob });
    world.enter(CARA, &words);
    world.run(15);
    assert!(heard_replay(&world, ANA));
    assert_eq!(states(&world, ANA), [ContactState::Active]);
    assert_eq!(states(&world, CARA), [ContactState::AwaitsApproval]);
    world.say(BEN, "still here");
    world.run(2);
    assert_eq!(world.received(ANA), ["still here"]);
}

#[test]
fn the_link_of_a_used_invitation_is_gone() {
    let mut world = World::strangers(3, 1);
    let invitation = world.invite(ANA);
    world.join(BEN, &invitation);
    world.run(1);
    world.open(CARA, &invitation.0);
    assert_eq!(problem(&world, CARA), Some(Notice::InvitationGone));
}

#[test]
fn an_answer_sent_twice_by_an_honest_client_is_no_second_use() {
    let mut world = World::strangers(2, 1);
    let invitation = world.invite(ANA);
    world.open(BEN, &invitation.0);
    world.trouble.lost_answers = 100;
    world.enter(BEN, &invitation.1);
    world.run(3);
    world.trouble.lost_answers = 0;
    world.run(10);
    assert_eq!(states(&world, ANA), [ContactState::WantsApproval]);
    assert!(!heard_replay(&world, ANA));
    world.approve_all(ANA);
    world.run(3);
    assert_eq!(states(&world, BEN), [ContactState::Active]);
}

#[test]
fn an_altered_or_swapped_parked_blob_is_refused() {
    let mut world = World::strangers(3, 1);
    let (link, words) = world.invite(ANA);
    world.node.alter_parked();
    world.join(BEN, &(link.clone(), words.clone()));
    assert_eq!(problem(&world, BEN), Some(Notice::CodeWrong));
    let (_, _) = world.invite(CARA);
    let other = world.view(CARA).invitations[0].blob.to_vec();
    world.node.swap_parked(&other);
    world.join(BEN, &(link, words));
    assert_eq!(problem(&world, BEN), Some(Notice::CodeWrong));
    assert!(states(&world, BEN).is_empty());
}

#[test]
fn rubbish_in_an_invitations_mailbox_is_refused_and_does_not_spend_it() {
    let mut world = World::strangers(2, 1);
    let invitation = world.invite(ANA);
    let mailbox = world.inside(ANA, |client, _, _| {
        let found = client.invitations.values().next().unwrap();
        MailboxId::from_bytes(found.inbox_mailbox())
    });
    for length in [0, 1, 100, 9_000] {
        world.with_node(|node| node.put(mailbox, vec![3; length]));
        world.run(1);
    }
    assert!(
        world
            .notices(ANA)
            .iter()
            .any(|notice| matches!(notice, Notice::JoinRefused { .. }))
    );
    world.join(BEN, &invitation);
    assert_eq!(states(&world, ANA), [ContactState::WantsApproval]);
}

#[test]
fn another_link_opened_meanwhile_replaces_the_first() {
    let mut world = World::strangers(3, 1);
    let first = world.invite(ANA);
    let second = world.invite(CARA);
    world.open(BEN, &first.0);
    let words = zeroize::Zeroizing::new(first.1.clone());
    let category = String::new();
    world.tell(BEN, Command::EnterCode { words, category });
    let link = second.0.clone();
    world.tell(BEN, Command::OpenLink { link });
    world.run(1);
    let stage = world.view(BEN).joining.unwrap().stage;
    assert_eq!(stage, JoinStage::NeedsCode);
    assert_eq!(problem(&world, BEN), None);
    world.enter(BEN, &second.1);
    assert_eq!(states(&world, CARA), [ContactState::WantsApproval]);
    assert!(states(&world, ANA).is_empty());
}

#[test]
fn a_cancelled_join_leaves_no_trace() {
    let mut world = World::strangers(2, 1);
    let invitation = world.invite(ANA);
    world.open(BEN, &invitation.0);
    let words = zeroize::Zeroizing::new(invitation.1.clone());
    let category = String::new();
    world.tell(BEN, Command::EnterCode { words, category });
    world.tell(BEN, Command::CancelJoin);
    world.run(2);
    assert!(world.view(BEN).joining.is_none());
    world.restart(BEN);
    assert!(world.view(BEN).joining.is_none());
    assert!(states(&world, BEN).is_empty());
    world.join(BEN, &invitation);
    assert_eq!(states(&world, BEN), [ContactState::AwaitsApproval]);
}

#[test]
fn an_invitation_waits_for_its_words_across_a_reload() {
    let mut world = World::strangers(2, 1);
    let (link, words) = world.invite(ANA);
    world.open(BEN, &link);
    world.restart(BEN);
    let joining = world.view(BEN).joining.expect("it waits");
    assert_eq!(joining.stage, JoinStage::NeedsCode);
    world.enter(BEN, &words);
    assert_eq!(states(&world, BEN), [ContactState::AwaitsApproval]);
    world.restart(BEN);
    assert!(world.view(BEN).joining.is_none());
}

#[test]
fn a_reload_in_the_middle_of_meeting_loses_nothing() {
    for moment in [5, 60, 120, 400] {
        let mut world = World::strangers(2, moment);
        let (link, words) = world.invite(ANA);
        world.open(BEN, &link);
        let words = zeroize::Zeroizing::new(words);
        let category = String::new();
        world.tell(
            BEN,
            Command::EnterCode {
                words: words.clone(),
                category,
            },
        );
        world.run_ms(moment);
        world.restart(BEN);
        world.restart(ANA);
        world.run(3);
        if states(&world, BEN).is_empty() {
            // It had not begun to count: the person types the code again.
            world.join(BEN, &(link, words.to_string()));
        }
        world.approve_all(ANA);
        world.run_ms(moment);
        world.restart(ANA);
        world.restart(BEN);
        world.run(5);
        assert_eq!(states(&world, ANA), [ContactState::Active], "{moment}");
        assert_eq!(states(&world, BEN), [ContactState::Active], "{moment}");
        world.say(ANA, "there");
        world.say(BEN, "and here");
        world.run(3);
        assert_eq!(world.received(BEN), ["there"]);
        assert_eq!(world.received(ANA), ["and here"]);
        world.assert_untroubled();
    }
}

#[test]
fn a_removed_contact_is_told_and_its_keys_are_gone() {
    let mut world = World::friends(1);
    world.say(ANA, "one last thing");
    let contact = world.friend(ANA);
    world.tell(ANA, Command::RemoveContact { contact });
    world.run(3);
    assert!(world.view(ANA).contacts.is_empty());
    let kept = world.inside(ANA, |_, base, _| base.names(""));
    assert_eq!(kept, ["account"]);
    assert_eq!(
        world.received(BEN),
        ["one last thing"],
        "the history remains"
    );
    let contact = world.friend(BEN);
    assert!(world.heard(BEN, &Notice::ContactClosed { contact }));
    assert_eq!(states(&world, BEN), [ContactState::Closed]);
    world.say(BEN, "nobody hears this");
    assert!(world.heard(BEN, &Notice::NotNow));
    assert_eq!(world.node.mailboxes(), 0);
    world.restart(BEN);
    world.run(3);
    assert_eq!(world.node.mailboxes(), 0);
    assert!(
        !world
            .notices(BEN)
            .iter()
            .any(|notice| matches!(notice, Notice::NodeRefused { .. }))
    );
}

#[test]
fn a_contact_removed_while_the_node_is_away_is_told_later() {
    let mut world = World::friends(1);
    world.stop_node();
    world.run(1);
    world.say(ANA, "written before");
    let contact = world.friend(ANA);
    world.tell(ANA, Command::RemoveContact { contact });
    world.run(3);
    world.restart(ANA);
    world.start_node();
    world.run(40);
    assert_eq!(states(&world, BEN), [ContactState::Closed]);
    assert_eq!(world.received(BEN), ["written before"]);
    let kept = world.inside(ANA, |_, base, _| base.names(""));
    assert_eq!(kept, ["account"]);
    assert_eq!(world.node.mailboxes(), 0);
}

#[test]
fn what_was_not_delivered_when_the_other_side_left_is_given_up() {
    let mut world = World::friends(1);
    world.leave(BEN);
    world.say(ANA, "too late");
    world.run(1);
    world.unlock(BEN);
    let contact = world.friend(BEN);
    world.tell(BEN, Command::RemoveContact { contact });
    world.run(3);
    let waiting = world.inside(ANA, |_, base, _| base.names("contact/"));
    assert!(!waiting.iter().any(|name| name.contains("/out/")));
    assert_eq!(world.view(ANA).node, NodeState::Online);
}

#[test]
fn categories_and_aliases_are_ones_own() {
    let mut world = World::friends(1);
    let contact = world.friend(ANA);
    let category = "planted family".to_owned();
    world.tell(ANA, Command::SetCategory { contact, category });
    let alias = "planted brother".to_owned();
    world.tell(ANA, Command::SetAlias { contact, alias });
    world.run(1);
    let shown = world.contact(ANA);
    assert_eq!(shown.name, "planted brother");
    assert_eq!(shown.category, "planted family");
    assert!(
        world
            .view(ANA)
            .categories
            .contains(&"planted family".to_owned())
    );
    assert_eq!(world.contact(BEN).name, "planted Ana");
    world.tell(
        ANA,
        Command::SetCategory {
            contact,
            category: "  ".into(),
        },
    );
    assert!(world.heard(ANA, &Notice::NameInvalid));
}

#[test]
fn after_approval_they_write_to_a_mailbox_that_no_invitation_names() {
    let mut world = World::friends(1);
    let (first, now) = world.inside(ANA, |client, _, _| {
        let stored = &client.contacts.values().next().unwrap().stored;
        (
            stored.first_inbox.clone().unwrap().mailbox,
            stored.inbox.mailbox,
        )
    });
    let written_to = world.inside(BEN, |client, _, _| {
        let stored = &client.contacts.values().next().unwrap().stored;
        stored.outbox.clone().unwrap().mailbox
    });
    assert_ne!(first, now);
    assert_eq!(written_to, now);
    world.say(BEN, "there you are");
    world.run(2);
    assert_eq!(world.received(ANA), ["there you are"]);
}

#[test]
fn once_the_invitation_has_expired_its_mailbox_goes() {
    let mut world = World::friends(1);
    world.run(8 * 86_400);
    world.restart(ANA);
    world.run(5);
    let kept = world.inside(ANA, |client, _, _| {
        let stored = &client.contacts.values().next().unwrap().stored;
        stored.first_inbox.is_some() || stored.spent.is_some()
    });
    assert!(!kept);
    world.say(BEN, "still there?");
    world.run(3);
    assert_eq!(world.received(ANA), ["still there?"]);
}

#[test]
fn an_invitation_of_another_node_is_refused_by_its_name() {
    let mut world = World::strangers(1, 1);
    let node = "https://elsewhere.example".to_owned();
    let link = Link::Invitation {
        origin: node.clone(),
        invitation: InvitationId::from_bytes([1; 32]),
        registration: None,
    };
    world.tell(ANA, Command::OpenLink { link });
    assert!(world.heard(ANA, &Notice::InvitationElsewhere { node }));
    assert!(world.view(ANA).joining.is_none());
}

#[test]
fn what_the_node_has_is_not_posted_again_after_a_reload() {
    let mut world = World::friends(1);
    world.leave(BEN);
    world.say(ANA, "when you are back");
    world.run(3);
    let waiting = world.with_node(|node| node.waiting());
    world.restart(ANA);
    world.run(5);
    let sync = 1;
    assert!(world.with_node(|node| node.waiting()) <= waiting + sync);
    world.restart(BEN);
    world.run(5);
    assert_eq!(world.received(BEN), ["when you are back"]);
}

#[test]
fn an_answer_that_never_left_is_given_up_when_its_invitation_has_expired() {
    let mut world = World::strangers(2, 1);
    let (link, words) = world.invite(ANA);
    world.open(BEN, &link);
    world.stop_node();
    world.enter(BEN, &words);
    assert_eq!(states(&world, BEN), [ContactState::AwaitsApproval]);
    let late = world.now.unix + Duration::from_secs(8 * 86_400);
    world.calendar_jumps(late);
    world.start_node();
    world.run(60);
    assert!(world.heard(BEN, &Notice::InvitationExpired));
    assert_eq!(states(&world, BEN), [ContactState::Closed]);
    let before = world.people[BEN].requests;
    world.run(2 * 3_600);
    assert_eq!(world.people[BEN].requests, before, "nothing is tried again");
}
