// SPDX-License-Identifier: MIT OR Apache-2.0
//! The embedded web client, and the headers that keep a browser strict about everything this node says.

use std::borrow::Cow;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

/// SHA-256 of the client, hexadecimal; see `hither-webbuild`.
pub(crate) const HASH: &str = env!("HITHER_WEB_HASH");

#[derive(RustEmbed)]
#[folder = "$HITHER_WEB_DIST_DIR"]
struct Client;

/// Everything from this origin, nothing from elsewhere, no inline script; `wasm-unsafe-eval` lets wasm be
/// compiled and nothing be evaluated; Leptos needs the trusted-types policy named `default`.
///
/// `connect-src 'self'` also means: a page talks to the node that served it only.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; \
    script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; \
    img-src 'self' blob: data:; media-src 'self' blob:; font-src 'self'; connect-src 'self'; \
    manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types default";

/// On every response. A worker obeys the policy of its own response, so assets carry it too.
const HEADERS: [(HeaderName, &str); 8] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-embedder-policy"),
        "require-corp",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(self), microphone=(self), display-capture=(self), geolocation=(), payment=(), usb=()",
    ),
    (header::X_FRAME_OPTIONS, "DENY"),
];

/// Below this every file's name changes with its contents.
const ASSETS: &str = "assets/";

/// How everything else is cached: kept, and asked for again every time.
const REVALIDATED: &str = "no-cache";

/// Adds the headers to a response. What says nothing about caching is not cached anywhere.
pub(crate) fn with_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A file of the client; the page itself for every path that is no file.
pub(crate) fn serve(request: &Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let path = request.uri().path().trim_start_matches('/');
    if !path.starts_with(ASSETS) && is_known(request.headers()) {
        // What the browser keeps takes over the headers of this answer (RFC 9111 §4.3.4).
        let headers = [
            (header::CACHE_CONTROL, REVALIDATED),
            (header::ETAG, &etag()),
        ];
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    let brotli = accepts_brotli(request.headers());
    if let Some(response) = file(path, brotli) {
        return response;
    }
    // A missing asset must not look like a page; any other path is a place within the client.
    if path.starts_with(ASSETS) || path.contains('.') {
        return StatusCode::NOT_FOUND.into_response();
    }
    file("index.html", brotli).unwrap_or_else(|| StatusCode::NOT_FOUND.into_response())
}

fn file(path: &str, brotli: bool) -> Option<Response> {
    if path.is_empty() || path.ends_with(".br") {
        return None;
    }
    let squeezed = Client::get(&format!("{path}.br"));
    let varies = squeezed.is_some();
    let squeezed = squeezed.filter(|_| brotli);
    let encoded = squeezed.is_some();
    let content = match squeezed {
        Some(content) => content,
        None => Client::get(path)?,
    };
    let body = match content.data {
        // The file is part of the program; nothing is copied.
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => Bytes::from(bytes),
    };
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(media_type(path)),
    );
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static(if path.starts_with(ASSETS) {
            "public, max-age=31536000, immutable"
        } else {
            REVALIDATED
        }),
    );
    if let Ok(etag) = HeaderValue::from_str(&etag()) {
        headers.insert(header::ETAG, etag);
    }
    if varies {
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    if encoded {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("br"));
    }
    Some(response)
}

/// One for all files: whoever has one of this client has the others of it.
fn etag() -> String {
    format!("W/\"{HASH}\"")
}

/// Whether the browser has what it would get (RFC 9110 §13.1.2).
fn is_known(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|tag| tag.trim() == etag())
}

/// Whether `br` is accepted and not refused with `q=0` (RFC 9110 §12.5.3).
fn accepts_brotli(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|item| {
            let (coding, weight) = item.split_once(';').unwrap_or((item, ""));
            let refused = matches!(weight.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000");
            coding.trim().eq_ignore_ascii_case("br") && !refused
        })
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "wasm" => "application/wasm",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "mp3" => "audio/mpeg",
        "ogg" => "audio/ogg",
        "wav" => "audio/wav",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepting(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(value))])
    }

    #[test]
    fn brotli_is_sent_only_to_those_who_take_it() {
        assert!(accepts_brotli(&accepting("gzip, deflate, br")));
        assert!(accepts_brotli(&accepting("br;q=0.5")));
        assert!(!accepts_brotli(&accepting("gzip")));
        assert!(!accepts_brotli(&accepting("br;q=0")));
        assert!(!accepts_brotli(&HeaderMap::new()));
    }
}
