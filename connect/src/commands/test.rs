//! `culvert test`: does a host answer? (S39)
//!
//! The gateway opens and closes a TCP connection; no byte is sent to the host.

use std::collections::BTreeSet;
use std::time::Instant;

use culvert_wire::grant::Protocol;
use culvert_wire::reason::Reason;
use culvert_wire::stream::Answer;

use super::resolve::Found;
use crate::cli::Test;
use crate::failure::{Exit, Failure};
use crate::home::Home;
use crate::reach::Server;
use crate::text::result;
use crate::tunnel::{Ask, Tunnel};
use crate::word::Numbers;

/// Tries a port, or everything the host offers.
pub(super) async fn test(home: Home, test: Test) -> Result<(), Failure> {
    let Found {
        mut server,
        link,
        word,
        host,
    } = Found::find(home, &test.host, Numbers::Port).await?;
    drop(link);
    let asks: BTreeSet<(Protocol, u16)> = match word.port {
        Some(port) => {
            let known = host.services.iter().find(|service| service.port == port);
            [(known.map_or(Protocol::Tcp, |s| s.protocol), port)].into()
        }
        None => host.services.iter().map(|s| (s.protocol, s.port)).collect(),
    };
    if asks.is_empty() {
        let text = "nothing is known of this host's services: name a port, HOST:PORT";
        return Err(Failure::Person(text.into(), Exit::Usage));
    }
    let mut worst = Ok(());
    for (protocol, port) in asks {
        let ask = Ask {
            host: host.id,
            protocol,
            ports: vec![port],
            test: true,
        };
        if let Err(failure) = one(&mut server, ask).await {
            result(&format!("{protocol} port {port}: {}\n", failure.sentence()));
            worst = Err(failure);
        }
    }
    // Each line said it already.
    worst.map_err(|failure: Failure| Failure::Program(failure.exit()))
}

async fn one(server: &mut Server, ask: Ask) -> Result<(), Failure> {
    let (protocol, port) = (ask.protocol, ask.ports[0]);
    let link = server.signed_in().await?;
    let tunnel = Tunnel::open(server, link, ask).await?;
    let since = Instant::now();
    let mut stream = tunnel.streams().test(0).await.map_err(Failure::Session)?;
    let refused = |reason: Reason, text: String| Failure::Target {
        host: "the host does not answer".into(),
        reason,
        text,
    };
    let answer = match stream.answer().await {
        Ok(Answer::Accepted) => Ok(()),
        Ok(Answer::Refused { reason, text }) => Err(refused(reason, text)),
        Err(error) => Err(refused(error.reason(), String::new())),
    };
    let took = since.elapsed().as_millis();
    tunnel.streams().finish().await;
    answer?;
    result(&format!("{protocol} port {port}: answers ({took} ms)\n"));
    Ok(())
}
