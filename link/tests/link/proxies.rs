//! S36, P11: HTTP is the carrier, so a link passes a customer's proxy. CONNECT
//! through real ones: tinyproxy (none, Basic) and squid (Digest,
//! Basic), each a process of the test's own on a free loopback port.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use culvert_link::proxy::{Environment, ProxyPolicy};
use culvert_link::{ProxyServer, connect};
use tempfile::TempDir;
use tokio::net::{TcpSocket, TcpStream};
use tokio::process::{Child, Command};

use crate::server::{Server, dial, gateway, reserve, start};

const USER: &str = "box";
const PASSWORD: &str = "Pa55word";

/// A proxy process; killed when dropped.
struct Proxy {
    address: SocketAddr,
    _reserved: TcpSocket,
    _child: Child,
    _folder: TempDir,
}

impl Proxy {
    fn server(&self) -> ProxyServer {
        format!("http://{}", self.address).parse().unwrap()
    }
}

#[derive(Clone, Copy)]
enum Login {
    None,
    Basic,
    Digest,
}

async fn tinyproxy(login: Login, allowed: u16) -> Proxy {
    let (reserved, address) = reserve();
    let account = match login {
        Login::Basic => format!("BasicAuth {USER} {PASSWORD}\n"),
        Login::None | Login::Digest => String::new(),
    };
    let settings = format!(
        "Port {}\nListen 127.0.0.1\nTimeout 60\nMaxClients 20\nConnectPort {allowed}\n{account}",
        address.port()
    );
    let folder = TempDir::new().unwrap();
    let file = write(folder.path(), "tinyproxy.conf", &settings);
    let mut command = Command::new("tinyproxy");
    command.arg("-d").arg("-c").arg(file);
    run(command, address, reserved, folder).await
}

async fn squid(login: Login) -> Proxy {
    let (reserved, address) = reserve();
    let folder = TempDir::new().unwrap();
    // Squid leaves root for a user of its own, who must read the accounts.
    open_to_all(folder.path(), 0o755);
    let program = match login {
        Login::Digest => {
            let accounts = write(folder.path(), "accounts", &format!("{USER}:{PASSWORD}\n"));
            format!(
                "digest program /usr/lib/squid/digest_file_auth {}",
                accounts.display()
            )
        }
        Login::Basic | Login::None => {
            let script = write(
                folder.path(),
                "basic",
                &format!(
                    "#!/bin/sh\nwhile read line; do [ \"$line\" = '{USER} {PASSWORD}' ] \
                     && echo OK || echo ERR; done\n"
                ),
            );
            open_to_all(&script, 0o755);
            format!("basic program {}", script.display())
        }
    };
    let scheme = program.split(' ').next().unwrap().to_owned();
    let settings = format!(
        "auth_param {program}\nauth_param {scheme} children 1 startup=1\n\
         auth_param {scheme} realm site\nacl known proxy_auth REQUIRED\n\
         http_access allow known\nhttp_access deny all\nhttp_port {address}\n\
         pid_filename none\ncache deny all\naccess_log none\ncache_log /dev/null\n\
         coredump_dir /\npinger_enable off\nshutdown_lifetime 0 seconds\n\
         visible_hostname site\nmax_filedescriptors 1024\n"
    );
    let file = write(folder.path(), "squid.conf", &settings);
    let mut command = Command::new("squid");
    command.args(["-N", "-f"]).arg(file);
    run(command, address, reserved, folder).await
}

fn open_to_all(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    open_to_all(&path, 0o644);
    path
}

async fn run(
    mut command: Command,
    address: SocketAddr,
    reserved: TcpSocket,
    folder: TempDir,
) -> Proxy {
    let child = command
        .kill_on_drop(true)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("tinyproxy and squid are installed (./check does that)");
    for _ in 0..600 {
        if TcpStream::connect(address).await.is_ok() {
            return Proxy {
                address,
                _reserved: reserved,
                _child: child,
                _folder: folder,
            };
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{command:?} does not listen");
}

/// The cause of failing through a proxy, or "up".
async fn through(server: &Server, proxy: ProxyServer) -> &'static str {
    let mut dial = dial(server.address);
    dial.proxy = ProxyPolicy::Explicit(proxy);
    match connect(&dial, gateway(), "test").await {
        Ok((_link, mut events)) => {
            assert!(events.next().await.is_some());
            "up"
        }
        Err(error) => error.cause(),
    }
}

#[tokio::test]
async fn a_link_passes_a_proxy_without_sign_in() {
    let server = start().await;
    let proxy = tinyproxy(Login::None, server.address.port()).await;

    assert_eq!(through(&server, proxy.server()).await, "up");
    let unused = proxy.server().with_login(USER, PASSWORD);
    assert_eq!(through(&server, unused).await, "up");
}

#[tokio::test]
async fn a_proxy_that_allows_other_ports_only_is_named_with_its_status() {
    let server = start().await;
    let proxy = tinyproxy(Login::None, 1).await;

    assert_eq!(through(&server, proxy.server()).await, "proxy_refused");
}

#[tokio::test]
async fn a_link_passes_basic_with_the_right_password_only() {
    let server = start().await;
    let proxy = tinyproxy(Login::Basic, server.address.port()).await;

    let right = proxy.server().with_login(USER, PASSWORD);
    assert_eq!(through(&server, right).await, "up");
    assert_eq!(through(&server, proxy.server()).await, "proxy_auth");
    let wrong = proxy.server().with_login(USER, "guess");
    assert_eq!(through(&server, wrong).await, "proxy_auth");
}

#[tokio::test]
async fn a_link_passes_squid_with_digest_and_with_basic() {
    let server = start().await;
    for login in [Login::Digest, Login::Basic] {
        let proxy = squid(login).await;
        let right = proxy.server().with_login(USER, PASSWORD);
        assert_eq!(through(&server, right).await, "up");
        assert_eq!(through(&server, proxy.server()).await, "proxy_auth");
        let wrong = proxy.server().with_login(USER, "guess");
        assert_eq!(through(&server, wrong).await, "proxy_auth");
    }
}

#[tokio::test]
async fn the_environment_leads_through_the_same_proxy() {
    let server = start().await;
    let proxy = tinyproxy(Login::Basic, server.address.port()).await;
    let url = format!("http://{USER}:P%6155word@{}", proxy.address);
    let set = Environment::read(|name| (name == "HTTPS_PROXY").then(|| url.clone()));
    let named = set.for_server("127.0.0.1", server.address.port()).unwrap();

    assert_eq!(through(&server, named.unwrap()).await, "up");
}

#[tokio::test]
async fn what_is_no_proxy_is_said_to_be_none() {
    let server = start().await;
    // The server itself expects TLS: its answer to CONNECT is an alert.
    let wrong: ProxyServer = server.address.to_string().parse().unwrap();
    assert_eq!(through(&server, wrong).await, "proxy_broken");
    let (_reserved, gone) = reserve();
    let dead: ProxyServer = gone.to_string().parse().unwrap();
    assert_eq!(through(&server, dead).await, "tcp");
}
