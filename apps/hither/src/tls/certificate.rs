// SPDX-License-Identifier: MIT OR Apache-2.0
//! The certificate that is shown, which can be exchanged while connections go on.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// The chain and the key of now.
#[derive(Debug)]
pub(crate) struct Certificate {
    now: RwLock<Arc<CertifiedKey>>,
}

impl Certificate {
    pub(super) fn new(first: CertifiedKey) -> Arc<Self> {
        Arc::new(Self {
            now: RwLock::new(Arc::new(first)),
        })
    }

    /// Shows another one from now on; whether it is another one.
    pub(super) fn exchange(&self, next: CertifiedKey) -> bool {
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        let differs = now.cert != next.cert;
        *now = Arc::new(next);
        differs
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let now = self.now.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&now))
    }
}
