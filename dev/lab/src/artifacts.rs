// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where pictures and logs of a run go.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::LabError;

/// The directory for what a run leaves behind: `HITHER_ARTIFACTS`, or `artifacts/` in the workspace.
#[must_use]
pub fn artifacts_dir() -> PathBuf {
    match env::var_os("HITHER_ARTIFACTS") {
        Some(dir) => PathBuf::from(dir),
        None => workspace_root().join("artifacts"),
    }
}

/// The root of the workspace that this crate is part of.
pub(crate) fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .map_or_else(PathBuf::new, Path::to_owned)
}

/// Writes a file below [`artifacts_dir`], or wherever an absolute path points.
pub(crate) fn save(path: &Path, contents: &[u8]) -> Result<PathBuf, LabError> {
    let path = artifacts_dir().join(path);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(LabError::io(format!("create {}", parent.display())))?;
    }
    fs::write(&path, contents).map_err(LabError::io(format!("write {}", path.display())))?;
    Ok(path)
}
