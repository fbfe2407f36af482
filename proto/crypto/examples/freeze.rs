// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writes the vectors anew, for whoever changes the protocol on purpose: first the bytes that only open, then,
//! in a second run that has them built in, the outputs.
//!
//! ```text
//! cargo run -p hither-crypto --features vectors --example freeze -- bytes proto/crypto/vectors
//! cargo run -p hither-crypto --features vectors --example freeze -- outputs proto/crypto/vectors
//! ```

use std::error::Error;
use std::path::PathBuf;

use hither_crypto::vectors;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().ok_or("“bytes” or “outputs”?")?;
    let folder = PathBuf::from(arguments.next().ok_or("which folder?")?);
    match what.as_str() {
        "bytes" => {
            let frozen = vectors::freeze()?;
            std::fs::write(folder.join("invitation.bin"), frozen.blob)?;
            std::fs::write(folder.join("answer.bin"), frozen.answer)?;
            std::fs::write(folder.join("pending.bin"), frozen.pending)?;
        }
        "outputs" => std::fs::write(folder.join("hither.json"), vectors::recompute()? + "\n")?,
        _ => Err("“bytes” or “outputs”?")?,
    }
    Ok(())
}
