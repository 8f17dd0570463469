//! Invitations, resets, off-boarding (S21, threats 8, 24, 27).

use culvert_wire::api::{NodeRef, Role, TokenScope};
use culvert_wire::reason::Reason;
use serde_json::{Value, json};

use crate::quick::Quick;
use crate::world::{From, HOUR, ORIGIN, PASSWORD, Page, World, assign, on_both, revoke};

async fn post(world: &World, page: &Page, path: &str, body: Value) -> (u16, Value) {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let (status, said) = world.send(&From::Page(page), "POST", path, &body).await;
    (status, serde_json::from_str(&said).unwrap_or(Value::Null))
}

async fn admin_at(world: &World, node: NodeRef) -> Quick {
    let who = Quick::new(world).await;
    assign(&world.app, who.id, Role::Administrator, node).await;
    who
}

fn invitation(world: &World, name: &str) -> Value {
    json!({
        "name": name,
        "assignments": [{
            "role": "technician",
            "node": { "kind": "customer", "id": world.a.customer },
        }],
    })
}

/// The secret of a link.
fn secret(link: &Value) -> String {
    let (page, secret) = link["link"].as_str().unwrap().split_once('#').unwrap();
    assert_eq!(page, format!("{ORIGIN}/invitation"));
    secret.to_owned()
}

async fn accept(world: &World, secret: &str) -> (u16, Value) {
    let body = json!({ "secret": secret, "password": PASSWORD });
    post(world, &Page::default(), "/api/v1/invitations/accept", body).await
}

on_both! {
    a_link_makes_one_account_once_with_the_roles_that_were_promised, world => {
        let admin = admin_at(&world, NodeRef::Customer(world.a.customer)).await;
        let (status, link) =
            post(&world, &admin.page, "/api/v1/invitations", invitation(&world, "nina")).await;
        assert_eq!(status, 201, "{link}");
        let secret = secret(&link);

        let (first, second) = tokio::join!(accept(&world, &secret), accept(&world, &secret));

        let mut statuses = [first.0, second.0];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 403]);
        let done = if first.0 == 200 { first.1 } else { second.1 };
        assert_eq!(done["me"]["user"]["name"], json!("nina"), "signed in at once");
        let nina = world.browse("nina").await;
        let (status, said) = world.send(&From::Page(&nina), "GET", "/api/v1/customers", "").await;
        assert_eq!(status, 200);
        assert!(said.contains("Acme") && !said.contains("Bravo"), "{said}");
    }
}

on_both! {
    a_link_is_good_for_seven_days_and_as_long_as_its_maker_may_give_it, world => {
        let here = NodeRef::Customer(world.a.customer);
        let admin = admin_at(&world, here).await;
        let new = invitation(&world, "late");
        let (_, late) = post(&world, &admin.page, "/api/v1/invitations", new).await;
        let new = invitation(&world, "void");
        let (_, void) = post(&world, &admin.page, "/api/v1/invitations", new).await;
        let new = invitation(&world, "lost");
        let (_, lost) = post(&world, &admin.page, "/api/v1/invitations", new).await;

        let path = format!("/api/v1/invitations/{}", void["id"].as_str().unwrap());
        let (status, _) = world.send(&From::Page(&admin.page), "DELETE", &path, "").await;
        assert_eq!(status, 204);
        revoke(&world.app, admin.id, here).await;
        assert_eq!(accept(&world, &secret(&void)).await.0, 403);
        assert_eq!(accept(&world, &secret(&lost)).await.0, 403);
        assign(&world.app, admin.id, Role::Administrator, here).await;
        world.pass(7 * 24 * HOUR);
        let (status, said) = accept(&world, &secret(&late)).await;
        assert_eq!((status, &said["reason"]), (403, &json!(Reason::TicketInvalid.slug())));
        assert_eq!(accept(&world, "nonsense").await, (status, said));
    }
}

/// Threat 27: nobody invites somebody who may more than she.
#[tokio::test]
async fn nobody_promises_what_she_does_not_hold() {
    let world = World::new().await;
    let admin = admin_at(&world, NodeRef::Customer(world.a.customer)).await;
    for (role, node, expected) in [
        (
            "technician",
            json!({ "kind": "customer", "id": world.b.customer }),
            404,
        ),
        ("technician", json!({ "kind": "all" }), 403),
        (
            "owner",
            json!({ "kind": "customer", "id": world.a.customer }),
            403,
        ),
        (
            "administrator",
            json!({ "kind": "site", "id": world.a.site }),
            201,
        ),
    ] {
        let body = json!({ "name": format!("x{role}{expected}"),
            "assignments": [{ "role": role, "node": node }] });
        let (status, said) = post(&world, &admin.page, "/api/v1/invitations", body).await;
        assert_eq!(status, expected, "{role}: {said}");
    }
    let olga = world.browse("olga").await;
    let body =
        json!({ "name": "boss", "assignments": [{ "role": "owner", "node": { "kind": "all" } }] });
    let (status, _) = post(&world, &olga, "/api/v1/invitations", body).await;
    assert_eq!(status, 403);
}

on_both! {
    /// A lost phone: a second administrator resets, all of hers ends, and she
    /// begins anew by a link.
    a_reset_ends_all_and_the_old_password_is_worth_nothing, world => {
        let olga = world.browse("olga").await;
        let ann = world.browse("ann").await;
        let session = world.session(&world.ann, &world.a).await.session;
        let path = format!("/api/v1/users/{}/reset", world.ann.id);

        let (status, link) = post(&world, &olga, &path, Value::Null).await;

        assert_eq!(status, 200, "{link}");
        world.app.carry_out().await.unwrap();
        let ended = world.wires.ended.lock().unwrap().clone();
        assert_eq!(ended, vec![(session, Reason::SignedOut)]);
        assert_eq!(world.send(&From::Page(&ann), "GET", "/api/v1/me", "").await.0, 401);
        let body = json!({ "name": "ann", "password": PASSWORD });
        let (status, _) = post(&world, &Page::default(), "/api/v1/sign-in", body).await;
        assert_eq!(status, 401);
        let (status, said) = accept(&world, &secret(&link)).await;
        assert_eq!((status, &said["me"]["user"]["name"]), (200, &json!("ann")), "{said}");
        let ann = world.browse("ann").await;
        assert_eq!(world.send(&From::Page(&ann), "GET", "/api/v1/tree", "").await.0, 200);
    }
}

on_both! {
    /// Off-boarding: the page says what she knows, the button ends everything.
    an_off_boarded_person_has_nothing_left, world => {
        let olga = world.browse("olga").await;
        let ann = world.browse("ann").await;
        let mut ended = world.app.ended.subscribe();
        let here = NodeRef::Customer(world.a.customer);
        assign(&world.app, world.ann.id, Role::Administrator, here).await;
        let (_, link) =
            post(&world, &ann, "/api/v1/invitations", invitation(&world, "friend")).await;
        let token = world.api_token(&world.ann, &[TokenScope::Read]).await;
        let session = world.session(&world.ann, &world.a).await.session;
        let path = format!("/api/v1/users/{}/off-boarding", world.ann.id);
        let (status, what) = world.send(&From::Page(&olga), "GET", &path, "").await;
        let what: Value = serde_json::from_str(&what).unwrap();
        assert_eq!(status, 200, "{what}");
        assert_eq!(what["hosts"][0]["id"], json!(world.a.host));
        assert!(what["hosts"][0]["worked"].is_u64());
        assert_eq!(what["sessions"][0]["session"], json!(session));
        assert_eq!((&what["tokens"], &what["invitations"]), (&json!(3), &json!(1)));

        let path = format!("/api/v1/users/{}/off-board", world.ann.id);
        let (status, said) = post(&world, &olga, &path, Value::Null).await;

        assert_eq!(status, 204, "{said}");
        world.app.carry_out().await.unwrap();
        let over = world.wires.ended.lock().unwrap().clone();
        assert_eq!(over, vec![(session, Reason::UserDisabled)]);
        let mut told = vec![];
        while let Ok(one) = ended.try_recv() {
            told.push(one);
        }
        assert!(told.contains(&culvert_cloud_prs::app::Ended::User(world.ann.id)));
        for from in [From::Page(&ann), From::Link(&world.ann.link), From::Web(&token)] {
            assert_eq!(world.send(&from, "GET", "/api/v1/me", "").await.0, 401);
        }
        assert_eq!(accept(&world, &secret(&link)).await.0, 403);
        let filter = culvert_cloud_prs::store::assignments::Filter {
            user: Some(world.ann.id),
            ..Default::default()
        };
        let console = crate::world::console();
        assert!(world.app.assignments(&console, filter).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn nobody_off_boards_herself_and_the_last_owner_stays() {
    let world = World::new().await;
    let olga = world.browse("olga").await;
    for what in ["off-board", "reset"] {
        let path = format!("/api/v1/users/{}/{what}", world.olga.id);
        let (status, _) = post(&world, &olga, &path, Value::Null).await;
        assert_eq!(status, 409, "{what}");
    }
    let console = crate::world::console();
    let refused = world
        .app
        .off_board(&console, world.olga.id)
        .await
        .unwrap_err();
    assert_eq!(refused.reason, Reason::Conflict);
    // Whoever may less cannot take her over.
    let admin = admin_at(&world, NodeRef::All).await;
    let path = format!("/api/v1/users/{}/reset", world.olga.id);
    let (status, _) = post(&world, &admin.page, &path, Value::Null).await;
    assert_eq!(status, 403);
}
