// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which lane of a call carries its sound.
//!
//! A call has two lanes: *main*, the best path that ICE has found, and *spare*, a second connection over
//! the relay that is warm and carries nothing. A [`Watch`] sits where sound frames are sealed and opened.
//! It sees when a frame of the other side arrived and on which lane, talks with the watch of the other
//! side in a [`Word`] now and then, and answers two questions for every frame:
//!
//! - [`Watch::sends_on`]: may a frame of mine leave on this lane;
//! - [`Watch::plays`]: is a frame that arrived on this lane handed on.
//!
//! ```text
//!                 nothing for longer than the threshold, here or (its word) there
//!        ┌──────┐ ─────────────────────────────────────────────────────────────► ┌────────────┐
//!        │ main │                                                                │ main+spare │
//!        └──────┘ ◄───────────────────────────────────────────────────────────── └────────────┘
//!                 main without a gap for the hold, here and (its word) there
//! ```
//!
//! Opening is quick and a false alarm is cheap: for a moment sound travels twice. Closing is slow, and
//! slower each time the main lane fails again soon: the hold is 1, 2, 4 … 30 seconds. The receiver plays
//! exactly one lane at any time. What has been heard on both is dropped on one.
//!
//! The loop is that of every machine: `handle_*(…, now)`, then drain `poll_event` and `poll_word`, then sleep
//! until `poll_timeout`. Left to others: authenticating frames and words, carrying words, restarting ICE,
//! moving video, and opening the spare connection in the first place.

#![forbid(unsafe_code)]
#![warn(clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg_attr(
    test,
    allow(
        clippy::expect_used,
        clippy::unwrap_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "a test may fail loudly"
    )
)]

mod config;
mod gaps;
mod hearing;
mod watch;
mod word;

pub use config::Config;
pub use watch::{Event, Watch};
pub use word::{ParseError, Word};

/// A way that the sound of one call can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// The best path that ICE has found; always sent on.
    Main,
    /// The second connection over the relay; sent on only while main is in doubt.
    Spare,
}

impl Lane {
    /// Both lanes.
    pub const ALL: [Self; 2] = [Self::Main, Self::Spare];

    /// The lane that this one is not.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Main => Self::Spare,
            Self::Spare => Self::Main,
        }
    }
}
