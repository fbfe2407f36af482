// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a node keeps on its disk, and nothing more.
//!
//! | record | kept | until |
//! |---|---|---|
//! | account | random id, role, quota counters, sealed profile | its person deletes it, or its last device goes |
//! | device | random id, public sign-in key, sealed label, *day* of the last sign-in | revoked |
//! | registration token | its hash, the role it gives | used, or its expiry |
//! | mailbox | random id, hashes of the two keys, the day it ends | deleted, or 90 days without a reader |
//! | envelope | mailbox, sequence, sealed bytes, expiry | acknowledged, or its expiry |
//! | parked invitation | random id, sealed blob, hash of the withdraw key | withdrawn, or its expiry |
//!
//! No column holds an address, a name, or a time finer than an expiry needs (see [`expiry`]). A mailbox and a
//! parked invitation do not say whose they are: an account has only a number of each, so that quotas hold.
//!
//! [`NodeStore`] is synchronous and is the whole seam: every operation is one method, one atomic change.
//! [`Store`] puts it on a thread of its own behind a bounded queue and commits what waits there together.
//! Deciding who may call what, and telling readers that something came, is left to the program above.

#![forbid(unsafe_code)]

mod accounts;
mod devices;
pub mod expiry;
mod invitations;
mod mailboxes;
mod node;
mod retained;
mod schema;
mod thread;
mod tokens;

pub use accounts::{NewAccount, ProfileError, RegisterError, Registered, RemoveAccountError};
pub use devices::{
    AddDeviceError, DeviceRecord, RenameDeviceError, RevokeDeviceError, SignInRecord,
};
pub use invitations::{FetchError, ParkError, WithdrawError};
pub use mailboxes::{
    CreateMailboxError, DeleteMailboxError, PutError, SubscribeError, WaitingEnvelope,
};
pub use node::{NodeStore, OpenError, StoreError, Swept};
pub use retained::Retained;
pub use thread::{Store, Unavailable};
