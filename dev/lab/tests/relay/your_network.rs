// SPDX-License-Identifier: MIT OR Apache-2.0
//! The page "Your network" behind routers whose kind is known: what it says is what they are.

use std::net::IpAddr;

use hither_lab::{
    Client, Dependence, Firewall, Flow, LabError, Nat, Packet, Page, Person, Protocol, RouterConfig,
};
use serde::Deserialize;

use crate::place::{Outcome, Place};

/// What the page says in the end.
#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Said {
    verdict: String,
    ipv4: String,
    udp: String,
    mapping: String,
    filtering: String,
    /// 3478/UDP, 443/UDP, 3478/TCP, 443/TCP with TLS.
    rungs: Vec<String>,
    wanted: Vec<String>,
}

/// Where names are asked for.
const DNS: u16 = 53;

const READ: &str = "(() => {
    const one = (id) => document.querySelector(`[data-testid='network-${id}']`);
    const word = (id) => one(id).dataset.term || one(id).dataset.look;
    return {
        verdict: one('verdict').dataset.verdict,
        ipv4: one('ipv4').querySelector('.finding-value').textContent,
        udp: one('udp').dataset.look,
        mapping: word('mapping'),
        filtering: word('filtering'),
        rungs: [0, 1, 2, 3].map((place) => one(`rung-${place}`).dataset.look),
        wanted: [...one('wanted').querySelectorAll(':scope > .lines li')].map((line) =>
            line.textContent.split(':')[0]).sort(),
    };
})()";

/// Somebody behind a router of this kind looks at their network.
fn seen_from_behind(
    test: &str,
    config: &RouterConfig,
    expect: impl Fn(&Place, &Client) -> Said,
) -> Outcome {
    let Some(place) = Place::new_or_skip(test)? else {
        return Ok(());
    };
    let router = place.net.router("home", config)?;
    let client = router.client("ana")?;
    let invitation = place.node.ready().owner_invitation.clone();
    let ana = place.arrive("Ana", &client, &invitation.expect("nobody owns it yet"))?;
    ana.onboard()?;
    ana.wait_for_node("online")?;
    let capture = client.capture()?;
    let page = look_at_network(&ana)?;
    let said: Said = page.eval_as(READ)?;
    let mut expected = expect(&place, &client);
    if expected.ipv4.is_empty() {
        expected.ipv4 = router.public_ipv4().to_string();
    }
    page.screenshot(format!("your-network/{}.png", test.replace(' ', "-")))?;
    assert_eq!(said, expected, "{test}");
    nobody_but_the_node_is_contacted(&place, &client, &capture.packets());
    // A second time begins anew; where much is closed, nothing would be learnt by waiting for it once more.
    if expected.wanted.is_empty() {
        page.click("@network-again")?;
        page.wait_for_element("@network[data-state=running]")?;
        finished(page)?;
        let again: Said = page.eval_as(READ)?;
        assert_eq!(again, expected, "{test}, the second time");
    }
    Ok(())
}

fn nobody_but_the_node_is_contacted(place: &Place, client: &Client, packets: &[Packet]) {
    let own = [IpAddr::from(client.ipv4()), client.ipv6().into()];
    let sent = packets
        .iter()
        .filter(|packet| own.contains(&packet.from.ip()));
    let outwards: Vec<&Packet> = sent
        // To those on the same cable, for names that hide addresses (mDNS) and for routers; and questions for names,
        // which are the browser's own: the page knows its node by an address here.
        .filter(|packet| !packet.to.ip().is_multicast() && packet.to.port() != DNS)
        .collect();
    assert!(outwards.len() > 20, "{outwards:?}");
    for packet in outwards {
        assert_eq!(
            packet.to.ip(),
            IpAddr::from(place.host.ipv4()),
            "{packet:?}"
        );
    }
}

fn look_at_network(person: &Person) -> Result<&Page, LabError> {
    let page = person.page();
    page.click("@settings-open")?;
    page.click("@network-open")?;
    finished(page)?;
    Ok(page)
}

fn finished(page: &Page) -> Outcome {
    page.wait_for_element("@network[data-state=done]")
}

/// Nothing is closed, and the node sees the router's address.
fn open(verdict: &str, mapping: &str, filtering: &str) -> Said {
    Said {
        verdict: verdict.to_owned(),
        ipv4: String::new(),
        udp: "good".to_owned(),
        mapping: mapping.to_owned(),
        filtering: filtering.to_owned(),
        rungs: vec!["good".to_owned(); 4],
        wanted: Vec::new(),
    }
}

const EASY: &str = "endpoint-independent or address-dependent mapping";
const HARD: &str = "address-and-port-dependent mapping";
const LETS_IN: &str = "endpoint-independent or address-dependent filtering";
const ANSWERS_ONLY: &str = "address-and-port-dependent filtering";

#[test]
fn a_home_router_is_good_for_direct_calls() -> Outcome {
    let nat = Nat::endpoint_independent(Dependence::AddressAndPortDependent);
    seen_from_behind("a home router", &RouterConfig::nat(nat), |_, _| {
        open("mostly", EASY, ANSWERS_ONLY)
    })
}

#[test]
fn a_router_that_lets_everything_in_is_better_still() -> Outcome {
    let nat = Nat::endpoint_independent(Dependence::EndpointIndependent);
    seen_from_behind("a lenient router", &RouterConfig::nat(nat), |_, _| {
        open("nearly-always", EASY, LETS_IN)
    })
}

#[test]
fn a_new_port_for_every_destination_makes_direct_calls_seldom() -> Outcome {
    let nat = Nat::address_and_port_dependent();
    seen_from_behind("a symmetric router", &RouterConfig::nat(nat), |_, _| {
        open("seldom", HARD, ANSWERS_ONLY)
    })
}

#[test]
fn a_public_address_is_told_from_a_translated_one() -> Outcome {
    seen_from_behind("no translation", &RouterConfig::open(), |_, client| Said {
        ipv4: client.ipv4().to_string(),
        ..open("nearly-always", "no translation", LETS_IN)
    })
}

#[test]
fn without_udp_the_page_asks_for_it() -> Outcome {
    let nat = Nat::endpoint_independent(Dependence::AddressAndPortDependent);
    let firewall = Firewall::open_but_for(&[Flow::all(Protocol::Udp)]);
    let config = RouterConfig::nat(nat).firewall(firewall);
    seen_from_behind("UDP blocked", &config, |place, _| {
        let node = place.host.ipv4();
        Said {
            rungs: ["closed", "closed", "good", "good"]
                .map(str::to_owned)
                .into(),
            wanted: vec![
                format!("UDP to {node} port 3478"),
                format!("UDP to {node} port 443"),
                "UDP to the other person (any port)".to_owned(),
            ],
            ..blocked("same-network-only")
        }
    })
}

#[test]
fn with_nothing_but_https_the_relay_is_reached_over_tls() -> Outcome {
    let nat = Nat::endpoint_independent(Dependence::AddressAndPortDependent);
    let config = RouterConfig::nat(nat).firewall(Firewall::closed_but_for(&[Flow::tcp(443)]));
    seen_from_behind("only HTTPS", &config, |place, _| {
        let node = place.host.ipv4();
        Said {
            rungs: ["closed", "closed", "closed", "good"]
                .map(str::to_owned)
                .into(),
            wanted: vec![
                format!("TCP to {node} port 3478"),
                format!("UDP to {node} port 3478"),
                format!("UDP to {node} port 443"),
                "UDP to the other person (any port)".to_owned(),
            ],
            ..blocked("same-network-only")
        }
    })
}

/// Nothing comes back over UDP, so nothing is known of translation and filter.
fn blocked(verdict: &str) -> Said {
    Said {
        ipv4: "Not known".to_owned(),
        udp: "closed".to_owned(),
        ..open(verdict, "unknown", "unknown")
    }
}
