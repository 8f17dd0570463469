//! A browser's link: whose page may open one, with which ticket, and what it
//! may send (threat 5: cross-site WebSocket hijacking).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use culvert_cloud_prs::app::Links;
use culvert_cloud_prs::plane::{Limits, Plane, PlaneSettings, server_config};
use culvert_cloud_prs::server::Server;
use culvert_link::server::Prover;
use culvert_link::ws::{Incoming, Role, Ws};
use culvert_wire::api::LinkTicketAnswer;
use culvert_wire::frame::{ApiRequest, Frame, Method};
use culvert_wire::hello::{
    BROWSER_BINDING, Binding, BrowserHello, LinkAuth, ServerProof, TechnicianHello, Who,
};
use culvert_wire::key::SigningKey;
use culvert_wire::reason::Reason;
use culvert_wire::statement::{NodeStatement, Roles, SignedStatement};
use culvert_wire::ticket::Ticket;
use culvert_wire::{Decode as _, Encode as _, UnixMs};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::world::{From, PLAIN_ORIGIN, Page, World};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
const NONCE: [u8; 32] = [7; 32];

/// A world whose plane listens as the demonstration's does.
struct Served {
    world: World,
    plane: Plane,
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

async fn served() -> Served {
    let world = World::new().await;
    let made = rcgen::generate_simple_self_signed(vec!["prs.example".into()]).unwrap();
    let web_key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let statement = NodeStatement {
        provider: key(1).public(),
        node: key(2).public(),
        roles: Roles {
            relay: true,
            broker: true,
        },
        issued: UnixMs(0),
        not_after: UnixMs(1),
        epoch: 0,
    };
    let chain = vec![made.cert.der().clone()];
    let plane = Plane::new(PlaneSettings {
        tls: server_config(chain, PrivateKeyDer::Pkcs8(web_key)).unwrap(),
        prover: Prover {
            node: key(2),
            statement: SignedStatement::sign(statement, &key(1)),
            rotations: Vec::new(),
        },
        limits: Limits::default(),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Arc::new(Server::new(Arc::clone(&world.app), world.router.clone()));
    let (serving, router) = (plane.clone(), world.router.clone());
    let serving =
        tokio::spawn(async move { serving.serve_loopback(Some(listener), router, server).await });
    Served {
        world,
        plane,
        address,
        serving,
    }
}

impl Served {
    /// The portal's page in somebody's browser, on the listener without TLS.
    async fn page(&self, name: &str) -> Page {
        let page = self.world.browse(name).await;
        let (_, cookie) = page.headers.iter().find(|(n, _)| *n == "cookie").unwrap();
        let plain = cookie.replacen("__Host-", "", 1);
        let page = page.but("cookie", Some(&plain));
        Page {
            plain: true,
            ..page.but("origin", Some(PLAIN_ORIGIN))
        }
    }

    async fn ticket(&self, page: &Page) -> Ticket {
        let from = From::Page(page);
        let path = "/api/v1/link-tickets";
        let (status, body) = self.world.send(&from, "POST", path, "").await;
        assert_eq!(status, 201, "{body}");
        serde_json::from_str::<LinkTicketAnswer>(&body)
            .unwrap()
            .ticket
    }

    /// Sends an upgrade request: the status, and the connection behind it.
    async fn upgrade(&self, headers: &[(&str, String)]) -> (u16, Ws<TcpStream>) {
        let mut tcp = TcpStream::connect(self.address).await.unwrap();
        let nonce = data_encoding::BASE32_NOPAD.encode(&NONCE).to_lowercase();
        let mut request = format!(
            "GET /link/browser HTTP/1.1\r\nHost: localhost:8080\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
             Sec-WebSocket-Protocol: culvert.link.1, culvert.nonce.{nonce}\r\n"
        );
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        tcp.write_all((request + "\r\n").as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(timeout(PATIENCE, tcp.read_u8()).await.unwrap().unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        if status == 101 {
            let chosen = head.to_lowercase();
            assert!(chosen.contains("sec-websocket-protocol: culvert.link.1\r\n"));
        }
        (status, Ws::new(tcp, Role::Client, 1 << 20, &[]))
    }

    /// Opens a link with a hello of the caller's making; gives the answer.
    async fn arrive(&self, page: &Page, who: Who) -> (Option<Frame>, Ws<TcpStream>) {
        let (status, mut ws) = self.upgrade(&strings(page)).await;
        assert_eq!(status, 101);
        let proof = ServerProof::from_bytes(&next(&mut ws).await.unwrap()).unwrap();
        let binding = Binding {
            exporter: BROWSER_BINDING,
            client_nonce: NONCE,
            server_nonce: proof.server_nonce,
        };
        let auth = LinkAuth::sign(who, "test".into(), &binding, &key(50), None);
        send(&mut ws, auth.to_bytes()).await;
        let answer = next(&mut ws).await.map(|m| Frame::from_message(m).unwrap());
        (answer.flatten(), ws)
    }
}

fn strings(page: &Page) -> Vec<(&'static str, String)> {
    page.headers.clone()
}

fn browser(ticket: Ticket) -> Who {
    Who::Browser(BrowserHello {
        link: key(50).public(),
        ticket,
    })
}

/// The next binary message; none when the connection ended.
async fn next(ws: &mut Ws<TcpStream>) -> Option<bytes::Bytes> {
    loop {
        let got = std::future::poll_fn(|cx| ws.poll_next(cx));
        match timeout(PATIENCE, got).await.unwrap() {
            Ok(Incoming::Binary(data)) => return Some(data),
            Ok(Incoming::Ping(_) | Incoming::Pong | Incoming::Text(_)) => {}
            Ok(Incoming::Close { .. }) | Err(_) => return None,
        }
    }
}

async fn send(ws: &mut Ws<TcpStream>, message: bytes::Bytes) {
    ws.send(&[], message);
    std::future::poll_fn(|cx| ws.poll_flush(cx)).await.unwrap();
}

fn reason_of(frame: Option<Frame>) -> Option<Reason> {
    if let Some(Frame::Refused(refused)) = frame {
        return Some(refused.reason);
    }
    None
}

/// The last word on a link.
async fn goodbye(ws: &mut Ws<TcpStream>) -> Option<Reason> {
    while let Some(message) = next(ws).await {
        if let Some(Frame::Goodbye { reason, .. }) = Frame::from_message(message).unwrap() {
            return Some(reason);
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn the_portals_own_page_with_a_sign_in_and_a_ticket_gets_a_link() {
    let served = served().await;
    let page = served.page("ann").await;
    let ticket = served.ticket(&page).await;

    let (answer, _ws) = served.arrive(&page, browser(ticket)).await;

    assert!(matches!(answer, Some(Frame::Welcome(_))), "{answer:?}");
    assert_eq!(served.plane.counters().links, 1);
}

/// Threat 5: a foreign origin, a sibling subdomain, `null`, none, two.
#[tokio::test(flavor = "multi_thread")]
async fn no_other_page_gets_as_far_as_a_websocket() {
    let served = served().await;
    let page = served.page("ann").await;
    for origin in [
        Some("https://evil.example"),
        Some("http://app.localhost:8080"),
        Some("http://localhost:8081"),
        Some("http://localhost"),
        Some("https://localhost:8080"),
        Some("null"),
        Some(""),
        None,
    ] {
        let other = page.clone().but("origin", origin);
        let other = other.but("sec-fetch-site", None);
        let (status, _) = served.upgrade(&strings(&other)).await;
        assert_eq!(status, 403, "{origin:?}");
    }
    let mut two = strings(&page);
    two.push(("origin", "https://evil.example".into()));
    assert_eq!(served.upgrade(&two).await.0, 403);
    for site in ["cross-site", "same-site", "none"] {
        let other = page.clone().but("sec-fetch-site", Some(site));
        assert_eq!(served.upgrade(&strings(&other)).await.0, 403, "{site}");
    }
    // The control: the same request from the own page.
    assert_eq!(served.upgrade(&strings(&page)).await.0, 101);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_live_sign_in_there_is_no_websocket() {
    let served = served().await;
    let page = served.page("ann").await;
    for cookie in [None, Some("culvert=culvert_nonsense"), Some("culvert=")] {
        let other = page.clone().but("cookie", cookie);
        let (status, _) = served.upgrade(&strings(&other)).await;
        assert_eq!(status, 401, "{cookie:?}");
    }
    let from = From::Page(&page);
    let (status, ..) = served
        .world
        .send(&from, "POST", "/api/v1/sign-out", "")
        .await;
    assert_eq!(status, 204);
    assert_eq!(served.upgrade(&strings(&page)).await.0, 401);
}

/// A used ticket, an invented one, another sign-in's, one that is over.
#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_is_good_once_and_for_its_own_sign_in_only() {
    let served = served().await;
    let ann = served.page("ann").await;
    let again = served.page("ann").await;
    let bob = served.page("bob").await;
    let ticket = served.ticket(&ann).await;
    assert!(matches!(
        served.arrive(&ann, browser(ticket.clone())).await.0,
        Some(Frame::Welcome(_))
    ));
    let hers = served.ticket(&ann).await;
    let late = served.ticket(&ann).await;
    let fresh = served.ticket(&ann).await;

    for (page, ticket, why) in [
        (&ann, ticket, "used"),
        (&ann, Ticket::from_random([3; 32]), "invented"),
        (&bob, hers.clone(), "another person's"),
        (&ann, hers, "burnt by that"),
        (&again, fresh, "another sign-in's of the same person"),
    ] {
        let (answer, _) = served.arrive(page, browser(ticket)).await;
        assert_eq!(reason_of(answer), Some(Reason::TicketInvalid), "{why}");
    }
    served.world.pass(61_000);
    let (answer, _) = served.arrive(&ann, browser(late)).await;
    assert_eq!(reason_of(answer), Some(Reason::TicketInvalid), "over");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_a_browser_comes_in_by_its_door() {
    let served = served().await;
    let page = served.page("ann").await;
    let who = Who::Technician(TechnicianHello {
        device: key(50).public(),
        token: None,
    });

    let (answer, _) = served.arrive(&page, who).await;

    assert_eq!(reason_of(answer), Some(Reason::NotAllowed));
}

/// Its page uses HTTPS, where each request is judged by cookie and Origin.
#[tokio::test(flavor = "multi_thread")]
async fn the_api_does_not_travel_over_a_browsers_link() {
    let served = served().await;
    let page = served.page("ann").await;
    let ticket = served.ticket(&page).await;
    let (_, mut ws) = served.arrive(&page, browser(ticket)).await;

    let request = Frame::ApiRequest(ApiRequest {
        id: 1,
        method: Method::Get,
        path: "/api/v1/me".into(),
        body: bytes::Bytes::new(),
    });
    send(&mut ws, request.to_bytes()).await;

    assert_eq!(goodbye(&mut ws).await, Some(Reason::ProtocolError));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_ends_with_the_sign_in() {
    let served = served().await;
    let (ann, bob) = (served.page("ann").await, served.page("bob").await);
    let ticket = served.ticket(&ann).await;
    let (_, mut hers) = served.arrive(&ann, browser(ticket)).await;
    let ticket = served.ticket(&bob).await;
    let (_, _his) = served.arrive(&bob, browser(ticket)).await;
    let id = served.world.ann.id;

    let links: &dyn Links = &served.plane;
    links.close_callers(&|caller| caller.user() == Some(id), Reason::SignedOut);

    assert_eq!(goodbye(&mut hers).await, Some(Reason::SignedOut));
    assert_eq!(served.plane.counters().links, 1, "his goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_needs_a_sign_in() {
    let served = served().await;
    let from = From::Page(&Page::default());
    let path = "/api/v1/link-tickets";
    let (status, body) = served.world.send(&from, "POST", path, "").await;
    assert_eq!((status, body.contains("sign_in_needed")), (401, true));
}
