// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is printed for people.

use std::io::Write as _;

use crate::failure::Failure;

/// Prints to standard output; a closed pipe is nobody's fault.
pub(crate) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _closed = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// Prints what somebody should know, although it stops nothing, to standard error.
pub(crate) fn remark(text: &str) {
    let _closed = writeln!(std::io::stderr().lock(), "note: {text}");
}

/// Prints a failure and its hints to standard error.
pub(crate) fn complain(failure: &Failure) {
    let mut err = std::io::stderr().lock();
    let _closed = writeln!(err, "error: {}", failure.message);
    for hint in &failure.hints {
        let _closed = writeln!(err, "  hint: {hint}");
    }
}

/// Left-aligned columns.
pub(crate) fn table<const N: usize>(head: [String; N], rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in std::iter::once(&head).chain(rows) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in std::iter::once(&head).chain(rows) {
        let cells = row.iter().zip(widths);
        let line: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text.push_str(line.join("  ").trim_end());
        text.push('\n');
    }
    text
}
