// SPDX-License-Identifier: MIT OR Apache-2.0
//! The pipe to a browser: commands out, answers and events in. Messages are JSON, each ended by NUL.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::LabError;

/// How long a command may take. Only scripts that wait for something come near it.
const PATIENCE: Duration = Duration::from_secs(120);

type Answer = Result<Value, String>;

/// Who hears the events of a session.
pub(crate) trait Listener: Send + Sync {
    /// An event of the session `session`. Must not call [`Connection::call`]: the answer would be
    /// read by the thread that is waiting for it. [`Connection::post`] is fine.
    fn handle_event(
        self: Arc<Self>,
        connection: &Connection,
        session: &str,
        method: &str,
        params: &Value,
    );
}

/// The two ends of the pipe that are ours.
pub(crate) struct Connection {
    writer: Mutex<PipeWriter>,
    next_id: AtomicU64,
    waiting_by_id: Mutex<BTreeMap<u64, Sender<Answer>>>,
    listeners_by_session: Mutex<BTreeMap<String, Weak<dyn Listener>>>,
}

impl Connection {
    /// Starts to read. The reading thread ends with the pipe.
    pub(crate) fn new(reader: PipeReader, writer: PipeWriter) -> Arc<Self> {
        let connection = Arc::new(Self {
            writer: Mutex::new(writer),
            next_id: AtomicU64::new(1),
            waiting_by_id: Mutex::default(),
            listeners_by_session: Mutex::default(),
        });
        let reading = Arc::downgrade(&connection);
        thread::spawn(move || read(BufReader::new(reader), &reading));
        connection
    }

    /// Sends a command and waits for its answer.
    pub(crate) fn call(
        &self,
        session: Option<&str>,
        method: &str,
        params: &Value,
    ) -> Result<Value, LabError> {
        let (answer_to, answer) = mpsc::channel();
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        lock(&self.waiting_by_id).insert(id, answer_to);
        self.send(id, session, method, params)?;
        match answer.recv_timeout(PATIENCE) {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(message)) => Err(LabError::Refused {
                method: method.to_owned(),
                message,
            }),
            Err(RecvTimeoutError::Disconnected) => Err(LabError::BrowserGone(method.to_owned())),
            Err(RecvTimeoutError::Timeout) => {
                lock(&self.waiting_by_id).remove(&id);
                Err(LabError::NoAnswer(method.to_owned()))
            }
        }
    }

    /// Sends a command whose answer nobody needs.
    pub(crate) fn post(&self, session: Option<&str>, method: &str, params: &Value) {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        // A browser that is gone is noticed by the next call.
        let _sent = self.send(id, session, method, params);
    }

    /// From now on `listener` hears the events of `session`, for as long as it lives.
    pub(crate) fn listen(&self, session: &str, listener: Weak<dyn Listener>) {
        lock(&self.listeners_by_session).insert(session.to_owned(), listener);
    }

    fn send(
        &self,
        id: u64,
        session: Option<&str>,
        method: &str,
        params: &Value,
    ) -> Result<(), LabError> {
        let mut message = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        lock(&self.writer)
            .write_all(&bytes)
            .map_err(|_| LabError::BrowserGone(method.to_owned()))
    }

    fn handle_message(&self, message: &Value) {
        if let Some(id) = message["id"].as_u64() {
            if let Some(waiting) = lock(&self.waiting_by_id).remove(&id) {
                // Whoever asked may have lost patience.
                let _heard = waiting.send(answer(message));
            }
            return;
        }
        let session = message["sessionId"].as_str().unwrap_or_default();
        let listener = lock(&self.listeners_by_session).get(session).cloned();
        if let Some(listener) = listener.and_then(|listener| listener.upgrade()) {
            let method = message["method"].as_str().unwrap_or_default();
            listener.handle_event(self, session, method, &message["params"]);
        }
    }
}

fn read(mut reader: BufReader<PipeReader>, connection: &Weak<Connection>) {
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let ended = !matches!(reader.read_until(0, &mut bytes), Ok(count) if count > 0);
        let Some(connection) = connection.upgrade() else {
            return;
        };
        if ended {
            // Dropping the senders tells everybody who waits.
            lock(&connection.waiting_by_id).clear();
            return;
        }
        let message = bytes.strip_suffix(&[0]).unwrap_or(&bytes);
        if let Ok(message) = serde_json::from_slice(message) {
            connection.handle_message(&message);
        }
    }
}

fn answer(message: &Value) -> Answer {
    match &message["error"] {
        Value::Null => Ok(message["result"].clone()),
        error => Err(error["message"].as_str().unwrap_or("(no words)").to_owned()),
    }
}

/// A lock that a panicking test does not poison for the others.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
