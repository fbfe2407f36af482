// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the pages read and write: signals over the view, where the person is, drafts, the ring.

mod app;
mod arrival;
mod notices;
mod preferences;
mod ring;
mod screen;
mod shortcuts;

#[cfg(feature = "gallery")]
pub(crate) use app::nothing_yet;
pub(crate) use app::{App, Confirmation, Panel, Start};
pub(crate) use notices::{concerns_invite, concerns_join};
pub(crate) use preferences::Preferences;
pub(crate) use ring::Tone;
pub(crate) use screen::Screen;
pub(crate) use shortcuts::SHORTCUTS;
