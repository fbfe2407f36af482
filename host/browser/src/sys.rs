// SPDX-License-Identifier: MIT OR Apache-2.0
//! What `web-sys` lacks, hides behind an unstable flag, or lets throw; and small words for talking JavaScript.

use js_sys::{Array, Function, Object, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{RtcDataChannel, RtcPeerConnection, RtcRtpTransceiver, Worker};

#[wasm_bindgen]
extern "C" {
    /// The address of the generated bindings; the worker's boot file lies beside them.
    #[wasm_bindgen(thread_local_v2, js_namespace = ["import", "meta"], js_name = url)]
    pub(crate) static MODULE_URL: String;

    /// `RTCPeerConnection` with what is missing, or throws without saying so, in `web-sys`.
    #[wasm_bindgen(extends = RtcPeerConnection)]
    #[derive(Clone)]
    pub(crate) type PeerConnection;
    #[wasm_bindgen(method, catch, js_name = restartIce)]
    pub(crate) fn restart_ice(this: &PeerConnection) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = addTransceiver)]
    pub(crate) fn add_transceiver(
        this: &PeerConnection,
        kind: &str,
        init: &Object,
    ) -> Result<RtcRtpTransceiver, JsValue>;
    #[wasm_bindgen(method, catch, js_name = createDataChannel)]
    pub(crate) fn open_data_channel(
        this: &PeerConnection,
        label: &str,
    ) -> Result<RtcDataChannel, JsValue>;

    /// `RTCRtpTransceiver`, whose `setCodecPreferences` may throw.
    pub(crate) type Preferring;
    #[wasm_bindgen(method, catch, js_name = setCodecPreferences)]
    pub(crate) fn prefer_codecs(this: &Preferring, codecs: &Array) -> Result<(), JsValue>;

    /// `RTCRtpSender`, whose parameters have members that `web-sys` does not know.
    pub(crate) type Sending;
    #[wasm_bindgen(method, catch, js_name = getParameters)]
    pub(crate) fn parameters(this: &Sending) -> Result<Object, JsValue>;
    #[wasm_bindgen(method, catch, js_name = setParameters)]
    pub(crate) fn set_parameters(this: &Sending, parameters: &Object) -> Result<Promise, JsValue>;

    /// `MediaStreamTrack`, whose settings are a type too many.
    pub(crate) type Track;
    #[wasm_bindgen(method, js_name = getSettings)]
    pub(crate) fn settings(this: &Track) -> Object;

    /// W3C WebRTC Encoded Transform.
    #[wasm_bindgen(js_name = RTCRtpScriptTransform)]
    pub(crate) type ScriptTransform;
    #[wasm_bindgen(constructor, catch, js_class = "RTCRtpScriptTransform")]
    pub(crate) fn new(worker: &Worker, options: &JsValue) -> Result<ScriptTransform, JsValue>;

    /// W3C Web Locks.
    pub(crate) type LockManager;
    #[wasm_bindgen(method, catch)]
    pub(crate) fn request(
        this: &LockManager,
        name: &str,
        options: &Object,
        granted: &Function,
    ) -> Result<Promise, JsValue>;
}

/// `{ name: value, … }`
pub(crate) fn object(members: &[(&str, JsValue)]) -> Object {
    let object = Object::new();
    for (name, value) in members {
        set(&object, name, value);
    }
    object
}

/// Sets a member of an object that takes it.
pub(crate) fn set(object: &JsValue, name: &str, value: &JsValue) {
    // Fails on frozen objects and on throwing setters; we have neither.
    drop(Reflect::set(object, &name.into(), value));
}

/// A member, or `undefined`.
pub(crate) fn get(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &name.into()).unwrap_or(JsValue::UNDEFINED)
}

/// A member that is a string.
pub(crate) fn text(object: &JsValue, name: &str) -> Option<String> {
    get(object, name).as_string()
}

/// A member that is a number.
pub(crate) fn number(object: &JsValue, name: &str) -> Option<f64> {
    get(object, name).as_f64()
}

/// A member that counts something.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counters are whole, not negative, and `as` saturates"
)]
pub(crate) fn count(object: &JsValue, name: &str) -> u64 {
    number(object, name).unwrap_or(0.0) as u64
}

/// The browser's name of an error, e.g. `NotAllowedError`.
pub(crate) fn error_name(error: &JsValue) -> String {
    text(error, "name").unwrap_or_else(|| "Error".to_owned())
}

/// A promise that `settle` settles later.
pub(crate) fn promise(mut settle: impl FnMut(Function, Function)) -> Promise {
    Promise::new(&mut |resolve, reject| settle(resolve, reject))
}

/// Calls a promise's `resolve` or `reject`.
pub(crate) fn call(function: &Function, value: &JsValue) {
    // Neither throws.
    drop(function.call1(&JsValue::UNDEFINED, value));
}

/// Waits for a promise.
pub(crate) fn settled(promise: Promise) -> impl Future<Output = Result<JsValue, JsValue>> {
    JsFuture::from(promise)
}

/// The page's window. This crate runs nowhere else.
pub(crate) fn window() -> web_sys::Window {
    js_sys::global().unchecked_into()
}
