// SPDX-License-Identifier: MIT OR Apache-2.0
//! One transform: frames from its readable, through a function, to its writable.

use hither_crypto::media::FrameKind;
use js_sys::{ArrayBuffer, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    ReadableStream, ReadableStreamDefaultReader, WritableStream, WritableStreamDefaultWriter,
};

use crate::message::Slot;

// web-sys has these behind `web_sys_unstable_apis`, and has no encoded audio frame at all.
#[wasm_bindgen]
extern "C" {
    /// `RTCTransformEvent`
    pub(crate) type TransformEvent;
    #[wasm_bindgen(method, getter)]
    pub(crate) fn transformer(this: &TransformEvent) -> Transformer;

    /// `RTCRtpScriptTransformer`
    pub(crate) type Transformer;
    #[wasm_bindgen(method, getter)]
    pub(crate) fn options(this: &Transformer) -> JsValue;
    #[wasm_bindgen(method, getter)]
    fn readable(this: &Transformer) -> ReadableStream;
    #[wasm_bindgen(method, getter)]
    fn writable(this: &Transformer) -> WritableStream;

    /// `RTCEncodedVideoFrame` or `RTCEncodedAudioFrame`
    type EncodedFrame;
    #[wasm_bindgen(method, getter, js_name = "type")]
    fn kind(this: &EncodedFrame) -> JsValue;
    #[wasm_bindgen(method, getter)]
    fn data(this: &EncodedFrame) -> ArrayBuffer;
    #[wasm_bindgen(method, setter)]
    fn set_data(this: &EncodedFrame, data: &ArrayBuffer);
}

/// Lets every frame through `pass` until the stream ends. What `pass` does not return is dropped.
///
/// # Errors
/// When either stream fails, which it does when its peer connection is closed.
pub(crate) async fn pump(
    transformer: Transformer,
    slot: Slot,
    mut pass: impl FnMut(FrameKind, &[u8]) -> Option<Vec<u8>>,
) -> Result<(), JsValue> {
    let reader: ReadableStreamDefaultReader = transformer.readable().get_reader().unchecked_into();
    let writer: WritableStreamDefaultWriter = transformer.writable().get_writer()?;
    while let Some(frame) = next(&reader).await? {
        let Some(kind) = frame_kind(slot, &frame) else {
            continue;
        };
        let bytes = Uint8Array::new(&frame.data()).to_vec();
        // Under loss the browser's receiver hands out frames of nothing, made of padding.
        if bytes.is_empty() {
            continue;
        }
        let Some(passed) = pass(kind, &bytes) else {
            continue;
        };
        frame.set_data(&Uint8Array::from(passed.as_slice()).buffer());
        JsFuture::from(writer.write_with_chunk(&frame)).await?;
    }
    Ok(())
}

async fn next(reader: &ReadableStreamDefaultReader) -> Result<Option<EncodedFrame>, JsValue> {
    let step = JsFuture::from(reader.read()).await?;
    if Reflect::get(&step, &"done".into())?.is_truthy() {
        return Ok(None);
    }
    Ok(Some(Reflect::get(&step, &"value".into())?.unchecked_into()))
}

/// `None` for an empty frame, which carries nothing.
fn frame_kind(slot: Slot, frame: &EncodedFrame) -> Option<FrameKind> {
    if slot == Slot::Sound {
        return Some(FrameKind::Audio);
    }
    match frame.kind().as_string().as_deref() {
        Some("key") => Some(FrameKind::VideoKey),
        Some("delta") => Some(FrameKind::VideoDelta),
        _ => None,
    }
}
