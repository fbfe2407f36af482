// SPDX-License-Identifier: MIT OR Apache-2.0
//! The secret that relays and whoever mints access to them share, and the one before it.

use std::io::ErrorKind;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hither_relay::{Secrets, SharedSecret};

use sha2::{Digest as _, Sha256};

use crate::config::Access;
use crate::failure::Failure;
use crate::node::random;
use crate::private_file;
use crate::words::remark;

/// Fewer characters could be guessed from one grant, which its owner sees.
const MIN_LEN: usize = 20;
/// More are no secret but a wrong file.
const MAX_LEN: usize = 1_024;

/// Tells whether secrets are the same as before, and nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark([u8; 32]);

/// Secrets and their mark.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    pub(crate) secrets: Secrets,
    pub(crate) mark: Mark,
}

/// What to do without the file of the current secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IfMissing {
    /// At the first start: make one.
    Make,
    /// Whoever changes the secret of what runs has one; another name is a mistake.
    Refuse,
}

/// As a process does when it starts: a missing file is made, and who else can read one is remarked.
pub(crate) fn at_start(access: &Access) -> Result<Loaded, Failure> {
    let loaded = load(access, IfMissing::Make)?;
    for path in files(access) {
        if is_open_to_others(path) {
            remark(&format!(
                "others can read {}: chmod 600 helps",
                path.display()
            ));
        }
    }
    Ok(loaded)
}

/// What the configuration names; without a file the secret lives as long as this process.
pub(crate) fn load(access: &Access, if_missing: IfMissing) -> Result<Loaded, Failure> {
    let mut digest = Sha256::new();
    let current = match &access.secret_file {
        None => SharedSecret::new(random::<32>().map_err(|error| no_random(&error))?),
        Some(path) => match read(path)? {
            Some(text) => share(&text, &mut digest),
            None if if_missing == IfMissing::Refuse => {
                return Err(Failure::new(format!("there is no file {}", path.display()))
                    .hint("relay.secret_file names a secret that exists while something runs."));
            }
            None => share(&make(path)?, &mut digest),
        },
    };
    let previous = match &access.previous_secret_file {
        None => None,
        Some(path) => {
            let text = read(path)?.ok_or_else(|| {
                Failure::new(format!("there is no file {}", path.display())).hint(
                    "relay.previous_secret_file names the secret before; leave it empty if there is none.",
                )
            })?;
            Some(share(&text, &mut digest))
        }
    };
    Ok(Loaded {
        secrets: Secrets { current, previous },
        mark: Mark(digest.finalize().into()),
    })
}

fn share(text: &[u8], digest: &mut Sha256) -> SharedSecret {
    digest.update(Sha256::digest(text));
    SharedSecret::new(text)
}

/// The files that hold secrets.
fn files(access: &Access) -> impl Iterator<Item = &Path> {
    let current = access.secret_file.as_deref();
    let previous = access.previous_secret_file.as_deref();
    current.into_iter().chain(previous)
}

/// Whether others than the owner can read it.
fn is_open_to_others(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o077 != 0)
    }
    #[cfg(not(unix))]
    {
        let _same = path;
        false
    }
}

/// `None` if there is no such file.
fn read(path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            let attempt = format!("cannot read the relay's secret {}", path.display());
            return Err(Failure::caused_by(attempt, &error));
        }
    };
    let secret = text.trim_ascii();
    if !(MIN_LEN..=MAX_LEN).contains(&secret.len()) {
        return Err(Failure::new(format!(
            "the relay's secret {} must have {MIN_LEN} to {MAX_LEN} characters",
            path.display()
        ))
        .hint("Write one, the same wherever it is shared: openssl rand -base64 32"));
    }
    Ok(Some(secret.to_vec()))
}

fn make(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error: &dyn std::error::Error| {
        Failure::caused_by(
            format!("cannot make the relay's secret {}", path.display()),
            error,
        )
    };
    let text = URL_SAFE_NO_PAD.encode(random::<32>().map_err(|error| no_random(&error))?);
    if let Some(directory) = path.parent() {
        private_file::make_directory(directory).map_err(|error| failed(&error))?;
    }
    private_file::write(path, format!("{text}\n").as_bytes()).map_err(|error| failed(&error))?;
    remark(&format!(
        "{} is a new secret; relays and nodes that are to share it need a copy",
        path.display()
    ));
    Ok(text.into_bytes())
}

fn no_random(error: &getrandom::Error) -> Failure {
    Failure::caused_by("the system gives no random numbers", error)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn access(secret: Option<&Path>, previous: Option<&Path>) -> Access {
        Access {
            secret_file: secret.map(Path::to_owned),
            previous_secret_file: previous.map(Path::to_owned),
            public_host: None,
            elsewhere: Vec::new(),
            lasts: Duration::from_secs(60),
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_first_start_makes_a_secret_that_others_cannot_read_and_later_ones_keep_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/secret");
        let load = |access: &Access| load(access, IfMissing::Make);
        load(&access(Some(&path), None)).unwrap();
        let made = std::fs::read(&path).unwrap();
        assert!(made.len() > MIN_LEN);
        assert!(!is_open_to_others(&path));
        let first = load(&access(Some(&path), None)).unwrap().mark;
        assert_eq!(load(&access(Some(&path), None)).unwrap().mark, first);
        assert_eq!(std::fs::read(&path).unwrap(), made);
        let loose = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        std::fs::set_permissions(&path, loose).unwrap();
        assert!(is_open_to_others(&path));
    }

    #[test]
    fn a_secret_that_could_be_guessed_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        for text in ["", "\n", "hunter2\n", &"x".repeat(2_000)] {
            std::fs::write(&path, text).unwrap();
            let access = access(Some(&path), None);
            assert!(load(&access, IfMissing::Make).is_err(), "{text}");
        }
    }

    #[test]
    fn the_secret_before_must_be_there_if_it_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let both = access(Some(&path("new")), Some(&path("old")));
        let load = |access: &Access| load(access, IfMissing::Make);
        assert!(load(&both).is_err());
        std::fs::write(path("old"), "x".repeat(40)).unwrap();
        assert!(load(&both).unwrap().secrets.previous.is_some());
    }
}
