// SPDX-License-Identifier: MIT OR Apache-2.0
//! Putting envelopes into mailboxes. Whoever has the capability may; nobody is asked who they are.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use hither_api::{Capability, MailboxId, header, limits};
use hither_store::{PutError, expiry};

use super::extract::{Blob, Id, Source, credential, expires_in};
use super::{Refused, readable_anywhere};
use crate::clock;
use crate::node::Node;
use crate::node::rate::Kind;

/// `OPTIONS /api/v1/mailboxes/{mailbox}`
pub(super) async fn preflight() -> Response {
    super::preflight(&Method::POST)
}

/// `POST /api/v1/mailboxes/{mailbox}`
pub(super) async fn put(
    State(node): State<Arc<Node>>,
    Source(source): Source,
    mailbox: Result<Id<MailboxId>, Refused>,
    headers: HeaderMap,
    envelope: Result<Blob<{ limits::MAX_ENVELOPE }>, Refused>,
) -> Response {
    let outcome = match (mailbox, envelope) {
        (Ok(Id(mailbox)), Ok(Blob(envelope))) => {
            try_put(&node, source, mailbox, &headers, envelope).await
        }
        (Err(refused), _) | (_, Err(refused)) => Err(refused),
    };
    readable_anywhere(outcome)
}

async fn try_put(
    node: &Node,
    source: IpAddr,
    mailbox: MailboxId,
    headers: &HeaderMap,
    envelope: Bytes,
) -> Result<StatusCode, Refused> {
    node.rates.check(Kind::Failure, source)?;
    let capability: Capability = credential(headers, header::CAPABILITY)?;
    let lasts = expires_in(headers, limits::MAX_ENVELOPE_SECS)?;
    let now = clock::now();
    let expires = expiry::coarse(now, lasts);
    let put = node
        .store
        .call(move |store| store.put(mailbox, &capability, &envelope, expires, now))
        .await?;
    if matches!(put, Err(PutError::Refused)) {
        node.rates.spend(Kind::Failure, source)?;
    }
    put?;
    node.bus.notify(mailbox);
    Ok(StatusCode::ACCEPTED)
}
