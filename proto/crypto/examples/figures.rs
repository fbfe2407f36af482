// SPDX-License-Identifier: MIT OR Apache-2.0
//! Prints what the protocol costs: sizes, and medians of how long each step takes here.
//!
//! `cargo run --release -p hither-crypto --example figures`
#![expect(
    clippy::print_stdout,
    clippy::disallowed_types,
    reason = "it measures, and prints what it measured"
)]

use std::error::Error;
use std::time::{Duration, Instant};

use hither_crypto::envelope::{self, Kind};
use hither_crypto::invitation::{self, Meeting};
use hither_crypto::{Change, Code, FrameOpener, FrameSealer, Identity, MediaKey, Secret, Session};
use hither_crypto::{QuickOpener, QuickSealer, Stretched};
use hither_sansio::UnixTime;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

const NOW: UnixTime = UnixTime::from_secs(1_795_176_000);
const ROUNDS: usize = 31;

fn main() -> Result<(), Box<dyn Error>> {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let code = Stretched::from_bytes([7; 32]);
    let timed = Timed;
    let ana = timed.run("identity: generate", || {
        Identity::generate(&mut ChaCha20Rng::seed_from_u64(2))
    });
    let ben = Identity::generate(&mut rng);
    timed.time("identity: sign", || ana.sign("label", b"message"));
    let signature = ana.sign("label", b"message");
    timed.time("identity: verify", || {
        ana.public().verify("label", b"message", &signature)
    });
    let stretch = Code::generate(&mut rng).stretch([1; 16]);
    timed.time("code: stretch, 64 MiB", || stretch.run());

    let expires = NOW + Duration::from_secs(3600);
    let mut create = || {
        let meeting = Meeting {
            node: "https://node.example".to_owned(),
            mailbox: [1; 32],
            capability: [2; 32],
        };
        invitation::create(
            &ana, [1; 16], meeting, [1; 16], &code, expires, NOW, &mut rng,
        )
    };
    let (blob, pending) = timed.run("invitation: create", &mut create)?;
    timed.time("invitation: open", || invitation::open(&blob, &code, NOW));
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let mut join = || -> Result<_, Box<dyn Error>> {
        let opened = invitation::open(&blob, &code, NOW)?;
        Ok(opened.join(&ben, [2; 16], &[0; 1024], &mut rng, NOW)?)
    };
    let joined = timed.run("invitation: open and join", &mut join)?;
    let request = timed.run("invitation: redeem", || {
        pending.clone().redeem(&ana, &joined.envelope, NOW)
    })?;
    let (mut a, mut b) = (request.session, joined.session);

    let persisted = size(&b.changes());
    let message = timed.run("session: seal 100 bytes", || b.seal(&[0; 100]))?;
    let changed = size(&b.changes());
    let mut messages = (0..ROUNDS)
        .map(|_| b.seal(&[0; 100]))
        .collect::<Result<Vec<_>, _>>()?;
    timed.time("session: receive", || {
        messages.pop().map(|message| a.receive(&message))
    });
    let mut commits = Vec::new();
    timed.time("session: commit", || {
        b.drop_pending();
        commits.push(b.commit(None));
    });
    let commit = commits.pop().ok_or("no commit")??;
    let disk = disk(&mut a);
    timed.time("session: restore", || Session::restore(disk.clone()));
    timed.time("session: restore and receive a commit", || {
        Session::restore(disk.clone()).map(|mut session| session.receive(&commit))
    });

    let secrets = a.secrets();
    let mut rng = ChaCha20Rng::seed_from_u64(4);
    let mut seal =
        |body: &[u8], kind| envelope::seal(&secrets.header, &[1; 32], kind, 1, body, &mut rng);
    let sealed = timed.run("envelope: seal a message", || seal(&message, Kind::Mls))?;
    timed.time("envelope: open it", || {
        envelope::open(&[&secrets.header], &sealed)
    });
    let mut quick = QuickSealer::new(&secrets, 0, &mut ChaCha20Rng::seed_from_u64(5));
    timed.time("quick: seal 100 bytes", || quick.seal(&[0; 100]));
    let quick_message = quick.seal(&[0; 100])?;
    timed.time("quick: open", || {
        QuickOpener::new(&secrets, 0).open(&quick_message)
    });
    let key = MediaKey::derive(&Secret::from_bytes([1; 32]), &[1; 16], 0, &[1; 16]);
    let mut sealer = FrameSealer::new(&key, 1);
    timed.time("media: seal a frame of 1200 bytes", || {
        sealer.seal(&[0; 1200], 10)
    });
    let mut frames = (0..ROUNDS)
        .map(|_| sealer.seal(&[0; 1200], 10))
        .collect::<Result<Vec<_>, _>>()?;
    let mut opener = FrameOpener::new(&key);
    timed.time("media: open it", || {
        frames.pop().map(|frame| opener.open(&frame, 10))
    });

    println!();
    println!(
        "blob                                {:>8} bytes",
        blob.len()
    );
    println!(
        "answer, hello of 1 KiB, enveloped   {:>8} bytes",
        joined.envelope.len()
    );
    println!(
        "message of 100 bytes                {:>8} bytes",
        message.len()
    );
    println!(
        "  enveloped                         {:>8} bytes",
        sealed.len()
    );
    println!(
        "commit                              {:>8} bytes",
        commit.len()
    );
    println!(
        "  enveloped                         {:>8} bytes",
        seal(&commit, Kind::Mls)?.len()
    );
    println!("session on the disk                 {persisted:>8} bytes");
    println!("  written after a message           {changed:>8} bytes");
    Ok(())
}

fn size(changes: &[Change]) -> usize {
    changes
        .iter()
        .map(|change| change.value.as_ref().map_or(0, Vec::len))
        .sum()
}

type Entries = Vec<(Vec<u8>, Vec<u8>)>;

fn disk(session: &mut Session) -> Entries {
    let changes = session.changes().into_iter();
    changes
        .filter_map(|change| Some((change.key, change.value?)))
        .collect()
}

/// Runs things several times and prints the median.
struct Timed;

impl Timed {
    fn time<T>(&self, what: &str, work: impl FnMut() -> T) {
        drop(self.run(what, work));
    }

    fn run<T>(&self, what: &str, mut work: impl FnMut() -> T) -> T {
        let mut times = Vec::new();
        let mut round = || {
            let start = Instant::now();
            let result = std::hint::black_box(work());
            times.push(start.elapsed());
            result
        };
        for _ in 1..ROUNDS {
            drop(round());
        }
        let last = round();
        times.sort_unstable();
        let median = times.get(times.len() / 2).copied().unwrap_or_default();
        println!("{what:<42} {:>9.3} ms", median.as_secs_f64() * 1000.0);
        last
    }
}
