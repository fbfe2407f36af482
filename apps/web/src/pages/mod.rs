// SPDX-License-Identifier: MIT OR Apache-2.0
//! One module per screen, and the root that chooses among them.

mod approve;
mod call;
mod contact;
mod conversation;
mod help;
mod home;
mod invite;
mod join;
mod network;
mod onboarding;
mod root;
mod settings;
mod tiles;
mod unlock;

pub(crate) use root::Root;
