//! What others build on or decide by is the one in the golden files: the API's
//! description (T2) in `openapi.json`, who may do what in `golden/permissions.txt`.
//! Set `CULVERT_BLESS=1` to write them anew.

use culvert_cloud_prs::authz;

use crate::world::World;

#[tokio::test]
async fn the_description_is_the_golden_one() {
    let world = World::new().await;
    let (_, api) = culvert_cloud_prs::http::router(world.app.clone());
    let now = api.to_pretty_json().unwrap() + "\n";
    is_golden("openapi.json", &now);
}

/// Programs make a function of each operation: two of one name are one too few.
#[tokio::test]
async fn every_operation_of_the_description_has_a_name_of_its_own() {
    let world = World::new().await;
    let (_, api) = culvert_cloud_prs::http::router(world.app.clone());
    let api: serde_json::Value = serde_json::from_str(&api.to_json().unwrap()).unwrap();
    let mut named = std::collections::BTreeMap::new();
    for (path, item) in api["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Some(id) = operation["operationId"].as_str() else {
                continue;
            };
            let other = named.insert(id.to_owned(), format!("{method} {path}"));
            assert_eq!(other, None, "{id} is also {method} {path}");
        }
    }
    assert!(named.len() > 80, "{}", named.len());
}

#[test]
fn the_permission_table_is_the_golden_one() {
    is_golden("golden/permissions.txt", &authz::text());
}

fn is_golden(name: &str, now: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if std::env::var_os("CULVERT_BLESS").is_some() {
        std::fs::write(&path, now).unwrap();
    }

    let golden = std::fs::read_to_string(&path).unwrap();

    assert!(
        now == golden,
        "{name} has changed: look, then set CULVERT_BLESS=1"
    );
}
