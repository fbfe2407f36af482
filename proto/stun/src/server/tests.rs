// SPDX-License-Identifier: MIT OR Apache-2.0
//! Scenarios in virtual time: what a client says, and exactly what comes of it.

mod allocations;
mod amplification;
mod authentication;
mod behaviour;
mod data;
mod model;
mod negotiation;
mod operator;
mod peer_rules;
mod peers;
mod scene;
mod sockets;
mod two_addresses;
