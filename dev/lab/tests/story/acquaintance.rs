// SPDX-License-Identifier: MIT OR Apache-2.0
//! From a printed link to two contacts.

use hither_lab::{Node, NodeConfig, Person, PersonConfig};

use super::pair::{Outcome, Pair, arrive_as_owner, turn};

#[test]
fn an_owner_invites_somebody_and_they_become_contacts() -> Outcome {
    let _turn = turn();
    let node = Node::start(NodeConfig::new("acquaintance")?)?;
    let ana = arrive_as_owner(&node)?;
    let passed = ana.invite("for Ben", true)?;

    let ben = Person::arrive("Ben", &passed.link, PersonConfig::default())?;
    ben.onboard()?;
    wrong_words_are_explained(&ben, &passed.words)?;
    the_invitation_waits_for_its_words(&ben)?;
    ben.type_words(&passed.words)?;
    ben.page().wait_for_element("@join-write")?;

    let number = ben.safety_number()?;
    assert_eq!(number.split(' ').count(), 12, "{number}");
    assert_eq!(ana.safety_number()?, number);
    ana.page().wait_for_text("@approve-dialog", "Ben")?;
    ana.page().wait_for_text("@approve-note", "“for Ben”")?;
    ana.approve()?;
    ana.wait_for_contact("Ben")?;
    ben.wait_for_contact("Ana")?;
    ben.page().wait_for_text("body", "Ana let you in")?;

    the_invitation_is_used_up(&node, &passed.link)
}

/// A word too few, an unknown word, words that do not belong together, and the words of somebody else.
fn wrong_words_are_explained(ben: &Person, words: &str) -> Outcome {
    let all: Vec<&str> = words.split(' ').collect();
    ben.type_words(&all[..11].join(" "))?;
    let said = ben.wait_for_words("code-word-count")?;
    assert!(said.contains("twelve words; here are 11"), "{said}");

    ben.type_words(&format!("{} abandom", all[..11].join(" ")))?;
    let said = ben.wait_for_words("code-unknown-word")?;
    assert!(said.contains("Word 12"), "{said}");
    assert!(said.contains("abandon"), "{said}");

    ben.type_words(&["zoo"; 12].join(" "))?;
    let said = ben.wait_for_words("code-checksum")?;
    assert!(said.contains("do not belong together"), "{said}");

    ben.type_words(&format!("{} wrong", ["zoo"; 11].join(" ")))?;
    let said = ben.wait_for_words("code-wrong")?;
    assert!(said.contains("do not open this invitation"), "{said}");
    Ok(())
}

/// Neither Escape nor a reload loses it.
fn the_invitation_waits_for_its_words(ben: &Person) -> Outcome {
    let page = ben.page();
    page.press("Escape")?;
    page.wait_until_gone("@join-dialog")?;
    page.wait_for_element("@join-waits")?;
    page.click("@join-open")?;
    page.wait_for_element("@join-words")?;
    page.reload()?;
    ben.unlock()?;
    page.wait_for_element("@join-words")
}

fn the_invitation_is_used_up(node: &Node, link: &str) -> Outcome {
    let place = link.split('#').nth(1).unwrap_or_default();
    let place = place.split('.').next().unwrap_or_default();
    let eve = Person::arrive("Eve", &node.url("/"), PersonConfig::default())?;
    // The inviter's client has it taken away when it is answered, in its own time.
    let taken_away = format!(
        "fetch('/api/v1/invitations/{place}').then(async (answer) => {{
            await new Promise((done) => setTimeout(done, 250));
            return answer.status === 404;
        }})"
    );
    eve.page()
        .wait_for(&taken_away, "the invitation to be taken away")?;
    Ok(())
}

#[test]
fn an_invitation_travels_as_a_file_as_well() -> Outcome {
    let _turn = turn();
    let node = Node::start(NodeConfig::new("file")?)?;
    let ana = arrive_as_owner(&node)?;
    let passed = ana.invite("Ben", true)?;
    ana.page().click("@invite-open")?;
    ana.page().click("@invitation-item")?;
    ana.page().click("@invite-save")?;
    let file = ana.browser().wait_for_download("invitation-Ben.hither")?;
    ana.page().click("@dialog-close")?;

    let ben = Person::arrive("Ben", &passed.link, PersonConfig::default())?;
    ben.onboard()?;
    ben.discard_invitation()?;
    ben.page().click("@join-open")?;
    ben.page().upload("@join-file", &[file])?;
    ben.type_words(&passed.words)?;
    ben.page().wait_for_element("@join-write")?;
    ana.approve()?;
    ben.wait_for_contact("Ana")
}

#[test]
fn who_is_not_let_in_is_told_so() -> Outcome {
    let _turn = turn();
    let node = Node::start(NodeConfig::new("rejection")?)?;
    let ana = arrive_as_owner(&node)?;
    let ben = super::pair::arrive_invited(&ana)?;
    ana.page().click("@approve-no")?;
    let said = ben.wait_for_words("contact-rejected")?;
    assert!(said.contains("did not let you in"), "{said}");
    Ok(())
}

#[test]
fn both_see_the_same_safety_number_afterwards() -> Outcome {
    let pair = Pair::talking()?;
    for person in [&pair.ana, &pair.ben] {
        person.page().click("@contact-open")?;
        person.page().wait_for_element("@contact-page")?;
    }
    assert_eq!(pair.ana.safety_number()?, pair.ben.safety_number()?);
    Ok(())
}
