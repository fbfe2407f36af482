// SPDX-License-Identifier: MIT OR Apache-2.0
//! The HTTP half of `hither-api`, one endpoint family a file, and the socket.
//!
//! A handler takes extractors that refuse by themselves, calls the store once, and answers. Every refusal is
//! `application/problem+json` with a sentence.

mod accounts;
mod devices;
mod extract;
mod invitations;
mod mailboxes;
mod refusal;
mod register;
mod socket;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, patch, post, put};
use axum::{Json, Router};
use hither_api::{NodeDescription, VERSION, path};
use tower::ServiceBuilder;

use crate::node::Node;
use crate::web;
pub(crate) use refusal::{Fault, Refused};

/// Where a request comes from, put beside it by the listener.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Everything a node answers.
pub(crate) fn router(node: Arc<Node>) -> Router {
    let all_headers = ServiceBuilder::new().map_response(web::with_headers);
    same_origin()
        .merge(cross_origin())
        .route("/ca.crt", get(own_ca))
        .fallback(fallback)
        .method_not_allowed_fallback(|| async { Refused::method_not_allowed() })
        .layer(all_headers)
        .with_state(node)
}

fn same_origin() -> Router<Arc<Node>> {
    let device = format!("{}/{{device}}", path::DEVICES);
    let account = format!("{}/{{account}}", path::ACCOUNTS);
    Router::new()
        .route(path::NODE, get(describe))
        .route(path::REGISTER, post(register::register))
        .route(path::REGISTRATIONS, post(register::mint))
        .route(path::ACCOUNTS, get(accounts::list))
        .route(&account, delete(accounts::remove))
        .route(path::ACCOUNT, delete(accounts::delete_own))
        .route(
            path::PROFILE,
            get(accounts::profile).put(accounts::put_profile),
        )
        .route(path::DEVICES, get(devices::list).post(devices::add))
        .route(&device, patch(devices::rename).delete(devices::revoke))
        .route(path::SOCKET, get(socket::open))
}

/// What a client may ask of a node that did not serve its page: put an envelope, and fetch an invitation.
/// No cookies exist, and a capability is not sent by a browser on its own.
fn cross_origin() -> Router<Arc<Node>> {
    let mailbox = format!("{}/{{mailbox}}", path::MAILBOXES);
    let invitation = format!("{}/{{invitation}}", path::INVITATIONS);
    Router::new()
        .route(&mailbox, post(mailboxes::put).options(mailboxes::preflight))
        .route(
            &invitation,
            put(invitations::park)
                .get(invitations::fetch)
                .delete(invitations::withdraw)
                .options(invitations::preflight),
        )
}

/// The answer to a preflight request for one method.
fn preflight(method: &Method) -> Response {
    let mut response = axum::http::StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    allow_any_origin(headers);
    if let Ok(method) = HeaderValue::from_str(method.as_str()) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, method);
    }
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("authorization, content-type, hither-expires-in"),
    );
    headers.insert(
        header::ACCESS_CONTROL_MAX_AGE,
        HeaderValue::from_static("7200"),
    );
    response
}

fn allow_any_origin(headers: &mut axum::http::HeaderMap) {
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    );
}

/// Lets every page read the answer, whether it is good or bad.
fn readable_anywhere(answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    allow_any_origin(response.headers_mut());
    response
}

async fn describe(State(node): State<Arc<Node>>) -> Json<NodeDescription> {
    Json(NodeDescription {
        version: VERSION,
        name: node.name.clone(),
        open_registration: node.open_registration,
        web_hash: web::HASH.to_owned(),
    })
}

/// The node's own certificate authority, for whoever wants to trust it.
async fn own_ca(State(node): State<Arc<Node>>) -> Result<Response, Refused> {
    let pem = node.own_ca.clone().ok_or_else(Refused::not_found)?;
    let media_type = [(header::CONTENT_TYPE, "application/x-x509-ca-cert")];
    Ok((media_type, pem).into_response())
}

async fn fallback(request: axum::extract::Request) -> Response {
    if request.uri().path().starts_with("/api/") {
        return Refused::not_found().into_response();
    }
    web::serve(&request)
}
