// SPDX-License-Identifier: MIT OR Apache-2.0
//! Parked invitations: sealed blobs that a link points at.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use hither_api::{InvitationId, KeyHash, WithdrawKey, header, limits};
use hither_store::{WithdrawError, expiry};

use super::accounts::sealed_bytes;
use super::extract::{Blob, Id, InputFault, SignedInCaller, Source, credential, expires_in};
use super::{Refused, readable_anywhere};
use crate::clock;
use crate::node::Node;
use crate::node::rate::Kind;

/// `OPTIONS /api/v1/invitations/{invitation}`: only fetching is for other pages.
pub(super) async fn preflight() -> Response {
    super::preflight(&Method::GET)
}

/// `PUT /api/v1/invitations/{invitation}`
pub(super) async fn park(
    State(node): State<Arc<Node>>,
    SignedInCaller(caller): SignedInCaller,
    Id(invitation): Id<InvitationId>,
    headers: HeaderMap,
    Blob(blob): Blob<{ limits::MAX_PARKED }>,
) -> Result<StatusCode, Refused> {
    let name = header::WITHDRAW_HASH;
    let withdraw_hash: KeyHash = headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse().ok())
        .ok_or(InputFault::Header { name })?;
    let now = clock::now();
    let expires = expiry::coarse(now, expires_in(&headers, limits::MAX_PARKED_SECS)?);
    node.store
        .call(move |store| {
            let parked = (blob.as_ref(), withdraw_hash);
            store.park(caller.account, invitation, parked, expires, now)
        })
        .await??;
    Ok(StatusCode::CREATED)
}

/// `GET /api/v1/invitations/{invitation}`
pub(super) async fn fetch(
    State(node): State<Arc<Node>>,
    Source(source): Source,
    invitation: Result<Id<InvitationId>, Refused>,
) -> Response {
    let outcome = async {
        node.rates.spend(Kind::Invitation, source)?;
        let Id(invitation) = invitation?;
        let blob = node
            .store
            .call(move |store| store.fetch_invitation(invitation, clock::now()))
            .await??;
        Ok::<_, Refused>(sealed_bytes(blob))
    };
    readable_anywhere(outcome.await)
}

/// `DELETE /api/v1/invitations/{invitation}`
pub(super) async fn withdraw(
    State(node): State<Arc<Node>>,
    Source(source): Source,
    Id(invitation): Id<InvitationId>,
    headers: HeaderMap,
) -> Result<StatusCode, Refused> {
    node.rates.check(Kind::Failure, source)?;
    let key: WithdrawKey = credential(&headers, header::WITHDRAW)?;
    let withdrawn = node
        .store
        .call(move |store| store.withdraw(invitation, &key))
        .await?;
    if matches!(withdrawn, Err(WithdrawError::Refused)) {
        node.rates.spend(Kind::Failure, source)?;
    }
    withdrawn?;
    Ok(StatusCode::NO_CONTENT)
}
