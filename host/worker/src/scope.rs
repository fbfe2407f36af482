// SPDX-License-Identifier: MIT OR Apache-2.0
//! The worker's global scope: messages and transforms come in, answers go out, and time passes.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use hither_crypto::Secret;
use hither_crypto::media::{FrameKind, MediaKey};
use hither_crypto::stretch::Stretch;
use hither_sansio::Instant;
use js_sys::{Array, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::{DedicatedWorkerGlobalScope, MessageEvent};
use zeroize::Zeroizing;

use crate::frames::Frames;
use crate::lanes::Lanes;
use crate::message::{Direction, Request, Response, TransformOptions, emit, parse};
use crate::pump::{TransformEvent, pump};

/// What the handlers share.
struct Inside {
    scope: DedicatedWorkerGlobalScope,
    frames: RefCell<Frames>,
    lanes: RefCell<Lanes>,
    /// When the timer rings that is set.
    rings: Cell<Option<Instant>>,
    ring: RefCell<JsValue>,
}

/// Sets both handlers, then says so.
pub(crate) fn listen() {
    let inside = Rc::new(Inside {
        scope: js_sys::global().unchecked_into(),
        frames: RefCell::default(),
        lanes: RefCell::default(),
        rings: Cell::default(),
        ring: RefCell::new(JsValue::UNDEFINED),
    });
    inside.prepare_timer();

    let on_message = {
        let inside = Rc::clone(&inside);
        Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
            if let Some(response) = read(&event).and_then(|request| inside.answer(request)) {
                post(&inside.scope, &response);
            }
            inside.settle();
        })
    };
    let scope = inside.scope.clone();
    scope.set_onmessage(Some(on_message.into_js_value().unchecked_ref()));

    let on_transform = Closure::<dyn Fn(TransformEvent)>::new(move |event: TransformEvent| {
        inside.attach(&event);
    });
    let on_transform = on_transform.into_js_value();
    // Fails on no object that is not frozen.
    drop(Reflect::set(
        &scope,
        &"onrtctransform".into(),
        &on_transform,
    ));

    post(&scope, &Response::Ready);
}

impl Inside {
    fn answer(&self, request: Request) -> Option<Response> {
        match request {
            Request::Stretch { id, job } => {
                let stretched = Stretch::from(job).run().ok();
                let key = stretched.map(|key| Secret::from_bytes(*key.as_bytes()));
                return Some(Response::Stretched { id, key });
            }
            Request::SendKey { link, key } => {
                let key = MediaKey::from_bytes(*key.as_bytes());
                self.frames.borrow_mut().set_send_key(link, &key);
            }
            Request::ReceiveKey { link, key } => {
                let key = MediaKey::from_bytes(*key.as_bytes());
                self.frames.borrow_mut().set_receive_key(link, key);
            }
            Request::Pair { main, spare } => self.lanes.borrow_mut().pair(main, spare, self.now()),
            Request::Expect { link, sound } => {
                self.lanes.borrow_mut().expect(link, sound, self.now());
            }
            Request::Up { link, up } => self.lanes.borrow_mut().ready(link, up, self.now()),
            Request::Word { link, word } => self.lanes.borrow_mut().word(link, &word, self.now()),
            Request::Forget { link } => {
                self.frames.borrow_mut().forget(link);
                self.lanes.borrow_mut().forget(link, self.now());
            }
            Request::Count { link } => {
                let counters = self.frames.borrow().counters(link);
                return Some(Response::Counted { link, counters });
            }
        }
        None
    }

    /// Starts the pump of a new transform. One with unreadable options gets none: nothing passes it.
    fn attach(self: &Rc<Self>, event: &TransformEvent) {
        let transformer = event.transformer();
        let options = transformer.options().dyn_into::<Uint8Array>().ok();
        let Some(options) = options.and_then(|bytes| parse::<TransformOptions>(&bytes.to_vec()))
        else {
            return;
        };
        let inside = Rc::clone(self);
        spawn_local(async move {
            let pumped = pump(transformer, options.slot, |kind, frame| {
                let passed = inside.pass(options, kind, frame);
                inside.settle();
                passed
            });
            // It ends with its peer connection, by an error as well as without.
            drop(pumped.await);
        });
    }

    fn pass(&self, options: TransformOptions, kind: FrameKind, frame: &[u8]) -> Option<Vec<u8>> {
        let TransformOptions {
            link,
            slot,
            direction,
        } = options;
        let mut frames = self.frames.borrow_mut();
        let mut lanes = self.lanes.borrow_mut();
        match direction {
            Direction::Send if !lanes.sends_on(link) => None,
            Direction::Send => frames.seal(link, slot, kind, frame),
            Direction::Receive => {
                let opened = frames.open(link, slot, kind, frame)?;
                let handed_on = lanes.arrived(link, slot, kind, self.now());
                handed_on.then_some(opened)
            }
        }
    }

    // ---- time

    /// The worker's monotonic clock, in whole milliseconds.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is not negative, and `as` saturates"
    )]
    fn now(&self) -> Instant {
        let clock = self.scope.performance();
        Instant::from_millis(clock.map_or_else(js_sys::Date::now, |clock| clock.now()) as u64)
    }

    fn prepare_timer(self: &Rc<Self>) {
        let inside = Rc::downgrade(self);
        let ring = Closure::<dyn Fn()>::new(move || {
            if let Some(inside) = inside.upgrade() {
                inside.rings.set(None);
                let now = inside.now();
                let mut lanes = inside.lanes.borrow_mut();
                if lanes.poll_timeout().is_some_and(|due| due <= now) {
                    lanes.handle_timeout(now);
                }
                drop(lanes);
                inside.settle();
            }
        });
        self.ring.replace(ring.into_js_value());
    }

    /// Tells the page what there is to tell, and sees to it that time is heard of. A timer that rings too early
    /// is left as it is: with every frame a new one would be set.
    fn settle(&self) {
        let mut lanes = self.lanes.borrow_mut();
        while let Some((link, news)) = lanes.poll_news() {
            post(&self.scope, &Response::Watch { link, news });
        }
        let Some(due) = lanes.poll_timeout() else {
            return;
        };
        if self.rings.get().is_some_and(|rings| rings <= due) {
            return;
        }
        let wait = due.saturating_since(self.now()).as_millis();
        let wait = i32::try_from(wait).unwrap_or(i32::MAX);
        let ring = self.ring.borrow();
        let set = self
            .scope
            .set_timeout_with_callback_and_timeout_and_arguments_0(ring.unchecked_ref(), wait);
        if set.is_ok() {
            self.rings.set(Some(due));
        }
    }
}

/// Reads a message and erases the buffer that it came in.
fn read(event: &MessageEvent) -> Option<Request> {
    let array = event.data().dyn_into::<Uint8Array>().ok()?;
    let bytes = Zeroizing::new(array.to_vec());
    array.fill(0, 0, array.length());
    parse(&bytes)
}

fn post(scope: &DedicatedWorkerGlobalScope, response: &Response) {
    let array = Uint8Array::from(emit(response).as_slice());
    // Fails only for values that cannot be cloned or handed over.
    drop(scope.post_message_with_transfer(&array, &Array::of1(&array.buffer())));
}
