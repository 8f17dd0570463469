//! `GET /link` and `GET /link/browser`: judges the upgrade request (RFC 6455
//! §4.2) and answers it. Who may ask as a browser is the application's
//! decision, before this.

use axum::body::Body;
use culvert_link::server::client_nonce;
use culvert_wire::hello::{NONCE_HEADER, NONCE_LEN, NONCE_PROTOCOL, SUBPROTOCOLS};
use culvert_wire::reason::Reason;
use data_encoding::BASE64;
use http::header::{
    CONNECTION, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, Method, Request, Response, StatusCode};

/// Where an endpoint puts its nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NonceIn {
    /// The header of native programs.
    Header,
    /// A subprotocol: pages cannot set headers.
    Subprotocol,
}

/// Judges a request: the endpoint's nonce and the answer that opens a link, or
/// the answer that does not.
#[expect(
    clippy::result_large_err,
    reason = "the answer is sent at once, either way"
)]
pub(super) fn judge<B>(
    request: &Request<B>,
    nonce_in: NonceIn,
) -> Result<([u8; NONCE_LEN], Response<Body>), Response<Body>> {
    let headers = request.headers();
    if request.method() != Method::GET {
        return Err(plain(StatusCode::METHOD_NOT_ALLOWED, "GET only"));
    }
    if !lists(headers, UPGRADE, "websocket") || !lists(headers, CONNECTION, "upgrade") {
        return Err(needed(
            "this address opens links: a WebSocket upgrade is needed",
        ));
    }
    if !lists(headers, SEC_WEBSOCKET_VERSION, "13") {
        return Err(needed("WebSocket version 13 is needed"));
    }
    let Some(protocol) = SUBPROTOCOLS
        .into_iter()
        .find(|known| lists(headers, SEC_WEBSOCKET_PROTOCOL, known))
    else {
        // Not 426: that is what an upgrade looks like that was taken out on
        // the way.
        let mut answer = plain(
            StatusCode::BAD_REQUEST,
            "no link version in common: update the older program",
        );
        let value = http::HeaderValue::from_static(Reason::VersionUnsupported.slug());
        answer.headers_mut().insert("culvert-reason", value);
        return Err(answer);
    };
    let key = headers.get(SEC_WEBSOCKET_KEY).map(|value| value.as_bytes());
    let Some(key) = key.filter(|key| BASE64.decode(key).is_ok_and(|key| key.len() == 16)) else {
        return Err(plain(StatusCode::BAD_REQUEST, "no WebSocket key"));
    };
    let nonce = match nonce_in {
        NonceIn::Header => headers.get(NONCE_HEADER).map(|value| value.as_bytes()),
        NonceIn::Subprotocol => words(headers, SEC_WEBSOCKET_PROTOCOL)
            .find_map(|word| word.strip_prefix(NONCE_PROTOCOL))
            .map(str::as_bytes),
    };
    let Some(nonce) = nonce.and_then(client_nonce) else {
        return Err(plain(StatusCode::BAD_REQUEST, "no nonce"));
    };
    let answer = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(UPGRADE, "websocket")
        .header(CONNECTION, "Upgrade")
        .header(SEC_WEBSOCKET_ACCEPT, culvert_link::ws::accept_key(key))
        .header(SEC_WEBSOCKET_PROTOCOL, protocol)
        .body(Body::empty())
        .expect("constant headers are valid");
    Ok((nonce, answer))
}

/// Whether a header lists a word.
fn lists(headers: &HeaderMap, name: HeaderName, word: &str) -> bool {
    words(headers, name).any(|part| part.eq_ignore_ascii_case(word))
}

/// The words that a header lists.
fn words(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

fn needed(text: &'static str) -> Response<Body> {
    let mut answer = plain(StatusCode::UPGRADE_REQUIRED, text);
    let headers = answer.headers_mut();
    let value = http::HeaderValue::from_static;
    headers.insert(UPGRADE, value("websocket"));
    headers.insert(SEC_WEBSOCKET_VERSION, value("13"));
    headers.insert(SEC_WEBSOCKET_PROTOCOL, value(SUBPROTOCOLS[0]));
    answer
}

/// The answer to a browser that may not have a link.
pub(super) fn refused(reason: Reason) -> Response<Body> {
    let status = match (reason, reason.code()) {
        (Reason::SignInNeeded | Reason::SignedOut, _) => StatusCode::UNAUTHORIZED,
        (Reason::NotFound, _) => StatusCode::NOT_FOUND,
        (_, 500..=599) => StatusCode::SERVICE_UNAVAILABLE,
        (_, _) => StatusCode::FORBIDDEN,
    };
    let mut answer = Response::new(Body::from(reason.sentence()));
    *answer.status_mut() = status;
    let value = http::HeaderValue::from_static(reason.slug());
    answer.headers_mut().insert("culvert-reason", value);
    answer
}

fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut answer = Response::new(Body::from(text));
    *answer.status_mut() = status;
    answer
}
