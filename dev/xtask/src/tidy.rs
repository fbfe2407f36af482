// SPDX-License-Identifier: MIT OR Apache-2.0
//! The laws of the tree that no compiler knows.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::TaskError;
use crate::metadata::{Dependency, Kind, Package, packages};

const SPDX: &str = "// SPDX-License-Identifier: MIT OR Apache-2.0";

/// Words that must not be in a source file, each with its reason. They are written in two halves,
/// because this file is a source file too.
const UNWELCOME: [(&str, &str, &str); 4] = [
    ("todo", "!(", "unfinished code is not committed"),
    ("unimplemented", "!(", "unfinished code is not committed"),
    ("dbg", "!(", "a trace of a search for a bug"),
    (
        "#[igno",
        "re",
        "assert today's behaviour and say why it is wrong",
    ),
];

/// Beginnings of paths that exist on one machine only.
const MACHINE_PATHS: [(&str, &str); 5] = [
    ("/ro", "ot/"),
    ("/ho", "me/"),
    ("/Us", "ers/"),
    ("/wo", "rk/"),
    ("/tmp/", "hither/"),
];

/// Crates that touch the outside world, which nothing in `proto/` may name.
const WORLDLY: [&str; 14] = [
    "axum",
    "getrandom",
    "hyper",
    "js-sys",
    "mio",
    "rand",
    "rayon",
    "reqwest",
    "rusqlite",
    "socket2",
    "tokio",
    "wasm-bindgen",
    "wasm-bindgen-futures",
    "web-sys",
];

/// Endings of files that are text.
const TEXT: [&str; 13] = [
    "css",
    "html",
    "js",
    "json",
    "md",
    "pv",
    "rs",
    "sh",
    "svg",
    "toml",
    "txt",
    "webmanifest",
    "yml",
];

/// Checks every law and reports all that are broken.
pub(crate) fn tidy(root: &Path) -> Result<(), TaskError> {
    let mut broken = Vec::new();
    for path in tracked(root)? {
        let is_text = path
            .extension()
            .is_some_and(|extension| TEXT.iter().any(|text| extension == *text));
        if is_text && root.join(&path).is_file() {
            check_text(&path, &read(&root.join(&path))?, &mut broken);
        }
    }
    for package in packages(root)? {
        check_package(root, &package, &mut broken)?;
    }
    check_clippy_files(root, &mut broken)?;
    if broken.is_empty() {
        Ok(())
    } else {
        Err(TaskError::Untidy(broken))
    }
}

/// Every file that is, or is about to be, in the repository.
fn tracked(root: &Path) -> Result<Vec<PathBuf>, TaskError> {
    let output = Command::new("git")
        .current_dir(root)
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .output()
        .map_err(|source| TaskError::Start {
            program: "git".to_owned(),
            source,
        })?;
    if !output.status.success() {
        return Err(TaskError::Failed("git ls-files".to_owned()));
    }
    let list = String::from_utf8_lossy(&output.stdout);
    let mut files: Vec<PathBuf> = list
        .split('\0')
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
        .collect();
    files.sort();
    files.dedup();
    Ok(files)
}

fn check_text(path: &Path, text: &str, broken: &mut Vec<String>) {
    let is_rust = path.extension().is_some_and(|extension| extension == "rs");
    if is_rust && text.lines().next() != Some(SPDX) {
        broken.push(format!(
            "{}:1: the first line is not {SPDX:?}",
            path.display()
        ));
    }
    for (number, line) in (1..).zip(text.lines()) {
        for (one, two, reason) in UNWELCOME {
            if is_rust && line.contains(&format!("{one}{two}")) {
                broken.push(format!("{}:{number}: {one}{two}: {reason}", path.display()));
            }
        }
        for (one, two) in MACHINE_PATHS {
            if contains_path(line, &format!("{one}{two}")) {
                broken.push(format!(
                    "{}:{number}: {one}{two} exists on one machine only",
                    path.display()
                ));
            }
        }
    }
}

/// Whether a line has this absolute path, and not a relative one that ends alike.
fn contains_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|before| before.is_alphanumeric() || "._-/}".contains(before))
    })
}

fn check_package(
    root: &Path,
    package: &Package,
    broken: &mut Vec<String>,
) -> Result<(), TaskError> {
    let dir = root.join(&package.dir);
    let manifest = read(&dir.join("Cargo.toml"))?;
    if !manifest.contains("[lints]\nworkspace = true") {
        broken.push(format!(
            "{}: the lints are not the workspace's",
            package.name
        ));
    }
    for head in ["src/lib.rs", "src/main.rs"] {
        let path = dir.join(head);
        if path.is_file() {
            check_head(package, &package.dir.join(head), &read(&path)?, broken);
        }
    }
    for dependency in &package.dependencies {
        if let Some(complaint) = forbidden(package, dependency) {
            broken.push(format!(
                "{} depends on {}: {complaint}",
                package.name, dependency.name
            ));
        }
    }
    Ok(())
}

/// A crate introduces itself, and one of `proto/` carries the folder's lints.
fn check_head(package: &Package, path: &Path, text: &str, broken: &mut Vec<String>) {
    if !text
        .lines()
        .nth(1)
        .is_some_and(|line| line.starts_with("//! "))
    {
        broken.push(format!(
            "{}:2: the crate does not introduce itself",
            path.display()
        ));
    }
    if package.folder() != "proto" {
        return;
    }
    for lint in [
        "forbid(unsafe_code)",
        "clippy::expect_used",
        "clippy::panic",
        "clippy::indexing_slicing",
    ] {
        if !text.contains(lint) {
            broken.push(format!("{}: {lint} is missing", path.display()));
        }
    }
}

/// Why an arrow between two crates points the wrong way, if it does.
fn forbidden(package: &Package, dependency: &Dependency) -> Option<&'static str> {
    let to = dependency.folder();
    // A test may use anything that its folder may use, and the laboratory's tools.
    match (package.folder(), to, dependency.kind) {
        ("proto", Some("host" | "apps" | "dev"), _) => Some("protocols know no host"),
        ("host", Some("apps" | "dev"), _) => Some("hosts know no application"),
        ("apps", Some("dev"), Kind::Normal) => Some("what is shipped needs no tool"),
        ("proto", None, Kind::Normal | Kind::Build)
            if dependency.target.is_none() && WORLDLY.contains(&dependency.name.as_str()) =>
        {
            Some("protocols touch no world; take it as an argument")
        }
        _ => None,
    }
}

/// Clippy does not merge its files, so each must repeat the root's lines.
fn check_clippy_files(root: &Path, broken: &mut Vec<String>) -> Result<(), TaskError> {
    let law = read(&root.join("clippy.toml"))?;
    for path in tracked(root)? {
        let nested = path.ends_with("clippy.toml") && path != Path::new("clippy.toml");
        if !nested || !root.join(&path).is_file() {
            continue;
        }
        let text = read(&root.join(&path))?;
        for line in law.lines().filter(|line| !line.starts_with('#')) {
            if !text.lines().any(|other| other == line) {
                broken.push(format!("{}: lacks the root's {line:?}", path.display()));
            }
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, TaskError> {
    fs::read_to_string(path).map_err(|source| TaskError::Read {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(path: &str, text: &str) -> Vec<String> {
        let mut broken = Vec::new();
        check_text(Path::new(path), text, &mut broken);
        broken
    }

    fn package(dir: &str) -> Package {
        Package {
            name: "one".to_owned(),
            dir: PathBuf::from(dir),
            dependencies: Vec::new(),
            tests: Vec::new(),
            benches: Vec::new(),
        }
    }

    fn dependency(name: &str, dir: Option<&str>, kind: Kind) -> Dependency {
        Dependency {
            name: name.to_owned(),
            kind,
            dir: dir.map(PathBuf::from),
            target: None,
        }
    }

    #[test]
    fn a_tidy_file_is_not_complained_about() {
        let text = format!("{SPDX}\n//! A module.\nfn host() {{ network/work/there }}\n");
        assert_eq!(complaints("a.rs", &text), Vec::<String>::new());
    }

    #[test]
    fn a_file_without_licence_is_found() {
        assert_eq!(complaints("a.rs", "//! A module.\n").len(), 1);
        assert_eq!(complaints("a.md", "words\n").len(), 0);
    }

    #[test]
    fn unfinished_code_is_found_where_it_is() {
        for (one, two, _) in UNWELCOME {
            let text = format!("{SPDX}\n\n{one}{two}\n");
            let found = complaints("a.rs", &text);
            assert_eq!(found.len(), 1, "{one}{two}");
            assert!(found[0].starts_with("a.rs:3: "), "{found:?}");
        }
    }

    #[test]
    fn paths_of_one_machine_are_found() {
        for (one, two) in MACHINE_PATHS {
            let text = format!("see `{one}{two}there`\n");
            assert_eq!(complaints("a.md", &text).len(), 1, "{text}");
        }
    }

    #[test]
    fn arrows_point_down() {
        let normal = Kind::Normal;
        let refused = [
            ("proto/a", dependency("b", Some("host/b"), normal)),
            ("proto/a", dependency("b", Some("apps/b"), Kind::Dev)),
            ("proto/a", dependency("tokio", None, normal)),
            ("host/a", dependency("b", Some("apps/b"), normal)),
            ("apps/a", dependency("b", Some("dev/b"), normal)),
        ];
        for (dir, arrow) in refused {
            assert!(
                forbidden(&package(dir), &arrow).is_some(),
                "{dir} {arrow:?}"
            );
        }
        let allowed = [
            ("proto/a", dependency("b", Some("proto/b"), normal)),
            ("proto/a", dependency("proptest", None, Kind::Dev)),
            ("host/a", dependency("b", Some("proto/b"), normal)),
            ("host/a", dependency("tokio", None, normal)),
            ("apps/a", dependency("b", Some("host/b"), normal)),
            ("apps/a", dependency("b", Some("dev/b"), Kind::Build)),
            ("dev/a", dependency("b", Some("apps/b"), normal)),
        ];
        for (dir, arrow) in allowed {
            assert_eq!(forbidden(&package(dir), &arrow), None, "{dir} {arrow:?}");
        }
    }
}
