//! `culvert` for people's own computers, from the server's data folder (S12; threat 2).

use std::fs;
use std::path::Path;

use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::world::{From, World};

const LIST: &str = "/api/v1/downloads";
const NAME: &str = "culvert-linux-x86_64";
const ONE: &str = "/api/v1/downloads/culvert-linux-x86_64";

fn sum(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

/// What `sha256sum NAME >NAME.sha256` leaves.
fn says(folder: &Path, name: &str, sum: &str) {
    let line = format!("{sum}  {name}\n");
    fs::write(folder.join(format!("{name}.sha256")), line).unwrap();
}

async fn listed(world: &World, who: &From<'_>) -> Value {
    let (status, list) = world.send(who, "GET", LIST, "").await;
    assert_eq!(status, 200, "{list}");
    serde_json::from_str::<Value>(&list).unwrap()["downloads"].take()
}

#[tokio::test]
async fn what_lies_in_the_folder_is_listed_and_fetched_and_nothing_else() {
    let world = World::new().await;
    let mut ann = world.browse("ann").await;
    ann.headers.push(("accept-encoding", "gzip, br".into()));
    let ann = From::Page(&ann);
    assert_eq!(
        listed(&world, &ann).await,
        json!([]),
        "without a folder there is nothing"
    );

    let folder = world.app.download_folder();
    let program = vec![b'c'; 200_000];
    fs::create_dir_all(folder.join("culvert-macos-x86_64")).unwrap();
    fs::write(folder.join(NAME), &program).unwrap();
    says(folder, NAME, &sum(&program));
    for other in ["secret", "culvert-macos-x86_64"] {
        says(folder, other, &sum(b"not for anybody"));
    }
    fs::write(folder.join("secret"), "not for anybody").unwrap();
    let list = listed(&world, &ann).await;
    assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
    assert_eq!(
        (&list[0]["name"], &list[0]["bytes"], &list[0]["sha256"]),
        (&json!(NAME), &json!(200_000), &json!(sum(&program)))
    );

    // As it lies there, whatever the asker unpacks.
    let (status, headers, body) = world.ask(&ann, "GET", ONE, "").await;
    assert_eq!((status, sum(body.as_bytes())), (200, sum(&program)));
    assert_eq!(headers["content-length"], "200000");
    assert_eq!(headers["content-disposition"], "attachment");
    assert!(!headers.contains_key("content-encoding"), "{headers:?}");
    for other in [
        "/api/v1/downloads/secret",
        "/api/v1/downloads/culvert-linux-x86_64.sha256",
        "/api/v1/downloads/culvert-macos-x86_64",
        "/api/v1/downloads/culvert-windows-x86_64.exe",
        "/api/v1/downloads/..%2Fsecret",
        "/api/v1/downloads/",
    ] {
        let (status, body) = world.send(&ann, "GET", other, "").await;
        assert_eq!(status, 404, "{other}: {body}");
    }
    // Not for strangers.
    assert_eq!(world.send(&From::Nobody, "GET", ONE, "").await.0, 401);
    fs::remove_dir_all(folder).unwrap();
}

/// Half there, exchanged, or nobody said what it is: not offered.
#[tokio::test]
async fn a_program_that_is_not_what_its_sum_says_is_not_offered() {
    let world = World::new().await;
    let ann = world.browse("ann").await;
    let ann = From::Page(&ann);
    let folder = world.app.download_folder();
    fs::create_dir_all(folder).unwrap();
    let program = vec![b'c'; 200_000];
    let file = folder.join(NAME);
    let offered = async |why: &str, expected: bool| {
        let list = listed(&world, &ann).await;
        assert_eq!(
            list.as_array().unwrap().len(),
            usize::from(expected),
            "{why}"
        );
        let status = if expected { 200 } else { 404 };
        assert_eq!(world.send(&ann, "GET", ONE, "").await.0, status, "{why}");
    };

    fs::write(&file, &program).unwrap();
    offered("nobody says what it is", false).await;
    says(folder, NAME, &sum(&program).to_uppercase());
    offered("its sum is there", true).await;
    fs::write(&file, &program[..100_000]).unwrap();
    offered("half of it is there", false).await;
    fs::write(&file, vec![b'd'; 200_000]).unwrap();
    offered("another is there", false).await;
    for nonsense in ["", "00", &"é".repeat(64), &sum(&program)[1..]] {
        says(folder, NAME, nonsense);
        offered("the sum is none", false).await;
    }
    says(folder, NAME, &sum(&program));
    fs::write(&file, &program).unwrap();
    offered("it is there again", true).await;
    fs::remove_dir_all(folder).unwrap();
}
