//! Bad input: 64 KB of anything at every route of the description, as nobody, as
//! somebody and as an owner. Each gets one short answer, nothing is repeated, and
//! the server goes on.
//!
//! Routes come from the OpenAPI description, the shapes of bodies are fixed and
//! their bytes seeded: `CULVERT_SEED` gives another seed, `CULVERT_LONG` more of
//! them.

use std::io::Write as _;
use std::sync::Arc;

use axum::body::Body;
use culvert_wire::api::{NodeRef, Role};
use http_body_util::BodyExt as _;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::quick::Quick;
use crate::world::{World, assign};

const LONG: usize = 64 * 1024;
/// What the answers must not repeat.
const CANARY: &str = "hunter2canary";

/// Texts and bytes that somebody may send instead of a body.
fn bodies(draw: &mut StdRng) -> Vec<Vec<u8>> {
    let mut noise = vec![0; LONG];
    draw.fill(&mut noise[..]);
    let mut text: Vec<u8> = noise.iter().map(|byte| 32 + byte % 95).collect();
    text.truncate(LONG - 2 * CANARY.len());
    text.extend_from_slice(CANARY.as_bytes());
    let long = "x".repeat(LONG - 64);
    let turned = "\u{202e}\u{0}".repeat(1000);
    vec![
        noise,
        text,
        vec![0; LONG],
        vec![b'['; LONG],
        b"{\"a\":".repeat(LONG / 5),
        vec![b'9'; LONG],
        format!("\"{long}\"").into_bytes(),
        format!("{{\"{CANARY}\":\"{long}\"}}").into_bytes(),
        json!({ "name": turned, "password": long, "label": CANARY })
            .to_string()
            .into_bytes(),
        format!("name,address\n{}", "a,b\n".repeat(LONG / 4)).into_bytes(),
        format!("name,address,{CANARY}\n\"{long}").into_bytes(),
        b"\xff\xfe\x00\x00{}".to_vec(),
        Vec::new(),
    ]
}

/// A field of a good body, which the description names, made 64 KB long.
fn swollen(api: &Value, operation: &Value) -> Vec<Vec<u8>> {
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"]["$ref"];
    let name = schema.as_str().unwrap_or_default().rsplit('/').next();
    let schema = &api["components"]["schemas"][name.unwrap_or_default()];
    let Some(fields) = schema["properties"].as_object() else {
        return Vec::new();
    };
    let mut made = Vec::new();
    for big in fields.keys() {
        for value in [
            json!("x".repeat(LONG)),
            json!(vec!["y"; LONG / 4]),
            json!(vec![json!({ "kind": CANARY }); 2000]),
            json!(-1e308),
            json!(u64::MAX),
            json!({ "a": { "b": [null] } }),
        ] {
            let body: serde_json::Map<String, Value> = fields
                .keys()
                .map(|field| match field == big {
                    true => (field.clone(), value.clone()),
                    false => (field.clone(), json!("aaaaaaaa")),
                })
                .collect();
            made.push(Value::Object(body).to_string().into_bytes());
        }
    }
    made
}

/// Ids and queries that are none.
fn paths(path: &str) -> Vec<String> {
    let fill = |with: &str| {
        let mut out = String::new();
        let mut rest = path;
        while let Some((before, after)) = rest.split_once('{') {
            out += before;
            out += with;
            rest = after.split_once('}').map_or("", |(_, rest)| rest);
        }
        out + rest
    };
    let id = "a".repeat(26);
    let mut all = vec![
        fill(&id),
        fill(&"a".repeat(8000)),
        fill("..%2f..%2fetc%2fpasswd"),
        fill("%00%ff"),
        format!("{}?{}", fill(&id), "q=%25&".repeat(1000)),
        format!("{}?{CANARY}=%ff&limit=-1&before=1e9", fill(&id)),
    ];
    all.dedup();
    all
}

/// One answer, if the request can be made at all.
async fn answer(
    world: &World,
    method: &str,
    path: &str,
    who: Option<&Quick>,
    body: &[u8],
) -> Option<(u16, String)> {
    let mut request = http::Request::builder().method(method).uri(path);
    if let Some(who) = who {
        request = request.extension(Arc::clone(&who.link));
    }
    let request = request.body(Body::from(body.to_vec())).ok()?;
    let response = world.router.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    Some((status, String::from_utf8(bytes.to_vec()).unwrap()))
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_kilobytes_of_anything_get_one_short_answer_at_every_route() {
    let seed = std::env::var("CULVERT_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(rand::random);
    let rounds = if std::env::var_os("CULVERT_LONG").is_some() {
        20
    } else {
        1
    };
    let mut draw = StdRng::seed_from_u64(seed);
    let world = World::new().await;
    let (_, api) = culvert_cloud_prs::http::router(world.app.clone());
    let api: Value = serde_json::from_str(&api.to_json().unwrap()).unwrap();
    let (mut routes, mut sent) = (0, 0);
    for (path, item) in api["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let method = method.to_uppercase();
            if !["GET", "PUT", "POST", "PATCH", "DELETE"].contains(&method.as_str())
                || path.ends_with("/events")
            {
                continue;
            }
            routes += 1;
            let taken = !operation["requestBody"].is_null();
            // Somebody new for each: her calls may sign her out.
            let (owner, reader) = (Quick::new(&world).await, Quick::new(&world).await);
            assign(&world.app, owner.id, Role::Owner, NodeRef::All).await;
            let mut all = swollen(&api, operation);
            for _ in 0..rounds {
                all.extend(bodies(&mut draw));
            }
            let paths = paths(path);
            for (number, body) in all.iter().enumerate() {
                // Every body at the well-formed path, every path with one body.
                let path = paths
                    .get(number)
                    .filter(|_| number > 0)
                    .unwrap_or(&paths[0]);
                for who in [Some(&owner), Some(&reader), None] {
                    // The others get no further: a sample of theirs.
                    if !std::ptr::eq(who.unwrap_or(&reader), &owner) && number % 4 != 0 {
                        continue;
                    }
                    let Some((status, said)) = answer(&world, &method, path, who, body).await
                    else {
                        continue;
                    };
                    sent += 1;
                    let what = format!(
                        "seed {seed}: {method} {}: {status} {said:.300}",
                        &path[..path.len().min(80)]
                    );
                    assert!(status < 500, "{what}");
                    if status >= 400 {
                        assert!(said.len() < 600, "{what}");
                        let refused: Value = serde_json::from_str(&said).expect(&what);
                        assert!(
                            refused["reason"].is_string() && !said.contains(CANARY),
                            "{what}"
                        );
                    } else {
                        // Only what takes no body, or takes a table as text, works.
                        assert!(who.is_some() && (!taken || !body.is_empty()), "{what}");
                    }
                }
            }
        }
    }
    assert!(routes > 80, "{routes} routes");
    let _ = writeln!(
        std::io::stderr(),
        "sample: {sent} bad requests at {routes} routes, CULVERT_SEED={seed}"
    );
    // And everybody else is served.
    let anns = culvert_cloud_prs::app::Call::console("test".into());
    assert!(world.app.audit_verify(&[]).await.unwrap().is_ok());
    assert_eq!(world.app.customers(&anns).await.unwrap().len(), 2);
}
