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
