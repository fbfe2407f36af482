// SPDX-License-Identifier: MIT OR Apache-2.0
//! docs/relay-conformance.md names tests. They exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Where the tests are that the document may name, below the project's folder.
const TESTED: [&str; 5] = [
    "proto/stun/src",
    "proto/stun/tests",
    "host/relay/src",
    "host/relay/tests",
    "dev/lab/tests",
];

#[test]
fn every_test_that_the_conformance_matrix_names_exists() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let document = project.join("docs/relay-conformance.md");
    let document = fs::read_to_string(document).expect("the document is there");
    let mut known = BTreeSet::new();
    for folder in TESTED {
        collect(&project.join(folder), &mut known);
    }
    let named: Vec<_> = document
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|text| text.contains('_') && text.chars().all(is_of_a_name))
        .collect();
    assert!(named.len() > 50, "{} tests are named", named.len());
    let missing: Vec<_> = named
        .iter()
        .filter(|name| !known.contains(**name))
        .collect();
    assert!(missing.is_empty(), "no such tests: {missing:#?}");
}

const fn is_of_a_name(letter: char) -> bool {
    letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_'
}

/// The names of all functions in the folder, and below it, that follow an attribute whose name ends in `test`.
fn collect(folder: &Path, known: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, known);
            continue;
        }
        let source = fs::read_to_string(&path).unwrap_or_default();
        let mut is_test = false;
        for line in source.lines().map(str::trim) {
            let words = line.strip_prefix("async ").unwrap_or(line);
            if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                is_test = true;
            } else if let (true, Some(rest)) = (is_test, words.strip_prefix("fn ")) {
                let name = rest.split(|letter| !is_of_a_name(letter)).next();
                known.extend(name.map(str::to_owned));
                is_test = false;
            }
        }
    }
}
