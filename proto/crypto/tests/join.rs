// SPDX-License-Identifier: MIT OR Apache-2.0
//! The invitation, from the blob to the safety number.

use hither_crypto::invitation::{self, BLOB_SIZES, MAX_HELLO, MAX_LIFETIME, PendingInvitation};
use hither_crypto::{
    CreateError, Identity, InvitationError, JoinError, Received, RedeemError, SignatureError,
    Stretched, envelope, safety_number,
};
use hither_sansio::Duration;
use proptest::prelude::*;

mod support;
use support::*;

#[test]
fn two_people_meet() {
    let mut invited = invite();
    assert!(BLOB_SIZES.contains(&invited.blob.len()));
    assert_eq!(invitation::salt(&invited.blob), Ok(SALT));
    let opened = invitation::open(&invited.blob, &code_key(), NOW).unwrap();
    assert_eq!(opened.inviter(), invited.ana.public());
    assert_eq!(*opened.meeting(), meeting());
    assert_eq!(opened.expires(), NOW + HOUR);

    let joined = invited.join(b"I am Ben");
    assert_eq!(envelope::mailbox(&joined.envelope), Some([0xaa; 32]));
    assert_eq!(joined.peer, *invited.ana.public());
    let mut request = invited.redeem(&joined);
    assert!(invited.pending.is_spent());
    assert_eq!(request.peer, *invited.ben.public());
    assert_eq!(request.hello, b"I am Ben");
    assert_eq!(request.transcript, joined.transcript);
    assert_eq!(request.session.secrets(), joined.session.secrets());
    assert_eq!(request.session.own_leaf(), 1);
    assert_eq!(joined.session.own_leaf(), 0);
    assert!(joined.session.may_commit() && !request.session.may_commit());
    assert_eq!(
        request.session.peer_fingerprint(),
        Some(invited.ben.fingerprint())
    );
    assert_eq!(
        joined.session.peer_fingerprint(),
        Some(invited.ana.fingerprint())
    );

    let mut ben = joined.session;
    let accept = request.transcript.accept(&invited.ana);
    say(&mut request.session, &mut ben, &accept);
    joined
        .transcript
        .verify_accept(&joined.peer, &accept)
        .unwrap();
    commit(&mut request.session, &mut ben);
    commit(&mut ben, &mut request.session);
    say(&mut ben, &mut request.session, b"both leaves are fresh");
    assert_eq!(
        safety_number(&invited.ana.fingerprint(), &request.peer.fingerprint()),
        safety_number(&invited.ben.fingerprint(), &joined.peer.fingerprint())
    );
}

#[test]
fn the_invited_may_write_before_the_inviter_is_there() {
    let mut invited = invite();
    let joined = invited.join(b"hello");
    let mut ben = joined.session;
    let first: Vec<_> = (0..5).map(|number| ben.seal(&[number]).unwrap()).collect();
    let envelope = joined.envelope;
    let request = invited.pending.redeem(&invited.ana, &envelope, NOW);
    let mut ana = request.unwrap().session;
    for (number, message) in first.iter().enumerate() {
        let plaintext = vec![u8::try_from(number).unwrap()];
        assert_eq!(
            ana.receive(message),
            Ok(Received::Application {
                epoch: 1,
                plaintext
            })
        );
    }
}

#[test]
fn a_wrong_code_opens_nothing() {
    let invited = invite();
    let wrong = Stretched::from_bytes([0xc1; 32]);
    let error = invitation::open(&invited.blob, &wrong, NOW).unwrap_err();
    assert_eq!(error, InvitationError::WrongCode);
}

#[test]
fn an_invitation_is_good_once() {
    let mut invited = invite();
    let first = invited.join(b"first");
    let second = invited.join(b"second");
    invited.redeem(&first);
    for envelope in [&first.envelope, &second.envelope] {
        let again = invited.pending.redeem(&invited.ana, envelope, NOW);
        assert_eq!(again.unwrap_err(), RedeemError::AlreadySpent);
    }
}

#[test]
fn an_invitation_expires() {
    let mut invited = invite();
    let late = NOW + HOUR + Duration::from_millis(1);
    assert_eq!(
        invitation::open(&invited.blob, &code_key(), late).unwrap_err(),
        InvitationError::Expired
    );
    let opened = invitation::open(&invited.blob, &code_key(), NOW).unwrap();
    let error = opened.join(&invited.ben, [2; 16], b"", &mut rng(2), late);
    assert_eq!(error.unwrap_err(), JoinError::Expired);
    let joined = invited.join(b"");
    let error = invited.pending.redeem(&invited.ana, &joined.envelope, late);
    assert_eq!(error.unwrap_err(), RedeemError::Expired);
    assert!(!invited.pending.is_spent(), "too late is not used");
}

#[test]
fn an_invitation_lasts_no_longer_than_a_week() {
    let ana = Identity::generate(&mut rng(1));
    let create = |expires| {
        let mut rng = rng(2);
        invitation::create(
            &ana,
            [1; 16],
            meeting(),
            SALT,
            &code_key(),
            expires,
            NOW,
            &mut rng,
        )
        .map(|_| ())
    };
    assert_eq!(create(NOW), Err(CreateError::Expiry));
    assert_eq!(create(NOW + MAX_LIFETIME + HOUR), Err(CreateError::Expiry));
    assert_eq!(create(NOW + MAX_LIFETIME), Ok(()));
}

#[test]
fn a_place_to_meet_has_a_name_of_bounded_length() {
    let ana = Identity::generate(&mut rng(1));
    let create = |node: String| {
        let meeting = invitation::Meeting { node, ..meeting() };
        let mut rng = rng(2);
        invitation::create(
            &ana,
            [1; 16],
            meeting,
            SALT,
            &code_key(),
            NOW + HOUR,
            NOW,
            &mut rng,
        )
        .map(|_| ())
    };
    assert_eq!(create(String::new()), Err(CreateError::Meeting));
    assert_eq!(create("n".repeat(256)), Err(CreateError::Meeting));
    assert_eq!(create("n".repeat(255)), Ok(()));
}

#[test]
fn nobody_joins_themselves() {
    let invited = invite();
    let opened = invitation::open(&invited.blob, &code_key(), NOW).unwrap();
    let error = opened.join(&invited.ana, [1; 16], b"", &mut rng(2), NOW);
    assert_eq!(error.unwrap_err(), JoinError::OwnInvitation);
}

#[test]
fn the_greeting_fits_up_to_its_limit() {
    let mut invited = invite();
    let joined = invited.join(&vec![7; MAX_HELLO]);
    assert_eq!(invited.redeem(&joined).hello.len(), MAX_HELLO);
    let opened = invitation::open(&invited.blob, &code_key(), NOW).unwrap();
    let error = opened.join(
        &invited.ben,
        [2; 16],
        &vec![7; MAX_HELLO + 1],
        &mut rng(2),
        NOW,
    );
    assert_eq!(error.unwrap_err(), JoinError::HelloTooLong);
}

#[test]
fn garbage_does_not_spend_an_invitation() {
    let mut invited = invite();
    let joined = invited.join(b"hello");
    let mut garbage = vec![Vec::new(), vec![0; 40], random_bytes(3, 40_000)];
    for position in [0, 32, 33, 45, 60, joined.envelope.len() - 1] {
        let mut flipped = joined.envelope.clone();
        flipped[position] ^= 1;
        garbage.push(flipped);
    }
    for envelope in garbage {
        let error = invited.pending.redeem(&invited.ana, &envelope, NOW);
        assert_eq!(error.unwrap_err(), RedeemError::NotForUs);
        assert!(!invited.pending.is_spent());
    }
    let error = invited.pending.redeem(&invited.ben, &joined.envelope, NOW);
    assert_eq!(error.unwrap_err(), RedeemError::NotForUs);
    invited.redeem(&joined);
}

#[test]
fn an_answer_to_another_invitation_is_not_taken() {
    let invited = invite();
    let mut rng = rng(9);
    let (other, mut pending) = invitation::create(
        &invited.ana,
        [1; 16],
        meeting(),
        SALT,
        &Stretched::from_bytes([9; 32]),
        NOW + HOUR,
        NOW,
        &mut rng,
    )
    .unwrap();
    assert_ne!(other, invited.blob);
    let joined = invited.join(b"hello");
    let error = pending.redeem(&invited.ana, &joined.envelope, NOW);
    assert_eq!(error.unwrap_err(), RedeemError::NotForUs);
}

#[test]
fn the_same_code_and_mailbox_do_not_make_two_invitations_one() {
    let invited = invite();
    let mut rng = rng(9);
    let (_, mut pending) = invitation::create(
        &invited.ana,
        [1; 16],
        meeting(),
        SALT,
        &code_key(),
        NOW + HOUR,
        NOW,
        &mut rng,
    )
    .unwrap();
    let joined = invited.join(b"hello");
    let error = pending.redeem(&invited.ana, &joined.envelope, NOW);
    assert_eq!(error.unwrap_err(), RedeemError::WrongToken);
    assert!(!pending.is_spent());
}

#[test]
fn a_pending_invitation_survives_the_disk_and_forgets_its_keys() {
    let mut invited = invite();
    let joined = invited.join(b"hello");
    let stored = postcard::to_allocvec(&invited.pending).unwrap();
    invited.pending = postcard::from_bytes(&stored).unwrap();
    assert_eq!(*invited.pending.mailbox(), [0xaa; 32]);
    invited.redeem(&joined);
    let spent = postcard::to_allocvec(&invited.pending).unwrap();
    assert!(
        spent.len() < 300,
        "{} of {} bytes are left",
        spent.len(),
        stored.len()
    );
    let spent: PendingInvitation = postcard::from_bytes(&spent).unwrap();
    assert!(spent.is_spent());
}

#[test]
fn accept_is_the_inviters_word_on_this_transcript() {
    let mut invited = invite();
    let joined = invited.join(b"hello");
    let request = invited.redeem(&joined);
    let accept = request.transcript.accept(&invited.ana);
    let transcript = &joined.transcript;
    transcript.verify_accept(&joined.peer, &accept).unwrap();
    let by_ben = transcript.accept(&invited.ben);
    assert_eq!(
        transcript.verify_accept(&joined.peer, &by_ben),
        Err(SignatureError)
    );
    assert_eq!(
        transcript.verify_accept(invited.ben.public(), &by_ben),
        Err(SignatureError),
        "the invited cannot accept in the inviter's place"
    );
    let mut invited = invite();
    let other = invited.join(b"another hello");
    invited.redeem(&other);
    assert_eq!(
        other.transcript.verify_accept(&other.peer, &accept),
        Err(SignatureError)
    );
}

#[test]
fn the_join_does_not_show_who_joins() {
    let invited = invite();
    let joined = invited.join(b"hello");
    for (name, bytes) in [("blob", &invited.blob), ("answer", &joined.envelope)] {
        for identity in [&invited.ana, &invited.ben] {
            let key = identity.public().emit();
            let found = bytes.windows(16).any(|window| window == &key[..16]);
            assert!(!found, "{name} shows a key");
            let print = identity.fingerprint();
            let found = bytes
                .windows(16)
                .any(|window| window == &print.as_bytes()[..16]);
            assert!(!found, "{name} shows a fingerprint");
        }
        assert!(!bytes.windows(12).any(|window| window == b"node.example"));
    }
}

#[test]
fn nothing_secret_is_printed() {
    let mut invited = invite();
    let opened = invitation::open(&invited.blob, &code_key(), NOW).unwrap();
    let printed = format!("{:?} {:?} {opened:?}", invited.pending, invited.ana);
    assert_eq!(
        printed,
        "PendingInvitation { expires: unix+1795179600000ms, spent: false, .. } Identity(…) OpenedInvitation(…)"
    );
    let joined = invited.join(b"hello");
    let transcript = format!("{:?} {:?}", joined.transcript, joined.peer);
    assert_eq!(transcript, "Transcript(…) PublicIdentity(…)");
    let request = invited.redeem(&joined);
    assert_eq!(
        format!("{:?}", request.session),
        "Session { epoch: 1, own_leaf: 1, pending: false, .. }"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_flipped_bit_anywhere_shuts_the_blob(position in any::<proptest::sample::Index>(), bit in 0..8_u8) {
        let invited = blob();
        let mut blob = invited.clone();
        let position = position.index(blob.len());
        blob[position] ^= 1_u8 << bit;
        let expected = if position == 0 { InvitationError::Version } else { InvitationError::WrongCode };
        prop_assert_eq!(invitation::open(&blob, &code_key(), NOW).unwrap_err(), expected);
    }

    #[test]
    fn a_cut_or_grown_blob_is_none(length in 0_usize..70_000) {
        let mut blob = blob().clone();
        prop_assume!(!BLOB_SIZES.contains(&length));
        blob.resize(length, 0);
        prop_assert_eq!(invitation::open(&blob, &code_key(), NOW).unwrap_err(), InvitationError::Malformed);
    }

    #[test]
    fn no_bytes_make_an_invitation_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(invitation::salt(&bytes).is_err());
        drop(invitation::open(&bytes, &code_key(), NOW));
    }
}

fn blob() -> &'static Vec<u8> {
    static BLOB: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    BLOB.get_or_init(|| invite().blob)
}
