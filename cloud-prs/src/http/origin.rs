//! From where a browser asks: its own cookie and Origin, or nothing.
//!
//! The cookie is `__Host-culvert` with SameSite=Strict; on the listener that
//! only this computer reaches, which has no TLS, plain `culvert`. A request
//! that changes something needs an Origin that is exactly one of the server's
//! own; one that only reads must not come from another site's page (threat 5).

use axum::http::header::{COOKIE, ORIGIN, USER_AGENT};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method};

use crate::app::{AppError, Visitor};
use crate::plane::ConnInfo;
use culvert_wire::reason::Reason;

/// The cookie's name over HTTPS: a browser takes it only with Secure, Path=/
/// and no Domain.
const COOKIE_NAME: &str = "__Host-culvert";
/// Its name on the listener without TLS.
const PLAIN_COOKIE_NAME: &str = "culvert";
/// Longest cookie that is looked at, in bytes.
const MAX_COOKIE: usize = 200;
/// How long a browser keeps it, in seconds; the server decides by itself.
const COOKIE_SECONDS: u32 = 12 * 3600;
/// Longest description of a browser that is looked at, in bytes.
const MAX_AGENT: usize = 512;

/// A request that came over HTTP, not over a link.
#[derive(Debug, Clone)]
pub(super) struct Web {
    /// Who asks, as far as a server can tell.
    pub(super) visitor: Visitor,
    plain: bool,
}

impl Web {
    /// What a request says, if it came over HTTP.
    pub(super) fn of(parts: &Parts) -> Option<Self> {
        let info = parts.extensions.get::<ConnInfo>()?;
        let agent = text(&parts.headers, USER_AGENT).filter(|text| text.len() <= MAX_AGENT);
        Some(Self {
            visitor: Visitor {
                from: info.peer.ip(),
                agent: agent.unwrap_or_default().to_owned(),
            },
            plain: info.plain,
        })
    }

    /// The cookie of a request.
    pub(super) fn cookie<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let all = headers.get_all(COOKIE).iter();
        let pairs = all
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='));
        let mut own = pairs.filter(|(name, _)| *name == self.cookie_name());
        own.next()
            .map(|(_, value)| value)
            .filter(|value| value.len() <= MAX_COOKIE)
    }

    /// The header that gives a browser its cookie.
    pub(super) fn set_cookie(&self, token: &str) -> HeaderValue {
        self.cookie_header(token, COOKIE_SECONDS)
    }

    /// The header that takes it away.
    pub(super) fn clear_cookie(&self) -> HeaderValue {
        self.cookie_header("", 0)
    }

    fn cookie_header(&self, value: &str, seconds: u32) -> HeaderValue {
        let name = self.cookie_name();
        let secure = if self.plain { "" } else { "; Secure" };
        let text =
            format!("{name}={value}; Path=/{secure}; HttpOnly; SameSite=Strict; Max-Age={seconds}");
        HeaderValue::try_from(text).expect("a token is letters and digits")
    }

    const fn cookie_name(&self) -> &'static str {
        if self.plain {
            PLAIN_COOKIE_NAME
        } else {
            COOKIE_NAME
        }
    }

    /// Refuses a request that another site's page may have made. `own` are
    /// the server's origins; with TLS only those with `https` count, without
    /// only those without.
    pub(super) fn own_page(
        &self,
        method: &Method,
        headers: &HeaderMap,
        own: &[String],
    ) -> Result<(), AppError> {
        let reads = matches!(*method, Method::GET | Method::HEAD);
        let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
        let site_fits = match site {
            None | Some(b"same-origin") => true,
            // Typed or bookmarked: a person's own doing.
            Some(b"none") => reads,
            Some(_) => false,
        };
        let origin_fits = match headers.get(ORIGIN) {
            None => reads,
            Some(_) => text(headers, ORIGIN).is_some_and(|origin| self.is_own(origin, own)),
        };
        // More than one is nobody's honest doing.
        let one = headers.get_all(ORIGIN).iter().count() <= 1;
        if site_fits && origin_fits && one {
            Ok(())
        } else {
            Err(AppError::new(
                Reason::NotAllowed,
                "this request did not come from the portal's own page",
            ))
        }
    }

    /// The origin of the page, if it is one of the server's own.
    pub(super) fn origin(&self, headers: &HeaderMap, own: &[String]) -> Option<String> {
        let origin = text(headers, ORIGIN)?;
        self.is_own(origin, own).then(|| origin.to_owned())
    }

    fn is_own(&self, origin: &str, own: &[String]) -> bool {
        let scheme = if self.plain { "http://" } else { "https://" };
        origin.starts_with(scheme) && own.iter().any(|known| known == origin)
    }
}

fn text(headers: &HeaderMap, name: http::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn web(plain: bool) -> Web {
        Web {
            visitor: Visitor {
                from: [127, 0, 0, 1].into(),
                agent: String::new(),
            },
            plain,
        }
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn own() -> Vec<String> {
        vec![
            "https://prs.example.com".into(),
            "http://localhost:8080".into(),
        ]
    }

    /// Threat 5: evil origin, sibling subdomain, `null`, missing Origin.
    #[test]
    fn only_the_portals_own_page_changes_something() {
        let post = |pairs: &[(&'static str, &str)]| {
            web(false)
                .own_page(&Method::POST, &headers(pairs), &own())
                .is_ok()
        };
        let good = ("origin", "https://prs.example.com");

        assert!(post(&[good]));
        assert!(post(&[good, ("sec-fetch-site", "same-origin")]));
        for bad in [
            "https://evil.example",
            "https://app.prs.example.com",
            "https://prs.example.com.evil.example",
            "https://prs.example.com:8443",
            "http://prs.example.com",
            "http://localhost:8080",
            "https://PRS.example.com",
            "null",
            "",
        ] {
            assert!(!post(&[("origin", bad)]), "{bad}");
        }
        assert!(!post(&[]));
        for site in ["cross-site", "same-site", "none", ""] {
            assert!(!post(&[good, ("sec-fetch-site", site)]), "{site}");
        }
        assert!(!post(&[good, ("origin", "https://evil.example")]));
    }

    #[test]
    fn reading_needs_no_origin_but_no_other_site_may_ask() {
        let get = |pairs: &[(&'static str, &str)]| {
            web(false)
                .own_page(&Method::GET, &headers(pairs), &own())
                .is_ok()
        };
        assert!(get(&[]));
        assert!(get(&[("sec-fetch-site", "none")]));
        assert!(!get(&[("sec-fetch-site", "same-site")]));
        assert!(!get(&[("origin", "https://evil.example")]));
    }

    #[test]
    fn each_listener_has_its_own_origins_and_its_own_cookie() {
        let here = headers(&[("origin", "http://localhost:8080")]);
        assert!(web(true).own_page(&Method::POST, &here, &own()).is_ok());
        let there = headers(&[("origin", "https://prs.example.com")]);
        assert!(web(true).own_page(&Method::POST, &there, &own()).is_err());

        let both = headers(&[("cookie", "a=b; culvert=plain; __Host-culvert=tls")]);
        assert_eq!(web(true).cookie(&both), Some("plain"));
        assert_eq!(web(false).cookie(&both), Some("tls"));
        let long = format!("__Host-culvert={}", "x".repeat(500));
        assert_eq!(web(false).cookie(&headers(&[("cookie", &long)])), None);
    }

    #[test]
    fn the_cookie_is_for_this_host_alone_and_for_no_script() {
        let tls = web(false).set_cookie("culvert_abc");
        assert_eq!(
            tls.to_str().unwrap(),
            "__Host-culvert=culvert_abc; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=43200"
        );
        let plain = web(true).clear_cookie();
        assert_eq!(
            plain.to_str().unwrap(),
            "culvert=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0"
        );
    }
}
