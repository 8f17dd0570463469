//! The program as scripts see it: exit codes, where text goes, what is kept.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

#[test]
fn commands_before_the_first_sign_in_say_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    for args in [
        &["ls"][..],
        &["sessions"],
        &["proxy", "nas", "22"],
        &["forward", "nas:80"],
        &["logout"],
        &["open", "--yes", &launch()],
    ] {
        let out = culvert(home.path(), args);
        assert_eq!(out.status.code(), Some(3), "{args:?}");
        assert_eq!(text(&out.stdout), "", "{args:?}");
        assert!(
            text(&out.stderr).contains("culvert login ADDRESS"),
            "{args:?}"
        );
    }
}

#[test]
fn doctor_names_what_is_missing_first() {
    let home = tempfile::tempdir().unwrap();

    let out = culvert(home.path(), &["doctor"]);

    assert_eq!(out.status.code(), Some(3));
    assert!(text(&out.stdout).contains("FAIL  sign in first"), "{out:?}");
}

/// Row 31: nothing of a hostile address is used, whatever it looks like.
#[test]
fn hostile_addresses_open_nothing() {
    let home = tempfile::tempdir().unwrap();
    for address in [
        "culvert://open/--help",
        "culvert://open/x'; touch owned; '",
        "culvert://open/$(touch owned)",
        "culvert://open/\n-via owned",
        "culvert://exec/owned",
        "http://open/owned",
    ] {
        let out = culvert(home.path(), &["open", "--yes", address]);
        assert_eq!(out.status.code(), Some(2), "{address}");
        assert!(text(&out.stderr).contains("opens nothing"), "{address}");
    }
    for option in ["--viewer=x", "-oProxyCommand=x"] {
        assert_eq!(
            culvert(home.path(), &["open", option]).status.code(),
            Some(2)
        );
    }
    let left = std::fs::read_dir(home.path()).unwrap().count();
    assert_eq!(left, 0, "no file was made");
}

#[test]
fn hosts_that_look_like_options_or_hold_controls_are_refused() {
    let home = tempfile::tempdir().unwrap();
    for host in ["-x", "a/-x", "a\nb", "a\u{1b}b"] {
        let out = culvert(
            home.path(),
            &["proxy", "--protocol", "ssh", "--", host, "22"],
        );
        assert_eq!(out.status.code(), Some(2), "{host:?}");
    }
}

#[test]
fn a_forward_beyond_loopback_is_refused_before_anything_is_asked() {
    let home = tempfile::tempdir().unwrap();

    let out = culvert(home.path(), &["forward", "nas:80", "-L", "0.0.0.0:8000"]);

    assert_eq!(out.status.code(), Some(1));
    assert!(
        text(&out.stderr).contains("not a loopback address"),
        "{out:?}"
    );
}

#[test]
fn a_server_that_is_not_there_or_none_has_its_own_cause() {
    let home = tempfile::tempdir().unwrap();
    // A port that was free a moment ago and refuses.
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let login = |address: &str| {
        let args = [
            "login",
            address,
            "--user",
            "eva",
            "--password-stdin",
            "--yes",
        ];
        culvert(home.path(), &args)
    };

    let refused = login(&free.to_string());
    let nowhere = login("no-such-name.invalid");

    assert_eq!(refused.status.code(), Some(5));
    assert!(text(&refused.stderr).contains("[tcp]"), "{refused:?}");
    assert_eq!(nowhere.status.code(), Some(5));
    assert!(text(&nowhere.stderr).contains("[dns]"), "{nowhere:?}");
    assert!(!home.path().join("account.json").exists());
}

#[test]
fn ssh_config_names_this_very_program() {
    let home = tempfile::tempdir().unwrap();

    let out = culvert(home.path(), &["ssh-config"]);

    assert_eq!(out.status.code(), Some(0));
    let config = text(&out.stdout);
    assert!(config.contains(env!("CARGO_BIN_EXE_culvert")), "{config}");
    assert!(config.contains(" proxy --protocol ssh %h %p"), "{config}");
}

#[test]
fn completions_come_for_every_shell() {
    let home = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let out = culvert(home.path(), &["completions", shell]);
        assert_eq!(out.status.code(), Some(0), "{shell}");
        assert!(text(&out.stdout).contains("ssh-config"), "{shell}");
    }
}

#[test]
fn files_that_others_can_read_are_refused() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("account.json"), "{}").unwrap();
    open_to_others(&home.path().join("account.json"));

    let out = culvert(home.path(), &["ls"]);

    assert_eq!(out.status.code(), Some(1));
    assert!(text(&out.stderr).contains("can be read by others") || cfg!(windows));
}

fn launch() -> String {
    let ticket = culvert_wire::ticket::Ticket::from_random([3; 32]);
    format!("culvert://open/{}", ticket.reveal())
}

fn culvert(home: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_culvert"))
        .args(args)
        .env("CULVERT_HOME", home)
        .env_remove("CULVERT_LOG")
        .env("NO_PROXY", "*")
        .stdin(Stdio::null())
        .current_dir(home)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(unix)]
fn open_to_others(file: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o644)).unwrap();
}

#[cfg(not(unix))]
fn open_to_others(_file: &Path) {}
