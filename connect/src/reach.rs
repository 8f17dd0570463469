//! The server this user signed in to, and links to it.
//!
//! A link is opened for one command and ends with it. The TLS certificate is
//! never trusted; the server proves itself with the provider key that is
//! pinned in the [`Account`].

use bytes::Bytes;
use culvert_link::{ConnectError, Dial, Events, Link, Me, ProxyPolicy};
use culvert_wire::key::SigningKey;

use crate::account::{Account, SignIn, device_key};
use crate::failure::Failure;
use crate::home::Home;
use crate::known::Known;

/// What the server's list of sign-ins shows as program.
pub const VERSION: &str = concat!("culvert ", env!("CARGO_PKG_VERSION"));

/// The server, and who we are there.
#[derive(Debug, Clone)]
pub struct Server {
    /// Where things are stored.
    pub home: Home,
    /// What is known of the server.
    pub account: Account,
    /// The device's key.
    pub device: SigningKey,
    /// The sign-in, if there is one.
    pub sign_in: Option<SignIn>,
}

impl Server {
    /// The server of the last `culvert login`.
    ///
    /// # Errors
    /// [`Failure::NoAccount`] before the first one.
    pub fn known(home: Home) -> Result<Self, Failure> {
        let account = Account::load(&home)?.ok_or(Failure::NoAccount)?;
        Ok(Self {
            device: device_key(&home, rand::random)?,
            sign_in: SignIn::load(&home)?,
            account,
            home,
        })
    }

    /// The first server's address, for messages.
    pub fn name(&self) -> &str {
        self.account.servers.first().map_or("", String::as_str)
    }

    /// Opens a link that is signed in.
    ///
    /// # Errors
    /// [`Failure::NoSignIn`] without a sign-in; else as [`Server::link`].
    pub async fn signed_in(&mut self) -> Result<(Link, Events), Failure> {
        if self.sign_in.is_none() {
            return Err(Failure::NoSignIn {
                server: self.name().to_owned(),
            });
        }
        self.link().await
    }

    /// Opens a link, signed in or not, and stores what the server proved.
    ///
    /// # Errors
    /// [`Failure::Connect`] when no server can be reached or trusted.
    pub async fn link(&mut self) -> Result<(Link, Events), Failure> {
        let (link, events) = self.dial().await.map_err(|source| Failure::Connect {
            server: self.name().to_owned(),
            source,
        })?;
        self.learn(&link)?;
        Ok((link, events))
    }

    /// Stores what a server proved.
    pub(crate) fn learn(&mut self, link: &Link) -> Result<(), Failure> {
        let proven = link.proven();
        let old = self.account.provider;
        if proven.provider != old {
            // The old key signed the new one: what was known stays known.
            let mut known = Known::load(&self.home)?;
            known.follow(&old, &proven.provider);
            known.save(&self.home)?;
        }
        let epoch = proven.statement.epoch;
        if self.account.learn(proven.provider, epoch, link.link_time())
            && let Err(error) = self.account.save(&self.home)
        {
            // A full disk must not keep anybody from work: the pin is there.
            tracing::warn!(%error, "What the server proved is not stored");
        }
        Ok(())
    }

    /// Opens a link.
    ///
    /// # Errors
    /// [`ConnectError`] of the server that came furthest.
    pub async fn dial(&self) -> Result<(Link, Events), ConnectError> {
        let dial = Dial {
            servers: self.account.servers.clone(),
            provider: self.account.provider,
            epoch_floor: self.account.epoch_floor,
            clock_floor: self.account.clock_floor,
            proxy: ProxyPolicy::FromEnv,
        };
        let token = self
            .sign_in
            .as_ref()
            .map(|sign_in| Bytes::copy_from_slice(sign_in.token.as_bytes()));
        let me = Me::Technician {
            key: self.device.clone(),
            token,
        };
        culvert_link::connect(&dial, me, VERSION).await
    }
}
