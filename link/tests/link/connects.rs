//! Connecting: what a good server gives, what each bad one is called.

use std::future::poll_fn;
use std::net::SocketAddr;

use culvert_link::{Event, Events, Link, Me, connect};
use culvert_wire::UnixMs;
use culvert_wire::frame::Method;
use culvert_wire::hello::{ClaimHello, Who};
use culvert_wire::id::{BootId, ClaimId, SessionId};
use culvert_wire::key::Context;
use culvert_wire::reason::Reason;
use culvert_wire::statement::{ProviderRotation, SignedStatement};
use culvert_wire::ticket::Ticket;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use crate::server::{
    DAY, Server, dial, gateway, key, now, prover, reserve, server_config, start, start_with,
    web_config,
};

const SESSION: SessionId = SessionId::from_random([1; 16]);

async fn open(server: &Server) -> (Link, Events) {
    let link = connect(&dial(server.address), gateway(), "test 1").await;
    link.unwrap()
}

/// The cause of not getting a link.
async fn cause(dial: &culvert_link::Dial) -> &'static str {
    let failed = connect(dial, gateway(), "t").await;
    failed.unwrap_err().cause()
}

#[tokio::test]
async fn a_server_that_proves_itself_gets_the_gateways_hello() {
    let server = start().await;

    let (link, mut events) = open(&server).await;

    assert!(matches!(events.next().await, Some(Event::Welcome(w)) if w.version == "test"));
    assert_eq!(link.proven().statement.node, key(2).public());
    assert!(now().ms_since(link.link_time()) < 60_000);
    let seen = server.seen.lock().unwrap().clone();
    assert!(matches!(&seen[..], [(auth, _)] if *auth.who.key() == key(7).public()));
}

#[tokio::test]
async fn a_claim_carries_the_seeds_signature() {
    let server = start().await;
    let hello = ClaimHello {
        claim: ClaimId::from_random([3; 16]),
        identity: key(8).public(),
        sealing: [5; 32],
        sealing_signature: key(8).sign(Context::SealingKey, &[5; 32]),
        boot: BootId::from_random([4; 16]),
    };
    let me = Me::Claim {
        key: key(8),
        seed: key(9),
        hello,
    };

    let link = connect(&dial(server.address), me, "test").await;
    link.unwrap().1.next().await;

    let (auth, binding) = server.seen.lock().unwrap()[0].clone();
    assert!(matches!(auth.who, Who::Claim(_)));
    assert_eq!(auth.verify_claim(&binding, &key(9).public()), Ok(()));
    assert!(auth.verify_claim(&binding, &key(1).public()).is_err());
}

#[tokio::test]
async fn packets_of_every_size_come_back_whole_on_their_route() {
    let server = start().await;
    let (link, _events) = open(&server).await;
    let ticket = Ticket::from_random([2; 32]);
    let route = link.join(SESSION, Some(ticket), &key(5)).unwrap();
    let other = link.join(SESSION, None, &key(5)).unwrap();

    for size in [1_usize, 5, 1200, 4096, 4097, 16_384, 65_000, 65_536] {
        let payload: Vec<u8> = (0..=250).cycle().take(size).collect();
        assert!(route.try_send(1200, &payload));
        let got = poll_fn(|cx| route.poll_recv(cx)).await.unwrap();
        assert_eq!((got.segment, got.payload.len()), (1200, size));
        assert_eq!(got.payload, payload, "{size}");
    }

    assert!(route.joined() && route.peer_present() && other.joined());
    assert!(!route.try_send(1200, &[0; 65_537]) && !route.try_send(0, &[1]));
    assert!(!route.try_send(1200, &[]));
}

#[tokio::test]
async fn the_api_answers_over_the_link_in_any_order() {
    let server = start().await;
    let (link, _events) = open(&server).await;

    let (a, b) = tokio::join!(
        link.api(Method::Get, "/a", ""),
        link.api(Method::Post, "/b", "{}"),
    );

    assert_eq!(&a.unwrap().body[..], b"GET /a");
    assert_eq!(&b.unwrap().body[..], b"POST /b");
    let long = link.api(Method::Get, "/x".repeat(2000), "").await;
    assert_eq!(long.unwrap().status, 414);
    let large = link.api(Method::Put, "/", vec![0; 300_000]).await;
    assert_eq!(large.unwrap().status, 413);
}

#[tokio::test]
async fn the_last_handle_closes_the_link_and_its_routes_learn_it() {
    let server = start().await;
    let (link, mut events) = open(&server).await;
    let route = link.join(SESSION, None, &key(5)).unwrap();
    let ended = link.watch_end();

    drop(link);
    assert!(route.try_send(9, b"the route keeps the link"));
    assert!(poll_fn(|cx| route.poll_recv(cx)).await.is_some());
    drop(route);

    assert_eq!(ended.await.0, Reason::Finished);
    while events.next().await.is_some() {}
}

#[tokio::test]
async fn a_server_that_vanishes_ends_link_routes_and_calls() {
    let server = start().await;
    let (link, _events) = open(&server).await;
    let route = link.join(SESSION, None, &key(5)).unwrap();

    drop(server);

    assert_eq!(link.closed().await.0, Reason::LinkLost);
    while poll_fn(|cx| route.poll_recv(cx)).await.is_some() {}
    let closed = route.closed().map(|closed| closed.reason);
    assert_eq!(closed, Some(Reason::LinkLost));
    assert!(!route.try_send(9, b"x") && link.is_closed());
    assert!(link.api(Method::Get, "/", "").await.is_err());
}

/// A renewed, self-signed, expired or wrongly named certificate never matters,
/// nor does the clock of the box: only the node's proof counts.
#[tokio::test]
async fn any_web_certificate_will_do_while_the_proof_holds() {
    for name in ["a.example", "b.example", "localhost"] {
        let server = start_with(web_config(name), prover()).await;
        assert!(connect(&dial(server.address), gateway(), "t").await.is_ok());
    }
    let mut old = rcgen::CertificateParams::new(vec!["x".into()]).unwrap();
    old.not_before = rcgen::date_time_ymd(1999, 1, 1);
    old.not_after = rcgen::date_time_ymd(2000, 1, 1);
    let pair = rcgen::KeyPair::generate().unwrap();
    let certificate = old.self_signed(&pair).unwrap();
    let web = server_config(certificate.der().clone(), pair.serialize_der());
    let server = start_with(web, prover()).await;
    assert!(connect(&dial(server.address), gateway(), "t").await.is_ok());
}

/// P9: a box may believe it is 1970 or 2099; nothing here reads its clock.
#[tokio::test]
async fn link_time_is_the_servers_and_its_checks_are_never_off() {
    let mut late = prover();
    let mut said = *late.statement.unverified();
    said.issued = UnixMs(now().0 - 100 * DAY);
    said.not_after = said.issued.plus_ms(80 * DAY);
    late.statement = SignedStatement::sign(said, &key(1));
    let server = start_with(web_config("x"), late).await;
    assert_eq!(cause(&dial(server.address)).await, "statement_expired");

    let server = start().await;
    let mut floor = dial(server.address);
    floor.clock_floor = UnixMs(now().0 + 200 * DAY);
    assert_eq!(cause(&floor).await, "statement_expired");
    let mut epoch = dial(server.address);
    epoch.epoch_floor = 4;
    assert_eq!(cause(&epoch).await, "statement_old");
}

#[tokio::test]
async fn a_rotated_provider_key_is_followed_and_a_foreign_one_named() {
    let mut rotated = prover();
    let mut said = *rotated.statement.unverified();
    said.provider = key(11).public();
    rotated.statement = SignedStatement::sign(said, &key(11));
    let foreign = start_with(web_config("x"), rotated.clone()).await;
    assert_eq!(cause(&dial(foreign.address)).await, "other_provider");

    rotated.rotations = vec![ProviderRotation::sign(&key(1), &key(11))];
    let server = start_with(web_config("x"), rotated).await;
    let link = connect(&dial(server.address), gateway(), "t").await;
    assert_eq!(link.unwrap().0.proven().provider, key(11).public());
}

#[tokio::test]
async fn one_dead_server_of_the_list_costs_only_a_try() {
    let server = start().await;
    let (_reserved, gone) = reserve();
    for _ in 0..6 {
        let mut dial = dial(server.address);
        dial.servers.push(gone.to_string());
        assert!(connect(&dial, gateway(), "t").await.is_ok());
    }
}

#[tokio::test]
async fn each_way_to_fail_before_tls_has_its_own_cause() {
    let (_reserved, gone) = reserve();
    let garbage = answering(b"HELLO\r\n\r\n").await;
    for (servers, wanted) in [
        (vec![], "settings"),
        (vec!["no port:x".to_owned()], "settings"),
        (vec!["does-not-exist.invalid:443".to_owned()], "dns"),
        (vec![gone.to_string()], "tcp"),
        (vec![garbage.to_string()], "tls"),
        (vec![gone.to_string(), garbage.to_string()], "tls"),
    ] {
        let mut dial = dial(gone);
        dial.servers = servers;
        assert_eq!(cause(&dial).await, wanted);
    }
}

#[tokio::test]
async fn each_wrong_answer_inside_tls_has_its_own_cause() {
    for (answer, wanted) in [
        (&b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"[..], "http"),
        (b"HTTP/1.1 200 Sign in to the guest network\r\n\r\n", "http"),
        (b"HTTP/1.1 426 Upgrade Required\r\n\r\n", "websocket"),
        (
            b"HTTP/1.1 400 No\r\nCulvert-Reason: version_unsupported\r\n\r\n",
            "version",
        ),
        (
            b"HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
            "websocket",
        ),
        (b"HTTP/1.1 101 Yes\r\n\r\n", "websocket"),
        (b"SSH-2.0-x\r\n", "websocket"),
        (b"", "websocket"),
    ] {
        let server = tls_answering(answer).await;
        assert_eq!(cause(&dial(server)).await, wanted);
    }
}

async fn answering(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            let _ = tcp.write_all(answer).await;
            let _ = tcp.shutdown().await;
        }
    });
    address
}

async fn tls_answering(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(web_config("x"));
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            if let Ok(mut tls) = acceptor.accept(tcp).await {
                let _ = tls.write_all(answer).await;
                let _ = tls.shutdown().await;
            }
        }
    });
    address
}
