// SPDX-License-Identifier: MIT OR Apache-2.0
//! Requests to the node by `fetch`: no cookies, no cache, no referrer, no redirects, bounded in time and size.

use hither_endpoint::{HttpFailure, HttpRequest, HttpResponse};
use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;
use web_sys::{
    AbortController, Headers, ReadableStreamDefaultReader, Request, RequestCache,
    RequestCredentials, RequestInit, RequestRedirect, Response,
};

use crate::listen::Timer;
use crate::sys::{get, set, settled, window};

/// Connection, headers and body together, milliseconds.
const PATIENCE: i32 = 30_000;

/// Bytes of a body.
const MAX_BODY: usize = 512 * 1024;

/// Makes the request.
pub(crate) async fn run(request: HttpRequest) -> HttpResponse {
    HttpResponse {
        id: request.id,
        result: exchange(&request).await,
    }
}

async fn exchange(request: &HttpRequest) -> Result<(u16, Vec<u8>), HttpFailure> {
    let abort = AbortController::new().map_err(unreachable)?;
    let _alarm = {
        let abort = abort.clone();
        Timer::new(PATIENCE, move || abort.abort())
    };
    let request = build(request, &abort).map_err(unreachable)?;
    let response: Response = settled(window().fetch_with_request(&request))
        .await
        .map_err(unreachable)?
        .unchecked_into();
    let body = read(&response).await;
    if body == Err(HttpFailure::TooLong) {
        abort.abort();
    }
    Ok((response.status(), body?))
}

fn build(request: &HttpRequest, abort: &AbortController) -> Result<Request, JsValue> {
    let headers = Headers::new()?;
    for (name, value) in &request.headers {
        headers.append(name, value)?;
    }
    let init = RequestInit::new();
    init.set_method(request.method.as_str());
    init.set_headers(&headers);
    init.set_credentials(RequestCredentials::Omit);
    init.set_cache(RequestCache::NoStore);
    init.set_redirect(RequestRedirect::Error);
    init.set_signal(Some(&abort.signal()));
    set(&init, "referrerPolicy", &"no-referrer".into());
    if !request.body.is_empty() {
        init.set_body(&Uint8Array::from(request.body.as_slice()));
    }
    Request::new_with_str_and_init(&request.url, &init)
}

async fn read(response: &Response) -> Result<Vec<u8>, HttpFailure> {
    let Some(stream) = response.body() else {
        return Ok(Vec::new());
    };
    let reader: ReadableStreamDefaultReader = stream.get_reader().unchecked_into();
    let mut body = Vec::new();
    loop {
        let step = settled(reader.read()).await.map_err(unreachable)?;
        if get(&step, "done").is_truthy() {
            return Ok(body);
        }
        let chunk: Uint8Array = get(&step, "value").unchecked_into();
        let so_far = body.len();
        let length = usize::try_from(chunk.length()).map_err(|_| HttpFailure::TooLong)?;
        if length > MAX_BODY.saturating_sub(so_far) {
            return Err(HttpFailure::TooLong);
        }
        body.append(&mut chunk.to_vec());
    }
}

/// The browser does not say why, on purpose.
fn unreachable(_error: JsValue) -> HttpFailure {
    HttpFailure::Unreachable
}
