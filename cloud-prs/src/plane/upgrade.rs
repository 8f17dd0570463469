//! `GET /link`: judges the upgrade request (RFC 6455 §4.2) and answers it.

use axum::body::Body;
use culvert_link::server::client_nonce;
use culvert_wire::hello::{NONCE_HEADER, NONCE_LEN, SUBPROTOCOLS};
use data_encoding::BASE64;
use http::header::{
    CONNECTION, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, Method, Request, Response, StatusCode};

/// Judges a request: the endpoint's nonce and the answer that opens a link, or
/// the answer that does not.
#[expect(
    clippy::result_large_err,
    reason = "the answer is sent at once, either way"
)]
pub(super) fn judge<B>(
    request: &Request<B>,
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
        let slug = culvert_wire::reason::Reason::VersionUnsupported.slug();
        let value = http::HeaderValue::from_static(slug);
        answer.headers_mut().insert("culvert-reason", value);
        return Err(answer);
    };
    let key = headers.get(SEC_WEBSOCKET_KEY).map(|value| value.as_bytes());
    let Some(key) = key.filter(|key| BASE64.decode(key).is_ok_and(|key| key.len() == 16)) else {
        return Err(plain(StatusCode::BAD_REQUEST, "no WebSocket key"));
    };
    let nonce = headers
        .get(NONCE_HEADER)
        .and_then(|value| client_nonce(value.as_bytes()));
    let Some(nonce) = nonce else {
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
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|part| part.trim().eq_ignore_ascii_case(word))
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

fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut answer = Response::new(Body::from(text));
    *answer.status_mut() = status;
    answer
}
