// SPDX-License-Identifier: MIT OR Apache-2.0
//! What must hold for any bytes that somebody who knows the code seals as an invitation or as an answer: the
//! parsers behind the seal see anything, and nothing gets past the signatures. Run by the fuzz target of the same
//! name, and over the committed corpus by `proto/crypto/tests/corpus.rs`.

use std::cell::RefCell;

use hither_crypto::envelope::{self, Kind};
use hither_crypto::invitation::{self, Meeting, PendingInvitation};
use hither_crypto::{Identity, InvitationError, RedeemError, Session, Stretched, vectors};
use hither_sansio::{Duration, UnixTime};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

const NOW: UnixTime = UnixTime::from_secs(1_795_176_000);

thread_local! {
    static WORLD: RefCell<World> = RefCell::new(World::new());
}

struct World {
    ana: Identity,
    code: Stretched,
    pending: PendingInvitation,
    session: Session,
}

pub(crate) fn run(bytes: &[u8]) {
    WORLD.with_borrow_mut(|world| {
        world.read_an_invitation(bytes);
        world.take_an_answer(bytes);
        world.hear_a_message(bytes);
    });
}

impl World {
    fn new() -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let (ana, ben) = (Identity::generate(&mut rng), Identity::generate(&mut rng));
        let code = Stretched::from_bytes([7; 32]);
        let meeting = Meeting {
            node: "https://node.example".to_owned(),
            mailbox: [1; 32],
            capability: [2; 32],
        };
        let expires = NOW + Duration::from_secs(3600);
        let (blob, pending) = invitation::create(
            &ana, [1; 16], meeting, [0; 16], &code, expires, NOW, &mut rng,
        )
        .expect("an invitation can be made");
        let joined = invitation::open(&blob, &code, NOW)
            .expect("it was just made")
            .join(&ben, [2; 16], b"hello", &mut rng, NOW)
            .expect("it is fresh");
        Self {
            ana,
            code,
            pending,
            session: joined.session,
        }
    }

    fn read_an_invitation(&self, bytes: &[u8]) {
        if let Ok(salt) = invitation::salt(bytes) {
            assert_eq!(salt.as_slice(), &bytes[1..17]);
        }
        assert!(invitation::open(bytes, &self.code, NOW).is_err());
        let Some(blob) = vectors::seal_as_invitation(bytes, &self.code) else {
            return;
        };
        let refused = invitation::open(&blob, &self.code, NOW).map(|_| ());
        assert!(matches!(
            refused,
            Err(InvitationError::Malformed | InvitationError::Forged | InvitationError::Version)
        ));
    }

    fn take_an_answer(&mut self, bytes: &[u8]) {
        let refused = self.pending.redeem(&self.ana, bytes, NOW).map(|_| ());
        assert_eq!(refused, Err(RedeemError::NotForUs));
        let key = vectors::answer_key(&self.code);
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let Ok(sealed) = envelope::seal(&key, &[1; 32], Kind::Join, 0, bytes, &mut rng) else {
            return;
        };
        let refused = self.pending.redeem(&self.ana, &sealed, NOW).map(|_| ());
        assert!(matches!(
            refused,
            Err(RedeemError::Malformed | RedeemError::WrongToken)
        ));
        assert!(!self.pending.is_spent(), "nobody guesses a token");
    }

    fn hear_a_message(&mut self, bytes: &[u8]) {
        assert!(self.session.receive(bytes).is_err());
    }
}
