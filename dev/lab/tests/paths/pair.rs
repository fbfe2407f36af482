// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two people in their networks: acquainted, calling, and watched on the wire.

use std::time::{Duration, Instant};

use hither_lab::{Client, LabError, Person};

use super::expectation::{Best, Class};
use super::traffic::{Traffic, is_media};
use crate::place::{Outcome, Place};

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
}

/// Makes two people contacts of each other: one invites, the other follows.
pub(super) fn acquaint(one: &Person, two: &Person) -> Outcome {
    let passed = one.invite(two.name(), false)?;
    two.open_link(&passed.link)?;
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

/// Waits until both say that the call goes this way, and until their packets do: for a while, all of them.
pub(super) fn goes(place: &Place, pair: [&Dweller; 2], best: Best) -> Outcome {
    for one in pair {
        says(&one.person, best)?;
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        // A machine that has no time for a while looks like a path that is lost, and the spare one is taken.
        let seen = Seen::of(place, pair)?;
        if seen.is(best) {
            return Ok(());
        }
        if Instant::now() > deadline {
            let words = format!("{best:?} and not otherwise: {seen:?}");
            return Err(LabError::Unexpected(words));
        }
    }
}

/// The icon and what it explains.
fn says(person: &Person, best: Best) -> Outcome {
    let (word, name) = best.words();
    person.wait_for_route(word)?;
    let page = person.page();
    page.click("@call-route-icon")?;
    page.wait_for_text("@route-explanation", name)?;
    page.press("Escape")?;
    page.wait_until_gone("@route-explanation")
}

/// What the links have carried while pictures came at both ends.
#[derive(Debug)]
struct Seen {
    clients: [Traffic; 2],
    /// Packets of media at the node.
    at_node: usize,
}

impl Seen {
    fn of(place: &Place, pair: [&Dweller; 2]) -> Result<Self, LabError> {
        let captures = [pair[0].client.capture()?, pair[1].client.capture()?];
        let node = place.host.capture()?;
        for one in pair {
            let before = one.person.media()?;
            // A connection that was closed meanwhile takes its count along.
            one.person.wait_for_media(
                before,
                &format!("now.frames > before.frames + {WATCHED} || now.frames < before.frames"),
            )?;
        }
        let addresses = place.addresses();
        let packets = node.packets();
        Ok(Self {
            clients: captures.map(|capture| Traffic::of(&capture.packets(), &addresses)),
            at_node: packets.iter().filter(|one| is_media(&one.head)).count(),
        })
    }

    fn is(&self, best: Best) -> bool {
        let [one, two] = self.clients.map(|traffic| goes_well(traffic, best));
        one && two && (best == Best::Relay || self.at_node == 0)
    }
}

/// Whether a client's media went this way, and no other. What the browser tries on other ways is not media, and what
/// it says to the node meanwhile, the link kept in reserve included, is little.
fn goes_well(traffic: Traffic, best: Best) -> bool {
    let Traffic {
        same_network,
        direct,
        relayed,
        streamed,
    } = traffic;
    let little = 4 * streamed < same_network + direct;
    match best {
        Best::SameNetwork => same_network >= MANY && direct + relayed == 0 && little,
        Best::Direct => direct >= MANY && same_network + relayed == 0 && little,
        Best::Relay => relayed + streamed >= MANY && direct + same_network == 0,
    }
}
