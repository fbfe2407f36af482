// SPDX-License-Identifier: MIT OR Apache-2.0
//! The build script of the binary that embeds the bundle.

use std::env;
use std::path::{Path, PathBuf};

use crate::{BuildError, Bundle, Profile, WebBuild, adopt, build, placeholder};

/// What the wasm is made of. A change in any of them builds the client again.
const SOURCES: [&str; 8] = [
    "proto",
    "host/browser",
    "host/worker",
    "apps/web",
    "Cargo.lock",
    "Cargo.toml",
    "rust-toolchain.toml",
    ".cargo/config.toml",
];

/// Builds, adopts or leaves out the browser client, as the environment says, and tells cargo.
///
/// The crate that is being compiled then finds in its environment (`env!`):
///
/// * `HITHER_WEB_DIST_DIR`: the directory of the files, to be embedded;
/// * `HITHER_WEB_HASH`: [`Bundle::hash`].
///
/// # Errors
///
/// When this does not run in a build script, or the bundle cannot be made.
pub fn from_build_script() -> Result<(), BuildError> {
    for variable in ["HITHER_SKIP_WEB", "HITHER_WEB_DIST", "HITHER_WEB_PROFILE"] {
        instruct(&format!("rerun-if-env-changed={variable}"));
    }
    let workspace_root = workspace_root()?;
    let out_dir = directory("OUT_DIR")?;
    let bundle = choose(workspace_root, out_dir)?;
    instruct(&format!(
        "rustc-env=HITHER_WEB_DIST_DIR={}",
        bundle.dir.display()
    ));
    instruct(&format!("rustc-env=HITHER_WEB_HASH={}", bundle.hash));
    Ok(())
}

fn choose(workspace_root: PathBuf, out_dir: PathBuf) -> Result<Bundle, BuildError> {
    if let Some(dist) = env::var_os("HITHER_WEB_DIST") {
        let dist = workspace_root.join(dist);
        instruct(&format!("rerun-if-changed={}", dist.display()));
        return adopt(&dist, &out_dir);
    }
    if env::var_os("HITHER_SKIP_WEB").is_some_and(|value| !value.is_empty() && value != "0") {
        instruct("rerun-if-changed=build.rs");
        return placeholder(&out_dir);
    }
    for source in SOURCES {
        let source = workspace_root.join(source);
        instruct(&format!("rerun-if-changed={}", source.display()));
    }
    build(&WebBuild {
        workspace_root,
        out_dir,
        profile: profile()?,
    })
}

fn profile() -> Result<Profile, BuildError> {
    const VARIABLE: &str = "HITHER_WEB_PROFILE";
    match env::var(VARIABLE).as_deref() {
        Ok("web") => Ok(Profile::Web),
        Ok("dev") => Ok(Profile::Dev),
        Ok(_) | Err(env::VarError::NotUnicode(_)) => Err(BuildError::Environment {
            variable: VARIABLE,
            problem: "is neither web nor dev",
        }),
        Err(env::VarError::NotPresent) if env::var("PROFILE").as_deref() == Ok("release") => {
            Ok(Profile::Web)
        }
        Err(env::VarError::NotPresent) => Ok(Profile::Dev),
    }
}

/// The first directory, upwards from the crate, with a lock file.
fn workspace_root() -> Result<PathBuf, BuildError> {
    let manifest_dir = directory("CARGO_MANIFEST_DIR")?;
    manifest_dir
        .ancestors()
        .find(|dir| dir.join("Cargo.lock").is_file())
        .map(Path::to_owned)
        .ok_or(BuildError::Environment {
            variable: "CARGO_MANIFEST_DIR",
            problem: "is in no workspace",
        })
}

fn directory(variable: &'static str) -> Result<PathBuf, BuildError> {
    env::var_os(variable)
        .map(PathBuf::from)
        .ok_or(BuildError::Environment {
            variable,
            problem: "is not set; is this a build script?",
        })
}

#[expect(clippy::print_stdout, reason = "cargo reads its instructions there")]
fn instruct(instruction: &str) {
    println!("cargo::{instruction}");
}
