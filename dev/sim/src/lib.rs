// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls over modelled networks in virtual time: thousands of them in seconds, every one replayable.
//!
//! - [`dice`]: all randomness, from one seed;
//! - [`address`], [`nat`], [`network`]: addresses, NATs in the words of RFC 4787, lines with delay, jitter,
//!   loss and rate, and what may be cut;
//! - [`relay`]: STUN and TURN as far as a call notices them;
//! - [`agent`]: an ICE-like prober (RFC 8445): gathering, trickling, checks, peer-reflexive candidates,
//!   nomination, restart;
//! - [`side`]: one person's end: two agents, and the very [`Watch`](hither_path::Watch) that the client has;
//! - [`world`]: everything together, and the clock;
//! - [`oracle`]: which pairs of NATs permit a direct path, derived on paper;
//! - [`plans`]: places drawn by dice;
//! - [`rate`]: the share of direct calls among networks as they are distributed in the world;
//! - [`seeds`]: runs a scenario with many seeds, and names the one that fails.
//!
//! What is modelled is the policy: when which path is found, left and taken again. What is not: bytes,
//! cryptography, congestion control, the browser. Those are the laboratory's (`dev/lab`).

pub mod address;
pub mod agent;
pub mod dice;
pub mod nat;
pub mod network;
pub mod oracle;
pub mod plans;
pub mod rate;
pub mod relay;
pub mod seeds;
pub mod side;
pub mod world;
