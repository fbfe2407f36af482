// SPDX-License-Identifier: MIT OR Apache-2.0
//! A node that reads, alters and repeats: what it carries tells it nothing, and what it makes up is refused.

use std::net::{Ipv4Addr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use hither_lab::{LabError, Meddler, Node, NodeConfig, PASSPHRASE, Person, PersonConfig, Tap};

use super::pair::{Outcome, Pair, arrive_as_owner_at, arrive_invited, turn};

/// Something that stands out, wherever it is.
const TEXT: &str = "marker-text that nobody in between may read";

#[test]
fn an_invitation_that_was_swapped_does_not_open_and_the_right_one_still_does() -> Outcome {
    let _turn = turn();
    let (node, meddler) = meddled("swapped")?;
    let ana = arrive_as_owner_at(&meddler.url(""), &node)?;
    let first = ana.invite("first", true)?;
    let second = ana.invite("second", false)?;

    meddler.swap(Some((place(&first.link), place(&second.link))));
    let ben = Person::arrive("Ben", &first.link, PersonConfig::default())?;
    ben.onboard()?;
    ben.type_words(&first.words)?;
    let said = ben.wait_for_words("code-wrong")?;
    assert!(said.contains("do not open this invitation"), "{said}");

    meddler.swap(None);
    ben.page().reload()?;
    ben.unlock()?;
    ben.discard_invitation()?;
    ben.open_link(&first.link)?;
    ben.type_words(&first.words)?;
    ana.approve()?;
    ben.wait_for_contact("Ana")
}

#[test]
fn an_invitation_that_two_people_answer_lets_in_the_first_only_and_the_inviter_is_told() -> Outcome
{
    let _turn = turn();
    let (node, meddler) = meddled("twice")?;
    let ana = arrive_as_owner_at(&meddler.url(""), &node)?;
    let for_ben = ana.invite("for Ben", true)?;
    let ben = Person::arrive("Ben", &for_ben.link, PersonConfig::default())?;
    ben.onboard()?;
    ben.type_words(&for_ben.words)?;
    ana.approve()?;
    ben.wait_for_contact("Ana")?;

    // The node has kept what it should have forgotten, and somebody has overheard the words.
    meddler.hand_out_used_invitations();
    let for_eve = ana.invite("for Eve", true)?;
    let eve = Person::arrive("Eve", &for_eve.link, PersonConfig::default())?;
    eve.onboard()?;
    eve.discard_invitation()?;
    eve.open_link(&for_ben.link)?;
    eve.type_words(&for_ben.words)?;
    let said = ana.wait_for_words("invitation-replayed")?;
    assert!(said.contains("“for Ben” a second time"), "{said}");
    assert!(said.contains("They were refused"), "{said}");
    ana.wait_for_contacts(1)?;
    ben.page().click("@join-write")?;
    ben.write("Still me")?;
    ben.wait_for_delivery("Still me", "delivered")
}

#[test]
fn an_answer_that_is_repeated_changes_nothing() -> Outcome {
    let _turn = turn();
    let (node, meddler) = meddled("repeated")?;
    let ana = arrive_as_owner_at(&meddler.url(""), &node)?;
    let ben = arrive_invited(&ana)?;
    ana.page().wait_for_element("@approve-dialog")?;
    let answers = meddler.posts();
    assert!(!answers.is_empty());
    for answer in &answers {
        meddler.post_again(answer)?;
    }
    ana.approve()?;
    ben.wait_for_contact("Ana")?;
    for answer in &answers {
        meddler.post_again(answer)?;
    }
    ben.page().click("@join-write")?;
    ben.write("Still me")?;
    ben.wait_for_delivery("Still me", "delivered")?;
    ana.wait_for_contacts(1)
}

#[test]
fn an_altered_message_is_refused_and_the_honest_ones_arrive() -> Outcome {
    let (pair, meddler) = Pair::talking_through_a_meddler()?;
    meddler.corrupt(1);
    pair.ana.write("Altered on its way")?;
    let said = pair.ben.wait_for_words("tampering-seen")?;
    assert!(said.contains("altered or repeated"), "{said}");
    assert_eq!(meddler.still_to_corrupt(), 0);

    pair.ana.write("Honest again")?;
    pair.ben.wait_for_message("Honest again")?;
    pair.ben
        .wait_for_conversation(&["Here I am.", "Altered on its way", "Honest again"])
}

#[test]
fn repeated_messages_are_shown_once() -> Outcome {
    let (pair, meddler) = Pair::talking_through_a_meddler()?;
    pair.ana.write("Only once")?;
    pair.ben.wait_for_message("Only once")?;
    for post in meddler.posts() {
        meddler.post_again(&post)?;
    }
    pair.ana.write("And on")?;
    pair.ben.wait_for_message("And on")?;
    pair.ben
        .wait_for_conversation(&["Here I am.", "Only once", "And on"])?;
    pair.ben.write("Back")?;
    pair.ana.wait_for_message("Back")
}

#[test]
fn node_and_relay_carry_nothing_that_can_be_read() -> Outcome {
    let _turn = turn();
    let (node, meddler) = meddled("eavesdropper")?;
    let tap = Tap::on(relay_of(&node)?)?;
    meddler.name_relay(&tap.url());
    let ana = arrive_as_owner_at(&meddler.url(""), &node)?;
    let passed = ana.invite("marker-note", true)?;
    let ben = Person::arrive("Marker-Benjamin", &passed.link, PersonConfig::default())?;
    ben.onboard()?;
    ben.type_words(&passed.words)?;
    ana.approve()?;
    ana.wait_for_contact("Marker-Benjamin")?;
    ana.talk_to("Marker-Benjamin")?;
    ana.write(TEXT)?;
    ana.wait_for_delivery(TEXT, "delivered")?;
    through_the_relay(&ana)?;
    ana.talk_to("Marker-Benjamin")?;
    ana.call(true)?;
    ben.accept(true)?;
    ana.wait_for_call("active")?;
    ben.sees()?;
    ana.write("marker-text in the data channel")?;
    ana.wait_for_delivery("marker-text in the data channel", "delivered")?;
    ana.wait_for_route("relay")?;

    until("there is a video in the relay", || {
        tap.seen().len() > 100_000
    })?;
    let (carried, relayed) = (meddler.seen(), tap.seen());
    assert!(
        contains(&carried, "/api/v1/mailboxes/"),
        "nothing was written down"
    );
    let words = passed.words.as_str();
    let needles = [
        "marker-",
        "Marker-Benjamin",
        words,
        PASSPHRASE,
        "candidate:",
        "a=fingerprint",
        "v=0\r\n",
        "typ host",
    ];
    for needle in needles {
        assert!(!contains(&carried, needle), "the node carried {needle:?}");
        assert!(!contains(&relayed, needle), "the relay carried {needle:?}");
    }
    Ok(())
}

fn through_the_relay(person: &Person) -> Outcome {
    person.page().click("@settings-open")?;
    person.page().click("@relay-for-all")?;
    person.page().click("@settings-close")
}

/// A node with somebody in front of it.
fn meddled(name: &str) -> Result<(Node, Meddler), LabError> {
    let node = Node::start(NodeConfig::new(name)?)?;
    let meddler = Meddler::before(&node, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    Ok((node, meddler))
}

fn relay_of(node: &Node) -> Result<SocketAddr, LabError> {
    let relay = node.ready().relay.iter().find_map(|url| {
        let (_, rest) = url.split_once(':')?;
        let port = rest.split('?').next()?.rsplit(':').next()?;
        port.parse::<u16>().ok()
    });
    let port = relay.ok_or_else(|| LabError::Unexpected("the node has no relay".to_owned()))?;
    Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

fn until(what: &str, holds: impl Fn() -> bool) -> Outcome {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        if Instant::now() > deadline {
            return Err(LabError::Unexpected(format!("never: {what}")));
        }
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// The name under which an invitation is parked.
fn place(link: &str) -> &str {
    let place = link.split('#').nth(1).unwrap_or_default();
    place.split('.').next().unwrap_or_default()
}

fn contains(bytes: &[u8], needle: &str) -> bool {
    let needle = needle.as_bytes();
    bytes.windows(needle.len()).any(|window| window == needle)
}
