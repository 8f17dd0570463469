//! From a word to a host, over a link that stays open for the session.

use culvert_link::{Events, Link};
use culvert_wire::api::HostEntry;
use culvert_wire::grant::Protocol;

use crate::api::Api;
use crate::failure::Failure;
use crate::home::Home;
use crate::reach::Server;
use crate::tunnel::{Ask, Tunnel};
use crate::word::{HostWord, Numbers};

/// A host, and the link it was found over.
pub(super) struct Found {
    pub(super) server: Server,
    pub(super) link: (Link, Events),
    pub(super) word: HostWord,
    pub(super) host: HostEntry,
}

impl Found {
    /// Finds the host that a word means.
    pub(super) async fn find(home: Home, text: &str, numbers: Numbers) -> Result<Self, Failure> {
        let word = HostWord::parse(text, numbers)?;
        let mut server = Server::known(home)?;
        let link = server.signed_in().await?;
        let host = Api(&link.0).host(&word).await?;
        Ok(Self {
            server,
            link,
            word,
            host,
        })
    }

    /// The service of a port, else plain TCP.
    pub(super) fn protocol_of(&self, port: u16) -> Protocol {
        let services = self.host.services.iter();
        services
            .filter(|service| service.port == port)
            .map(|service| service.protocol)
            .next()
            .unwrap_or(Protocol::Tcp)
    }

    /// Opens a session for a protocol, on the word's port if it names one.
    pub(super) async fn open(self, protocol: Protocol) -> Result<Tunnel, Failure> {
        let ask = Ask {
            host: self.host.id,
            protocol,
            ports: self.word.port.into_iter().collect(),
            test: false,
        };
        Tunnel::open(&self.server, self.link, ask).await
    }
}
