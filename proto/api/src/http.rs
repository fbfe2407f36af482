// SPDX-License-Identifier: MIT OR Apache-2.0
//! Paths, headers and JSON bodies of the HTTP half.
//!
//! | request | authorisation | body | answer |
//! |---|---|---|---|
//! | `GET /api/v1/node` | – | – | [`NodeDescription`] |
//! | `POST /api/v1/register` | – (token inside) | [`RegisterRequest`] | 201 [`RegisterResponse`] |
//! | `POST /api/v1/registrations` | `Bearer`, owner or admin | [`RegistrationRequest`] | 201 [`RegistrationResponse`] |
//! | `GET /api/v1/accounts` | `Bearer`, owner or admin | – | `[`[`AccountSummary`]`]` |
//! | `DELETE /api/v1/accounts/{account}` | `Bearer`, owner or admin; never an owner | – | 204 |
//! | `DELETE /api/v1/account` | `Bearer` | – | 204 |
//! | `GET`/`PUT /api/v1/profile` | `Bearer` | sealed bytes | 200 bytes or 404 / 204 |
//! | `GET /api/v1/devices` | `Bearer` | – | `[`[`DeviceSummary`]`]` |
//! | `POST /api/v1/devices` | `Bearer` | [`AddDeviceRequest`] | 201 [`DeviceSummary`] |
//! | `PATCH /api/v1/devices/{device}` | `Bearer` | [`RenameDeviceRequest`] | 204 |
//! | `DELETE /api/v1/devices/{device}` | `Bearer` | – | 204, and its socket is closed |
//! | `POST /api/v1/mailboxes/{mailbox}` | `Capability` | envelope; [`header::EXPIRES_IN`] | 202 |
//! | `PUT /api/v1/invitations/{invitation}` | `Bearer` | sealed blob; [`header::EXPIRES_IN`], [`header::WITHDRAW_HASH`] | 201 |
//! | `GET /api/v1/invitations/{invitation}` | – | – | 200 bytes or 404 |
//! | `DELETE /api/v1/invitations/{invitation}` | `Withdraw` | – | 204 |
//! | `GET /api/v1/socket` | challenge inside | WebSocket | frames |
//!
//! Everything that fails answers `application/problem+json` ([`crate::Problem`]).

use serde::{Deserialize, Serialize};

use crate::{AccountId, DeviceAuthKey, DeviceId, RegistrationToken};

/// Paths below the node's origin.
pub mod path {
    /// Everything below this is API.
    pub const PREFIX: &str = "/api/v1";
    /// See the table in [`crate`]'s HTTP half.
    pub const NODE: &str = "/api/v1/node";
    /// Registration with a token.
    pub const REGISTER: &str = "/api/v1/register";
    /// Minting registration tokens.
    pub const REGISTRATIONS: &str = "/api/v1/registrations";
    /// All accounts, for owner and admins.
    pub const ACCOUNTS: &str = "/api/v1/accounts";
    /// The caller's own account.
    pub const ACCOUNT: &str = "/api/v1/account";
    /// The caller's sealed profile.
    pub const PROFILE: &str = "/api/v1/profile";
    /// The caller's devices.
    pub const DEVICES: &str = "/api/v1/devices";
    /// Prefix of a mailbox.
    pub const MAILBOXES: &str = "/api/v1/mailboxes";
    /// Prefix of a parked invitation.
    pub const INVITATIONS: &str = "/api/v1/invitations";
    /// The WebSocket.
    pub const SOCKET: &str = "/api/v1/socket";
}

/// Header names and authorisation schemes.
pub mod header {
    /// Seconds until the thing put may be forgotten; decimal.
    pub const EXPIRES_IN: &str = "hither-expires-in";
    /// Base64url [`crate::KeyHash`] of the [`crate::WithdrawKey`].
    pub const WITHDRAW_HASH: &str = "hither-withdraw-hash";
    /// `Authorization: Bearer <Bearer>`.
    pub const BEARER: &str = "Bearer";
    /// `Authorization: Capability <Capability>`.
    pub const CAPABILITY: &str = "Capability";
    /// `Authorization: Withdraw <WithdrawKey>`.
    pub const WITHDRAW: &str = "Withdraw";
}

/// What an account may do at its node. No role can read content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Has an account.
    Member,
    /// Invites and removes members.
    Admin,
    /// The first account; names admins.
    Owner,
}

impl Role {
    /// Whether this role may let new people in.
    #[must_use]
    pub fn may_register_others(self) -> bool {
        self >= Self::Admin
    }
}

/// What a node says about itself to anybody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeDescription {
    /// API version, see [`crate::VERSION`].
    pub version: u8,
    /// The operator's name for it; may be empty.
    pub name: String,
    /// Whether anybody may register without a token.
    pub open_registration: bool,
    /// SHA-256 of the browser client it serves, hexadecimal.
    pub web_hash: String,
}

/// Makes an account with its first device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterRequest {
    /// Absent where registration is open.
    pub token: Option<RegistrationToken>,
    /// The device's public sign-in key.
    pub device_key: DeviceAuthKey,
    /// The device's label, sealed by the client; at most [`crate::limits::MAX_LABEL`] bytes.
    pub label: Vec<u8>,
}

/// The account that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterResponse {
    /// The new account.
    pub account: AccountId,
    /// Its first device.
    pub device: DeviceId,
    /// What it may do.
    pub role: Role,
}

/// Asks for a token that lets somebody register.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistrationRequest {
    /// The role of the account to be made; only an owner may name admins, nobody an owner.
    pub role: Role,
    /// How long the token stays valid, in seconds, at most 7 days.
    pub expires_in: u64,
}

/// A token that lets somebody register once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistrationResponse {
    /// Goes into the link.
    pub token: RegistrationToken,
}

/// One account as an admin sees it: nothing about a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountSummary {
    /// The account.
    pub account: AccountId,
    /// What it may do.
    pub role: Role,
    /// How many devices it has.
    pub devices: u32,
}

/// Adds a device to the caller's account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddDeviceRequest {
    /// The device's public sign-in key.
    pub device_key: DeviceAuthKey,
    /// Sealed label.
    pub label: Vec<u8>,
}

/// Changes a device's sealed label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenameDeviceRequest {
    /// Sealed label.
    pub label: Vec<u8>,
}

/// One device of the caller's account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceSummary {
    /// The device.
    pub device: DeviceId,
    /// Its label, sealed by the client that wrote it.
    pub label: Vec<u8>,
    /// Day of the last sign-in, counted from 1970-01-01; nothing finer is kept.
    pub last_seen_day: Option<u64>,
    /// Whether this is the device that asks.
    pub current: bool,
}

/// Short-lived access to the relay (REST-style: HMAC over expiry and a random part).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnGrant {
    /// `expiry:random`.
    pub username: String,
    /// Base64 HMAC of the username.
    pub password: String,
    /// When it ends, seconds since 1970.
    pub expires: u64,
    /// `stun:`, `turn:` and `turns:` URLs, best first.
    pub urls: Vec<String>,
}

impl core::fmt::Debug for TurnGrant {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("TurnGrant").finish_non_exhaustive()
    }
}
