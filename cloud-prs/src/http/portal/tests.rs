//! What browsers, caches and attackers ask of the portal's files.

use axum::http::HeaderValue;
use http_body_util::BodyExt as _;
use proptest::prelude::*;

use super::*;

const SECRETS: &str = "etc/passwd";

const fn file(path: &'static str, kind: &'static str, lasting: bool) -> File {
    File {
        path,
        kind,
        tag: "W/\"tag\"",
        lasting,
        plain: b"as it is",
        brotli: Some(b"br"),
        gzip: Some(b"gz"),
    }
}

static SITE: &[File] = &[
    file(
        "/assets/app-Ab12Cd34.js",
        "text/javascript; charset=utf-8",
        true,
    ),
    file("/assets/end-Ab12Cd34.wasm", "application/wasm", true),
    file("/index.html", "text/html; charset=utf-8", false),
];

fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
    let pairs = pairs.iter().cloned();
    pairs
        .map(|(name, value)| (name, HeaderValue::from_static(value)))
        .collect()
}

fn ask(path: &str, pairs: &[(HeaderName, &'static str)]) -> Response {
    answer(SITE, path, &headers(pairs))
}

fn said<'a>(response: &'a Response, name: &HeaderName) -> &'a str {
    let value = response.headers().get(name);
    value.map_or("", |value| value.to_str().unwrap())
}

async fn body(response: Response) -> Vec<u8> {
    let whole = response.into_body().collect().await.unwrap();
    whole.to_bytes().to_vec()
}

#[test]
fn hashed_names_last_for_ever_and_the_page_is_asked_for_anew() {
    let script = ask("/assets/app-Ab12Cd34.js", &[]);
    assert_eq!(
        said(&script, &CACHE_CONTROL),
        "public, max-age=31536000, immutable"
    );
    for path in ["/", "/index.html", "/c/abc", "/h/abc", "/s/abc/def"] {
        let page = ask(path, &[]);
        assert_eq!(page.status(), StatusCode::OK, "{path}");
        assert_eq!(said(&page, &CACHE_CONTROL), "no-cache");
        assert_eq!(said(&page, &CONTENT_TYPE), "text/html; charset=utf-8");
    }
    let wasm = ask("/assets/end-Ab12Cd34.wasm", &[]);
    assert_eq!(said(&wasm, &CONTENT_TYPE), "application/wasm");
}

#[tokio::test]
async fn the_best_encoding_that_the_asker_takes_is_sent() {
    for (takes, encoding, bytes) in [
        ("gzip, deflate, br, zstd", "br", &b"br"[..]),
        ("gzip", "gzip", b"gz"),
        ("BR;q=0.1", "br", b"br"),
        ("br;q=0, gzip;q=0.5", "gzip", b"gz"),
        ("br;q=0, gzip; q=0", "", b"as it is"),
        ("identity", "", b"as it is"),
        ("brr", "", b"as it is"),
    ] {
        let answer = ask("/", &[(ACCEPT_ENCODING, takes)]);
        assert_eq!(said(&answer, &CONTENT_ENCODING), encoding, "{takes}");
        assert_eq!(said(&answer, &CONTENT_LENGTH), bytes.len().to_string());
        assert!(said(&answer, &VARY).contains("accept-encoding"));
        assert_eq!(body(answer).await, bytes);
    }
}

#[tokio::test]
async fn a_copy_that_is_still_right_is_not_sent_again() {
    for held in ["W/\"tag\"", "\"tag\"", "\"other\", W/\"tag\"", "*"] {
        let answer = ask("/", &[(IF_NONE_MATCH, held)]);
        assert_eq!(answer.status(), StatusCode::NOT_MODIFIED, "{held}");
        assert_eq!(said(&answer, &ETAG), "W/\"tag\"");
        assert!(said(&answer, &CONTENT_SECURITY_POLICY).contains("default-src 'none'"));
        assert!(body(answer).await.is_empty());
    }
    let answer = ask("/", &[(IF_NONE_MATCH, "\"old\"")]);
    assert_eq!(answer.status(), StatusCode::OK);
}

#[test]
fn every_answer_lets_only_the_portals_own_code_run_and_nobody_frame_it() {
    for path in ["/", "/assets/app-Ab12Cd34.js", "/h/x"] {
        let answer = ask(path, &[]);
        let policy = said(&answer, &CONTENT_SECURITY_POLICY);
        for part in [
            "default-src 'none'",
            "script-src 'self' 'wasm-unsafe-eval'",
            "connect-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'none'",
        ] {
            assert!(policy.split("; ").any(|own| own == part), "{part}");
        }
        assert!(!policy.contains("unsafe-eval'") || policy.contains("'wasm-unsafe-eval'"));
        assert!(
            !policy
                .replace("'wasm-unsafe-eval'", "")
                .contains("unsafe-eval")
        );
        assert_eq!(said(&answer, &X_FRAME_OPTIONS), "DENY");
        assert_eq!(said(&answer, &REFERRER_POLICY), "no-referrer");
    }
}

#[test]
fn programs_addresses_never_answer_with_a_page() {
    for path in [
        "/api",
        "/api/",
        "/api/v1/nope",
        "/API/v1/me",
        "//api/v1/me",
        "/link",
        "/link/browser",
        "/linkage",
        "/Link/",
    ] {
        assert!(is_api(path), "{path}");
    }
    assert!(!is_api("/apiary") && !is_api("/h/api"));
}

#[test]
fn other_addresses_are_a_page_only_for_somebody_who_opens_one() {
    let html = [(ACCEPT, "text/html,application/xhtml+xml,*/*;q=0.8")];
    for path in ["/people", "/reports", "/sites/abc"] {
        assert_eq!(ask(path, &html).status(), StatusCode::OK, "{path}");
        assert_eq!(ask(path, &[]).status(), StatusCode::NOT_FOUND, "{path}");
    }
    let gone = [(ACCEPT, "*/*")];
    assert_eq!(
        ask("/assets/old-1.js", &gone).status(),
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        ask("/assets/old-1.js", &html).status(),
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_server_without_its_portal_says_how_to_build_it() {
    let answer = answer(&[], "/", &HeaderMap::new());

    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(!said(&answer, &CONTENT_SECURITY_POLICY).is_empty());
    let page = String::from_utf8(body(answer).await).unwrap();
    assert!(page.contains("cloud-prs/portal/build"));
}

/// Threat 2: no spelling of a way out is a file; what is answered, if
/// anything, is the page itself.
#[tokio::test]
async fn no_path_leaves_the_portal() {
    let html = [(ACCEPT, "text/html")];
    let corpus = [
        "/../etc/passwd",
        "/../../../../etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/%252e%252e%252fetc%252fpasswd",
        "/..%c0%af..%c0%afetc/passwd",
        "/%c0%ae%c0%ae/etc/passwd",
        "/..%5c..%5cetc%5cpasswd",
        "/....//....//etc/passwd",
        "/./index.html",
        "//etc/passwd",
        "///etc/passwd",
        "/assets/../../../etc/passwd",
        "/assets/..;/index.html",
        "/index.html%00.js",
        "/index.html/",
        "/index.html;x",
        "/assets/",
        "/assets",
        "/.stamp",
        "/.git/config",
        "/file:///etc/passwd",
        "/%5c%5chost%5cshare",
        "/c:/windows/win.ini",
        "/INDEX.HTML",
        "/index.html.br",
        "/assets/app-Ab12Cd34.js.gz",
    ];
    for path in corpus {
        let answer = ask(path, &html);
        let page = path == "/assets" || path == "/assets/";
        let status = if page {
            StatusCode::OK
        } else {
            StatusCode::NOT_FOUND
        };
        assert_eq!(answer.status(), status, "{path}");
        let text = String::from_utf8(body(answer).await).unwrap();
        assert!(!text.contains(SECRETS) && !text.contains("root:"), "{path}");
    }
}

proptest! {
    /// Threat 2, for any path at all: one of the table's files or nothing.
    #[test]
    fn any_path_is_a_file_of_the_table_the_page_or_nothing(path in "/[ -~]{0,80}") {
        let answer = ask(&path, &[(ACCEPT, "text/html")]);
        let table = SITE.iter().any(|file| file.path == path);
        if answer.status() == StatusCode::OK && !table {
            prop_assert_eq!(said(&answer, &CONTENT_TYPE), "text/html; charset=utf-8");
            prop_assert!(!path.contains(['.', '%', '\\', ';']), "{}", path);
        } else if !table {
            prop_assert_eq!(answer.status(), StatusCode::NOT_FOUND);
        }
    }
}

#[test]
fn the_built_table_is_in_order_and_whole() {
    assert!(FILES.is_sorted_by_key(|file| file.path));
    for file in FILES {
        assert_eq!(find(FILES, file.path).unwrap().tag, file.tag);
        let shorter = |copy: Option<&[u8]>| copy.is_none_or(|copy| copy.len() < file.plain.len());
        assert!(shorter(file.brotli) && shorter(file.gzip), "{}", file.path);
    }
    assert!(FILES.is_empty() || find(FILES, PAGE).is_some());
}
