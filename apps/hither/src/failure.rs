// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why a command ended without doing its work, in words for the person who ran it.

use std::error::Error;
use std::fmt::Write as _;

/// What went wrong, and what to do about it.
#[derive(Debug)]
pub(crate) struct Failure {
    /// One sentence without a full stop, with its causes.
    pub(crate) message: String,
    /// What to do; each is a sentence of its own.
    pub(crate) hints: Vec<String>,
}

impl Failure {
    /// A failure without a hint.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hints: Vec::new(),
        }
    }

    /// A failure and everything that caused it.
    pub(crate) fn caused_by(message: impl Into<String>, cause: &dyn Error) -> Self {
        let mut message = message.into();
        let mut next = Some(cause);
        while let Some(cause) = next {
            // Writing to a string cannot fail.
            let _infallible = write!(message, ": {cause}");
            next = cause.source();
        }
        Self::new(message)
    }

    /// Adds something to do.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}
