//! Who gets a session, and what the others are told.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use culvert_session::Options;
use culvert_session::address::PathAddress;
use culvert_session::native::emulated::{Line, pair};
use culvert_session::native::{PacketRoute as _, SessionError, accept, connect};
use culvert_wire::reason::Reason;
use culvert_wire::stream::Lane;
use tokio::time::{Instant, sleep};

use super::world::{bytes, echo, gateway_key, other_key, target, technician_key, through, world};

#[tokio::test(start_paused = true)]
async fn two_ends_with_the_announced_keys_meet_within_one_round_trip() {
    let began = Instant::now();
    let world = world(Line::RELAY_20M_60MS).await;
    echo(world.gateway.clone());
    let stream = world
        .technician
        .open(target(Lane::Input))
        .await
        .expect("open");
    assert_eq!(through(stream, bytes(10, 1)).await, bytes(10, 1));

    // Virtual time: one round trip for the handshake, one for the echo, one
    // for its end to be acknowledged.
    let took = began.elapsed();
    println!("handshake, echo, end: {took:?} over 60 ms");
    assert!(took < Duration::from_millis(60 * 3 + 40), "{took:?}");
}

/// S13.
#[tokio::test(start_paused = true)]
async fn a_session_runs_over_a_links_routes_and_hears_why_they_closed() {
    let (a, b) = culvert_link::memory_pair();
    let (own, peer) = (technician_key(), gateway_key());
    let far = Arc::new(b);
    let (technician, gateway) = tokio::join!(
        connect(a, &own, peer.public(), Options::default()),
        accept(far.clone(), &peer, own.public(), Options::default()),
    );
    let (technician, gateway) = (technician.expect("keys"), gateway.expect("keys"));
    echo(gateway);
    let stream = technician.open(target(Lane::Bulk)).await.expect("open");
    let sent = bytes(3_000_000, 8);
    assert_eq!(through(stream, sent.clone()).await, sent);

    far.leave(Reason::Expired, "over");

    let why = technician.route_lost().await.expect("told");
    assert_eq!((why.reason, why.text.as_str()), (Reason::Expired, "over"));
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_fails_leaves_its_route_with_the_reason() {
    let (a, b) = culvert_link::memory_pair();
    let (own, peer) = (technician_key(), gateway_key());
    let error = connect(a, &own, peer.public(), Options::default()).await;
    assert_eq!(
        error.expect_err("nobody answers").reason(),
        Reason::PeerLost
    );

    while !matches!(poll_route(&b).await, Poll::Ready(None)) {}

    assert_eq!(b.closed().expect("left").reason, Reason::PeerLost);
}

async fn poll_route(route: &culvert_link::Route) -> Poll<Option<culvert_wire::frame::Packets>> {
    sleep(Duration::from_millis(10)).await;
    std::future::poll_fn(|cx| Poll::Ready(route.poll_recv(cx))).await
}

/// S11: a swapped gateway is noticed before a byte is sent to it.
#[tokio::test(start_paused = true)]
async fn a_gateway_with_another_key_is_refused() {
    let (a, b) = pair(Line::PERFECT);
    let (own, impostor) = (technician_key(), other_key());
    let (technician, gateway) = tokio::join!(
        connect(a, &own, gateway_key().public(), Options::default()),
        accept(b, &impostor, own.public(), Options::default()),
    );
    assert_eq!(technician.expect_err("refused").reason(), Reason::PeerKey);
    assert_eq!(gateway.expect_err("told").reason(), Reason::PeerKey);
}

/// S11: the key that the grant names, or nothing.
#[tokio::test(start_paused = true)]
async fn a_technician_with_another_key_is_refused() {
    let (a, b) = pair(Line::PERFECT);
    let (stranger, own) = (other_key(), gateway_key());
    let (technician, gateway) = tokio::join!(
        connect(a, &stranger, own.public(), Options::default()),
        accept(b, &own, technician_key().public(), Options::default()),
    );
    assert_eq!(gateway.expect_err("refused").reason(), Reason::PeerKey);
    // The client side of TLS 1.3 is ready before the server has judged it.
    let told = match technician {
        Ok(session) => session.closed().await.reason,
        Err(error) => error.reason(),
    };
    assert_eq!(told, Reason::PeerKey);
}

/// P22: whoever comes with another key does not end the waiting.
#[tokio::test(start_paused = true)]
async fn a_stranger_who_knocks_first_does_not_keep_the_right_one_out() {
    let (a, b) = pair(Line::PERFECT);
    let (stranger, own, peer) = (other_key(), technician_key(), gateway_key());
    let gateway = accept(b, &peer, own.public(), Options::default());
    let technician = async {
        let impostor = connect(a.clone(), &stranger, peer.public(), Options::default()).await;
        let told = match impostor {
            Ok(session) => session.closed().await.reason,
            Err(error) => error.reason(),
        };
        assert_eq!(told, Reason::PeerKey);
        connect(a, &own, peer.public(), Options::default()).await
    };
    let (gateway, technician) = tokio::join!(gateway, technician);
    gateway.expect("the right key came in time");
    technician.expect("the right key");
}

#[tokio::test(start_paused = true)]
async fn a_technician_without_a_key_is_refused() {
    let empty = Arc::new(lax::NoKey);
    let gateway = raw_client(|tls| tls.with_client_cert_resolver(empty), b"culvert/1").await;
    assert_eq!(gateway.reason(), Reason::PeerKey);
}

#[tokio::test(start_paused = true)]
async fn a_technician_that_knows_no_raw_keys_is_refused() {
    let gateway = raw_client(|tls| tls.with_no_client_auth(), b"culvert/1").await;
    assert_eq!(gateway.reason(), Reason::ProtocolError);
}

#[tokio::test(start_paused = true)]
async fn a_peer_of_another_protocol_gets_no_session() {
    let empty = Arc::new(lax::NoKey);
    let gateway = raw_client(|tls| tls.with_client_cert_resolver(empty), b"h3").await;
    assert_eq!(gateway.reason(), Reason::VersionUnsupported);
}

#[tokio::test(start_paused = true)]
async fn silence_ends_a_handshake_after_its_limit() {
    let (a, b) = pair(Line::PERFECT);
    a.cut();
    let options = Options {
        handshake: Duration::from_secs(5),
        ..Options::default()
    };
    let (own, peer) = (technician_key(), gateway_key());
    let (technician, gateway) = tokio::join!(
        connect(a, &own, peer.public(), options.clone()),
        accept(b, &peer, own.public(), options),
    );
    for error in [
        technician.expect_err("silence"),
        gateway.expect_err("silence"),
    ] {
        assert!(matches!(error, SessionError::TimedOut { .. }), "{error:?}");
        assert_eq!(error.reason(), Reason::PeerLost);
    }
}

#[tokio::test(start_paused = true)]
async fn first_packets_lost_before_the_peer_joins_cost_a_moment_only() {
    let (a, b) = pair(Line::RELAY_20M_60MS);
    a.cut();
    let (own, peer) = (technician_key(), gateway_key());
    let began = Instant::now();
    let (technician, gateway, ()) = tokio::join!(
        connect(a.clone(), &own, peer.public(), Options::default()),
        accept(b, &peer, own.public(), Options::default()),
        async {
            sleep(Duration::from_millis(200)).await;
            a.mend();
        },
    );
    technician.expect("second try");
    gateway.expect("second try");
    println!("handshake after a lost first packet: {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_millis(700));
}

/// P22: what a hostile relay puts in front of the real peer does not stop it.
#[tokio::test(start_paused = true)]
async fn garbage_and_foreign_handshakes_do_not_stop_the_real_peer() {
    let (a, b) = pair(Line::PERFECT);
    for seed in 0..50_u8 {
        let mut packet = bytes(1200, seed);
        // Every kind of first byte: long headers, short headers, nonsense.
        packet[0] = seed * 5;
        a.try_send(1200, &packet);
    }
    let (own, peer) = (technician_key(), gateway_key());
    let (technician, gateway) = tokio::join!(
        connect(a, &own, peer.public(), Options::default()),
        accept(b, &peer, own.public(), Options::default()),
    );
    technician.expect("the right keys");
    gateway.expect("the right keys");
}

/// A QUIC client of our own making, against a real gateway; its error.
async fn raw_client(
    auth: impl FnOnce(
        rustls::ConfigBuilder<rustls::ClientConfig, rustls::client::WantsClientCert>,
    ) -> rustls::ClientConfig,
    alpn: &[u8],
) -> SessionError {
    let (a, b) = pair(Line::PERFECT);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(lax::AnyKey));
    let mut tls = auth(builder);
    tls.alpn_protocols = vec![alpn.to_vec()];
    let tls = noq_proto::crypto::rustls::QuicClientConfig::try_from(tls).expect("has AES");
    let (own, technician) = (gateway_key(), technician_key().public());
    let options = Options::default();
    let gateway = tokio::spawn(async move { accept(b, &own, technician, options).await });
    let client = lax::Client::start(a, noq_proto::ClientConfig::new(Arc::new(tls)));
    let error = gateway.await.expect("no panic").expect_err("no session");
    client.stop();
    error
}

/// A client that trusts anybody, driven by hand on the QUIC library itself.
mod lax {
    use std::future::poll_fn;
    use std::num::NonZeroUsize;

    use bytes::BytesMut;
    use culvert_session::native::emulated::End;
    use noq_proto::{ClientConfig, DatagramEvent, Endpoint, FourTuple};
    use rustls::client::ResolvesClientCert;
    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use rustls::{DigitallySignedStruct, Error, SignatureScheme};
    use tokio::time::Instant;

    use super::*;

    pub(super) struct Client(tokio::task::JoinHandle<()>);

    impl Client {
        pub(super) fn start(line: End, config: ClientConfig) -> Self {
            Self(tokio::spawn(drive(line, config)))
        }

        pub(super) fn stop(self) {
            self.0.abort();
        }
    }

    async fn drive(line: End, config: ClientConfig) {
        let endpoint_config = culvert_session::transport::endpoint();
        let mut endpoint = Endpoint::new(Arc::new(endpoint_config), None, true);
        let peer = PathAddress::RELAY.socket();
        let now = || Instant::now().into_std();
        let (handle, mut connection) = endpoint
            .connect(now(), config, peer, culvert_session::tls::SERVER_NAME)
            .expect("a valid name");
        loop {
            let mut out = Vec::new();
            while let Some(sent) = connection.poll_transmit(now(), NonZeroUsize::MIN, &mut out) {
                line.try_send(u16::try_from(sent.size).expect("one packet"), &out);
                out.clear();
            }
            while let Some(event) = connection.poll_endpoint_events() {
                if let Some(event) = endpoint.handle_event(handle, event) {
                    connection.handle_event(event);
                }
            }
            while connection.poll().is_some() {}
            let timer = connection.poll_timeout();
            let packets = poll_fn(|cx| match line.poll_recv(cx) {
                Poll::Ready(packets) => Poll::Ready(packets),
                Poll::Pending => Poll::Pending,
            });
            let wait = async {
                match timer {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                packets = packets => {
                    let Some(packets) = packets else { return };
                    let packet = BytesMut::from(&packets.payload[..]);
                    let from = FourTuple::from_remote(peer);
                    if let Some(DatagramEvent::ConnectionEvent(_, event)) =
                        endpoint.handle(now(), from, None, packet, &mut out)
                    {
                        connection.handle_event(event);
                    }
                }
                () = wait => connection.handle_timeout(now()),
            }
        }
    }

    /// Speaks of raw keys and shows none.
    #[derive(Debug)]
    pub(super) struct NoKey;

    impl ResolvesClientCert for NoKey {
        fn resolve(
            &self,
            _: &[&[u8]],
            _: &[SignatureScheme],
        ) -> Option<Arc<rustls::sign::CertifiedKey>> {
            None
        }

        fn only_raw_public_keys(&self) -> bool {
            true
        }

        fn has_certs(&self) -> bool {
            true
        }
    }

    #[derive(Debug)]
    pub(super) struct AnyKey;

    impl ServerCertVerifier for AnyKey {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            vec![SignatureScheme::ED25519]
        }

        fn requires_raw_public_keys(&self) -> bool {
            true
        }
    }
}
