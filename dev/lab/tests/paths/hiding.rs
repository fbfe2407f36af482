// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whom the packets of two homes go to when an address is to be hidden: the node, and nobody else. Written down where
//! they leave, between each home's router and the Internet.

use std::collections::BTreeSet;
use std::net::IpAddr;

use hither_lab::{Capture, Client, Dependence, LabError, Nat, Person, Router, RouterConfig};

use super::pair::{call, hang_up};
use crate::place::{Outcome, Place};

/// The port of name servers: a browser asks, whether there is anybody to answer or not.
const DNS: u16 = 53;

/// Packets that a call sends within a moment.
const MANY: usize = 100;

/// Two people at home.
struct Homes {
    people: [Person; 2],
    _clients: [Client; 2],
    routers: [Router; 2],
    place: Place,
}

impl Homes {
    fn new_or_skip(test: &str) -> Result<Option<Self>, LabError> {
        let Some(place) = Place::new_or_skip(test)? else {
            return Ok(None);
        };
        let nat = Nat::endpoint_independent(Dependence::AddressAndPortDependent);
        let home = |name| place.net.router(name, &RouterConfig::nat(nat));
        let routers = [home("ana")?, home("ben")?];
        let clients = [routers[0].client("Ana")?, routers[1].client("Ben")?];
        let [node, _] = place.addresses();
        let ana = place.arrive_as_owner("Ana", place.person("Ana", &clients[0]))?;
        let ben = place.arrive_invited(&ana, "Ben", place.person("Ben", &clients[1]), node)?;
        ana.talk_to("Ben")?;
        ben.talk_to("Ana")?;
        Ok(Some(Self {
            people: [ana, ben],
            _clients: clients,
            routers,
            place,
        }))
    }

    fn watch(&self) -> Result<[Capture; 2], LabError> {
        Ok([self.routers[0].capture()?, self.routers[1].capture()?])
    }

    /// To whom else than the node packets have left the homes, and how many have left them at all.
    fn told(&self, captures: &[Capture; 2]) -> (BTreeSet<IpAddr>, usize) {
        let node = self.place.addresses();
        let mut told = BTreeSet::new();
        let mut left = 0;
        for (router, capture) in self.routers.iter().zip(captures) {
            let outside = IpAddr::from(router.public_ipv4());
            let packets = capture.packets();
            let leaving = packets.iter().filter(|one| one.from.ip() == outside);
            for packet in leaving.filter(|one| one.to.port() != DNS) {
                left += 1;
                if !node.contains(&packet.to.ip()) {
                    told.insert(packet.to.ip());
                }
            }
        }
        (told, left)
    }

    /// What Ana has chosen for Ben.
    fn choose(&self, way: &str) -> Outcome {
        let page = self.people[0].page();
        page.click("@contact-open")?;
        page.wait_for_element("@contact-page")?;
        page.click(way)?;
        page.click("@contact-close")
    }
}

#[test]
fn nobody_but_the_node_hears_of_an_address_before_the_answer_or_when_it_is_hidden() -> Outcome {
    let Some(homes) = Homes::new_or_skip("whom packets go to")? else {
        return Ok(());
    };
    let [ana, ben] = &homes.people;

    let unanswered = homes.watch()?;
    ana.call(true)?;
    ben.page().wait_for_element("@call-incoming")?;
    ana.wait_for_call("ringing")?;
    // Whatever was to leave before the answer has left by then.
    let connected = "lab.open().some((one) => one.connectionState === 'connected')";
    ben.page().wait_for(connected, "a link over the relay")?;
    ana.hang_up()?;
    ben.wait_for_end("missed")?;
    ana.wait_for_end("hung-up")?;
    let (told, left) = homes.told(&unanswered);
    assert_eq!(told, BTreeSet::new(), "while it rang");
    assert!(left > 0, "packets leave whoever calls");

    homes.choose("@relay-only")?;
    let hidden = homes.watch()?;
    call(ana, ben)?;
    for person in [ana, ben] {
        person.wait_for_route("relay")?;
        person.sees()?;
    }
    hang_up(ana, ben)?;
    let (told, left) = homes.told(&hidden);
    assert_eq!(
        told,
        BTreeSet::new(),
        "with somebody who is to see the relay"
    );
    assert!(left > MANY, "{left} packets are no call");

    // That the captures would have seen it.
    homes.choose("@relay-only-never")?;
    let open = homes.watch()?;
    call(ana, ben)?;
    for person in [ana, ben] {
        person.wait_for_route("direct")?;
    }
    // Beside those, what their browsers call themselves at home is tried in vain.
    let (told, _) = homes.told(&open);
    for router in &homes.routers {
        assert!(told.contains(&router.public_ipv4().into()), "{told:?}");
    }
    hang_up(ana, ben)
}
