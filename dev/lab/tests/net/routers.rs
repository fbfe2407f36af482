// SPDX-License-Identifier: MIT OR Apache-2.0
//! Routers: each is what it is called.

use std::net::IpAddr;

use hither_lab::Dependence::{AddressAndPortDependent, AddressDependent, EndpointIndependent};
use hither_lab::{Dependence, LabError, Nat, Net, Router, RouterConfig};

use super::measure::{Measured, Responder};

type Outcome = Result<(), LabError>;

/// What is measured of a client behind it, if it is what it says.
fn expected(nat: Nat) -> Measured {
    Measured {
        mapping: nat.mapping,
        filtering: nat.filtering,
        preserves_ports: nat.mapping == EndpointIndependent,
        hairpins: nat.hairpinning,
        translates: true,
    }
}

fn measured(responder: &Responder, router: &Router) -> Result<Measured, LabError> {
    let client = router.client("client")?;
    responder.measure(&client, client.ipv4().into())
}

#[test]
fn a_router_without_a_nat_shows_and_lets_in_everything() -> Outcome {
    let Some(net) = Net::new_or_skip("a router without a NAT")? else {
        return Ok(());
    };
    for ipv6 in [false, true] {
        let responder = Responder::new(&net, ipv6)?;
        let client = net
            .router("open", &RouterConfig::open())?
            .client("client")?;
        let ip = if ipv6 {
            client.ipv6().into()
        } else {
            IpAddr::from(client.ipv4())
        };
        let open = Measured {
            mapping: EndpointIndependent,
            filtering: EndpointIndependent,
            preserves_ports: true,
            // To itself.
            hairpins: true,
            translates: false,
        };
        assert_eq!(responder.measure(&client, ip)?, open);
    }
    Ok(())
}

#[test]
fn every_type_of_nat_is_measured_to_be_itself() -> Outcome {
    let Some(net) = Net::new_or_skip("every type of NAT")? else {
        return Ok(());
    };
    let responder = Responder::new(&net, false)?;
    let filters: [Dependence; 3] = [
        EndpointIndependent,
        AddressDependent,
        AddressAndPortDependent,
    ];
    let mut nats = vec![Nat::address_and_port_dependent()];
    for filtering in filters {
        let nat = Nat::endpoint_independent(filtering);
        nats.extend([nat, nat.hairpinning(false)]);
    }
    for nat in nats {
        let router = net.router("home", &RouterConfig::nat(nat))?;
        assert_eq!(measured(&responder, &router)?, expected(nat), "{nat:?}");
    }
    Ok(())
}
