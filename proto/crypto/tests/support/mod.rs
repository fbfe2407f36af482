// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ana invites, Ben is invited; what both need to get there.
#![allow(
    dead_code,
    clippy::allow_attributes,
    clippy::expect_used,
    reason = "every test file uses a part, and a helper that fails is a test that fails"
)]

use hither_crypto::invitation::{self, JoinRequest, Joined, Meeting, PendingInvitation};
use hither_crypto::{Change, Identity, Received, Session, Stretched};
use hither_sansio::{Duration, UnixTime};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use std::collections::BTreeMap;

/// 2026-11-20T12:00:00Z.
pub(crate) const NOW: UnixTime = UnixTime::from_secs(1_795_176_000);
pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const SALT: [u8; 16] = [0x5a; 16];

pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// What the code becomes; Argon2id itself is tested elsewhere.
pub(crate) fn code_key() -> Stretched {
    Stretched::from_bytes([0xc0; 32])
}

pub(crate) fn meeting() -> Meeting {
    Meeting {
        node: "https://node.example".to_owned(),
        mailbox: [0xaa; 32],
        capability: [0xbb; 32],
    }
}

/// Two people, and the one's invitation.
pub(crate) struct Invited {
    pub(crate) ana: Identity,
    pub(crate) ben: Identity,
    pub(crate) blob: Vec<u8>,
    pub(crate) pending: PendingInvitation,
}

pub(crate) fn invite() -> Invited {
    let mut rng = rng(1);
    let ana = Identity::generate(&mut rng);
    let ben = Identity::generate(&mut rng);
    let (blob, pending) = invitation::create(
        &ana,
        [1; 16],
        meeting(),
        SALT,
        &code_key(),
        NOW + HOUR,
        NOW,
        &mut rng,
    )
    .expect("an invitation can be made");
    Invited {
        ana,
        ben,
        blob,
        pending,
    }
}

impl Invited {
    pub(crate) fn join(&self, hello: &[u8]) -> Joined {
        invitation::open(&self.blob, &code_key(), NOW)
            .expect("the code is right")
            .join(&self.ben, [2; 16], hello, &mut rng(2), NOW)
            .expect("a fresh invitation can be answered")
    }

    pub(crate) fn redeem(&mut self, joined: &Joined) -> JoinRequest {
        self.pending
            .redeem(&self.ana, &joined.envelope, NOW)
            .expect("the answer is good")
    }
}

/// Both ends of a session, epoch one.
pub(crate) struct Pair {
    pub(crate) ana: Session,
    pub(crate) ben: Session,
}

pub(crate) fn pair() -> Pair {
    let mut invited = invite();
    let joined = invited.join(b"hello");
    let request = invited.redeem(&joined);
    Pair {
        ana: request.session,
        ben: joined.session,
    }
}

/// `from` says something, `to` hears it.
pub(crate) fn say(from: &mut Session, to: &mut Session, words: &[u8]) {
    let message = from.seal(words).expect("a message can be sealed");
    assert_eq!(
        to.receive(&message).expect("the message arrives"),
        Received::Application {
            epoch: from.epoch(),
            plaintext: words.to_vec()
        }
    );
}

/// `from` commits, `to` takes it, `from` learns of that and follows.
pub(crate) fn commit(from: &mut Session, to: &mut Session) {
    let message = from.commit(None).expect("a commit can be made");
    let epoch = from.epoch() + 1;
    assert_eq!(to.receive(&message), Ok(Received::Commit { epoch }));
    from.merge_pending().expect("the commit is pending");
    assert_eq!(from.secrets(), to.secrets());
}

/// A disk.
#[derive(Default, Clone)]
pub(crate) struct Disk(pub(crate) BTreeMap<Vec<u8>, Vec<u8>>);

impl Disk {
    pub(crate) fn write(&mut self, changes: Vec<Change>) {
        for change in changes {
            match change.value {
                Some(value) => self.0.insert(change.key, value),
                None => self.0.remove(&change.key),
            };
        }
    }

    pub(crate) fn session(&self) -> Session {
        Session::restore(self.0.clone()).expect("the disk holds a session")
    }
}

pub(crate) fn random_bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    rng(seed).fill_bytes(&mut bytes);
    bytes
}
