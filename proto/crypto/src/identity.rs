// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who somebody is: an Ed25519 key (RFC 8032) and an ML-DSA-87 key (FIPS 204), both of which must sign.
//!
//! An identity lives as long as the person keeps it, and signs rarely: device certificates, invitations,
//! joins. What signs every message is a leaf key, fresh for every session, certified by a [`DeviceCert`].

use core::fmt;

use ed25519_dalek::Signer as _;
use hither_sansio::UnixTime;
use ml_dsa::{EncodedSignature, EncodedVerifyingKey, MlDsa87};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::primitives::sha512_256;
use crate::secret::Secret;
use crate::wire::{Reader, Truncated};

const ED25519_KEY: usize = 32;
const ED25519_SIGNATURE: usize = 64;
const ML_DSA_KEY: usize = 2592;
const ML_DSA_SIGNATURE: usize = 4627;

/// Bytes of a [`PublicIdentity`]: Ed25519 (32) ‖ ML-DSA-87 (2592).
pub const PUBLIC_IDENTITY: usize = ED25519_KEY + ML_DSA_KEY;
/// Bytes of an identity's signature: Ed25519 (64) ‖ ML-DSA-87 (4627).
pub const SIGNATURE: usize = ED25519_SIGNATURE + ML_DSA_SIGNATURE;

const FINGERPRINT_LABEL: &[u8] = b"hither/v1/fingerprint";
const SIGNATURE_LABEL: &[u8] = b"hither/v1/signature";
/// The ML-DSA context string (FIPS 204 section 5.2).
const CONTEXT: &[u8] = b"hither/v1";

/// An ML-DSA-87 key pair from its 32-byte seed; what leaves of a session sign with.
pub(crate) struct LeafKey {
    seed: Secret<32>,
    expanded: Box<ml_dsa::SigningKey<MlDsa87>>,
    public: Box<[u8; ML_DSA_KEY]>,
}

impl LeafKey {
    pub(crate) fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self::from_seed(random(rng))
    }

    pub(crate) fn from_seed(seed: Secret<32>) -> Self {
        let expanded = Box::new(ml_dsa::SigningKey::<MlDsa87>::from_seed(
            seed.as_bytes().into(),
        ));
        let public = expanded.expanded_key().verifying_key().encode();
        Self {
            seed,
            expanded,
            public: Box::new(public.into()),
        }
    }

    pub(crate) const fn seed(&self) -> &Secret<32> {
        &self.seed
    }

    pub(crate) fn public(&self) -> &[u8; ML_DSA_KEY] {
        &self.public
    }

    /// Signs as FIPS 204 describes it, deterministically, under a context of at most 255 bytes.
    pub(crate) fn sign(&self, message: &[u8], context: &[u8]) -> Option<Vec<u8>> {
        let signature = self
            .expanded
            .expanded_key()
            .sign_deterministic(message, context);
        signature.ok().map(|signature| signature.encode().to_vec())
    }
}

/// Fresh secret bytes.
pub(crate) fn random<const N: usize>(rng: &mut (impl CryptoRng + ?Sized)) -> Secret<N> {
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    let secret = Secret::from_bytes(bytes);
    zeroize::Zeroize::zeroize(&mut bytes);
    secret
}

/// A person's keys.
pub struct Identity {
    ed25519: ed25519_dalek::SigningKey,
    ml_dsa: LeafKey,
    public: PublicIdentity,
}

impl Identity {
    /// Makes a new identity.
    #[must_use]
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self::from_seed(&random(rng))
    }

    /// The identity behind a seed: Ed25519 seed (32) ‖ ML-DSA-87 seed ξ (32).
    #[must_use]
    pub fn from_seed(seed: &Secret<64>) -> Self {
        let mut reader = Reader::new(seed.as_bytes());
        // A seed has exactly the bytes of both halves.
        let ed25519 = Secret::from_bytes(reader.array().unwrap_or([0; 32]));
        let ml_dsa = Secret::from_bytes(reader.array().unwrap_or([0; 32]));
        let ed25519 = ed25519_dalek::SigningKey::from_bytes(ed25519.as_bytes());
        let ml_dsa = LeafKey::from_seed(ml_dsa);
        let public = PublicIdentity {
            ed25519: ed25519.verifying_key(),
            ml_dsa: ml_dsa.public.clone(),
        };
        Self {
            ed25519,
            ml_dsa,
            public,
        }
    }

    /// The 64 bytes from which [`Identity::from_seed`] makes it again.
    #[must_use]
    pub fn to_seed(&self) -> Secret<64> {
        let mut seed = [0; 64];
        let halves = self
            .ed25519
            .as_bytes()
            .iter()
            .chain(self.ml_dsa.seed.as_bytes());
        for (to, from) in seed.iter_mut().zip(halves) {
            *to = *from;
        }
        let secret = Secret::from_bytes(seed);
        zeroize::Zeroize::zeroize(&mut seed);
        secret
    }

    /// What others may know.
    #[must_use]
    pub const fn public(&self) -> &PublicIdentity {
        &self.public
    }

    /// The fingerprint of both public keys.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.public.fingerprint()
    }

    /// Signs with both keys, for one purpose: Ed25519 (64) ‖ ML-DSA-87 (4627).
    ///
    /// The label may have at most 255 bytes. Both halves sign the fingerprint as well, so that they cannot be
    /// put together from different identities.
    #[must_use]
    pub fn sign(&self, label: &str, message: &[u8]) -> Vec<u8> {
        let signed = self.public.to_be_signed(label, message);
        let mut signature = self.ed25519.sign(&signed).to_bytes().to_vec();
        // Rejection sampling ends after 814 rounds with a probability below 2^-256; an empty half never verifies.
        signature.extend(self.ml_dsa.sign(&signed, CONTEXT).unwrap_or_default());
        signature
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(…)")
    }
}

/// The public half of an [`Identity`].
#[derive(Clone, PartialEq, Eq)]
pub struct PublicIdentity {
    ed25519: ed25519_dalek::VerifyingKey,
    ml_dsa: Box<[u8; ML_DSA_KEY]>,
}

impl PublicIdentity {
    /// Ed25519 (32) ‖ ML-DSA-87 (2592).
    #[must_use]
    pub fn emit(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(PUBLIC_IDENTITY);
        out.extend_from_slice(self.ed25519.as_bytes());
        out.extend_from_slice(self.ml_dsa.as_slice());
        out
    }

    /// Reads exactly [`PUBLIC_IDENTITY`] bytes.
    ///
    /// # Errors
    /// If the length is another, or the Ed25519 key is no point of the curve or one of small order.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(bytes);
        let identity = Self::read(&mut reader)?;
        reader.end()?;
        Ok(identity)
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        let ed25519 = ed25519_dalek::VerifyingKey::from_bytes(&reader.array()?)
            .map_err(|_| ParseError::Malformed)?;
        if ed25519.is_weak() {
            return Err(ParseError::Malformed);
        }
        let ml_dsa = Box::new(reader.array()?);
        Ok(Self { ed25519, ml_dsa })
    }

    /// SHA-512/256 over a label and both keys.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint(sha512_256(&[
            FINGERPRINT_LABEL,
            self.ed25519.as_bytes(),
            self.ml_dsa.as_slice(),
        ]))
    }

    /// Checks both halves of a signature made for `label`.
    ///
    /// # Errors
    /// If the length is wrong or either half does not hold.
    pub fn verify(
        &self,
        label: &str,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        let mut reader = Reader::new(signature);
        let ed25519 = reader.array::<ED25519_SIGNATURE>()?;
        let ml_dsa = reader.array::<ML_DSA_SIGNATURE>()?;
        reader.end()?;
        let signed = self.to_be_signed(label, message);
        self.ed25519
            .verify_strict(&signed, &ed25519_dalek::Signature::from_bytes(&ed25519))
            .map_err(|_| SignatureError)?;
        verify_ml_dsa(&self.ml_dsa, &signed, CONTEXT, &ml_dsa)
    }

    /// What both keys sign: "hither/v1/signature" ‖ fingerprint ‖ label length (1) ‖ label ‖ message.
    fn to_be_signed(&self, label: &str, message: &[u8]) -> Vec<u8> {
        debug_assert!(label.len() < 256, "labels are short");
        let length = u8::try_from(label.len()).unwrap_or(u8::MAX);
        let mut out = SIGNATURE_LABEL.to_vec();
        out.extend_from_slice(self.fingerprint().as_bytes());
        out.push(length);
        out.extend_from_slice(label.as_bytes());
        out.extend_from_slice(message);
        out
    }
}

pub(crate) fn verify_ml_dsa(
    key: &[u8; ML_DSA_KEY],
    message: &[u8],
    context: &[u8],
    signature: &[u8; ML_DSA_SIGNATURE],
) -> Result<(), SignatureError> {
    let key = ml_dsa::VerifyingKey::<MlDsa87>::decode(<&EncodedVerifyingKey<MlDsa87>>::from(key));
    let signature =
        ml_dsa::Signature::<MlDsa87>::decode(<&EncodedSignature<MlDsa87>>::from(signature))
            .ok_or(SignatureError)?;
    if key.verify_with_context(message, context, &signature) {
        Ok(())
    } else {
        Err(SignatureError)
    }
}

impl fmt::Debug for PublicIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicIdentity(…)")
    }
}

/// What stands for a person: SHA-512/256 over both public keys.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Takes the bytes as they are.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint(…)")
    }
}

/// An identity's word that a leaf key is that of one of its devices.
///
/// The validity bounds when the leaf may enter a session; a session that exists is not ended by it.
#[derive(Clone, PartialEq, Eq)]
pub struct DeviceCert {
    fingerprint: Fingerprint,
    device: [u8; 16],
    not_before: UnixTime,
    not_after: UnixTime,
    capabilities: u32,
    leaf_key: Box<[u8; ML_DSA_KEY]>,
    signature: Vec<u8>,
}

const CERT_VERSION: u8 = 1;
const CERT_LABEL: &str = "device certificate";

impl DeviceCert {
    /// Bytes of a certificate on the wire.
    pub const LENGTH: usize = Self::SIGNED + SIGNATURE;
    const SIGNED: usize = 1 + 32 + 16 + 8 + 8 + 4 + ML_DSA_KEY;

    /// Certifies `leaf_key`, an ML-DSA-87 public key.
    #[must_use]
    pub fn issue(
        identity: &Identity,
        device: [u8; 16],
        leaf_key: &[u8; 2592],
        validity: core::ops::RangeInclusive<UnixTime>,
        capabilities: u32,
    ) -> Self {
        let mut cert = Self {
            fingerprint: identity.fingerprint(),
            device,
            not_before: *validity.start(),
            not_after: *validity.end(),
            capabilities,
            leaf_key: Box::new(*leaf_key),
            signature: Vec::new(),
        };
        cert.signature = identity.sign(CERT_LABEL, &cert.to_be_signed());
        cert
    }

    /// Whose device it is.
    #[must_use]
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Which of their devices.
    #[must_use]
    pub const fn device(&self) -> &[u8; 16] {
        &self.device
    }

    /// The leaf key, ML-DSA-87.
    #[must_use]
    pub fn leaf_key(&self) -> &[u8; 2592] {
        &self.leaf_key
    }

    /// When the leaf may enter a session.
    #[must_use]
    pub const fn validity(&self) -> core::ops::RangeInclusive<UnixTime> {
        self.not_before..=self.not_after
    }

    /// What the device can do, one bit each; none is defined yet.
    #[must_use]
    pub const fn capabilities(&self) -> u32 {
        self.capabilities
    }

    /// version (1) ‖ fingerprint (32) ‖ device (16) ‖ not before (8) ‖ not after (8) ‖ capabilities (4) ‖
    /// leaf key (2592) ‖ signature (4691).
    #[must_use]
    pub fn emit(&self) -> Vec<u8> {
        let mut out = self.to_be_signed();
        out.extend_from_slice(&self.signature);
        out
    }

    /// Reads exactly [`DeviceCert::LENGTH`] bytes. The signature is not checked: see [`DeviceCert::verify`].
    ///
    /// # Errors
    /// If the length or version is another.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(bytes);
        let cert = Self::read(&mut reader)?;
        reader.end()?;
        Ok(cert)
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        if reader.u8()? != CERT_VERSION {
            return Err(ParseError::Malformed);
        }
        Ok(Self {
            fingerprint: Fingerprint(reader.array()?),
            device: reader.array()?,
            not_before: UnixTime::from_millis(reader.u64()?),
            not_after: UnixTime::from_millis(reader.u64()?),
            capabilities: reader.u32()?,
            leaf_key: Box::new(reader.array()?),
            signature: reader.take(SIGNATURE)?.to_vec(),
        })
    }

    /// Checks that `identity` signed it, and that it is valid `now`.
    ///
    /// # Errors
    /// If it names another identity, is not valid now, or the signature does not hold.
    pub fn verify(&self, identity: &PublicIdentity, now: UnixTime) -> Result<(), SignatureError> {
        if identity.fingerprint() != self.fingerprint || !self.validity().contains(&now) {
            return Err(SignatureError);
        }
        identity.verify(CERT_LABEL, &self.to_be_signed(), &self.signature)
    }

    /// SHA-512/256 over the whole certificate.
    pub(crate) fn hash(&self) -> [u8; 32] {
        sha512_256(&[&self.emit()])
    }

    fn to_be_signed(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::LENGTH);
        out.push(CERT_VERSION);
        out.extend_from_slice(self.fingerprint.as_bytes());
        out.extend_from_slice(&self.device);
        out.extend_from_slice(&self.not_before.as_millis().to_be_bytes());
        out.extend_from_slice(&self.not_after.as_millis().to_be_bytes());
        out.extend_from_slice(&self.capabilities.to_be_bytes());
        out.extend_from_slice(self.leaf_key.as_slice());
        out
    }
}

impl fmt::Debug for DeviceCert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceCert(…)")
    }
}

/// Why bytes were not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Of another length, version or shape.
    #[error("the bytes are malformed")]
    Malformed,
}

impl From<Truncated> for ParseError {
    fn from(_: Truncated) -> Self {
        Self::Malformed
    }
}

/// A signature that does not hold; which half failed, and why, is nobody's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not hold")]
pub struct SignatureError;

impl From<Truncated> for SignatureError {
    fn from(_: Truncated) -> Self {
        Self
    }
}
