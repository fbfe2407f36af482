// SPDX-License-Identifier: MIT OR Apache-2.0
//! Wycheproof, through the same calls that the crate makes.

use ml_kem::kem::{Decapsulate as _, KeyExport as _};
use ml_kem::{DecapsulationKey, EncapsulationKey, MlKem1024};
use wycheproof::{TestResult, aead, eddsa, hkdf, mldsa_verify, mlkem, xdh};

use crate::identity::verify_ml_dsa;
use crate::primitives::{derive, open, seal};
use crate::secret::Secret;

#[test]
fn aes_256_gcm_does_as_wycheproof_says() {
    let set = aead::TestSet::load(aead::TestName::AesGcm).unwrap();
    let mut run = 0;
    let groups = set.test_groups.iter();
    for group in groups.filter(|g| (g.key_size, g.nonce_size, g.tag_size) == (256, 96, 128)) {
        for test in &group.tests {
            let key = Secret::from_bytes(test.key.as_ref().try_into().unwrap());
            let nonce = test.nonce.as_ref().try_into().unwrap();
            let sealed = [test.ct.as_ref(), test.tag.as_ref()].concat();
            let opened = open(&key, nonce, &test.aad, &sealed);
            if test.result == TestResult::Valid {
                assert_eq!(opened.as_deref(), Some(test.pt.as_ref()), "{}", test.tc_id);
                assert_eq!(
                    seal(&key, nonce, &test.aad, &test.pt),
                    sealed,
                    "{}",
                    test.tc_id
                );
            } else {
                assert_eq!(opened, None, "{}: {}", test.tc_id, test.comment);
            }
            run += 1;
        }
    }
    assert!(run > 50, "{run}");
}

#[test]
fn hkdf_sha_512_does_as_wycheproof_says() {
    let set = hkdf::TestSet::load(hkdf::TestName::HkdfSha512).unwrap();
    let mut run = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let found = match test.size {
            20 => derive::<20>(&test.salt, &test.ikm, &[&test.info])
                .as_bytes()
                .to_vec(),
            42 => derive::<42>(&test.salt, &test.ikm, &[&test.info])
                .as_bytes()
                .to_vec(),
            64 => derive::<64>(&test.salt, &test.ikm, &[&test.info])
                .as_bytes()
                .to_vec(),
            _ => continue,
        };
        assert_eq!(found, test.okm.as_ref(), "{}: {}", test.tc_id, test.comment);
        run += 1;
    }
    assert!(run > 30, "{run}");
}

#[test]
fn ed25519_does_as_wycheproof_says() {
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap();
    let mut run = 0;
    for group in &set.test_groups {
        let key = group.key.pk.as_ref().try_into().unwrap();
        let key = ed25519_dalek::VerifyingKey::from_bytes(key).unwrap();
        for test in &group.tests {
            let signature = ed25519_dalek::Signature::from_slice(&test.sig);
            let holds = signature.is_ok_and(|sig| key.verify_strict(&test.msg, &sig).is_ok());
            assert_eq!(
                holds,
                test.result == TestResult::Valid,
                "{}: {}",
                test.tc_id,
                test.comment
            );
            run += 1;
        }
    }
    assert!(run > 100, "{run}");
}

#[test]
fn ml_dsa_87_does_as_wycheproof_says() {
    let set = mldsa_verify::TestSet::load(mldsa_verify::TestName::MlDsa87Verify).unwrap();
    let mut run = 0;
    for group in &set.test_groups {
        for test in &group.tests {
            let key = <&[u8; 2592]>::try_from(group.pubkey.as_ref());
            let signature = <&[u8; 4627]>::try_from(test.sig.as_ref());
            let context = test.ctx.as_ref().map_or(&[][..], |context| context);
            let holds = key.is_ok_and(|key| {
                signature.is_ok_and(|sig| verify_ml_dsa(key, &test.msg, context, sig).is_ok())
            });
            assert_eq!(
                holds,
                test.result == TestResult::Valid,
                "{}: {}",
                test.tc_id,
                test.comment
            );
            run += 1;
        }
    }
    assert!(run > 200, "{run}");
}

#[test]
fn x25519_does_as_wycheproof_says() {
    let set = xdh::TestSet::load(xdh::TestName::X25519).unwrap();
    let mut run = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let (Ok(public), Ok(private)) = (
            <[u8; 32]>::try_from(test.public_key.as_ref()),
            <[u8; 32]>::try_from(test.private_key.as_ref()),
        ) else {
            assert_eq!(test.result, TestResult::Invalid);
            continue;
        };
        let shared = x25519_dalek::StaticSecret::from(private).diffie_hellman(&public.into());
        assert_eq!(
            shared.as_bytes(),
            test.shared_secret.as_ref(),
            "{}",
            test.tc_id
        );
        let zero = test.shared_secret.iter().all(|byte| *byte == 0);
        assert_eq!(shared.was_contributory(), !zero, "{}", test.tc_id);
        run += 1;
    }
    assert!(run > 500, "{run}");
}

fn kem_tests(name: mlkem::TestName) -> Vec<mlkem::Test> {
    let set = mlkem::TestSet::load(name).unwrap();
    set.test_groups
        .into_iter()
        .flat_map(|group| group.tests)
        .collect()
}

fn array<const N: usize>(bytes: &Option<wycheproof::ByteString>) -> Option<[u8; N]> {
    bytes
        .as_ref()
        .and_then(|bytes| bytes.as_ref().try_into().ok())
}

#[test]
fn ml_kem_1024_decapsulates_as_wycheproof_says() {
    let mut run = 0;
    for test in kem_tests(mlkem::TestName::MlKem1024) {
        let Some(seed) = array::<64>(&test.seed) else {
            assert_eq!(test.result, TestResult::Invalid, "{}", test.tc_id);
            continue;
        };
        let secret = DecapsulationKey::<MlKem1024>::from_seed(seed.into());
        let key: Vec<u8> = secret.encapsulation_key().to_bytes().to_vec();
        let expected = test.encaps_key.as_ref().map(|key| key.as_ref());
        assert_eq!(Some(key.as_slice()), expected, "{}", test.tc_id);
        let Some(ciphertext) = array::<1568>(&test.ct) else {
            assert_eq!(test.result, TestResult::Invalid, "{}", test.tc_id);
            continue;
        };
        let shared = secret.decapsulate(&ciphertext.into());
        let same = array::<32>(&test.shared_secret) == Some(shared.into());
        assert_eq!(same, test.result == TestResult::Valid, "{}", test.tc_id);
        run += 1;
    }
    assert!(run > 150, "{run}");
}

#[test]
fn ml_kem_1024_encapsulates_as_wycheproof_says() {
    let mut run = 0;
    for test in kem_tests(mlkem::TestName::MlKem1024Encaps) {
        let key = array::<1568>(&test.encaps_key)
            .and_then(|key| EncapsulationKey::<MlKem1024>::new(&key.into()).ok());
        let Some(key) = key else {
            assert_eq!(test.result, TestResult::Invalid, "{}", test.tc_id);
            continue;
        };
        let (ciphertext, shared) = key.encapsulate_deterministic(&array(&test.msg).unwrap().into());
        let same = array::<1568>(&test.ct) == Some(ciphertext.into())
            && array::<32>(&test.shared_secret) == Some(shared.into());
        assert_eq!(same, test.result == TestResult::Valid, "{}", test.tc_id);
        run += 1;
    }
    assert!(run > 100, "{run}");
}

#[test]
fn ml_kem_1024_makes_keys_as_wycheproof_says() {
    let mut run = 0;
    for test in kem_tests(mlkem::TestName::MlKem1024KeyGenSeed) {
        let secret = DecapsulationKey::<MlKem1024>::from_seed(array(&test.seed).unwrap().into());
        let key = secret.encapsulation_key().to_bytes().to_vec();
        let expected = test.encaps_key.as_ref().map(|key| key.as_ref());
        assert_eq!(Some(key.as_slice()), expected, "{}", test.tc_id);
        run += 1;
    }
    assert!(run > 50, "{run}");
}
