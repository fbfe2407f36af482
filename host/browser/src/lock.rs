// SPDX-License-Identifier: MIT OR Apache-2.0
//! One machine for each browser profile: two would step the same ratchet.

use js_sys::{Function, Promise};
use wasm_bindgen::prelude::*;

use crate::StartError;
use crate::listen::at_most;
use crate::sys::{LockManager, call, get, object, promise, window};

const NAME: &str = "hither";

/// How long another tab may take to close, milliseconds. A page that is being reloaded is there twice.
const PATIENCE: i32 = 4000;

/// Takes the lock and keeps it until the page is gone.
///
/// # Errors
/// [`StartError::AlreadyOpen`] if another tab keeps it.
pub(crate) async fn take() -> Result<(), StartError> {
    let locks = get(&window().navigator(), "locks");
    if locks.is_undefined() {
        return Err(StartError::Insecure);
    }
    let locks: LockManager = locks.unchecked_into();
    let abort = web_sys::AbortController::new().map_err(|_| StartError::Insecure)?;
    let options = object(&[("signal", abort.signal().into())]);
    let granted = promise(|granted, refused| request(&locks, &options, granted, refused));
    if at_most(PATIENCE, &granted).await.is_some() {
        return Ok(());
    }
    abort.abort();
    Err(StartError::AlreadyOpen)
}

fn request(locks: &LockManager, options: &js_sys::Object, granted: Function, refused: Function) {
    let hold = Closure::once_into_js(move |_lock: JsValue| -> Promise {
        call(&granted, &JsValue::TRUE);
        // Never settled: held as long as the page lives.
        promise(|_, _| {})
    });
    match locks.request(NAME, options, hold.unchecked_ref()) {
        Ok(ended) => {
            let refuse = Closure::once(move |error: JsValue| call(&refused, &error));
            let _chained = ended.catch(&refuse);
            // Called at most once, perhaps never: it lives as long as the page.
            refuse.forget();
        }
        Err(error) => call(&refused, &error),
    }
}
