// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writing to each other: at once, later, and across a change of the path.

use hither_lab::Person;

use super::pair::{Outcome, Pair};

#[test]
fn messages_arrive_and_are_seen_to_be_read() -> Outcome {
    let pair = Pair::talking()?;
    pair.ana.write("Hello Ben")?;
    pair.ben.wait_for_message("Hello Ben")?;
    pair.ana.wait_for_delivery("Hello Ben", "read")?;
    pair.ben.write("Hello Ana")?;
    pair.ana.wait_for_message("Hello Ana")?;
    pair.ben.wait_for_delivery("Hello Ana", "read")
}

#[test]
fn a_message_waits_for_who_is_away() -> Outcome {
    let Pair {
        ana,
        ben,
        node,
        _turn,
    } = Pair::talking()?;
    let (ben, ()) = ben.away_while(&node.url("/"), || {
        ana.write("Are you there?")?;
        ana.wait_for_delivery("Are you there?", "sent")?;
        ana.write("Then later.")?;
        ana.wait_for_delivery("Then later.", "sent")
    })?;
    ben.unlock()?;
    ana.wait_for_delivery("Then later.", "delivered")?;
    ben.talk_to("Ana")?;
    ben.wait_for_message("Then later.")?;
    ben.wait_for_conversation(&["Here I am.", "Are you there?", "Then later."])?;
    ana.wait_for_delivery("Then later.", "read")
}

#[test]
fn what_is_written_while_the_node_is_away_is_sent_when_it_returns() -> Outcome {
    let mut pair = Pair::talking()?;
    pair.node.kill();
    pair.ana.wait_for_node("offline")?;
    pair.ana.write("Into the void")?;
    pair.ana.wait_for_delivery("Into the void", "queued")?;
    pair.node.restart()?;
    pair.ben.wait_for_message("Into the void")?;
    pair.ana.wait_for_delivery("Into the void", "read")
}

#[test]
fn a_reload_keeps_everything_and_locking_forgets_it() -> Outcome {
    let pair = Pair::talking()?;
    pair.ana.write("To be kept")?;
    pair.ana.wait_for_delivery("To be kept", "delivered")?;

    pair.ana.page().reload()?;
    wrong_passphrase_is_explained(&pair.ana)?;
    pair.ana.unlock()?;
    pair.ana.talk_to("Ben")?;
    pair.ana.wait_for_delivery("To be kept", "delivered")?;
    pair.ana
        .wait_for_conversation(&["Here I am.", "To be kept"])?;

    pair.ana.lock()?;
    let shown: String = pair.ana.page().eval_as("document.body.innerText")?;
    assert!(
        !shown.contains("To be kept") && !shown.contains("Ben"),
        "a locked page shows nothing: {shown}"
    );
    pair.ana.unlock()?;
    pair.ana.wait_for_contact("Ben")
}

fn wrong_passphrase_is_explained(person: &Person) -> Outcome {
    person.page().wait_for_element("@unlock")?;
    person.try_passphrase("not the right one")?;
    let said = person.wait_for_words("wrong-passphrase")?;
    assert!(said.contains("does not open what is stored here"), "{said}");
    Ok(())
}

#[test]
fn twenty_messages_cross_every_change_of_the_path_once_and_in_order() -> Outcome {
    let pair = Pair::talking()?;
    let said: Vec<String> = (1..=20).map(|number| format!("Message {number}")).collect();
    let (mailbox, rest) = said.split_at(6);
    let (during, after) = rest.split_at(8);
    write_all(&pair.ana, mailbox)?;
    pair.ana.call(false)?;
    pair.ben.accept(false)?;
    write_all(&pair.ana, during)?;
    pair.ana.wait_for_call("active")?;
    pair.ana.hang_up()?;
    write_all(&pair.ana, after)?;

    pair.ben.wait_for_message("Message 20")?;
    pair.ana.wait_for_delivery("Message 20", "read")?;
    let all = [&["Here I am.".to_owned()], &said[..]].concat();
    pair.ben.wait_for_conversation(&all)?;
    pair.ana.wait_for_conversation(&all)
}

#[test]
fn the_newest_message_stays_in_view_when_the_pane_gets_smaller_and_larger() -> Outcome {
    const AT_END: &str = "(() => {
        const list = document.querySelector('[data-testid=message-list]');
        const last = [...list.querySelectorAll('[data-testid=message]')].at(-1);
        return last.getBoundingClientRect().bottom <= list.getBoundingClientRect().bottom
            && !document.querySelector('[data-testid=to-newest]');
    })()";
    let pair = Pair::talking()?;
    let page = pair.ana.page();
    let long = "A text that takes many lines when there is little room. ".repeat(60);
    pair.ana.write(&long)?;
    pair.ana.write("The end")?;
    page.wait_for(AT_END, "the end of the conversation")?;
    for (width, height) in [(390, 844), (390, 400), (390, 844), (1440, 900)] {
        page.set_viewport(width, height, false)?;
        // The size, its layout, and whatever scrolling follows from it.
        let drawn = format!(
            "innerWidth === {width} && innerHeight === {height} && new Promise((drawn) =>
                requestAnimationFrame(() => requestAnimationFrame(() => drawn(true))))"
        );
        page.wait_for(&drawn, "the page in its new size")?;
        page.wait_for(AT_END, "the end of the conversation")?;
    }
    pair.ana.call(false)?;
    pair.ana.wait_for_call("ringing")?;
    page.wait_for(AT_END, "the end of the conversation beside a call")?;
    Ok(())
}

fn write_all(person: &Person, texts: &[String]) -> Outcome {
    texts.iter().try_for_each(|text| person.write(text))
}
