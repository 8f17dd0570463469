//! The program as scripts see it: exit codes, where text goes, what is kept.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tokio::net::TcpSocket;

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

/// Whatever is typed, or handed over by a page: one short answer, an exit code of the list,
/// nothing that steers a terminal, no panic.
#[test]
fn sixty_four_kilobytes_and_control_characters_get_one_short_answer() {
    let home = tempfile::tempdir().unwrap();
    let long = "A".repeat(64 * 1024);
    let link = format!("culvert://open/{long}");
    for evil in [
        long.as_str(),
        "a\u{1b}]0;x\u{7}\u{1b}[2Jb\nc",
        &link,
        "\u{202e}",
        "",
    ] {
        for args in [
            &[evil][..],
            &["open", "--yes", evil],
            &["login", evil, "--yes", "--password-stdin", "--user", "x"],
            &["ssh", evil],
            &["ssh", "nas", "--viewer", evil],
            &["forward", evil],
            &["forward", "nas:80", "-L", evil],
            &["proxy", evil, "22"],
            &["proxy", "nas", evil],
            &["trust", "site", evil],
            &["completions", evil],
        ] {
            let out = culvert(home.path(), args);
            let said = text(&out.stderr);
            let code = out.status.code();
            let what = &args[..args.len() - 1];
            assert!(matches!(code, Some(1..=9)), "{what:?}: {code:?}");
            assert!((1..16 * 1024).contains(&said.len()), "{what:?}");
            let steers = |c: char| c.is_control() && c != '\n';
            assert!(!said.contains(steers), "{what:?}: {said:?}");
            assert!(!said.contains("panicked"), "{what:?}: {said}");
        }
    }
}

/// S18: the system's own tools find the program that answers links.
#[cfg(target_os = "linux")]
#[test]
fn links_of_the_portal_are_registered_for_this_user_only() {
    let home = tempfile::tempdir().unwrap();
    let desk = |command: &mut Command| {
        command
            .env("HOME", home.path())
            .env("XDG_DATA_HOME", home.path().join("data"))
            .env("XDG_CONFIG_HOME", home.path().join("config"))
            .env_remove("XDG_CURRENT_DESKTOP")
            .output()
    };

    for _ in 0..2 {
        let out = desk(&mut command(home.path(), &["open", "--register"])).unwrap();
        assert_eq!(out.status.code(), Some(0), "{out:?}");
    }

    let entry = home.path().join("data/applications/culvert-open.desktop");
    let entry = std::fs::read_to_string(entry).unwrap();
    let program = format!("\"{}\" open %u\n", env!("CARGO_BIN_EXE_culvert"));
    assert!(entry.contains(&program), "{entry}");
    let mut query = Command::new("xdg-mime");
    // Where there is no such tool, the entry alone is what can be done.
    if let Ok(out) = desk(query.args(["query", "default", "x-scheme-handler/culvert"])) {
        assert_eq!(text(&out.stdout).trim(), "culvert-open.desktop");
    }
    for args in [&["open"][..], &["open", "--register", &launch()]] {
        assert_eq!(
            culvert(home.path(), args).status.code(),
            Some(2),
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
    let (_nobody, free) = refusing();
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
fn doctor_names_each_cause_and_what_to_do() {
    const NOT_DIALLED: &str = "prs.example.com:443";
    let (_nobody, refusing) = refusing();
    let answering = |words: &'static [u8]| format!("http://{}", serve(words));
    for (cause, server, proxy, advice) in [
        ("tcp", refusing.to_string(), None, "a firewall has to let TCP"),
        ("dns", "no-such-name.invalid:443".into(), None, "check the network"),
        ("tls", serve(b"hello\r\n").to_string(), None, "what this line says"),
        (
            "proxy_refused",
            NOT_DIALLED.into(),
            Some(answering(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")),
            "allow CONNECT",
        ),
        (
            "proxy_auth",
            NOT_DIALLED.into(),
            Some(answering(
                b"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n",
            )),
            "user:password@proxy",
        ),
        (
            "proxy_broken",
            NOT_DIALLED.into(),
            Some(answering(b"SSH-2.0-x\r\n\r\n\r\n")),
            "is no HTTP proxy",
        ),
        (
            "proxy_settings",
            NOT_DIALLED.into(),
            Some("socks5://127.0.0.1:1".into()),
            "correct HTTPS_PROXY",
        ),
    ] {
        let home = tempfile::tempdir().unwrap();
        signed_in_at(home.path(), &server);
        let mut command = command(home.path(), &["doctor"]);
        command.env_remove("NO_PROXY").env_remove("no_proxy");
        match &proxy {
            Some(proxy) => command.env("HTTPS_PROXY", proxy),
            None => command.env("NO_PROXY", "*"),
        };

        let out = command.output().unwrap();

        let said = text(&out.stdout);
        assert_eq!(out.status.code(), Some(5), "{cause}: {said}");
        assert!(said.contains(&format!("[{cause}]")), "{cause}: {said}");
        assert!(said.contains(advice), "{cause}: {said}");
    }
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

/// A port that refuses, and that nobody else is given as long as the socket lives.
fn refusing() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let at = socket.local_addr().unwrap();
    (socket, at)
}

/// A server that says the same to everybody, whatever they say.
fn serve(words: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            // Answers what was asked, as a proxy does, and hangs up.
            let _ = client.read(&mut [0; 1024]);
            let _ = client.write_all(words);
        }
    });
    at
}

/// Files as an earlier sign-in would have left them.
fn signed_in_at(home: &Path, server: &str) {
    let home = culvert_connect::home::Home::at(home);
    let account = culvert_connect::account::Account {
        servers: vec![server.into()],
        provider: culvert_wire::key::SigningKey::from_seed(&[1; 32]).public(),
        user: "eva".into(),
        epoch_floor: 0,
        clock_floor: culvert_wire::UnixMs(0),
    };
    account.save(&home).unwrap();
}

fn culvert(home: &Path, args: &[&str]) -> Output {
    command(home, args).output().unwrap()
}

fn command(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_culvert"));
    command
        .args(args)
        .env("CULVERT_HOME", home)
        .env_remove("CULVERT_LOG")
        .env("NO_PROXY", "*")
        .stdin(Stdio::null())
        .current_dir(home);
    command
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
