//! What the site's walls stop, and what they let through.

#![expect(clippy::unwrap_used, reason = "a helper may fail its test")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::Output;
use std::thread;
use std::time::{Duration, Instant};

use culvert_lab::{
    CLOUD_IP, CLOUD_NAME, Dns, GATEWAY_IP, Internet, Ns, ProxyAuth, SERVER_IP, Site, SiteOptions,
    Uplink,
};

#[test]
fn only_tcp_443_leaves_the_site_and_the_technicians_line() {
    let cloud = Cloud::start();
    let site = Site::start(SiteOptions {
        technician: true,
        ..cloud.options()
    })
    .unwrap();
    for ns in [Ns::Gateway, Ns::Technician] {
        assert_eq!(answer(&tcp(&site, ns, CLOUD_IP, 443)), GREETING, "{ns:?}");
        let _other = site.spawn("other", &mut listener(&site, 8443)).unwrap();
        let said = no_tcp(&site, ns, CLOUD_IP, 8443);
        assert!(!said.status.success(), "{ns:?}: {said:?}");
        assert!(!udp_arrives(&site, ns), "UDP from {ns:?}");
    }
    let arrives = (0..100).any(|_| udp_arrives(&site, Ns::Router));
    assert!(arrives, "the test's own UDP works");
}

#[test]
fn nothing_reaches_the_site_or_the_technician_from_outside() {
    let cloud = Cloud::start();
    let site = Site::start(SiteOptions {
        technician: true,
        ..cloud.options()
    })
    .unwrap();
    let route = "ip route add 192.168.77.0/24 via 198.51.100.2";
    site.shell(Ns::Internet, route).unwrap();
    let said = no_tcp(&site, Ns::Internet, SERVER_IP, 22);
    assert!(!said.status.success(), "{said:?}");
    let said = no_tcp(&site, Ns::Technician, SERVER_IP, 22);
    assert!(!said.status.success(), "{said:?}");
}

#[test]
fn a_silenced_router_carries_nothing_until_it_speaks_again() {
    let cloud = Cloud::start();
    let site = Site::start(cloud.options()).unwrap();
    site.silence(Ns::Router, true).unwrap();
    let said = no_tcp(&site, Ns::Gateway, CLOUD_IP, 443);
    assert!(!said.status.success(), "{said:?}");
    site.silence(Ns::Router, false).unwrap();
    assert_eq!(answer(&tcp(&site, Ns::Gateway, CLOUD_IP, 443)), GREETING);
}

#[test]
fn a_site_with_a_proxy_has_no_other_way_out() {
    for auth in [ProxyAuth::None, ProxyAuth::Basic, ProxyAuth::Digest] {
        let cloud = Cloud::start();
        let site = Site::start(SiteOptions {
            uplink: Uplink::OnlyProxy(auth),
            ..cloud.options()
        })
        .unwrap();
        let said = no_tcp(&site, Ns::Gateway, CLOUD_IP, 443);
        assert!(!said.status.success(), "{auth:?}: {said:?}");

        let right = format!(
            "{}:{}",
            site.credentials().proxy_user,
            site.credentials().proxy_password
        );
        let said = through_proxy(&site, auth, &right, 443);
        assert!(answer(&said).contains("greeting"), "{auth:?}: {said:?}");
        let said = through_proxy(&site, auth, &right, 8443);
        assert!(!said.status.success(), "{auth:?} port 8443: {said:?}");
        if auth != ProxyAuth::None {
            let said = through_proxy(&site, auth, "box:wrong", 443);
            assert!(!said.status.success(), "{auth:?} wrong password: {said:?}");
        }
    }
}

#[test]
fn an_intercepting_internet_shows_its_own_issuer_and_reads_everything() {
    let cloud = TlsCloud::start();
    let site = Site::start(SiteOptions {
        internet: Internet::Intercepting,
        cloud: cloud.address,
        hosts: false,
        ..SiteOptions::default()
    })
    .unwrap();
    let script = format!(
        "echo canary-from-site | timeout 40 openssl s_client -connect {CLOUD_IP}:443 -quiet -no_ign_eof 2>&1"
    );
    let said = site.run(Ns::Gateway, "sh", ["-c", &script]).unwrap();
    let text = answer(&said);
    assert!(text.contains("Example Corp Web Inspection"), "{text}");
    // What was sent is read on the way, by itself.
    let deadline = Instant::now() + Duration::from_secs(40);
    let sent = loop {
        let sent = String::from_utf8_lossy(&site.overheard().from_ends).into_owned();
        if sent.contains("canary-from-site") || Instant::now() > deadline {
            break sent;
        }
        thread::sleep(Duration::from_millis(20));
    };
    assert!(sent.contains("canary-from-site"), "{sent} {text}");
    assert_eq!(site.overheard().handshakes, 1);
}

#[test]
fn the_site_has_the_name_server_asked_for() {
    // A question that was lost is asked again after five seconds.
    let expected = [
        (Dns::Right, CLOUD_IP, "40"),
        (Dns::Wrong, "198.51.100.66", "40"),
        (Dns::Silent, "", "5"),
    ];
    for (dns, address, seconds) in expected {
        let site = Site::start(SiteOptions {
            dns,
            hosts: false,
            ..SiteOptions::default()
        })
        .unwrap();
        let said = site
            .run(
                Ns::Gateway,
                "timeout",
                [seconds, "getent", "ahostsv4", CLOUD_NAME],
            )
            .unwrap();
        let text = answer(&said);
        let got = text.split_whitespace().next().unwrap_or_default();
        assert_eq!(got, address, "{dns:?}: {said:?}");
    }
}

#[test]
fn a_capture_tells_who_called_whom() {
    let cloud = Cloud::start();
    let site = Site::start(cloud.options()).unwrap();
    let capture = site.capture(Ns::Gateway, "eth0").unwrap();
    tcp(&site, Ns::Gateway, CLOUD_IP, 443);
    let traffic = capture.finish().unwrap();
    let [flow] = traffic.flows.as_slice() else {
        panic!("{traffic:?}");
    };
    assert_eq!(flow.from.ip().to_string(), GATEWAY_IP);
    assert_eq!(flow.to, SocketAddr::from(([203, 0, 113, 10], 443)));
    assert!(flow.answered);
    assert_eq!(flow.first_bytes, b"hello\n");
}

const GREETING: &str = "greeting of the cloud\n";

/// Something on loopback that reads a line and answers it.
struct Cloud {
    address: SocketAddr,
}

impl Cloud {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || {
                    let mut stream = stream;
                    let mut bytes = [0; 1024];
                    let _ = stream.read(&mut bytes);
                    let _ = stream.write_all(GREETING.as_bytes());
                });
            }
        });
        Self { address }
    }

    fn options(&self) -> SiteOptions {
        SiteOptions {
            cloud: self.address,
            hosts: false,
            ..SiteOptions::default()
        }
    }
}

/// A TLS server of openssl on loopback, killed when dropped.
struct TlsCloud {
    address: SocketAddr,
    server: std::process::Child,
    _port: tokio::net::TcpSocket,
    _folder: tempfile::TempDir,
}

impl TlsCloud {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Nobody else is given the port as long as this is bound to it.
        let port = tokio::net::TcpSocket::new_v4().unwrap();
        port.set_reuseaddr(true).unwrap();
        port.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = port.local_addr().unwrap();
        let script = format!(
            "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=cloud -keyout k -out c 2>/dev/null
             exec openssl s_server -accept {} -key k -cert c -quiet",
            address.port()
        );
        let server = std::process::Command::new("sh")
            .args(["-c", &script])
            .current_dir(folder.path())
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        while std::net::TcpStream::connect(address).is_err() {
            thread::sleep(Duration::from_millis(20));
        }
        Self {
            address,
            server,
            _port: port,
            _folder: folder,
        }
    }
}

impl Drop for TlsCloud {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn tcp(site: &Site, ns: Ns, address: &str, port: u16) -> Output {
    tcp_within(site, 40, ns, address, port)
}

/// The same where no answer is expected, with as little patience as that needs.
fn no_tcp(site: &Site, ns: Ns, address: &str, port: u16) -> Output {
    tcp_within(site, 3, ns, address, port)
}

fn tcp_within(site: &Site, seconds: u32, ns: Ns, address: &str, port: u16) -> Output {
    let script = format!("exec 3<>/dev/tcp/{address}/{port}; echo hello >&3; cat <&3");
    let seconds = seconds.to_string();
    site.run(ns, "timeout", [seconds.as_str(), "bash", "-ec", &script])
        .unwrap()
}

fn listener(site: &Site, port: u16) -> std::process::Command {
    let mut command = site.command(Ns::Internet, "socat");
    command.arg(format!("TCP-LISTEN:{port},reuseaddr,fork"));
    command.arg("EXEC:cat");
    command
}

/// Whether a datagram sent from a place arrives in the internet.
fn udp_arrives(site: &Site, from: Ns) -> bool {
    let received = site.temp_dir().join("datagram");
    let _ = std::fs::remove_file(&received);
    let mut command = site.command(Ns::Internet, "socat");
    command
        .args(["-u", "UDP-RECV:443"])
        .arg(format!("OPEN:{},creat,append", received.display()));
    let _receiver = site.spawn("datagram", &mut command).unwrap();
    site.shell(
        Ns::Internet,
        "for i in $(seq 800); do ss -Hlun 'sport = :443' | grep -q . && exit 0; sleep 0.05; done; exit 1",
    )
    .unwrap();
    let send = format!("for i in 1 2 3; do echo there > /dev/udp/{CLOUD_IP}/443; sleep 0.1; done");
    site.run(from, "bash", ["-c", &send]).unwrap();
    std::fs::metadata(&received).is_ok_and(|file| file.len() > 0)
}

fn through_proxy(site: &Site, auth: ProxyAuth, user: &str, port: u16) -> Output {
    let mut args = vec!["-sS", "-m", "40", "--http0.9", "-p", "-x"];
    let proxy = site.proxy_url();
    args.push(&proxy);
    match auth {
        ProxyAuth::None => {}
        ProxyAuth::Basic => args.extend(["--proxy-basic", "-U", user]),
        ProxyAuth::Digest => args.extend(["--proxy-digest", "-U", user]),
    }
    let url = format!("http://{CLOUD_IP}:{port}/");
    args.push(&url);
    site.run(Ns::Gateway, "curl", args).unwrap()
}

fn answer(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}
