// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a message and a frame cost in a browser: the twin of `figures` in `proto/crypto`, compiled as the
//! client is. `cargo xtask bench cryptography` runs it in Chromium.

use std::error::Error;

use hither_crypto::envelope::{self, Kind};
use hither_crypto::invitation::{self, Meeting};
use hither_crypto::{
    FrameOpener, FrameSealer, Identity, MediaKey, QuickOpener, QuickSealer, Secret, Stretched,
};
use hither_sansio::UnixTime;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use wasm_bindgen::prelude::wasm_bindgen;

const NOW: UnixTime = UnixTime::from_secs(1_795_176_000);
const LATER: UnixTime = UnixTime::from_secs(1_795_179_600);
const ROUNDS: u32 = 100;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = console)]
    fn log(text: &str);
}

fn main() {
    if let Err(error) = measure() {
        log(&format!("failed: {error}"));
    }
}

fn measure() -> Result<(), Box<dyn Error>> {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let (ana, ben) = (Identity::generate(&mut rng), Identity::generate(&mut rng));
    let code = Stretched::from_bytes([7; 32]);
    let meeting = Meeting {
        node: "https://node.example".to_owned(),
        mailbox: [1; 32],
        capability: [2; 32],
    };
    let (blob, mut pending) =
        invitation::create(&ana, [1; 16], meeting, [1; 16], &code, LATER, NOW, &mut rng)?;
    let joined =
        invitation::open(&blob, &code, NOW)?.join(&ben, [2; 16], &[0; 64], &mut rng, NOW)?;
    let request = pending.redeem(&ana, &joined.envelope, NOW)?;
    let (mut a, mut b) = (request.session, joined.session);

    let mut messages = Vec::new();
    time("message sealed (100 bytes)", || {
        let message = b.seal(&[0; 100])?;
        let secrets = b.secrets();
        messages.push(envelope::seal(
            &secrets.header,
            &[1; 32],
            Kind::Mls,
            1,
            &message,
            &mut rng,
        )?);
        Ok(())
    })?;
    let secrets = a.secrets();
    let mut arriving = messages.into_iter();
    time("message opened", || {
        let envelope = arriving.next().ok_or("all are opened")?;
        let opened = envelope::open(&[&secrets.header], &envelope)?;
        a.receive(&opened.body)?;
        Ok(())
    })?;
    let mut quick = QuickSealer::new(&secrets, 0, &mut rng);
    let mut signals = Vec::new();
    time("signal sealed (100 bytes)", || {
        signals.push(quick.seal(&[0; 100])?);
        Ok(())
    })?;
    let mut opener = QuickOpener::new(&secrets, 0);
    let mut arriving = signals.into_iter();
    time("signal opened", || {
        opener.open(&arriving.next().ok_or("all are opened")?)?;
        Ok(())
    })?;
    let key = MediaKey::derive(&Secret::from_bytes([1; 32]), &[1; 16], 0, &[1; 16]);
    let mut sealer = FrameSealer::new(&key, 1);
    let mut frames = Vec::new();
    time("frame sealed (1200 bytes)", || {
        frames.push(sealer.seal(&[0; 1200], 10)?);
        Ok(())
    })?;
    let mut opener = FrameOpener::new(&key);
    let mut arriving = frames.into_iter();
    time("frame opened", || {
        opener.open(&arriving.next().ok_or("all are opened")?, 10)?;
        Ok(())
    })
}

/// Prints the mean of many rounds: the clock of a page is too coarse for one.
fn time(
    what: &str,
    mut work: impl FnMut() -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let start = js_sys::Date::now();
    for _ in 0..ROUNDS {
        work()?;
    }
    let mean = (js_sys::Date::now() - start) / f64::from(ROUNDS);
    log(&format!("| {what} | {mean:.2} ms |"));
    Ok(())
}
