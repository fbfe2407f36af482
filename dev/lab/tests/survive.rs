// SPDX-License-Identifier: MIT OR Apache-2.0
//! A call whose direct path dies: sound goes on over the relay, and returns to the direct path when there is one.

#![expect(clippy::expect_used, reason = "a test may fail loudly")]

#[path = "paths/place.rs"]
mod place;

use std::io::Write as _;
use std::time::Duration;

use hither_lab::{
    Client, Cut, Dependence, EAR, Ear, LabError, LinkShape, Nat, Person, Router, RouterConfig,
};

use self::place::{Outcome, Place};

/// Both links of the call are connected: the one that carries it, and its spare.
const SPARED: &str = "lab.open().filter((one) => one.connectionState === 'connected').length === 2";

/// Two people behind NATs of their own, who hum and listen.
struct Pair {
    people: [Person; 2],
    routers: [Router; 2],
    _clients: [Client; 2],
    _place: Place,
}

impl Pair {
    fn new_or_skip(test: &str) -> Result<Option<Self>, LabError> {
        let Some(place) = Place::new_or_skip(test)? else {
            return Ok(None);
        };
        let nat = Nat::endpoint_independent(Dependence::AddressAndPortDependent);
        let home = |name: &str| place.net.router(name, &RouterConfig::nat(nat));
        let routers = [home("home")?, home("office")?];
        for router in &routers {
            router
                .link()
                .set(LinkShape::round_trip(Duration::from_millis(20)));
        }
        let clients = [routers[0].client("ana")?, routers[1].client("ben")?];
        let config = |name: &str, client: &Client| {
            let mut config = place.person(name, client);
            config.any_script = true;
            config.scripts.push(EAR.to_owned());
            Ok::<_, LabError>(config)
        };
        let [node, _] = place.addresses();
        let ana = place.arrive_as_owner("Ana", config("ana", &clients[0])?)?;
        let ben = place.arrive_invited(&ana, "Ben", config("ben", &clients[1])?, node)?;
        Ok(Some(Self {
            people: [ana, ben],
            routers,
            _clients: clients,
            _place: place,
        }))
    }

    /// A call that goes directly and has its spare.
    fn call(&self, video: bool) -> Outcome {
        let [ana, ben] = &self.people;
        ana.talk_to(ben.name())?;
        ben.talk_to(ana.name())?;
        ana.call(video)?;
        ben.accept(video)?;
        for person in &self.people {
            person.wait_for_call("active")?;
            person.wait_for_route("direct")?;
            person.page().wait_for(SPARED, "a spare link")?;
            Ear::at(person.page())?.begin()?;
        }
        Ok(())
    }

    /// Waits until both hear each other, this way.
    fn hear(&self, route: &str) -> Outcome {
        for person in &self.people {
            person.wait_for_route(route)?;
            person.page().wait_for("ear.hears()", "the tone")?;
            person.wait_for_call("active")?;
        }
        Ok(())
    }

    fn tell(&self, what: &str) -> Outcome {
        for person in &self.people {
            let ear = Ear::still_at(person.page());
            let silence = ear.silence()?;
            ear.begin()?;
            let line = format!(
                "{what}: {} did not hear for {:.0} ms at most\n",
                person.name(),
                silence.longest_ms
            );
            // A test that cannot tell its figures has passed all the same.
            drop(std::io::stderr().lock().write_all(line.as_bytes()));
        }
        Ok(())
    }
}

#[test]
fn sound_goes_on_when_the_direct_path_dies_and_returns_to_it() -> Outcome {
    let Some(pair) = Pair::new_or_skip("the end of a direct path")? else {
        return Ok(());
    };
    pair.call(false)?;
    for _ in 0..rounds() {
        pair.tell("before")?;
        pair.routers[0].link().cut(Cut::DirectUdp);
        pair.hear("relay")?;
        pair.tell("the direct path cut")?;
        pair.routers[0].link().mend();
        pair.hear("direct")?;
        pair.tell("the direct path mended")?;
    }
    let [ana, ben] = &pair.people;
    ana.hang_up()?;
    ben.wait_for_end("remote-hung-up")
}

#[test]
fn pictures_follow_the_sound_when_all_udp_is_blocked() -> Outcome {
    let Some(pair) = Pair::new_or_skip("all UDP blocked")? else {
        return Ok(());
    };
    pair.call(true)?;
    for _ in 0..rounds() {
        pair.tell("before")?;
        pair.routers[0].link().cut(Cut::Udp);
        pair.hear("relay")?;
        pair.tell("all UDP blocked")?;
        for person in &pair.people {
            person.sees()?;
        }
        pair.routers[0].link().mend();
        pair.hear("direct")?;
        pair.tell("UDP again")?;
        for person in &pair.people {
            person.sees()?;
        }
    }
    Ok(())
}

/// A person may ask for many, to see figures.
fn rounds() -> usize {
    let asked = std::env::var("HITHER_ROUNDS").ok();
    asked.and_then(|asked| asked.parse().ok()).unwrap_or(1)
}
