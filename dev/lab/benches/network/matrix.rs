// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every network with every other: which way calls go.

use hither_lab::LabError;

use crate::town::{Kind, Town, meet};

/// Prints which way each pair's calls go. All are tried, whatever becomes of one; names choose among the networks.
pub(super) fn print(chosen: &[String]) -> Result<(), LabError> {
    println!("| caller | callee | path |\n|---|---|---|");
    let mut failed = 0;
    for kinds in [&Kind::OVER_IPV4[..], &Kind::OVER_IPV6] {
        let named = |kind: &&Kind| chosen.is_empty() || chosen.contains(&kind.name());
        let kinds: Vec<Kind> = kinds.iter().filter(named).copied().collect();
        failed += everybody(&kinds)?;
    }
    match failed {
        0 => Ok(()),
        _ => Err(LabError::Unexpected(format!("{failed} pairs failed"))),
    }
}

/// How many pairs of these failed.
fn everybody(kinds: &[Kind]) -> Result<usize, LabError> {
    let town = Town::new_or_skip("the matrix of networks", kinds)?;
    let mut town =
        town.ok_or_else(|| LabError::Unexpected("without networks nobody meets".to_owned()))?;
    let mut failed = 0;
    for (index, one) in kinds.iter().enumerate() {
        for two in kinds.iter().skip(index + 1) {
            let way = match meet(&mut town, *one, *two) {
                Ok(best) => best.words().1.to_owned(),
                Err(error) => {
                    failed += 1;
                    // The next call finds both as if nothing had been.
                    town.start_over(&[*one, *two])?;
                    format!("FAILED: {error}")
                }
            };
            println!("| {} | {} | {way} |", one.name(), two.name());
        }
    }
    Ok(failed)
}
