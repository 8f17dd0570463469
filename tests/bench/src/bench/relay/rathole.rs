//! One turn through rathole's server, TLS between it and its client.
//!
//! Looked for in `target/bench/tools/bin` and in `PATH`; `./bench` installs it
//! as its authors published it, where it can.

use std::env;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

/// What turns have cost so far.
#[derive(Debug, Default)]
pub(super) struct Cost {
    pub(super) seconds: f64,
    pub(super) forwarded: u64,
}

impl Cost {
    pub(super) fn add(&mut self, turn: &Self) {
        self.seconds += turn.seconds;
        self.forwarded += turn.forwarded;
    }
}

/// The installed program.
pub(super) fn find() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let tools = PathBuf::from("target/bench/tools/bin");
    env::split_paths(&path)
        .chain([tools])
        .map(|folder| folder.join("rathole"))
        .find(|program| program.is_file())
        .and_then(|program| program.canonicalize().ok())
}

/// Carries `bytes` from a service behind rathole to a visitor.
pub(super) fn turn(program: &Path, bytes: u64) -> anyhow::Result<Cost> {
    let folder = tempfile::tempdir()?;
    let service = TcpListener::bind("127.0.0.1:0")?;
    let (control, visited) = (free_port()?, free_port()?);
    certificates(folder.path())?;
    configure(folder.path(), control, visited, service.local_addr()?)?;
    let server = Running::start(program, folder.path(), "--server", "server.toml")?;
    let _client = Running::start(program, folder.path(), "--client", "client.toml")?;
    let serving = thread::spawn(move || -> std::io::Result<()> {
        let (mut stream, _) = service.accept()?;
        let block = vec![0x55; 64 * 1024];
        let mut left = bytes;
        while left > 0 {
            let now = block.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            stream.write_all(&block[..now])?;
            left -= now as u64;
        }
        Ok(())
    });
    let (seconds, got) = visit(visited, &server)?;
    ensure!(got == bytes, "{got} of {bytes} bytes came through rathole");
    match serving.join() {
        Ok(result) => result?,
        Err(_) => bail!("the service panicked"),
    }
    Ok(Cost {
        seconds,
        forwarded: bytes,
    })
}

/// Reads all that comes; the server's CPU time meanwhile.
fn visit(at: SocketAddr, server: &Running) -> anyhow::Result<(f64, u64)> {
    let began = Instant::now();
    let mut stream = loop {
        // It listens once its client has signed in.
        match TcpStream::connect(at) {
            Ok(stream) => break stream,
            Err(error) if began.elapsed() > Duration::from_secs(20) => return Err(error.into()),
            Err(_) => thread::sleep(Duration::from_millis(50)),
        }
    };
    let before = server.cpu_seconds()?;
    let mut buffer = vec![0; 256 * 1024];
    let mut got = 0;
    loop {
        match stream.read(&mut buffer)? {
            0 => break,
            read => got += read as u64,
        }
    }
    Ok((server.cpu_seconds()? - before, got))
}

fn free_port() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// A certificate that its TLS library takes: a CA and a server in PKCS #12.
fn certificates(folder: &Path) -> anyhow::Result<()> {
    let steps = [
        "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=bench -keyout ca.key -out ca.pem",
        "req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout tls.key -out tls.csr",
        "x509 -req -in tls.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san -out tls.pem",
        "pkcs12 -export -inkey tls.key -in tls.pem -certfile ca.pem -passout pass:bench -out tls.pfx",
    ];
    fs::write(folder.join("san"), "subjectAltName=DNS:localhost\n")?;
    for step in steps {
        let done = Command::new("openssl")
            .args(step.split(' '))
            .current_dir(folder)
            .output()
            .context("openssl does not run")?;
        ensure!(
            done.status.success(),
            "openssl {step}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
    }
    Ok(())
}

fn configure(
    folder: &Path,
    control: SocketAddr,
    visited: SocketAddr,
    service: SocketAddr,
) -> anyhow::Result<()> {
    fs::write(
        folder.join("server.toml"),
        format!(
            "[server]\nbind_addr = \"{control}\"\n[server.transport]\ntype = \"tls\"\n\
             [server.transport.tls]\npkcs12 = \"tls.pfx\"\npkcs12_password = \"bench\"\n\
             [server.services.bench]\ntoken = \"t\"\nbind_addr = \"{visited}\"\n"
        ),
    )?;
    fs::write(
        folder.join("client.toml"),
        format!(
            "[client]\nremote_addr = \"{control}\"\n[client.transport]\ntype = \"tls\"\n\
             [client.transport.tls]\ntrusted_root = \"ca.pem\"\nhostname = \"localhost\"\n\
             [client.services.bench]\ntoken = \"t\"\nlocal_addr = \"{service}\"\n"
        ),
    )?;
    Ok(())
}

/// A child that ends with its owner.
struct Running(Child);

impl Running {
    fn start(program: &Path, folder: &Path, role: &str, file: &str) -> anyhow::Result<Self> {
        let child = Command::new(program)
            .args([role, file])
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self(child))
    }

    fn cpu_seconds(&self) -> anyhow::Result<f64> {
        let mut seconds = 0.0;
        for task in fs::read_dir(format!("/proc/{}/task", self.0.id()))? {
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            let nanos = text.split_whitespace().next().context("no figure")?;
            seconds += nanos.parse::<f64>()? / 1e9;
        }
        Ok(seconds)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails only when it is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
