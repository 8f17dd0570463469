//! Pure crates hold no clock, no randomness, no socket, no thread and no
//! async: time and seeds are arguments.

use culvert_deps::{packages, product, sources};

/// Folders of pure code: whole crates, and the pure rooms of programs.
const PURE: [&str; 15] = [
    "wire/src/",
    "path/src/",
    "screen/src/",
    "cloud-prs/src/relay",
    "cloud-prs/src/authz",
    "cloud-prs/src/webauthn",
    "cloud-prs/src/app/rollout",
    "cloud-prs/src/plane/anonymous.rs",
    "cloud-prs/src/plane/reports.rs",
    "supervisor/src/clock.rs",
    "supervisor/src/health.rs",
    "supervisor/src/journal.rs",
    "supervisor/src/status.rs",
    "supervisor/src/superblock.rs",
    "gateway/src/session",
];
/// The types of time that is an argument; the clock itself is refused below.
const TIME: &str = "use tokio::time::{Duration, Instant};";
/// What pure code never names.
const FORBIDDEN: [&str; 14] = [
    "Instant::now",
    "SystemTime",
    "getrandom",
    "rand::",
    "std::thread",
    "std::fs",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "tokio",
    "async fn",
    "std::env",
    "std::process",
];

#[test]
fn pure_code_names_no_clock_socket_thread_or_randomness() {
    let mut seen = 0;
    for (path, text) in sources(&[".rs"]) {
        if !PURE.iter().any(|folder| path.starts_with(folder)) {
            continue;
        }
        seen += 1;
        let product = product(&text);
        for (number, line) in product.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if code == TIME {
                continue;
            }
            for word in FORBIDDEN {
                assert!(
                    !code.contains(word),
                    "{path}:{}: pure code names {word}",
                    number + 1
                );
            }
        }
    }
    assert!(
        seen > 10,
        "only {seen} pure files found: the paths above are stale"
    );
}

#[test]
fn pure_crates_depend_on_nothing_that_does_io() {
    for (package, edges) in packages() {
        if !["culvert-wire", "culvert-path", "culvert-screen"].contains(&package.as_str()) {
            continue;
        }
        for edge in edges.iter().filter(|edge| !edge.dev) {
            for word in [
                "tokio",
                "rand",
                "getrandom",
                "noq",
                "rustls",
                "socket2",
                "nix",
            ] {
                assert_ne!(edge.to, word, "{package} is pure");
            }
        }
    }
}
