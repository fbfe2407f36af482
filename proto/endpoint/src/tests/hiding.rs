// SPDX-License-Identifier: MIT OR Apache-2.0
//! From whom this device's address is hidden: everybody, a category, a contact.

use super::calling::{both_active, call};
use super::world::{ANA, BEN, World};
use crate::hiding::{HIDING, Hiding};
use crate::{CallStage, Command, Notice, RelayOnly};

fn file_under(world: &mut World, who: usize, category: &str) {
    let contact = world.friend(who);
    let category = category.to_owned();
    world.tell(who, Command::SetCategory { contact, category });
}

fn rule(world: &mut World, who: usize, category: &str, relay_only: bool) {
    let category = category.to_owned();
    world.tell(
        who,
        Command::SetCategoryRelayOnly {
            category,
            relay_only,
        },
    );
}

fn own_word(world: &mut World, who: usize, relay_only: RelayOnly) {
    let contact = world.friend(who);
    world.tell(
        who,
        Command::SetRelayOnly {
            contact,
            relay_only,
        },
    );
}

/// The policy of the main link, as the host was last told it.
fn is_relayed(world: &World, who: usize) -> bool {
    let owner = (who, world.people[who].run);
    world.links.of(owner)[0].1.ice.relay_only
}

#[test]
fn everybody_comes_before_the_contact_and_the_contact_before_the_category() {
    use RelayOnly::{Always, Inherit, Never};
    for (everybody, category, own, hidden) in [
        (false, false, Inherit, false),
        (false, false, Always, true),
        (false, false, Never, false),
        (false, true, Inherit, true),
        (false, true, Always, true),
        (false, true, Never, false),
        (true, false, Inherit, true),
        (true, false, Always, true),
        (true, true, Never, true),
    ] {
        let mut world = World::friends(1);
        file_under(&mut world, ANA, "Work");
        rule(&mut world, ANA, "Work", category);
        own_word(&mut world, ANA, own);
        let relay_only = everybody;
        world.tell(ANA, Command::SetRelayForAll { relay_only });
        let contact = world.contact(ANA);
        assert_eq!(
            contact.hidden, hidden,
            "{everybody} {category} {own:?} {contact:?}"
        );
        assert_eq!(contact.relay_only, own);
    }
}

#[test]
fn a_category_hides_the_address_in_calls_and_survives_a_reload() {
    let mut world = World::friends(1);
    file_under(&mut world, BEN, "Work");
    rule(&mut world, BEN, "Work", true);
    world.run(1);
    world.restart(BEN);
    world.run(1);
    assert_eq!(world.view(BEN).relay_only_categories, ["Work"]);
    call(&mut world, ANA, false);
    world.until_stage(BEN, |stage| stage == CallStage::Ringing);
    world.tell(BEN, Command::AcceptCall { video: false });
    both_active(&mut world);
    world.run(3);
    assert!(is_relayed(&world, BEN) && !is_relayed(&world, ANA));
}

#[test]
fn a_rule_is_followed_by_a_call_that_is_under_way() {
    let mut world = World::friends(1);
    file_under(&mut world, BEN, "Work");
    call(&mut world, ANA, false);
    world.until_stage(BEN, |stage| stage == CallStage::Ringing);
    world.tell(BEN, Command::AcceptCall { video: false });
    both_active(&mut world);
    world.run(3);
    assert!(!is_relayed(&world, BEN));
    rule(&mut world, BEN, "Work", true);
    world.run(3);
    assert!(is_relayed(&world, BEN));
    // So is moving to another category.
    file_under(&mut world, BEN, "Home");
    world.run(3);
    assert!(!is_relayed(&world, BEN));
    world.assert_untroubled();
}

#[test]
fn a_rule_waits_for_those_who_come_back_to_its_category() {
    let mut world = World::friends(1);
    file_under(&mut world, ANA, "Work");
    rule(&mut world, ANA, "Work", true);
    file_under(&mut world, ANA, "Home");
    assert!(!world.contact(ANA).hidden);
    assert!(
        world.view(ANA).relay_only_categories.is_empty(),
        "nobody is in it"
    );
    file_under(&mut world, ANA, "Work");
    assert!(world.contact(ANA).hidden);
    rule(&mut world, ANA, "Work", false);
    assert!(!world.contact(ANA).hidden);
}

#[test]
fn there_is_no_rule_for_a_category_that_nobody_is_in() {
    let mut world = World::friends(1);
    rule(&mut world, ANA, "Nowhere", true);
    assert!(world.heard(ANA, &Notice::NotNow));
    file_under(&mut world, ANA, "Nowhere");
    assert!(!world.contact(ANA).hidden);
}

#[test]
fn what_was_a_yes_or_no_means_the_same_as_before() {
    for (before, now) in [(false, RelayOnly::Inherit), (true, RelayOnly::Always)] {
        let bytes = postcard::to_allocvec(&before).unwrap();
        let read: RelayOnly = postcard::from_bytes(&bytes).unwrap();
        assert_eq!(read, now);
    }
}

#[test]
fn rules_that_cannot_be_read_hide_until_one_is_made_anew() {
    let mut world = World::friends(1);
    world.inside(ANA, |client, base, _| {
        base.delete(HIDING);
        client.hiding = Hiding::restore(&[1, 0xff, 0xff]);
        assert!(client.hiding.is_damaged());
    });
    assert!(world.contact(ANA).hidden);
    let category = world.contact(ANA).category;
    rule(&mut world, ANA, &category, false);
    assert!(!world.contact(ANA).hidden);
}
