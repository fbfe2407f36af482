// SPDX-License-Identifier: MIT OR Apache-2.0
//! Numbers for Prometheus, on a listener of their own: no address, no name, nothing that is about somebody.

mod text;

use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use hither_relay::RelayHandle;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::failure::Failure;
use crate::node::Node;
use crate::serve::listen;
use text::Text;

/// Scrapers at the same time.
const MAX_CONNECTIONS: usize = 8;
/// How long one may take for its request and its answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Version 0.0.4 of the text format.
const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Bound and not yet served.
pub(crate) struct MetricsListener {
    listener: TcpListener,
    at: SocketAddr,
}

/// What is counted.
#[derive(Clone)]
pub(crate) struct Counted {
    pub(crate) relay: Option<Weak<RelayHandle>>,
    /// The node, and how many sockets it may have.
    pub(crate) node: Option<(Weak<Node>, usize)>,
}

impl MetricsListener {
    /// Binds what is configured.
    pub(crate) fn bind(at: Option<SocketAddr>) -> Result<Option<Self>, Failure> {
        let Some(at) = at else {
            return Ok(None);
        };
        match listen::bind(at) {
            Ok((listener, at)) => Ok(Some(Self { listener, at })),
            Err(error) => Err(Failure::caused_by(
                format!("cannot listen for metrics on {at}"),
                &error,
            )
            .hint("Change the setting metrics.listen.")),
        }
    }

    pub(crate) fn at(&self) -> SocketAddr {
        self.at
    }

    /// Answers until the set is dropped.
    pub(crate) fn serve(self, counted: Counted) -> JoinSet<()> {
        let answer = move || {
            let counted = counted.clone();
            async move {
                // The relay's workers are asked, and answer when they come to it.
                let text = tokio::task::spawn_blocking(move || counted.text()).await;
                ([(CONTENT_TYPE, FORMAT)], text.unwrap_or_default())
            }
        };
        let router = Router::new().route("/metrics", get(answer));
        let mut serving = JoinSet::new();
        serving.spawn(accept(self.listener, router));
        serving
    }
}

impl Counted {
    fn text(&self) -> String {
        let mut text = Text::default();
        text.program();
        if let Some(relay) = self.relay.as_ref().and_then(Weak::upgrade) {
            text.relay(&relay.counters());
        }
        if let Some((node, most)) = &self.node
            && let Some(node) = node.upgrade()
        {
            text.node(most.saturating_sub(node.sockets.available_permits()));
        }
        text.into_string()
    }
}

async fn accept(listener: TcpListener, router: Router) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(room) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(200)).await;
            continue;
        };
        let router = router.clone();
        tokio::spawn(async move {
            let _late = tokio::time::timeout(PATIENCE, answer(stream, router)).await;
            drop(room);
        });
    }
}

async fn answer(stream: TcpStream, router: Router) {
    let service = TowerToHyperService::new(router);
    let ended = http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if ended.is_err() {
        tracing::debug!("a scraper went away early");
    }
}
