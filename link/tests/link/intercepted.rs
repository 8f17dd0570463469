//! A TLS-terminating middlebox is found and named, and what it decrypted holds
//! no secret (P11, threat 6). Control: the same search finds the token in what the honest
//! server reads.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use culvert_link::{ConnectError, Me, connect, tls};
use culvert_wire::Encode as _;
use culvert_wire::hello::{ClaimHello, LinkAuth};
use culvert_wire::id::{BootId, ClaimId};
use culvert_wire::key::Context;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::server::{Server, dial, gateway, key, server_config, start};

const TOKEN: &[u8] = b"culvert-token-hunter2";

/// Opens TLS with a certificate of its own, forwards to the real server and
/// keeps every byte it could read.
struct Middlebox {
    address: SocketAddr,
    decrypted: Arc<Mutex<Vec<u8>>>,
}

async fn middlebox(server: SocketAddr) -> Middlebox {
    let mut ca = CertificateParams::new(vec![]).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let name = &mut ca.distinguished_name;
    name.push(DnType::OrganizationName, "Fortress Ltd");
    name.push(DnType::CommonName, "Inspection CA");
    let issuer = Issuer::new(ca, KeyPair::generate().unwrap());
    let pair = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["prs.example.com".into()]).unwrap();
    let leaf = leaf.signed_by(&pair, &issuer).unwrap();
    let acceptor = TlsAcceptor::from(server_config(leaf.der().clone(), pair.serialize_der()));

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let decrypted = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&decrypted);
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let (acceptor, kept) = (acceptor.clone(), Arc::clone(&kept));
            tokio::spawn(async move { inspect(tcp, acceptor, server, kept).await });
        }
    });
    Middlebox { address, decrypted }
}

async fn inspect(
    tcp: TcpStream,
    acceptor: TlsAcceptor,
    server: SocketAddr,
    kept: Arc<Mutex<Vec<u8>>>,
) -> Option<()> {
    let mut near = acceptor.accept(tcp).await.ok()?;
    let tcp = TcpStream::connect(server).await.ok()?;
    let name = ServerName::try_from("prs.example.com").ok()?;
    let mut far = TlsConnector::from(tls::client_config())
        .connect(name, tcp)
        .await
        .ok()?;
    let (mut up, mut down) = ([0; 4096], [0; 4096]);
    loop {
        tokio::select! {
            read = near.read(&mut up) => {
                let read = read.ok().filter(|read| *read > 0)?;
                kept.lock().unwrap().extend_from_slice(&up[..read]);
                far.write_all(&up[..read]).await.ok()?;
                far.flush().await.ok()?;
            }
            read = far.read(&mut down) => {
                let read = read.ok().filter(|read| *read > 0)?;
                near.write_all(&down[..read]).await.ok()?;
                near.flush().await.ok()?;
            }
        }
    }
}

fn everyone() -> Vec<Me> {
    let hello = ClaimHello {
        claim: ClaimId::from_random([3; 16]),
        identity: key(8).public(),
        sealing: [5; 32],
        sealing_signature: key(8).sign(Context::SealingKey, &[5; 32]),
        boot: BootId::from_random([4; 16]),
    };
    let technician = Me::Technician {
        key: key(30),
        token: Some(Bytes::from_static(TOKEN)),
    };
    let claim = Me::Claim {
        key: key(8),
        seed: key(9),
        hello,
    };
    vec![technician, claim, gateway()]
}

#[tokio::test]
async fn an_interceptor_is_refused_and_named_and_has_read_no_secret() {
    let server = start().await;
    let middlebox = middlebox(server.address).await;

    for me in everyone() {
        let refused = connect(&dial(middlebox.address), me, "test")
            .await
            .unwrap_err();

        assert_eq!(refused.cause(), "intercepted");
        assert!(
            refused.to_string().contains("Fortress Ltd / Inspection CA"),
            "{refused}"
        );
        assert!(matches!(
            refused,
            ConnectError::Intercepted { issuer: Some(_) }
        ));
    }

    assert!(server.seen.lock().unwrap().is_empty(), "nobody arrived");
    // Three upgrade requests and not one byte behind them: neither a message
    // nor a header that carries more than a random nonce.
    let read = String::from_utf8(middlebox.decrypted.lock().unwrap().clone()).unwrap();
    let heads: Vec<&str> = read.split_inclusive("\r\n\r\n").collect();
    assert_eq!(heads.len(), 3, "{read}");
    for head in heads {
        let names: Vec<&str> = head
            .lines()
            .filter_map(|line| line.split_once(": ").map(|(name, _)| name))
            .collect();
        let wanted = [
            "Host",
            "Connection",
            "Upgrade",
            "Sec-WebSocket-Version",
            "Sec-WebSocket-Key",
            "Sec-WebSocket-Protocol",
            "culvert-nonce",
        ];
        assert!(head.starts_with("GET /link HTTP/1.1\r\n") && head.ends_with("\r\n\r\n"));
        assert_eq!(names, wanted);
    }
    control(&server).await;
}

/// What the honest server reads of the same ends does hold the token.
async fn control(server: &Server) {
    for me in everyone() {
        let link = connect(&dial(server.address), me, "test").await;
        link.unwrap().1.next().await;
    }
    let seen = server.seen.lock().unwrap();
    let bytes: Vec<u8> = seen
        .iter()
        .flat_map(|(auth, _): &(LinkAuth, _)| auth.to_bytes())
        .collect();
    assert!(bytes.windows(TOKEN.len()).any(|window| window == TOKEN));
}
