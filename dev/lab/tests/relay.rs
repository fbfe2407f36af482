// SPDX-License-Identifier: MIT OR Apache-2.0
//! The relay as others see it: browsers behind firewalls, and the clients of another relay.

#![expect(clippy::expect_used, reason = "a test may fail loudly")]

#[path = "relay/closed_networks.rs"]
mod closed_networks;
#[path = "relay/coturn.rs"]
mod coturn;
#[path = "relay/place.rs"]
mod place;
#[path = "relay/raw.rs"]
mod raw;
#[path = "relay/your_network.rs"]
mod your_network;
