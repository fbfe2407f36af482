// SPDX-License-Identifier: MIT OR Apache-2.0
//! Registration, and the tokens that permit it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use hither_api::{
    AccountId, DeviceId, Problem, RegisterRequest, RegisterResponse, RegistrationRequest,
    RegistrationResponse, RegistrationToken, Role,
};
use hither_store::NewAccount;

use super::extract::{AdminCaller, AuthorizationFault, JsonBody, Source, checked_label};
use super::{Fault, Refused};
use crate::clock;
use crate::node::rate::Kind;
use crate::node::{Node, random};

/// Longest life of a registration token, in seconds.
pub(crate) const MAX_TOKEN_SECS: u64 = 7 * 86_400;

/// `POST /api/v1/register`
pub(super) async fn register(
    State(node): State<Arc<Node>>,
    Source(source): Source,
    JsonBody(request): JsonBody<RegisterRequest>,
) -> Result<(StatusCode, Json<RegisterResponse>), Refused> {
    node.rates.check(Kind::Registration, source)?;
    let token = request.token.map(|token| token.hash());
    let new = NewAccount {
        account: AccountId::from_bytes(random()?),
        device: DeviceId::from_bytes(random()?),
        device_key: request.device_key,
        label: checked_label(request.label)?,
    };
    let open = node.open_registration;
    let registered = node
        .store
        .call(move |store| store.register(token, open, &new, clock::now()))
        .await?;
    if token.is_none() || registered.is_err() {
        node.rates.spend(Kind::Registration, source)?;
    }
    let registered = registered?;
    tracing::debug!(role = ?registered.role, "an account was made");
    let response = RegisterResponse {
        account: registered.account,
        device: registered.device,
        role: registered.role,
    };
    Ok((StatusCode::CREATED, Json(response)))
}

/// A token was not minted.
#[derive(Debug, thiserror::Error)]
enum MintFault {
    #[error("nobody can be made an owner")]
    Owner,
    #[error("the expiry is out of range")]
    Expiry,
}

impl Fault for MintFault {
    fn problem(&self) -> Problem {
        match self {
            Self::Owner => Problem::new(
                403,
                "owner-role",
                "Nobody can be invited as an owner.",
                "Invite an admin instead.",
            ),
            Self::Expiry => Problem::new(
                400,
                "expiry",
                "The expiry is out of range.",
                "It must be between 1 second and 7 days.",
            ),
        }
    }
}

/// `POST /api/v1/registrations`
pub(super) async fn mint(
    State(node): State<Arc<Node>>,
    AdminCaller(caller): AdminCaller,
    JsonBody(request): JsonBody<RegistrationRequest>,
) -> Result<(StatusCode, Json<RegistrationResponse>), Refused> {
    match request.role {
        Role::Owner => return Err(MintFault::Owner.into()),
        Role::Admin if caller.role != Role::Owner => return Err(AuthorizationFault::Role.into()),
        Role::Admin | Role::Member => {}
    }
    if !(1..=MAX_TOKEN_SECS).contains(&request.expires_in) {
        return Err(MintFault::Expiry.into());
    }
    let token = RegistrationToken::from_bytes(random()?);
    let expires = hither_store::expiry::coarse(clock::now(), request.expires_in);
    node.store
        .call(move |store| store.add_token(token.hash(), request.role, expires))
        .await??;
    Ok((StatusCode::CREATED, Json(RegistrationResponse { token })))
}
