// SPDX-License-Identifier: MIT OR Apache-2.0
//! How two people meet who share nothing yet but a link and twelve words.
//!
//! ```text
//! M0  Ana → Ben, channel one   the blob: sealed under the code, ≤ 64 KiB, nothing recognisable in clear
//! M0' Ana → Ben, channel two   the code
//! M1  Ben → Ana's mailbox      an envelope under a key that only the code gives:
//!                              token, X25519 key, MLS Welcome, and Ben's first message (Join)
//! M2  Ana → Ben                Accept, in the session
//! ```
//!
//! Ben makes the MLS group, adds Ana's one-time key package, and mixes in a pre-shared key made from the code and
//! from X25519: whoever breaks ML-KEM alone opens nothing, nor does who learns the code later. Ben may write at
//! once; Ana may be offline for days. Ana marks the invitation spent before she looks at anything else, and
//! destroys its keys. Both sign the same transcript with their identities, naming each other.
//!
//! The messages that Ben seals after [`OpenedInvitation::join`] travel as any others; the endpoint keeps what
//! arrives before it redeemed M1.

mod error;

use hither_sansio::{Duration, UnixTime};
use openmls::group::{
    JoinBuilder, MlsGroup, MlsGroupCreateConfig, PURE_CIPHERTEXT_WIRE_FORMAT_POLICY,
    ProcessedWelcome,
};
use openmls::key_packages::{KeyPackage, KeyPackageIn, Lifetime};
use openmls::prelude::tls_codec::{DeserializeBytes as _, Serialize as _};
use openmls::prelude::{
    LeafNodeIndex, MlsMessageBodyIn, MlsMessageIn, PreSharedKeyProposal, Proposal, ProtocolVersion,
    Welcome,
};
use openmls::schedule::{PreSharedKeyId, Psk};
use openmls_traits::OpenMlsProvider as _;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use crate::envelope::{self, HeaderKey, Kind};
use crate::identity::{
    DeviceCert, Fingerprint, Identity, LeafKey, PublicIdentity, SIGNATURE, SignatureError, random,
};
use crate::primitives::{self, NONCE, TAG, derive, sha512, sha512_256};
use crate::secret::Secret;
use crate::session::{self, CredentialContent, LeafSigner, Received, SUITE, Session};
use crate::storage::{Provider, SeededProvider};
use crate::stretch::Stretched;
use crate::wire::{Reader, put_bytes};

pub use error::{CreateError, InvitationError, JoinError, RedeemError};

/// How long an invitation may last.
pub const MAX_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);
/// The longest greeting, in bytes.
pub const MAX_HELLO: usize = 200 * 1024;
/// The sizes of a blob, in bytes: the smaller one that fits.
pub const BLOB_SIZES: [usize; 2] = [32 << 10, 64 << 10];

const VERSION: u8 = 1;
const SALT: usize = 16;
/// version ‖ salt ‖ nonce, in front of what is sealed.
const BLOB_HEAD: usize = 1 + SALT + NONCE;
/// By how much two clocks may differ.
const CLOCK_SKEW: Duration = Duration::from_secs(24 * 3600);
/// How long after a join its answer may still enter the session.
const JOIN_CERT_LIFETIME: Duration = Duration::from_secs(31 * 24 * 3600);

const CODE_LABEL: &[u8] = b"hither/v1/invitation";
const PSK_LABEL: &[u8] = b"hither/v1/psk";
const TOKEN_LABEL: &[u8] = b"hither/v1/token";
const TRANSCRIPT_LABEL: &[u8] = b"hither/v1/transcript";
const INVITATION_SIGNATURE: &str = "invitation";
const JOIN_SIGNATURE: &str = "join";
const ACCEPT_SIGNATURE: &str = "accept";

/// Where and how an inviter can be reached.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meeting {
    /// The node's origin, such as `https://node.example`; 1 to 255 bytes.
    pub node: String,
    /// The mailbox.
    pub mailbox: [u8; 32],
    /// What allows writing to it.
    pub capability: [u8; 32],
}

impl core::fmt::Debug for Meeting {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Meeting(…)")
    }
}

/// What the code gives: one key for the blob, one for the answer, one for the session.
struct CodeKeys {
    blob: Secret<32>,
    envelope: HeaderKey,
    psk: Secret<32>,
}

impl CodeKeys {
    fn new(key: &Stretched) -> Self {
        let expand = |label: &[u8]| derive(CODE_LABEL, key.as_bytes(), &[label]);
        Self {
            blob: expand(b"blob"),
            envelope: expand(b"envelope").into(),
            psk: expand(b"psk"),
        }
    }
}

/// What is sealed in the blob.
///
/// ```text
/// identity (2624) ‖ certificate (7352) ‖ X25519 key (32) ‖ token (32) ‖ expiry (8) ‖
/// node length (1) ‖ node ‖ mailbox (32) ‖ capability (32) ‖ key package length (4) ‖ key package ‖ signature (4691)
/// ```
struct Body {
    inviter: PublicIdentity,
    cert: DeviceCert,
    x25519: [u8; 32],
    token: Secret<32>,
    expires: UnixTime,
    meeting: Meeting,
    key_package: Vec<u8>,
}

impl Body {
    fn emit(&self) -> Result<Zeroizing<Vec<u8>>, CreateError> {
        let node = self.meeting.node.as_bytes();
        let node_length = u8::try_from(node.len()).map_err(|_| CreateError::Meeting)?;
        if node_length == 0 {
            return Err(CreateError::Meeting);
        }
        let mut out = Zeroizing::new(self.inviter.emit());
        out.extend_from_slice(&self.cert.emit());
        out.extend_from_slice(&self.x25519);
        out.extend_from_slice(self.token.as_bytes());
        out.extend_from_slice(&self.expires.as_millis().to_be_bytes());
        out.push(node_length);
        out.extend_from_slice(node);
        out.extend_from_slice(&self.meeting.mailbox);
        out.extend_from_slice(&self.meeting.capability);
        put_bytes(&mut out, &self.key_package);
        Ok(out)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, InvitationError> {
        Ok(Self {
            inviter: PublicIdentity::read(reader)?,
            cert: DeviceCert::read(reader)?,
            x25519: reader.array()?,
            token: Secret::from_bytes(reader.array()?),
            expires: UnixTime::from_millis(reader.u64()?),
            meeting: Self::read_meeting(reader)?,
            key_package: reader.bytes()?.to_vec(),
        })
    }

    fn read_meeting(reader: &mut Reader<'_>) -> Result<Meeting, InvitationError> {
        let length = usize::from(reader.u8()?);
        let node = core::str::from_utf8(reader.take(length)?);
        let node = node.map_err(|_| InvitationError::Malformed)?;
        if node.is_empty() {
            return Err(InvitationError::Malformed);
        }
        Ok(Meeting {
            node: node.to_owned(),
            mailbox: reader.array()?,
            capability: reader.array()?,
        })
    }
}

/// What an inviter signs: the salt, so that the same body cannot be sealed again by somebody else under
/// another code without notice, and the body.
fn invitation_to_be_signed(salt: &[u8; SALT], body: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(salt.to_vec());
    out.extend_from_slice(body);
    out
}

/// Makes an invitation: the blob, and what is needed to take the one answer to it.
///
/// `key` is the code stretched with `salt` ([`crate::Code::stretch`]). The blob has one of [`BLOB_SIZES`].
///
/// # Errors
/// If it would expire in the past or more than [`MAX_LIFETIME`] away, or the meeting's node is empty or too long.
#[expect(
    clippy::too_many_arguments,
    reason = "each is one thing that only the caller knows"
)]
pub fn create(
    identity: &Identity,
    device: [u8; 16],
    meeting: Meeting,
    salt: [u8; 16],
    key: &Stretched,
    expires: UnixTime,
    now: UnixTime,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(Vec<u8>, PendingInvitation), CreateError> {
    if expires <= now || expires > now + MAX_LIFETIME {
        return Err(CreateError::Expiry);
    }
    let leaf = LeafKey::generate(rng);
    let validity = earlier(now, CLOCK_SKEW)..=expires + CLOCK_SKEW;
    let cert = DeviceCert::issue(identity, device, leaf.public(), validity, 0);
    let x25519 = x25519_dalek::StaticSecret::from(*random::<32>(rng).as_bytes());
    let token = random::<32>(rng);
    let leaf_seed = leaf.seed().clone();
    let (key_package, entries) = one_time_key_package(&cert, leaf, rng)?;
    let body = Body {
        inviter: identity.public().clone(),
        cert,
        x25519: x25519_dalek::PublicKey::from(&x25519).to_bytes(),
        token,
        expires,
        meeting,
        key_package,
    };
    let keys = CodeKeys::new(key);
    let blob = seal_blob(&body, identity, salt, &keys.blob, rng)?;
    let pending = PendingInvitation {
        inviter: identity.fingerprint(),
        mailbox: body.meeting.mailbox,
        expires,
        token_hash: sha512_256(&[TOKEN_LABEL, body.token.as_bytes()]),
        blob_hash: sha512_256(&[&blob]),
        envelope_key: keys.envelope,
        keys: Some(OneTimeKeys {
            leaf_seed,
            x25519: Secret::from_bytes(x25519.to_bytes()),
            psk: keys.psk,
            key_package: entries,
        }),
    };
    Ok((blob, pending))
}

/// A key package whose lifetime, to MLS, is unbounded: how long it may be used is signed with the invitation,
/// and judged by the clock that the host brings.
fn one_time_key_package(
    cert: &DeviceCert,
    leaf: LeafKey,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(Vec<u8>, Entries), CreateError> {
    let mut rng = rng;
    let provider = SeededProvider::new(&mut rng);
    let credential = CredentialContent::certified_by(cert).with_key(&leaf);
    let bundle = KeyPackage::builder()
        .key_package_lifetime(Lifetime::init(0, u64::MAX))
        .leaf_node_capabilities(session::capabilities())
        .build(SUITE, &provider, &LeafSigner(leaf), credential)
        .map_err(|_| CreateError::Failed)?;
    let public = bundle.key_package().tls_serialize_detached();
    let public = public.map_err(|_| CreateError::Failed)?;
    Ok((public, Entries(provider.into_entries())))
}

fn seal_blob(
    body: &Body,
    identity: &Identity,
    salt: [u8; SALT],
    key: &Secret<32>,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Vec<u8>, CreateError> {
    let mut signed = body.emit()?;
    let signature = identity.sign(
        INVITATION_SIGNATURE,
        &invitation_to_be_signed(&salt, &signed),
    );
    signed.extend_from_slice(&signature);
    let overhead = BLOB_HEAD + TAG;
    let size = BLOB_SIZES
        .into_iter()
        .find(|size| overhead + 4 + signed.len() <= *size)
        .ok_or(CreateError::Failed)?;
    let mut plaintext = Zeroizing::new(Vec::with_capacity(size));
    put_bytes(&mut plaintext, &signed);
    plaintext.resize(size - overhead, 0);

    let mut nonce = [0; NONCE];
    rng.fill_bytes(&mut nonce);
    let mut blob = Vec::with_capacity(size);
    blob.push(VERSION);
    blob.extend_from_slice(&salt);
    let sealed = primitives::seal(key, &nonce, &blob, &plaintext);
    blob.extend_from_slice(&nonce);
    blob.extend_from_slice(&sealed);
    Ok(blob)
}

fn earlier(time: UnixTime, by: Duration) -> UnixTime {
    let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
    UnixTime::from_millis(time.as_millis().saturating_sub(by))
}

/// Seals any bytes as a blob's content would be, for the fuzzer and its corpus. Nothing, if they do not fit.
#[cfg(feature = "vectors")]
pub(crate) fn seal_anything(content: &[u8], key: &Stretched) -> Option<Vec<u8>> {
    let head = [VERSION; 1]
        .into_iter()
        .chain([0; SALT])
        .collect::<Vec<_>>();
    let mut plaintext = Vec::new();
    put_bytes(&mut plaintext, content);
    let [_, size] = BLOB_SIZES;
    let padded = size - BLOB_HEAD - TAG;
    if plaintext.len() > padded {
        return None;
    }
    plaintext.resize(padded, 0);
    let sealed = primitives::seal(&CodeKeys::new(key).blob, &[0; NONCE], &head, &plaintext);
    Some([head, [0; NONCE].to_vec(), sealed].concat())
}

/// The key under which answers are sealed, for the fuzzer and its corpus.
#[cfg(feature = "vectors")]
pub(crate) fn envelope_key(key: &Stretched) -> HeaderKey {
    CodeKeys::new(key).envelope
}

/// The salt with which the blob's code is to be stretched.
///
/// # Errors
/// If it is no blob, or one of another version.
pub fn salt(blob: &[u8]) -> Result<[u8; 16], InvitationError> {
    let mut reader = Reader::new(blob);
    if reader.u8()? != VERSION {
        return Err(InvitationError::Version);
    }
    if !BLOB_SIZES.contains(&blob.len()) {
        return Err(InvitationError::Malformed);
    }
    Ok(reader.array()?)
}

/// Opens a blob with its stretched code, and checks everything that can be checked without the inviter.
///
/// # Errors
/// See [`InvitationError`].
pub fn open(
    blob: &[u8],
    key: &Stretched,
    now: UnixTime,
) -> Result<OpenedInvitation, InvitationError> {
    let salt = salt(blob)?;
    let mut reader = Reader::new(blob);
    let aad = reader.take(1 + SALT)?;
    let nonce = reader.array::<NONCE>()?;
    let keys = CodeKeys::new(key);
    let plaintext = primitives::open(&keys.blob, &nonce, aad, reader.rest());
    let plaintext = Zeroizing::new(plaintext.ok_or(InvitationError::WrongCode)?);

    let mut reader = Reader::new(&plaintext);
    let signed = reader.bytes()?;
    reader.zeros()?;
    let length = signed.len().checked_sub(SIGNATURE);
    let (body, signature) = length
        .and_then(|length| signed.split_at_checked(length))
        .ok_or(InvitationError::Malformed)?;
    let mut reader = Reader::new(body);
    let fields = Body::read(&mut reader)?;
    reader.end()?;
    fields.inviter.verify(
        INVITATION_SIGNATURE,
        &invitation_to_be_signed(&salt, body),
        signature,
    )?;
    if now > fields.expires {
        return Err(InvitationError::Expired);
    }
    if fields.expires > now + MAX_LIFETIME + CLOCK_SKEW {
        return Err(InvitationError::Forged);
    }
    fields.cert.verify(&fields.inviter, now)?;
    let key_package = check_key_package(&fields.key_package, &fields.cert)?;
    Ok(OpenedInvitation {
        fields,
        key_package,
        blob_hash: sha512_256(&[blob]),
        keys,
    })
}

/// The one suite, single use, and the leaf that the certificate names.
fn check_key_package(bytes: &[u8], cert: &DeviceCert) -> Result<KeyPackage, InvitationError> {
    let provider = Provider::default();
    let key_package = KeyPackageIn::tls_deserialize_exact_bytes(bytes)
        .map_err(|_| InvitationError::Malformed)?
        .validate(provider.crypto(), ProtocolVersion::Mls10)
        .map_err(|_| InvitationError::Forged)?;
    let leaf = key_package.leaf_node();
    if key_package.ciphersuite() != SUITE || *leaf.capabilities() != session::capabilities() {
        return Err(InvitationError::Version);
    }
    let plain = !key_package.last_resort()
        && key_package.extensions().iter().next().is_none()
        && leaf.extensions().iter().next().is_none();
    if plain && CredentialContent::certifies(cert, leaf) {
        Ok(key_package)
    } else {
        Err(InvitationError::Forged)
    }
}

/// An invitation whose code was right and whose signatures hold.
pub struct OpenedInvitation {
    fields: Body,
    key_package: KeyPackage,
    blob_hash: [u8; 32],
    keys: CodeKeys,
}

impl OpenedInvitation {
    /// Who invites.
    #[must_use]
    pub const fn inviter(&self) -> &PublicIdentity {
        &self.fields.inviter
    }

    /// Where the answer goes.
    #[must_use]
    pub const fn meeting(&self) -> &Meeting {
        &self.fields.meeting
    }

    /// Until when it can be answered.
    #[must_use]
    pub const fn expires(&self) -> UnixTime {
        self.fields.expires
    }

    /// Answers: makes the session and M1, which carries `hello`, at most [`MAX_HELLO`] bytes.
    ///
    /// # Errors
    /// See [`JoinError`].
    pub fn join(
        self,
        identity: &Identity,
        device: [u8; 16],
        hello: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
        now: UnixTime,
    ) -> Result<Joined, JoinError> {
        if now > self.fields.expires {
            return Err(JoinError::Expired);
        }
        if identity.fingerprint() == self.fields.inviter.fingerprint() {
            return Err(JoinError::OwnInvitation);
        }
        if hello.len() > MAX_HELLO {
            return Err(JoinError::HelloTooLong);
        }
        let leaf = LeafKey::generate(rng);
        let validity = earlier(now, CLOCK_SKEW)..=now + JOIN_CERT_LIFETIME;
        let cert = DeviceCert::issue(identity, device, leaf.public(), validity, 0);
        let ephemeral = x25519_dalek::StaticSecret::from(*random::<32>(rng).as_bytes());
        let ephemeral_public = x25519_dalek::PublicKey::from(&ephemeral).to_bytes();
        let psk = self.psk(&ephemeral, &ephemeral_public)?;
        let (mut session, welcome) = self.found(&cert, leaf, &psk)?;

        let transcript = Exchange {
            blob_hash: &self.blob_hash,
            token: self.fields.token.as_bytes(),
            ephemeral: &ephemeral_public,
            welcome: &welcome,
        };
        let fields = JoinFields {
            joiner: identity.public(),
            cert: &cert,
            hello,
        };
        let mut join = Zeroizing::new(fields.emit());
        let transcript = transcript.with(&join, &session, &self.fields.inviter, identity.public());
        join.extend_from_slice(&identity.sign(JOIN_SIGNATURE, &transcript.signed));
        let first = session.seal(&join).map_err(|_| JoinError::Failed)?;

        let mut answer = vec![VERSION];
        answer.extend_from_slice(self.fields.token.as_bytes());
        answer.extend_from_slice(&ephemeral_public);
        put_bytes(&mut answer, &welcome);
        put_bytes(&mut answer, &first);
        let mailbox = &self.fields.meeting.mailbox;
        let key = &self.keys.envelope;
        let envelope = envelope::seal(key, mailbox, Kind::Join, 0, &answer, rng)
            .map_err(|_| JoinError::HelloTooLong)?;
        Ok(Joined {
            envelope,
            session,
            peer: self.fields.inviter,
            transcript,
        })
    }

    fn psk(
        &self,
        ephemeral: &x25519_dalek::StaticSecret,
        ephemeral_public: &[u8; 32],
    ) -> Result<Secret<48>, JoinError> {
        let theirs = self.fields.x25519;
        let shared = ephemeral.diffie_hellman(&theirs.into());
        let transcript = [ephemeral_public, &theirs];
        hybrid_psk(&self.keys.psk, &shared, &self.blob_hash, transcript).ok_or(JoinError::Failed)
    }

    /// Makes the group: the inviter's key package added, the pre-shared key mixed in.
    fn found(
        &self,
        cert: &DeviceCert,
        leaf: LeafKey,
        psk: &Secret<48>,
    ) -> Result<(Session, Vec<u8>), JoinError> {
        let failed = |()| JoinError::Failed;
        let provider = Provider::default();
        let credential = CredentialContent::certified_by(cert).with_key(&leaf);
        let signer = LeafSigner(leaf);
        let mut group = MlsGroup::new(&provider, &signer, &create_config(), credential)
            .map_err(|_| JoinError::Failed)?;
        let id = session::store_psk(&provider, &self.blob_hash, psk.as_bytes());
        let id = id.ok_or(()).map_err(failed)?;
        let bundle = group
            .commit_builder()
            .propose_adds([self.key_package.clone()])
            .add_proposals([Proposal::PreSharedKey(Box::new(PreSharedKeyProposal::new(
                id,
            )))])
            .load_psks(provider.storage())
            .map_err(|_| JoinError::Failed)?
            .build(provider.rand(), provider.crypto(), &signer, |_| true)
            .map_err(|_| JoinError::Failed)?
            .stage_commit(&provider)
            .map_err(|_| JoinError::Failed)?;
        let welcome = bundle.into_welcome_msg().ok_or(()).map_err(failed)?;
        let welcome = welcome.to_bytes().map_err(|_| JoinError::Failed)?;
        group
            .merge_pending_commit(&provider)
            .map_err(|_| JoinError::Failed)?;
        provider.forget_psks();
        let session = Session::new(provider, group, signer.0).map_err(|_| JoinError::Failed)?;
        Ok((session, welcome))
    }
}

impl core::fmt::Debug for OpenedInvitation {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("OpenedInvitation(…)")
    }
}

fn create_config() -> MlsGroupCreateConfig {
    MlsGroupCreateConfig::builder()
        .ciphersuite(SUITE)
        .capabilities(session::capabilities())
        .lifetime(Lifetime::init(0, u64::MAX))
        .wire_format_policy(PURE_CIPHERTEXT_WIRE_FORMAT_POLICY)
        .padding_size(0)
        .max_past_epochs(session::max_past_epochs())
        .number_of_resumption_psks(0)
        .use_ratchet_tree_extension(true)
        .sender_ratchet_configuration(session::ratchet())
        .build()
}

/// The pre-shared key that makes the session hybrid:
/// HKDF-SHA-512(blob hash, code's psk key ‖ X25519 secret, label ‖ ephemeral key ‖ invitation's key).
///
/// Nothing, if the other side's X25519 key is of small order and the secret would be zero.
fn hybrid_psk(
    code: &Secret<32>,
    shared: &x25519_dalek::SharedSecret,
    blob_hash: &[u8; 32],
    keys: [&[u8; 32]; 2],
) -> Option<Secret<48>> {
    if !shared.was_contributory() {
        return None;
    }
    let mut key = Zeroizing::new(code.as_bytes().to_vec());
    key.extend_from_slice(shared.as_bytes());
    let [ephemeral, one_time] = keys;
    Some(derive(blob_hash, &key, &[PSK_LABEL, ephemeral, one_time]))
}

/// What Ben says in his first message, before its signature.
///
/// ```text
/// version (1) ‖ identity (2624) ‖ certificate (7352) ‖ hello length (4) ‖ hello
/// ```
struct JoinFields<'a> {
    joiner: &'a PublicIdentity,
    cert: &'a DeviceCert,
    hello: &'a [u8],
}

impl JoinFields<'_> {
    fn emit(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend_from_slice(&self.joiner.emit());
        out.extend_from_slice(&self.cert.emit());
        put_bytes(&mut out, self.hello);
        out
    }
}

/// What went back and forth before the session.
struct Exchange<'a> {
    blob_hash: &'a [u8; 32],
    token: &'a [u8; 32],
    ephemeral: &'a [u8; 32],
    welcome: &'a [u8],
}

impl Exchange<'_> {
    fn with(
        &self,
        join: &[u8],
        session: &Session,
        inviter: &PublicIdentity,
        joiner: &PublicIdentity,
    ) -> Transcript {
        let hash = sha512(&[
            TRANSCRIPT_LABEL,
            self.blob_hash,
            self.token,
            self.ephemeral,
            &sha512(&[self.welcome]),
            &sha512(&[join]),
        ]);
        let mut signed = hash.to_vec();
        signed.extend_from_slice(session.secrets().authenticator.as_bytes());
        signed.extend_from_slice(inviter.fingerprint().as_bytes());
        signed.extend_from_slice(joiner.fingerprint().as_bytes());
        Transcript {
            inviter: inviter.fingerprint(),
            signed,
        }
    }
}

/// What the invited has after [`OpenedInvitation::join`].
#[derive(Debug)]
pub struct Joined {
    /// M1, addressed to the meeting's mailbox.
    pub envelope: Vec<u8>,
    /// The session, already usable; its leaf is 0.
    pub session: Session,
    /// The inviter.
    pub peer: PublicIdentity,
    /// What the inviter's Accept must sign.
    pub transcript: Transcript,
}

/// What an inviter keeps until somebody answers. Secret until then, harmless afterwards.
#[derive(Clone, Serialize, Deserialize)]
pub struct PendingInvitation {
    inviter: Fingerprint,
    mailbox: [u8; 32],
    expires: UnixTime,
    token_hash: [u8; 32],
    blob_hash: [u8; 32],
    envelope_key: HeaderKey,
    keys: Option<OneTimeKeys>,
}

#[derive(Clone, Serialize, Deserialize)]
struct OneTimeKeys {
    leaf_seed: Secret<32>,
    x25519: Secret<32>,
    psk: Secret<32>,
    key_package: Entries,
}

/// The storage entries that hold the key package's private keys.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Entries(Vec<(Vec<u8>, Vec<u8>)>);

impl Drop for Entries {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(|(_, value)| value.zeroize());
    }
}

impl PendingInvitation {
    /// The mailbox to which the answer comes.
    #[must_use]
    pub const fn mailbox(&self) -> &[u8; 32] {
        &self.mailbox
    }

    /// Until when an answer is taken.
    #[must_use]
    pub const fn expires(&self) -> UnixTime {
        self.expires
    }

    /// Whether the one answer came.
    #[must_use]
    pub const fn is_spent(&self) -> bool {
        self.keys.is_none()
    }

    /// Takes the answer. Only what was sealed with the code and names the token spends the invitation; then the
    /// one-time keys are gone, whatever else comes to light. Persist this state before acting on the result.
    ///
    /// # Errors
    /// See [`RedeemError`]. [`RedeemError::AlreadySpent`] is for the person to know.
    pub fn redeem(
        &mut self,
        identity: &Identity,
        envelope: &[u8],
        now: UnixTime,
    ) -> Result<JoinRequest, RedeemError> {
        if identity.fingerprint() != self.inviter {
            return Err(RedeemError::NotForUs);
        }
        if envelope::mailbox(envelope) != Some(self.mailbox) {
            return Err(RedeemError::NotForUs);
        }
        let opened = envelope::open(&[&self.envelope_key], envelope);
        let opened = opened.map_err(|_| RedeemError::NotForUs)?;
        if opened.kind != Kind::Join {
            return Err(RedeemError::Malformed);
        }
        let answer = Answer::parse(&opened.body)?;
        if sha512_256(&[TOKEN_LABEL, &answer.token]) != self.token_hash {
            return Err(RedeemError::WrongToken);
        }
        if self.is_spent() {
            return Err(RedeemError::AlreadySpent);
        }
        if now > self.expires {
            return Err(RedeemError::Expired);
        }
        let keys = self.keys.take().ok_or(RedeemError::AlreadySpent)?;
        self.accept_join(identity, &answer, keys, now)
    }

    fn accept_join(
        &self,
        identity: &Identity,
        answer: &Answer<'_>,
        keys: OneTimeKeys,
        now: UnixTime,
    ) -> Result<JoinRequest, RedeemError> {
        let mut session = self.enter(answer, keys)?;
        let Received::Application { plaintext, .. } = session
            .receive(answer.first)
            .map_err(|_| RedeemError::Forged)?
        else {
            return Err(RedeemError::Forged);
        };
        let plaintext = Zeroizing::new(plaintext);
        let length = plaintext.len().checked_sub(SIGNATURE);
        let (join, signature) = length
            .and_then(|length| plaintext.split_at_checked(length))
            .ok_or(RedeemError::Malformed)?;
        let mut reader = Reader::new(join);
        if reader.u8()? != VERSION {
            return Err(RedeemError::Malformed);
        }
        let peer = PublicIdentity::read(&mut reader)?;
        let cert = DeviceCert::read(&mut reader)?;
        let hello = reader.bytes()?;
        reader.end()?;
        if hello.len() > MAX_HELLO {
            return Err(RedeemError::Malformed);
        }

        let exchange = Exchange {
            blob_hash: &self.blob_hash,
            token: &answer.token,
            ephemeral: &answer.ephemeral,
            welcome: answer.welcome_bytes,
        };
        let transcript = exchange.with(join, &session, identity.public(), &peer);
        peer.verify(JOIN_SIGNATURE, &transcript.signed, signature)?;
        cert.verify(&peer, now)?;
        if peer.fingerprint() == identity.fingerprint() || !session.peer_is(&cert) {
            return Err(RedeemError::Forged);
        }
        Ok(JoinRequest {
            peer,
            hello: hello.to_vec(),
            session,
            transcript,
        })
    }

    /// Joins the group: exactly two members, epoch one, and the pre-shared key mixed in.
    fn enter(&self, answer: &Answer<'_>, mut keys: OneTimeKeys) -> Result<Session, RedeemError> {
        let entries = core::mem::take(&mut keys.key_package.0);
        let provider = Provider::from_entries(entries).ok_or(RedeemError::Malformed)?;
        let secret = x25519_dalek::StaticSecret::from(*keys.x25519.as_bytes());
        let public = x25519_dalek::PublicKey::from(&secret).to_bytes();
        let shared = secret.diffie_hellman(&answer.ephemeral.into());
        let psk = hybrid_psk(
            &keys.psk,
            &shared,
            &self.blob_hash,
            [&answer.ephemeral, &public],
        );
        let psk = psk.ok_or(RedeemError::Forged)?;
        session::store_psk(&provider, &self.blob_hash, psk.as_bytes())
            .ok_or(RedeemError::Forged)?;

        let welcome = answer.welcome()?;
        let processed =
            ProcessedWelcome::new_from_welcome(&provider, &session::join_config(), welcome)
                .map_err(|_| RedeemError::Forged)?;
        let [psk] = processed.psks() else {
            return Err(RedeemError::Forged);
        };
        if !self.is_ours(psk) {
            return Err(RedeemError::Forged);
        }
        let group = JoinBuilder::new(&provider, processed)
            .skip_lifetime_validation()
            .build()
            .and_then(|staged| staged.into_group(&provider))
            .map_err(|_| RedeemError::Forged)?;
        provider.forget_psks();
        let plain = group.extensions().iter().next().is_none();
        if group.epoch().as_u64() != 1 || group.own_leaf_index() != LeafNodeIndex::new(1) || !plain
        {
            return Err(RedeemError::Forged);
        }
        let leaf = LeafKey::from_seed(keys.leaf_seed);
        Session::new(provider, group, leaf).map_err(|_| RedeemError::Forged)
    }

    fn is_ours(&self, psk: &PreSharedKeyId) -> bool {
        matches!(psk.psk(), Psk::External(psk) if psk.psk_id() == self.blob_hash)
    }
}

impl core::fmt::Debug for PendingInvitation {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("PendingInvitation")
            .field("expires", &self.expires)
            .field("spent", &self.is_spent())
            .finish_non_exhaustive()
    }
}

/// What M1's envelope carries.
///
/// ```text
/// version (1) ‖ token (32) ‖ X25519 key (32) ‖ Welcome length (4) ‖ Welcome ‖ first message length (4) ‖ first message
/// ```
struct Answer<'a> {
    token: [u8; 32],
    ephemeral: [u8; 32],
    welcome_bytes: &'a [u8],
    first: &'a [u8],
}

impl<'a> Answer<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, RedeemError> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return Err(RedeemError::Malformed);
        }
        let answer = Self {
            token: reader.array()?,
            ephemeral: reader.array()?,
            welcome_bytes: reader.bytes()?,
            first: reader.bytes()?,
        };
        reader.end()?;
        // What does not even parse must not spend the invitation.
        answer.welcome()?;
        Ok(answer)
    }

    fn welcome(&self) -> Result<Welcome, RedeemError> {
        let message = MlsMessageIn::tls_deserialize_exact_bytes(self.welcome_bytes)
            .map_err(|_| RedeemError::Malformed)?;
        match message.extract() {
            MlsMessageBodyIn::Welcome(welcome) if welcome.ciphersuite() == SUITE => Ok(welcome),
            _ => Err(RedeemError::Malformed),
        }
    }
}

/// What an inviter has after [`PendingInvitation::redeem`], to be shown to the person.
#[derive(Debug)]
pub struct JoinRequest {
    /// Who wants to join.
    pub peer: PublicIdentity,
    /// The endpoint's own bytes.
    pub hello: Vec<u8>,
    /// The session, not to be written to before the person agreed; its leaf is 1.
    pub session: Session,
    /// What Accept signs.
    pub transcript: Transcript,
}

/// What both sides of a join sign: all that went back and forth, the epoch authenticator, both fingerprints.
///
/// ```text
/// SHA-512( label ‖ blob hash (32) ‖ token (32) ‖ X25519 key (32) ‖ SHA-512(Welcome) ‖ SHA-512(join fields) ) ‖
/// epoch authenticator (48) ‖ inviter's fingerprint (32) ‖ invited's fingerprint (32)
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transcript {
    inviter: Fingerprint,
    signed: Vec<u8>,
}

impl Transcript {
    /// The inviter's Accept (M2), to be sent in the session: a signature, 4,691 bytes.
    #[must_use]
    pub fn accept(&self, identity: &Identity) -> Vec<u8> {
        identity.sign(ACCEPT_SIGNATURE, &self.signed)
    }

    /// Checks the inviter's Accept.
    ///
    /// # Errors
    /// If `peer` is not the inviter, or the signature does not hold.
    pub fn verify_accept(&self, peer: &PublicIdentity, body: &[u8]) -> Result<(), SignatureError> {
        if peer.fingerprint() != self.inviter {
            return Err(SignatureError);
        }
        peer.verify(ACCEPT_SIGNATURE, &self.signed, body)
    }
}

impl core::fmt::Debug for Transcript {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Transcript(…)")
    }
}

#[cfg(test)]
mod tests;
