// SPDX-License-Identifier: MIT OR Apache-2.0
//! The worker's global scope: messages and transforms come in, answers go out.

use std::cell::RefCell;
use std::rc::Rc;

use hither_crypto::Secret;
use hither_crypto::media::MediaKey;
use hither_crypto::stretch::Stretch;
use js_sys::{Array, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::{DedicatedWorkerGlobalScope, MessageEvent};
use zeroize::Zeroizing;

use crate::frames::Frames;
use crate::message::{Direction, Request, Response, TransformOptions, emit, parse};
use crate::pump::{TransformEvent, pump};

/// Sets both handlers, then says so.
pub(crate) fn listen() {
    let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
    let frames = Rc::new(RefCell::new(Frames::default()));

    let on_message = {
        let (scope, frames) = (scope.clone(), Rc::clone(&frames));
        Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
            if let Some(response) = read(&event).and_then(|request| answer(&frames, request)) {
                post(&scope, &response);
            }
        })
    };
    scope.set_onmessage(Some(on_message.into_js_value().unchecked_ref()));

    let on_transform = Closure::<dyn Fn(TransformEvent)>::new(move |event: TransformEvent| {
        attach(&frames, &event);
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

fn answer(frames: &RefCell<Frames>, request: Request) -> Option<Response> {
    match request {
        Request::Stretch { id, job } => {
            let stretched = Stretch::from(job).run().ok();
            let key = stretched.map(|key| Secret::from_bytes(*key.as_bytes()));
            return Some(Response::Stretched { id, key });
        }
        Request::SendKey { link, key } => {
            let key = MediaKey::from_bytes(*key.as_bytes());
            frames.borrow_mut().set_send_key(link, &key);
        }
        Request::ReceiveKey { link, key } => {
            let key = MediaKey::from_bytes(*key.as_bytes());
            frames.borrow_mut().set_receive_key(link, key);
        }
        Request::Forget { link } => frames.borrow_mut().forget(link),
        Request::Count { link } => {
            let counters = frames.borrow().counters(link);
            return Some(Response::Counted { link, counters });
        }
    }
    None
}

/// Starts the pump of a new transform. One with unreadable options gets none: nothing passes it.
fn attach(frames: &Rc<RefCell<Frames>>, event: &TransformEvent) {
    let transformer = event.transformer();
    let options = transformer.options().dyn_into::<Uint8Array>().ok();
    let Some(options) = options.and_then(|bytes| parse::<TransformOptions>(&bytes.to_vec())) else {
        return;
    };
    let TransformOptions {
        link,
        slot,
        direction,
    } = options;
    let frames = Rc::clone(frames);
    spawn_local(async move {
        let pumped = pump(transformer, slot, |kind, frame| {
            let mut frames = frames.borrow_mut();
            match direction {
                Direction::Send => frames.seal(link, slot, kind, frame),
                Direction::Receive => frames.open(link, slot, kind, frame),
            }
        });
        // It ends with its peer connection, by an error as well as without.
        drop(pumped.await);
    });
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
