//! Passkeys (WebAuthn) against an authenticator in software: real keys, real
//! signatures. A real browser's is driven by the portal's tests.

use ciborium::Value as Cbor;
use data_encoding::BASE64URL_NOPAD;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData as _, SigningKey as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::world::{From, ORIGIN, PASSWORD, Page, World, on_both};

const SITE: &str = "prs.example.com";

/// An authenticator with one key.
struct Authenticator {
    key: KeyPair,
    id: Vec<u8>,
    counter: u32,
    flags: u8,
    origin: &'static str,
    site: &'static str,
}

impl Authenticator {
    fn new() -> Self {
        Self {
            key: KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap(),
            id: rand::random::<[u8; 16]>().to_vec(),
            counter: 0,
            flags: 0x05,
            origin: ORIGIN,
            site: SITE,
        }
    }

    fn client(&self, kind: &str, options: &Value) -> Vec<u8> {
        let data = json!({
            "type": kind,
            "challenge": options["challenge"],
            "origin": self.origin,
            "crossOrigin": false,
        });
        data.to_string().into_bytes()
    }

    fn data(&self, with_key: bool) -> Vec<u8> {
        let mut data = Sha256::digest(self.site).to_vec();
        data.push(self.flags | if with_key { 0x40 } else { 0 });
        data.extend(self.counter.to_be_bytes());
        if with_key {
            data.extend([0; 16]);
            data.extend(u16::try_from(self.id.len()).unwrap().to_be_bytes());
            data.extend(&self.id);
            let point = self.key.der_bytes();
            let number = |n: i64| Cbor::Integer(n.into());
            let key = Cbor::Map(vec![
                (number(1), number(2)),
                (number(3), number(-7)),
                (number(-1), number(1)),
                (number(-2), Cbor::Bytes(point[1..33].to_vec())),
                (number(-3), Cbor::Bytes(point[33..].to_vec())),
            ]);
            ciborium::into_writer(&key, &mut data).unwrap();
        }
        data
    }

    fn create(&self, options: &Value) -> Value {
        let object = Cbor::Map(vec![
            (Cbor::Text("fmt".into()), Cbor::Text("none".into())),
            (Cbor::Text("attStmt".into()), Cbor::Map(vec![])),
            (Cbor::Text("authData".into()), Cbor::Bytes(self.data(true))),
        ]);
        let mut attestation = Vec::new();
        ciborium::into_writer(&object, &mut attestation).unwrap();
        json!({
            "id": BASE64URL_NOPAD.encode(&self.id),
            "type": "public-key",
            "response": {
                "clientDataJSON": BASE64URL_NOPAD.encode(&self.client("webauthn.create", options)),
                "attestationObject": BASE64URL_NOPAD.encode(&attestation),
            },
        })
    }

    fn get(&mut self, options: &Value) -> Value {
        self.counter += 1;
        let (client, data) = (self.client("webauthn.get", options), self.data(false));
        let signed = [data.as_slice(), &Sha256::digest(&client)].concat();
        let signature = self.key.sign(&signed).unwrap();
        json!({
            "id": BASE64URL_NOPAD.encode(&self.id),
            "type": "public-key",
            "response": {
                "clientDataJSON": BASE64URL_NOPAD.encode(&client),
                "authenticatorData": BASE64URL_NOPAD.encode(&data),
                "signature": BASE64URL_NOPAD.encode(&signature),
                "userHandle": null,
            },
        })
    }
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

async fn add(world: &World, page: &Page, key: &Authenticator) -> (u16, Value) {
    let (status, begun) = post(world, page, "/api/v1/me/passkeys/begin", Value::Null).await;
    assert_eq!(status, 200, "{begun}");
    assert_eq!(begun["options"]["rp"]["id"], json!(SITE));
    let body = json!({ "challenge": begun["challenge"], "label": "Yubi",
        "passkey": key.create(&begun["options"]) });
    post(world, page, "/api/v1/me/passkeys/finish", body).await
}

async fn begin(world: &World, body: Value) -> Value {
    let page = Page::default();
    let (status, begun) = post(world, &page, "/api/v1/sign-in/passkey/begin", body).await;
    assert_eq!(status, 200, "{begun}");
    begun
}

async fn finish(world: &World, begun: &Value, passkey: Value) -> (u16, Value) {
    let body = json!({ "challenge": begun["challenge"], "passkey": passkey });
    post(
        world,
        &Page::default(),
        "/api/v1/sign-in/passkey/finish",
        body,
    )
    .await
}

on_both! {
    a_passkey_signs_in_alone_and_as_the_second_factor, world => {
        let page = world.browse("ann").await;
        let mut key = Authenticator::new();
        let (status, said) = add(&world, &page, &key).await;
        assert_eq!(status, 201, "{said}");

        let begun = begin(&world, json!({})).await;
        assert_eq!(begun["options"]["userVerification"], json!("required"));
        assert_eq!(begun["options"]["allowCredentials"], json!([]));
        let answer = key.get(&begun["options"]);
        let (status, said) = finish(&world, &begun, answer.clone()).await;
        assert_eq!((status, &said["me"]["user"]["name"]), (200, &json!("ann")), "{said}");
        // The same answer again: the challenge is used up.
        assert_eq!(finish(&world, &begun, answer).await.0, 403);

        let body = json!({ "name": "ann", "password": PASSWORD });
        let (_, waiting) = post(&world, &Page::default(), "/api/v1/sign-in", body).await;
        assert_eq!(waiting["methods"], json!(["passkey"]));
        let begun = begin(&world, json!({ "challenge": waiting["challenge"] })).await;
        assert_eq!(begun["options"]["allowCredentials"].as_array().unwrap().len(), 1);
        let answer = key.get(&begun["options"]);
        let (status, said) = finish(&world, &begun, answer).await;
        assert_eq!(status, 200, "{said}");
    }
}

/// A whole office comes from one address: who signs in with two factors leaves
/// nothing that counts against the next one.
#[tokio::test]
async fn one_network_signs_in_with_two_factors_as_often_as_it_likes() {
    let world = World::new().await;
    let page = world.browse("ann").await;
    let mut key = Authenticator::new();
    assert_eq!(add(&world, &page, &key).await.0, 201);
    for n in 0..35 {
        let body = json!({ "name": "ann", "password": PASSWORD });
        let (status, waiting) = post(&world, &Page::default(), "/api/v1/sign-in", body).await;
        assert_eq!(status, 200, "{n}: {waiting}");
        let begun = begin(&world, json!({ "challenge": waiting["challenge"] })).await;
        let answer = key.get(&begun["options"]);
        let (status, said) = finish(&world, &begun, answer).await;
        assert_eq!(status, 200, "{n}: {said}");
    }
}

/// Anybody may ask for a passkey's challenge: one network asks a bounded number of
/// times, and a sign-in whose password fitted goes on all the same.
#[tokio::test]
async fn questions_without_end_are_refused_and_hold_up_no_second_step() {
    let world = World::new().await;
    let page = world.browse("ann").await;
    let mut key = Authenticator::new();
    assert_eq!(add(&world, &page, &key).await.0, 201);
    let body = json!({ "name": "ann", "password": PASSWORD });
    let (_, waiting) = post(&world, &Page::default(), "/api/v1/sign-in", body).await;
    let (stranger, path) = (Page::default(), "/api/v1/sign-in/passkey/begin");
    let mut answers = Vec::new();
    for _ in 0..310 {
        let (status, _) = post(&world, &stranger, path, json!({})).await;
        answers.push(status);
    }
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 300);
    assert_eq!(answers.last(), Some(&429));

    let begun = begin(&world, json!({ "challenge": waiting["challenge"] })).await;
    let answer = key.get(&begun["options"]);
    let (status, said) = finish(&world, &begun, answer).await;
    assert_eq!(status, 200, "{said}");
}

/// Another site's page, another site's key, nobody there, a copy, a wrong key.
#[tokio::test]
async fn a_passkeys_answer_that_is_not_all_right_signs_nobody_in() {
    let world = World::new().await;
    let page = world.browse("ann").await;
    let mut key = Authenticator::new();
    assert_eq!(add(&world, &page, &key).await.0, 201);
    type Spoil = fn(&mut Authenticator);
    let spoils: [(&str, Spoil); 6] = [
        ("origin", |key| key.origin = "https://evil.example"),
        ("sibling", |key| key.origin = "https://app.prs.example.com"),
        ("site", |key| key.site = "evil.example"),
        ("nobody touched it", |key| key.flags = 0x04),
        ("nobody was checked", |key| key.flags = 0x01),
        ("another key", |_| {}),
    ];
    for (what, spoil) in spoils {
        let begun = begin(&world, json!({})).await;
        let (origin, site, flags) = (key.origin, key.site, key.flags);
        let own = what != "another key";
        let mut other = Authenticator::new();
        other.id.clone_from(&key.id);
        let bad = if own { &mut key } else { &mut other };
        bad.counter += 10;
        spoil(bad);
        let answer = bad.get(&begun["options"]);
        (key.origin, key.site, key.flags) = (origin, site, flags);
        assert_eq!(finish(&world, &begun, answer).await.0, 401, "{what}");
    }
    // The control.
    let begun = begin(&world, json!({})).await;
    let answer = key.get(&begun["options"]);
    assert_eq!(finish(&world, &begun, answer).await.0, 200);
}

#[tokio::test]
async fn a_copied_passkey_is_noticed_by_its_counter() {
    let world = World::new().await;
    let page = world.browse("ann").await;
    let mut key = Authenticator::new();
    assert_eq!(add(&world, &page, &key).await.0, 201);
    key.counter = 9;
    for (counter, expected) in [(9, 200), (9, 401), (3, 401), (10, 200)] {
        key.counter = counter;
        let begun = begin(&world, json!({})).await;
        let answer = key.get(&begun["options"]);
        assert_eq!(
            finish(&world, &begun, answer).await.0,
            expected,
            "{counter}"
        );
    }
}

/// Threat 28: a passkey alone that is refused is in the trail, with the name of
/// its owner when it is known, and guessing is slowed down.
#[tokio::test]
async fn a_refused_passkey_alone_is_recorded_and_its_network_slowed_down() {
    let world = World::new().await;
    let page = world.browse("ann").await;
    let mut known = Authenticator::new();
    assert_eq!(add(&world, &page, &known).await.0, 201);
    let mut unknown = Authenticator::new();
    known.flags = 0x01;
    for key in [&mut known, &mut unknown] {
        let begun = begin(&world, json!({})).await;
        let answer = key.get(&begun["options"]);
        assert_eq!(finish(&world, &begun, answer).await.0, 401);
    }

    let console = crate::world::console();
    let refused = async || {
        let rows = world
            .app
            .audit_rows(&console, None, None, 500)
            .await
            .unwrap();
        let of = |row: &&culvert_cloud_prs::audit::Entry| {
            row.action == "sign-in" && row.outcome != "done"
        };
        rows.iter()
            .filter(of)
            .map(|row| (row.actor_name.clone(), row.outcome.clone()))
            .collect::<Vec<_>>()
    };
    let rows = refused().await;
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert!(rows.iter().any(|(name, _)| name == "ann"), "{rows:?}");
    let mut last = 0;
    for _ in 0..40 {
        let begun = begin(&world, json!({})).await;
        let answer = unknown.get(&begun["options"]);
        last = finish(&world, &begun, answer).await.0;
    }
    assert_eq!(last, 429);
    let rows = refused().await;
    assert!(rows.len() < 40, "no flood of rows: {}", rows.len());
    // The right one waits, too, and then gets in.
    known.flags = 0x05;
    let begun = begin(&world, json!({})).await;
    let answer = known.get(&begun["options"]);
    assert_eq!(finish(&world, &begun, answer).await.0, 429);
    world.pass(5 * 60_000);
    let begun = begin(&world, json!({})).await;
    let answer = known.get(&begun["options"]);
    assert_eq!(finish(&world, &begun, answer).await.0, 200);
}

#[tokio::test]
async fn a_new_passkey_belongs_to_the_sign_in_that_asked_and_to_one_person() {
    let world = World::new().await;
    let (ann, bob) = (world.browse("ann").await, world.browse("bob").await);
    let key = Authenticator::new();
    let (_, begun) = post(&world, &ann, "/api/v1/me/passkeys/begin", Value::Null).await;
    let body = json!({ "challenge": begun["challenge"], "passkey": key.create(&begun["options"]) });
    let (status, _) = post(&world, &bob, "/api/v1/me/passkeys/finish", body.clone()).await;
    assert_eq!(status, 403);
    let (status, _) = post(&world, &ann, "/api/v1/me/passkeys/finish", body.clone()).await;
    assert_eq!(status, 201);
    let (status, _) = post(&world, &ann, "/api/v1/me/passkeys/finish", body).await;
    assert_eq!(status, 403);
    assert_eq!(add(&world, &bob, &key).await.0, 409);
    // And it goes away with its person's word.
    let (_, list) = world
        .send(&From::Page(&ann), "GET", "/api/v1/me/passkeys", "")
        .await;
    let list: Value = serde_json::from_str(&list).unwrap();
    let path = format!(
        "/api/v1/me/passkeys/{}",
        list["passkeys"][0]["id"].as_str().unwrap()
    );
    assert_eq!(
        world.send(&From::Page(&bob), "DELETE", &path, "").await.0,
        404
    );
    assert_eq!(
        world.send(&From::Page(&ann), "DELETE", &path, "").await.0,
        204
    );
    let me = world
        .send(&From::Page(&ann), "GET", "/api/v1/me", "")
        .await
        .1;
    assert!(me.contains("\"passkeys\":0"), "{me}");
}

proptest::proptest! {
    /// Foreign bytes give errors, never panics.
    #[test]
    fn whatever_a_page_sends_is_answered(
        client in proptest::collection::vec(proptest::num::u8::ANY, 0..200),
        object in proptest::collection::vec(proptest::num::u8::ANY, 0..400),
        flip in 0_usize..300,
    ) {
        use culvert_cloud_prs::webauthn::{self, Expected, Registration};
        let expected = Expected { challenge: &[0; 32], origin: ORIGIN, site: SITE, verified: true };
        let registration = |client: &[u8], object: &[u8]| -> Registration {
            serde_json::from_value(json!({ "response": {
                "clientDataJSON": BASE64URL_NOPAD.encode(client),
                "attestationObject": BASE64URL_NOPAD.encode(object),
            }})).unwrap()
        };
        let _ = webauthn::register(&registration(&client, &object), &expected);
        // A good one with one byte changed gets further in.
        let key = Authenticator::new();
        let options = json!({ "challenge": BASE64URL_NOPAD.encode(&[0; 32]) });
        let good: Registration = serde_json::from_value(key.create(&options)).unwrap();
        let taken = webauthn::register(&good, &expected);
        proptest::prop_assert!(taken.is_ok());
        let mut bytes = BASE64URL_NOPAD.decode(good.response.attestation_object.as_bytes()).unwrap();
        let at = flip % bytes.len();
        bytes[at] ^= 0xff;
        let good_client = BASE64URL_NOPAD.decode(good.response.client_data.as_bytes()).unwrap();
        let _ = webauthn::register(&registration(&good_client, &bytes), &expected);
    }
}
