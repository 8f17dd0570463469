//! Someone who is not root has the same site, where user namespaces are
//! allowed, and one sentence about what is missing where they are not.

#![expect(clippy::unwrap_used, reason = "a helper may fail its test")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

/// As root this borrows a user number that has no account; as anybody else
/// every other test of the lab shows the same.
#[test]
fn an_ordinary_user_has_the_site_when_user_numbers_are_granted() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let said = site_of_an_ordinary_user("visitor:200000:65536\n");
    let text = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success(), "{text}");
    assert!(text.contains("nsenter --target="), "{text}");
    assert!(text.contains("--user"), "{text}");
}

#[test]
fn an_ordinary_user_without_them_is_told_what_to_type() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let said = site_of_an_ordinary_user("");
    let text = String::from_utf8_lossy(&said.stderr);
    assert!(!said.status.success(), "{text}");
    assert!(text.contains("sudo ./demo"), "{text}");
}

/// Runs `culvert-lab site` as user number 4747, whose grants in /etc/subuid
/// exist in a mount namespace of this test's own.
fn site_of_an_ordinary_user(grants: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).unwrap();
    let program = folder.join("culvert-lab");
    fs::copy(env!("CARGO_BIN_EXE_culvert-lab"), &program).unwrap();
    let accounts = fs::read_to_string("/etc/passwd").unwrap();
    let accounts = format!("{accounts}visitor:x:4747:4747::/tmp:/bin/sh\n");
    fs::write(folder.join("passwd"), accounts).unwrap();
    fs::write(folder.join("grants"), grants).unwrap();
    let script = format!(
        "mount --bind {0}/passwd /etc/passwd
         mount --bind {0}/grants /etc/subuid
         mount --bind {0}/grants /etc/subgid
         exec setpriv --reuid=4747 --regid=4747 --clear-groups env HOME=/tmp {0}/culvert-lab site",
        folder.display()
    );
    Command::new("unshare")
        .args(["--mount", "sh", "-ec", &script])
        .stdin(Stdio::null())
        .output()
        .unwrap()
}
