//! Two ends on an emulated line.

use culvert_session::native::emulated::{End, Line, pair};
use culvert_session::native::{Session, Stream, accept, connect};
use culvert_session::{Congestion, Options};
use culvert_wire::key::SigningKey;
use culvert_wire::stream::{Answer, Lane, Open, Service};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Both ends of one session and of the line below it.
pub(crate) struct World {
    pub(crate) technician: Session,
    pub(crate) gateway: Session,
    pub(crate) technician_line: End,
    pub(crate) gateway_line: End,
}

pub(crate) fn technician_key() -> SigningKey {
    SigningKey::from_seed(&[1; 32])
}

pub(crate) fn gateway_key() -> SigningKey {
    SigningKey::from_seed(&[2; 32])
}

pub(crate) fn other_key() -> SigningKey {
    SigningKey::from_seed(&[3; 32])
}

pub(crate) async fn world(line: Line) -> World {
    world_with(line, Options::default()).await
}

pub(crate) async fn world_with(line: Line, options: Options) -> World {
    let (technician_line, gateway_line) = pair(line);
    let (technician_key, gateway_key) = (technician_key(), gateway_key());
    let (technician, gateway) = tokio::join!(
        connect(
            technician_line.clone(),
            &technician_key,
            gateway_key.public(),
            options.clone(),
        ),
        accept(
            gateway_line.clone(),
            &gateway_key,
            technician_key.public(),
            options,
        ),
    );
    World {
        technician: technician.expect("the right keys"),
        gateway: gateway.expect("the right keys"),
        technician_line,
        gateway_line,
    }
}

pub(crate) fn options(congestion: Congestion) -> Options {
    Options {
        congestion,
        ..Options::default()
    }
}

pub(crate) fn target(lane: Lane) -> Open {
    Open {
        service: Service::Target(0),
        lane,
    }
}

/// A gateway that accepts everything and sends every byte back.
pub(crate) fn echo(gateway: Session) {
    tokio::spawn(async move {
        while let Ok((_, stream)) = gateway.accept().await {
            tokio::spawn(echo_one(stream));
        }
    });
}

async fn echo_one(mut stream: Stream) {
    if stream.reply(Answer::Accepted).await.is_ok() {
        let (mut reader, mut writer) = stream.into_split();
        if tokio::io::copy(&mut reader, &mut writer).await.is_ok() {
            writer.shutdown().await.expect("never fails");
        }
    }
}

/// Sends `bytes` through an echo and gives what came back.
pub(crate) async fn through(stream: Stream, bytes: Vec<u8>) -> Vec<u8> {
    let (mut reader, mut writer) = stream.into_split();
    let send = async move {
        writer.write_all(&bytes).await.expect("the peer reads");
        writer.shutdown().await.expect("never fails");
        writer.delivered().await.expect("the peer reads");
    };
    let mut back = Vec::new();
    let read = reader.read_to_end(&mut back);
    let ((), read) = tokio::join!(send, read);
    read.expect("a clean end");
    back
}

/// Bytes that repeat nowhere near a packet's size.
pub(crate) fn bytes(length: usize, seed: u8) -> Vec<u8> {
    let mut out = Vec::with_capacity(length + 32);
    let mut block = Sha256::digest([seed]);
    while out.len() < length {
        out.extend_from_slice(&block);
        block = Sha256::digest(block);
    }
    out.truncate(length);
    out
}

pub(crate) fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
