// SPDX-License-Identifier: MIT OR Apache-2.0
//! The file that tells a program that everything listens, and where.

use std::path::Path;

use serde::Serialize;

use crate::failure::Failure;
use crate::private_file;

/// Writes it. The file appears whole or not at all.
pub(crate) fn write(path: &Path, ready: &impl Serialize) -> Result<(), Failure> {
    let failed = |error: &dyn std::error::Error| {
        Failure::caused_by(format!("cannot write {}", path.display()), error)
    };
    let json = serde_json::to_vec_pretty(ready).map_err(|error| failed(&error))?;
    private_file::write(path, &json).map_err(|error| failed(&error))
}

/// Removes that of an earlier start, which would tell of something else.
pub(crate) fn remove(path: &Path) -> Result<(), Failure> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Failure::caused_by(
            format!("cannot remove {}", path.display()),
            &error,
        )),
        Ok(()) | Err(_) => Ok(()),
    }
}
