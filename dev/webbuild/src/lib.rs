// SPDX-License-Identifier: MIT OR Apache-2.0
//! Builds the browser client into a directory of static files that a node embeds.
//!
//! One call of [`build`] runs cargo for `wasm32-unknown-unknown` in a target directory of its own,
//! generates the JavaScript bindings with `wasm-bindgen` as a library, adds the static files of
//! `apps/web/static`, and writes the result with a Brotli copy beside every file that gains from it.
//! No npm, trunk, wasm-pack or wasm-opt takes part.
//!
//! # The layout
//!
//! ```text
//! apps/web/static/index.html, sw.js, …       →  /index.html, /sw.js, …            revalidated
//! apps/web/static/assets/boot.js, style.css  →  /assets/<hash>/boot.js, …         immutable
//! generated bindings and wasm                →  /assets/<hash>/hither_web.js, …   immutable
//! ```
//!
//! `<hash>` names the contents of everything under `assets/`, so relative imports between the assets
//! keep working and each of them may be cached for ever. In the files at the root, the word
//! `__ASSETS__` becomes `assets/<hash>` and `__ASSET_LIST__` a JSON array of the paths of all
//! assets (for a service worker). An asset finds its neighbours through `import.meta.url`.
//!
//! # From a build script
//!
//! [`from_build_script`] does everything that `apps/hither/build.rs` needs. Three environment
//! variables steer it:
//!
//! | variable | meaning |
//! |---|---|
//! | `HITHER_SKIP_WEB=1` | no wasm build: one page says that the client was left out. For `cargo check`, clippy and tests of the binary |
//! | `HITHER_WEB_DIST=<dir>` | embed this bundle, built elsewhere, instead of building one |
//! | `HITHER_WEB_PROFILE=web\|dev` | the cargo profile for wasm. Without it: `web` in a release build, `dev` otherwise |
//!
//! This crate leaves the HTTP headers, and what the files contain, to others.

mod bundle;
mod layout;
mod script;
mod wasm;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

pub use bundle::{Bundle, BundleFile};
pub use script::from_build_script;
pub use wasm::bind_with_names;

/// What [`build`] is to make, and where.
#[derive(Debug, Clone)]
pub struct WebBuild {
    /// The directory of the workspace's `Cargo.toml`.
    pub workspace_root: PathBuf,
    /// Where to write: the bundle goes to `<out_dir>/web`, whose former contents are replaced.
    pub out_dir: PathBuf,
    /// How the wasm is compiled and how hard the files are compressed.
    pub profile: Profile,
}

/// How the wasm is compiled and how hard the files are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Small and slow to build: what a release embeds.
    Web,
    /// Large and quick to build: for the desk.
    Dev,
}

impl Profile {
    /// The name cargo knows this profile by.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Dev => "dev",
        }
    }

    /// The directory below `target/<triple>` into which cargo writes this profile.
    fn directory(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Dev => "debug",
        }
    }

    fn brotli_quality(self) -> i32 {
        match self {
            Self::Web => 11,
            Self::Dev => 4,
        }
    }
}

/// Why there is no bundle.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Cargo could not be started.
    #[error("cargo could not be started for the browser client")]
    StartCargo(#[source] io::Error),
    /// Cargo ran and failed; it has said why on standard error.
    #[error("the browser client did not compile to wasm ({0})")]
    Compile(ExitStatus),
    /// `wasm-bindgen` refused a module.
    #[error("no bindings could be made for {module}: {reason}")]
    Bindings {
        /// The module's name.
        module: String,
        /// What `wasm-bindgen` said.
        reason: String,
    },
    /// A file could not be read.
    #[error("{} could not be read", path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file could not be written.
    #[error("{} could not be written", path.display())]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no `index.html`.
    #[error("the bundle has no index.html")]
    NoIndex,
    /// `index.html` names no asset, so it would show an empty page.
    #[error("index.html does not contain {}", layout::ASSETS)]
    IndexWithoutAssets,
    /// A static file has the name of a generated one.
    #[error("{0} is both a static and a generated file")]
    DoubleName(String),
    /// A build script's environment lacks something, or a variable has an unknown value.
    #[error("{variable} {problem}")]
    Environment {
        /// The environment variable.
        variable: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// Compiles the browser client and writes the bundle.
///
/// # Errors
///
/// When cargo, the bindings or a file fail; the standard error of cargo is passed through.
pub fn build(build: &WebBuild) -> Result<Bundle, BuildError> {
    let generated = wasm::generate(build)?;
    let fixed = bundle::read_tree(&build.workspace_root.join("apps/web/static"))?;
    let files = layout::lay_out(fixed, generated)?;
    bundle::write(&files, &build.out_dir, build.profile.brotli_quality())
}

/// Takes over a bundle that was built elsewhere.
///
/// # Errors
///
/// When `dist` cannot be read or has no `index.html`, or `out_dir` cannot be written.
pub fn adopt(dist: &Path, out_dir: &Path) -> Result<Bundle, BuildError> {
    let mut files = bundle::read_tree(dist)?;
    files.retain(|path, _| !path.ends_with(".br"));
    if !files.contains_key(layout::INDEX) {
        return Err(BuildError::NoIndex);
    }
    bundle::write(&files, out_dir, Profile::Web.brotli_quality())
}

/// Writes a bundle of one page that says the client was left out.
///
/// # Errors
///
/// When `out_dir` cannot be written.
pub fn placeholder(out_dir: &Path) -> Result<Bundle, BuildError> {
    let page = include_bytes!("placeholder.html").to_vec();
    let files = [(layout::INDEX.to_owned(), page)].into();
    bundle::write(&files, out_dir, Profile::Dev.brotli_quality())
}
