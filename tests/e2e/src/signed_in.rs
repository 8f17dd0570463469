//! A link of the test's own, with a technician's sign-in.

use std::path::Path;

use anyhow::Context as _;
use bytes::Bytes;
use culvert_connect::account::{Account, SignIn, device_key};
use culvert_connect::api::Api;
use culvert_connect::failure::Failure;
use culvert_connect::home::Home;
use culvert_link::{Dial, Events, Link, Me, ProxyPolicy, connect};
use culvert_wire::api::NewLaunch;
use culvert_wire::grant::Protocol;
use culvert_wire::id::HostId;

/// An open link and what opens another one.
pub struct SignedIn {
    /// Where to.
    pub dial: Dial,
    /// As whom.
    pub me: Me,
    /// The link.
    pub link: Link,
    /// What it tells.
    pub events: Events,
}

impl SignedIn {
    /// Links with the sign-in in a technician's `home`.
    ///
    /// # Errors
    /// When there is none, or no link.
    pub async fn at(home: &Path, version: &str) -> anyhow::Result<Self> {
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
            token: Some(Bytes::from(sign_in.token.clone().into_bytes())),
        };
        let (link, events) = connect(&dial, me.clone(), version).await?;
        Ok(Self {
            dial,
            me,
            link,
            events,
        })
    }

    /// The id of a host.
    ///
    /// # Errors
    /// When there is none of that name.
    pub async fn host(&self, name: &str) -> anyhow::Result<HostId> {
        let found = Api(&self.link).hosts(name).await.map_err(said)?;
        Ok(found.hosts.first().context("no such host")?.id)
    }

    /// The address that `culvert open` takes, as the portal would make it.
    ///
    /// # Errors
    /// What the server refuses.
    pub async fn launch(&self, host: &str, protocol: Protocol) -> anyhow::Result<String> {
        let wanted = NewLaunch {
            host: self.host(host).await?,
            protocol,
            ports: Vec::new(),
        };
        let launch = Api(&self.link).new_launch(&wanted).await.map_err(said)?;
        Ok(launch.url)
    }
}

/// What `culvert` would say.
pub(crate) fn said(failure: Failure) -> anyhow::Error {
    anyhow::anyhow!("{failure}")
}
