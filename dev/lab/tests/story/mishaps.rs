// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls and messages while something breaks.

use hither_lab::{LabError, Person};

use super::pair::{Outcome, Pair};

#[test]
fn a_call_goes_on_after_the_other_side_reloads_its_page() -> Outcome {
    let pair = Pair::in_a_call()?;
    pair.ben.page().reload()?;
    pair.ben.unlock()?;
    for person in [&pair.ana, &pair.ben] {
        person.wait_for_call("active")?;
        person.sees()?;
        person.hears()?;
    }
    pair.ben.talk_to("Ana")?;
    pair.ana.write("Welcome back")?;
    pair.ben.wait_for_message("Welcome back")?;
    pair.ben.hang_up()?;
    pair.ana.wait_for_end("remote-hung-up")
}

#[test]
fn a_call_goes_on_after_the_caller_reloads_its_page() -> Outcome {
    let pair = Pair::in_a_call()?;
    pair.ana.page().reload()?;
    pair.ana.unlock()?;
    for person in [&pair.ana, &pair.ben] {
        person.wait_for_call("active")?;
        person.sees()?;
    }
    Ok(())
}

#[test]
fn call_and_chat_go_on_without_the_node_and_find_it_again() -> Outcome {
    let mut pair = Pair::in_a_call()?;
    pair.node.kill();
    for person in [&pair.ana, &pair.ben] {
        person.wait_for_node("offline")?;
        person.wait_for_call("active")?;
    }
    pair.ana.write("The node is gone")?;
    pair.ben.wait_for_message("The node is gone")?;
    pair.ben.write("We are not")?;
    pair.ana.wait_for_message("We are not")?;
    pair.ana.wait_for_delivery("The node is gone", "read")?;
    for person in [&pair.ana, &pair.ben] {
        person.sees()?;
        person.hears()?;
    }

    pair.node.restart()?;
    for person in [&pair.ana, &pair.ben] {
        person.wait_for_node("online")?;
    }
    pair.ana.hang_up()?;
    pair.ben.wait_for_end("remote-hung-up")?;
    pair.ana.wait_for_end("hung-up")?;
    pair.ben.write("Over the mailbox again")?;
    pair.ana.wait_for_message("Over the mailbox again")?;
    let said = [
        "Here I am.",
        "The node is gone",
        "We are not",
        "Over the mailbox again",
    ];
    pair.ana.wait_for_conversation(&said)?;
    pair.ben.wait_for_conversation(&said)
}

#[test]
fn who_wants_only_the_relay_goes_through_it_and_is_told() -> Outcome {
    let pair = Pair::talking()?;
    pair.ana.page().click("@settings-open")?;
    pair.ana.page().click("@relay-for-all")?;
    pair.ana.page().click("@settings-close")?;
    pair.ana.talk_to("Ben")?;
    pair.ana.call(true)?;
    pair.ben.accept(true)?;
    for person in [&pair.ana, &pair.ben] {
        person.wait_for_call("active")?;
        person.sees()?;
        person.hears()?;
        person.wait_for_route("relay")?;
    }
    pair.ana.wait_for_path("path.local === 'relay'")?;
    pair.ben.wait_for_path("path.remote !== 'host'")?;
    pair.ana.page().click("@call-route-icon")?;
    pair.ana
        .page()
        .wait_for_text("@route-explanation", "adds some latency")
}

#[test]
fn who_deletes_their_account_leaves_nothing_behind_and_the_other_is_told() -> Outcome {
    let pair = Pair::talking()?;
    assert_eq!(accounts(&pair.ana)?, 2);
    let page = pair.ben.page();
    page.click("@settings-open")?;
    page.click("@silent")?;
    page.wait_for("localStorage.length === 1", "the taste to be remembered")?;
    page.click("@account-delete")?;
    page.wait_for_text("@confirm-dialog", "Nobody can undo this")?;
    page.click("@confirm-yes")?;
    page.wait_for_element("@onboarding")?;
    page.wait_for_text("@live-region", "Your account is deleted")?;
    page.wait_for("localStorage.length === 0", "the taste to be forgotten")?;
    let said = pair.ana.wait_for_words("contact-closed")?;
    assert!(said.contains("Ben closed"), "{said}");
    assert_eq!(accounts(&pair.ana)?, 1);
    page.reload()?;
    page.wait_for_element("@onboarding")
}

/// How many accounts the node has, as its owner is told.
fn accounts(owner: &Person) -> Result<u64, LabError> {
    // Asking for the devices brings a bearer along.
    owner.page().click("@settings-open")?;
    owner.page().wait_for_element("@device-item")?;
    owner.page().eval_as(
        "fetch('/api/v1/accounts', { headers: { authorization: lab.bearer } })
            .then((answer) => answer.json())
            .then((accounts) => accounts.length)",
    )
}

#[test]
fn a_revoked_device_is_signed_out_at_once_and_keeps_its_conversations() -> Outcome {
    let pair = Pair::talking()?;
    pair.ben.page().click("@settings-open")?;
    pair.ben.page().wait_for_element("@device-item")?;
    // As another device of Ben's would.
    let status = pair.ben.page().eval(
        "(async () => {
            const headers = { authorization: lab.bearer };
            const devices = await (await fetch('/api/v1/devices', { headers })).json();
            const { device } = devices.find((one) => one.current);
            return (await fetch(`/api/v1/devices/${device}`, { method: 'DELETE', headers })).status;
        })()",
    )?;
    assert_eq!(status, serde_json::json!(204));
    pair.ben.wait_for_node("revoked")?;
    let said = pair.ben.wait_for_words("device-revoked")?;
    assert!(said.contains("was signed out"), "{said}");

    pair.ben.page().reload()?;
    pair.ben.unlock()?;
    pair.ben.wait_for_node("revoked")?;
    pair.ben.talk_to("Ana")?;
    pair.ben.wait_for_conversation(&["Here I am."])
}
