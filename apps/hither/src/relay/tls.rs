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

use super::counted::Counted;
use crate::config::Limits;
use crate::failure::Failure;
use crate::node::per_source::PerSource;
use crate::serve::listen;

/// Handshakes at the same time; whoever comes then waits in the system's queue.
const MAX_HANDSHAKES: usize = 4_096;

/// Pause after the system refused to accept, for instance because files ran out.
const AFTER_FAILURE: Duration = Duration::from_millis(200);

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
    pub(crate) fn serve(
        self,
        acceptor: &TlsAcceptor,
        relay: &Arc<RelayHandle>,
        limits: &Limits,
    ) -> JoinSet<()> {
        let per_source = PerSource::new(limits.connections_per_source);
        let room = Arc::new(Semaphore::new(MAX_HANDSHAKES));
        let mut accepting = JoinSet::new();
        for (listener, _) in self.bound {
            let server = Server {
                acceptor: acceptor.clone(),
                relay: Arc::downgrade(relay),
                room: Arc::clone(&room),
                per_source: Arc::clone(&per_source),
            };
            accepting.spawn(accept(listener, Arc::new(server)));
        }
        accepting
    }
}

/// What a connection needs.
struct Server {
    acceptor: TlsAcceptor,
    relay: Weak<RelayHandle>,
    room: Arc<Semaphore>,
    per_source: Arc<PerSource>,
}

async fn accept(listener: TcpListener, server: Arc<Server>) {
    loop {
        let Ok(room) = Arc::clone(&server.room).acquire_owned().await else {
            return;
        };
        let (stream, client) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(kind = ?error.kind(), "a connection could not be accepted");
                tokio::time::sleep(AFTER_FAILURE).await;
                continue;
            }
        };
        let Some(entered) = server.per_source.enter(client.ip()) else {
            continue;
        };
        let server = Arc::clone(&server);
        tokio::spawn(async move {
            server.protect(Counted::new(stream, entered), client).await;
            drop(room);
        });
    }
}

impl Server {
    async fn protect(&self, stream: Counted<TcpStream>, client: SocketAddr) {
        // Voice does not wait for company.
        let nodelay = stream.stream.set_nodelay(true);
        let Ok(local) = nodelay.and_then(|()| stream.stream.local_addr()) else {
            return;
        };
        let handshake = tokio::time::timeout(listen::HANDSHAKE, self.acceptor.accept(stream)).await;
        let Ok(Ok(stream)) = handshake else {
            tracing::debug!("a TLS handshake failed");
            return;
        };
        if let Some(relay) = self.relay.upgrade() {
            relay.serve_stream(stream, client, local);
        }
    }
}
