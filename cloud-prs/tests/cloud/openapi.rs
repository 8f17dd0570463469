//! The API's description is the one in `openapi.json`: what a bigger product
//! builds on (T2).

use crate::world::World;

/// Set `CULVERT_BLESS=1` to write the file anew.
#[tokio::test]
async fn the_description_is_the_golden_one() {
    let world = World::new().await;
    let (_, api) = culvert_cloud_prs::http::router(world.app.clone());
    let now = api.to_pretty_json().unwrap() + "\n";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
    if std::env::var_os("CULVERT_BLESS").is_some() {
        std::fs::write(path, &now).unwrap();
    }

    let golden = std::fs::read_to_string(path).unwrap();

    assert!(
        now == golden,
        "the API has changed: look, then set CULVERT_BLESS=1"
    );
}
