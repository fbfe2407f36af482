// SPDX-License-Identifier: MIT OR Apache-2.0
//! A peer who runs other code: authentic messages that a two-person session does not allow.

use hither_sansio::{Duration, UnixTime};
use openmls::extensions::{Extension, Extensions, RequiredCapabilitiesExtension};
use openmls::key_packages::{KeyPackage, Lifetime};
use openmls::prelude::{BasicCredential, CredentialType, CredentialWithKey, MlsMessageOut};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use super::*;
use crate::invitation::{self, Meeting};
use crate::{Identity, Stretched};

const NOW: UnixTime = UnixTime::from_secs(1_795_176_000);

/// Ana (leaf 1) and Ben (leaf 0), who joined her.
fn pair() -> (Session, Session) {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let (ana, ben) = (Identity::generate(&mut rng), Identity::generate(&mut rng));
    let meeting = Meeting {
        node: "n".to_owned(),
        mailbox: [1; 32],
        capability: [2; 32],
    };
    let code = Stretched::from_bytes([3; 32]);
    let expires = NOW + Duration::from_secs(3600);
    let invitation = invitation::create(
        &ana, [1; 16], meeting, [4; 16], &code, expires, NOW, &mut rng,
    );
    let (blob, mut pending) = invitation.unwrap();
    let opened = invitation::open(&blob, &code, NOW).unwrap();
    let joined = opened.join(&ben, [2; 16], b"", &mut rng, NOW).unwrap();
    let request = pending.redeem(&ana, &joined.envelope, NOW).unwrap();
    (request.session, joined.session)
}

fn stranger() -> (KeyPackage, LeafKey, CredentialWithKey) {
    let leaf = LeafKey::from_seed(Secret::from_bytes([8; 32]));
    let credential = CredentialWithKey {
        credential: BasicCredential::new(b"stranger".to_vec()).into(),
        signature_key: leaf.public().as_slice().into(),
    };
    let again = LeafKey::from_seed(Secret::from_bytes([8; 32]));
    let bundle = KeyPackage::builder()
        .key_package_lifetime(Lifetime::init(0, u64::MAX))
        .leaf_node_capabilities(capabilities())
        .build(
            SUITE,
            &Provider::default(),
            &LeafSigner(leaf),
            credential.clone(),
        )
        .unwrap();
    (bundle.key_package().clone(), again, credential)
}

/// The message is refused, and the session neither moves nor forgets.
fn assert_refused(session: &mut Session, message: &MlsMessageOut) {
    session.changes();
    let epoch = session.epoch();
    let message = message.to_bytes().unwrap();
    assert_eq!(session.receive(&message), Err(ReceiveError::Refused));
    assert_eq!(
        session.receive(&message),
        Err(ReceiveError::Refused),
        "and again"
    );
    assert_eq!(session.epoch(), epoch);
    assert!(session.changes().is_empty());
}

fn still_talk(from: &mut Session, to: &mut Session) {
    let message = from.seal(b"still here").unwrap();
    assert!(matches!(
        to.receive(&message),
        Ok(Received::Application { .. })
    ));
}

#[test]
fn nobody_is_added() {
    let (mut ana, mut ben) = pair();
    let (key_package, ..) = stranger();
    let (message, _) = ben
        .group
        .propose_add_member(&ben.provider, &ben.signer, &key_package)
        .unwrap();
    assert_refused(&mut ana, &message);
    ben.group
        .clear_pending_proposals(ben.provider.storage())
        .unwrap();
    let added = ben
        .group
        .add_members(&ben.provider, &ben.signer, &[key_package]);
    assert_refused(&mut ana, &added.unwrap().0);
    ben.drop_pending();
    still_talk(&mut ben, &mut ana);
    still_talk(&mut ana, &mut ben);
}

#[test]
fn nobody_is_removed() {
    let (mut ana, mut ben) = pair();
    let own = LeafNodeIndex::new(1);
    let (message, _) = ben
        .group
        .propose_remove_member(&ben.provider, &ben.signer, own)
        .unwrap();
    assert_refused(&mut ana, &message);
    ben.group
        .clear_pending_proposals(ben.provider.storage())
        .unwrap();
    let removed = ben.group.remove_members(&ben.provider, &ben.signer, &[own]);
    assert_refused(&mut ana, &removed.unwrap().0);
    ben.drop_pending();
    still_talk(&mut ben, &mut ana);
}

#[test]
fn nobody_leaves_by_proposal() {
    let (mut ana, mut ben) = pair();
    let message = ben.group.leave_group(&ben.provider, &ben.signer).unwrap();
    assert_refused(&mut ana, &message);
}

#[test]
fn nobody_becomes_somebody_else() {
    let (mut ana, mut ben) = pair();
    let (_, _, mut credential) = stranger();
    credential.signature_key = ben.signer.0.public().as_slice().into();
    let parameters = LeafNodeParameters::builder()
        .with_credential_with_key(credential)
        .build();
    let (message, _) = ben
        .group
        .propose_self_update(&ben.provider, &ben.signer, parameters.clone())
        .unwrap();
    assert_refused(&mut ana, &message);
    ben.group
        .clear_pending_proposals(ben.provider.storage())
        .unwrap();
    let bundle = ben
        .group
        .self_update(&ben.provider, &ben.signer, parameters);
    assert_refused(&mut ana, &bundle.unwrap().into_commit());
    ben.drop_pending();
    still_talk(&mut ben, &mut ana);
}

#[test]
fn nobody_changes_their_leaf_key() {
    let (mut ana, mut ben) = pair();
    let (_, leaf, mut credential) = stranger();
    let own = ben.group.own_leaf_node().unwrap().credential().clone();
    credential.credential = own;
    let signer = LeafSigner(leaf);
    let bundle = openmls::prelude::NewSignerBundle {
        signer: &signer,
        credential_with_key: credential,
    };
    let parameters = LeafNodeParameters::default();
    let bundle =
        ben.group
            .self_update_with_new_signer(&ben.provider, &ben.signer, bundle, parameters);
    assert_refused(&mut ana, &bundle.unwrap().into_commit());
}

#[test]
fn nobody_changes_the_rules() {
    let (mut ana, mut ben) = pair();
    let required = RequiredCapabilitiesExtension::new(&[], &[], &[CredentialType::Basic]);
    let extensions = Extensions::single(Extension::RequiredCapabilities(required)).unwrap();
    let (message, _) = ben
        .group
        .propose_group_context_extensions(&ben.provider, extensions.clone(), &ben.signer)
        .unwrap();
    assert_refused(&mut ana, &message);
    ben.group
        .clear_pending_proposals(ben.provider.storage())
        .unwrap();
    let changed = ben
        .group
        .update_group_context_extensions(&ben.provider, extensions, &ben.signer);
    assert_refused(&mut ana, &changed.unwrap().0);
    ben.drop_pending();
    still_talk(&mut ana, &mut ben);
}

#[test]
fn a_commit_without_new_keys_is_refused() {
    let (mut ana, mut ben) = pair();
    let psk = Secret::from_bytes([5; 32]);
    ana.add_psk(&psk).unwrap();
    ana.changes();
    let id = ben.store_psk(&psk).unwrap();
    let bundle = ben
        .group
        .commit_builder()
        .add_proposals([Proposal::PreSharedKey(Box::new(PreSharedKeyProposal::new(
            id,
        )))])
        .load_psks(ben.provider.storage())
        .unwrap()
        .build(
            ben.provider.rand(),
            ben.provider.crypto(),
            &ben.signer,
            |_| true,
        )
        .unwrap()
        .stage_commit(&ben.provider)
        .unwrap();
    assert_refused(&mut ana, &bundle.into_commit());
}

#[test]
fn nobody_speaks_in_clear_beside_the_ciphertext() {
    let (mut ana, mut ben) = pair();
    ben.group.set_aad(b"readable".to_vec());
    let message = ben
        .group
        .create_message(&ben.provider, &ben.signer, b"hidden");
    assert_refused(&mut ana, &message.unwrap());
}

#[test]
fn proposals_of_a_peer_do_not_pile_up() {
    let (mut ana, mut ben) = pair();
    for _ in 0..5 {
        ana.group
            .clear_pending_proposals(ana.provider.storage())
            .unwrap();
        let proposal = ana.propose_update().unwrap();
        assert_eq!(ben.receive(&proposal), Ok(Received::Proposal));
        assert_eq!(ben.group.pending_proposals().count(), 1);
    }
    let commit = ben.commit(None).unwrap();
    assert_eq!(ana.receive(&commit), Ok(Received::Commit { epoch: 2 }));
}

#[test]
fn a_session_is_sent_to_where_it_runs() {
    const fn assert_send<T: Send>() {}
    assert_send::<Session>();
}
