//! The portal's files for a browser: from memory, compressed beforehand, under
//! a policy that lets them run only their own code.
//!
//! A path is looked up in a table that was made at build time. No path ever
//! reaches a file system, so none can leave the portal (threat 2). Addresses
//! inside the portal (`/h/…`) answer its one page; `/api` and `/link` never do.

mod files;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY, VARY,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};

use self::files::{FILES, File};
use super::refusal::Refusal;
use crate::app::{AppError, Caller};

/// What the portal's pages and workers may do: their own code, their own
/// server. `unsafe-inline` is for style only: terminals measure with it.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; \
     style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self'; \
     connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'";
/// Devices that no page of the portal asks for.
const PERMISSIONS: &str = "camera=(), microphone=(), geolocation=(), usb=(), serial=(), \
     payment=(), clipboard-read=(self), clipboard-write=(self), fullscreen=(self)";
/// The page that every address inside the portal answers.
const PAGE: &str = "/index.html";
/// What stands there in a server that was built without it.
const NOT_BUILT: &str = include_str!("portal/not_built.html");

/// Answers what no route takes.
pub(super) async fn serve(request: Request) -> Response {
    let over_link = request
        .extensions()
        .get::<std::sync::Arc<Caller>>()
        .is_some();
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let path = request.uri().path();
    if over_link || !reads || is_api(path) {
        return Refusal::from(AppError::not_found()).into_response();
    }
    answer(FILES, path, request.headers())
}

/// Whether a path belongs to programs, in any spelling.
fn is_api(path: &str) -> bool {
    let first = path.trim_start_matches('/').split('/').next().unwrap_or("");
    let first = first.to_ascii_lowercase();
    first == "api" || first.starts_with("link")
}

/// The file of a path, the page, or nothing; the body is empty for a `HEAD`
/// because the HTTP library leaves it out.
fn answer(files: &'static [File], path: &str, headers: &HeaderMap) -> Response {
    let named = find(files, path);
    let page = || inside(path, headers).then(|| find(files, PAGE)).flatten();
    match named.or_else(page) {
        Some(file) => dressed(send(file, headers)),
        None if files.is_empty() && inside(path, headers) => {
            let kind = [(CONTENT_TYPE, "text/html; charset=utf-8")];
            dressed((StatusCode::SERVICE_UNAVAILABLE, kind, NOT_BUILT).into_response())
        }
        None => Refusal::from(AppError::not_found()).into_response(),
    }
}

fn find(files: &'static [File], path: &str) -> Option<&'static File> {
    let at = files.binary_search_by(|file| file.path.cmp(path)).ok()?;
    Some(&files[at])
}

/// Whether an address is one of the portal's own: a known kind, or a plain
/// path that a browser opens as a page.
fn inside(path: &str, headers: &HeaderMap) -> bool {
    let known = ["/c/", "/h/", "/s/"];
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '~');
    let opened = || {
        let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
        accept.is_some_and(|kinds| kinds.contains("text/html"))
    };
    let plain = path.chars().all(plain) && !path.contains("//");
    plain && (path == "/" || known.iter().any(|kind| path.starts_with(kind)) || opened())
}

fn send(file: &'static File, headers: &HeaderMap) -> Response {
    let (encoding, bytes) = match file {
        File {
            brotli: Some(bytes),
            ..
        } if takes(headers, "br") => (Some("br"), *bytes),
        File {
            gzip: Some(bytes), ..
        } if takes(headers, "gzip") => (Some("gzip"), *bytes),
        File { plain, .. } => (None, *plain),
    };
    let mut response = if unchanged(headers, file.tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = Response::new(Body::from(bytes));
        let out = response.headers_mut();
        out.insert(CONTENT_TYPE, HeaderValue::from_static(file.kind));
        out.insert(CONTENT_LENGTH, bytes.len().into());
        if let Some(encoding) = encoding {
            out.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        response
    };
    let out = response.headers_mut();
    let lifetime = if file.lasting {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    out.insert(CACHE_CONTROL, HeaderValue::from_static(lifetime));
    out.insert(ETAG, HeaderValue::from_static(file.tag));
    out.insert(VARY, HeaderValue::from_static("accept-encoding, accept"));
    response
}

/// Whether the asker takes an encoding (RFC 9110 §12.5.3; `*` is not meant).
fn takes(headers: &HeaderMap, encoding: &str) -> bool {
    let listed = headers.get_all(ACCEPT_ENCODING).into_iter();
    let listed = listed.filter_map(|value| value.to_str().ok());
    listed.flat_map(|value| value.split(',')).any(|part| {
        let mut words = part.split(';').map(str::trim);
        let named = words
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case(encoding));
        let refused = words.any(|word| {
            let weight = word
                .strip_prefix("q=")
                .or_else(|| word.strip_prefix("Q="))
                .and_then(|weight| weight.parse::<f32>().ok());
            weight == Some(0.0)
        });
        named && !refused
    })
}

/// Whether the asker's copy is this one (RFC 9110 §13.1.2, weak comparison).
fn unchanged(headers: &HeaderMap, tag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let mut held = headers
        .get_all(IF_NONE_MATCH)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    held.any(|held| held.trim() == "*" || opaque(held) == opaque(tag))
}

/// Headers of everything a browser gets of the portal.
fn dressed(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (X_FRAME_OPTIONS, "DENY"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (HeaderName::from_static("permissions-policy"), PERMISSIONS),
        (HeaderName::from_static("origin-agent-cluster"), "?1"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests;
