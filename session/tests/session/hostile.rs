//! A peer that holds a valid key and means harm.

use std::sync::Arc;
use std::time::Duration;

use culvert_session::address::{LOCAL, PathAddress};
use culvert_session::native::emulated::{Line, pair};
use culvert_session::native::{PacketRoute as _, Session, accept};
use culvert_session::{Ciphers, Options, tls, transport};
use culvert_wire::reason::Reason;
use culvert_wire::stream::{Answer, Lane};
use culvert_wire::{Decode as _, Encode as _};
use tokio::io::AsyncWriteExt as _;
use tokio::time::{sleep, timeout};

use super::world::{bytes, echo, gateway_key, target, technician_key, through, world, world_with};

#[tokio::test(start_paused = true)]
async fn an_unknown_service_is_refused_and_the_session_goes_on() {
    let (gateway, quic) = raw_technician().await;
    echo(gateway);
    for (bytes, reason) in [
        ([9, 1, 0, 0], Reason::VersionUnsupported),
        ([1, 77, 0, 0], Reason::ProtocolError),
        ([1, 1, 0, 99], Reason::ProtocolError),
    ] {
        let (mut send, mut recv) = quic.open_bi().await.expect("open");
        send.write_all(&bytes).await.expect("open");
        let answer = recv.read_to_end(1000).await.expect("a clean end");
        let answer = Answer::from_bytes(&answer).expect("an answer");
        assert!(
            matches!(&answer, Answer::Refused { reason: got, text } if *got == reason && !text.is_empty()),
            "{answer:?}"
        );
    }
    assert_eq!(good_stream(&quic).await, b"hello");
}

#[tokio::test(start_paused = true)]
async fn an_opening_that_never_comes_is_given_up_and_costs_only_its_slot() {
    let (gateway, quic) = raw_technician().await;
    echo(gateway);
    let mut lazy = Vec::new();
    for _ in 0..100 {
        let (mut send, recv) = quic.open_bi().await.expect("open");
        send.write_all(&[1]).await.expect("open");
        lazy.push((send, recv));
    }

    assert_eq!(good_stream(&quic).await, b"hello");
    sleep(Duration::from_secs(11)).await;
    for (send, mut recv) in lazy {
        recv.read_to_end(10).await.expect_err("reset");
        assert!(send.stopped().await.expect("alive").is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn an_opening_with_too_many_bytes_is_read_to_its_length_only() {
    let (gateway, quic) = raw_technician().await;
    let (mut send, _recv) = quic.open_bi().await.expect("open");
    let mut long = target(Lane::Input).to_bytes().to_vec();
    long.extend_from_slice(&bytes(65_536, 1));
    send.write_all(&long).await.expect("within the window");

    let (open, _) = gateway.accept().await.expect("a stream");

    assert_eq!(open, target(Lane::Input));
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_another_kind_is_never_opened() {
    let (_gateway, quic) = raw_technician().await;
    let uni = timeout(Duration::from_secs(20), quic.open_uni()).await;
    assert!(uni.is_err(), "one-way streams are not allowed");
}

/// P22: hosts that do not read make a gateway keep the window and no more.
#[tokio::test(start_paused = true)]
async fn senders_nobody_reads_are_stopped_by_the_window() {
    for options in [Options::default(), Options::small()] {
        fill(options).await;
    }
}

async fn fill(options: Options) {
    let window = u64::from(options.session_window);
    let world = world_with(Line::PERFECT, options).await;
    let gateway = world.gateway.clone();
    let unread = tokio::spawn(async move {
        let mut unread = Vec::new();
        while let Ok(opened) = gateway.accept().await {
            unread.push(opened);
        }
    });
    for _ in 0..250 {
        let session = world.technician.clone();
        tokio::spawn(async move {
            let mut near = session.open(target(Lane::Bulk)).await.expect("open");
            let block = vec![0; 100_000];
            while near.write_all(&block).await.is_ok() {}
        });
    }
    sleep(Duration::from_secs(20)).await;

    let received = world.gateway.stats().paths[0].received_bytes;
    assert!(received < window * 5 / 4, "{received}");
    assert!(received > window / 2, "{received}");
    unread.abort();
}

/// P22: noise in mid-session is dropped by QUIC's own authentication.
#[tokio::test(start_paused = true)]
async fn garbage_in_mid_session_changes_nothing() {
    let world = world(Line::PERFECT).await;
    echo(world.gateway.clone());
    let sent = bytes(1_000_000, 3);
    let stream = world
        .technician
        .open(target(Lane::Bulk))
        .await
        .expect("open");
    let copy = tokio::spawn(through(stream, sent.clone()));
    let noise = world.technician_line.clone();
    for seed in 0..200_u8 {
        let length = 1 + usize::from(seed) * 7;
        let packet = bytes(length, seed);
        noise.try_send(u16::try_from(length).expect("short"), &packet);
        world
            .gateway_line
            .try_send(u16::try_from(length).expect("short"), &packet);
        tokio::task::yield_now().await;
    }
    // Larger than any announced packet, and one byte each.
    noise.try_send(60_000, &bytes(60_000, 1));
    noise.try_send(1, &bytes(1000, 1));

    assert_eq!(copy.await.expect("whole"), sent);
}

/// A real gateway, and a technician's end on the bare QUIC library with the
/// right key.
async fn raw_technician() -> (Session, noq::Connection) {
    let (a, b) = pair(Line::PERFECT);
    let (own, peer) = (technician_key(), gateway_key());
    let options = Options::default();
    let crypto = tls::client(&own, peer.public(), Ciphers::default()).expect("a key");
    let mut config = noq::ClientConfig::new(Arc::new(crypto));
    config.transport_config(Arc::new(noq::TransportConfig::default()));
    let endpoint = noq::Endpoint::new_with_abstract_socket(
        transport::endpoint(),
        None,
        Box::new(bare::Socket(a)),
        Arc::new(noq::TokioRuntime),
    )
    .expect("a socket");
    let connecting = endpoint
        .connect_with(config, PathAddress::RELAY.socket(), tls::SERVER_NAME)
        .expect("valid");
    let gateway = accept(b, &peer, own.public(), options);
    let (gateway, technician) = tokio::join!(gateway, connecting);
    (
        gateway.expect("the right keys"),
        technician.expect("the right keys"),
    )
}

async fn good_stream(quic: &noq::Connection) -> Vec<u8> {
    let (mut send, mut recv) = quic.open_bi().await.expect("open");
    send.write_all(&target(Lane::Input).to_bytes())
        .await
        .expect("open");
    send.write_all(b"hello").await.expect("open");
    send.shutdown().await.expect("open");
    let back = recv.read_to_end(1000).await.expect("a clean end");
    let (answer, rest) = back.split_at(Answer::Accepted.to_bytes().len());
    assert_eq!(Answer::from_bytes(answer), Ok(Answer::Accepted));
    rest.to_vec()
}

/// The least socket on a line.
mod bare {
    use std::io::{self, IoSliceMut};
    use std::net::SocketAddr;
    use std::pin::Pin;
    use std::task::{Context, Poll, ready};

    use culvert_session::native::emulated::End;
    use noq::udp::{RecvMeta, Transmit};
    use noq::{AsyncUdpSocket, UdpSender};

    use super::*;

    #[derive(Debug)]
    pub(super) struct Socket(pub(super) End);

    impl AsyncUdpSocket for Socket {
        fn create_sender(&self) -> Pin<Box<dyn UdpSender>> {
            Box::pin(Self(self.0.clone()))
        }

        fn poll_recv(
            &mut self,
            cx: &mut Context<'_>,
            buffers: &mut [IoSliceMut<'_>],
            metas: &mut [RecvMeta],
        ) -> Poll<io::Result<usize>> {
            let Some(packets) = ready!(self.0.poll_recv(cx)) else {
                return Poll::Pending;
            };
            let length = packets.payload.len();
            buffers[0][..length].copy_from_slice(&packets.payload);
            metas[0].addr = PathAddress::RELAY.socket();
            metas[0].len = length;
            metas[0].stride = length;
            Poll::Ready(Ok(1))
        }

        fn local_addr(&self) -> io::Result<SocketAddr> {
            Ok(LOCAL)
        }
    }

    impl UdpSender for Socket {
        fn poll_send(
            self: Pin<&mut Self>,
            transmit: &Transmit<'_>,
            _: &mut Context<'_>,
        ) -> Poll<io::Result<()>> {
            let length = u16::try_from(transmit.contents.len()).expect("one packet");
            self.0.try_send(length, transmit.contents);
            Poll::Ready(Ok(()))
        }
    }
}
