// SPDX-License-Identifier: MIT OR Apache-2.0
//! The session: messages, commits, what is refused, and what survives the disk.

use hither_crypto::envelope::MAX_BODY;
use hither_crypto::session::{MAX_PLAINTEXT, MergeError, ReceiveError, RestoreError, SealError};
use hither_crypto::{Received, Secret, Session};
use proptest::prelude::*;

mod support;
use support::*;

#[expect(
    clippy::unnecessary_wraps,
    reason = "it stands for what `receive` gives"
)]
fn application(epoch: u64, plaintext: &[u8]) -> Result<Received, ReceiveError> {
    Ok(Received::Application {
        epoch,
        plaintext: plaintext.to_vec(),
    })
}

#[test]
fn messages_go_both_ways_in_any_order() {
    let Pair { mut ana, mut ben } = pair();
    let messages: Vec<_> = (0..8_u8)
        .map(|number| ana.seal(&[number]).unwrap())
        .collect();
    for number in [3, 0, 7, 1, 2, 6, 4, 5_u8] {
        let message = &messages[usize::from(number)];
        assert_eq!(ben.receive(message), application(1, &[number]));
    }
    say(&mut ben, &mut ana, b"and back");
}

#[test]
fn a_message_is_taken_once() {
    let Pair { mut ana, mut ben } = pair();
    let message = ana.seal(b"once").unwrap();
    assert_eq!(ben.receive(&message), application(1, b"once"));
    assert_eq!(ben.receive(&message), Err(ReceiveError::Replayed));
    say(&mut ana, &mut ben, b"next");
}

#[test]
fn a_message_too_far_behind_is_too_old() {
    let Pair { mut ana, mut ben } = pair();
    let messages: Vec<_> = (0..40_u8)
        .map(|number| ana.seal(&[number]).unwrap())
        .collect();
    assert_eq!(ben.receive(&messages[39]), application(1, &[39]));
    assert_eq!(ben.receive(&messages[0]), Err(ReceiveError::TooOld));
    assert_eq!(ben.receive(&messages[20]), application(1, &[20]));
}

#[test]
fn one_side_commits_and_both_are_in_the_new_epoch() {
    let Pair { mut ana, mut ben } = pair();
    for _ in 0..3 {
        commit(&mut ben, &mut ana);
        say(&mut ana, &mut ben, b"from ana");
        say(&mut ben, &mut ana, b"from ben");
    }
    commit(&mut ana, &mut ben);
    assert_eq!(ana.epoch(), 5);
    say(&mut ben, &mut ana, b"still there");
}

#[test]
fn a_commit_waits_for_its_acknowledgement() {
    let Pair { mut ana, mut ben } = pair();
    let before = ben.secrets();
    let message = ben.commit(None).unwrap();
    assert!(ben.pending());
    assert_eq!(ben.epoch(), 1);
    assert_eq!(ben.secrets(), before);
    assert_eq!(ben.commit(None), Err(SealError::Pending));
    assert_eq!(ben.propose_update(), Err(SealError::Pending));
    say(&mut ben, &mut ana, b"meanwhile");
    assert_eq!(ana.receive(&message), Ok(Received::Commit { epoch: 2 }));
    assert_eq!(ben.pending_secrets(), Some(ana.secrets()));
    let early = ana.seal(b"from the new epoch").unwrap();
    assert_eq!(
        ben.receive(&early),
        Err(ReceiveError::WrongEpoch { ours: 1, theirs: 2 })
    );
    ben.merge_pending().unwrap();
    assert_eq!(ben.receive(&early), application(2, b"from the new epoch"));
    assert_eq!(ben.merge_pending(), Err(MergeError::Nothing));
}

#[test]
fn a_commit_that_never_arrived_can_be_given_up() {
    let Pair { mut ana, mut ben } = pair();
    ben.commit(None).unwrap();
    ben.drop_pending();
    assert!(!ben.pending() && ben.pending_secrets().is_none());
    say(&mut ben, &mut ana, b"as before");
    commit(&mut ben, &mut ana);
}

#[test]
fn a_message_crosses_one_commit_and_not_two() {
    let Pair { mut ana, mut ben } = pair();
    let first = ana.seal(b"first").unwrap();
    let second = ana.seal(b"second").unwrap();
    commit(&mut ben, &mut ana);
    assert_eq!(ben.receive(&first), application(1, b"first"));
    assert_eq!(ben.receive(&first), Err(ReceiveError::Replayed));
    commit(&mut ben, &mut ana);
    assert_eq!(ben.receive(&second), Err(ReceiveError::TooOld));
}

#[test]
fn a_proposal_is_carried_out_by_the_other_sides_commit() {
    let Pair { mut ana, mut ben } = pair();
    let proposal = ana.propose_update().unwrap();
    assert_eq!(ana.propose_update(), Err(SealError::Pending));
    say(&mut ana, &mut ben, b"a proposal silences nobody");
    assert_eq!(ben.receive(&proposal), Ok(Received::Proposal));
    assert_eq!(ben.receive(&proposal), Err(ReceiveError::Replayed));
    say(&mut ben, &mut ana, b"neither the one who got it");
    let commit_message = ben.commit(None).unwrap();
    say(&mut ben, &mut ana, b"nor a pending commit");
    assert_eq!(
        ana.receive(&commit_message),
        Ok(Received::Commit { epoch: 2 })
    );
    ben.merge_pending().unwrap();
    assert_eq!(ana.secrets(), ben.secrets());
    say(&mut ana, &mut ben, b"after");
    assert!(ana.propose_update().is_ok(), "the old proposal is done");
}

#[test]
fn a_proposal_survives_a_commit_that_was_given_up() {
    let Pair { mut ana, mut ben } = pair();
    let proposal = ana.propose_update().unwrap();
    ben.receive(&proposal).unwrap();
    ben.commit(None).unwrap();
    ben.drop_pending();
    commit(&mut ben, &mut ana);
    assert!(ana.propose_update().is_ok(), "the commit carried it out");
}

#[test]
fn a_commit_does_not_need_the_proposal_that_got_lost() {
    let Pair { mut ana, mut ben } = pair();
    ana.propose_update().unwrap();
    commit(&mut ben, &mut ana);
    say(&mut ana, &mut ben, b"after");
    assert!(
        ana.propose_update().is_ok(),
        "an epoch's proposals end with it"
    );
}

#[test]
fn leaf_zero_wins_a_tie() {
    let Pair { mut ana, mut ben } = pair();
    let from_ana = ana.commit(None).unwrap();
    let from_ben = ben.commit(None).unwrap();
    assert_eq!(ben.receive(&from_ana), Err(ReceiveError::Outranked));
    assert!(ben.pending(), "the refusal changed nothing");
    assert_eq!(ana.receive(&from_ben), Ok(Received::Commit { epoch: 2 }));
    assert!(!ana.pending());
    ben.merge_pending().unwrap();
    assert_eq!(ana.secrets(), ben.secrets());
    say(&mut ana, &mut ben, b"one epoch");
}

#[test]
fn a_secret_that_both_have_is_mixed_in() {
    let Pair { mut ana, mut ben } = pair();
    let psk = Secret::from_bytes([5; 32]);
    let message = ben.commit(Some(&psk)).unwrap();
    assert!(ana.receive(&message).is_err(), "the secret is missing");
    assert_eq!(ana.epoch(), 1);
    ana.add_psk(&Secret::from_bytes([6; 32])).unwrap();
    assert!(ana.receive(&message).is_err(), "the secret is another");
    ana.add_psk(&psk).unwrap();
    assert_eq!(ana.receive(&message), Ok(Received::Commit { epoch: 2 }));
    ben.merge_pending().unwrap();
    assert_eq!(ana.secrets(), ben.secrets());
    let psk_left =
        |session: &mut Session| session.changes().iter().any(|c| c.key.starts_with(b"Psk"));
    assert!(
        !psk_left(&mut ana) && !psk_left(&mut ben),
        "it is forgotten"
    );
}

#[test]
fn a_secret_of_zeros_is_mixed_in_like_any_other() {
    let Pair { mut ana, mut ben } = pair();
    let zeros = Secret::from_bytes([0; 32]);
    ana.add_psk(&zeros).unwrap();
    let message = ben.commit(Some(&zeros)).unwrap();
    let with = ben.pending_secrets().unwrap();
    assert_eq!(ana.receive(&message), Ok(Received::Commit { epoch: 2 }));
    assert_eq!(ana.secrets(), with);
}

#[test]
fn a_changed_message_is_refused_and_changes_nothing() {
    let Pair { mut ana, mut ben } = pair();
    let message = ana.seal(b"as it was said").unwrap();
    let mut disk = Disk::default();
    disk.write(ben.changes());
    for position in (0..message.len()).step_by(97) {
        let mut changed = message.clone();
        changed[position] ^= 0x20;
        let refused = ben.receive(&changed);
        assert!(refused.is_err(), "byte {position}: {refused:?}");
    }
    assert!(ben.changes().is_empty(), "the state is as it was");
    assert_eq!(ben.receive(&message), application(1, b"as it was said"));
}

#[test]
fn a_changed_commit_is_refused_and_changes_nothing() {
    let Pair { mut ana, mut ben } = pair();
    let message = ben.commit(None).unwrap();
    ana.changes();
    for position in (0..message.len()).step_by(211) {
        let mut changed = message.clone();
        changed[position] ^= 0x20;
        assert!(ana.receive(&changed).is_err(), "byte {position}");
    }
    assert!(ana.changes().is_empty());
    assert_eq!(ana.receive(&message), Ok(Received::Commit { epoch: 2 }));
}

#[test]
fn a_message_of_another_session_is_malformed() {
    let Pair { mut ana, .. } = pair();
    let Pair { mut ben, .. } = pair();
    let message = ana.seal(b"elsewhere").unwrap();
    assert_eq!(ben.receive(&message), Err(ReceiveError::Malformed));
    assert_eq!(ben.receive(b""), Err(ReceiveError::Malformed));
}

#[test]
fn ones_own_message_come_back_is_refused() {
    let Pair { mut ana, mut ben } = pair();
    let message = ana.seal(b"echo").unwrap();
    assert_eq!(ana.receive(&message), Err(ReceiveError::Refused));
    assert_eq!(ben.receive(&message), application(1, b"echo"));
}

#[test]
fn a_message_fits_up_to_its_limit() {
    let Pair { mut ana, mut ben } = pair();
    let longest = vec![7; MAX_PLAINTEXT];
    let message = ana.seal(&longest).unwrap();
    assert!(message.len() <= MAX_BODY, "{} bytes", message.len());
    assert_eq!(ben.receive(&message), application(1, &longest));
    let longer = vec![7; MAX_PLAINTEXT + 1];
    assert_eq!(ana.seal(&longer), Err(SealError::TooLong));
}

#[test]
fn a_session_goes_on_from_the_disk_at_any_moment() {
    let Pair { mut ana, mut ben } = pair();
    let (mut disk_a, mut disk_b) = (Disk::default(), Disk::default());
    for round in 0..4_u8 {
        disk_a.write(ana.changes());
        disk_b.write(ben.changes());
        ana = disk_a.session();
        ben = disk_b.session();
        assert!(
            ana.changes().is_empty(),
            "nothing changed by being restored"
        );
        say(&mut ana, &mut ben, &[round]);
        say(&mut ben, &mut ana, &[round]);

        let proposal = ana.propose_update().unwrap();
        disk_a.write(ana.changes());
        ana = disk_a.session();
        ben.receive(&proposal).unwrap();
        disk_b.write(ben.changes());
        ben = disk_b.session();
        let commit = ben.commit(None).unwrap();
        let pending = ben.pending_secrets();
        disk_b.write(ben.changes());
        ben = disk_b.session();
        assert_eq!(ben.pending_secrets(), pending, "a pending commit survives");
        assert!(matches!(ana.receive(&commit), Ok(Received::Commit { .. })));
        ben.merge_pending().unwrap();
        assert_eq!(ana.secrets(), ben.secrets());
    }
}

#[test]
fn an_old_disk_cannot_read_again_what_was_read() {
    let Pair { mut ana, mut ben } = pair();
    let message = ana.seal(b"gone").unwrap();
    ben.receive(&message).unwrap();
    let mut disk = Disk::default();
    disk.write(ben.changes());
    assert_eq!(
        disk.session().receive(&message),
        Err(ReceiveError::Replayed),
        "the key is not on the disk any more"
    );
}

#[test]
fn only_what_changed_is_written() {
    let Pair { mut ana, .. } = pair();
    let all: usize = ana
        .changes()
        .iter()
        .map(|c| c.value.as_ref().map_or(0, Vec::len))
        .sum();
    ana.seal(b"one message").unwrap();
    let changes = ana.changes();
    let some: usize = changes
        .iter()
        .map(|c| c.value.as_ref().map_or(0, Vec::len))
        .sum();
    assert_eq!(changes.len(), 1, "the secret tree and nothing else");
    assert!(some * 2 < all, "{some} of {all} bytes");
    assert!(ana.changes().is_empty());
}

#[test]
fn a_damaged_disk_is_noticed() {
    let Pair { mut ana, .. } = pair();
    let mut disk = Disk::default();
    disk.write(ana.changes());
    assert!(matches!(Session::restore([]), Err(RestoreError::Missing)));
    for key in disk.0.keys().cloned().collect::<Vec<_>>() {
        let mut damaged = disk.clone();
        damaged.0.insert(key, b"damaged".to_vec());
        assert!(Session::restore(damaged.0).is_err());
    }
}

#[test]
fn no_key_of_the_invitation_is_left_in_the_session() {
    let Pair { mut ana, mut ben } = pair();
    for session in [&mut ana, &mut ben] {
        for change in session.changes() {
            let key = String::from_utf8_lossy(&change.key);
            assert!(
                !key.starts_with("KeyPackage") && !key.starts_with("Psk"),
                "{key}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_bytes_make_a_session_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        SESSION.with_borrow_mut(|session| {
            prop_assert!(session.receive(&bytes).is_err());
            Ok(())
        })?;
    }

    #[test]
    fn no_change_of_a_message_makes_a_session_panic(
        position in any::<proptest::sample::Index>(), bytes in proptest::collection::vec(any::<u8>(), 1..40),
    ) {
        SESSION.with_borrow_mut(|session| {
            let mut message = MESSAGE.with_borrow(Clone::clone);
            let at = position.index(message.len());
            let end = (at + bytes.len()).min(message.len());
            message[at..end].copy_from_slice(&bytes[..end - at]);
            prop_assume!(MESSAGE.with_borrow(|original| *original != message));
            prop_assert!(session.receive(&message).is_err());
            Ok(())
        })?;
    }
}

thread_local! {
    static PAIR: std::cell::RefCell<Option<Pair>> = std::cell::RefCell::new(Some(pair()));
    static MESSAGE: std::cell::RefCell<Vec<u8>> = PAIR.with_borrow_mut(|pair| {
        let sealed = pair.as_mut().and_then(|pair| pair.ana.seal(b"a message to be changed").ok());
        std::cell::RefCell::new(sealed.unwrap_or_default())
    });
    static SESSION: std::cell::RefCell<Session> = {
        MESSAGE.with_borrow(|message| assert!(!message.is_empty()));
        PAIR.with_borrow_mut(|pair| pair.take().map(|pair| std::cell::RefCell::new(pair.ben))).expect("once a thread")
    };
}
