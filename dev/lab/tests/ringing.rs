// SPDX-License-Identifier: MIT OR Apache-2.0
//! What two people learn of each other while it rings: that there is a relay. Told from the packets on both links.

#![expect(clippy::expect_used, reason = "a test may fail loudly")]

#[path = "paths/place.rs"]
mod place;

use std::collections::BTreeSet;
use std::net::IpAddr;

use hither_lab::{Capture, Client, LabError, Person, Protocol, RouterConfig};

use self::place::{Outcome, Place};

/// The port of name servers. A browser asks, whether there is anybody to answer or not.
const DNS: u16 = 53;

/// A link over the relay is up.
const AT_THE_RELAY: &str = "lab.open().some((one) => one.connectionState === 'connected')";

/// What this page has gathered, been told of, and sent.
const KNOWN: &str = "(async () => {
    const known = { own: [], theirs: [], tracks: 0, sent: 0 };
    for (const one of lab.open()) {
        for (const stats of (await one.getStats()).values()) {
            if (stats.type === 'local-candidate') known.own.push(stats.candidateType);
            if (stats.type === 'remote-candidate') known.theirs.push(stats.candidateType);
            if (stats.type === 'outbound-rtp') known.sent += stats.packetsSent;
        }
        known.tracks += one.getSenders().filter(({ track }) => track).length;
    }
    return known;
})()";

#[derive(Debug, serde::Deserialize)]
struct Known {
    own: BTreeSet<String>,
    theirs: BTreeSet<String>,
    tracks: u32,
    sent: u64,
}

/// Two people with public addresses of their own, between whom nothing stands.
struct Pair {
    people: [Person; 2],
    clients: [Client; 2],
    _place: Place,
}

impl Pair {
    fn new_or_skip(test: &str) -> Result<Option<Self>, LabError> {
        let Some(place) = Place::new_or_skip(test)? else {
            return Ok(None);
        };
        let client = |home: &str, name: &str| {
            let router = place.net.router(home, &RouterConfig::open())?;
            router.client(name)
        };
        let clients = [client("home", "ana")?, client("office", "ben")?];
        let config = |name, client: &Client| place.person(name, client);
        let [node, _] = place.addresses();
        let ana = place.arrive_as_owner("Ana", config("ana", &clients[0]))?;
        let ben = place.arrive_invited(&ana, "Ben", config("ben", &clients[1]), node)?;
        ana.talk_to("Ben")?;
        ben.talk_to("Ana")?;
        Ok(Some(Self {
            people: [ana, ben],
            clients,
            _place: place,
        }))
    }

    fn captures(&self) -> Result<[Capture; 2], LabError> {
        let [ana, ben] = &self.clients;
        Ok([ana.capture()?, ben.capture()?])
    }

    /// With whom else than the node a link has exchanged datagrams.
    fn others(&self, capture: &Capture) -> BTreeSet<IpAddr> {
        let is = |one: &Client, ip: IpAddr| ip == one.ipv4() || ip == one.ipv6();
        let own = |ip: &IpAddr| self.clients.iter().any(|one| is(one, *ip));
        let packets = capture.packets();
        assert!(!packets.is_empty(), "something passes every link");
        packets
            .iter()
            .filter(|packet| packet.protocol == Protocol::Udp)
            .filter(|packet| packet.from.port() != DNS && packet.to.port() != DNS)
            .filter(|packet| own(&packet.from.ip()) && own(&packet.to.ip()))
            .map(|packet| packet.to.ip())
            .collect()
    }
}

#[test]
fn while_it_rings_both_are_at_the_relay_and_nothing_passes_between_them() -> Outcome {
    let Some(pair) = Pair::new_or_skip("what is seen while it rings")? else {
        return Ok(());
    };
    let captures = pair.captures()?;
    let [ana, ben] = &pair.people;
    ana.call(true)?;
    ben.page().wait_for_element("@call-incoming")?;
    for person in &pair.people {
        person
            .page()
            .wait_for(AT_THE_RELAY, "a link over the relay")?;
    }
    let relay = BTreeSet::from(["relay".to_owned()]);
    for person in &pair.people {
        let known: Known = person.page().eval_as(KNOWN)?;
        assert_eq!(known.own, relay, "{known:?}");
        // A check may come before the candidate that it is from: then that is reflexive, and the relay's all the same.
        let hidden = |kind: &String| matches!(kind.as_str(), "relay" | "prflx");
        assert!(known.theirs.iter().all(hidden), "{known:?}");
        assert_eq!((known.tracks, known.sent), (0, 0), "{known:?}");
    }
    ana.wait_for_call("ringing")?;
    ben.page().wait_for_element("@call-incoming")?;
    for capture in &captures {
        assert_eq!(pair.others(capture), BTreeSet::new());
    }

    ben.accept(true)?;
    for person in &pair.people {
        person.wait_for_call("active")?;
        person.sees()?;
        person.wait_for_route("direct")?;
    }
    // That the capture would have seen it.
    for capture in &captures {
        assert_ne!(pair.others(capture), BTreeSet::new());
    }
    Ok(())
}
