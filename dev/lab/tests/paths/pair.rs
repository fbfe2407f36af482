// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two people in their networks: acquainted, calling, and watched on the wire.

use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

use hither_lab::{Capture, Client, LabError, Person};

use super::expectation::{Best, Class};
use super::traffic::{Traffic, is_media};
use crate::place::{Outcome, Place, origin};

/// How long a network may need on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Pictures for which a path is watched.
const WATCHED: u64 = 30;

/// Packets of media that come with so many pictures, at the very least.
const MANY: usize = 40;

/// Somebody and the network they are in.
pub(super) struct Dweller {
    pub(super) person: Person,
    pub(super) client: Client,
    pub(super) class: Class,
    /// Where they reach the node.
    pub(super) node: IpAddr,
}

/// Makes two people contacts of each other: one invites, the other follows.
pub(super) fn acquaint(inviter: &Dweller, invited: &Dweller) -> Outcome {
    let (one, two) = (&inviter.person, &invited.person);
    let passed = one.invite(two.name(), false)?;
    // Who has no IPv4 opens the link at the node's other address.
    let link = passed
        .link
        .replace(&origin(inviter.node), &origin(invited.node));
    two.open_link(&link)?;
    two.type_words(&passed.words)?;
    one.approve()?;
    one.wait_for_contact(two.name())?;
    two.wait_for_contact(one.name())?;
    two.page().click("@join-write")
}

/// A call with picture and sound, seen and heard at both ends.
pub(super) fn call(caller: &Person, callee: &Person) -> Outcome {
    caller.talk_to(callee.name())?;
    callee.talk_to(caller.name())?;
    caller.call(true)?;
    callee.accept(true)?;
    for person in [caller, callee] {
        person.wait_for_call("active")?;
        person.sees()?;
        person.hears()?;
    }
    Ok(())
}

/// Ends it.
pub(super) fn hang_up(caller: &Person, callee: &Person) -> Outcome {
    caller.hang_up()?;
    caller.wait_for_end("hung-up")?;
    callee.wait_for_end("remote-hung-up")
}

/// A message each way.
pub(super) fn write_to_each_other(one: &Person, two: &Person) -> Outcome {
    for (from, to) in [(one, two), (two, one)] {
        let text = format!("From {} to {}.", from.name(), to.name());
        from.write(&text)?;
        to.wait_for_message(&text)?;
    }
    Ok(())
}

/// The captures of one look at a call.
struct Look {
    clients: [Capture; 2],
    node: Capture,
    addresses: [IpAddr; 2],
}

impl Look {
    fn begin(place: &Place, pair: [&Dweller; 2]) -> Result<Self, LabError> {
        Ok(Self {
            clients: [pair[0].client.capture()?, pair[1].client.capture()?],
            node: place.host.capture()?,
            addresses: place.addresses(),
        })
    }

    /// What the two links have carried.
    fn traffic(&self) -> [Traffic; 2] {
        let of = |capture: &Capture| Traffic::of(&capture.packets(), &self.addresses);
        [of(&self.clients[0]), of(&self.clients[1])]
    }

    /// Packets of media at the node.
    fn at_node(&self) -> usize {
        let packets = self.node.packets();
        packets.iter().filter(|one| is_media(&one.head)).count()
    }
}

/// Waits until both say that the call goes this way, and makes sure that it does.
pub(super) fn goes(place: &Place, pair: [&Dweller; 2], best: Best) -> Outcome {
    let (word, name) = best.words();
    for one in pair {
        one.person.wait_for_route(word)?;
        one.person.page().click("@call-route-icon")?;
        one.person
            .page()
            .wait_for_text("@route-explanation", name)?;
        one.person.page().press("Escape")?;
        one.person.page().wait_until_gone("@route-explanation")?;
    }
    let look = Look::begin(place, pair)?;
    for one in pair {
        let before = one.person.media()?;
        one.person.wait_for_media(
            before,
            &format!("now.frames > before.frames + {WATCHED} || (now.frames < before.frames && now.frames > {WATCHED})"),
        )?;
    }
    let deadline = Instant::now() + PATIENCE;
    while !look
        .traffic()
        .into_iter()
        .all(|traffic| goes_well(traffic, best))
    {
        assert!(
            Instant::now() < deadline,
            "{best:?} and not otherwise: {:?}",
            look.traffic()
        );
        thread::sleep(Duration::from_millis(100));
    }
    match look.at_node() {
        at_node if at_node > 0 && best != Best::Relay => Err(LabError::Unexpected(format!(
            "{at_node} packets of media at the relay of a {word} call"
        ))),
        _ => Ok(()),
    }
}

/// Whether a client's media went this way, and no other. What the browser tries on other ways is not media, and what
/// it says to the node meanwhile is little.
fn goes_well(traffic: Traffic, best: Best) -> bool {
    let Traffic {
        same_network,
        direct,
        relayed,
        streamed,
    } = traffic;
    let at_node = relayed + streamed;
    match best {
        Best::SameNetwork => same_network >= MANY && direct + relayed == 0 && streamed < MANY / 2,
        Best::Direct => direct >= MANY && same_network + relayed == 0 && streamed < MANY / 2,
        Best::Relay => at_node >= MANY && direct + same_network == 0,
    }
}
