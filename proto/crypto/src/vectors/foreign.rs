// SPDX-License-Identifier: MIT OR Apache-2.0
//! Vectors of others, for the primitives and formats that this crate takes from others.

use ml_dsa::{ExpandedSigningKey, KeyExport as _, MlDsa87};
use ml_kem::{Decapsulate as _, MlKem1024};
use openmls_rust_crypto::RustCrypto;
use openmls_traits::crypto::OpenMlsCrypto as _;
use openmls_traits::types::{HpkeAeadType, HpkeCiphertext, HpkeConfig, HpkeKdfType, HpkeKemType};
use serde::Deserialize;
use sframe::CipherSuite;
use sframe::frame::{EncryptedFrameView, MediaFrameView, SingleUseCounter};
use sframe::key::{DecryptionKey, EncryptionKey};

use super::{Hex, Outcome, digest, expect, fail, hex, parse};

const ACVP: &str = include_str!("../../vectors/acvp.json");
const HPKE: &str = include_str!("../../vectors/hpke-pq.json");
const SFRAME: &str = include_str!("../../vectors/sframe.json");

pub(super) fn run() -> Vec<(&'static str, Outcome)> {
    vec![
        ("ACVP ML-KEM-1024 key generation", ml_kem_key_gen()),
        ("ACVP ML-KEM-1024 encapsulation", ml_kem_encapsulation()),
        ("ACVP ML-KEM-1024 decapsulation", ml_kem_decapsulation()),
        ("ACVP ML-DSA-87 key generation", ml_dsa_key_gen()),
        ("ACVP ML-DSA-87 signing", ml_dsa_sig_gen()),
        ("ACVP ML-DSA-87 verification", ml_dsa_sig_ver()),
        ("HPKE ML-KEM-1024, HKDF-SHA384, AES-256-GCM", hpke()),
        ("RFC 9605 AES_256_GCM_SHA512_128", sframe()),
    ]
}

#[derive(Deserialize)]
struct Acvp {
    ml_kem_key_gen: Vec<KemKeyGen>,
    ml_kem_encapsulation: Vec<Encapsulation>,
    ml_kem_decapsulation: Decapsulations,
    ml_dsa_key_gen: Vec<DsaKeyGen>,
    ml_dsa_sig_gen: Vec<SigGen>,
    ml_dsa_sig_ver: SigVers,
}

#[derive(Deserialize)]
struct KemKeyGen {
    seed: Hex,
    ek_digest: String,
    dk_digest: String,
}

#[derive(Deserialize)]
struct Encapsulation {
    ek: Hex,
    m: Hex,
    c_digest: String,
    k: String,
}

#[derive(Deserialize)]
struct Decapsulations {
    dk: Hex,
    tests: Vec<Decapsulation>,
}

#[derive(Deserialize)]
struct Decapsulation {
    c: Hex,
    k: String,
}

#[derive(Deserialize)]
struct DsaKeyGen {
    seed: Hex,
    pk_digest: String,
    sk_digest: String,
}

#[derive(Deserialize)]
struct SigGen {
    sk: Hex,
    message: Hex,
    signature_digest: String,
}

#[derive(Deserialize)]
struct SigVers {
    pk: Hex,
    tests: Vec<SigVer>,
}

#[derive(Deserialize)]
struct SigVer {
    message: Hex,
    signature: Hex,
    passed: bool,
    reason: String,
}

type KemSecret = ml_kem::DecapsulationKey<MlKem1024>;

#[expect(deprecated, reason = "ACVP gives expanded keys")]
fn ml_kem_key_gen() -> Outcome {
    use ml_kem::ExpandedKeyEncoding as _;
    let vectors: Acvp = parse(ACVP)?;
    vectors.ml_kem_key_gen.iter().try_for_each(|test| {
        let secret = KemSecret::from_seed(test.seed.array::<64>()?.into());
        expect(
            "ek",
            &digest(&secret.encapsulation_key().to_bytes()),
            &test.ek_digest,
        )?;
        expect("dk", &digest(&secret.to_expanded_bytes()), &test.dk_digest)
    })
}

fn ml_kem_encapsulation() -> Outcome {
    let vectors: Acvp = parse(ACVP)?;
    vectors.ml_kem_encapsulation.iter().try_for_each(|test| {
        let key = ml_kem::EncapsulationKey::<MlKem1024>::new(&test.ek.array::<1568>()?.into());
        let key = key.map_err(|_| "the key is refused")?;
        let (ciphertext, shared) = key.encapsulate_deterministic(&test.m.array::<32>()?.into());
        expect("c", &digest(&ciphertext), &test.c_digest)?;
        expect("k", &hex(&shared), &test.k)
    })
}

#[expect(deprecated, reason = "ACVP gives expanded keys")]
fn ml_kem_decapsulation() -> Outcome {
    let vectors: Acvp = parse(ACVP)?;
    let group = vectors.ml_kem_decapsulation;
    let secret = KemSecret::from_expanded(&group.dk.array::<3168>()?.into());
    let secret = secret.map_err(|_| "the key is refused")?;
    group.tests.iter().try_for_each(|test| {
        let shared = secret.decapsulate(&test.c.array::<1568>()?.into());
        expect("k", &hex(&shared), &test.k)
    })
}

#[expect(deprecated, reason = "ACVP gives expanded keys")]
fn ml_dsa_key_gen() -> Outcome {
    let vectors: Acvp = parse(ACVP)?;
    vectors.ml_dsa_key_gen.iter().try_for_each(|test| {
        let secret = ml_dsa::SigningKey::<MlDsa87>::from_seed(&test.seed.array::<32>()?.into());
        let secret = secret.expanded_key();
        expect(
            "pk",
            &digest(&secret.verifying_key().encode()),
            &test.pk_digest,
        )?;
        expect("sk", &digest(&secret.to_expanded()), &test.sk_digest)
    })
}

#[expect(deprecated, reason = "ACVP gives expanded keys")]
fn ml_dsa_sig_gen() -> Outcome {
    let vectors: Acvp = parse(ACVP)?;
    vectors.ml_dsa_sig_gen.iter().try_for_each(|test| {
        let secret = ExpandedSigningKey::<MlDsa87>::from_expanded(&test.sk.array::<4896>()?.into());
        let signature = secret.sign_internal(&[&test.message.0], &[0; 32].into());
        expect(
            "signature",
            &digest(&signature.encode()),
            &test.signature_digest,
        )
    })
}

fn ml_dsa_sig_ver() -> Outcome {
    let vectors: Acvp = parse(ACVP)?;
    let group = vectors.ml_dsa_sig_ver;
    let key = ml_dsa::VerifyingKey::<MlDsa87>::decode(&group.pk.array::<2592>()?.into());
    group.tests.iter().try_for_each(|test| {
        let signature =
            ml_dsa::Signature::<MlDsa87>::decode(&test.signature.array::<4627>()?.into());
        let holds =
            signature.is_some_and(|signature| key.verify_internal(&test.message.0, &signature));
        if holds == test.passed {
            Ok(())
        } else {
            Err(test.reason.clone())
        }
    })
}

#[derive(Deserialize)]
struct Hpke {
    info: Hex,
    seed: Hex,
    pk_digest: String,
    enc: Hex,
    aad: Hex,
    ct: Hex,
    pt: String,
}

/// HPKE as OpenMLS uses it for this suite.
fn hpke() -> Outcome {
    let test: Hpke = parse(HPKE)?;
    let secret = KemSecret::from_seed(test.seed.array::<64>()?.into());
    expect(
        "pk",
        &digest(&secret.encapsulation_key().to_bytes()),
        &test.pk_digest,
    )?;
    let config = HpkeConfig(
        HpkeKemType::MlKem1024,
        HpkeKdfType::HkdfSha384,
        HpkeAeadType::AesGcm256,
    );
    let input = HpkeCiphertext {
        kem_output: test.enc.0.into(),
        ciphertext: test.ct.0.into(),
    };
    let plaintext =
        RustCrypto::default().hpke_open(config, &input, &test.seed.0, &test.info.0, &test.aad.0);
    expect("pt", &hex(&plaintext.map_err(fail)?), &test.pt)
}

#[derive(Deserialize)]
struct Sframe {
    kid: u64,
    ctr: u64,
    base_key: Hex,
    metadata: Hex,
    pt: Hex,
    ct: String,
}

fn sframe() -> Outcome {
    let test: Sframe = parse(SFRAME)?;
    let suite = CipherSuite::AesGcm256Sha512;
    let key = EncryptionKey::derive_from(suite, test.kid, &test.base_key.0).map_err(fail)?;
    let mut counter = SingleUseCounter::new(test.ctr);
    let frame = MediaFrameView::try_with_meta_data(&mut counter, &test.pt.0, &test.metadata.0);
    let mut sealed = Vec::new();
    frame
        .map_err(fail)?
        .encrypt_into(&key, &mut sealed)
        .map_err(fail)?;
    let (metadata, sealed) = sealed
        .split_at_checked(test.metadata.0.len())
        .ok_or("too short")?;
    expect("metadata", &hex(metadata), &hex(&test.metadata.0))?;
    expect("ct", &hex(sealed), &test.ct)?;
    let key = DecryptionKey::derive_from(suite, test.kid, &test.base_key.0).map_err(fail)?;
    let view = EncryptedFrameView::try_with_meta_data(sealed, metadata).map_err(fail)?;
    let opened = view.decrypt(&key).map_err(fail)?;
    expect("pt", &hex(opened.payload()), &hex(&test.pt.0))
}
