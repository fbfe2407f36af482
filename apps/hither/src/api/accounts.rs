// SPDX-License-Identifier: MIT OR Apache-2.0
//! Accounts and their sealed profiles.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use hither_api::{AccountId, AccountSummary, DeviceId, limits};

use super::Refused;
use super::extract::{AdminCaller, Blob, Id, SignedInCaller};
use crate::node::Node;

/// `GET /api/v1/accounts`
pub(super) async fn list(
    State(node): State<Arc<Node>>,
    AdminCaller(_): AdminCaller,
) -> Result<Json<Vec<AccountSummary>>, Refused> {
    Ok(Json(node.store.call(|store| store.accounts()).await??))
}

/// `DELETE /api/v1/accounts/{account}`
pub(super) async fn remove(
    State(node): State<Arc<Node>>,
    AdminCaller(_): AdminCaller,
    Id(account): Id<AccountId>,
) -> Result<StatusCode, Refused> {
    let devices = node
        .store
        .call(move |store| store.remove_account(account))
        .await??;
    sign_out(&node, devices);
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /api/v1/account`
pub(super) async fn delete_own(
    State(node): State<Arc<Node>>,
    SignedInCaller(caller): SignedInCaller,
) -> Result<StatusCode, Refused> {
    let devices = node
        .store
        .call(move |store| store.delete_own_account(caller.account))
        .await??;
    sign_out(&node, devices);
    Ok(StatusCode::NO_CONTENT)
}

fn sign_out(node: &Node, devices: Vec<DeviceId>) {
    for device in devices {
        node.sessions.revoke(device);
    }
}

/// `GET /api/v1/profile`
pub(super) async fn profile(
    State(node): State<Arc<Node>>,
    SignedInCaller(caller): SignedInCaller,
) -> Result<Response, Refused> {
    let profile = node
        .store
        .call(move |store| store.profile(caller.account))
        .await??
        .ok_or_else(Refused::not_found)?;
    Ok(sealed_bytes(profile))
}

/// `PUT /api/v1/profile`
pub(super) async fn put_profile(
    State(node): State<Arc<Node>>,
    SignedInCaller(caller): SignedInCaller,
    Blob(profile): Blob<{ limits::MAX_PROFILE }>,
) -> Result<StatusCode, Refused> {
    node.store
        .call(move |store| store.put_profile(caller.account, &profile))
        .await??;
    Ok(StatusCode::NO_CONTENT)
}

/// An answer of bytes that only a client can open.
pub(super) fn sealed_bytes(bytes: Vec<u8>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, bytes).into_response()
}
