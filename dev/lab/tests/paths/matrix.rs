// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every network with every other.
//!
//! The whole matrix takes a while: `cargo xtask lab --matrix` asks for it with `HITHER_PATHS=all`. Otherwise a part of
//! it runs in which every network occurs twice at least, with every kind of path and every reason for it.

use std::env;
use std::io::Write;
use std::time::Instant;

use super::pair::{call, goes, hang_up, write_to_each_other};
use super::town::{Kind, Town};
use crate::place::Outcome;

/// Pairs that stand for the others.
const PART: [(Kind, Kind); 3] = [
    (Kind::Open, Kind::NoUdp),
    (Kind::OnlyHttps, Kind::Only443),
    (Kind::NoUdp, Kind::Only443),
];

#[test]
fn everybody_calls_everybody_by_the_best_path_there_is() -> Outcome {
    let whole = env::var("HITHER_PATHS").is_ok_and(|chosen| chosen == "all");
    let pairs = if whole { every_pair() } else { PART.to_vec() };
    let mut kinds: Vec<Kind> = pairs.iter().flat_map(|(one, two)| [*one, *two]).collect();
    kinds.sort();
    kinds.dedup();
    let Some(mut town) = Town::new_or_skip("the matrix of networks", &kinds)? else {
        return Ok(());
    };
    for (one, two) in pairs {
        let begun = Instant::now();
        let best = meet(&mut town, one, two)?;
        tell(&format!(
            "{} calls {}: {} ({:.1} s)",
            one.name(),
            two.name(),
            best,
            begun.elapsed().as_secs_f64()
        ));
    }
    Ok(())
}

fn every_pair() -> Vec<(Kind, Kind)> {
    let all = Kind::ALL;
    let pairs = all.iter().enumerate().flat_map(|(index, one)| {
        let others = all.iter().skip(index + 1);
        others.map(move |two| (*one, *two))
    });
    pairs.collect()
}

/// One pair's call, from the invitation to the end; says which way it went.
fn meet(town: &mut Town, one: Kind, two: Kind) -> Result<&'static str, hither_lab::LabError> {
    let pair = town.pair(one, two)?.map(|dweller| dweller.class);
    let best = pair[0].with(pair[1]);
    let pair = [town.dweller(one), town.dweller(two)];
    let [caller, callee] = pair.map(|dweller| &dweller.person);
    call(caller, callee)?;
    write_to_each_other(caller, callee)?;
    goes(&town.place, pair, best)?;
    hang_up(caller, callee)?;
    Ok(best.words().0)
}

/// Says so on the terminal itself: the test harness would keep it to itself.
fn tell(what: &str) {
    // Without a terminal there is nobody to tell.
    let _told = writeln!(std::io::stderr(), "{what}");
}
