// SPDX-License-Identifier: MIT OR Apache-2.0
//! People who know the code and still lie.

use openmls::prelude::{BasicCredential, Ciphersuite};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use super::*;
use crate::identity::ParseError;

const NOW: UnixTime = UnixTime::from_secs(1_795_176_000);
const DAY: Duration = Duration::from_secs(24 * 3600);

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

fn code() -> Stretched {
    Stretched::from_bytes([0xc0; 32])
}

fn meeting() -> Meeting {
    Meeting {
        node: "https://node.example".to_owned(),
        mailbox: [0xaa; 32],
        capability: [0xbb; 32],
    }
}

fn invite(ana: &Identity) -> (Vec<u8>, PendingInvitation) {
    let mut rng = rng(7);
    create(
        ana,
        [1; 16],
        meeting(),
        [0; 16],
        &code(),
        NOW + DAY,
        NOW,
        &mut rng,
    )
    .unwrap()
}

fn body_of(blob: &[u8]) -> Body {
    open(blob, &code(), NOW).unwrap().fields
}

/// Seals a body that is not as `create` would make it, and opens it again.
fn reopen(body: &Body, signer: &Identity) -> Result<(), InvitationError> {
    let key = CodeKeys::new(&code()).blob;
    let blob = seal_blob(body, signer, [0; 16], &key, &mut rng(8)).unwrap();
    open(&blob, &code(), NOW).map(|_| ())
}

#[test]
fn a_body_that_is_sealed_again_as_it_was_opens() {
    let ana = Identity::generate(&mut rng(1));
    assert_eq!(reopen(&body_of(&invite(&ana).0), &ana), Ok(()));
}

#[test]
fn an_invitation_in_somebody_elses_name_is_forged() {
    let ana = Identity::generate(&mut rng(1));
    let eve = Identity::generate(&mut rng(2));
    let body = body_of(&invite(&ana).0);
    assert_eq!(reopen(&body, &eve), Err(InvitationError::Forged));
}

#[test]
fn a_swapped_key_package_is_forged() {
    let ana = Identity::generate(&mut rng(1));
    let mut body = body_of(&invite(&ana).0);
    let leaf = LeafKey::generate(&mut rng(3));
    let cert = DeviceCert::issue(&ana, [1; 16], leaf.public(), NOW..=NOW + DAY, 0);
    body.key_package = one_time_key_package(&cert, leaf, &mut rng(4)).unwrap().0;
    assert_eq!(
        reopen(&body, &ana),
        Err(InvitationError::Forged),
        "another leaf, even one that the inviter certified"
    );
    body.cert = cert;
    assert_eq!(
        reopen(&body, &ana),
        Ok(()),
        "with its own certificate it is whole"
    );
}

#[test]
fn a_key_package_that_lies_about_its_certificate_is_forged() {
    let ana = Identity::generate(&mut rng(1));
    let mut body = body_of(&invite(&ana).0);
    let leaf = LeafKey::generate(&mut rng(3));
    // The credential names the certificate, the key is another.
    body.key_package = one_time_key_package(&body.cert, leaf, &mut rng(4))
        .unwrap()
        .0;
    assert_eq!(reopen(&body, &ana), Err(InvitationError::Forged));
}

#[test]
fn a_certificate_of_another_or_of_another_time_is_forged() {
    let ana = Identity::generate(&mut rng(1));
    let eve = Identity::generate(&mut rng(2));
    for (issuer, validity) in [
        (&eve, NOW..=NOW + DAY),
        (&ana, NOW + DAY..=NOW + DAY + DAY),
        (&ana, UnixTime::from_secs(0)..=UnixTime::from_secs(1)),
    ] {
        let mut body = body_of(&invite(&ana).0);
        let leaf = LeafKey::generate(&mut rng(3));
        body.cert = DeviceCert::issue(issuer, [1; 16], leaf.public(), validity, 0);
        body.key_package = one_time_key_package(&body.cert, leaf, &mut rng(4))
            .unwrap()
            .0;
        assert_eq!(reopen(&body, &ana), Err(InvitationError::Forged));
    }
}

#[test]
fn an_invitation_for_longer_than_allowed_is_forged() {
    let ana = Identity::generate(&mut rng(1));
    let mut body = body_of(&invite(&ana).0);
    body.expires = NOW + MAX_LIFETIME + DAY + DAY;
    assert_eq!(reopen(&body, &ana), Err(InvitationError::Forged));
}

#[test]
fn another_suite_is_refused_and_never_spoken() {
    let other = Ciphersuite::MLS_256_MLKEM1024_AES256GCM_SHA512_MLDSA87;
    let ana = Identity::generate(&mut rng(1));
    let mut body = body_of(&invite(&ana).0);
    let leaf = LeafKey::generate(&mut rng(3));
    body.cert = DeviceCert::issue(&ana, [1; 16], leaf.public(), NOW..=NOW + DAY, 0);
    let credential = CredentialContent::certified_by(&body.cert).with_key(&leaf);
    let bundle = KeyPackage::builder()
        .key_package_lifetime(Lifetime::init(0, u64::MAX))
        .build(other, &Provider::default(), &LeafSigner(leaf), credential)
        .unwrap();
    body.key_package = bundle.key_package().tls_serialize_detached().unwrap();
    assert_eq!(reopen(&body, &ana), Err(InvitationError::Version));
}

#[test]
fn a_last_resort_key_package_is_forged() {
    let ana = Identity::generate(&mut rng(1));
    let mut body = body_of(&invite(&ana).0);
    let leaf = LeafKey::generate(&mut rng(3));
    body.cert = DeviceCert::issue(&ana, [1; 16], leaf.public(), NOW..=NOW + DAY, 0);
    let credential = CredentialContent::certified_by(&body.cert).with_key(&leaf);
    let capabilities = session::capabilities();
    let bundle = KeyPackage::builder()
        .key_package_lifetime(Lifetime::init(0, u64::MAX))
        .leaf_node_capabilities(capabilities)
        .mark_as_last_resort()
        .build(SUITE, &Provider::default(), &LeafSigner(leaf), credential)
        .unwrap();
    body.key_package = bundle.key_package().tls_serialize_detached().unwrap();
    assert_eq!(reopen(&body, &ana), Err(InvitationError::Forged));
}

#[test]
fn an_x25519_key_of_small_order_is_not_answered() {
    let ana = Identity::generate(&mut rng(1));
    let ben = Identity::generate(&mut rng(2));
    let mut order_eight = [0; 32];
    order_eight[..8].copy_from_slice(&[0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae]);
    order_eight[8..16].copy_from_slice(&[0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a]);
    order_eight[16..24].copy_from_slice(&[0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd]);
    order_eight[24..].copy_from_slice(&[0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00]);
    let mut one = [0; 32];
    one[0] = 1;
    for weak in [[0; 32], one, order_eight] {
        let mut opened = open(&invite(&ana).0, &code(), NOW).unwrap();
        opened.fields.x25519 = weak;
        let error = opened.join(&ben, [2; 16], b"", &mut rng(3), NOW);
        assert_eq!(error.unwrap_err(), JoinError::Failed);
    }
}

/// A join that can be made wrong in one place.
struct Liar {
    identity: Identity,
    cert_of: Identity,
    signer: Identity,
    with_psk: bool,
    psk: Option<Secret<48>>,
    ephemeral: Option<[u8; 32]>,
    token: Option<[u8; 32]>,
    crowd: bool,
    sign_for: Option<Fingerprint>,
}

impl Liar {
    fn new() -> Self {
        Self {
            identity: Identity::generate(&mut rng(2)),
            cert_of: Identity::generate(&mut rng(2)),
            signer: Identity::generate(&mut rng(2)),
            with_psk: true,
            psk: None,
            ephemeral: None,
            token: None,
            crowd: false,
            sign_for: None,
        }
    }

    fn join(&self, opened: &OpenedInvitation) -> Vec<u8> {
        let mut rng = rng(5);
        let leaf = LeafKey::generate(&mut rng);
        let validity = NOW..=NOW + DAY;
        let cert = DeviceCert::issue(&self.cert_of, [2; 16], leaf.public(), validity, 0);
        let secret = x25519_dalek::StaticSecret::from([9; 32]);
        let public = x25519_dalek::PublicKey::from(&secret).to_bytes();
        let psk = opened.psk(&secret, &public).unwrap();
        let psk = self.psk.clone().unwrap_or(psk);
        let public = self.ephemeral.unwrap_or(public);
        let (mut session, welcome) = self.found(opened, &cert, leaf, &psk);
        let join = JoinFields {
            joiner: self.identity.public(),
            cert: &cert,
            hello: b"hello",
        };
        let mut join = join.emit();
        let token = self.token.unwrap_or(*opened.fields.token.as_bytes());
        let exchange = Exchange {
            blob_hash: &opened.blob_hash,
            token: &token,
            ephemeral: &public,
            welcome: &welcome,
        };
        let inviter = &opened.fields.inviter;
        let mut transcript = exchange.with(&join, &session, inviter, self.identity.public());
        if let Some(other) = self.sign_for {
            let at = transcript.signed.len() - 64;
            transcript.signed[at..at + 32].copy_from_slice(other.as_bytes());
        }
        join.extend(self.signer.sign(JOIN_SIGNATURE, &transcript.signed));
        let first = session.seal(&join).unwrap();
        let mut answer = vec![VERSION];
        answer.extend_from_slice(&token);
        answer.extend_from_slice(&public);
        put_bytes(&mut answer, &welcome);
        put_bytes(&mut answer, &first);
        let key = &opened.keys.envelope;
        envelope::seal(key, &[0xaa; 32], Kind::Join, 0, &answer, &mut rng).unwrap()
    }

    fn found(
        &self,
        opened: &OpenedInvitation,
        cert: &DeviceCert,
        leaf: LeafKey,
        psk: &Secret<48>,
    ) -> (Session, Vec<u8>) {
        let provider = Provider::default();
        let credential = CredentialContent::certified_by(cert).with_key(&leaf);
        let signer = LeafSigner(leaf);
        let mut group = MlsGroup::new(&provider, &signer, &create_config(), credential).unwrap();
        let id = session::store_psk(&provider, &opened.blob_hash, psk.as_bytes()).unwrap();
        let psk = Proposal::PreSharedKey(Box::new(PreSharedKeyProposal::new(id)));
        let mut adds = vec![opened.key_package.clone()];
        if self.crowd {
            adds.push(self.accomplice());
        }
        let bundle = group
            .commit_builder()
            .propose_adds(adds)
            .add_proposals(self.with_psk.then_some(psk))
            .load_psks(provider.storage())
            .unwrap()
            .build(provider.rand(), provider.crypto(), &signer, |_| true)
            .unwrap()
            .stage_commit(&provider)
            .unwrap();
        let welcome = bundle.into_welcome_msg().unwrap().to_bytes().unwrap();
        group.merge_pending_commit(&provider).unwrap();
        let session = Session::new_unchecked(provider, group, signer.0);
        (session, welcome)
    }

    fn accomplice(&self) -> KeyPackage {
        let leaf = LeafKey::generate(&mut rng(6));
        let mut credential = CredentialContent::certified_by(&DeviceCert::issue(
            &self.identity,
            [3; 16],
            leaf.public(),
            NOW..=NOW,
            0,
        ))
        .with_key(&leaf);
        credential.credential = BasicCredential::new(b"accomplice".to_vec()).into();
        KeyPackage::builder()
            .key_package_lifetime(Lifetime::init(0, u64::MAX))
            .leaf_node_capabilities(session::capabilities())
            .build(SUITE, &Provider::default(), &LeafSigner(leaf), credential)
            .unwrap()
            .key_package()
            .clone()
    }
}

/// What becomes of an answer, and whether it spent the invitation.
fn answer(change: impl FnOnce(&mut Liar, &Identity)) -> (Result<(), RedeemError>, bool) {
    let ana = Identity::generate(&mut rng(1));
    let (blob, mut pending) = invite(&ana);
    let mut liar = Liar::new();
    change(&mut liar, &ana);
    let envelope = liar.join(&open(&blob, &code(), NOW).unwrap());
    let outcome = pending.redeem(&ana, &envelope, NOW).map(|_| ());
    (outcome, pending.is_spent())
}

const FORGED: (Result<(), RedeemError>, bool) = (Err(RedeemError::Forged), true);

#[test]
fn an_answer_without_a_lie_is_taken() {
    assert_eq!(answer(|_, _| {}), (Ok(()), true));
}

#[test]
fn an_answer_without_the_hybrid_secret_is_forged() {
    assert_eq!(answer(|liar, _| liar.with_psk = false), FORGED);
    let zeros = Some(Secret::from_bytes([0; 48]));
    assert_eq!(answer(|liar, _| liar.psk = zeros), FORGED);
    assert_eq!(answer(|liar, _| liar.ephemeral = Some([0; 32])), FORGED);
    assert_eq!(answer(|liar, _| liar.ephemeral = Some([0xff; 32])), FORGED);
}

#[test]
fn an_answer_with_a_wrong_token_spends_nothing() {
    let outcome = answer(|liar, _| liar.token = Some([0; 32]));
    assert_eq!(outcome, (Err(RedeemError::WrongToken), false));
}

#[test]
fn an_answer_in_somebody_elses_name_is_forged() {
    let eve = || Identity::generate(&mut rng(66));
    assert_eq!(answer(|liar, _| liar.signer = eve()), FORGED);
    assert_eq!(answer(|liar, _| liar.cert_of = eve()), FORGED);
    assert_eq!(answer(|liar, _| liar.identity = eve()), FORGED);
    assert_eq!(
        answer(|liar, _| {
            liar.identity = eve();
            liar.signer = eve();
        }),
        FORGED,
        "the leaf is certified by another"
    );
}

#[test]
fn an_answer_that_was_signed_for_another_inviter_is_forged() {
    let other = Some(Fingerprint::from_bytes([4; 32]));
    assert_eq!(answer(|liar, _| liar.sign_for = other), FORGED);
}

#[test]
fn an_inviter_does_not_meet_herself() {
    let outcome = answer(|liar, ana| {
        let own = || Identity::from_seed(&ana.to_seed());
        (liar.identity, liar.cert_of, liar.signer) = (own(), own(), own());
    });
    assert_eq!(outcome, FORGED);
}

#[test]
fn a_third_in_the_group_is_refused() {
    assert_eq!(answer(|liar, _| liar.crowd = true), FORGED);
}

#[test]
fn both_halves_of_a_signature_must_hold() {
    let ana = Identity::generate(&mut rng(1));
    let eve = Identity::generate(&mut rng(2));
    let mut signature = ana.sign("label", b"message");
    let public = ana.public();
    assert_eq!(public.verify("label", b"message", &signature), Ok(()));
    assert_eq!(
        public.verify("other", b"message", &signature),
        Err(SignatureError)
    );
    assert_eq!(
        public.verify("label", b"another", &signature),
        Err(SignatureError)
    );
    assert_eq!(
        public.verify("labelm", b"essage", &signature),
        Err(SignatureError)
    );
    let by_eve = eve.sign("label", b"message");
    for half in [0..64, 64..SIGNATURE] {
        let mut mixed = signature.clone();
        mixed[half.clone()].copy_from_slice(&by_eve[half]);
        assert_eq!(
            public.verify("label", b"message", &mixed),
            Err(SignatureError)
        );
    }
    signature.push(0);
    assert_eq!(
        public.verify("label", b"message", &signature),
        Err(SignatureError)
    );
}

#[test]
fn an_ed25519_key_of_small_order_is_no_identity() {
    let mut bytes = Identity::generate(&mut rng(1)).public().emit();
    assert!(PublicIdentity::parse(&bytes).is_ok());
    bytes[..32].copy_from_slice(&[0; 32]);
    assert_eq!(PublicIdentity::parse(&bytes), Err(ParseError::Malformed));
    let mut one = [0; 32];
    one[0] = 1;
    bytes[..32].copy_from_slice(&one);
    assert_eq!(PublicIdentity::parse(&bytes), Err(ParseError::Malformed));
}

#[test]
fn an_identity_comes_back_from_its_seed() {
    let ana = Identity::generate(&mut rng(1));
    let again = Identity::from_seed(&ana.to_seed());
    assert_eq!(ana.public(), again.public());
    assert_eq!(
        PublicIdentity::parse(&ana.public().emit()).as_ref(),
        Ok(ana.public())
    );
    let cert = DeviceCert::issue(&ana, [1; 16], &[5; 2592], NOW..=NOW + DAY, 9);
    let bytes = cert.emit();
    assert_eq!(bytes.len(), DeviceCert::LENGTH);
    assert_eq!(DeviceCert::parse(&bytes), Ok(cert.clone()));
    assert_eq!(cert.verify(ana.public(), NOW), Ok(()));
    assert_eq!(
        cert.verify(ana.public(), NOW + DAY + DAY),
        Err(SignatureError)
    );
    let other = Identity::generate(&mut rng(2));
    assert_eq!(cert.verify(other.public(), NOW), Err(SignatureError));
}
