// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every screen, small and wide, by day and by night: pictured for people to look at, and heard as a
//! screen reader hears it.

use hither_lab::{LabError, Node, NodeConfig, PASSPHRASE, Page, Person, PersonConfig};

use super::pair::{Outcome, Pair, turn};

/// Roles that somebody acts on. Each needs a name.
const ACTED_ON: [&str; 10] = [
    "button",
    "textbox",
    "searchbox",
    "checkbox",
    "switch",
    "link",
    "combobox",
    "menuitem",
    "tab",
    "dialog",
];

#[test]
fn screens_on_the_way_in() -> Outcome {
    let _turn = turn();
    let node = Node::start(NodeConfig::new("screens")?)?;
    let link = node.ready().owner_invitation.clone().expect("a link");
    let ana = Person::arrive("Ana", &link, PersonConfig::default())?;
    ana.page().wait_for_element("@onboarding")?;
    look(&ana, "01-onboarding")?;
    passphrases_differ(&ana)?;
    look(&ana, "02-onboarding-passphrases-differ")?;
    ana.onboard()?;
    ana.wait_for_node("online")?;
    look(&ana, "03-home-empty")?;
    inviting(&ana)?;
    let passed = ana.invite("for Ben", true)?;

    let ben = Person::arrive("Ben", &passed.link, PersonConfig::default())?;
    ben.onboard()?;
    ben.page().wait_for_element("@join-words")?;
    look(&ben, "07-join-words")?;
    ben.type_words(&["zoo"; 12].join(" "))?;
    ben.wait_for_words("code-checksum")?;
    look(&ben, "08-join-words-wrong")?;
    ben.type_words(&passed.words)?;
    ben.page().wait_for_element("@join-write")?;
    look(&ben, "09-join-waiting")?;
    ana.page().wait_for_element("@approve-dialog")?;
    look(&ana, "10-approve")?;
    ana.approve()?;
    ben.wait_for_contact("Ana")?;
    look(&ben, "11-join-done")?;
    look(&ana, "12-conversation-empty")
}

fn passphrases_differ(ana: &Person) -> Outcome {
    ana.page().fill("@onboard-name", "Ana")?;
    ana.page().fill("@onboard-passphrase", PASSPHRASE)?;
    ana.page()
        .fill("@onboard-passphrase-again", "another one")?;
    ana.page().click("@onboard-submit")?;
    ana.wait_for_words("passphrases-differ")?;
    Ok(())
}

fn inviting(ana: &Person) -> Outcome {
    ana.page().click("@invite-open")?;
    look(ana, "04-invite")?;
    ana.page().fill("@invite-note", "for somebody")?;
    ana.page().click("@invite-submit")?;
    ana.page().wait_for_element("@invite-link")?;
    look(ana, "05-invite-pass-on")?;
    close_dialog(ana)?;
    ana.page().click("@join-open")?;
    look(ana, "06-join")?;
    close_dialog(ana)
}

fn close_dialog(person: &Person) -> Outcome {
    person.page().click("@dialog-close")?;
    person.page().wait_until_gone("@dialog-close")
}

#[test]
fn screens_of_a_conversation() -> Outcome {
    let mut pair = Pair::talking()?;
    let lines = [
        "Are we still on for Saturday?",
        "Yes! I will bring the map, the kettle, and, if the forecast holds, the large tent, because the \
         small one still leaks where Grete sat on it.",
        "https://example.org/a/rather/long/address/that/does/not/break/anywhere/by/itself/at/all",
    ];
    for (index, line) in lines.iter().enumerate() {
        let (from, to) = if index % 2 == 0 {
            (&pair.ana, &pair.ben)
        } else {
            (&pair.ben, &pair.ana)
        };
        from.write(line)?;
        to.wait_for_message(line)?;
    }
    look(&pair.ana, "20-conversation")?;
    pair.ana.page().click("@contact-open")?;
    pair.ana.page().wait_for_element("@contact-page")?;
    look(&pair.ana, "21-contact")?;
    bring_into_view(&pair.ana, "relay-only")?;
    look(&pair.ana, "21-contact-paths")?;
    pair.ana.page().click("@settings-open")?;
    pair.ana.page().wait_for_element("@device-item")?;
    look(&pair.ana, "22-settings")?;
    pair.ana.page().click("@category-rules")?;
    bring_into_view(&pair.ana, "category-relay-only")?;
    look(&pair.ana, "22-settings-privacy")?;
    pair.ana.page().click("@network-open")?;
    pair.ana
        .page()
        .wait_for_element("@network[data-state=done]")?;
    look(&pair.ana, "27-network")?;
    pair.ana.page().click("@network-sheet")?;
    bring_into_view(&pair.ana, "network-wanted")?;
    look(&pair.ana, "27-network-wanted")?;
    pair.ana.page().press("?")?;
    pair.ana.page().wait_for_element("@help-dialog")?;
    look(&pair.ana, "23-help")?;
    close_dialog(&pair.ana)?;
    pair.node.kill();
    pair.ana.wait_for_node("offline")?;
    pair.ana.page().click("@network-again")?;
    pair.ana
        .page()
        .wait_for_element("@network[data-state=running]")?;
    look(&pair.ana, "28-network-running")?;
    let away = "@network-verdict[data-verdict=node-away]";
    pair.ana.page().wait_for_element(away)?;
    look(&pair.ana, "29-network-node-away")?;
    pair.ana.talk_to("Ben")?;
    pair.ana.write("Into the void")?;
    pair.ana.wait_for_delivery("Into the void", "queued")?;
    look(&pair.ana, "24-offline")?;
    pair.ana.lock()?;
    look(&pair.ana, "25-locked")?;
    pair.ana.try_passphrase("not the right one")?;
    pair.ana.wait_for_words("wrong-passphrase")?;
    look(&pair.ana, "26-locked-wrong-passphrase")
}

#[test]
fn screens_of_a_call() -> Outcome {
    let pair = Pair::talking()?;
    pair.ana.call(true)?;
    pair.ana.wait_for_call("ringing")?;
    look(&pair.ana, "30-call-outgoing")?;
    pair.ben.page().wait_for_element("@call-incoming")?;
    look(&pair.ben, "31-call-incoming")?;
    pair.ben.accept(false)?;
    pair.ben.wait_for_call("active")?;
    pair.ben.sees()?;
    pair.ana.wait_for_route("same-network")?;
    look(&pair.ana, "32-call-voice")?;
    look(&pair.ben, "33-call-video-one-way")?;
    pair.ben.page().click("@call-camera")?;
    pair.ana.sees()?;
    look(&pair.ana, "34-call-video")?;
    pair.ana.page().click("@call-route-icon")?;
    pair.ana.page().wait_for_element("@route-explanation")?;
    look(&pair.ana, "35-call-route")?;
    pair.ana.page().press("Escape")?;
    pair.ana.page().click("@call-mute")?;
    pair.ana.page().click("@call-screen")?;
    pair.ben
        .page()
        .wait_for_element(".tiles[data-layout=screen]")?;
    pair.ben.page().wait_for_element("@remote-muted")?;
    look(&pair.ben, "36-call-screen-theirs-muted")?;
    look(&pair.ana, "37-call-screen-ours")?;
    pair.ana.page().click("@call-shrink")?;
    look(&pair.ana, "38-call-small")?;
    pair.ben.page().reload()?;
    pair.ana.wait_for_call("reconnecting")?;
    look(&pair.ana, "39-call-reconnecting")?;
    pair.ben.unlock()?;
    pair.ben.wait_for_call("active")?;
    pair.ben.hang_up()?;
    pair.ana
        .page()
        .wait_for_element("@call-stage[data-stage=ended]")?;
    look(&pair.ana, "40-call-ended")
}

#[test]
fn everything_can_be_reached_with_the_keyboard_alone() -> Outcome {
    let _turn = turn();
    let node = Node::start(NodeConfig::new("keyboard")?)?;
    let link = node.ready().owner_invitation.clone().expect("a link");
    let ana = Person::arrive("Ana", &link, PersonConfig::default())?;
    let page = ana.page();
    page.wait_for_element("@onboarding")?;
    for (field, text) in [
        ("onboard-name", "Ana"),
        ("onboard-passphrase", PASSPHRASE),
        ("onboard-passphrase-again", PASSPHRASE),
    ] {
        tab_to(page, field)?;
        page.type_text(text)?;
    }
    page.press("Enter")?;
    page.wait_for_element("@home")?;
    ana.wait_for_node("online")?;

    tab_to(page, "invite-open")?;
    page.press("Enter")?;
    tab_to(page, "invite-note")?;
    page.type_text("by keyboard")?;
    page.press("Enter")?;
    page.wait_for_element("@invite-words")?;
    page.press("Escape")?;
    page.wait_until_gone("@invite-dialog")
}

#[test]
fn a_message_is_written_and_a_call_taken_with_the_keyboard_alone() -> Outcome {
    let pair = Pair::acquainted()?;
    let (ana, ben) = (pair.ana.page(), pair.ben.page());
    tab_to(ana, "contact-item")?;
    ana.press("Enter")?;
    tab_to(ana, "composer")?;
    ana.type_text("Typed, not clicked")?;
    ana.press("Enter")?;
    pair.ben.talk_to("Ana")?;
    pair.ben.wait_for_message("Typed, not clicked")?;

    tab_to(ana, "call-voice")?;
    ana.press("Enter")?;
    tab_to(ben, "call-accept")?;
    ben.press("Enter")?;
    pair.ana.wait_for_call("active")?;
    ana.press("Alt+x")?;
    pair.ben.wait_for_end("remote-hung-up")
}

/// Presses Tab until the element has the focus.
fn tab_to(page: &Page, testid: &str) -> Outcome {
    const ENOUGH: usize = 60;
    page.wait_for_element(&format!("@{testid}"))?;
    for _ in 0..ENOUGH {
        let now = page.eval("document.activeElement?.dataset?.testid ?? ''")?;
        if now == testid {
            return Ok(());
        }
        page.press("Tab")?;
    }
    Err(LabError::Unexpected(format!(
        "{}: Tab does not reach {testid}",
        page.name()
    )))
}

/// Pictures of what is in front of somebody, and whether everything in it has a name.
fn look(person: &Person, name: &str) -> Outcome {
    let page = person.page();
    for (width, height, mobile) in [(390, 844, true), (1440, 900, false)] {
        page.set_viewport(width, height, mobile)?;
        for (dark, light) in [(true, "dark"), (false, "light")] {
            page.set_dark(dark)?;
            settle(page)?;
            page.screenshot(format!("screens/{name}-{width}-{light}.png"))?;
        }
        everything_has_a_name(page, name)?;
        nothing_sticks_out(page, &format!("{name} at {width}"))?;
    }
    Ok(())
}

fn bring_into_view(person: &Person, testid: &str) -> Outcome {
    let element = format!("document.querySelector('[data-testid={testid}]')");
    person.page().eval(&format!("{element}.scrollIntoView()"))?;
    Ok(())
}

/// Until what moves has come to rest; what moves for ever is not waited for.
fn settle(page: &Page) -> Outcome {
    page.eval(
        "(async () => {
            const moving = document.getAnimations().filter((one) =>
                one.effect?.getComputedTiming().endTime !== Infinity);
            await Promise.race([
                Promise.allSettled(moving.map((one) => one.finished)),
                new Promise((done) => setTimeout(done, 1500)),
            ]);
            await new Promise((done) => { requestAnimationFrame(() => requestAnimationFrame(done)); setTimeout(done, 300); });
        })()",
    )?;
    Ok(())
}

fn everything_has_a_name(page: &Page, screen: &str) -> Outcome {
    let tree = page.ax_tree()?;
    let nameless: Vec<_> = tree
        .iter()
        .filter(|node| ACTED_ON.contains(&node.role.as_str()) && node.name.trim().is_empty())
        .collect();
    assert!(nameless.is_empty(), "{screen}: {nameless:?}");
    let headings = tree.iter().filter(|node| node.role == "heading").count();
    assert!(headings > 0, "{screen}: no heading to jump to");
    Ok(())
}

/// A page that can be scrolled sideways on a phone is broken.
fn nothing_sticks_out(page: &Page, screen: &str) -> Outcome {
    let out = page.eval("document.documentElement.scrollWidth - innerWidth")?;
    let out = out.as_i64().unwrap_or_default();
    assert!(out <= 0, "{screen}: {out} pixels stick out");
    Ok(())
}
