// SPDX-License-Identifier: MIT OR Apache-2.0
//! Networks with each other, by the best path there is: a part of the matrix in which every kind of network occurs
//! twice at least, with every kind of path and every reason for it. All of it takes long: `cargo xtask lab --matrix`.

use std::io::Write;
use std::time::Instant;

use super::town::{Kind, Town, meet};
use crate::place::Outcome;

#[test]
fn homes_meet_directly_unless_both_their_routers_are_narrow() -> Outcome {
    use Kind::{Apdm, EimAdf, EimApdf, EimEif, OtherApdm};
    all_meet(&[
        (EimApdf, EimEif),
        (EimApdf, EimAdf),
        (EimApdf, Apdm),
        (EimAdf, Apdm),
        (OtherApdm, EimEif),
        (Apdm, OtherApdm),
    ])
}

#[test]
fn homes_behind_two_routers_meet_wherever_the_outer_one_leads_back() -> Outcome {
    use Kind::{Blind, Cgnat, Open, OtherBlind, OtherCgnat};
    all_meet(&[
        (Open, Cgnat),
        (Open, OtherBlind),
        (OtherCgnat, Cgnat),
        (Cgnat, Blind),
        (Blind, OtherBlind),
        (OtherCgnat, Open),
    ])
}

#[test]
fn closed_networks_meet_over_the_relay_and_within_themselves() -> Outcome {
    use Kind::{Colleague, NoUdp, Office, Only443, OnlyHttps, Open};
    all_meet(&[
        (Open, NoUdp),
        (NoUdp, Only443),
        (Only443, OnlyHttps),
        (OnlyHttps, Office),
        (Office, Colleague),
        (Colleague, Open),
    ])
}

#[test]
fn neighbours_stay_in_their_network_and_a_second_uplink_does_no_harm() -> Outcome {
    use Kind::{Dual, EimApdf, Neighbour, TwoUplinks};
    all_meet(&[
        (EimApdf, Neighbour),
        (Neighbour, TwoUplinks),
        (TwoUplinks, Dual),
    ])
}

#[test]
fn who_has_nothing_but_ipv6_meets_all_who_have_it_too() -> Outcome {
    use Kind::{Dual, Ipv6Only, Open};
    all_meet(&[(Dual, Ipv6Only), (Ipv6Only, Open)])
}

fn all_meet(pairs: &[(Kind, Kind)]) -> Outcome {
    let mut kinds = Vec::new();
    for kind in pairs.iter().flat_map(|(one, two)| [*one, *two]) {
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    let Some(mut town) = Town::new_or_skip("calls between networks", &kinds)? else {
        return Ok(());
    };
    for (one, two) in pairs {
        let begun = Instant::now();
        let best = meet(&mut town, *one, *two)?;
        let took = begun.elapsed().as_secs_f64();
        tell(&format!("{one:?} calls {two:?}: {best:?} ({took:.1} s)"));
    }
    Ok(())
}

/// Says so on the terminal itself: the test harness would keep it to itself.
fn tell(what: &str) {
    // Without a terminal there is nobody to tell.
    let _told = writeln!(std::io::stderr(), "{what}");
}
