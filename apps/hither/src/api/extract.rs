// SPDX-License-Identifier: MIT OR Apache-2.0
//! What handlers take from a request, each refusing with a sentence of its own.

use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use hither_api::{Bearer, Problem, header as names, limits};
use serde::de::DeserializeOwned;

use super::{Fault, Peer, Refused};
use crate::node::Node;
use crate::node::sessions::Caller;

/// How long a body may take.
const BODY: Duration = Duration::from_secs(60);

/// The `Authorization` header does not permit this.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuthorizationFault {
    #[error("no authorisation of the wanted scheme")]
    Missing { scheme: &'static str },
    #[error("the bearer is not signed in")]
    SignedOut,
    #[error("the role does not permit it")]
    Role,
}

impl Fault for AuthorizationFault {
    fn problem(&self) -> Problem {
        match self {
            Self::Missing { scheme } => Problem::new(
                401,
                "authorization-missing",
                "This needs an authorisation that was not given or cannot be read.",
                &format!("Send the header `Authorization: {scheme} …`."),
            ),
            Self::SignedOut => Problem::new(
                401,
                "signed-out",
                "This device is not signed in.",
                "Sign in on the socket; its bearer is valid while it is open.",
            ),
            Self::Role => Problem::new(
                403,
                "role",
                "This account's role does not permit this.",
                "Ask the owner or an admin.",
            ),
        }
    }
}

/// The body, a header or the path cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputFault {
    #[error("an identifier in the path is malformed")]
    Path,
    #[error("the body is longer than permitted")]
    TooLong { limit: usize },
    #[error("the body ended early")]
    Unreadable,
    #[error("the body took too long")]
    TooSlow,
    #[error("the body is empty")]
    Empty,
    #[error("the body is not the expected JSON")]
    Json,
    #[error("a header is missing or malformed")]
    Header { name: &'static str },
    #[error("the expiry is out of range")]
    Expiry { most: u64 },
    #[error("the label is too long")]
    Label,
}

impl Fault for InputFault {
    fn problem(&self) -> Problem {
        match self {
            Self::Path => Problem::new(
                400,
                "malformed-id",
                "The identifier in the address is malformed.",
                "",
            ),
            Self::TooLong { limit } => Problem::new(
                413,
                "too-long",
                "The body is longer than permitted.",
                &format!("At most {limit} bytes are taken."),
            ),
            Self::Unreadable => Problem::new(
                400,
                "unreadable",
                "The body could not be read to its end.",
                "",
            ),
            Self::TooSlow => Problem::new(408, "too-slow", "The body took too long.", ""),
            Self::Empty => Problem::new(400, "empty", "The body is empty.", ""),
            Self::Json => Problem::new(
                400,
                "malformed-json",
                "The body is not the JSON that is expected here.",
                "",
            ),
            Self::Header { name } => Problem::new(
                400,
                "malformed-header",
                "A header is missing or malformed.",
                &format!("Look at the header {name}."),
            ),
            Self::Expiry { most } => Problem::new(
                400,
                "expiry",
                "The expiry is out of range.",
                &format!("It must be between 1 and {most} seconds."),
            ),
            Self::Label => Problem::new(
                400,
                "label-too-long",
                "The label is too long.",
                &format!("At most {} bytes are taken.", limits::MAX_LABEL),
            ),
        }
    }
}

/// A signed-in device.
pub(crate) struct SignedInCaller(pub(crate) Caller);

impl FromRequestParts<Arc<Node>> for SignedInCaller {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, node: &Arc<Node>) -> Result<Self, Refused> {
        let bearer: Bearer = credential(&parts.headers, names::BEARER)?;
        let caller = node.sessions.caller(&bearer);
        Ok(Self(caller.ok_or(AuthorizationFault::SignedOut)?))
    }
}

/// A signed-in device of an owner or admin.
pub(crate) struct AdminCaller(pub(crate) Caller);

impl FromRequestParts<Arc<Node>> for AdminCaller {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, node: &Arc<Node>) -> Result<Self, Refused> {
        let SignedInCaller(caller) = SignedInCaller::from_request_parts(parts, node).await?;
        if !caller.role.may_register_others() {
            return Err(AuthorizationFault::Role.into());
        }
        Ok(Self(caller))
    }
}

/// The address a request comes from, as far as the node can know.
pub(crate) struct Source(pub(crate) IpAddr);

impl FromRequestParts<Arc<Node>> for Source {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        node: &Arc<Node>,
    ) -> Result<Self, Self::Rejection> {
        let peer = parts.extensions.get::<Peer>();
        let direct = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
        if !node.behind_proxy {
            return Ok(Self(direct));
        }
        // Only the last entry was written by the proxy itself.
        let forwarded = parts
            .headers
            .get_all("x-forwarded-for")
            .iter()
            .next_back()
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.rsplit(',').next())
            .and_then(|value| value.trim().parse().ok());
        Ok(Self(forwarded.unwrap_or(direct)))
    }
}

/// The identifier at the end of the path.
pub(crate) struct Id<T>(pub(crate) T);

impl<T: FromStr, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let text = Path::<String>::from_request_parts(parts, state).await;
        let Path(text) = text.map_err(|_| InputFault::Path)?;
        Ok(Self(text.parse().map_err(|_| InputFault::Path)?))
    }
}

/// A JSON body of at most [`limits::MAX_JSON`] bytes.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refused> {
        let bytes = read(request, limits::MAX_JSON).await?;
        Ok(Self(
            serde_json::from_slice(&bytes).map_err(|_| InputFault::Json)?,
        ))
    }
}

/// A body of 1 to `MAX` bytes.
pub(crate) struct Blob<const MAX: usize>(pub(crate) Bytes);

impl<const MAX: usize, S: Send + Sync> FromRequest<S> for Blob<MAX> {
    type Rejection = Refused;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refused> {
        let bytes = read(request, MAX).await?;
        if bytes.is_empty() {
            return Err(InputFault::Empty.into());
        }
        Ok(Self(bytes))
    }
}

async fn read(request: Request, limit: usize) -> Result<Bytes, InputFault> {
    let announced = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(InputFault::TooLong { limit });
    }
    tokio::time::timeout(BODY, axum::body::to_bytes(request.into_body(), limit))
        .await
        .map_err(|_| InputFault::TooSlow)?
        .map_err(|error| {
            let source = std::error::Error::source(&error);
            if source.is_some_and(<dyn std::error::Error>::is::<http_body_util::LengthLimitError>) {
                InputFault::TooLong { limit }
            } else {
                InputFault::Unreadable
            }
        })
}

/// The credential behind `scheme` in the `Authorization` header.
pub(crate) fn credential<T: FromStr>(
    headers: &HeaderMap,
    scheme: &'static str,
) -> Result<T, AuthorizationFault> {
    headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(found, _)| found.eq_ignore_ascii_case(scheme))
        .and_then(|(_, text)| text.trim().parse().ok())
        .ok_or(AuthorizationFault::Missing { scheme })
}

/// Seconds that a thing may be kept: at most `most`, which also holds if nothing is said.
pub(crate) fn expires_in(headers: &HeaderMap, most: u64) -> Result<u64, InputFault> {
    let name = names::EXPIRES_IN;
    let Some(value) = headers.get(name) else {
        return Ok(most);
    };
    let secs: u64 = value
        .to_str()
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(InputFault::Header { name })?;
    if !(1..=most).contains(&secs) {
        return Err(InputFault::Expiry { most });
    }
    Ok(secs)
}

/// A device label of permitted length.
pub(crate) fn checked_label(label: Vec<u8>) -> Result<Vec<u8>, InputFault> {
    if label.len() > limits::MAX_LABEL {
        return Err(InputFault::Label);
    }
    Ok(label)
}
