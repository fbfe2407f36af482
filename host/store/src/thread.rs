// SPDX-License-Identifier: MIT OR Apache-2.0
//! The store on a thread of its own.
//!
//! Whatever waits in the queue is done in one transaction and answered after it is durable, so that the price
//! of a flush to disk is shared. When the queue has been quiet for a moment, removed bytes are purged from
//! the write-ahead log as well.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::NodeStore;

/// Operations that may wait; a caller beyond that waits before it may queue.
const QUEUE: usize = 1024;
/// Operations in one transaction.
const BATCH: usize = 256;
/// Quiet time after which removed bytes are purged.
const QUIET: Duration = Duration::from_secs(1);
/// Operations after which they are purged even without quiet time.
const PURGE_AFTER: usize = 4096;

/// What an operation leaves to do once its transaction is durable.
type Answer = Box<dyn FnOnce() + Send>;
type Job = Box<dyn FnOnce(&mut NodeStore) -> Answer + Send>;

/// The store did not answer: it is closed, or its transaction could not be made durable.
#[derive(Debug, thiserror::Error)]
#[error("the store is not available")]
pub struct Unavailable;

/// A handle to the store's thread; clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    jobs: mpsc::Sender<Job>,
}

impl Store {
    /// Starts the thread. It ends, and closes the database, when the last handle is dropped.
    ///
    /// # Errors
    /// If no thread can be made.
    pub fn start(store: NodeStore) -> Result<(Self, JoinHandle<()>), std::io::Error> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("store".into())
            .spawn(move || run(store, queue))?;
        Ok((Self { jobs }, thread))
    }

    /// Queues one operation without waiting for it; that it happens is likely, not certain.
    ///
    /// # Errors
    /// If the store is closed.
    pub async fn cast(
        &self,
        operation: impl FnOnce(&mut NodeStore) + Send + 'static,
    ) -> Result<(), Unavailable> {
        let job: Job = Box::new(move |store| {
            operation(store);
            Box::new(|| ())
        });
        self.jobs.send(job).await.map_err(|_| Unavailable)
    }

    /// Runs one operation and waits until what it changed is durable.
    ///
    /// # Errors
    /// If the store is closed or could not commit.
    pub async fn call<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut NodeStore) -> T + Send + 'static,
    ) -> Result<T, Unavailable> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |store| {
            let outcome = operation(store);
            // Nobody may be waiting any more; the operation has happened all the same.
            Box::new(move || drop(answer.send(outcome)))
        });
        self.jobs.send(job).await.map_err(|_| Unavailable)?;
        answered.await.map_err(|_| Unavailable)
    }
}

fn run(mut store: NodeStore, mut queue: mpsc::Receiver<Job>) {
    let mut since_purge = 0;
    while let Some(first) = next(&mut store, &mut queue, &mut since_purge) {
        since_purge += batch(&mut store, first, &mut queue);
        if since_purge >= PURGE_AFTER {
            purge(&mut store);
            since_purge = 0;
        }
    }
    if let Err(error) = store.close() {
        tracing::warn!(%error, "cannot close the database cleanly");
    }
}

/// The next job; purges when none comes for a while.
fn next(
    store: &mut NodeStore,
    queue: &mut mpsc::Receiver<Job>,
    since_purge: &mut usize,
) -> Option<Job> {
    if let Ok(job) = queue.try_recv() {
        return Some(job);
    }
    if store.removed_something {
        if let Some(received) = receive_within(queue, QUIET) {
            return received;
        }
        purge(store);
        *since_purge = 0;
    }
    queue.blocking_recv()
}

/// `Some(None)` if the queue is closed, `None` if nothing came in time.
fn receive_within(queue: &mut mpsc::Receiver<Job>, time: Duration) -> Option<Option<Job>> {
    let parked = std::thread::current();
    let waker = std::task::Waker::from(std::sync::Arc::new(Unpark(parked)));
    let mut context = std::task::Context::from_waker(&waker);
    let deadline = std::time::Instant::now() + time;
    loop {
        if let std::task::Poll::Ready(job) = queue.poll_recv(&mut context) {
            return Some(job);
        }
        let left = deadline.saturating_duration_since(std::time::Instant::now());
        if left.is_zero() {
            return None;
        }
        std::thread::park_timeout(left);
    }
}

/// Wakes the store's thread.
struct Unpark(std::thread::Thread);

impl std::task::Wake for Unpark {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.unpark();
    }
}

/// Does `first` and what waits behind it in one transaction; tells how many that were.
fn batch(store: &mut NodeStore, first: Job, queue: &mut mpsc::Receiver<Job>) -> usize {
    if let Err(error) = store.begin_batch() {
        // Dropping the job tells its caller.
        tracing::error!(%error, "cannot begin a transaction");
        return 1;
    }
    let mut answers = Vec::new();
    let mut done = 1;
    answers.extend(run_contained(store, first));
    while done < BATCH {
        let Ok(job) = queue.try_recv() else { break };
        done += 1;
        answers.extend(run_contained(store, job));
    }
    match store.commit_batch() {
        Ok(()) => answers.into_iter().for_each(|answer| answer()),
        Err(error) => tracing::error!(%error, "cannot commit a transaction"),
    }
    done
}

/// A job that panics undoes the method it was in, and its caller hears that there is no answer; the others go on.
fn run_contained(store: &mut NodeStore, job: Job) -> Option<Answer> {
    let outcome = catch_unwind(AssertUnwindSafe(|| job(store)));
    if outcome.is_err() {
        tracing::error!("an operation of the store panicked");
    }
    outcome.ok()
}

fn purge(store: &mut NodeStore) {
    if let Err(error) = store.forget_removed() {
        tracing::warn!(%error, "cannot purge removed records from the log");
    }
}
