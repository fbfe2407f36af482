// SPDX-License-Identifier: MIT OR Apache-2.0
//! Event handlers and timers that end with their owner.

use js_sys::Promise;
use wasm_bindgen::convert::FromWasmAbi;
use wasm_bindgen::prelude::*;
use web_sys::EventTarget;

use crate::sys::{call, promise, settled, window};

/// An event handler. Dropped, it hears nothing any more.
pub(crate) struct Listener {
    target: EventTarget,
    event: &'static str,
    handler: JsValue,
    _closure: Box<dyn core::any::Any>,
}

impl Listener {
    /// Calls `handler` for every `event` of `target`.
    pub(crate) fn new<E: FromWasmAbi + 'static>(
        target: &EventTarget,
        event: &'static str,
        handler: impl Fn(E) + 'static,
    ) -> Self {
        let closure = Closure::<dyn Fn(E)>::new(handler);
        let handler = closure.as_ref().clone();
        // Fails only for values that are no function.
        drop(target.add_event_listener_with_callback(event, handler.unchecked_ref()));
        Self {
            target: target.clone(),
            event,
            handler,
            _closure: Box::new(closure),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let handler = self.handler.unchecked_ref();
        drop(
            self.target
                .remove_event_listener_with_callback(self.event, handler),
        );
    }
}

impl core::fmt::Debug for Listener {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("Listener").field(&self.event).finish()
    }
}

/// A timer. Dropped, it does not ring.
#[derive(Debug)]
pub(crate) struct Timer {
    handle: i32,
    _closure: Closure<dyn Fn()>,
}

impl Timer {
    /// Calls `ring` once, `millis` milliseconds from now.
    pub(crate) fn new(millis: i32, ring: impl Fn() + 'static) -> Self {
        let closure = Closure::<dyn Fn()>::new(ring);
        Self {
            handle: set_timeout(closure.as_ref(), millis),
            _closure: closure,
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        window().clear_timeout_with_handle(self.handle);
    }
}

/// A promise that is resolved after `millis` milliseconds.
pub(crate) fn elapsed(millis: i32) -> Promise {
    promise(|resolve, _| {
        let _handle = set_timeout(&resolve, millis);
    })
}

/// Waits.
pub(crate) async fn sleep(millis: i32) {
    drop(settled(elapsed(millis)).await);
}

/// Waits for `promise`, but not longer than `millis` milliseconds.
pub(crate) async fn at_most(millis: i32, wanted: &Promise) -> Option<JsValue> {
    let late = promise(|_, reject| {
        let ring = Closure::once_into_js(move || call(&reject, &JsValue::UNDEFINED));
        let _handle = set_timeout(&ring, millis);
    });
    settled(Promise::race(&js_sys::Array::of2(wanted, &late)))
        .await
        .ok()
}

fn set_timeout(handler: &JsValue, millis: i32) -> i32 {
    window()
        .set_timeout_with_callback_and_timeout_and_arguments_0(handler.unchecked_ref(), millis)
        .unwrap_or(0)
}
