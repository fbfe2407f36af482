// SPDX-License-Identifier: MIT OR Apache-2.0
//! A chosen picture becomes a small square one, in the browser, before anything else sees it.
//!
//! Drawing it anew also drops what cameras write beside the pixels: place, time, device.

use leptos::prelude::{document, window};
use wasm_bindgen_futures::JsFuture;
use web_sys::wasm_bindgen::closure::Closure;
use web_sys::wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{Blob, CanvasRenderingContext2d, File, HtmlCanvasElement, ImageBitmap};

/// What the client takes.
const MAX_PICTURE: f64 = 48.0 * 1024.0;

/// Side in pixels and JPEG quality, from the most beautiful to the smallest.
const ATTEMPTS: [(u32, f64); 6] = [
    (320, 0.86),
    (320, 0.7),
    (256, 0.7),
    (192, 0.7),
    (128, 0.6),
    (96, 0.5),
];

/// The picture as a JPEG of at most 48 KiB, or nothing if the file is no picture.
pub(crate) async fn shrink(file: &File) -> Option<Vec<u8>> {
    let promise = window().create_image_bitmap_with_blob(file).ok()?;
    let bitmap: ImageBitmap = JsFuture::from(promise).await.ok()?.dyn_into().ok()?;
    for (side, quality) in ATTEMPTS {
        let canvas = draw(&bitmap, side)?;
        let blob = encode(&canvas, quality).await?;
        if blob.size() <= MAX_PICTURE {
            let buffer = JsFuture::from(blob.array_buffer()).await.ok()?;
            return Some(js_sys::Uint8Array::new(&buffer).to_vec());
        }
    }
    None
}

/// What the bytes are, by their first ones; only what the client itself makes or may receive.
pub(crate) fn kind(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [0x89, b'P', b'N', b'G', ..] => Some("image/png"),
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => Some("image/webp"),
        _ => None,
    }
}

/// The middle of the picture, as a square.
fn draw(bitmap: &ImageBitmap, side: u32) -> Option<HtmlCanvasElement> {
    let canvas: HtmlCanvasElement = document().create_element("canvas").ok()?.dyn_into().ok()?;
    canvas.set_width(side);
    canvas.set_height(side);
    let context: CanvasRenderingContext2d = canvas.get_context("2d").ok()??.dyn_into().ok()?;
    let (width, height) = (f64::from(bitmap.width()), f64::from(bitmap.height()));
    let (crop, side) = (width.min(height), f64::from(side));
    context.set_fill_style_str("#ffffff");
    context.fill_rect(0.0, 0.0, side, side);
    context
        .draw_image_with_image_bitmap_and_sw_and_sh_and_dx_and_dy_and_dw_and_dh(
            bitmap,
            (width - crop) / 2.0,
            (height - crop) / 2.0,
            crop,
            crop,
            0.0,
            0.0,
            side,
            side,
        )
        .ok()?;
    Some(canvas)
}

async fn encode(canvas: &HtmlCanvasElement, quality: f64) -> Option<Blob> {
    let promise = js_sys::Promise::new(&mut |resolve, _| {
        let done = Closure::once_into_js(move |blob: JsValue| {
            // Calling the resolver of our own promise does not throw.
            drop(resolve.call1(&JsValue::UNDEFINED, &blob));
        });
        let quality = JsValue::from_f64(quality);
        // A canvas we just drew to is not tainted, so this does not throw either.
        drop(canvas.to_blob_with_type_and_encoder_options(
            done.unchecked_ref(),
            "image/jpeg",
            &quality,
        ));
    });
    JsFuture::from(promise).await.ok()?.dyn_into().ok()
}
