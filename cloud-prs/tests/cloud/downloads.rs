//! `culvert` for people's own computers, from the server's data folder (S12).

use std::fs;

use serde_json::Value;

use crate::world::{From, World};

const LIST: &str = "/api/v1/downloads";

#[tokio::test]
async fn what_lies_in_the_folder_is_listed_and_fetched_and_nothing_else() {
    let world = World::new().await;
    let ann = world.browse("ann").await;
    let ann = From::Page(&ann);
    let (_, none) = world.send(&ann, "GET", LIST, "").await;
    assert_eq!(
        none, r#"{"downloads":[]}"#,
        "without a folder there is nothing"
    );

    let folder = world.app.download_folder();
    fs::create_dir_all(folder.join("culvert-macos-x86_64")).unwrap();
    fs::write(folder.join("culvert-linux-x86_64"), vec![b'c'; 200_000]).unwrap();
    fs::write(folder.join("secret"), "not for anybody").unwrap();
    let (_, list) = world.send(&ann, "GET", LIST, "").await;
    let list: Value = serde_json::from_str(&list).unwrap();
    let names = list["downloads"].as_array().unwrap().iter();
    let names: Vec<_> = names.map(|one| (&one["name"], &one["bytes"])).collect();
    assert_eq!(
        names,
        [(&Value::from("culvert-linux-x86_64"), &Value::from(200_000))]
    );

    let path = "/downloads/culvert-linux-x86_64";
    let (status, headers, body) = world.ask(&ann, "GET", path, "").await;
    assert_eq!((status, body.len()), (200, 200_000));
    assert_eq!(headers["content-length"], "200000");
    assert_eq!(headers["content-disposition"], "attachment");
    for other in [
        "/downloads/secret",
        "/downloads/culvert-macos-x86_64",
        "/downloads/culvert-windows-x86_64.exe",
        "/downloads/..%2Fsecret",
        "/downloads/",
    ] {
        let (status, body) = world.send(&ann, "GET", other, "").await;
        assert_eq!(status, 404, "{other}: {body}");
    }
    // Not for strangers.
    assert_eq!(world.send(&From::Nobody, "GET", path, "").await.0, 401);
    fs::remove_dir_all(folder).unwrap();
}
