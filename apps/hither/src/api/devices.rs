// SPDX-License-Identifier: MIT OR Apache-2.0
//! The devices of an account. A revoked one is signed out at once.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use hither_api::{AddDeviceRequest, DeviceId, DeviceSummary, RenameDeviceRequest};

use super::Refused;
use super::extract::{Id, JsonBody, SignedInCaller, checked_label};
use crate::node::{Node, random};

/// `GET /api/v1/devices`
pub(super) async fn list(
    State(node): State<Arc<Node>>,
    SignedInCaller(caller): SignedInCaller,
) -> Result<Json<Vec<DeviceSummary>>, Refused> {
    let devices = node
        .store
        .call(move |store| store.devices(caller.account))
        .await??;
    let summaries = devices.into_iter().map(|record| DeviceSummary {
        device: record.device,
        label: record.label,
        last_seen_day: record.last_seen_day,
        current: record.device == caller.device,
    });
    Ok(Json(summaries.collect()))
}

/// `POST /api/v1/devices`
pub(super) async fn add(
    State(node): State<Arc<Node>>,
    SignedInCaller(caller): SignedInCaller,
    JsonBody(request): JsonBody<AddDeviceRequest>,
) -> Result<(StatusCode, Json<DeviceSummary>), Refused> {
    let device = DeviceId::from_bytes(random()?);
    let label = checked_label(request.label)?;
    let summary = DeviceSummary {
        device,
        label: label.clone(),
        last_seen_day: None,
        current: false,
    };
    node.store
        .call(move |store| store.add_device(caller.account, device, request.device_key, &label))
        .await??;
    Ok((StatusCode::CREATED, Json(summary)))
}

/// `PATCH /api/v1/devices/{device}`
pub(super) async fn rename(
    State(node): State<Arc<Node>>,
    SignedInCaller(caller): SignedInCaller,
    Id(device): Id<DeviceId>,
    JsonBody(request): JsonBody<RenameDeviceRequest>,
) -> Result<StatusCode, Refused> {
    let label = checked_label(request.label)?;
    node.store
        .call(move |store| store.rename_device(caller.account, device, &label))
        .await??;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /api/v1/devices/{device}`
pub(super) async fn revoke(
    State(node): State<Arc<Node>>,
    SignedInCaller(caller): SignedInCaller,
    Id(device): Id<DeviceId>,
) -> Result<StatusCode, Refused> {
    node.store
        .call(move |store| store.revoke_device(caller.account, device))
        .await??;
    node.sessions.revoke(device);
    Ok(StatusCode::NO_CONTENT)
}
