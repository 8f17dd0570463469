//! An end that leaves out the end-to-end encryption: what it sends reaches the
//! relay as it is.
//!
//! Only for controls: it shows that a search in the relay finds what passes
//! through it, when that can be read.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use culvert_connect::account::{Account, SignIn, device_key};
use culvert_connect::api::Api;
use culvert_connect::home::Home;
use culvert_link::{Dial, Events, Link, Me, ProxyPolicy, Route, connect};
use culvert_wire::api::NewSession;
use culvert_wire::grant::Protocol;
use culvert_wire::key::SigningKey;

/// A route to a gateway that has joined it, and nothing above it.
pub struct Bare {
    route: Route,
    _link: Link,
    _events: Events,
}

impl Bare {
    /// Asks for a session on a host's SSH port and joins its route.
    ///
    /// # Errors
    /// What the server refuses.
    pub async fn join(home: &Path, host: &str) -> anyhow::Result<Self> {
        let home = Home::at(home.join("culvert"));
        let account = Account::load(&home)?.context("no account")?;
        let sign_in = SignIn::load(&home)?.context("no sign-in")?;
        let dial = Dial {
            servers: account.servers.clone(),
            provider: account.provider,
            epoch_floor: account.epoch_floor,
            clock_floor: account.clock_floor,
            proxy: ProxyPolicy::None,
        };
        let me = Me::Technician {
            key: device_key(&home, rand::random)?,
            token: Some(Bytes::from(sign_in.token.into_bytes())),
        };
        let (link, events) = connect(&dial, me, "bare 1").await?;
        let end = SigningKey::from_seed(&rand::random());
        let api = Api(&link);
        let found = api
            .hosts(host)
            .await
            .map_err(|why| anyhow::anyhow!("{why}"))?;
        let wanted = NewSession {
            host: found.hosts.first().context("no such host")?.id,
            protocol: Protocol::Ssh,
            ports: Vec::new(),
            end_key: end.public(),
        };
        let answer = api.new_session(&wanted).await;
        let answer = answer.map_err(|why| anyhow::anyhow!("{why}"))?;
        let route = link.join(answer.session, Some(answer.ticket), &end)?;
        for _ in 0..200 {
            if route.joined() && route.peer_present() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        anyhow::ensure!(route.peer_present(), "the gateway did not join");
        Ok(Self {
            route,
            _link: link,
            _events: events,
        })
    }

    /// Sends a packet that is nothing but `word`, many times over.
    pub fn send(&self, word: &str) {
        let packet = word.repeat(1000 / word.len());
        let length = u16::try_from(packet.len()).unwrap_or(u16::MAX);
        // A dropped packet is no matter: there are many.
        let _ = self.route.try_send(length, packet.as_bytes());
    }
}
