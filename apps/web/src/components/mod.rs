// SPDX-License-Identifier: MIT OR Apache-2.0
//! Dumb parts: values in, callbacks out. No page knowledge here.

mod avatar;
mod button;
mod choice;
mod copy;
mod field;
mod icon;
mod modal;
mod notices;
mod qr;
mod route;
mod safety;
mod switch;

pub(crate) use avatar::Avatar;
pub(crate) use button::IconButton;
pub(crate) use choice::{Choice, Way};
pub(crate) use copy::CopyButton;
pub(crate) use field::{CategoryField, ErrorText, PictureField};
pub(crate) use icon::{Glyph, Icon};
pub(crate) use modal::{ConfirmDialog, Modal};
pub(crate) use notices::Notices;
pub(crate) use qr::QrCode;
pub(crate) use route::{Around, RouteBadge};
pub(crate) use safety::SafetyNumber;
pub(crate) use switch::Switch;
