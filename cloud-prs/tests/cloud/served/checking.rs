//! `culvert-prs check`: every sentence, each made for real; and the units that
//! systemd is given.

use std::net::TcpListener;
use std::path::Path;

use super::*;

const DAY: i64 = 24 * 3600;

/// A certificate for a name with a key of its own, from and until so many
/// seconds from now: the files of both.
pub(super) fn certificate(folder: &Path, name: &str, life: (i64, i64)) -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    let now = time::OffsetDateTime::now_utc();
    params.not_before = now + time::Duration::seconds(life.0);
    params.not_after = now + time::Duration::seconds(life.1);
    let made = params.self_signed(&key).unwrap();
    let path = |what: &str| folder.join(what).to_str().unwrap().to_owned();
    let (chain, secret) = (path("own.pem"), path("own.key"));
    std::fs::write(&chain, made.pem()).unwrap();
    std::fs::write(&secret, key.serialize_pem()).unwrap();
    (chain, secret)
}

/// A server whose certificate is files of its own.
pub(super) fn with_files(life: (i64, i64)) -> Prs {
    let folder = tempfile::tempdir().unwrap();
    let (chain, key) = certificate(folder.path(), "localhost", life);
    let more = ["--certificate", &chain, "--certificate-key", &key];
    Prs::bare(folder, "localhost", &more)
}

fn plain() -> Prs {
    Prs::bare(tempfile::tempdir().unwrap(), "localhost", &[])
}

/// What `check` says about one thing, and whether all is well.
fn said(output: &Output, about: &str) -> (String, bool) {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find(|line| line.contains(about));
    let line = line.unwrap_or_else(|| panic!("{about}: {output:?}"));
    (line.to_owned(), output.status.success())
}

#[track_caller]
fn bad_line(output: &Output, about: &str, sentence: &str) {
    let (line, well) = said(output, about);
    assert!(line.starts_with("BAD") && line.contains(sentence), "{line}");
    assert!(!well && bad(output).contains("must be mended first"));
}

#[test]
fn a_server_that_may_start_is_told_so_line_by_line() {
    let prs = plain();
    let output = prs.run(&["check"], "");
    for about in [
        "clock: ",
        "statement: ",
        "key files: ",
        "disk: ",
        "database: ",
        "port: ",
        "dns: ",
    ] {
        let (line, _) = said(&output, about);
        assert!(line.starts_with("ok ") || about == "disk: ", "{line}");
    }
    let (line, _) = said(&output, "certificate: self-made");
    assert!(line.starts_with("ok "), "{line}");
    // Nobody serves yet.
    let (line, _) = said(&output, "reach: ");
    assert!(
        line.starts_with("warning ") && line.contains("start the server"),
        "{line}"
    );

    let mut nothing = plain();
    nothing.folder = tempfile::tempdir().unwrap();
    assert!(bad(&nothing.run(&["check"], "")).contains("run `culvert-prs init`"));
}

#[test]
fn each_trouble_with_ones_own_certificate_has_its_sentence() {
    // 99991231235959Z: it never ends.
    let never = 253_402_300_799 - time::OffsetDateTime::now_utc().unix_timestamp();
    for (life, mark, sentence) in [
        ((-2 * DAY, never), "ok ", "your own, until 9999-12-31"),
        ((-2 * DAY, 100 * DAY), "ok ", "your own, until "),
        ((-2 * DAY, 3 * DAY), "warning ", "renew it"),
        ((-9 * DAY, -DAY), "BAD ", "it ended on "),
        ((2 * DAY, 100 * DAY), "BAD ", "look at the clock"),
    ] {
        let prs = with_files(life);
        let (line, _) = said(&prs.run(&["check"], ""), "certificate: ");
        assert!(line.starts_with(mark) && line.contains(sentence), "{line}");
    }

    let prs = with_files((-DAY, 100 * DAY));
    let folder = prs.folder.path();
    certificate(folder, "other.example", (-DAY, 100 * DAY));
    bad_line(
        &prs.run(&["check"], ""),
        "certificate: ",
        "it is not for localhost",
    );

    // A key that does not fit; a file without PEM; none at all.
    let foreign = rcgen::KeyPair::generate().unwrap();
    std::fs::write(folder.join("own.key"), foreign.serialize_pem()).unwrap();
    bad_line(&prs.run(&["check"], ""), "certificate: ", "do not fit");
    std::fs::write(folder.join("own.key"), "none").unwrap();
    bad_line(
        &prs.run(&["check"], ""),
        "certificate: ",
        "holds no PEM private key",
    );
    std::fs::remove_file(folder.join("own.pem")).unwrap();
    bad_line(&prs.run(&["check"], ""), "certificate: ", "own.pem");
}

#[test]
fn names_ports_and_files_that_are_wrong_have_their_sentences() {
    let prs = Prs::bare(tempfile::tempdir().unwrap(), "no-such-name.invalid", &[]);
    let _taken = TcpListener::bind(("127.0.0.1", prs.port)).unwrap();
    let mode = |file: &str, mode: u32| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(prs.data().join(file), mode).unwrap();
    };
    std::fs::write(prs.data().join("culvert.db"), [7; 8192]).unwrap();

    for file in ["keys/secrets.key", "tls/ca.key", "tls/server.key"] {
        mode(file, 0o640);
        bad_line(&prs.run(&["check"], ""), "key files: ", file);
        mode(file, 0o600);
    }
    mode("keys/node.key", 0o644);
    let output = prs.run(&["check"], "");

    bad_line(&output, "dns: ", "no-such-name.invalid does not resolve");
    bad_line(&output, "dns: ", "add an A or AAAA record");
    bad_line(&output, "port: ", "another program listens on");
    bad_line(&output, "key files: ", "chmod 600");
    bad_line(&output, "database: ", "");
}

#[test]
fn a_port_that_needs_a_right_is_told_with_the_way_out() {
    let open = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap();
    if open.trim() == "0" {
        // Every port is everybody's here: nothing to refuse.
        return;
    }
    let prs = plain();
    let file = prs.data().join("prs.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let here = format!("127.0.0.1:{}", prs.port);
    std::fs::write(&file, text.replace(&here, "127.0.0.1:443")).unwrap();

    let without = [
        "setpriv",
        "--bounding-set",
        "-net_bind_service",
        "--inh-caps",
        "-net_bind_service",
    ];
    let output = match nix::unistd::geteuid().is_root() {
        true => prs.through(&without, &["check"]),
        // Nobody else has the right.
        false => prs.run(&["check"], ""),
    };

    bad_line(&output, "port: ", "init --systemd");
}

#[test]
fn a_wrong_clock_and_what_it_ends_have_their_sentences() {
    culvert_lab::packages::ensure().unwrap();
    let prs = plain();

    let past = prs.through(&["faketime", "-f", "@2020-01-01 00:00:00"], &["check"]);
    bad_line(&past, "clock: ", "set the clock, and run an NTP client");

    std::fs::remove_file(prs.data().join("keys/provider.key")).unwrap();
    let late = prs.through(&["faketime", "-f", "+85d"], &["check"]);
    let (line, _) = said(&late, "statement: ");
    assert!(
        line.starts_with("warning ") && line.contains("only: run"),
        "{line}"
    );
    let over = prs.through(&["faketime", "-f", "+100d"], &["check"]);
    bad_line(&over, "statement: ", "culvert-prs key renew-statement");
}

/// A file system of 64 MiB, in a mount namespace of the command's own.
#[test]
fn a_disk_that_is_nearly_full_is_told_with_its_folder() {
    let prs = plain();
    let script = "cp -a \"$CULVERT_PRS_DATA\" \"$0\" && mount -t tmpfs -o size=64m none \
                  \"$CULVERT_PRS_DATA\" && cp -a \"$0\"/. \"$CULVERT_PRS_DATA\" && exec \"$@\"";
    let copy = prs.folder.path().join("copy");
    let alone = [
        "unshare",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        script,
        copy.to_str().unwrap(),
    ];

    let output = prs.through(&alone, &["check"]);

    bad_line(&output, "disk: ", "make room under");
}

/// Part 5: the unit that `init --systemd` writes, and the box's.
#[test]
fn systemd_takes_our_units() {
    culvert_lab::packages::ensure().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let units = folder.path().join("units");
    std::fs::create_dir(&units).unwrap();
    let more = ["--systemd", units.to_str().unwrap()];
    let _prs = Prs::bare(folder, "localhost", &more);
    let text = include_str!("../../../../gateway/culvert-gateway.service");
    // What it runs and its account are there on a box.
    let here = env!("CARGO_BIN_EXE_culvert-prs");
    let text = text.replace("/usr/local/bin/culvert-gateway", here);
    let text = text.replace("User=culvert-gateway", "User=daemon");
    std::fs::write(units.join("culvert-gateway.service"), text).unwrap();
    for unit in ["culvert-prs.service", "culvert-gateway.service"] {
        let verify = |path: &Path| {
            let verify = Command::new("systemd-analyze")
                .arg("verify")
                .arg("--man=no")
                .arg(path)
                .output();
            let verify = verify.unwrap();
            let said = String::from_utf8_lossy(&verify.stderr).into_owned();
            // Of our unit only: a machine's other units are not ours to judge.
            let ours: Vec<_> = said
                .lines()
                .filter(|line| line.contains("culvert"))
                .map(str::to_owned)
                .collect();
            (verify.status.success(), ours)
        };
        let (well, ours) = verify(&units.join(unit));
        assert!(ours.is_empty() && well, "{unit}: {ours:?}");
        // And it would say what is wrong.
        let text = std::fs::read_to_string(units.join(unit)).unwrap();
        let broken = units.join(format!("broken-{unit}"));
        std::fs::write(&broken, text.replace("RestartSec=", "RestartSecs=")).unwrap();
        assert!(!verify(&broken).1.is_empty());
    }
}
