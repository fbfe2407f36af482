// SPDX-License-Identifier: MIT OR Apache-2.0
//! Envelopes, the quick channel, media frames, the vault: what is sealed opens once, as it was, and nowhere else.

use hither_crypto::envelope::{self, BUCKETS, Kind, MAX_BODY, OVERHEAD};
use hither_crypto::session::EpochSecrets;
use hither_crypto::vault::{self, RecordError, UnlockError};
use hither_crypto::{
    FrameKind, FrameOpener, FrameSealer, HeaderKey, MediaKey, QuickOpener, QuickSealer, RootKey,
    Secret, Stretch, StretchError, StretchParams, Stretched, VaultHeader, clear_bytes, media,
    quick,
};
use proptest::prelude::*;
use zeroize::Zeroizing;

mod support;
use support::*;

const MAILBOX: [u8; 32] = [0xaa; 32];

fn key(byte: u8) -> HeaderKey {
    HeaderKey::from_bytes([byte; 32])
}

fn sealed(body: &[u8]) -> Vec<u8> {
    envelope::seal(&key(1), &MAILBOX, Kind::Mls, 7, body, &mut rng(1)).unwrap_or_default()
}

#[test]
fn an_envelope_has_one_of_seven_sizes() {
    let mut sizes = Vec::new();
    for body in [
        0, 1011, 1012, 8179, 8180, 30_000, 60_000, 130_000, 250_000, MAX_BODY,
    ] {
        let envelope = sealed(&vec![5; body]);
        assert!(
            BUCKETS
                .iter()
                .any(|bucket| bucket + OVERHEAD == envelope.len()),
            "{body}"
        );
        assert_eq!(
            envelope::open(&[&key(1)], &envelope).unwrap().body.len(),
            body
        );
        sizes.push(envelope.len() - OVERHEAD);
    }
    let kib = sizes.iter().map(|size| size / 1024).collect::<Vec<_>>();
    assert_eq!(kib, [1, 1, 8, 8, 16, 32, 64, 128, 256, 256]);
    let longer = vec![5; MAX_BODY + 1];
    let error = envelope::seal(&key(1), &MAILBOX, Kind::Mls, 7, &longer, &mut rng(1));
    assert_eq!(error, Err(envelope::SealError::TooLong));
}

#[test]
fn an_envelope_opens_with_whichever_key_fits() {
    let envelope = sealed(b"body");
    assert_eq!(envelope::mailbox(&envelope), Some(MAILBOX));
    let opened = envelope::open(&[&key(3), &key(2), &key(1)], &envelope).unwrap();
    assert_eq!(
        (opened.key_index, opened.kind, opened.sequence),
        (2, Kind::Mls, 7)
    );
    assert_eq!(opened.body, b"body");
    assert_eq!(
        envelope::open(&[&key(2)], &envelope),
        Err(envelope::OpenError::NoKey)
    );
    assert_eq!(
        envelope::open(&[], &envelope),
        Err(envelope::OpenError::NoKey)
    );
}

#[test]
fn the_same_body_never_looks_the_same() {
    let mut rng = rng(1);
    let mut seal = || envelope::seal(&key(1), &MAILBOX, Kind::Mls, 7, b"body", &mut rng).unwrap();
    let (first, second) = (seal(), seal());
    assert_eq!(first.len(), second.len());
    let same = first[33..]
        .iter()
        .zip(&second[33..])
        .filter(|(a, b)| a == b)
        .count();
    assert!(same < 40, "{same} bytes of about a thousand");
}

#[test]
fn an_envelope_of_another_version_is_said_to_be_one() {
    let mut envelope = sealed(b"body");
    envelope[32] = 2;
    assert_eq!(
        envelope::open(&[&key(1)], &envelope),
        Err(envelope::OpenError::Version)
    );
    for length in [0, 31, 33, 60, 1084, 1086] {
        let mut cut = sealed(b"body");
        cut.resize(length, 0);
        assert_eq!(
            envelope::open(&[&key(1)], &cut),
            Err(envelope::OpenError::Malformed),
            "{length}"
        );
    }
}

fn secrets(quick: u8) -> EpochSecrets {
    EpochSecrets {
        epoch: 1,
        header: key(1),
        quick: Secret::from_bytes([quick; 32]),
        media: Secret::from_bytes([3; 32]),
        authenticator: Secret::from_bytes([4; 48]),
    }
}

#[test]
fn the_quick_channel_opens_each_message_once_and_in_any_order() {
    let mut sealer = QuickSealer::new(&secrets(2), 0, &mut rng(1));
    let mut opener = QuickOpener::new(&secrets(2), 0);
    let messages: Vec<_> = (0..5_u8)
        .map(|number| sealer.seal(&[number]).unwrap())
        .collect();
    for number in [4, 0, 2, 1, 3_u8] {
        let message = &messages[usize::from(number)];
        assert_eq!(opener.open(message), Ok(vec![number]));
        assert_eq!(opener.open(message), Err(quick::OpenError::Replayed));
    }
}

#[test]
fn the_quick_channel_has_a_direction_and_an_epoch() {
    let mut sealer = QuickSealer::new(&secrets(2), 0, &mut rng(1));
    let message = sealer.seal(b"typing").unwrap();
    let forged = Err(quick::OpenError::Forged);
    assert_eq!(QuickOpener::new(&secrets(2), 1).open(&message), forged);
    assert_eq!(QuickOpener::new(&secrets(9), 0).open(&message), forged);
    for position in 0..message.len() {
        let mut changed = message.clone();
        changed[position] ^= 1;
        assert_eq!(QuickOpener::new(&secrets(2), 0).open(&changed), forged);
    }
    let mut opener = QuickOpener::new(&secrets(2), 0);
    assert_eq!(
        opener.open(&message[..39]),
        Err(quick::OpenError::Malformed)
    );
    assert_eq!(opener.open(&message), Ok(b"typing".to_vec()));
}

#[test]
fn a_sealer_that_is_made_again_starts_anew() {
    let mut rng = rng(1);
    let mut opener = QuickOpener::new(&secrets(2), 0);
    let mut first = QuickSealer::new(&secrets(2), 0, &mut rng);
    let early = first.seal(b"one").unwrap();
    let late = first.seal(b"two").unwrap();
    opener.open(&early).unwrap();
    for _ in 0..8 {
        let mut again = QuickSealer::new(&secrets(2), 0, &mut rng);
        let message = again.seal(b"one").unwrap();
        assert_ne!(
            message[40..],
            early[40..],
            "another key, not only another counter"
        );
        opener.open(&message).unwrap();
    }
    assert_eq!(
        opener.open(&late),
        Err(quick::OpenError::Replayed),
        "eight instances are live, and the ninth closed the first"
    );
}

#[test]
fn the_quick_channel_does_not_forget_what_it_closed() {
    let mut rng = rng(1);
    let mut opener = QuickOpener::new(&secrets(2), 0);
    let mut start = |opener: &mut QuickOpener| {
        let message = QuickSealer::new(&secrets(2), 0, &mut rng)
            .seal(b"x")
            .unwrap();
        opener.open(&message).map(|_| message)
    };
    let first = start(&mut opener).unwrap();
    for _ in 0..8 + 1023 {
        start(&mut opener).unwrap();
    }
    assert_eq!(start(&mut opener), Err(quick::OpenError::Exhausted));
    assert_eq!(opener.open(&first), Err(quick::OpenError::Replayed));
}

#[test]
fn a_quick_message_fits_into_an_envelope() {
    let mut sealer = QuickSealer::new(&secrets(2), 0, &mut rng(1));
    let message = sealer.seal(&vec![7; quick::MAX_MESSAGE]).unwrap();
    assert_eq!(message.len(), MAX_BODY);
    let error = sealer.seal(&vec![7; quick::MAX_MESSAGE + 1]);
    assert_eq!(error, Err(quick::SealError::TooLong));
}

fn media_key(salt: u8) -> MediaKey {
    MediaKey::derive(&Secret::from_bytes([3; 32]), &[4; 16], 0, &[salt; 16])
}

const FRAME: &[u8] = b"\x50\x42\x00\x9d\x01\x2a\x40\x01\xf0\x00 and the picture";

#[test]
fn a_frame_shows_its_clear_bytes_and_hides_the_rest() {
    for kind in [FrameKind::Audio, FrameKind::VideoKey, FrameKind::VideoDelta] {
        let clear = clear_bytes(kind);
        let sealed = FrameSealer::new(&media_key(1), 3)
            .seal(FRAME, clear)
            .unwrap();
        assert_eq!(sealed[..clear], FRAME[..clear]);
        assert!(!sealed.windows(7).any(|window| window == b"picture"));
        assert_eq!(
            FrameOpener::new(&media_key(1))
                .open(&sealed, clear)
                .unwrap(),
            FRAME
        );
    }
    let empty = FrameSealer::new(&media_key(1), 0).seal(b"", 0).unwrap();
    assert_eq!(
        FrameOpener::new(&media_key(1)).open(&empty, 0).unwrap(),
        b""
    );
}

#[test]
fn a_frame_opens_once_and_only_as_it_was() {
    let mut sealer = FrameSealer::new(&media_key(1), 3);
    let mut opener = FrameOpener::new(&media_key(1));
    let (first, second) = (
        sealer.seal(FRAME, 10).unwrap(),
        sealer.seal(FRAME, 10).unwrap(),
    );
    for position in 0..first.len() {
        let mut changed = first.clone();
        changed[position] ^= 1;
        assert!(opener.open(&changed, 10).is_err(), "byte {position}");
    }
    assert_eq!(opener.open(&second, 10).unwrap(), FRAME);
    assert_eq!(opener.open(&first, 10).unwrap(), FRAME);
    assert_eq!(opener.open(&first, 10), Err(media::FrameError::Replayed));
    assert_eq!(opener.open(&second, 10), Err(media::FrameError::Replayed));
}

#[test]
fn a_frame_says_why_it_does_not_open() {
    let sealed = FrameSealer::new(&media_key(1), 3).seal(FRAME, 10).unwrap();
    let open = |key: &MediaKey, frame: &[u8], clear| FrameOpener::new(key).open(frame, clear);
    assert_eq!(
        open(&media_key(2), &sealed, 10),
        Err(media::FrameError::Forged)
    );
    assert_eq!(
        open(&media_key(1), &sealed[..9], 10),
        Err(media::FrameError::Malformed)
    );
    assert_eq!(
        open(&media_key(1), &sealed[..12], 10),
        Err(media::FrameError::Malformed)
    );
    assert_eq!(
        open(&media_key(1), b"", 0),
        Err(media::FrameError::Malformed)
    );
    let mut changed = sealed.clone();
    changed[4] ^= 1;
    assert_eq!(
        open(&media_key(1), &changed, 10),
        Err(media::FrameError::Forged),
        "clear is not unprotected"
    );
    assert_eq!(
        FrameSealer::new(&media_key(1), 16).seal(FRAME, 0),
        Err(media::FrameError::UnknownKey)
    );
    assert_eq!(
        FrameSealer::new(&media_key(1), 1).seal(b"short", 10),
        Err(media::FrameError::Malformed)
    );
    // Config byte X=1, K=0: an eight-bit key id follows.
    assert_eq!(
        open(
            &media_key(1),
            &[[0x80, 16].as_slice(), &[0; 40]].concat(),
            0
        ),
        Err(media::FrameError::UnknownKey)
    );
}

#[test]
fn tracks_of_one_call_do_not_disturb_each_other() {
    let mut opener = FrameOpener::new(&media_key(1));
    for key_id in 0..16 {
        let mut sealer = FrameSealer::new(&media_key(1), key_id);
        for _ in 0..3 {
            let sealed = sealer.seal(FRAME, 3).unwrap();
            assert_eq!(opener.open(&sealed, 3).unwrap(), FRAME, "key id {key_id}");
        }
    }
}

#[test]
fn a_media_key_belongs_to_one_sender_in_one_call() {
    let media = Secret::from_bytes([3; 32]);
    let keys = [
        MediaKey::derive(&media, &[4; 16], 0, &[1; 16]),
        MediaKey::derive(&media, &[4; 16], 1, &[1; 16]),
        MediaKey::derive(&media, &[5; 16], 0, &[1; 16]),
        MediaKey::derive(&media, &[4; 16], 0, &[2; 16]),
        MediaKey::derive(&Secret::from_bytes([6; 32]), &[4; 16], 0, &[1; 16]),
    ];
    for (index, key) in keys.iter().enumerate() {
        assert!(!keys[..index].contains(key));
        assert_eq!(MediaKey::from_bytes(key.to_bytes()), *key);
    }
}

fn passphrase(byte: u8) -> Stretched {
    Stretched::from_bytes([byte; 32])
}

#[test]
fn a_vault_opens_with_its_passphrase_only() {
    let params = StretchParams::VAULT_BROWSER;
    let (mut header, root) = vault::create(&passphrase(1), [9; 16], params, &mut rng(1));
    assert_eq!(header.unlock(&passphrase(1)), Ok(root.clone()));
    assert_eq!(
        header.unlock(&passphrase(2)),
        Err(UnlockError::WrongPassphrase)
    );
    let stretch = header.stretch("open sesame");
    assert_eq!((stretch.salt, stretch.params), ([9; 16], params));
    assert_eq!(*stretch.password, b"open sesame");

    header.rewrap(&root, &passphrase(2), [8; 16], params, &mut rng(2));
    assert_eq!(header.unlock(&passphrase(2)), Ok(root));
    assert_eq!(
        header.unlock(&passphrase(1)),
        Err(UnlockError::WrongPassphrase)
    );
}

#[test]
fn nobody_changes_a_vault_header_unnoticed() {
    let params = StretchParams::VAULT_BROWSER;
    let (header, root) = vault::create(&passphrase(1), [9; 16], params, &mut rng(1));
    let bytes = header.emit();
    assert_eq!(VaultHeader::parse(&bytes), Ok(header));
    for position in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[position] ^= 1;
        let unlocked = VaultHeader::parse(&changed).map(|header| header.unlock(&passphrase(1)));
        assert_ne!(unlocked, Ok(Ok(root.clone())), "byte {position}");
    }
    assert!(VaultHeader::parse(&bytes[1..]).is_err());
    assert!(VaultHeader::parse(&[bytes.as_slice(), &[0]].concat()).is_err());
}

#[test]
fn a_record_opens_under_its_own_id_in_its_own_vault() {
    let root = RootKey::from_bytes(Secret::from_bytes([7; 32]));
    let other = RootKey::from_bytes(Secret::from_bytes([8; 32]));
    let id = root.record_id("contact/1");
    assert_ne!(id, root.record_id("contact/2"));
    assert_ne!(id, other.record_id("contact/1"));
    let record = root.seal_record("contact/1", b"Ana", &mut rng(1));
    assert_ne!(record, root.seal_record("contact/1", b"Ana", &mut rng(2)));
    let opened = root.open_record(&id, &record);
    assert_eq!(opened, Ok(("contact/1".to_owned(), b"Ana".to_vec())));
    let elsewhere = root.record_id("contact/2");
    assert_eq!(
        root.open_record(&elsewhere, &record),
        Err(RecordError::Forged)
    );
    assert_eq!(other.open_record(&id, &record), Err(RecordError::Forged));
    for position in 0..record.len() {
        let mut changed = record.clone();
        changed[position] ^= 1;
        assert!(root.open_record(&id, &changed).is_err(), "byte {position}");
    }
    assert_eq!(root.open_record(&id, b""), Err(RecordError::Malformed));
}

#[test]
fn stretching_has_a_price_within_bounds() {
    let stretch = |memory_kib, passes, lanes| {
        let params = StretchParams {
            memory_kib,
            passes,
            lanes,
        };
        params.validate()
    };
    assert_eq!(stretch(8 * 1024, 1, 1), Ok(()));
    assert_eq!(stretch(1024 * 1024, 10, 4), Ok(()));
    for (memory_kib, passes, lanes) in [
        (8 * 1024 - 1, 1, 1),
        (1024 * 1024 + 1, 1, 1),
        (8 * 1024, 0, 1),
        (8 * 1024, 11, 1),
        (8 * 1024, 1, 0),
        (8 * 1024, 1, 5),
        (u32::MAX, u32::MAX, u32::MAX),
    ] {
        assert_eq!(
            stretch(memory_kib, passes, lanes),
            Err(StretchError::Params)
        );
    }
    let run = |password: &[u8], salt| {
        let params = StretchParams {
            memory_kib: 8 * 1024,
            passes: 1,
            lanes: 1,
        };
        let password = Zeroizing::new(password.to_vec());
        Stretch {
            password,
            salt,
            params,
        }
        .run()
        .unwrap()
    };
    assert_eq!(run(b"a", [1; 16]), run(b"a", [1; 16]));
    assert_ne!(run(b"a", [1; 16]), run(b"b", [1; 16]));
    assert_ne!(run(b"a", [1; 16]), run(b"a", [2; 16]));
}

#[test]
fn secrets_do_not_print_themselves() {
    let secrets = secrets(2);
    let stretch = VaultHeader::stretch(
        &vault::create(
            &passphrase(1),
            [9; 16],
            StretchParams::VAULT_NATIVE,
            &mut rng(1),
        )
        .0,
        "open sesame",
    );
    let printed = format!(
        "{secrets:?}\n{:?}\n{:?}\n{:?}\n{stretch:?}\n{:?}\n{:?}\n{:?}",
        passphrase(1),
        media_key(1),
        RootKey::from_bytes(Secret::from_bytes([7; 32])),
        QuickSealer::new(&secrets, 0, &mut rng(1)),
        QuickOpener::new(&secrets, 0),
        envelope::open(&[&key(1)], &sealed(b"body")),
    );
    let expected = "\
EpochSecrets { epoch: 1, header: HeaderKey(Secret(…)), quick: Secret(…), media: Secret(…), authenticator: Secret(…) }
Stretched(Secret(…))
MediaKey(Secret(…))
RootKey(Secret(…))
Stretch { params: StretchParams { memory_kib: 262144, passes: 3, lanes: 1 }, .. }
QuickSealer { next: Some(0), .. }
QuickOpener { peer_leaf: 0, live: 0, closed: 0, .. }
Ok(Opened { key_index: 0, kind: Mls, sequence: 7, .. })";
    assert_eq!(printed, expected);
}

#[test]
fn secrets_survive_the_disk() {
    let secrets = secrets(2);
    let stored = postcard::to_allocvec(&secrets).unwrap();
    assert_eq!(stored.len(), 1 + 3 * 32 + 48, "raw bytes, no lengths");
    assert_eq!(postcard::from_bytes::<EpochSecrets>(&stored), Ok(secrets));
    assert!(postcard::from_bytes::<EpochSecrets>(&stored[..100]).is_err());
}

proptest! {
    #[test]
    fn a_changed_envelope_does_not_open(position in any::<proptest::sample::Index>(), bit in 0..8_u8) {
        let mut envelope = sealed(b"body");
        let position = position.index(envelope.len());
        envelope[position] ^= 1 << bit;
        let expected = if position == 32 { envelope::OpenError::Version } else { envelope::OpenError::NoKey };
        prop_assert_eq!(envelope::open(&[&key(1)], &envelope), Err(expected));
    }

    #[test]
    fn every_body_comes_back(body in proptest::collection::vec(any::<u8>(), 0..9000), sequence: u64) {
        let envelope = envelope::seal(&key(1), &MAILBOX, Kind::Quick, sequence, &body, &mut rng(1)).unwrap();
        let opened = envelope::open(&[&key(1)], &envelope).unwrap();
        prop_assert_eq!((opened.kind, opened.sequence, opened.body), (Kind::Quick, sequence, body));
    }

    #[test]
    fn no_bytes_make_a_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..3000), clear in 0_usize..20) {
        prop_assert_eq!(envelope::mailbox(&bytes).is_some(), bytes.len() >= 32);
        drop(envelope::open(&[&key(1)], &bytes));
        drop(QuickOpener::new(&secrets(1), 0).open(&bytes));
        drop(FrameOpener::new(&media_key(1)).open(&bytes, clear));
        drop(FrameSealer::new(&media_key(1), 1).seal(&bytes, clear));
        drop(VaultHeader::parse(&bytes));
        drop(hither_crypto::PublicIdentity::parse(&bytes));
        drop(hither_crypto::DeviceCert::parse(&bytes));
        let root = RootKey::from_bytes(Secret::from_bytes([7; 32]));
        drop(root.open_record(&[0; 16], &bytes));
    }

    #[test]
    fn no_text_makes_a_code_panic(text: String) {
        drop(hither_crypto::Code::parse(&text));
    }
}
