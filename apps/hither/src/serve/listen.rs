// SPDX-License-Identifier: MIT OR Apache-2.0
//! Listening, TLS handshakes, and connections with bounds on their number, buffers and patience.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hither_relay::RelayHandle;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncWrite, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use crate::api::Peer;
use crate::config::{Config, Tls};
use crate::failure::Failure;
use crate::node::per_source::PerSource;
use crate::relay::counted::Counted;
use crate::tls::Speaks;

/// Connections that the system may hold until they are accepted.
const BACKLOG: i32 = 1024;
/// How long a client may take for its TLS handshake.
pub(crate) const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a client may take for the head of a request, the first or a later one.
const REQUEST_HEAD: Duration = Duration::from_secs(30);
/// How often a quiet HTTP/2 client is asked whether it is there.
const PING_EVERY: Duration = Duration::from_secs(30);
/// Bytes of a request's head and of buffered body, per connection.
const MAX_BUFFER: usize = 32 * 1024;
/// Bytes that are looked at to tell TURN from HTTP.
const PEEK: usize = 32;
/// Streams in one HTTP/2 connection.
const MAX_STREAMS: u32 = 64;
/// Pause after the system refused to accept, for instance because files ran out.
const AFTER_FAILURE: Duration = Duration::from_millis(200);

/// Bound and not yet served.
#[derive(Debug)]
pub(super) struct Listeners {
    bound: Vec<(TcpListener, SocketAddr)>,
}

impl Listeners {
    /// Binds every configured address; a missing IPv6 loopback is passed over if another address remains.
    pub(super) fn bind(config: &Config) -> Result<Self, Failure> {
        let mut bound = Vec::new();
        for &at in &config.listen {
            match bind(at) {
                Ok(listener) => bound.push(listener),
                Err(error) if may_be_absent(at, &error) && config.listen.len() > 1 => {
                    tracing::debug!("there is no IPv6 loopback here");
                }
                Err(error) => return Err(explain(at, &error)),
            }
        }
        if bound.is_empty() {
            return Err(Failure::new(
                "none of the addresses in http.listen exists here",
            ));
        }
        Ok(Self { bound })
    }

    /// What people open, without a trailing slash.
    pub(super) fn origin(&self, config: &Config) -> String {
        origin(config, self.bound.first().map(|(_, at)| *at))
    }

    /// Where HTTP is served.
    pub(super) fn places(&self) -> Vec<SocketAddr> {
        self.bound.iter().map(|(_, at)| *at).collect()
    }

    /// The port that people use, by the public address or the first listener.
    pub(super) fn port(&self, config: &Config) -> Option<u16> {
        port(config, self.bound.first().map(|(_, at)| *at))
    }

    /// Accepts and serves until the answer is told to finish.
    pub(super) fn serve(self, config: &Config, answer: Answer) -> Connections {
        let max_connections = config.limits.max_connections;
        let (stop, stopped) = watch::channel(false);
        let room = Arc::new(Semaphore::new(max_connections));
        let shared = Arc::new(Shared {
            answer,
            room: Arc::clone(&room),
            per_source: PerSource::new(if config.behind_proxy {
                usize::MAX
            } else {
                config.limits.connections_per_source
            }),
            stopped,
        });
        let mut accepting = JoinSet::new();
        for (listener, _) in self.bound {
            accepting.spawn(accept(listener, Arc::clone(&shared)));
        }
        Connections {
            stop,
            accepting,
            room,
            all: max_connections,
        }
    }
}

/// What people open, without a trailing slash: the public address, or where `at` leads.
pub(crate) fn origin(config: &Config, at: Option<SocketAddr>) -> String {
    if let Some(url) = &config.public_url {
        return url.clone();
    }
    let scheme = config.scheme();
    let Some(at) = at else {
        return format!("{scheme}://localhost");
    };
    let host = match at.ip() {
        // The name leads to these two, and to no other loopback address.
        ip if ip == Ipv4Addr::LOCALHOST || ip == Ipv6Addr::LOCALHOST => "localhost".to_owned(),
        ip if ip.is_unspecified() => crate::tls::own_name_or_address(),
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    let usual = if config.tls == Tls::Off { 80 } else { 443 };
    if at.port() == usual {
        format!("{scheme}://{host}")
    } else {
        format!("{scheme}://{host}:{}", at.port())
    }
}

/// The port of the same.
pub(crate) fn port(config: &Config, at: Option<SocketAddr>) -> Option<u16> {
    if let Some(url) = &config.public_url {
        let port = url.rsplit(':').next().and_then(|port| port.parse().ok());
        return port.or(Some(443));
    }
    at.map(|at| at.port())
}

/// All connections, to be finished together.
pub(super) struct Connections {
    stop: watch::Sender<bool>,
    accepting: JoinSet<()>,
    room: Arc<Semaphore>,
    all: usize,
}

impl Connections {
    /// Stops accepting, then waits until every request has been answered.
    pub(super) async fn finish(mut self) {
        self.stop.send_replace(true);
        while self.accepting.join_next().await.is_some() {}
        let all = u32::try_from(self.all).unwrap_or(u32::MAX);
        // Every connection gives its permit back when it ends.
        let _all = self.room.acquire_many(all).await;
    }
}

/// What answers a connection.
pub(super) struct Answer {
    /// Takes TLS off first.
    pub(super) acceptor: Option<TlsAcceptor>,
    /// Answers HTTP.
    pub(super) router: Router,
    /// Answers TURN where TLS was taken off.
    pub(super) relay: Option<Arc<RelayHandle>>,
}

struct Shared {
    answer: Answer,
    room: Arc<Semaphore>,
    per_source: Arc<PerSource>,
    stopped: watch::Receiver<bool>,
}

impl Shared {
    async fn stopped(&self) {
        // An error means that whoever could say so is gone, which says the same.
        let mut stopped = self.stopped.clone();
        let _stopped = stopped.wait_for(|stopped| *stopped).await;
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok(room) = Arc::clone(&shared.room).acquire_owned().await else {
            return;
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.stopped() => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "a connection could not be accepted");
                tokio::time::sleep(AFTER_FAILURE).await;
                continue;
            }
        };
        let shared = Arc::clone(&shared);
        let Some(entered) = shared.per_source.enter(peer.ip()) else {
            continue;
        };
        tokio::spawn(async move {
            let stream = Counted::new(stream, entered);
            protect_and_serve(&shared, stream, Peer(peer)).await;
            drop(room);
        });
    }
}

async fn protect_and_serve(shared: &Shared, stream: Counted<TcpStream>, peer: Peer) {
    // Small frames must not wait for each other.
    let _unimportant = stream.stream.set_nodelay(true);
    let Some(acceptor) = &shared.answer.acceptor else {
        return serve(shared, stream, peer).await;
    };
    let Ok(local) = stream.stream.local_addr() else {
        return;
    };
    let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await else {
        tracing::debug!("a TLS handshake failed");
        return;
    };
    let negotiated = Speaks::negotiated(stream.get_ref().1.alpn_protocol());
    let mut stream = BufReader::with_capacity(PEEK, stream);
    let speaks = match negotiated {
        Some(speaks) => Some(speaks),
        None => first_words(&mut stream).await,
    };
    match (speaks, &shared.answer.relay) {
        (Some(Speaks::Turn), Some(relay)) => relay.serve_stream(stream, peer.0, local),
        (Some(Speaks::Http), _) => serve(shared, stream, peer).await,
        (Some(Speaks::Turn), None) | (None, _) => {}
    }
}

/// What a client speaks that did not say it in its handshake, by its first byte: a STUN message begins with
/// two zero bits and a class and method below 0x0400 (RFC 7983 §7), HTTP with a letter. `None` if it says
/// nothing.
async fn first_words(stream: &mut (impl AsyncBufRead + Unpin)) -> Option<Speaks> {
    let said = tokio::time::timeout(REQUEST_HEAD, stream.fill_buf()).await;
    let first = *said.ok()?.ok()?.first()?;
    Some(if first < 4 {
        Speaks::Turn
    } else {
        Speaks::Http
    })
}

async fn serve<S>(shared: &Shared, stream: S, peer: Peer)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let router = shared.answer.router.clone();
    let service = router.map_request(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer);
        request.map(axum::body::Body::new)
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_HEAD)
        .max_buf_size(MAX_BUFFER);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(16 * 1024);
    let connection = builder
        .serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(service));
    let mut connection = Box::pin(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shared.stopped() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error, "a connection ended early");
    }
}

/// Binds one address for TCP.
pub(crate) fn bind(at: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
    if at.is_ipv6() {
        // So that 0.0.0.0 and [::] can stand side by side.
        socket.set_only_v6(true)?;
    }
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&at.into())?;
    socket.listen(BACKLOG)?;
    let listener = TcpListener::from_std(socket.into())?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// A machine without IPv6 has no `::1`; the defaults name it all the same.
fn may_be_absent(at: SocketAddr, error: &io::Error) -> bool {
    let absent = error.kind() == io::ErrorKind::AddrNotAvailable
        || error.kind() == io::ErrorKind::Unsupported
        // EAFNOSUPPORT has no kind of its own.
        || error.raw_os_error() == Some(97);
    at.is_ipv6() && at.ip().is_loopback() && absent
}

/// Why an address could not be bound, and what to do.
pub(crate) fn explain(at: SocketAddr, error: &io::Error) -> Failure {
    let port = at.port();
    match error.kind() {
        io::ErrorKind::AddrInUse => Failure::new(format!(
            "cannot listen on {at}: another program uses port {port}"
        ))
        .hint("Stop the other program; it may be another hither.")
        .hint("Or choose another port: hither serve --listen 127.0.0.1:0 takes any free one."),
        io::ErrorKind::PermissionDenied => Failure::new(format!(
            "cannot listen on {at}: ports below 1024 need a privilege"
        ))
        .hint("Choose a higher port, or give the binary CAP_NET_BIND_SERVICE."),
        io::ErrorKind::AddrNotAvailable => Failure::new(format!(
            "cannot listen on {at}: this machine does not have this address"
        ))
        .hint("Name an address of this machine, or 0.0.0.0 for all of them."),
        _ => Failure::caused_by(format!("cannot listen on {at}"), error),
    }
}
