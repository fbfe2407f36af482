// SPDX-License-Identifier: MIT OR Apache-2.0
//! Streams: accepted within a bound, cut into frames, answered through a bounded queue.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hither_stun::framing::Deframer;
use hither_stun::server::{FiveTuple, Transport};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use crate::config::StartError;
use crate::shard::Shard;

/// Frames that may wait for one stream, however small.
const MAX_QUEUED_FRAMES: usize = 1_024;

/// How much is read from a stream at once, in bytes.
const READ_LEN: usize = 16 * 1024;

/// How long to wait when the system has no descriptor left for another stream.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

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
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// Accepts streams for ever.
pub(crate) async fn accept(shard: Arc<Shard>, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, client)) => {
                // Voice does not wait for company.
                let local = stream.set_nodelay(true).and_then(|()| stream.local_addr());
                if let Ok(local) = local {
                    serve_if_room(&shard, stream, client, local);
                }
            }
            Err(error) => {
                tracing::debug!(kind = ?error.kind(), "cannot accept a stream");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Serves a stream in a task of its own, or closes it if there are too many.
pub(crate) fn serve_if_room<S>(shard: &Arc<Shard>, stream: S, client: SocketAddr, local: SocketAddr)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let Ok(room) = Arc::clone(&shard.stream_room).try_acquire_owned() else {
        shard.tally.streams_refused.fetch_add(1, Ordering::Relaxed);
        return;
    };
    shard.tally.streams_served.fetch_add(1, Ordering::Relaxed);
    let transport = Transport::Tcp;
    let client = FiveTuple {
        client,
        local,
        transport,
    };
    let served = Arc::clone(shard);
    shard.spawn(async move {
        serve(&served, client, stream).await;
        drop(room);
    });
}

async fn serve<S>(shard: &Arc<Shard>, client: FiveTuple, stream: S)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (queue, waiting) = WriteQueue::new(shard.stream_limits.max_queued_bytes);
    let queued_bytes = Arc::clone(&queue.queued_bytes);
    if !shard.connect(client, queue) {
        return;
    }
    let (reader, writer) = tokio::io::split(stream);
    tokio::select! {
        () = read(shard, client, reader) => {}
        () = write(shard, writer, waiting, &queued_bytes) => {}
    }
    shard.disconnect(client);
}

/// Ends when the stream does, when it is not made of frames, or when it has had no allocation for too long.
async fn read<S: AsyncRead>(shard: &Arc<Shard>, client: FiveTuple, mut reader: ReadHalf<S>) {
    let idle_timeout = shard.stream_limits.idle_timeout;
    let mut deadline = Instant::now() + idle_timeout;
    let mut deframer = Deframer::new();
    let mut buffer = vec![0; READ_LEN];
    loop {
        match timeout_at(deadline, reader.read(&mut buffer)).await {
            Ok(Ok(length @ 1..)) => {
                deframer.push(buffer.get(..length).unwrap_or_default());
                loop {
                    match deframer.next_frame() {
                        Ok(Some(frame)) => shard.handle_client(client, frame),
                        Ok(None) => break,
                        Err(_) => return,
                    }
                }
            }
            Ok(Ok(0) | Err(_)) => return,
            Err(_) if shard.has_allocation(&client) => deadline = Instant::now() + idle_timeout,
            Err(_) => return,
        }
    }
}

/// Ends when the stream does, or when its client takes nothing for too long.
async fn write<S: AsyncWrite>(
    shard: &Shard,
    mut writer: WriteHalf<S>,
    mut waiting: mpsc::Receiver<Vec<u8>>,
    queued_bytes: &AtomicUsize,
) {
    let mut frames = Vec::new();
    while waiting.recv_many(&mut frames, MAX_QUEUED_FRAMES).await > 0 {
        let bytes = frames.concat();
        frames.clear();
        let written = timeout(shard.stream_limits.write_timeout, async {
            writer.write_all(&bytes).await?;
            writer.flush().await
        })
        .await;
        queued_bytes.fetch_sub(bytes.len(), Ordering::Relaxed);
        let Ok(Ok(())) = written else { return };
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

    /// Queues a frame; false if it was dropped because too much waits already.
    pub(crate) fn push(&self, frame: Vec<u8>) -> bool {
        let length = frame.len();
        let before = self.queued_bytes.fetch_add(length, Ordering::Relaxed);
        let taken = before.saturating_add(length) <= self.max_queued_bytes
            && self.frames.try_send(frame).is_ok();
        if !taken {
            self.queued_bytes.fetch_sub(length, Ordering::Relaxed);
        }
        taken
    }
}
