// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two networks, and in each somebody with our client and a bare browser beside it.

use std::time::Duration;

use hither_lab::{
    BARE_PAGE, BarePhone, Client, Coturn, Dependence, EAR, Firewall, Flow, LabError, LinkShape,
    Nat, Person, PersonConfig, Router, RouterConfig, Switchboard,
};

use crate::place::Place;

/// Takes every call after it has rung for as long as it should, and remembers when what happened, in milliseconds
/// since 1970: pages on one machine read one clock.
const STOPWATCH: &str = include_str!("stopwatch.js");

/// A kind of network at both ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Both {
    /// Public addresses.
    Open,
    /// Home routers: endpoint-independent mapping, address-and-port-dependent filtering.
    Home,
    /// Mapping that depends on address and port.
    Narrow,
    /// Nothing but 443/TCP.
    Https,
}

/// One side.
pub(super) struct Side {
    pub(super) router: Router,
    pub(super) spare: Router,
    pub(super) client: Client,
    pub(super) person: Person,
    pub(super) bare: BarePhone,
}

/// Both.
pub(super) struct Duel {
    both: Both,
    pub(super) sides: [Side; 2],
    pub(super) coturn: Coturn,
    pub(super) place: Place,
    _board: Switchboard,
}

impl Both {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Open => "open – open",
            Self::Home => "EIM/APDF – EIM/APDF",
            Self::Narrow => "APDM – APDM",
            Self::Https => "only 443/TCP – only 443/TCP",
        }
    }

    /// The best path.
    pub(super) fn best(self) -> &'static str {
        match self {
            Self::Open | Self::Home => "direct",
            Self::Narrow | Self::Https => "relay",
        }
    }

    fn config(self) -> RouterConfig {
        let home = Nat::endpoint_independent(Dependence::AddressAndPortDependent);
        match self {
            Self::Open => RouterConfig::open(),
            Self::Home => RouterConfig::nat(home),
            Self::Narrow => RouterConfig::nat(Nat::address_and_port_dependent()),
            Self::Https => {
                RouterConfig::nat(home).firewall(Firewall::closed_but_for(&[Flow::tcp(443)]))
            }
        }
    }
}

impl Duel {
    /// Everybody acquainted, with the conversation open. The first side has so many uplinks.
    pub(super) fn between(both: Both, uplinks: usize) -> Result<Self, LabError> {
        let place = Place::new_or_skip("the bench of networks")?.ok_or_else(|| {
            LabError::Unexpected("without networks nothing is measured".to_owned())
        })?;
        let coturn = Coturn::start(place.net.host("coturn")?)?;
        let board = Switchboard::start(place.net.host("board")?, BARE_PAGE)?;
        let ana = Side::place(&place, (both, uplinks), "Ana")?;
        let ben = Side::place(&place, (both, 1), "Ben")?;
        let owner = place.arrive_as_owner("Ana", ana.3)?;
        let invited = place.arrive_invited(&owner, "Ben", ben.3, place.addresses()[0])?;
        owner.talk_to("Ben")?;
        invited.talk_to("Ana")?;
        let side = |(router, spare, client, config): (Router, Router, Client, PersonConfig),
                    person: Person,
                    seat: &str| {
            let bare = BarePhone::open(
                &format!("bare-{seat}"),
                &board,
                seat,
                &coturn.ice_servers(),
                &config,
            )?;
            Ok::<_, LabError>(Side {
                router,
                spare,
                client,
                person,
                bare,
            })
        };
        let bare = |client: &Client| PersonConfig {
            netns: Some(client.netns().to_owned()),
            scripts: vec![EAR.to_owned()],
            ..PersonConfig::default()
        };
        let (for_ana, for_ben) = (bare(&ana.2), bare(&ben.2));
        let sides = [
            side((ana.0, ana.1, ana.2, for_ana), owner, "a")?,
            side((ben.0, ben.1, ben.2, for_ben), invited, "b")?,
        ];
        Ok(Self {
            both,
            sides,
            coturn,
            place,
            _board: board,
        })
    }

    /// The best path between the two.
    pub(super) fn best(&self) -> &'static str {
        self.both.best()
    }

    /// From now on it takes so long from one side to the other and back, half of it from either side to the node.
    pub(super) fn round_trip(&self, time: Duration) {
        for side in &self.sides {
            for router in [&side.router, &side.spare] {
                router.link().set(LinkShape::round_trip(time / 2));
            }
        }
    }
}

impl Side {
    /// The network of one side: one uplink or two, of which the first is used.
    fn place(
        place: &Place,
        (both, uplinks): (Both, usize),
        name: &str,
    ) -> Result<(Router, Router, Client, PersonConfig), LabError> {
        let router = place.net.router(&format!("home-{name}"), &both.config())?;
        let spare = place.net.router(&format!("spare-{name}"), &both.config())?;
        let mut client = router.client(name)?;
        if uplinks > 1 {
            client.add_uplink(&spare)?;
        }
        let config = PersonConfig {
            scripts: vec![EAR.to_owned(), STOPWATCH.to_owned()],
            any_script: true,
            ..place.person(name, &client)
        };
        Ok((router, spare, client, config))
    }
}
