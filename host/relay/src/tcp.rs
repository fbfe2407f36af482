// SPDX-License-Identifier: MIT OR Apache-2.0
//! Streams: accepted within a bound, cut into frames for one worker, answered through a bounded queue.

use std::io;
use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hither_stun::framing::{Deframer, FramingError, MAX_FRAME_LEN};
use hither_stun::server::{FiveTuple, Transport};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpListener;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use crate::config::{StartError, StreamLimits};
use crate::mailbox::{Control, Mailbox, StreamFrame, StreamId};
use crate::per_source::PerSource;

/// Connections that the system may keep until they are accepted.
const BACKLOG: i32 = 1_024;

/// How much is written to a stream in one piece, about, in bytes.
const BATCH_LEN: usize = 32 * 1024;

/// Frames that may wait for one stream, however small.
const MAX_QUEUED_FRAMES: usize = 1_024;

/// How much is read at once from a stream with an allocation, in bytes.
const READ_LEN: usize = 16 * 1024;

/// How much is read at once from a stream without one.
const FIRST_READ_LEN: usize = 2 * 1024;

/// The longest frame of a stream without an allocation: no request is longer.
const MAX_FIRST_FRAME_LEN: usize = 2 * 1024;

/// How long to wait when the system has no descriptor left for another stream.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a stream waits that finds no room on the way to its worker.
const RING_PAUSE: Duration = Duration::from_millis(1);

/// Binds the TCP listeners and says which ports the system chose.
pub(crate) fn bind_listeners(
    addresses: &[SocketAddr],
) -> Result<Vec<(SocketAddr, TcpListener)>, StartError> {
    let mut listeners = Vec::with_capacity(addresses.len());
    for &address in addresses {
        let bound = bind(address).and_then(|listener| Ok((listener.local_addr()?, listener)));
        listeners.push(bound.map_err(|source| StartError::Bind {
            protocol: "TCP",
            address,
            source,
        })?);
    }
    Ok(listeners)
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let domain = Domain::for_address(address);
    let listener = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // Clients of the other family have a listener of their own, and their own addresses.
        listener.set_only_v6(true)?;
    }
    // Connections of a relay that was just stopped do not stand in the way.
    #[cfg(unix)]
    listener.set_reuse_address(true)?;
    listener.bind(&address.into())?;
    listener.listen(BACKLOG)?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener.into())
}

/// An IPv4 address as such, also if the system wrote it as one of IPv6.
fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, address.port()),
        IpAddr::V6(_) => address,
    }
}

/// What all streams share.
#[derive(Debug)]
pub(crate) struct Streams {
    limits: StreamLimits,
    room: Arc<Semaphore>,
    sources: Arc<PerSource>,
    workers: Arc<[Arc<Mailbox>]>,
    next_id: AtomicU64,
    tasks: Mutex<Tasks>,
    pub(crate) served: AtomicU64,
    pub(crate) refused: AtomicU64,
}

#[derive(Debug)]
struct Tasks {
    running: JoinSet<()>,
    is_stopped: bool,
}

impl Streams {
    pub(crate) fn new(limits: StreamLimits, workers: Arc<[Arc<Mailbox>]>) -> Arc<Self> {
        let max_streams = limits.max_streams.min(Semaphore::MAX_PERMITS);
        Arc::new(Self {
            limits,
            room: Arc::new(Semaphore::new(max_streams)),
            sources: PerSource::new(limits.max_streams_per_source),
            workers,
            next_id: AtomicU64::new(0),
            tasks: Mutex::new(Tasks {
                running: JoinSet::new(),
                is_stopped: false,
            }),
            served: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        })
    }

    /// Accepts streams for ever, in a task of its own.
    pub(crate) fn accept(self: &Arc<Self>, listener: TcpListener) {
        let streams = Arc::clone(self);
        self.spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((stream, client)) => {
                        // Voice does not wait for company.
                        let local = stream.set_nodelay(true).and_then(|()| stream.local_addr());
                        if let Ok(local) = local {
                            streams.serve_if_room(stream, client, local);
                        }
                    }
                    Err(error) => {
                        tracing::debug!(kind = ?error.kind(), "cannot accept a stream");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        });
    }

    /// Serves a stream in a task of its own, or closes it if there are too many, of all or of this source.
    pub(crate) fn serve_if_room<S>(
        self: &Arc<Self>,
        stream: S,
        client: SocketAddr,
        local: SocketAddr,
    ) where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (client, local) = (canonical(client), canonical(local));
        let Some((worker, places)) = self.find_room(client) else {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return;
        };
        self.served.fetch_add(1, Ordering::Relaxed);
        let pinned = Pinned {
            id: StreamId(self.next_id.fetch_add(1, Ordering::Relaxed)),
            client: FiveTuple {
                client,
                local,
                transport: Transport::Tcp,
            },
            worker,
            limits: self.limits,
        };
        self.spawn(async move {
            let load = Load::new(&pinned.worker);
            serve(&pinned, stream).await;
            drop((load, places));
        });
    }

    /// A worker for a stream of this client, and the places that it takes as long as it lasts.
    fn find_room(&self, client: SocketAddr) -> Option<(Arc<Mailbox>, impl Send + use<>)> {
        // Its own bound first: whoever is beyond it takes nobody else's place, however short.
        let of_source = self.sources.enter(client.ip())?;
        let of_all = Arc::clone(&self.room).try_acquire_owned().ok()?;
        Some((self.least_loaded()?, (of_source, of_all)))
    }

    fn least_loaded(&self) -> Option<Arc<Mailbox>> {
        let running = self.workers.iter().filter(|worker| !worker.is_closed());
        let least = running.min_by_key(|worker| worker.streams.load(Ordering::Relaxed));
        least.cloned()
    }

    /// Runs a task until it ends or the relay does.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks();
        if tasks.is_stopped {
            return;
        }
        while let Some(ended) = tasks.running.try_join_next() {
            if ended.is_err_and(|error| error.is_panic()) {
                tracing::error!("a task of the relay panicked");
            }
        }
        tasks.running.spawn(task);
    }

    /// Ends all tasks and waits for them.
    pub(crate) async fn stop(&self) {
        let mut running = {
            let mut tasks = self.tasks();
            tasks.is_stopped = true;
            mem::take(&mut tasks.running)
        };
        running.shutdown().await;
    }

    /// Ends all tasks without waiting.
    pub(crate) fn abort(&self) {
        let mut tasks = self.tasks();
        tasks.is_stopped = true;
        tasks.running.abort_all();
    }

    fn tasks(&self) -> MutexGuard<'_, Tasks> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One stream more for its worker, as long as this lives.
struct Load<'a>(&'a Mailbox);

impl<'a> Load<'a> {
    fn new(worker: &'a Mailbox) -> Self {
        worker.streams.fetch_add(1, Ordering::Relaxed);
        Self(worker)
    }
}

impl Drop for Load<'_> {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A stream and the worker that has its allocation.
#[derive(Debug)]
struct Pinned {
    id: StreamId,
    client: FiveTuple,
    worker: Arc<Mailbox>,
    limits: StreamLimits,
}

impl Pinned {
    /// Announces the stream; false if there is one for this client already.
    async fn connect(&self, queue: WriteQueue) -> bool {
        let (taken, answer) = oneshot::channel();
        self.worker.send(Control::Connect {
            stream: self.id,
            client: self.client,
            queue,
            taken,
        });
        answer.await.unwrap_or(false)
    }

    /// Waits until there is room: what a stream carries is not lost on the way to its worker.
    async fn deliver(&self, bytes: &[u8]) {
        let mut frame = StreamFrame {
            stream: self.id,
            client: self.client,
            bytes: bytes.to_vec(),
        };
        while let Err(refused) = self.worker.push_frame(frame) {
            if self.worker.is_closed() {
                return;
            }
            frame = refused;
            tokio::time::sleep(RING_PAUSE).await;
        }
    }

    async fn has_allocation(&self) -> bool {
        let (has_allocation, answer) = oneshot::channel();
        self.worker.send(Control::AskAllocation {
            client: self.client,
            has_allocation,
        });
        answer.await.unwrap_or(false)
    }
}

/// Says that the stream has ended, however it did.
struct Disconnects<'a>(&'a Pinned);

impl Drop for Disconnects<'_> {
    fn drop(&mut self) {
        self.0.worker.send(Control::Disconnect {
            stream: self.0.id,
            client: self.0.client,
        });
    }
}

async fn serve<S>(pinned: &Pinned, stream: S)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (queue, waiting) = WriteQueue::new(pinned.limits.max_queued_bytes);
    let queued_bytes = Arc::clone(&queue.queued_bytes);
    let disconnects = Disconnects(pinned);
    if pinned.connect(queue).await {
        let (reader, writer) = tokio::io::split(stream);
        tokio::select! {
            () = read(pinned, reader) => {}
            () = write(&pinned.limits, writer, waiting, &queued_bytes) => {}
        }
    }
    drop(disconnects);
}

/// Ends when the stream does, when it is not made of frames, or when it has had no allocation for too long.
async fn read<S: AsyncRead>(pinned: &Pinned, mut reader: ReadHalf<S>) {
    let idle_timeout = pinned.limits.idle_timeout;
    let mut deadline = Instant::now() + idle_timeout;
    let mut deframer = Deframer::with_limit(MAX_FIRST_FRAME_LEN);
    let mut buffer = vec![0; FIRST_READ_LEN];
    loop {
        let mut is_longer = false;
        match timeout_at(deadline, reader.read(&mut buffer)).await {
            Ok(Ok(length @ 1..)) => {
                deframer.push(buffer.get(..length).unwrap_or_default());
                is_longer = match deliver_all(pinned, &mut deframer).await {
                    Ok(()) => false,
                    Err(FramingError::TooLong) => true,
                    Err(FramingError::Foreign) => return,
                };
            }
            Ok(Ok(0) | Err(_)) => return,
            Err(_) => {}
        }
        // A stream with always something to read never makes the timeout fire.
        if is_longer || Instant::now() >= deadline {
            if !pinned.has_allocation().await {
                return;
            }
            deadline = Instant::now() + idle_timeout;
            deframer.set_limit(MAX_FRAME_LEN);
            buffer.resize(READ_LEN, 0);
            if is_longer && deliver_all(pinned, &mut deframer).await.is_err() {
                return;
            }
        }
    }
}

/// Delivers all frames that are whole.
async fn deliver_all(pinned: &Pinned, deframer: &mut Deframer) -> Result<(), FramingError> {
    while let Some(frame) = deframer.next_frame()? {
        pinned.deliver(frame).await;
    }
    Ok(())
}

/// Ends when the stream does, or when its client takes nothing for too long.
async fn write<S: AsyncWrite>(
    limits: &StreamLimits,
    mut writer: WriteHalf<S>,
    mut waiting: mpsc::Receiver<Vec<u8>>,
    queued_bytes: &AtomicUsize,
) {
    while let Some(mut batch) = waiting.recv().await {
        while batch.len() < BATCH_LEN
            && let Ok(frame) = waiting.try_recv()
        {
            batch.extend_from_slice(&frame);
        }
        let mut rest = batch.as_slice();
        while !rest.is_empty() {
            // Whoever takes little at a time takes something.
            let written = timeout(limits.write_timeout, writer.write(rest)).await;
            let Ok(Ok(length @ 1..)) = written else {
                return;
            };
            queued_bytes.fetch_sub(length, Ordering::Relaxed);
            rest = rest.get(length..).unwrap_or_default();
        }
        let Ok(Ok(())) = timeout(limits.write_timeout, writer.flush()).await else {
            return;
        };
    }
}

/// What waits to be written to one stream.
#[derive(Clone, Debug)]
pub(crate) struct WriteQueue {
    frames: mpsc::Sender<Vec<u8>>,
    queued_bytes: Arc<AtomicUsize>,
    max_queued_bytes: usize,
}

impl WriteQueue {
    fn new(max_queued_bytes: usize) -> (Self, mpsc::Receiver<Vec<u8>>) {
        let (frames, waiting) = mpsc::channel(MAX_QUEUED_FRAMES);
        let queue = Self {
            frames,
            queued_bytes: Arc::new(AtomicUsize::new(0)),
            max_queued_bytes,
        };
        (queue, waiting)
    }

    /// Queues a frame; false if it was dropped because too much waits already. A stream that has just ended
    /// takes everything.
    pub(crate) fn push(&self, frame: Vec<u8>) -> bool {
        let length = frame.len();
        let before = self.queued_bytes.fetch_add(length, Ordering::Relaxed);
        let sent = match before.saturating_add(length) <= self.max_queued_bytes {
            true => self.frames.try_send(frame),
            false => Err(TrySendError::Full(frame)),
        };
        if sent.is_err() {
            self.queued_bytes.fetch_sub(length, Ordering::Relaxed);
        }
        !matches!(sent, Err(TrySendError::Full(_)))
    }
}
