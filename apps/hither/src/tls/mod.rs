// SPDX-License-Identifier: MIT OR Apache-2.0
//! TLS: from files, or from a certificate authority of the node's own; and who speaks what inside it.

mod authority;
mod certificate;
mod names;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::config::{Config, Tls};
use crate::failure::Failure;
pub(crate) use authority::OwnCa;
pub(crate) use certificate::Certificate;
pub(crate) use names::own_name_or_address;

/// What a web client says it speaks (RFC 7301).
const HTTP: [&[u8]; 2] = [b"h2", b"http/1.1"];
/// What a TURN or a STUN client says it speaks (RFC 7443 §3).
const TURN: [&[u8]; 2] = [b"stun.turn", b"stun.nat-discovery"];

/// How connections are protected.
pub(crate) struct Protection {
    /// Takes TLS off; `None` where nothing is protected.
    pub(crate) acceptor: Option<TlsAcceptor>,
    /// What the acceptor shows.
    pub(crate) certificate: Option<Arc<Certificate>>,
    /// The node's own authority, if it has one.
    pub(crate) own_ca: Option<OwnCa>,
}

/// What a client negotiated by ALPN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaks {
    Http,
    Turn,
}

impl Speaks {
    /// `None` if nothing was negotiated.
    pub(crate) fn negotiated(protocol: Option<&[u8]>) -> Option<Self> {
        let protocol = protocol?;
        if TURN.contains(&protocol) {
            return Some(Self::Turn);
        }
        Some(Self::Http)
    }
}

/// A chain and its key, as PEM.
struct Identity {
    chain: Vec<u8>,
    key: Vec<u8>,
}

/// Reads or makes what the configuration asks for; `listen` is where it will be shown.
pub(crate) fn prepare(config: &Config, listen: &[SocketAddr]) -> Result<Protection, Failure> {
    let Some((identity, own_ca)) = identity(config, listen)? else {
        return Ok(Protection {
            acceptor: None,
            certificate: None,
            own_ca: None,
        });
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let certificate = Certificate::new(certified(&identity, &provider)?);
    let mut tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&error))?
        .with_no_client_auth()
        .with_cert_resolver(Arc::<Certificate>::clone(&certificate));
    // The first of these that the client offers is chosen. coturn's clients offer HTTP as well and mean TURN;
    // browsers do not offer TURN.
    tls.alpn_protocols = TURN.iter().chain(&HTTP).map(|name| name.to_vec()).collect();
    Ok(Protection {
        acceptor: Some(TlsAcceptor::from(Arc::new(tls))),
        certificate: Some(certificate),
        own_ca,
    })
}

/// A certificate that was read again and not shown yet.
pub(crate) struct Renewal(CertifiedKey);

impl Renewal {
    /// Reads it again; `None` where nothing is protected.
    pub(crate) fn read(config: &Config, listen: &[SocketAddr]) -> Result<Option<Self>, Failure> {
        let Some((identity, _)) = identity(config, listen)? else {
            return Ok(None);
        };
        let provider = rustls::crypto::ring::default_provider();
        certified(&identity, &provider).map(Self).map(Some)
    }

    /// Shows it; whether it is another one than before.
    pub(crate) fn show(self, certificate: &Certificate) -> bool {
        certificate.exchange(self.0)
    }
}

fn identity(
    config: &Config,
    listen: &[SocketAddr],
) -> Result<Option<(Identity, Option<OwnCa>)>, Failure> {
    Ok(Some(match &config.tls {
        Tls::Off => return Ok(None),
        Tls::Files { certificate, key } => {
            let identity = Identity {
                chain: read(certificate)?,
                key: read(key)?,
            };
            (identity, None)
        }
        Tls::OwnCa { names } => {
            let wanted = names::Names::of(listen, config.public_url.as_deref(), names)?;
            let (identity, ca) = authority::issue(&config.data_dir.join("tls"), wanted)?;
            (identity, Some(ca))
        }
    }))
}

fn certified(identity: &Identity, provider: &CryptoProvider) -> Result<CertifiedKey, Failure> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&identity.chain)
        .collect::<Result<_, _>>()
        .map_err(|error| unusable(&error))?;
    let key = PrivateKeyDer::from_pem_slice(&identity.key).map_err(|error| unusable(&error))?;
    CertifiedKey::from_der(chain, key, provider).map_err(|error| unusable(&error))
}

fn unusable(error: &dyn std::error::Error) -> Failure {
    Failure::caused_by("the certificate or its key cannot be used", error)
        .hint("Both must be PEM; the key must belong to the first certificate.")
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path)
        .map_err(|error| Failure::caused_by(format!("cannot read {}", path.display()), &error))
}
