// SPDX-License-Identifier: MIT OR Apache-2.0
//! A set of files, its digest, and its copy on disk with Brotli beside it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use brotli::enc::BrotliEncoderParams;
use sha2::{Digest, Sha256};

use crate::BuildError;

/// Contents by path; the separator is `/`.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// The browser client as static files on disk.
#[derive(Debug, Clone)]
pub struct Bundle {
    /// The directory that is served as `/`.
    pub dir: PathBuf,
    /// SHA-256 over all files, 64 hexadecimal digits. It hashes a label, then for each file, in the
    /// order of the paths' bytes: the path's length (64 bits, little endian), the path, the
    /// contents' length (the same), the contents. Compressed copies do not count.
    pub hash: String,
    /// Every file, in the order of paths.
    pub files: Vec<BundleFile>,
}

/// One file of a [`Bundle`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleFile {
    /// The path below `/`.
    pub path: String,
    /// Bytes.
    pub size: usize,
    /// Bytes of `<path>.br`, when there is one.
    pub brotli: Option<usize>,
}

/// The digest that [`Bundle::hash`] describes.
pub(crate) fn digest(files: &Files) -> String {
    let mut hasher = Sha256::new();
    hasher.update(b"hither web bundle 1\n");
    for (path, contents) in files {
        for part in [path.as_bytes(), contents] {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
    }
    let mut hex = String::with_capacity(64);
    for byte in hasher.finalize() {
        hex.push_str(&format!("{byte:02x}"));
    }
    hex
}

/// Every file below `dir`.
pub(crate) fn read_tree(dir: &Path) -> Result<Files, BuildError> {
    let mut files = Files::new();
    let mut pending = vec![(dir.to_owned(), String::new())];
    while let Some((dir, prefix)) = pending.pop() {
        let entries = fs::read_dir(&dir).map_err(|source| cannot_read(&dir, source))?;
        for entry in entries {
            let entry = entry.map_err(|source| cannot_read(&dir, source))?;
            let path = entry.path();
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if path.is_dir() {
                pending.push((path, format!("{name}/")));
            } else {
                let contents = fs::read(&path).map_err(|source| cannot_read(&path, source))?;
                files.insert(name, contents);
            }
        }
    }
    Ok(files)
}

/// Removes a directory that may not exist.
pub(crate) fn remove_tree(dir: &Path) -> Result<(), BuildError> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(cannot_write(dir, error)),
        _ => Ok(()),
    }
}

/// Writes the files and their compressed copies to `<out_dir>/web`.
///
/// Compressing costs seconds, so a bundle that is there already, with the same contents, stays.
pub(crate) fn write(files: &Files, out_dir: &Path, quality: i32) -> Result<Bundle, BuildError> {
    let hash = digest(files);
    let dir = out_dir.join("web");
    let stamp = out_dir.join("web.stamp");
    let wanted = format!("{hash} {quality}\n");
    if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return describe(files, dir, hash);
    }
    // An interrupted run must not leave a stamp that promises more than is there.
    remove_file(&stamp)?;
    remove_tree(&dir)?;
    for (path, contents) in files {
        write_file(&dir.join(path), contents)?;
        if let Some(compressed) = compress(path, contents, quality) {
            write_file(&dir.join(format!("{path}.br")), &compressed)?;
        }
    }
    write_file(&stamp, wanted.as_bytes())?;
    describe(files, dir, hash)
}

fn describe(files: &Files, dir: PathBuf, hash: String) -> Result<Bundle, BuildError> {
    let mut described = Vec::with_capacity(files.len());
    for (path, contents) in files {
        let compressed = dir.join(format!("{path}.br"));
        let brotli = match fs::metadata(&compressed) {
            Ok(metadata) => usize::try_from(metadata.len()).ok(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(cannot_read(&compressed, error)),
        };
        described.push(BundleFile {
            path: path.clone(),
            size: contents.len(),
            brotli,
        });
    }
    Ok(Bundle {
        dir,
        hash,
        files: described,
    })
}

/// The Brotli form of a file, when its kind is not compressed already and it gains from it.
fn compress(path: &str, contents: &[u8], quality: i32) -> Option<Vec<u8>> {
    const COMPRESSIBLE: [&str; 9] = [
        "css",
        "html",
        "js",
        "json",
        "svg",
        "txt",
        "wasm",
        "webmanifest",
        "ico",
    ];
    let (_, extension) = path.rsplit_once('.')?;
    if !COMPRESSIBLE.contains(&extension) {
        return None;
    }
    let params = BrotliEncoderParams {
        quality,
        size_hint: contents.len(),
        ..BrotliEncoderParams::default()
    };
    let mut compressed = Vec::new();
    brotli::BrotliCompress(&mut &*contents, &mut compressed, &params).ok()?;
    (compressed.len() < contents.len()).then_some(compressed)
}

fn write_file(path: &Path, contents: &[u8]) -> Result<(), BuildError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|source| cannot_write(parent, source))?;
    }
    fs::write(path, contents).map_err(|source| cannot_write(path, source))
}

fn remove_file(path: &Path) -> Result<(), BuildError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(cannot_write(path, error)),
        _ => Ok(()),
    }
}

fn cannot_read(path: &Path, source: io::Error) -> BuildError {
    BuildError::Read {
        path: path.to_owned(),
        source,
    }
}

fn cannot_write(path: &Path, source: io::Error) -> BuildError {
    BuildError::Write {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Files {
        [
            ("index.html".to_owned(), b"<p>hello</p>".repeat(100)),
            ("assets/icon.png".to_owned(), b"\x89PNG".repeat(100)),
        ]
        .into()
    }

    #[test]
    fn a_bundle_is_read_back_as_it_was_written() {
        let out = tempfile::tempdir().expect("a directory");
        let bundle = write(&sample(), out.path(), 4).expect("a bundle");
        let mut found = read_tree(&bundle.dir).expect("files");
        let compressed = found.remove("index.html.br").expect("a compressed copy");
        assert_eq!(found, sample());

        let mut plain = Vec::new();
        brotli::BrotliDecompress(&mut compressed.as_slice(), &mut plain).expect("valid Brotli");
        assert_eq!(plain, sample()["index.html"]);
        assert_eq!(
            bundle.files[0].brotli, None,
            "a picture is not compressed twice"
        );
        assert_eq!(bundle.files[1].brotli, Some(compressed.len()));
    }

    #[test]
    fn what_is_no_longer_in_the_bundle_is_gone_from_disk() {
        let out = tempfile::tempdir().expect("a directory");
        write(&sample(), out.path(), 4).expect("a bundle");
        let mut fewer = sample();
        fewer.remove("assets/icon.png");
        let bundle = write(&fewer, out.path(), 4).expect("a bundle");
        assert!(!bundle.dir.join("assets/icon.png").exists());
    }

    #[test]
    fn an_unchanged_bundle_is_not_written_again() {
        let out = tempfile::tempdir().expect("a directory");
        let bundle = write(&sample(), out.path(), 4).expect("a bundle");
        let trace = bundle.dir.join("trace");
        fs::write(&trace, "left by the test").expect("a file");
        let again = write(&sample(), out.path(), 4).expect("a bundle");
        assert!(trace.exists());
        assert_eq!(bundle.files, again.files);
        assert_eq!(bundle.hash, again.hash);
    }

    #[test]
    fn the_hash_sees_names_contents_and_where_one_ends() {
        let of = |list: &[(&str, &str)]| {
            let files = list
                .iter()
                .map(|(path, contents)| ((*path).to_owned(), contents.as_bytes().to_vec()))
                .collect();
            digest(&files)
        };
        let base = of(&[("a", "bc"), ("d", "e")]);
        assert_ne!(base, of(&[("ab", "c"), ("d", "e")]));
        assert_ne!(base, of(&[("a", "b"), ("d", "e")]));
        assert_ne!(base, of(&[("a", "bc")]));
        assert_eq!(base, of(&[("d", "e"), ("a", "bc")]));
    }
}
