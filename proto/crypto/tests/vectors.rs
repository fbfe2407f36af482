// SPDX-License-Identifier: MIT OR Apache-2.0
//! The frozen vectors hold, and the document shows them.

use std::collections::BTreeMap;

use hither_crypto::vectors;

const PROTOCOL: &str = include_str!("../../../docs/protocol.md");

#[test]
fn every_vector_holds() {
    let outcomes = vectors::run();
    assert_eq!(outcomes.len(), 21);
    for (name, outcome) in outcomes {
        assert_eq!(outcome, Ok(()), "{name}");
    }
}

#[test]
fn the_frozen_file_is_what_is_computed() {
    let same = vectors::recompute().unwrap() + "\n" == vectors::HITHER;
    assert!(
        same,
        "run the example `freeze` if the protocol changed on purpose"
    );
}

/// Under "## Test vectors" every line "`name`: `value`" belongs to the case of the heading above it.
#[test]
fn the_document_shows_what_is_frozen() {
    let frozen: BTreeMap<String, BTreeMap<String, BTreeMap<String, String>>> =
        serde_json::from_str(vectors::HITHER).unwrap();
    let (_, section) = PROTOCOL.split_once("## Test vectors").unwrap();
    let mut shown = BTreeMap::new();
    let mut case = "";
    for line in section.lines() {
        if let Some(heading) = line.strip_prefix("### ") {
            case = heading;
        } else if let Some(row) = line.strip_prefix("| ") {
            let cells: Vec<_> = row
                .trim_end_matches('|')
                .split(" | ")
                .map(str::trim)
                .collect();
            if let [direction @ ("in" | "out"), name, value] = cells[..] {
                let value = value.trim_matches('`').to_owned();
                shown.insert((case, direction, name), value);
            }
        }
    }
    let expected = frozen.iter().flat_map(|(case, directions)| {
        directions.iter().flat_map(move |(direction, fields)| {
            fields.iter().map(move |(name, value)| {
                (
                    (case.as_str(), direction.as_str(), name.as_str()),
                    value.clone(),
                )
            })
        })
    });
    assert_eq!(shown, expected.collect());
}
