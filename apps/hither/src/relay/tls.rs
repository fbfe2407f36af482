// SPDX-License-Identifier: MIT OR Apache-2.0
//! TURN over TLS on ports of its own: handshakes within bounds, then the relay's streams.

use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use hither_relay::RelayHandle;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::failure::Failure;
use crate::serve::listen;

/// Handshakes at the same time; whoever comes then waits in the system's queue.
const MAX_HANDSHAKES: usize = 256;

/// Bound and not yet served.
pub(crate) struct TlsListeners {
    bound: Vec<(TcpListener, SocketAddr)>,
}

impl TlsListeners {
    pub(crate) fn bind(places: &[SocketAddr]) -> Result<Self, Failure> {
        let bound = places
            .iter()
            .map(|&at| listen::bind(at).map_err(|error| listen::explain(at, &error)));
        Ok(Self {
            bound: bound.collect::<Result<_, _>>()?,
        })
    }

    pub(crate) fn places(&self) -> Vec<SocketAddr> {
        self.bound.iter().map(|(_, at)| *at).collect()
    }

    /// Accepts until the set is dropped.
    pub(crate) fn serve(self, acceptor: &TlsAcceptor, relay: &Arc<RelayHandle>) -> JoinSet<()> {
        let room = Arc::new(Semaphore::new(MAX_HANDSHAKES));
        let mut accepting = JoinSet::new();
        for (listener, _) in self.bound {
            let (acceptor, room) = (acceptor.clone(), Arc::clone(&room));
            let relay = Arc::downgrade(relay);
            accepting.spawn(accept(listener, acceptor, relay, room));
        }
        accepting
    }
}

async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    relay: Weak<RelayHandle>,
    room: Arc<Semaphore>,
) {
    loop {
        let Ok(room) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        let (stream, client) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(kind = ?error.kind(), "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        let (acceptor, relay) = (acceptor.clone(), relay.clone());
        tokio::spawn(async move {
            protect(stream, client, &acceptor, &relay).await;
            drop(room);
        });
    }
}

async fn protect(
    stream: TcpStream,
    client: SocketAddr,
    acceptor: &TlsAcceptor,
    relay: &Weak<RelayHandle>,
) {
    // Voice does not wait for company.
    let local = stream.set_nodelay(true).and_then(|()| stream.local_addr());
    let Ok(local) = local else { return };
    let handshake = tokio::time::timeout(listen::HANDSHAKE, acceptor.accept(stream)).await;
    let Ok(Ok(stream)) = handshake else {
        tracing::debug!("a TLS handshake failed");
        return;
    };
    if let Some(relay) = relay.upgrade() {
        relay.serve_stream(stream, client, local);
    }
}
