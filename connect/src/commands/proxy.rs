//! `culvert proxy`: one connection between standard input and output.

use std::io;

use culvert_session::native::{Stream, StreamError};
use culvert_wire::grant::Protocol;
use tokio::io::{AsyncWriteExt as _, BufReader};

use super::resolve::Found;
use crate::api::Api;
use crate::cli::Proxy;
use crate::failure::Failure;
use crate::home::Home;
use crate::reach::Server;
use crate::signals::asked_to_end;
use crate::streams::is_ordinary;
use crate::tunnel::{Ask, Tunnel};
use crate::word::{HostWord, Numbers};

/// Bytes copied at once.
const BUFFER: usize = 64 * 1024;

/// Carries one connection; the program that started us ends it.
pub(super) async fn proxy(home: Home, proxy: Proxy) -> Result<(), Failure> {
    let mut word = HostWord::parse(&proxy.host, Numbers::Port)?;
    word.port = Some(proxy.port);
    let tunnel = open(home, &word, proxy.protocol).await?;
    let stream = tunnel.streams().open(0).await.map_err(Failure::Session)?;
    let carried = tokio::select! {
        carried = pump(stream) => carried.or_else(|error| broken(&proxy.host, error)),
        _ = tunnel.streams().ended() => tunnel.verdict(),
        // ssh hangs up on its ProxyCommand when it ends.
        () = asked_to_end() => Ok(()),
    };
    // An end of the whole session says more than the break of its stream.
    let verdict = tunnel.verdict();
    tunnel.streams().finish().await;
    verdict.and(carried)
}

/// With an id and a protocol nothing has to be looked up first.
async fn open(home: Home, word: &HostWord, protocol: Option<Protocol>) -> Result<Tunnel, Failure> {
    let mut server = Server::known(home)?;
    let link = server.signed_in().await?;
    let ports: Vec<u16> = word.port.into_iter().collect();
    if let (Some(host), Some(protocol)) = (word.id(), protocol) {
        let ask = Ask {
            host,
            protocol,
            ports,
            test: false,
        };
        return Tunnel::open(&server, link, ask).await;
    }
    let host = Api(&link.0).host(word).await?;
    let found = Found {
        server,
        link,
        word: word.clone(),
        host,
    };
    let protocol = match (protocol, word.port) {
        (Some(protocol), _) => protocol,
        (None, Some(port)) => found.protocol_of(port),
        (None, None) => Protocol::Tcp,
    };
    found.open(protocol).await
}

/// Copies both ways until the host's way ends.
async fn pump(stream: Stream) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut from_host = BufReader::with_capacity(BUFFER, reader);
    let mut typed = BufReader::with_capacity(BUFFER, tokio::io::stdin());
    let mut out = tokio::io::stdout();
    let down = async {
        tokio::io::copy_buf(&mut from_host, &mut out).await?;
        out.flush().await
    };
    let up = async {
        tokio::io::copy_buf(&mut typed, &mut writer).await?;
        writer.shutdown().await?;
        // The host may still have something to say.
        std::future::pending::<io::Result<()>>().await
    };
    tokio::select! {
        down = down => down,
        up = up => up,
    }
}

fn broken(host: &str, error: io::Error) -> Result<(), Failure> {
    Err(match StreamError::of(&error) {
        Some(StreamError::Refused(reason, text)) => Failure::Target {
            host: host.to_owned(),
            reason: *reason,
            text: text.clone(),
        },
        Some(other) if !is_ordinary(other.reason()) => Failure::Target {
            host: host.to_owned(),
            reason: other.reason(),
            text: String::new(),
        },
        // The session's own verdict says whatever there is to say.
        Some(_) => return Ok(()),
        None => Failure::Local {
            what: "the program that started culvert went away".into(),
            source: error,
        },
    })
}
