//! Second factors by code: TOTP (RFC 6238), recovery codes, proving oneself
//! once more (threat 28).

use culvert_wire::api::{Secret, SignInAnswer};
use serde_json::{Value, json};
use totp_rs::Builder;

use crate::world::{From, PASSWORD, Page, World, on_both};

/// The code that an authenticator shows now.
fn code(world: &World, secret: &str) -> String {
    let secret = data_encoding::BASE32_NOPAD
        .decode(secret.as_bytes())
        .unwrap();
    let totp = Builder::new().with_secret(secret).build().unwrap();
    format!("{:06}", totp.generate(world.app.now().0 / 1000))
}

async fn post(world: &World, page: &Page, path: &str, body: Value) -> (u16, Value) {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let (status, said) = world.send(&From::Page(page), "POST", path, &body).await;
    (status, serde_json::from_str(&said).unwrap_or(Value::Null))
}

/// Sets an authenticator up; gives its secret.
async fn with_totp(world: &World, page: &Page) -> String {
    let (status, begun) = post(world, page, "/api/v1/me/totp/begin", Value::Null).await;
    assert_eq!(status, 200, "{begun}");
    let secret = begun["secret"].as_str().unwrap().to_owned();
    assert!(
        begun["url"]
            .as_str()
            .unwrap()
            .starts_with("otpauth://totp/Culvert:ann?secret=")
    );
    let body = json!({ "totp": code(world, &secret) });
    let (status, said) = post(world, page, "/api/v1/me/totp/confirm", body).await;
    assert_eq!(status, 204, "{said}");
    // The code of the confirmation is used up.
    world.pass(30_000);
    secret
}

/// The first step: the challenge of a sign-in that waits.
async fn first_step(world: &World) -> (Value, Page) {
    let page = Page::default();
    let body = json!({ "name": "ann", "password": PASSWORD });
    let (status, said) = post(world, &page, "/api/v1/sign-in", body).await;
    assert_eq!(
        (status, &said["state"]),
        (200, &json!("second_factor")),
        "{said}"
    );
    (said, page)
}

async fn second_step(world: &World, waiting: &Value, with: (&str, &str)) -> (u16, Value) {
    let mut body = json!({ "challenge": waiting["challenge"] });
    body[with.0] = json!(with.1);
    post(world, &Page::default(), "/api/v1/sign-in/second", body).await
}

on_both! {
    a_password_alone_is_not_enough_and_a_code_works_once, world => {
        let page = world.browse("ann").await;
        let secret = with_totp(&world, &page).await;

        let (waiting, _) = first_step(&world).await;
        assert_eq!(waiting["methods"], json!(["totp"]));
        let good = code(&world, &secret);
        let (status, said) = second_step(&world, &waiting, ("totp", &good)).await;
        assert_eq!((status, &said["state"]), (200, &json!("done")), "{said}");
        assert_eq!(said["me"]["two_factor"]["totp"], json!(true));

        // The same code again, in the same step of time, with a new sign-in.
        let (again, _) = first_step(&world).await;
        let (status, said) = second_step(&world, &again, ("totp", &good)).await;
        assert_eq!((status, &said["reason"]), (401, &json!("sign_in_refused")), "{said}");
        // The used challenge is over, too.
        let (status, _) = second_step(&world, &waiting, ("totp", &good)).await;
        assert_eq!(status, 403);
    }
}

on_both! {
    one_step_of_time_either_way_is_taken_and_not_two, world => {
        let page = world.browse("ann").await;
        let secret = with_totp(&world, &page).await;
        for (late, expected) in [(60_000, 401), (30_000, 200)] {
            world.pass(120_000);
            let old = code(&world, &secret);
            world.pass(late);
            let (waiting, _) = first_step(&world).await;
            let (status, said) = second_step(&world, &waiting, ("totp", &old)).await;
            assert_eq!(status, expected, "{late}: {said}");
        }
    }
}

on_both! {
    a_recovery_code_works_once_and_the_database_holds_none, world => {
        let page = world.browse("ann").await;
        with_totp(&world, &page).await;
        let (status, said) = post(&world, &page, "/api/v1/me/recovery-codes", Value::Null).await;
        assert_eq!(status, 200, "{said}");
        let codes = said["codes"].as_array().unwrap();
        assert_eq!(codes.len(), 10);
        let one = codes[3].as_str().unwrap();

        let (waiting, _) = first_step(&world).await;
        assert_eq!(waiting["methods"], json!(["totp", "recovery"]));
        let typed = one.to_uppercase().replace('-', " ");
        let (status, said) = second_step(&world, &waiting, ("recovery", &typed)).await;
        assert_eq!((status, &said["me"]["two_factor"]["recovery_left"]), (200, &json!(9)));
        let (again, _) = first_step(&world).await;
        let (status, _) = second_step(&world, &again, ("recovery", one)).await;
        assert_eq!(status, 401);
    }
}

/// Threat 28: whoever has the password does not get to try all codes.
#[tokio::test]
async fn guessing_codes_is_stopped_and_new_sign_ins_do_not_start_the_count_anew() {
    let world = World::new().await;
    let page = world.browse("ann").await;
    with_totp(&world, &page).await;
    let mut refused = 0;
    'guessing: for _ in 0..30 {
        let body = json!({ "name": "ann", "password": PASSWORD });
        let (status, waiting) = post(&world, &Page::default(), "/api/v1/sign-in", body).await;
        if status == 429 {
            break;
        }
        for _ in 0..5 {
            let (status, _) = second_step(&world, &waiting, ("totp", "000000")).await;
            if status == 429 {
                break 'guessing;
            }
            refused += 1;
        }
        // The limit for the password is another one.
        world.pass(5 * 60 * 1000);
    }
    assert!(refused <= 20, "{refused}");
}

#[tokio::test]
async fn a_challenge_is_over_after_five_wrong_answers_and_after_five_minutes() {
    let world = World::new().await;
    let page = world.browse("ann").await;
    let secret = with_totp(&world, &page).await;
    let (waiting, _) = first_step(&world).await;
    for _ in 0..5 {
        let (status, _) = second_step(&world, &waiting, ("totp", "000000")).await;
        assert_eq!(status, 401);
    }
    let good = code(&world, &secret);
    let (status, _) = second_step(&world, &waiting, ("totp", &good)).await;
    assert_eq!(status, 403);

    let (waiting, _) = first_step(&world).await;
    world.pass(5 * 60 * 1000);
    let good = code(&world, &secret);
    let (status, _) = second_step(&world, &waiting, ("totp", &good)).await;
    assert_eq!(status, 403);
}

/// `culvert login` is no way around the second factor.
#[tokio::test]
async fn a_link_needs_the_second_factor_too_and_its_own_challenge() {
    let world = World::new().await;
    let page = world.browse("ann").await;
    let secret = with_totp(&world, &page).await;
    let device = culvert_wire::key::SigningKey::from_seed(&[88; 32]).public();
    let link = culvert_cloud_prs::app::Caller::new(device, crate::world::from(), None);
    let via = culvert_cloud_prs::app::Via::Link(&link);
    let ask = culvert_wire::api::SignIn {
        name: "ann".into(),
        password: Secret::new(PASSWORD.into()),
        label: "laptop".into(),
    };
    let SignInAnswer::SecondFactor(needed) = world.app.sign_in(via, &ask).await.unwrap() else {
        panic!("the password alone signed in");
    };
    assert!(link.token().is_none());
    let good = code(&world, &secret);
    // A browser cannot finish what a link began.
    let waiting = json!({ "challenge": needed.challenge.reveal() });
    let (status, _) = second_step(&world, &waiting, ("totp", &good)).await;
    assert_eq!(status, 403);
    let answer = culvert_cloud_prs::app::second::SecondAnswer {
        challenge: needed.challenge,
        totp: Some(Secret::new(good)),
        recovery: None,
    };
    world.app.second_step(via, &answer).await.unwrap();
    assert!(link.token().is_some());
}

on_both! {
    /// Step-up: what is dangerous needs a proof of the last ten minutes.
    a_dangerous_action_waits_for_a_fresh_proof, world => {
        let page = world.browse("ann").await;
        let secret = with_totp(&world, &page).await;
        world.pass(11 * 60 * 1000);
        let token = json!({ "label": "x", "scopes": ["read"], "days": 1 });
        let (status, said) = post(&world, &page, "/api/v1/tokens", token.clone()).await;
        assert_eq!((status, &said["reason"]), (403, &json!("step_up_needed")));

        let wrong = json!({ "password": "wrong password" });
        let (status, _) = post(&world, &page, "/api/v1/step-up", wrong).await;
        assert_eq!(status, 401);
        let (status, _) = post(&world, &page, "/api/v1/tokens", token.clone()).await;
        assert_eq!(status, 403);

        let right = json!({ "totp": code(&world, &secret) });
        let (status, said) = post(&world, &page, "/api/v1/step-up", right).await;
        assert_eq!(status, 204, "{said}");
        let (status, _) = post(&world, &page, "/api/v1/tokens", token.clone()).await;
        assert_eq!(status, 201);
        // Her other sign-in was not proved.
        let link = From::Link(&world.ann.link);
        let (status, _) = world.send(&link, "POST", "/api/v1/tokens", &token.to_string()).await;
        assert_eq!(status, 403);
        world.pass(10 * 60 * 1000);
        let (status, _) = post(&world, &page, "/api/v1/tokens", token).await;
        assert_eq!(status, 403);
    }
}

/// A stolen database does not hold what makes codes.
#[tokio::test]
async fn the_secret_is_encrypted_at_rest() {
    let world = World::new().await;
    let page = world.browse("ann").await;
    let secret = with_totp(&world, &page).await;
    let raw = data_encoding::BASE32_NOPAD
        .decode(secret.as_bytes())
        .unwrap();
    let mut db = world.app.store().read().await.unwrap();
    let kept = culvert_cloud_prs::store::factors::totp(&mut db, world.ann.id).await;
    let kept = kept.unwrap().unwrap().secret;
    let bytes = data_encoding::BASE64.decode(kept.as_bytes()).unwrap();
    assert!(!bytes.windows(raw.len()).any(|window| window == raw));
    assert!(!kept.contains(&secret));
}
