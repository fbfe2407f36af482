// SPDX-License-Identifier: MIT OR Apache-2.0
//! HTTPS: from files, or from a certificate authority of the node's own.

use std::path::Path;

use tokio_rustls::TlsAcceptor;

use crate::config::{Config, Tls};
use crate::failure::Failure;

/// How connections are protected.
pub(super) struct Protection {
    pub(super) acceptor: Option<TlsAcceptor>,
    pub(super) own_ca: Option<OwnCa>,
}

/// The node's own authority, as people see it.
#[derive(Clone, Debug)]
pub(super) struct OwnCa {
    pub(super) pem: String,
    /// SHA-256 of the certificate, in pairs of hexadecimal digits.
    pub(super) fingerprint: String,
}

pub(super) fn prepare(config: &Config) -> Result<Protection, Failure> {
    match &config.tls {
        Tls::Off => Ok(Protection {
            acceptor: None,
            own_ca: None,
        }),
        Tls::OwnCa { .. } | Tls::Files { .. } => Err(Failure::new("TLS is not built yet")),
    }
}

pub(super) fn own_name_or_address() -> String {
    "localhost".into()
}

/// Writes a file that only its owner can read.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    options.create(true).write(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
