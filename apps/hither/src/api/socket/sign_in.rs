// SPDX-License-Identifier: MIT OR Apache-2.0
//! Signing in: a fresh challenge, answered with the device's key within ten seconds.

use std::net::IpAddr;
use std::time::Duration;

use ed25519_dalek::{Signature, VerifyingKey};
use hither_api::{
    Bearer, ClientFrame, DeviceId, FrameError, Problem, ServerFrame, sign_in_transcript,
};

use super::pump::{Heard, Pump, broken_frame};
use crate::api::Fault;
use crate::clock;
use crate::node::rate::Kind;
use crate::node::sessions::{Caller, SignedIn};
use crate::node::{Node, random};

/// How long a client may take to sign in.
const TIME: Duration = Duration::from_secs(10);

/// Nobody was signed in.
#[derive(Debug, thiserror::Error)]
pub(super) enum SignInFault {
    #[error("the client went away")]
    Gone,
    #[error("it took too long")]
    TooLate,
    #[error("the first frame was not a sign-in")]
    NotFirst,
    #[error("the first frame is broken")]
    Broken(FrameError),
    #[error("the device is unknown or the signature is not its own")]
    Refused,
    #[error("the node could not check it")]
    Node(Problem),
}

impl SignInFault {
    /// What the client hears; nothing if it is gone.
    pub(super) fn last_word(self) -> Option<Problem> {
        match self {
            Self::Gone => None,
            Self::TooLate => Some(Problem::new(
                408,
                "sign-in-late",
                "Signing in took too long.",
                "Try again.",
            )),
            Self::NotFirst => Some(Problem::new(
                401,
                "sign-in-first",
                "Nothing is answered before signing in.",
                "",
            )),
            Self::Broken(error) => Some(broken_frame(&error)),
            Self::Refused => Some(Problem::new(
                401,
                "device-unknown",
                "This device is not known here: it was removed, or its key is another one.",
                "Register it again.",
            )),
            Self::Node(problem) => Some(problem),
        }
    }
}

impl<F: Fault> From<F> for SignInFault {
    fn from(fault: F) -> Self {
        Self::Node(fault.problem())
    }
}

/// Who signed in, and what keeps them so.
pub(super) struct Admitted {
    pub(super) caller: Caller,
    pub(super) bearer: Bearer,
    pub(super) signed_in: SignedIn,
}

/// Challenges the client and checks its answer.
pub(super) async fn sign_in(
    node: &Node,
    source: IpAddr,
    pump: &mut Pump,
) -> Result<Admitted, SignInFault> {
    let nonce = random()?;
    pump.say(&ServerFrame::Challenge { nonce });
    let answer = tokio::time::timeout(TIME, first_frame(pump)).await;
    let (device, signature) = answer.map_err(|_| SignInFault::TooLate)??;
    node.rates.check(Kind::Failure, source)?;
    let checked = check(node, &nonce, device, &signature).await;
    if matches!(checked, Err(SignInFault::Refused)) {
        // Counted; whether this was the last free try is said to the next one.
        let _counted = node.rates.spend(Kind::Failure, source);
    }
    admit(node, checked?).await
}

async fn first_frame(pump: &mut Pump) -> Result<(DeviceId, Vec<u8>), SignInFault> {
    loop {
        match pump.next().await {
            Heard::Frame(ClientFrame::SignIn { device, signature }) => {
                return Ok((device, signature));
            }
            Heard::Frame(_) => return Err(SignInFault::NotFirst),
            Heard::Broken(error) => return Err(SignInFault::Broken(error)),
            Heard::Gone => return Err(SignInFault::Gone),
            Heard::Moved => {}
        }
    }
}

async fn check(
    node: &Node,
    nonce: &[u8; 32],
    device: DeviceId,
    signature: &[u8],
) -> Result<Caller, SignInFault> {
    let record = node
        .store
        .call(move |store| store.sign_in_record(device))
        .await??
        .ok_or(SignInFault::Refused)?;
    let key = VerifyingKey::from_bytes(record.key.as_bytes()).map_err(|_| SignInFault::Refused)?;
    let signature = Signature::from_slice(signature).map_err(|_| SignInFault::Refused)?;
    key.verify_strict(&sign_in_transcript(nonce, device), &signature)
        .map_err(|_| SignInFault::Refused)?;
    Ok(Caller {
        account: record.account,
        device,
        role: record.role,
    })
}

/// Signs in, then looks once more whether the device still exists: a revocation that came in between either
/// is seen here or finds the session.
async fn admit(node: &Node, caller: Caller) -> Result<Admitted, SignInFault> {
    let bearer = Bearer::from_bytes(random()?);
    let signed_in = node.sessions.sign_in(caller, &bearer);
    let today = clock::now().day();
    let exists = node
        .store
        .call(move |store| store.note_seen(caller.device, today))
        .await??;
    if !exists {
        return Err(SignInFault::Refused);
    }
    Ok(Admitted {
        caller,
        bearer,
        signed_in,
    })
}
