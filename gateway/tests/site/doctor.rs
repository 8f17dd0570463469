//! Every cause that `doctor` knows, made for real: routes, firewalls, name
//! servers, proxies and servers that do the wrong thing (P10, P11).

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use culvert_gateway::doctor::Cause;
use culvert_gateway::state::State;
use culvert_link::tls as link_tls;
use culvert_path::stun;
use culvert_wire::frame::Refused;
use culvert_wire::reason::Reason;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinHandle;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::names::Names;
use crate::net::{CLOUD, Net, lan_udp, listen};
use crate::program::{Gateway, said};
use crate::prs::{
    HOUR, NAME, Prs, SOON, key, now, prover_of, provider, statement, upgrade, web_config,
};

/// A name server in the LAN knows it.
const NAMED: &str = "servers = [\"prs.example.com\"]\n";

/// Something that runs until dropped.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The cause code and everything that was said.
async fn diagnosis(gateway: &Gateway) -> (String, String) {
    let output = gateway.ask(&["doctor"]).await;
    let text = said(&output);
    let code = text.lines().find_map(|line| line.strip_prefix("cause: "));
    let code = code
        .unwrap_or_else(|| panic!("no cause: {text}"))
        .to_owned();
    let works = ["ok", "udp_blocked", "clock_wrong"].contains(&code.as_str());
    assert_eq!(output.status.success(), works, "{text}");
    (code, text)
}

async fn expect(gateway: &Gateway, code: &str) -> String {
    let (got, text) = diagnosis(gateway).await;
    assert_eq!(got, code, "{text}");
    text
}

/// Serves each connection to the cloud's address in some wrong way.
async fn serve<F: Future<Output = Option<()>> + Send + 'static>(
    port: u16,
    each: impl Fn(TcpStream) -> F + Send + 'static,
) -> Task {
    let listener = listen(port).await;
    Task(tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            tokio::spawn(each(tcp));
        }
    }))
}

/// As [`serve`], behind a TLS handshake with a certificate of some web site.
async fn serve_tls<F: Future<Output = Option<()>> + Send + 'static>(
    each: impl Fn(TlsStream<TcpStream>) -> F + Send + Sync + Clone + 'static,
) -> Task {
    let acceptor = TlsAcceptor::from(web_config(NAME));
    serve(443, move |tcp| {
        let (acceptor, each) = (acceptor.clone(), each.clone());
        async move { each(acceptor.accept(tcp).await.ok()?).await }
    })
    .await
}

async fn hang<T>(_kept: T) -> Option<()> {
    std::future::pending().await
}

async fn stun_server() -> Task {
    let socket = UdpSocket::bind((CLOUD, 443)).await.unwrap();
    Task(tokio::spawn(async move {
        let mut buffer = [0; 600];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            if let Some(answer) = stun::answer(&buffer[..length], from) {
                socket.send_to(&answer, from).await.unwrap();
            }
        }
    }))
}

#[test]
fn every_cause_has_a_test_here() {
    let source = include_str!("doctor.rs");
    for cause in Cause::ALL {
        let code = format!("\"{}\"", cause.code());
        assert!(source.contains(&code), "{code}");
    }
}

#[test]
fn a_box_that_works_is_told_so_with_what_could_be_better() {
    let net = Net::new();
    net.run(async {
        let prs = Prs::start().await;
        let mut gateway = Gateway::claimed(&net, "");
        expect(&gateway, "not_running").await;
        gateway.up(&prs).await;

        expect(&gateway, "udp_blocked").await;

        let stun = stun_server().await;
        let text = expect(&gateway, "ok").await;
        assert!(text.contains("the server sees 203.0.113.2:"), "{text}");
        drop(stun);

        // The running box's lease was not touched: its link is still there.
        assert!(gateway.ask(&["status"]).await.status.success());
        prs.refuse(Some(Refused {
            reason: Reason::Quarantined,
            retry_after_ms: 100,
            text: String::new(),
        }));
        prs.cut(gateway.key());
        let mut code = String::new();
        for _ in 0..60 {
            code = diagnosis(&gateway).await.0;
            if code == "refused" {
                break;
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        assert_eq!(code, "refused");
    });
}

#[test]
fn a_wrong_clock_is_noted_and_changes_nothing() {
    let net = Net::new();
    net.run(async {
        let good = prover_of(statement(), &provider());
        let prs = Prs::start_as(443, good, 24 * HOUR).await;
        let _stun = stun_server().await;
        let mut gateway = Gateway::claimed(&net, "");
        gateway.up(&prs).await;

        expect(&gateway, "clock_wrong").await;
    });
}

#[test]
fn what_is_wrong_on_the_box_itself_is_found() {
    let net = Net::new();
    net.run(async {
        let fresh = Gateway::unclaimed(&net, "");
        expect(&fresh, "unclaimed").await;
        let broken = Gateway::claimed(&net, "");
        std::fs::write(broken.data().join("state.json"), "{").unwrap();
        expect(&broken, "storage").await;
        let proxy = "[proxy]\nurl = \"http://p:1\"\nuser = \"u\"\npassword_file = \"/none\"\n";
        expect(&Gateway::claimed(&net, proxy), "proxy_settings").await;
        let odd = Gateway::claimed(&net, "");
        let mut state = State::load(&odd.data()).unwrap();
        state.claim.as_mut().unwrap().servers = vec!["no address".into()];
        state.store(&odd.data()).unwrap();
        expect(&odd, "settings").await;

        let far = Gateway::claimed(&net, "servers = [\"198.51.100.7\"]\n");
        let ns = net.gateway();
        net.sh(&ns, "ip route add unreachable 198.51.100.7");
        expect(&far, "tcp_unreachable").await;
        net.sh(
            &ns,
            "ip route del unreachable 198.51.100.7; ip route del default",
        );
        expect(&far, "no_route").await;
        net.sh(&ns, "ip addr flush dev wan0; ip addr flush dev lan0");
        expect(&far, "no_address").await;
        expect(&fresh, "no_address").await;
        net.sh(&ns, "ip link set wan0 down; ip link set lan0 down");
        expect(&far, "no_cable").await;
    });
}

#[test]
fn what_is_wrong_with_the_name_servers_is_found() {
    let net = Net::new();
    net.run(async {
        let gateway = Gateway::claimed(&net, NAMED);
        gateway.resolv_conf("# nothing\n");
        expect(&gateway, "dns_not_set").await;
        gateway.resolv_conf("nameserver 192.168.77.10\n");
        {
            let _names = Names::start(&net, &[]).await;
            expect(&gateway, "dns_no_name").await;
        }
        {
            let _names = Names::start(&net, &[("prs.example.com", &[&["0.0.0.0"]])]).await;
            expect(&gateway, "dns_blocked").await;
        }
        {
            let socket = lan_udp(&net, "192.168.77.10:53").await;
            let _failing = Task(tokio::spawn(async move {
                let mut buffer = [0; 512];
                loop {
                    let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                    buffer[2..4].copy_from_slice(&[0x81, 0x82]);
                    socket.send_to(&buffer[..length], from).await.unwrap();
                }
            }));
            expect(&gateway, "dns_failed").await;
        }
    });
}

#[test]
fn a_name_server_that_says_nothing_is_found() {
    let net = Net::new();
    net.run(async {
        let gateway = Gateway::claimed(&net, NAMED);
        let _silent = lan_udp(&net, "192.168.77.10:53").await;

        expect(&gateway, "dns_timeout").await;
    });
}

#[test]
fn what_keeps_tcp_from_the_server_is_found() {
    let net = Net::new();
    net.run(async {
        let gateway = Gateway::claimed(&net, "");
        expect(&gateway, "tcp_refused").await;
        net.sh(
            &net.cloud(),
            "nft add table inet wall
             nft 'add chain inet wall in { type filter hook input priority 0; }'
             nft add rule inet wall in tcp dport 443 drop",
        );
        expect(&gateway, "tcp_timeout").await;

        let _portal = serve(80, |mut tcp| async move {
            let mut asked = [0; 512];
            let _ = tcp.read(&mut asked).await.ok()?;
            let answer = "HTTP/1.1 302 Found\r\nLocation: http://login.hotel.example/\r\n\r\n";
            tcp.write_all(answer.as_bytes()).await.ok()
        })
        .await;
        let text = expect(&gateway, "captive_portal").await;
        assert!(text.contains("http://login.hotel.example/"), "{text}");
    });
}

#[test]
fn what_goes_wrong_inside_the_connection_is_found() {
    let net = Net::new();
    net.run(async {
        let gateway = Gateway::claimed(&net, "");
        {
            let _cuts = serve(443, |mut tcp| async move {
                tcp.read_u8().await.ok()?;
                tcp.set_zero_linger().ok()
            })
            .await;
            expect(&gateway, "tls_broken").await;
        }
        {
            let _plain = serve(443, |mut tcp| async move {
                let answer = b"HTTP/1.1 400 Bad Request\r\n\r\n";
                tcp.write_all(answer).await.ok()?;
                hang(tcp).await
            })
            .await;
            expect(&gateway, "not_tls").await;
        }
        {
            let _site = serve_tls(|mut tls| async move {
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
                tls.write_all(answer).await.ok()?;
                hang(tls).await
            })
            .await;
            expect(&gateway, "not_our_server").await;
        }
        {
            let _strips = serve_tls(|mut tls| async move {
                let answer = b"HTTP/1.1 101 Switching Protocols\r\n\r\n";
                tls.write_all(answer).await.ok()?;
                hang(tls).await
            })
            .await;
            expect(&gateway, "websocket_blocked").await;
        }
        {
            let _newer = serve_tls(|mut tls| async move {
                let answer = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\
                    Culvert-Reason: version_unsupported\r\n\r\n";
                tls.write_all(answer).await.ok()?;
                hang(tls).await
            })
            .await;
            expect(&gateway, "version").await;
        }
        {
            let _stripped = serve_tls(|mut tls| async move {
                let answer = b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n";
                tls.write_all(answer).await.ok()?;
                hang(tls).await
            })
            .await;
            expect(&gateway, "websocket_blocked").await;
        }
        {
            let _chat = serve_tls(|mut tls| async move {
                upgrade(&mut tls).await?;
                // An unmasked text frame: "hello".
                tls.write_all(b"\x81\x05hello").await.ok()?;
                hang(tls).await
            })
            .await;
            expect(&gateway, "no_proof").await;
        }
    });
}

#[test]
fn a_connection_that_opens_and_stays_silent_is_found() {
    let net = Net::new();
    net.run(async {
        let gateway = Gateway::claimed(&net, "");
        {
            let _silent = serve(443, hang).await;
            expect(&gateway, "tls_timeout").await;
        }
        let _silent = serve_tls(hang).await;
        expect(&gateway, "websocket_timeout").await;
    });
}

#[test]
fn what_is_wrong_with_the_servers_statement_is_found() {
    let net = Net::new();
    net.run(async {
        let gateway = Gateway::claimed(&net, "");
        let mut state = State::load(&gateway.data()).unwrap();
        state.claim.as_mut().unwrap().epoch_floor = 3;
        state.store(&gateway.data()).unwrap();
        let mut foreign = statement();
        foreign.provider = key(60).public();
        let mut expired = statement();
        expired.not_after.0 = now().0 - HOUR;
        let mut old = statement();
        old.epoch = 2;
        for (prover, code) in [
            (prover_of(foreign, &key(60)), "other_provider"),
            (prover_of(expired, &provider()), "statement_expired"),
            (prover_of(old, &provider()), "statement_old"),
            (prover_of(statement(), &key(60)), "proof"),
        ] {
            let _prs = Prs::start_as(443, prover, 0).await;
            expect(&gateway, code).await;
        }
    });
}

/// Decision D2: refused and named, whatever certificate is trusted.
#[test]
fn a_proxy_that_opens_tls_is_named() {
    let net = Net::new();
    net.run(async {
        let good = prover_of(statement(), &provider());
        let prs = Prs::start_as(8443, good, 0).await;
        let _opens = serve_tls(|mut inside| async move {
            let tcp = TcpStream::connect((CLOUD, 8443)).await.ok()?;
            let name = ServerName::try_from("prs.example.com").ok()?;
            let connector = TlsConnector::from(link_tls::client_config());
            let mut outside = connector.connect(name, tcp).await.ok()?;
            copy_bidirectional(&mut inside, &mut outside).await.ok()?;
            Some(())
        })
        .await;
        let gateway = Gateway::claimed(&net, "");

        let text = expect(&gateway, "intercepted").await;

        // Whose certificate it was: rcgen's default name stands for the CA.
        assert!(text.contains("rcgen"), "{text}");
        assert_eq!(prs.hellos(), [], "something was said through it");
    });
}

/// A real tinyproxy on the cloud's side.
struct Tinyproxy {
    child: Child,
    _dir: tempfile::TempDir,
}

impl Tinyproxy {
    async fn start(net: &Net, settings: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("tinyproxy.conf");
        let text = format!("Port 3128\nListen {CLOUD}\nTimeout 600\n{settings}\n");
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &net.cloud(), "tinyproxy", "-d", "-c"])
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let started = Self {
            child: command.spawn().unwrap(),
            _dir: dir,
        };
        let listens = async {
            while TcpStream::connect((CLOUD, 3128)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let waited = tokio::time::timeout(SOON, listens).await;
        waited.expect("tinyproxy listens");
        started
    }
}

impl Drop for Tinyproxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn what_a_proxy_does_wrong_is_found_and_a_good_one_works() {
    let net = Net::new();
    net.run(async {
        let prs = Prs::start().await;
        let explicit = format!("[proxy]\nurl = \"http://{CLOUD}:3128\"\n");
        let mut gateway = Gateway::claimed(&net, &explicit);
        expect(&gateway, "proxy_unreachable").await;
        {
            let _denies = Tinyproxy::start(&net, "ConnectPort 8443").await;
            expect(&gateway, "proxy_refused").await;
        }
        {
            let _asks = Tinyproxy::start(&net, "ConnectPort 443\nBasicAuth box secret").await;
            expect(&gateway, "proxy_auth").await;
            let password = gateway.dir.path().join("password");
            std::fs::write(&password, "secret\n").unwrap();
            let account = format!(
                "{explicit}user = \"box\"\npassword_file = \"{}\"\n",
                password.display()
            );
            let signed = Gateway::claimed(&net, &account);
            // Only the process is missing: the way through the proxy works.
            expect(&signed, "not_running").await;
        }
        {
            let _ssh = serve(3128, |mut tcp| async move {
                tcp.write_all(b"SSH-2.0-OpenSSH_9\r\n").await.ok()?;
                hang(tcp).await
            })
            .await;
            expect(&gateway, "proxy_broken").await;
        }
        let _open = Tinyproxy::start(&net, "ConnectPort 443").await;
        gateway.up(&prs).await;
        expect(&gateway, "ok").await;
    });
}

#[test]
fn a_proxy_without_a_name_or_an_answer_is_found() {
    let net = Net::new();
    net.run(async {
        let _names = Names::start(&net, &[]).await;
        let named = "[proxy]\nurl = \"http://proxy.lan:3128\"\n";
        expect(&Gateway::claimed(&net, named), "proxy_dns").await;
        let _silent = serve(3128, hang).await;
        let explicit = format!("[proxy]\nurl = \"http://{CLOUD}:3128\"\n");
        expect(&Gateway::claimed(&net, &explicit), "proxy_timeout").await;
    });
}
