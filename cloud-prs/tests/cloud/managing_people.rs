//! What is done to one person: by whom, and that the list of people says so (S21).

use culvert_wire::api::{NodeRef, Role};
use serde_json::Value;

use crate::quick::Quick;
use crate::world::{From, World, assign};

/// What pages offer, and what it asks of the server; what ends a person last.
const DEEDS: [(&str, &str, &str, &str); 4] = [
    ("user.leaving", "GET", "off-boarding", ""),
    ("user.change", "PATCH", "", r#"{"disabled":false}"#),
    ("user.reset", "POST", "reset", "{}"),
    ("user.off-board", "POST", "off-board", ""),
];

async fn somebody(world: &World, roles: &[(Role, NodeRef)]) -> Quick {
    let who = Quick::new(world).await;
    for (role, node) in roles {
        assign(&world.app, who.id, *role, *node).await;
    }
    who
}

#[tokio::test]
async fn the_list_of_people_names_exactly_what_the_asker_may_do_to_each() {
    let world = World::new().await;
    let a = NodeRef::Customer(world.a.customer);
    let site = NodeRef::Site(world.a.site);
    let b = NodeRef::Customer(world.b.customer);
    let askers = [
        (Role::Owner, NodeRef::All),
        (Role::Administrator, NodeRef::All),
        (Role::Administrator, a),
        (Role::Administrator, site),
    ];
    let people: [(&[(Role, NodeRef)], usize); 6] = [
        (&[(Role::Owner, NodeRef::All)], 1),
        (&[(Role::Administrator, NodeRef::All)], 2),
        (&[(Role::Technician, a), (Role::Reader, b)], 2),
        (&[(Role::Administrator, a)], 3),
        (&[(Role::Technician, site)], 4),
        (&[], 2),
    ];
    for (roles, expected) in people {
        let mut managed = 0;
        for asker in askers {
            let asker = somebody(&world, &[asker]).await;
            let from = From::Link(&asker.link);
            let person = somebody(&world, roles).await;
            let (_, list) = world.send(&from, "GET", "/api/v1/users", "").await;
            let list: Value = serde_json::from_str(&list).unwrap();
            let list = list["users"].as_array().unwrap();
            let listed = list.iter().find(|u| u["id"] == person.id.to_string());
            let rights = listed.map_or(&[][..], |u| u["rights"].as_array().unwrap());
            for (action, method, path, body) in DEEDS {
                let path = format!("/api/v1/users/{}/{path}", person.id);
                let path = path.trim_end_matches('/');
                let (status, answer) = world.send(&from, method, path, body).await;
                let named = rights.iter().any(|right| right == action);
                let what = format!(
                    "{action} to {roles:?} by {asker}: {status} {answer}",
                    asker = asker.id
                );
                assert_eq!(status < 300, named, "{what}");
            }
            managed += usize::from(!rights.is_empty());
        }
        assert_eq!(managed, expected, "{roles:?}");
    }
}
