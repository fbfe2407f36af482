// SPDX-License-Identifier: MIT OR Apache-2.0
//! A leaf of a session: who it is, what it signs with, what it says it can do.

use openmls::prelude::{
    BasicCredential, Capabilities, Credential, CredentialType, CredentialWithKey, LeafNode,
    ProtocolVersion, SignatureScheme,
};
use openmls_traits::signatures::{Signer, SignerError};

use super::SUITE;
use crate::identity::{DeviceCert, Fingerprint, LeafKey};
use crate::wire::Reader;

/// Signs for a leaf, as OpenMLS asks for it.
pub(crate) struct LeafSigner(pub(crate) LeafKey);

impl Signer for LeafSigner {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        self.0.sign(payload, &[]).ok_or(SignerError::SigningError)
    }

    fn signature_scheme(&self) -> SignatureScheme {
        SignatureScheme::MLDSA87
    }
}

/// What stands in an MLS basic credential: fingerprint (32) ‖ device (16) ‖ hash of the certificate (32).
///
/// The hash binds the leaf to one certificate, and so to one leaf key and one identity.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct CredentialContent {
    pub(crate) fingerprint: Fingerprint,
    device: [u8; 16],
    cert: [u8; 32],
}

impl CredentialContent {
    pub(crate) fn certified_by(cert: &DeviceCert) -> Self {
        Self {
            fingerprint: cert.fingerprint(),
            device: *cert.device(),
            cert: cert.hash(),
        }
    }

    pub(crate) fn of(credential: &Credential) -> Option<Self> {
        if credential.credential_type() != CredentialType::Basic {
            return None;
        }
        let mut reader = Reader::new(credential.serialized_content());
        let content = Self {
            fingerprint: Fingerprint::from_bytes(reader.array().ok()?),
            device: reader.array().ok()?,
            cert: reader.array().ok()?,
        };
        reader.end().ok()?;
        Some(content)
    }

    pub(crate) fn with_key(&self, leaf: &LeafKey) -> CredentialWithKey {
        let mut content = self.fingerprint.as_bytes().to_vec();
        content.extend_from_slice(&self.device);
        content.extend_from_slice(&self.cert);
        CredentialWithKey {
            credential: BasicCredential::new(content).into(),
            signature_key: leaf.public().as_slice().into(),
        }
    }

    /// Whether a leaf node is the one that this certificate certifies.
    pub(crate) fn certifies(cert: &DeviceCert, leaf: &LeafNode) -> bool {
        Self::of(leaf.credential()) == Some(Self::certified_by(cert))
            && leaf.signature_key().as_slice() == cert.leaf_key()
    }
}

/// What every leaf of Hither says it can do: this one suite, and nothing besides.
pub(crate) fn capabilities() -> Capabilities {
    Capabilities::new(
        Some(&[ProtocolVersion::Mls10]),
        Some(&[SUITE]),
        None,
        None,
        Some(&[CredentialType::Basic]),
    )
}
