//! The core without features needs no runtime and no socket.

use std::process::Command;

#[test]
fn the_core_depends_on_no_runtime() {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "-e", "normal", "--prefix", "none"])
        .args(["-p", "culvert-session", "--no-default-features"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let text = String::from_utf8(tree.stdout).expect("text");
    let has = |name: &str| {
        text.lines()
            .any(|line| line.split(' ').next() == Some(name))
    };

    assert!(has("noq-proto"), "no dependency tree: {text}");
    for forbidden in ["tokio", "noq", "noq-udp", "socket2", "mio", "culvert-link"] {
        assert!(!has(forbidden), "{forbidden} is in the core:\n{text}");
    }
}
