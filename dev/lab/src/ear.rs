// SPDX-License-Identifier: MIT OR Apache-2.0
//! A microphone that hums one tone without an end, and an ear that measures how long it was not to be heard.
//!
//! What is measured is what the page plays: the decoded sound of its media elements, mixed, on the audio clock, in
//! steps of 128 samples. The tone counts as gone when it is less than half as loud: a receiver stretches what it lost
//! for a tenth of a second or two, more and more quietly.

use serde::Deserialize;

use crate::{LabError, Page};

/// A script for a page, to run before its own: see [`Ear`].
pub const EAR: &str = include_str!("ear.js");

/// What an ear at a page with [`EAR`] has heard.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Silence {
    /// The longest stretch without the tone, milliseconds.
    pub longest_ms: f64,
    /// All stretches together.
    pub total_ms: f64,
    /// Whether the tone is there now.
    pub hears: bool,
}

/// Listening at one page.
#[derive(Debug)]
pub struct Ear<'a>(&'a Page);

impl<'a> Ear<'a> {
    /// Listens from now on. The page is one with [`EAR`], and its policy for scripts is not enforced, see
    /// [`PersonConfig::any_script`](crate::PersonConfig::any_script).
    ///
    /// # Errors
    ///
    /// When the tone is not to be heard.
    pub fn at(page: &'a Page) -> Result<Self, LabError> {
        page.eval("ear.open()")?;
        let ear = Self(page);
        page.wait_for("ear.hears()", "the tone")?;
        Ok(ear)
    }

    /// Goes on listening where an ear is already.
    #[must_use]
    pub fn still_at(page: &'a Page) -> Self {
        Self(page)
    }

    /// Forgets what was.
    ///
    /// # Errors
    ///
    /// When the page is gone.
    pub fn begin(&self) -> Result<(), LabError> {
        self.0.eval("ear.begin()")?;
        Ok(())
    }

    /// What was heard since.
    ///
    /// # Errors
    ///
    /// When the page is gone.
    pub fn silence(&self) -> Result<Silence, LabError> {
        self.0.eval_as("ear.silence()")
    }
}
