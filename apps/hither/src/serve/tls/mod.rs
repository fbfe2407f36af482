// SPDX-License-Identifier: MIT OR Apache-2.0
//! HTTPS: from files, or from a certificate authority of the node's own.

mod authority;
mod names;

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::config::{Config, Tls};
use crate::failure::Failure;
pub(super) use authority::OwnCa;
pub(super) use names::own_name_or_address;

/// How connections are protected.
pub(super) struct Protection {
    /// Takes TLS off; `None` for plain HTTP.
    pub(super) acceptor: Option<TlsAcceptor>,
    /// The node's own authority, if it has one.
    pub(super) own_ca: Option<OwnCa>,
}

/// A chain and its key, as PEM.
struct Identity {
    chain: Vec<u8>,
    key: Vec<u8>,
}

/// Reads or makes what the configuration asks for.
pub(super) fn prepare(config: &Config) -> Result<Protection, Failure> {
    let (identity, own_ca) = match &config.tls {
        Tls::Off => {
            return Ok(Protection {
                acceptor: None,
                own_ca: None,
            });
        }
        Tls::Files { certificate, key } => {
            let identity = Identity {
                chain: read(certificate)?,
                key: read(key)?,
            };
            (identity, None)
        }
        Tls::OwnCa { names } => {
            let wanted = names::Names::of(&config.listen, config.public_url.as_deref(), names)?;
            let (identity, ca) = authority::issue(&config.data_dir.join("tls"), wanted)?;
            (identity, Some(ca))
        }
    };
    Ok(Protection {
        acceptor: Some(acceptor(&identity)?),
        own_ca,
    })
}

fn acceptor(identity: &Identity) -> Result<TlsAcceptor, Failure> {
    let unusable = |error: &dyn std::error::Error| {
        Failure::caused_by("the certificate or its key cannot be used", error)
            .hint("Both must be PEM; the key must belong to the first certificate.")
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&identity.chain)
        .collect::<Result<_, _>>()
        .map_err(|error| unusable(&error))?;
    let key = PrivateKeyDer::from_pem_slice(&identity.key).map_err(|error| unusable(&error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&error))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| unusable(&error))?;
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(tls)))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path)
        .map_err(|error| Failure::caused_by(format!("cannot read {}", path.display()), &error))
}
