// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bounds that both sides keep. A node may be stricter, never laxer.

/// Largest envelope a mailbox takes, in bytes: the biggest size bucket and its header.
pub const MAX_ENVELOPE: usize = 256 * 1024 + 128;
/// Largest parked invitation, in bytes.
pub const MAX_PARKED: usize = 64 * 1024;
/// Largest sealed profile, in bytes.
pub const MAX_PROFILE: usize = 256 * 1024;
/// Largest JSON body, in bytes.
pub const MAX_JSON: usize = 16 * 1024;
/// Largest WebSocket frame from a client, in bytes.
pub const MAX_CLIENT_FRAME: usize = 4 * 1024;
/// Largest WebSocket frame from a node, in bytes.
pub const MAX_SERVER_FRAME: usize = MAX_ENVELOPE + 1024;
/// Largest sealed device label, in bytes.
pub const MAX_LABEL: usize = 256;
/// Devices of one account.
pub const MAX_DEVICES: usize = 16;
/// Mailboxes that one socket may subscribe to.
pub const MAX_SUBSCRIPTIONS: usize = 4096;
/// Envelopes waiting in one mailbox.
pub const MAX_WAITING: usize = 2000;
/// Bytes waiting in one mailbox.
pub const MAX_WAITING_BYTES: usize = 32 * 1024 * 1024;
/// Mailboxes made by one account.
pub const MAX_MAILBOXES: usize = 2048;
/// Invitations parked by one account at the same time.
pub const MAX_PARKED_PER_ACCOUNT: usize = 64;
/// Longest time an envelope waits, in seconds (30 days), and the default.
pub const MAX_ENVELOPE_SECS: u64 = 30 * 86_400;
/// Longest time an invitation stays parked, in seconds (7 days).
pub const MAX_PARKED_SECS: u64 = 7 * 86_400;
