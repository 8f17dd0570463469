//! What the host may say outside the shell: its key, banners, and channels of
//! its own, all of which are refused.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use culvert_wire::sealed::Contents;
use culvert_wire::terminal::{MAX_BANNER, ToPage};
use russh::Channel;
use russh::client::{ChannelOpenHandle, Handler, Msg, Session};
use russh::keys::PublicKeyOrCertificate;
use russh::keys::ssh_key::public::PublicKey;
use tokio::sync::Notify;

use super::super::message::{FromWorker, MAX_HOST_KEY, Verdict};
use super::dialogue::Dialogue;

/// Banners that are shown; a host that sends more only fills the window.
const MAX_BANNERS: u32 = 8;

/// russh's view of us.
pub(super) struct Host {
    dialogue: Arc<Dialogue>,
    shared: Arc<Shared>,
    banners: u32,
}

/// What the greeting leaves for the sign-in.
#[derive(Debug, Default)]
pub(super) struct Shared {
    shown: Notify,
    stored: Mutex<Option<Contents>>,
}

impl Shared {
    /// Resolves when the host has shown its key.
    pub(super) async fn key_shown(&self) {
        self.shown.notified().await;
    }

    /// The stored credential, once.
    pub(super) fn stored(&self) -> Option<Contents> {
        self.slot().take()
    }

    fn store(&self, stored: Option<Contents>) {
        *self.slot() = stored;
    }

    fn slot(&self) -> MutexGuard<'_, Option<Contents>> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Host {
    pub(super) fn new(dialogue: Arc<Dialogue>, shared: Arc<Shared>) -> Self {
        Self {
            dialogue,
            shared,
            banners: 0,
        }
    }

    async fn judge(&self, key: &PublicKey) -> bool {
        let Ok(bytes) = key.to_bytes() else {
            return false;
        };
        if bytes.len() > MAX_HOST_KEY {
            return false;
        }
        let shown = FromWorker::HostKey {
            algorithm: key.algorithm().as_str().to_owned(),
            key: Bytes::from(bytes),
        };
        match self.dialogue.verdict(shown).await {
            Ok(Verdict::Accepted(stored)) => {
                self.shared.store(stored);
                true
            }
            Ok(Verdict::Refused) | Err(_) => false,
        }
    }
}

impl Handler for Host {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        key: &PublicKeyOrCertificate,
    ) -> Result<bool, Self::Error> {
        self.shared.shown.notify_one();
        match key {
            PublicKeyOrCertificate::PublicKey { key, .. } => Ok(self.judge(key).await),
            // Never asked for.
            PublicKeyOrCertificate::Certificate(_) => Ok(false),
        }
    }

    async fn auth_banner(&mut self, banner: &str, _: &mut Session) -> Result<(), Self::Error> {
        self.banners = self.banners.saturating_add(1);
        if self.banners <= MAX_BANNERS {
            let cut = banner.floor_char_boundary(MAX_BANNER);
            let shown = banner[..cut].replace("\r\n", "\n");
            let told = self.dialogue.show(ToPage::Banner(shown)).await;
            told.map_err(|_| russh::Error::Disconnect)?;
        }
        Ok(())
    }

    // Nothing was forwarded, so the host has nothing to open; russh itself would
    // take all of these. A reply that is dropped refuses.

    async fn server_channel_open_agent_forward(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        drop(reply);
        Ok(())
    }

    async fn server_channel_open_x11(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        drop(reply);
        Ok(())
    }

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        drop(reply);
        Ok(())
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        drop(reply);
        Ok(())
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        drop(reply);
        Ok(())
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        drop(reply);
        Ok(())
    }

    async fn server_channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        drop(reply);
        Ok(())
    }
}
