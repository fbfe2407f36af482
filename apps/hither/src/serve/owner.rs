// SPDX-License-Identifier: MIT OR Apache-2.0
//! The first invitation: as long as nobody owns the node, every start prints a fresh one.

use hither_api::RegistrationToken;
use hither_api::link::Link;
use hither_store::{Store, expiry};

use crate::clock;
use crate::failure::Failure;
use crate::node::random;

/// How long the owner's link can be used, in seconds.
const LASTS: u64 = 7 * 86_400;

/// A fresh link that makes its user the owner; earlier ones stop working. `None` if there is an owner.
pub(super) async fn invitation(store: &Store, origin: &str) -> Result<Option<String>, Failure> {
    let failed =
        |error: &dyn std::error::Error| Failure::caused_by("cannot make the owner's link", error);
    let token = RegistrationToken::from_bytes(random().map_err(|error| failed(&error))?);
    let expires = expiry::coarse(clock::now(), LASTS);
    let hash = token.hash();
    let needed = store
        .call(move |store| store.replace_owner_token(hash, expires))
        .await
        .map_err(|error| failed(&error))?
        .map_err(|error| failed(&error))?;
    let link = Link::Registration {
        origin: origin.to_owned(),
        token,
    };
    Ok(needed.then(|| link.to_text()))
}
