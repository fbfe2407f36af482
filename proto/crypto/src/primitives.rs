// SPDX-License-Identifier: MIT OR Apache-2.0
//! The three constructions everything here is made of, each with one parameter set: HKDF-SHA-512
//! (RFC 5869), AES-256-GCM (NIST SP 800-38D), SHA-2 (FIPS 180-4).

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use hkdf::Hkdf;
use sha2::{Digest as _, Sha512, Sha512_256};

use crate::secret::Secret;

/// Bytes that AES-GCM adds.
pub(crate) const TAG: usize = 16;
/// Bytes of an AES-GCM nonce.
pub(crate) const NONCE: usize = 12;

/// HKDF-SHA-512: extracts from `key` with `salt`, expands with the concatenated `info` to `N` bytes.
pub(crate) fn derive<const N: usize>(salt: &[u8], key: &[u8], info: &[&[u8]]) -> Secret<N> {
    const { assert!(N <= 255 * 64, "HKDF-SHA-512 expands to at most 16320 bytes") };
    let mut out = [0; N];
    // The only error is a length that the assertion above excludes.
    let expanded = Hkdf::<Sha512>::new(Some(salt), key).expand_multi_info(info, &mut out);
    debug_assert!(expanded.is_ok());
    let secret = Secret::from_bytes(out);
    zeroize::Zeroize::zeroize(&mut out);
    secret
}

/// AES-256-GCM: ciphertext ‖ tag.
pub(crate) fn seal(key: &Secret<32>, nonce: &[u8; NONCE], aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
    // The only error is a message of more than 64 GiB; every caller bounds what it seals.
    Aes256Gcm::new(key.as_bytes().into())
        .encrypt(
            nonce.into(),
            Payload {
                msg: plaintext,
                aad,
            },
        )
        .unwrap_or_default()
}

/// AES-256-GCM: the plaintext, or nothing if the tag does not hold.
pub(crate) fn open(
    key: &Secret<32>,
    nonce: &[u8; NONCE],
    aad: &[u8],
    ciphertext: &[u8],
) -> Option<Vec<u8>> {
    Aes256Gcm::new(key.as_bytes().into())
        .decrypt(
            nonce.into(),
            Payload {
                msg: ciphertext,
                aad,
            },
        )
        .ok()
}

/// SHA-512/256 over the concatenation of fixed-length parts and at most one of free length at the end.
pub(crate) fn sha512_256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha512_256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// SHA-512, parts as in [`sha512_256`].
pub(crate) fn sha512(parts: &[&[u8]]) -> [u8; 64] {
    let mut hash = Sha512::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}
