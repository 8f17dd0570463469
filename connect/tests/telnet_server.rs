//! Our telnet end against a real telnet server (GNU inetutils), where one is
//! installed: S31.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests")]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use culvert_screen::telnet::Telnet;

const SERVER: &str = "/usr/sbin/telnetd";
/// A hung server must not hang the tests.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_real_server_learns_type_and_size_and_echoes_what_is_typed() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut talk) = Talk::start(dir.path()) else {
        return;
    };

    talk.until("READY");
    assert!(talk.telnet.host_echoes(), "a login server echoes");
    talk.telnet.handle_typed(b"echo typed > typed\r");
    talk.telnet
        .handle_typed(b"stty size > size; echo $TERM > term; echo DO'NE'\r");
    talk.until("DONE");

    let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
    assert_eq!(read("size"), "51 171\n");
    assert_eq!(read("term"), "xterm-256color\n");
    assert_eq!(read("typed"), "typed\n");
    assert!(talk.shown.contains("echo typed > typed"), "{}", talk.shown);

    talk.telnet.handle_resize((99, 33));
    talk.telnet
        .handle_typed(b"sleep 0.3; stty size > size; echo RESI'ZED'\r");
    talk.until("RESIZED");
    assert_eq!(read("size"), "33 99\n");
}

#[test]
fn bytes_of_every_value_survive_both_ways() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut talk) = Talk::start(dir.path()) else {
        return;
    };
    talk.until("READY");

    talk.telnet.handle_typed(
        b"stty raw -echo; printf 'RA''W'; head -c 128 > high; printf '\\377\\376\\200DO''NE'\r",
    );
    talk.until("RAW");
    let high: Vec<u8> = (128..=255).collect();
    talk.telnet.handle_typed(&high);
    talk.until("DONE");

    let got = std::fs::read(dir.path().join("high")).unwrap();
    assert_eq!(got, high);
    let tail = b"\xff\xfe\x80DONE";
    assert!(talk.raw.windows(tail.len()).any(|bytes| bytes == tail));
}

/// One conversation with a server of its own.
struct Talk {
    telnet: Telnet,
    tcp: TcpStream,
    server: Child,
    shown: String,
    raw: Vec<u8>,
}

impl Talk {
    /// Starts a server with a shell in `dir`; none is installed: says so.
    fn start(dir: &Path) -> Option<Self> {
        if !Path::new(SERVER).exists() {
            println!("skipped: {SERVER} is not installed");
            return None;
        }
        let shell = dir.join("shell");
        let script = format!(
            "#!/bin/sh\ncd '{}'\necho READY\nexec /bin/sh\n",
            dir.display()
        );
        std::fs::write(&shell, script).unwrap();
        make_runnable(&shell);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let tcp = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        let input = OwnedFd::from(accepted.try_clone().unwrap());
        let server = Command::new(SERVER)
            .arg(format!("--exec-login={}", shell.display()))
            .stdin(Stdio::from(input))
            .stdout(Stdio::from(OwnedFd::from(accepted)))
            .spawn()
            .unwrap();
        tcp.set_read_timeout(Some(Duration::from_millis(50)))
            .unwrap();
        Some(Self {
            telnet: Telnet::new("xterm-256color", (171, 51)),
            tcp,
            server,
            shown: String::new(),
            raw: Vec::new(),
        })
    }

    /// Talks until the server has shown a word.
    fn until(&mut self, word: &str) {
        let since = Instant::now();
        while !self.shown.contains(word) {
            assert!(since.elapsed() < PATIENCE, "no {word} in: {}", self.shown);
            self.pump();
        }
    }

    /// Sends what is to be sent, and reads what is there.
    fn pump(&mut self) {
        self.tcp.write_all(&self.telnet.take_out()).unwrap();
        let mut bytes = [0; 4096];
        if let Ok(read) = self.tcp.read(&mut bytes) {
            let mut shown = Vec::new();
            self.telnet.handle_host(&bytes[..read], &mut shown);
            self.shown.push_str(&String::from_utf8_lossy(&shown));
            self.raw.extend(shown);
        }
        self.tcp.write_all(&self.telnet.take_out()).unwrap();
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        // The server may have ended with its shell.
        let killed = self.server.kill();
        drop(killed);
        let waited = self.server.wait();
        drop(waited);
    }
}

fn make_runnable(file: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).unwrap();
}
