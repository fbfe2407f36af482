// SPDX-License-Identifier: MIT OR Apache-2.0
//! Our own vectors.

use std::collections::BTreeMap;

use hither_sansio::{Duration, UnixTime};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use serde::{Deserialize, Serialize};

use super::{Fields, Outcome, digest, expect, fail, hex, parse, unhex};
use crate::identity::DeviceCert;
use crate::invitation::{self, Meeting, PendingInvitation};
use crate::session::EpochSecrets;
use crate::{
    Code, Fingerprint, FrameOpener, FrameSealer, HeaderKey, Identity, MediaKey, QuickOpener,
    QuickSealer, RootKey, Secret, Stretched, VaultHeader, call_number, envelope, safety_number,
    vault,
};

/// The file in which ours are frozen.
pub const HITHER: &str = include_str!("../../vectors/hither.json");
const BLOB: &[u8] = include_bytes!("../../vectors/invitation.bin");
const ANSWER: &[u8] = include_bytes!("../../vectors/answer.bin");
const PENDING: &[u8] = include_bytes!("../../vectors/pending.bin");

/// Inputs and outputs of one vector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Case {
    #[serde(rename = "in")]
    inputs: Fields,
    #[serde(rename = "out")]
    outputs: Fields,
}

type Check = fn(&Inputs<'_>) -> Result<Fields, String>;

/// Every check under the name that its case has in the file.
const CHECKS: [(&str, Check); 13] = [
    ("identity", identity),
    ("device certificate", device_cert),
    ("code", code),
    ("stretch", stretch),
    ("invitation", create),
    ("open", open),
    ("redeem", redeem),
    ("envelope", seal_envelope),
    ("quick", seal_quick),
    ("media", seal_media),
    ("safety number", safety),
    ("vault", seal_vault),
    ("record", seal_record),
];

pub(super) fn run() -> Vec<(&'static str, Outcome)> {
    let cases = parse::<BTreeMap<String, Case>>(HITHER);
    CHECKS
        .into_iter()
        .map(|(name, check)| {
            let outcome = cases.as_ref().map_err(Clone::clone).and_then(|cases| {
                let case = cases.get(name).ok_or("not in the file")?;
                compare(&case.outputs, &check(&Inputs(&case.inputs))?)
            });
            (name, outcome)
        })
        .collect()
}

fn compare(expected: &Fields, found: &Fields) -> Outcome {
    if expected.len() != found.len() || found.is_empty() {
        return Err("other outputs than in the file".to_owned());
    }
    expected.iter().try_for_each(|(name, expected)| {
        let found = found.get(name).map_or("missing", String::as_str);
        expect(name, found, expected)
    })
}

/// The file with its outputs computed again, for whoever changes the protocol on purpose.
///
/// # Errors
/// If the inputs are not as a check expects them.
pub fn recompute() -> Result<String, String> {
    let mut cases = parse::<BTreeMap<String, Case>>(HITHER)?;
    for (name, check) in CHECKS {
        let case = cases.get_mut(name).ok_or("not in the file")?;
        case.outputs = check(&Inputs(&case.inputs)).map_err(|error| format!("{name}: {error}"))?;
    }
    serde_json::to_string_pretty(&cases).map_err(fail)
}

/// The bytes that only open: a blob, an answer to it, and what the inviter kept.
#[derive(Debug)]
pub struct Frozen {
    /// `vectors/invitation.bin`
    pub blob: Vec<u8>,
    /// `vectors/answer.bin`
    pub answer: Vec<u8>,
    /// `vectors/pending.bin`
    pub pending: Vec<u8>,
}

/// Makes new ones, for whoever changes the protocol on purpose.
///
/// # Errors
/// If the inputs are not as the checks expect them.
pub fn freeze() -> Result<Frozen, String> {
    let cases = parse::<BTreeMap<String, Case>>(HITHER)?;
    let inputs = |name: &str| {
        cases
            .get(name)
            .map(|case| &case.inputs)
            .ok_or("not in the file")
    };
    let (blob, pending) = made(&Inputs(inputs("invitation")?))?;
    let inputs = Inputs(inputs("redeem")?);
    let key = Stretched::from_bytes(inputs.array("stretched code")?);
    let joined = invitation::open(&blob, &key, inputs.time("now")?)
        .map_err(fail)?
        .join(
            &inputs.identity("joiner seed")?,
            inputs.array("device")?,
            inputs.text("hello")?.as_bytes(),
            &mut ChaCha20Rng::from_seed([3; 32]),
            inputs.time("now")?,
        )
        .map_err(fail)?;
    Ok(Frozen {
        blob,
        answer: joined.envelope,
        pending: postcard::to_allocvec(&pending).map_err(fail)?,
    })
}

struct Inputs<'a>(&'a Fields);

impl Inputs<'_> {
    fn text(&self, name: &str) -> Result<&str, String> {
        let text = self.0.get(name).map(String::as_str);
        text.ok_or_else(|| format!("no input “{name}”"))
    }

    fn bytes(&self, name: &str) -> Result<Vec<u8>, String> {
        unhex(self.text(name)?).ok_or_else(|| format!("“{name}” is not hexadecimal"))
    }

    fn array<const N: usize>(&self, name: &str) -> Result<[u8; N], String> {
        let bytes = self.bytes(name)?;
        bytes
            .try_into()
            .map_err(|_| format!("“{name}” has not {N} bytes"))
    }

    fn number<T: core::str::FromStr>(&self, name: &str) -> Result<T, String> {
        self.text(name)?
            .parse()
            .map_err(|_| format!("“{name}” is no number"))
    }

    fn time(&self, name: &str) -> Result<UnixTime, String> {
        self.number(name).map(UnixTime::from_secs)
    }

    /// ChaCha20 (20 rounds, 64-bit counter and stream both zero) under the seed as key.
    fn rng(&self) -> Result<ChaCha20Rng, String> {
        self.array("rng seed").map(ChaCha20Rng::from_seed)
    }

    fn identity(&self, name: &str) -> Result<Identity, String> {
        let seed = Secret::from_bytes(self.array(name)?);
        Ok(Identity::from_seed(&seed))
    }
}

fn fields<const N: usize>(fields: [(&str, String); N]) -> Fields {
    fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn identity(inputs: &Inputs<'_>) -> Result<Fields, String> {
    let identity = inputs.identity("seed")?;
    let (label, message) = (inputs.text("label")?, inputs.text("message")?.as_bytes());
    let signature = identity.sign(label, message);
    identity
        .public()
        .verify(label, message, &signature)
        .map_err(fail)?;
    let public = identity.public().emit();
    Ok(fields([
        ("ed25519 key", hex(public.get(..32).unwrap_or_default())),
        ("public identity digest", digest(&public)),
        ("fingerprint", hex(identity.fingerprint().as_bytes())),
        (
            "ed25519 signature",
            hex(signature.get(..64).unwrap_or_default()),
        ),
        ("signature digest", digest(&signature)),
    ]))
}

fn device_cert(inputs: &Inputs<'_>) -> Result<Fields, String> {
    let identity = inputs.identity("seed")?;
    let leaf = crate::identity::LeafKey::from_seed(Secret::from_bytes(inputs.array("leaf seed")?));
    let validity = inputs.time("not before")?..=inputs.time("not after")?;
    let device = inputs.array("device")?;
    let cert = DeviceCert::issue(&identity, device, leaf.public(), validity, 0);
    cert.verify(identity.public(), inputs.time("not after")?)
        .map_err(fail)?;
    let bytes = cert.emit();
    Ok(fields([
        ("head", hex(bytes.get(..69).unwrap_or_default())),
        ("digest", digest(&bytes)),
    ]))
}

fn code(inputs: &Inputs<'_>) -> Result<Fields, String> {
    let code = Code::from_bytes(inputs.array("bytes")?);
    let words = code.to_words();
    if Code::parse(&words).map_err(fail)? != code {
        return Err("the words are another code".to_owned());
    }
    Ok(fields([("words", words.to_string())]))
}

fn stretch(inputs: &Inputs<'_>) -> Result<Fields, String> {
    let code = Code::from_bytes(inputs.array("code")?);
    let stretched = code.stretch(inputs.array("salt")?).run().map_err(fail)?;
    Ok(fields([("stretched", hex(stretched.as_bytes()))]))
}

fn made(inputs: &Inputs<'_>) -> Result<(Vec<u8>, PendingInvitation), String> {
    let meeting = Meeting {
        node: inputs.text("node")?.to_owned(),
        mailbox: inputs.array("mailbox")?,
        capability: inputs.array("capability")?,
    };
    let now = inputs.time("now")?;
    invitation::create(
        &inputs.identity("seed")?,
        inputs.array("device")?,
        meeting,
        inputs.array("salt")?,
        &Stretched::from_bytes(inputs.array("stretched code")?),
        now + Duration::from_secs(inputs.number("lifetime")?),
        now,
        &mut inputs.rng()?,
    )
    .map_err(fail)
}

fn create(inputs: &Inputs<'_>) -> Result<Fields, String> {
    let (blob, _) = made(inputs)?;
    if blob != BLOB {
        return Err("the blob is not the frozen one".to_owned());
    }
    Ok(fields([
        ("length", blob.len().to_string()),
        ("head", hex(blob.get(..29).unwrap_or_default())),
        ("digest", digest(&blob)),
    ]))
}

fn open(inputs: &Inputs<'_>) -> Result<Fields, String> {
    let key = Stretched::from_bytes(inputs.array("stretched code")?);
    let opened = invitation::open(BLOB, &key, inputs.time("now")?).map_err(fail)?;
    let meeting = opened.meeting();
    Ok(fields([
        ("inviter", hex(opened.inviter().fingerprint().as_bytes())),
        ("node", meeting.node.clone()),
        ("mailbox", hex(&meeting.mailbox)),
        ("capability", hex(&meeting.capability)),
        ("expires", opened.expires().as_secs().to_string()),
    ]))
}

fn redeem(inputs: &Inputs<'_>) -> Result<Fields, String> {
    let mut pending: PendingInvitation = postcard::from_bytes(PENDING).map_err(fail)?;
    let ana = inputs.identity("seed")?;
    let mut request = pending
        .redeem(&ana, ANSWER, inputs.time("now")?)
        .map_err(fail)?;
    request
        .session
        .seal(b"a session that works")
        .map_err(fail)?;
    if !pending.is_spent() {
        return Err("the invitation was not spent".to_owned());
    }
    let secrets = request.session.secrets();
    Ok(fields([
        ("answer length", ANSWER.len().to_string()),
        ("answer digest", digest(ANSWER)),
        ("joiner", hex(request.peer.fingerprint().as_bytes())),
        (
            "hello",
            String::from_utf8_lossy(&request.hello).into_owned(),
        ),
        ("accept digest", digest(&request.transcript.accept(&ana))),
        ("header key", hex(secrets.header.as_bytes())),
        ("quick secret", hex(secrets.quick.as_bytes())),
        ("media secret", hex(secrets.media.as_bytes())),
        ("authenticator", hex(secrets.authenticator.as_bytes())),
    ]))
}

fn seal_envelope(inputs: &Inputs<'_>) -> Result<Fields, String> {
    let key = HeaderKey::from_bytes(inputs.array("header key")?);
    let mailbox = inputs.array("mailbox")?;
    let (sequence, body) = (inputs.number("sequence")?, inputs.bytes("body")?);
    let kind = envelope::Kind::Quick;
    let sealed = envelope::seal(&key, &mailbox, kind, sequence, &body, &mut inputs.rng()?);
    let sealed = sealed.map_err(fail)?;
    let opened = envelope::open(&[&key], &sealed).map_err(fail)?;
    if (opened.kind, opened.sequence, &opened.body) != (kind, sequence, &body) {
        return Err("what was sealed is not what is opened".to_owned());
    }
    Ok(fields([
        ("length", sealed.len().to_string()),
        ("head", hex(sealed.get(..93).unwrap_or_default())),
        ("tag", hex(sealed.last_chunk::<16>().unwrap_or(&[0; 16]))),
        ("digest", digest(&sealed)),
    ]))
}

fn seal_quick(inputs: &Inputs<'_>) -> Result<Fields, String> {
    let secrets = EpochSecrets {
        epoch: 1,
        header: HeaderKey::from_bytes([0; 32]),
        quick: Secret::from_bytes(inputs.array("quick secret")?),
        media: Secret::from_bytes([0; 32]),
        authenticator: Secret::from_bytes([0; 48]),
    };
    let leaf = inputs.number("leaf")?;
    let message = inputs.text("message")?.as_bytes();
    let mut sealer = QuickSealer::new(&secrets, leaf, &mut inputs.rng()?);
    let first = sealer.seal(message).map_err(fail)?;
    let second = sealer.seal(message).map_err(fail)?;
    let mut opener = QuickOpener::new(&secrets, leaf);
    for sealed in [&second, &first] {
        if opener.open(sealed).map_err(fail)? != message {
            return Err("what was sealed is not what is opened".to_owned());
        }
    }
    Ok(fields([("first", hex(&first)), ("second", hex(&second))]))
}

fn seal_media(inputs: &Inputs<'_>) -> Result<Fields, String> {
    let media = Secret::from_bytes(inputs.array("media secret")?);
    let (call, salt) = (inputs.array("call")?, inputs.array("salt")?);
    let key = MediaKey::derive(&media, &call, inputs.number("leaf")?, &salt);
    let (frame, clear) = (inputs.bytes("frame")?, inputs.number("clear")?);
    let mut sealer = FrameSealer::new(&key, inputs.number("key id")?);
    let sealed = sealer.seal(&frame, clear).map_err(fail)?;
    if FrameOpener::new(&key).open(&sealed, clear).map_err(fail)? != frame {
        return Err("what was sealed is not what is opened".to_owned());
    }
    Ok(fields([
        ("media key", hex(&key.to_bytes())),
        ("sealed", hex(&sealed)),
    ]))
}

fn safety(inputs: &Inputs<'_>) -> Result<Fields, String> {
    let a = Fingerprint::from_bytes(inputs.array("a")?);
    let b = Fingerprint::from_bytes(inputs.array("b")?);
    let call = call_number(&inputs.bytes("authenticator")?, &inputs.array("call")?);
    Ok(fields([
        ("safety number", safety_number(&a, &b)),
        ("call number", call),
    ]))
}

fn seal_vault(inputs: &Inputs<'_>) -> Result<Fields, String> {
    let key = Stretched::from_bytes(inputs.array("stretched passphrase")?);
    let params = crate::StretchParams::VAULT_BROWSER;
    let (header, root) = vault::create(&key, inputs.array("salt")?, params, &mut inputs.rng()?);
    let bytes = header.emit();
    let again = VaultHeader::parse(&bytes).map_err(fail)?;
    if again.unlock(&key).map_err(fail)? != root {
        return Err("the vault holds another key".to_owned());
    }
    Ok(fields([
        ("header", hex(&bytes)),
        ("root key", hex(root.to_bytes().as_bytes())),
    ]))
}

fn seal_record(inputs: &Inputs<'_>) -> Result<Fields, String> {
    let root = RootKey::from_bytes(Secret::from_bytes(inputs.array("root key")?));
    let (name, value) = (inputs.text("name")?, inputs.text("value")?);
    let id = root.record_id(name);
    let record = root.seal_record(name, value.as_bytes(), &mut inputs.rng()?);
    let (found, opened) = root.open_record(&id, &record).map_err(fail)?;
    if found != name || opened != value.as_bytes() {
        return Err("what was sealed is not what is opened".to_owned());
    }
    Ok(fields([("id", hex(&id)), ("record", hex(&record))]))
}
