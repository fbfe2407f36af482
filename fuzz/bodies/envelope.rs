// SPDX-License-Identifier: MIT OR Apache-2.0
//! What must hold for any bytes that come out of a mailbox or off a path: envelopes, what is in them, media
//! frames, and the records a client reads back from its disk. Run by the fuzz target of the same name, and over
//! the committed corpus by `proto/crypto/tests/corpus.rs`.

use hither_crypto::envelope::{self, BUCKETS, Kind, OVERHEAD};
use hither_crypto::session::EpochSecrets;
use hither_crypto::{
    Code, DeviceCert, FrameOpener, FrameSealer, HeaderKey, MediaKey, PublicIdentity, QuickOpener,
    QuickSealer, RootKey, Secret, Session, VaultHeader,
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

/// The input is taken for each thing in turn, and sealed as the content of each.
pub(crate) fn run(bytes: &[u8]) {
    open_as_it_is(bytes);
    seal_and_open(bytes);
    read_from_the_disk(bytes);
}

fn secrets() -> EpochSecrets {
    EpochSecrets {
        epoch: 1,
        header: HeaderKey::from_bytes([1; 32]),
        quick: Secret::from_bytes([2; 32]),
        media: Secret::from_bytes([3; 32]),
        authenticator: Secret::from_bytes([4; 48]),
    }
}

fn open_as_it_is(bytes: &[u8]) {
    let secrets = secrets();
    assert_eq!(envelope::mailbox(bytes).is_some(), bytes.len() >= 32);
    assert!(
        envelope::open(&[&secrets.header], bytes).is_err(),
        "nobody seals without the key"
    );
    assert!(QuickOpener::new(&secrets, 0).open(bytes).is_err());
    let key = MediaKey::derive(&secrets.media, &[0; 16], 0, &[0; 16]);
    for clear in [0, 3, 10] {
        assert!(FrameOpener::new(&key).open(bytes, clear).is_err());
    }
}

fn seal_and_open(bytes: &[u8]) {
    let secrets = secrets();
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    if let Ok(sealed) = envelope::seal(&secrets.header, &[9; 32], Kind::Mls, 7, bytes, &mut rng) {
        assert!(BUCKETS.contains(&(sealed.len() - OVERHEAD)));
        let opened = envelope::open(&[&secrets.header], &sealed).expect("it was just sealed");
        assert_eq!(opened.body, bytes);
    }
    if let Ok(sealed) = QuickSealer::new(&secrets, 0, &mut rng).seal(bytes) {
        let mut opener = QuickOpener::new(&secrets, 0);
        assert_eq!(opener.open(&sealed).expect("it was just sealed"), bytes);
        assert!(opener.open(&sealed).is_err(), "once");
    }
    let key = MediaKey::derive(&secrets.media, &[0; 16], 0, &[0; 16]);
    if let Ok(sealed) = FrameSealer::new(&key, 1).seal(bytes, 3) {
        let opened = FrameOpener::new(&key).open(&sealed, 3);
        assert_eq!(opened.expect("it was just sealed"), bytes);
    }
}

fn read_from_the_disk(bytes: &[u8]) {
    if let Ok(identity) = PublicIdentity::parse(bytes) {
        assert_eq!(identity.emit(), bytes);
    }
    if let Ok(cert) = DeviceCert::parse(bytes) {
        assert_eq!(cert.emit(), bytes);
    }
    if let Ok(header) = VaultHeader::parse(bytes) {
        assert_eq!(header.emit(), bytes);
    }
    let root = RootKey::from_bytes(Secret::from_bytes([5; 32]));
    assert!(root.open_record(&[0; 16], bytes).is_err());
    let half = bytes.len() / 2;
    let (key, value) = bytes.split_at(half);
    for key in [key, b"hither/session"] {
        assert!(Session::restore([(key.to_vec(), value.to_vec())]).is_err());
    }
    if let Ok(text) = core::str::from_utf8(bytes)
        && let Ok(code) = Code::parse(text)
    {
        assert_eq!(Code::parse(&code.to_words()), Ok(code));
    }
}
