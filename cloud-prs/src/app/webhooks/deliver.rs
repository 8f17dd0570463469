//! Sends what waits: HTTPS, signed, one message after the other for each
//! webhook, again and again for a day.
//!
//! The name is resolved here, each address is judged, and exactly a judged one
//! is connected to: a name that changes its answer gains nothing (threat 3). No
//! redirect is followed, no answer is read.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use culvert_config::gateway::Network;
use culvert_wire::UnixMs;
use culvert_wire::api::Secret;
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::uri::{Scheme, Uri};
use http::{Request, header};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use sha2::Sha256;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::is_public;
use crate::app::{App, AppError};
use crate::store::webhooks::{self, Waiting, Webhook};

/// Time for one attempt, from the name to the answer's head.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often is looked for something to send.
const EVERY: Duration = Duration::from_secs(1);
/// Messages that one webhook gets before the others have their turn.
const AT_ONCE: usize = 50;
/// The first pause after a failure, in milliseconds; each is twice as long...
const PAUSE_MS: u64 = 5_000;
/// ...up to this.
const MOST_PAUSE_MS: u64 = 3_600_000;
/// A message that waits for longer is dropped, in milliseconds.
const OLD_MS: u64 = 24 * 3_600_000;

/// What lies outside: which networks may be called, and whom to trust there.
#[derive(Clone)]
pub struct Outside {
    networks: Vec<Network>,
    tls: Arc<ClientConfig>,
}

impl Outside {
    /// The public internet, and `networks` too; certificates of the public
    /// authorities and of `authorities`.
    pub fn new(
        networks: Vec<Network>,
        authorities: impl IntoIterator<Item = rustls::pki_types::CertificateDer<'static>>,
    ) -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        };
        for authority in authorities {
            roots.add(authority)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            networks,
            tls: Arc::new(tls),
        })
    }

    fn allows(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        is_public(ip) || self.networks.iter().any(|network| network.contains(ip))
    }

    /// The first judged address of a name.
    async fn resolve(&self, address: &Address) -> Result<SocketAddr, Failed> {
        let found = tokio::net::lookup_host((address.host.as_str(), address.port)).await;
        let mut found = found.map_err(|_| Failed::Name)?.peekable();
        found.peek().ok_or(Failed::Name)?;
        found.find(|at| self.allows(at.ip())).ok_or(Failed::Private)
    }

    /// One attempt.
    async fn post(&self, address: &Address, message: Request<Full<Bytes>>) -> Result<(), Failed> {
        let at = self.resolve(address).await?;
        let tcp = TcpStream::connect(at).await.map_err(|_| Failed::Connect)?;
        let name = ServerName::try_from(address.host.clone()).map_err(|_| Failed::Name)?;
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        let tls = connector.connect(name, tcp).await;
        let tls = tls.map_err(|error| Failed::Tls(error.to_string()))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(tls))
            .await
            .map_err(|_| Failed::Http)?;
        let mut running = JoinSet::new();
        running.spawn(connection);
        let answer = sender.send_request(message).await;
        let status = answer.map_err(|_| Failed::Http)?.status();
        if status.is_success() {
            Ok(())
        } else {
            Err(Failed::Status(status.as_u16()))
        }
    }
}

/// Why an attempt failed; shown to the provider's owners.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("the name leads nowhere")]
    Name,
    #[error("the address is a private one: list its network in prs.toml to allow it")]
    Private,
    #[error("no connection")]
    Connect,
    #[error("TLS failed: {0}")]
    Tls(String),
    #[error("no HTTP answer")]
    Http,
    #[error("no answer in time")]
    Late,
    #[error("HTTP status {0}")]
    Status(u16),
    #[error("its secret does not open with keys/secrets.key: remove the webhook and add it anew")]
    Secret,
}

/// An `https://` address, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    host: String,
    port: u16,
    authority: String,
    path: String,
}

impl Address {
    /// None for anything but `https://HOST[:PORT]/PATH[?QUERY]`.
    pub(super) fn parse(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let authority = uri.authority()?;
        if uri.scheme() != Some(&Scheme::HTTPS) || authority.as_str().contains('@') {
            return None;
        }
        let host = authority.host().trim_matches(['[', ']']);
        if host.is_empty() || authority.port_u16() == Some(0) {
            return None;
        }
        Some(Self {
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(443),
            authority: authority.as_str().to_owned(),
            path: uri
                .path_and_query()
                .map_or("/", |path| path.as_str())
                .to_owned(),
        })
    }
}

/// The signature of a body that is sent at a time, in seconds: what a receiver
/// compares the header's `v1` with.
pub fn sign(secret: &str, seconds: u64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length will do");
    mac.update(format!("{seconds}.{body}").as_bytes());
    HEXLOWER.encode(&mac.finalize().into_bytes())
}

fn request(
    address: &Address,
    secret: &Secret,
    message: &Waiting,
    now: UnixMs,
) -> Option<Request<Full<Bytes>>> {
    let seconds = now.0 / 1000;
    let signature = sign(secret.reveal(), seconds, &message.body);
    Request::post(&address.path)
        .header(header::HOST, &address.authority)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, crate::plane::VERSION)
        .header("culvert-event", &message.event)
        .header("culvert-delivery", &message.id)
        .header("culvert-signature", format!("t={seconds},v1={signature}"))
        .body(Full::new(Bytes::from(message.body.clone())))
        .ok()
}

impl App {
    /// Delivers until the task is dropped.
    pub async fn deliver_webhooks(self: Arc<Self>, outside: Outside) {
        if let Err(error) = self.seal_webhooks().await {
            tracing::error!(%error, "Webhooks' secrets could not be encrypted");
        }
        loop {
            if let Err(error) = self.deliver_due(&outside).await {
                tracing::error!(%error, "Webhooks could not be looked up");
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// One round over the webhooks that have something to be sent.
    ///
    /// # Errors
    /// [`AppError`] when the database does not answer.
    pub async fn deliver_due(self: &Arc<Self>, outside: &Outside) -> Result<(), AppError> {
        let now = self.now();
        let mut db = self.store.read().await?;
        let due = webhooks::due(&mut db, now).await?;
        drop(db);
        if due.is_empty() {
            return Ok(());
        }
        let mut write = self.store.write().await?;
        let old = UnixMs(now.0.saturating_sub(OLD_MS));
        webhooks::forget_before(&mut write, old).await?;
        write.commit().await?;
        let mut round = JoinSet::new();
        for webhook in due {
            let (app, outside) = (Arc::clone(self), outside.clone());
            round.spawn(async move { app.deliver_line(&webhook, &outside).await });
        }
        while let Some(done) = round.join_next().await {
            if let Ok(Err(error)) = done {
                tracing::error!(%error, "Delivery could not be noted");
            }
        }
        Ok(())
    }

    /// Sends a webhook's line until one message does not arrive.
    async fn deliver_line(&self, webhook: &Webhook, outside: &Outside) -> Result<(), AppError> {
        for _ in 0..AT_ONCE {
            let mut db = self.store.read().await?;
            let Some(message) = webhooks::first(&mut db, webhook.id).await? else {
                return Ok(());
            };
            drop(db);
            let outcome = self.attempt(webhook, &message, outside).await;
            let now = self.now();
            let mut write = self.store.write().await?;
            match &outcome {
                Ok(()) => {
                    let id = Some(message.id.as_str());
                    webhooks::tried(&mut write, webhook.id, id, "delivered", (now, now)).await?;
                }
                Err(failed) => {
                    let next = now.plus_ms(pause(webhook.failures, rand::random()));
                    let text = failed.to_string();
                    webhooks::tried(&mut write, webhook.id, None, &text, (now, next)).await?;
                }
            }
            write.commit().await?;
            if let Err(failed) = outcome {
                tracing::info!(webhook = %webhook.id, error = %failed, "Webhook not delivered");
                return Ok(());
            }
        }
        Ok(())
    }

    async fn attempt(
        &self,
        webhook: &Webhook,
        message: &Waiting,
        outside: &Outside,
    ) -> Result<(), Failed> {
        let address = Address::parse(&webhook.url).ok_or(Failed::Name)?;
        let secret = self.webhook_secret(webhook).ok_or(Failed::Secret)?;
        let request = request(&address, &secret, message, self.now()).ok_or(Failed::Http)?;
        let sent = timeout(PATIENCE, outside.post(&address, request)).await;
        sent.unwrap_or(Err(Failed::Late))
    }
}

/// How long to wait after so many failures; `random` is in 0..1.
fn pause(failures: u32, random: f64) -> u64 {
    let whole = PAUSE_MS
        .saturating_mul(1 << failures.min(12))
        .min(MOST_PAUSE_MS);
    // Receivers that failed together are not tried together.
    let spread = Duration::from_millis(whole / 4).mul_f64(random.clamp(0.0, 1.0));
    whole - u64::try_from(spread.as_millis()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_addresses_without_a_name_in_them_are_taken() {
        let good = Address::parse("https://hooks.example.com:8443/a?b=c").unwrap();
        assert_eq!((good.host.as_str(), good.port), ("hooks.example.com", 8443));
        assert_eq!(good.path, "/a?b=c");
        assert!(Address::parse("https://[2a00::1]/x").is_some());
        for bad in [
            "http://example.com/",
            "https://user:password@example.com/",
            "https:///x",
            "https://example.com:0/",
            "ftp://example.com/",
            "example.com/x",
            "https://exa mple.com/",
            "file:///etc/passwd",
            "",
        ] {
            assert!(Address::parse(bad).is_none(), "{bad}");
        }
    }

    /// A receiver in any language finds the same.
    #[test]
    fn the_signature_is_hmac_sha256_over_time_dot_body() {
        // printf '1.{}' | openssl dgst -sha256 -hmac secret
        let expected = "1122767b193110cfec322b6f199b599edbf608ed087f2d27afb0b97d99523908";
        let made = sign("secret", 1, "{}");
        assert_eq!(made, expected);
        assert_ne!(made, sign("secret", 2, "{}"));
        assert_ne!(made, sign("other", 1, "{}"));
    }

    #[test]
    fn pauses_double_to_an_hour_and_spread() {
        assert_eq!(pause(0, 0.0), 5_000);
        assert_eq!(pause(1, 0.0), 10_000);
        assert_eq!(pause(40, 0.0), MOST_PAUSE_MS);
        assert!(pause(3, 1.0) < pause(3, 0.0) && pause(3, 1.0) >= 30_000);
    }
}
