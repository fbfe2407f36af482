// SPDX-License-Identifier: MIT OR Apache-2.0
//! Cargo for wasm, and the bindings of its modules.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use wasm_bindgen_cli_support::Bindgen;

use crate::bundle::{Files, read_tree, remove_tree};
use crate::{BuildError, WebBuild};

const TARGET: &str = "wasm32-unknown-unknown";

/// Package and library name of each module: the page, and its worker.
const MODULES: [(&str, &str); 2] = [
    ("hither-web", "hither_web"),
    ("hither-worker", "hither_worker"),
];

/// Compiles every module and returns its bindings and wasm, by file name.
pub(crate) fn generate(build: &WebBuild) -> Result<Files, BuildError> {
    let target_dir = build.workspace_root.join("target/web");
    compile(build, &target_dir)?;
    let compiled = target_dir.join(TARGET).join(build.profile.directory());
    let bindings = build.out_dir.join("bindings");
    remove_tree(&bindings)?;
    for (_, module) in MODULES {
        bind(&compiled, module, &bindings)?;
    }
    read_tree(&bindings)
}

fn compile(build: &WebBuild, target_dir: &Path) -> Result<(), BuildError> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command
        .current_dir(&build.workspace_root)
        .args(["build", "--locked", "--target", TARGET])
        .args(["--profile", build.profile.name()])
        .arg("--target-dir")
        .arg(target_dir)
        .args(["--config", &path_remapping(&build.workspace_root)])
        .stdin(Stdio::null())
        // A build script's standard output is read by cargo as instructions.
        .stdout(Stdio::null());
    for (package, _) in MODULES {
        command.args(["--package", package]);
    }
    for (name, _) in env::vars_os() {
        if steers_the_outer_build(&name) {
            command.env_remove(name);
        }
    }
    let status = command.status().map_err(BuildError::StartCargo)?;
    if status.success() {
        Ok(())
    } else {
        Err(BuildError::Compile(status))
    }
}

/// Whether a variable tells the outer cargo, or the compiler it runs, how to build: a build script
/// inherits all of them, and none may reach the build for wasm.
fn steers_the_outer_build(name: &OsStr) -> bool {
    const EXACT: [&str; 12] = [
        "RUSTC",
        "RUSTFLAGS",
        "RUSTDOC",
        "RUSTDOCFLAGS",
        "TARGET",
        "HOST",
        "PROFILE",
        "OPT_LEVEL",
        "DEBUG",
        "OUT_DIR",
        "MAKEFLAGS",
        "MFLAGS",
    ];
    // Where crates come from, and how, is the same for both builds.
    const KEPT: [&str; 6] = [
        "CARGO_HOME",
        "CARGO_HTTP_",
        "CARGO_NET_",
        "CARGO_REGISTRIES_",
        "CARGO_REGISTRY_",
        "CARGO_SOURCE_",
    ];
    let Some(name) = name.to_str() else {
        return false;
    };
    if KEPT.iter().any(|kept| name.starts_with(kept)) {
        return false;
    }
    EXACT.contains(&name)
        || name.starts_with("CARGO_")
        || name.starts_with("RUSTC_")
        || name.starts_with("DEP_")
}

/// A cargo setting that keeps this machine's directories out of the wasm, so that two machines
/// build the same bytes. Cargo appends it to the flags in `.cargo/config.toml`.
fn path_remapping(workspace_root: &Path) -> String {
    let mut flags = vec![remap(workspace_root, "/hither")];
    if let Some(home) = cargo_home() {
        flags.push(remap(&home, "/cargo"));
    }
    format!("target.{TARGET}.rustflags=[{}]", flags.join(","))
}

fn remap(from: &Path, to: &str) -> String {
    let flag = format!("--remap-path-prefix={}={to}", from.display());
    // A TOML basic string escapes the same two characters.
    format!("\"{}\"", flag.replace('\\', "\\\\").replace('"', "\\\""))
}

fn cargo_home() -> Option<PathBuf> {
    match env::var_os("CARGO_HOME") {
        Some(home) => Some(PathBuf::from(home)),
        None => env::home_dir().map(|home| home.join(".cargo")),
    }
}

fn bind(compiled: &Path, module: &'static str, out: &Path) -> Result<(), BuildError> {
    Bindgen::new()
        .input_path(compiled.join(module).with_extension("wasm"))
        .web(true)
        .and_then(|bindgen| {
            bindgen
                .typescript(false)
                .omit_default_module_path(false)
                .remove_name_section(true)
                .remove_producers_section(true)
                .generate(out)
        })
        .map_err(|error| BuildError::Bindings {
            module: module.to_owned(),
            reason: format!("{error:#}"),
        })
}

/// Makes the bindings of any module that cargo has compiled for wasm, such as a test executable, with
/// the names of its functions kept. A web page imports `<out>/<name>.js`; nothing runs before it calls
/// an export, such as `main` of a test executable.
///
/// # Errors
///
/// When `wasm-bindgen` refuses the module.
pub fn bind_with_names(wasm: &Path, name: &str, out: &Path) -> Result<(), BuildError> {
    Bindgen::new()
        .input_path(wasm)
        .out_name(name)
        .web(true)
        .and_then(|bindgen| {
            bindgen
                .typescript(false)
                .emit_start(false)
                .omit_default_module_path(false)
                .generate(out)
        })
        .map_err(|error| BuildError::Bindings {
            module: name.to_owned(),
            reason: format!("{error:#}"),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_the_outer_build_do_not_reach_wasm() {
        for name in [
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_TARGET_DIR",
            "CARGO_BUILD_TARGET",
            "CARGO_MAKEFLAGS",
            "CARGO_PROFILE_RELEASE_LTO",
            "RUSTC_WRAPPER",
            "RUSTFLAGS",
            "OUT_DIR",
        ] {
            assert!(steers_the_outer_build(OsStr::new(name)), "{name}");
        }
    }

    #[test]
    fn the_source_of_crates_is_kept() {
        for name in [
            "CARGO_HOME",
            "CARGO_NET_OFFLINE",
            "PATH",
            "RUSTUP_TOOLCHAIN",
            "HTTPS_PROXY",
        ] {
            assert!(!steers_the_outer_build(OsStr::new(name)), "{name}");
        }
    }
}
