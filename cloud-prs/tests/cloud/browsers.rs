//! Signing in with a browser: the cookie, whose page may use it, how long it
//! lives. A page is the headers that a browser sends for it.

use culvert_wire::api::{TokenKind, TokenList};
use culvert_wire::reason::Reason;

use crate::world::{From, HOUR, ORIGIN, PASSWORD, PLAIN_ORIGIN, Page, World, on_both};

const ME: &str = "/api/v1/me";
const OUT: &str = "/api/v1/sign-out";

fn credentials(name: &str, password: &str) -> String {
    format!(r#"{{"name":"{name}","password":"{password}"}}"#)
}

on_both! {
    /// Threat 6: the token is in a cookie that no script reads, and nowhere else.
    a_browser_gets_a_cookie_and_no_token, world => {
        let page = Page::default();
        let body = credentials("ann", PASSWORD);
        let (status, headers, body) =
            world.ask(&From::Page(&page), "POST", "/api/v1/sign-in", &body).await;

        assert_eq!(status, 200, "{body}");
        let cookie = headers["set-cookie"].to_str().unwrap();
        assert!(cookie.starts_with("__Host-culvert=culvert_"), "{cookie}");
        assert!(cookie.ends_with("; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=43200"));
        assert!(body.contains(r#""state":"done""#), "{body}");
        assert!(!body.contains("culvert_") && !body.contains("\"token\""), "{body}");
        let page = page.with_cookie(&headers);
        let (status, me) = world.send(&From::Page(&page), "GET", ME, "").await;
        assert_eq!(status, 200);
        assert!(me.contains(r#""name":"ann""#), "{me}");
    }
}

/// Threat 5: CSRF and login CSRF.
#[tokio::test]
async fn another_sites_page_can_use_neither_cookie_nor_sign_in() {
    let world = World::new().await;
    let own = world.browse("ann").await;
    let foreign = [
        own.clone().but("origin", Some("https://evil.example")),
        own.clone()
            .but("origin", Some("https://app.prs.example.com")),
        own.clone().but("origin", Some("null")),
        own.clone().but("origin", Some(PLAIN_ORIGIN)),
        own.clone().but("origin", None),
        own.clone().but("sec-fetch-site", Some("cross-site")),
        own.clone().but("sec-fetch-site", Some("same-site")),
    ];
    for page in &foreign {
        let from = From::Page(page);
        let (status, body) = world.send(&from, "POST", OUT, "").await;
        assert_eq!(status, 403, "{page:?}: {body}");
        let body = credentials("ann", PASSWORD);
        let (status, headers, _) = world.ask(&from, "POST", "/api/v1/sign-in", &body).await;
        assert_eq!(status, 403, "{page:?}");
        assert!(!headers.contains_key("set-cookie"));
    }
    // The control: the sign-in is still there for its own page.
    let (status, _) = world.send(&From::Page(&own), "GET", ME, "").await;
    assert_eq!(status, 200);
    let (status, _) = world.send(&From::Page(&own), "POST", OUT, "").await;
    assert_eq!(status, 204);
}

#[tokio::test]
async fn signing_out_takes_the_cookie_away_and_makes_it_worthless() {
    let world = World::new().await;
    let page = world.browse("ann").await;

    let (status, headers, _) = world.ask(&From::Page(&page), "POST", OUT, "").await;

    assert_eq!(status, 204);
    let cookie = headers["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("__Host-culvert=;") && cookie.contains("Max-Age=0"));
    let (status, _) = world.send(&From::Page(&page), "GET", ME, "").await;
    assert_eq!(status, 401);
}

/// A sign-in of a program, an API token and a browser's cookie do not stand
/// for each other.
#[tokio::test]
async fn each_kind_of_token_counts_only_the_way_it_was_made_for() {
    let world = World::new().await;
    let scopes = [culvert_wire::api::TokenScope::Read];
    let api = world.api_token(&world.ann, &scopes).await;
    for secret in [&api, &world.ann.secret] {
        let cookie = format!("__Host-culvert={}", secret.reveal());
        let page = Page::default().but("cookie", Some(&cookie));
        let (status, _) = world.send(&From::Page(&page), "GET", ME, "").await;
        assert_eq!(status, 401);
    }
    let page = world.browse("ann").await;
    let (_, cookie) = page.headers.last().unwrap();
    let (_, token) = cookie.split_once('=').unwrap();
    let bearer = culvert_wire::api::Secret::new(token.into());
    let (status, _) = world.send(&From::Web(&bearer), "GET", ME, "").await;
    assert_eq!(status, 401);
    let device = world.ann.link.device;
    let by_link = world.app.actor_by_secret(token.as_bytes(), Some(&device));
    assert!(by_link.await.unwrap().is_none());
}

on_both! {
    a_browser_that_is_left_alone_is_signed_out_after_an_hour, world => {
        let page = world.browse("ann").await;
        let from = From::Page(&page);
        for _ in 0..11 {
            world.pass(HOUR - 1);
            assert_eq!(world.send(&from, "GET", ME, "").await.0, 200);
        }
        // Not for ever: 12 hours after the sign-in.
        world.pass(HOUR - 1);
        world.pass(12);
        assert_eq!(world.send(&from, "GET", ME, "").await.0, 401);

        let page = world.browse("ann").await;
        world.pass(HOUR);
        assert_eq!(world.send(&From::Page(&page), "GET", ME, "").await.0, 401);
    }
}

/// What stays open by itself, such as a stream of events, keeps no sign-in alive.
#[tokio::test]
async fn asking_whether_a_sign_in_still_holds_is_no_use_of_it() {
    let world = World::new().await;
    let page = world.browse("ann").await;
    let call = world.call(&world.ann).await;
    let tokens = world.app.tokens(&call).await.unwrap();
    let (_, info) = tokens
        .iter()
        .find(|(_, info)| info.kind == TokenKind::Browser)
        .unwrap();
    for _ in 0..60 {
        world.pass(HOUR / 60);
        let _ = world.app.actor_still(info.id).await.unwrap();
    }
    assert!(world.app.actor_still(info.id).await.unwrap().is_none());
    assert_eq!(world.send(&From::Page(&page), "GET", ME, "").await.0, 401);
}

#[tokio::test]
async fn sign_ins_are_listed_with_browser_and_address_and_taken_back_one_by_one() {
    let world = World::new().await;
    let (mine, other) = (world.browse("ann").await, world.browse("ann").await);
    let (_, list) = world
        .send(&From::Page(&mine), "GET", "/api/v1/tokens", "")
        .await;
    let list: TokenList = serde_json::from_str(&list).unwrap();
    let browsers: Vec<_> = list
        .tokens
        .iter()
        .filter(|token| token.kind == TokenKind::Browser)
        .collect();
    assert_eq!(browsers.len(), 2);
    assert!(
        browsers
            .iter()
            .all(|t| t.label == "Firefox on Linux" && t.from == "192.0.2.9")
    );
    let stolen = browsers.iter().find(|token| !token.current).unwrap();

    let path = format!("/api/v1/tokens/{}", stolen.id);
    let (status, _) = world.send(&From::Page(&mine), "DELETE", &path, "").await;

    assert_eq!(status, 204);
    assert_eq!(world.send(&From::Page(&other), "GET", ME, "").await.0, 401);
    assert_eq!(world.send(&From::Page(&mine), "GET", ME, "").await.0, 200);
}

/// Threat 28: bytes and headers alike for known and unknown names.
#[tokio::test]
async fn wrong_name_and_wrong_password_read_the_same_in_a_browser() {
    let world = World::new().await;
    let page = Page::default();
    let mut answers = Vec::new();
    for (name, password) in [("ann", "wrong password"), ("nobody", PASSWORD)] {
        let body = credentials(name, password);
        answers.push(
            world
                .ask(&From::Page(&page), "POST", "/api/v1/sign-in", &body)
                .await,
        );
    }
    assert_eq!(answers[0].0, 401);
    assert_eq!(answers[0], answers[1]);
    assert!(answers[0].2.contains(Reason::SignInRefused.slug()));
}

/// The demo's listener without TLS has its own cookie and its own origin.
#[tokio::test]
async fn without_tls_the_cookie_has_its_plain_name() {
    let world = World::new().await;
    let mut page = Page::default().but("origin", Some(PLAIN_ORIGIN));
    page.plain = true;
    let body = credentials("ann", PASSWORD);
    let (status, headers, _) = world
        .ask(&From::Page(&page), "POST", "/api/v1/sign-in", &body)
        .await;
    assert_eq!(status, 200);
    assert!(
        headers["set-cookie"]
            .to_str()
            .unwrap()
            .starts_with("culvert=culvert_")
    );
    let page = page.with_cookie(&headers);
    assert_eq!(world.send(&From::Page(&page), "GET", ME, "").await.0, 200);

    let tls = page.clone().but("origin", Some(ORIGIN));
    assert_eq!(world.send(&From::Page(&tls), "POST", OUT, "").await.0, 403);
}
