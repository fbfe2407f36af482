// SPDX-License-Identifier: MIT OR Apache-2.0
//! The workspace as cargo sees it.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::TaskError;
use crate::cargo::cargo;

/// A package of the workspace.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// Its directory, from the root: `proto/stun`.
    pub(crate) dir: PathBuf,
    pub(crate) dependencies: Vec<Dependency>,
    /// Names of its integration tests.
    pub(crate) tests: Vec<String>,
    /// Names of its benches.
    pub(crate) benches: Vec<String>,
}

/// What a package depends on.
#[derive(Debug)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// The directory, from the root, of a dependency that is in the workspace.
    pub(crate) dir: Option<PathBuf>,
    /// The condition on the target, such as `cfg(target_arch = "wasm32")`.
    pub(crate) target: Option<String>,
}

/// When a dependency is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Normal,
    Build,
    Dev,
}

impl Package {
    /// The folder of the workspace it is in: `proto`, `host`, `apps` or `dev`.
    pub(crate) fn folder(&self) -> &str {
        folder(&self.dir)
    }
}

impl Dependency {
    /// The folder of a dependency that is in the workspace.
    pub(crate) fn folder(&self) -> Option<&str> {
        self.dir.as_deref().map(folder)
    }
}

fn folder(dir: &Path) -> &str {
    let first = dir.components().next();
    first
        .and_then(|component| component.as_os_str().to_str())
        .unwrap_or_default()
}

/// All packages of the workspace.
pub(crate) fn packages(root: &Path) -> Result<Vec<Package>, TaskError> {
    let output = cargo(root)
        .args(["metadata", "--locked", "--no-deps", "--format-version=1"])
        .output()
        .map_err(|source| TaskError::Start {
            program: "cargo".to_owned(),
            source,
        })?;
    if !output.status.success() {
        return Err(TaskError::Failed(format!(
            "cargo metadata: {}",
            String::from_utf8_lossy(&output.stderr)
        )));
    }
    let metadata: Value = serde_json::from_slice(&output.stdout)
        .map_err(|_| TaskError::Metadata("it is not JSON"))?;
    list(&metadata["packages"])?
        .iter()
        .map(|package| parse_package(root, package))
        .collect()
}

fn parse_package(root: &Path, package: &Value) -> Result<Package, TaskError> {
    let manifest = PathBuf::from(word(&package["manifest_path"])?);
    let dir = manifest
        .parent()
        .and_then(|dir| dir.strip_prefix(root).ok())
        .ok_or(TaskError::Metadata("a package is outside of the workspace"))?;
    let dependencies = list(&package["dependencies"])?
        .iter()
        .map(|dependency| parse_dependency(root, dependency))
        .collect::<Result<_, _>>()?;
    Ok(Package {
        name: word(&package["name"])?,
        dir: dir.to_owned(),
        dependencies,
        tests: targets(package, "test")?,
        benches: targets(package, "bench")?,
    })
}

/// Names of a package's targets of one kind.
fn targets(package: &Value, kind: &str) -> Result<Vec<String>, TaskError> {
    list(&package["targets"])?
        .iter()
        .filter(|target| target["kind"][0].as_str() == Some(kind))
        .map(|target| word(&target["name"]))
        .collect()
}

fn parse_dependency(root: &Path, dependency: &Value) -> Result<Dependency, TaskError> {
    let path = dependency["path"].as_str().map(Path::new);
    let dir = path.and_then(|path| path.strip_prefix(root).ok());
    Ok(Dependency {
        name: word(&dependency["name"])?,
        kind: match dependency["kind"].as_str() {
            Some("build") => Kind::Build,
            Some("dev") => Kind::Dev,
            _ => Kind::Normal,
        },
        dir: dir.map(Path::to_owned),
        target: dependency["target"].as_str().map(str::to_owned),
    })
}

fn list(value: &Value) -> Result<&Vec<Value>, TaskError> {
    value
        .as_array()
        .ok_or(TaskError::Metadata("a list is missing"))
}

fn word(value: &Value) -> Result<String, TaskError> {
    value
        .as_str()
        .map(str::to_owned)
        .ok_or(TaskError::Metadata("a word is missing"))
}
