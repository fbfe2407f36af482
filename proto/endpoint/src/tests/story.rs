// SPDX-License-Identifier: MIT OR Apache-2.0
//! The whole story, short: onboarding, invitation, texts, a call, a reload.

use super::world::{ANA, BEN, World};
use crate::{CallStage, Command, ContactState, Delivery};

#[test]
fn two_people_meet_write_and_call() {
    let mut world = World::new(2, 1);
    world.onboard(ANA);
    world.onboard(BEN);
    let invitation = world.invite(ANA);
    world.join(BEN, &invitation);
    world.approve_all(ANA);
    world.run(3);
    assert_eq!(world.contact(BEN).state, ContactState::Active);
    world.say(ANA, "hello Ben");
    world.run(2);
    assert_eq!(world.received(BEN), ["hello Ben"]);
    assert_eq!(world.deliveries(ANA), [Delivery::Delivered]);
    let contact = world.friend(ANA);
    let video = true;
    world.tell(ANA, Command::Call { contact, video });
    world.until_stage(BEN, |stage| stage == CallStage::Ringing);
    world.tell(BEN, Command::AcceptCall { video });
    for who in [ANA, BEN] {
        world.until_stage(who, |stage| matches!(stage, CallStage::Active { .. }));
    }
    world.run(1);
    world.restart(BEN);
    world.until_stage(BEN, |stage| matches!(stage, CallStage::Active { .. }));
    world.say(BEN, "hello Ana");
    world.run(2);
    assert_eq!(world.received(ANA), ["hello Ben", "hello Ana"][1..]);
    world.assert_untroubled();
}
