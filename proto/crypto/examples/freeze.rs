// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writes the vectors anew, for whoever changes the protocol on purpose:
//! `cargo run -p hither-crypto --features vectors --example freeze -- proto/crypto/vectors`,
//! twice, since the second run computes from the bytes that the first one wrote.

use std::error::Error;
use std::path::PathBuf;

use hither_crypto::vectors;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("which folder?")?);
    let frozen = vectors::freeze()?;
    std::fs::write(folder.join("invitation.bin"), frozen.blob)?;
    std::fs::write(folder.join("answer.bin"), frozen.answer)?;
    std::fs::write(folder.join("pending.bin"), frozen.pending)?;
    match vectors::recompute() {
        Ok(json) => std::fs::write(folder.join("hither.json"), json + "\n")?,
        Err(error) => Err(format!("run it again: {error}"))?,
    }
    Ok(())
}
