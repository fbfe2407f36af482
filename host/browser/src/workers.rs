// SPDX-License-Identifier: MIT OR Apache-2.0
//! The page's side of its two workers: one for media, one for derivations. Both run the same module.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use hither_crypto::Secret;
use hither_crypto::media::MediaKey;
use hither_crypto::stretch::Stretched;
use hither_endpoint::{LinkId, StretchJob};
use js_sys::{Array, Function, Promise, Uint8Array};
use wasm_bindgen::prelude::*;
use web_sys::{MessageEvent, Worker, WorkerOptions, WorkerType};
use zeroize::Zeroizing;

use crate::listen::{Listener, at_most};
use crate::message::{Counters, Job, News, Request, Response, emit, parse};
use crate::sys::{MODULE_URL, call, promise, settled};

/// How long the worker may take to count, milliseconds.
const COUNTING: i32 = 1000;

/// A started worker. Dropped, it is terminated, with all it knew.
struct Running {
    worker: Worker,
    /// Resolved when it says that it hears.
    ready: Promise,
    hears: Rc<Cell<bool>>,
    /// What was said before.
    waiting: RefCell<Vec<Zeroizing<Vec<u8>>>>,
    _listeners: [Listener; 2],
}

impl Running {
    /// `hear` gets every response but the first, [`Response::Ready`]; `failed` is called if the module does not load
    /// or traps.
    fn start(
        hear: impl Fn(Response) + 'static,
        failed: impl Fn() + 'static,
    ) -> Result<Rc<Self>, JsValue> {
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        let url = web_sys::Url::new_with_base("./worker.js", &MODULE_URL.with(String::clone))?;
        let worker = Worker::new_with_options(&url.href(), &options)?;
        let mut settle = None;
        let ready = promise(|resolve, reject| settle = Some((resolve, reject)));
        let (resolve, reject) = settle.ok_or(JsValue::UNDEFINED)?;
        let hears = Rc::new(Cell::new(false));

        let on_message = {
            let hears = Rc::clone(&hears);
            Listener::new(&worker, "message", move |event: MessageEvent| {
                match read(&event) {
                    Some(Response::Ready) => {
                        hears.set(true);
                        call(&resolve, &JsValue::UNDEFINED);
                    }
                    Some(response) => hear(response),
                    None => {}
                }
            })
        };
        let on_error = Listener::new(&worker, "error", move |_: JsValue| {
            call(&reject, &JsValue::UNDEFINED);
            failed();
        });
        let running = Rc::new(Self {
            worker,
            ready,
            hears,
            waiting: RefCell::default(),
            _listeners: [on_message, on_error],
        });
        running.flush_when_ready();
        Ok(running)
    }

    fn flush_when_ready(self: &Rc<Self>) {
        let running = Rc::downgrade(self);
        let ready = self.ready.clone();
        wasm_bindgen_futures::spawn_local(async move {
            let heard = settled(ready).await.is_ok();
            if let Some(running) = running.upgrade().filter(|_| heard) {
                for message in running.waiting.take() {
                    running.post(&message);
                }
            }
        });
    }

    fn say(&self, request: &Request) {
        let message = emit(request);
        // What waits goes first.
        if self.hears.get() && self.waiting.borrow().is_empty() {
            self.post(&message);
        } else {
            self.waiting.borrow_mut().push(message);
        }
    }

    fn post(&self, message: &[u8]) {
        let array = Uint8Array::from(message);
        let handed_over = Array::of1(&array.buffer());
        // Fails only for values that cannot be cloned or handed over.
        drop(self.worker.post_message_with_transfer(&array, &handed_over));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.worker.terminate();
    }
}

fn read(event: &MessageEvent) -> Option<Response> {
    let array = event.data().dyn_into::<Uint8Array>().ok()?;
    let bytes = Zeroizing::new(array.to_vec());
    let _erased = array.fill(0, 0, array.length());
    parse(&bytes)
}

/// The worker that seals and opens frames.
#[derive(Clone)]
pub(crate) struct MediaWorker(Rc<Media>);

struct Media {
    failed: Rc<dyn Fn()>,
    watch: Rc<dyn Fn(LinkId, News)>,
    running: RefCell<Option<Rc<Running>>>,
    counted: RefCell<BTreeMap<u32, [Counters; 3]>>,
    counting: RefCell<BTreeMap<u32, Vec<Function>>>,
}

impl core::fmt::Debug for MediaWorker {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("MediaWorker")
    }
}

impl MediaWorker {
    /// Not started yet. `failed` is called if it cannot be loaded, or traps; `watch` gets what its watch over
    /// two links says.
    pub(crate) fn new(failed: Rc<dyn Fn()>, watch: Rc<dyn Fn(LinkId, News)>) -> Self {
        Self(Rc::new(Media {
            failed,
            watch,
            running: RefCell::default(),
            counted: RefCell::default(),
            counting: RefCell::default(),
        }))
    }

    /// Starts it if it does not run, and waits until it hears: a transform made earlier would lose its event.
    ///
    /// # Errors
    /// If the module cannot be loaded.
    pub(crate) async fn ready(&self) -> Result<Worker, JsValue> {
        let running = self.running()?;
        settled(running.ready.clone()).await?;
        Ok(running.worker.clone())
    }

    /// Gives it the key that seals what a link sends.
    pub(crate) fn set_send_key(&self, link: LinkId, key: &MediaKey) {
        self.say(&Request::SendKey {
            link: link.0,
            key: Secret::from_bytes(key.to_bytes()),
        });
    }

    /// Gives it the key that opens what a link receives.
    pub(crate) fn set_receive_key(&self, link: LinkId, key: &MediaKey) {
        self.say(&Request::ReceiveKey {
            link: link.0,
            key: Secret::from_bytes(key.to_bytes()),
        });
    }

    /// Makes one link the spare of another: until the worker is told so, nothing may be fed to the spare.
    pub(crate) fn pair(&self, main: LinkId, spare: LinkId) {
        let (main, spare) = (main.0, spare.0);
        self.say(&Request::Pair { main, spare });
    }

    /// Tells it whether sound is expected on a main link.
    pub(crate) fn expect(&self, link: LinkId, sound: bool) {
        let link = link.0;
        self.say(&Request::Expect { link, sound });
    }

    /// Tells it whether a link is connected.
    pub(crate) fn set_up(&self, link: LinkId, up: bool) {
        let link = link.0;
        self.say(&Request::Up { link, up });
    }

    /// Gives it the word of the other side's watch.
    pub(crate) fn word(&self, link: LinkId, word: Vec<u8>) {
        let link = link.0;
        self.say(&Request::Word { link, word });
    }

    /// Makes it forget a link.
    pub(crate) fn forget(&self, link: LinkId) {
        self.0.counted.borrow_mut().remove(&link.0);
        if self.0.running.borrow().is_some() {
            self.say(&Request::Forget { link: link.0 });
        }
    }

    /// A link's counters, and whether they are of now: if it does not answer soon, they are those of the last
    /// time.
    pub(crate) async fn count(&self, link: LinkId) -> ([Counters; 3], bool) {
        let counted = promise(|resolve, _| {
            let mut counting = self.0.counting.borrow_mut();
            counting.entry(link.0).or_default().push(resolve);
        });
        self.say(&Request::Count { link: link.0 });
        let answered = at_most(COUNTING, &counted).await.is_some();
        let known = self.0.counted.borrow();
        (known.get(&link.0).copied().unwrap_or_default(), answered)
    }

    /// Ends it. It starts again when it is needed.
    pub(crate) fn stop(&self) {
        drop(self.0.running.take());
        drop(self.0.counted.take());
        drop(self.0.counting.take());
    }

    fn say(&self, request: &Request) {
        if let Ok(running) = self.running() {
            running.say(request);
        }
    }

    fn running(&self) -> Result<Rc<Running>, JsValue> {
        if let Some(running) = &*self.0.running.borrow() {
            return Ok(Rc::clone(running));
        }
        let media = Rc::downgrade(&self.0);
        let hear = move |response| {
            let Some(media) = media.upgrade() else {
                return;
            };
            match response {
                Response::Counted { link, counters } => media.counted(link, counters),
                Response::Watch { link, news } => (media.watch)(LinkId(link), news),
                Response::Ready | Response::Stretched { .. } => {}
            }
        };
        let failed = Rc::clone(&self.0.failed);
        let running = Running::start(hear, move || failed())?;
        self.0.running.replace(Some(Rc::clone(&running)));
        Ok(running)
    }
}

impl Media {
    fn counted(&self, link: u32, counters: [Counters; 3]) {
        self.counted.borrow_mut().insert(link, counters);
        let waiting = self.counting.borrow_mut().remove(&link);
        for counted in waiting.into_iter().flatten() {
            call(&counted, &JsValue::UNDEFINED);
        }
    }
}

/// Where derivations go.
type Derived = Rc<dyn Fn(u32, Option<Stretched>)>;

/// The worker that derives keys. It ends when it has nothing to do: WebAssembly never gives memory back.
#[derive(Clone)]
pub(crate) struct StretchWorker(Rc<Stretching>);

struct Stretching {
    report: Derived,
    running: RefCell<Option<Rc<Running>>>,
    pending: RefCell<Vec<u32>>,
}

impl core::fmt::Debug for StretchWorker {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("StretchWorker")
    }
}

impl StretchWorker {
    /// None yet.
    pub(crate) fn new(report: Derived) -> Self {
        Self(Rc::new(Stretching {
            report,
            running: RefCell::default(),
            pending: RefCell::default(),
        }))
    }

    /// Derives; the result is reported under the job's id.
    pub(crate) fn derive(&self, job: &StretchJob) {
        let request = Request::Stretch {
            id: job.id,
            job: Job::from(&job.stretch),
        };
        match self.running() {
            Ok(running) => {
                self.0.pending.borrow_mut().push(job.id);
                running.say(&request);
            }
            Err(_) => (self.0.report)(job.id, None),
        }
    }

    /// Ends it. What was being derived is not reported.
    pub(crate) fn stop(&self) {
        drop(self.0.running.take());
        drop(self.0.pending.take());
    }

    fn running(&self) -> Result<Rc<Running>, JsValue> {
        if let Some(running) = &*self.0.running.borrow() {
            return Ok(Rc::clone(running));
        }
        let (hearing, failing) = (Rc::downgrade(&self.0), Rc::downgrade(&self.0));
        let hear = move |response| {
            if let (Some(all), Response::Stretched { id, key }) = (hearing.upgrade(), response) {
                all.derived(id, key.map(|key| Stretched::from_bytes(*key.as_bytes())));
            }
        };
        let failed = move || {
            if let Some(all) = failing.upgrade() {
                let pending = all.pending.take();
                for id in pending {
                    all.derived(id, None);
                }
            }
        };
        let running = Running::start(hear, failed)?;
        self.0.running.replace(Some(Rc::clone(&running)));
        Ok(running)
    }
}

impl Stretching {
    fn derived(&self, id: u32, key: Option<Stretched>) {
        self.pending.borrow_mut().retain(|pending| *pending != id);
        if self.pending.borrow().is_empty() {
            drop(self.running.take());
        }
        (self.report)(id, key);
    }
}
