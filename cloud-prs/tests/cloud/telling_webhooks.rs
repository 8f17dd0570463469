//! Webhooks against a real HTTPS receiver with a private authority.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use culvert_cloud_prs::app::webhooks::{AddedWebhook, NewWebhook, Outside, sign};
use culvert_cloud_prs::store::webhooks;
use culvert_wire::api::{Secret, SignIn};
use culvert_wire::reason::Reason;
use data_encoding::HEXLOWER;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::world::{World, console};

/// A message as it came.
type Got = (HeaderMap, String);

/// A receiver on loopback, HTTPS with a certificate of its own authority.
struct Receiver {
    address: SocketAddr,
    authority: CertificateDer<'static>,
    got: Arc<Mutex<Vec<Got>>>,
    answers: Arc<Mutex<StatusCode>>,
}

impl Receiver {
    async fn start() -> Self {
        let ca_key = KeyPair::generate().unwrap();
        let mut ca = CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = ca.self_signed(&ca_key).unwrap();
        let issuer = Issuer::new(ca, ca_key);
        let key = KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned()];
        let leaf = CertificateParams::new(names).unwrap();
        let leaf = leaf.signed_by(&key, &issuer).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self {
            address: listener.local_addr().unwrap(),
            authority: authority.der().clone(),
            got: Arc::default(),
            answers: Arc::new(Mutex::new(StatusCode::NO_CONTENT)),
        };
        let (got, answers) = (Arc::clone(&receiver.got), Arc::clone(&receiver.answers));
        let take = move |headers: HeaderMap, body: Bytes| {
            let text = String::from_utf8(body.to_vec()).unwrap();
            got.lock().unwrap().push((headers, text));
            let answer = *answers.lock().unwrap();
            async move { answer }
        };
        let router = Router::new().route("/hook", post(take));
        tokio::spawn(serve(listener, TlsAcceptor::from(Arc::new(tls)), router));
        receiver
    }

    fn outside(&self, networks: &[&str]) -> Outside {
        let networks = networks.iter().map(|text| text.parse().unwrap()).collect();
        Outside::new(networks, [self.authority.clone()]).unwrap()
    }

    fn url(&self) -> String {
        format!("https://localhost:{}/hook", self.address.port())
    }

    fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }
}

async fn serve(listener: TcpListener, tls: TlsAcceptor, router: Router) {
    while let Ok((tcp, _)) = listener.accept().await {
        let (tls, router) = (tls.clone(), router.clone());
        tokio::spawn(async move {
            let Ok(io) = tls.accept(tcp).await else {
                return;
            };
            let service = TowerToHyperService::new(router);
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(io), service)
                .await;
        });
    }
}

async fn hook(world: &World, url: &str, events: &[&str]) -> AddedWebhook {
    let new = NewWebhook {
        url: url.to_owned(),
        events: events.iter().map(|&event| event.to_owned()).collect(),
    };
    world.app.add_webhook(&console(), &new).await.unwrap()
}

const LOOPBACK: &[&str] = &["127.0.0.0/8", "::1/128"];

#[tokio::test]
async fn a_session_is_told_signed_once_and_in_order() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let outside = receiver.outside(LOOPBACK);
    let added = hook(&world, &receiver.url(), &["session.start", "session.end"]).await;
    let session = world.session(&world.ann, &world.a).await;
    let call = world.call(&world.ann).await;
    world.app.end_session(&call, session.session).await.unwrap();
    world.app.deliver_due(&outside).await.unwrap();
    world.app.deliver_due(&outside).await.unwrap();

    let got = receiver.got();
    assert_eq!(got.len(), 2, "each once: {got:?}");
    for ((headers, body), event) in got.iter().zip(["session.start", "session.end"]) {
        assert_eq!(headers["culvert-event"], event);
        let signature = headers["culvert-signature"].to_str().unwrap();
        let (time, code) = signature.split_once(",v1=").unwrap();
        let time: u64 = time.strip_prefix("t=").unwrap().parse().unwrap();
        assert_eq!(code, sign(added.secret.reveal(), time, body));
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["event"], event);
        assert_eq!(body["data"]["user"]["name"], "ann");
        assert_eq!(body["data"]["session"], session.session.to_string());
        assert_eq!(body["id"], headers["culvert-delivery"].to_str().unwrap());
    }
}

/// Threat 26: a stolen database makes nobody a sender of our messages.
#[tokio::test]
async fn a_webhooks_secret_is_stored_encrypted_and_older_ones_become_so() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let outside = receiver.outside(LOOPBACK);
    let added = hook(&world, &receiver.url(), &["session.start"]).await;
    let stored = async || {
        let mut db = world.app.store().read().await.unwrap();
        webhooks::all(&mut db).await.unwrap()[0].sealed.clone()
    };
    let digits = |text: &str| HEXLOWER.decode(text.as_bytes()).is_ok();
    assert!(!stored().await.contains(added.secret.reveal()));
    assert!(!digits(&stored().await) && digits(added.secret.reveal()));

    // As the version before has left it.
    let mut write = world.app.store().write().await.unwrap();
    webhooks::seal(&mut write, added.id, added.secret.reveal())
        .await
        .unwrap();
    write.commit().await.unwrap();
    assert_eq!(stored().await, added.secret.reveal());
    world.app.seal_webhooks().await.unwrap();
    let sealed = stored().await;
    assert!(!sealed.contains(added.secret.reveal()));
    world.app.seal_webhooks().await.unwrap();
    assert_eq!(stored().await, sealed, "once");

    world.session(&world.ann, &world.a).await;
    world.app.deliver_due(&outside).await.unwrap();
    let (headers, body) = &receiver.got()[0];
    let signature = headers["culvert-signature"].to_str().unwrap();
    let (time, code) = signature.split_once(",v1=").unwrap();
    let time: u64 = time.strip_prefix("t=").unwrap().parse().unwrap();
    assert_eq!(code, sign(added.secret.reveal(), time, body));

    // Another key: nothing is sent with a wrong signature.
    let mut write = world.app.store().write().await.unwrap();
    webhooks::seal(&mut write, added.id, "AAAA").await.unwrap();
    write.commit().await.unwrap();
    world.session(&world.ann, &world.a).await;
    world.app.deliver_due(&outside).await.unwrap();
    assert_eq!(receiver.got().len(), 1);
    let list = world.app.webhooks(&console()).await.unwrap();
    assert!(
        list[0].last_outcome.contains("secrets.key"),
        "{}",
        list[0].last_outcome
    );
}

#[tokio::test]
async fn what_does_not_arrive_is_tried_again_for_a_day_and_not_longer() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let outside = receiver.outside(LOOPBACK);
    *receiver.answers.lock().unwrap() = StatusCode::INTERNAL_SERVER_ERROR;
    hook(&world, &receiver.url(), &["session.start"]).await;
    world.session(&world.ann, &world.a).await;
    world.app.deliver_due(&outside).await.unwrap();
    world.app.deliver_due(&outside).await.unwrap();
    assert_eq!(receiver.got().len(), 1, "not again at once");
    let list = world.app.webhooks(&console()).await.unwrap();
    assert_eq!(
        (list[0].failures, list[0].last_outcome.as_str()),
        (1, "HTTP status 500")
    );

    world.pass(5_000);
    *receiver.answers.lock().unwrap() = StatusCode::OK;
    world.app.deliver_due(&outside).await.unwrap();
    let got = receiver.got();
    assert_eq!(got.len(), 2);
    assert_eq!(got[0].1, got[1].1, "the same message");
    let list = world.app.webhooks(&console()).await.unwrap();
    assert_eq!(
        (list[0].failures, list[0].last_outcome.as_str()),
        (0, "delivered")
    );

    *receiver.answers.lock().unwrap() = StatusCode::INTERNAL_SERVER_ERROR;
    world.session(&world.ann, &world.a).await;
    world.app.deliver_due(&outside).await.unwrap();
    world.pass(25 * 3_600_000);
    *receiver.answers.lock().unwrap() = StatusCode::OK;
    world.app.deliver_due(&outside).await.unwrap();
    assert_eq!(receiver.got().len(), 3, "too old");
    assert_eq!(world.app.webhooks(&console()).await.unwrap()[0].dropped, 1);
}

/// Threat 3: private addresses see nothing unless they are listed.
#[tokio::test]
async fn a_private_address_sees_no_connection_unless_it_is_listed() {
    let world = World::new().await;
    let canary = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = canary.local_addr().unwrap().port();
    let receiver = Receiver::start().await;
    for (url, networks) in [
        (format!("https://localhost:{port}/"), &[][..]),
        (format!("https://127.0.0.1:{port}/"), &["10.0.0.0/8"][..]),
        (format!("https://[::ffff:127.0.0.1]:{port}/"), &[][..]),
    ] {
        let added = hook(&world, &url, &["session.start"]).await;
        world.session(&world.ann, &world.a).await;
        let outside = receiver.outside(networks);
        world.app.deliver_due(&outside).await.unwrap();
        let list = world.app.webhooks(&console()).await.unwrap();
        assert!(
            list[0].last_outcome.contains("private"),
            "{url}: {}",
            list[0].last_outcome
        );
        world
            .app
            .delete_webhook(&console(), added.id)
            .await
            .unwrap();
    }
    let seen = tokio::time::timeout(Duration::from_millis(200), canary.accept()).await;
    assert!(seen.is_err(), "somebody connected");
}

#[tokio::test]
async fn a_certificate_of_nobody_known_is_refused() {
    let world = World::new().await;
    let (receiver, other) = (Receiver::start().await, Receiver::start().await);
    hook(&world, &receiver.url(), &["session.start"]).await;
    world.session(&world.ann, &world.a).await;
    world
        .app
        .deliver_due(&other.outside(LOOPBACK))
        .await
        .unwrap();

    let list = world.app.webhooks(&console()).await.unwrap();
    assert!(
        list[0].last_outcome.starts_with("TLS failed"),
        "{}",
        list[0].last_outcome
    );
    assert!(receiver.got().is_empty());
}

#[tokio::test]
async fn boxes_and_failed_sign_ins_are_told() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let outside = receiver.outside(LOOPBACK);
    let events = ["gateway.online", "gateway.offline", "sign-in.failed"];
    hook(&world, &receiver.url(), &events).await;
    let told = async || {
        world.app.deliver_due(&outside).await.unwrap();
        let got = std::mem::take(&mut *receiver.got.lock().unwrap());
        got.into_iter()
            .map(|(headers, _)| headers["culvert-event"].to_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let ask = SignIn {
        name: "ann".into(),
        password: Secret::new("wrong".into()),
        label: String::new(),
    };
    let refused = world
        .app
        .sign_in(culvert_cloud_prs::app::Via::Link(&world.ann.link), &ask);
    assert_eq!(refused.await.unwrap_err().reason, Reason::SignInRefused);
    assert_eq!(told().await, ["sign-in.failed"]);

    let key = world.a.box_key.public();
    let hello = culvert_wire::hello::GatewayHello {
        identity: key,
        boot: culvert_wire::id::BootId::from_random([1; 16]),
        lease: None,
        revocations: 0,
    };
    let _ = world
        .app
        .admit_gateway(&hello, "test", crate::world::from())
        .await;
    world.app.tell_gateways(false).await.unwrap();
    assert_eq!(told().await, ["gateway.online"]);
    world.wires.online.lock().unwrap().remove(&key);
    world.app.gateway_down(&key).await;
    world.app.tell_gateways(true).await.unwrap();
    assert!(told().await.is_empty(), "it may be back at once");
    world.pass(20_000);
    world.app.tell_gateways(false).await.unwrap();
    assert!(
        told().await.is_empty(),
        "a server that has just started does not know"
    );
    world.app.tell_gateways(true).await.unwrap();
    world.app.tell_gateways(true).await.unwrap();
    assert_eq!(told().await, ["gateway.offline"]);
}

#[tokio::test]
async fn what_waits_is_bounded() {
    let world = World::new().await;
    let new = |url: &str, events: &[&str]| NewWebhook {
        url: url.into(),
        events: events.iter().map(|&event| event.to_owned()).collect(),
    };
    for wrong in [
        new("http://example.com/", &["session.end"]),
        new("https://user:pw@example.com/", &["session.end"]),
        new("https://example.com/", &[]),
        new("https://example.com/", &["session.read"]),
        new(
            &format!("https://example.com/{}", "x".repeat(2000)),
            &["session.end"],
        ),
    ] {
        let refused = world.app.add_webhook(&console(), &wrong).await.unwrap_err();
        assert_eq!(refused.reason, Reason::Invalid);
    }
    for _ in 0..32 {
        hook(&world, "https://example.com/", &["sign-in.failed"]).await;
    }
    let one_more = new("https://example.com/", &["session.end"]);
    let refused = world
        .app
        .add_webhook(&console(), &one_more)
        .await
        .unwrap_err();
    assert_eq!(refused.reason, Reason::Conflict);
}
