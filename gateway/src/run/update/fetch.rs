//! The requests for a bundle: for all of it, and whether it still goes on.
//!
//! Each has a task that ends with whoever waits for its pieces. What comes is
//! believed by nobody here; see `run::update`.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use culvert_config::gateway::Gateway;
use culvert_link::ProxyPolicy;
use culvert_link::client::{self, Body, ConnectError};
use culvert_wire::frame::Offer;
use culvert_wire::supervisor::MAX_DATA;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tracing::debug;

use crate::connect;
use crate::state::State;

/// Where bundles are, at the server.
const PATH: &str = "/boxes/release";
/// The header with the right to fetch one.
const HEADER: &str = "culvert-fetch";
/// Pieces that may wait for the supervisor.
const WAITING: usize = 4;
/// What a server answers that has stopped a release, or knows no such right any more.
const OVER: [u16; 2] = [410, 404];
/// How often a server is asked that does not say whether a release still goes on.
const ASK_AGAIN: Duration = Duration::from_secs(60);

/// Where bundles come from.
#[derive(Debug, Clone)]
pub(in crate::run) struct Source {
    /// `host:port` of each server.
    pub(in crate::run) servers: Vec<String>,
    /// The way out.
    pub(in crate::run) proxy: ProxyPolicy,
}

impl Source {
    /// As the settings and the claim say; none before the box is claimed.
    pub(in crate::run) fn of(settings: &Gateway, state: &State) -> Option<Self> {
        let claim = state.claim.as_ref()?;
        let servers = match settings.servers.is_empty() {
            true => claim.servers.clone(),
            false => settings.servers.clone(),
        };
        // The same setting made the link.
        let proxy = connect::proxy_policy(&settings.proxy).ok()?;
        Some(Self { servers, proxy })
    }
}

/// What a task says.
pub(super) type Piece = Result<Bytes, String>;

/// Ends with whoever waits for its pieces.
#[derive(Debug)]
pub(super) struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Fetches all of a bundle: its pieces, then the end.
pub(super) fn whole(offer: Offer, source: Source) -> (mpsc::Receiver<Piece>, Task) {
    let (give, pieces) = mpsc::channel(WAITING);
    let task = tokio::spawn(async move {
        if let Err(error) = fetch(&offer, &source, &give).await {
            // Nobody waits for it any more.
            let _ = give.send(Err(error.told())).await;
        }
    });
    (pieces, Task(task.abort_handle()))
}

/// Asks whether a release that is there may still be put in its place: the end
/// if so. A server that cannot be asked now is asked later.
pub(super) fn ask(offer: Offer, source: Source) -> (mpsc::Receiver<Piece>, Task) {
    let (give, pieces) = mpsc::channel(1);
    let task = tokio::spawn(async move {
        loop {
            match open(&offer, &source).await {
                Ok(_) => return,
                Err(error) if error.is_over() => {
                    // Nobody waits for it any more.
                    let _ = give.send(Err(error.told())).await;
                    return;
                }
                Err(error) => debug!(%error, "The server does not say whether it goes on"),
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    });
    (pieces, Task(task.abort_handle()))
}

async fn open(offer: &Offer, source: &Source) -> Result<Body, FetchError> {
    let right: String = offer.fetch.iter().map(|b| format!("{b:02x}")).collect();
    let header = (HEADER, right.as_str());
    Ok(client::fetch(&source.servers, &source.proxy, PATH, header, offer.size).await?)
}

async fn fetch(
    offer: &Offer,
    source: &Source,
    give: &mpsc::Sender<Piece>,
) -> Result<(), FetchError> {
    let mut body = open(offer, source).await?;
    while let Some(bytes) = body.next().await? {
        debug_assert!(bytes.len() <= MAX_DATA);
        if give.send(Ok(bytes)).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// Why a bundle did not come.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the connection broke: {0}")]
    Body(#[from] io::Error),
}

impl FetchError {
    /// The server gives it to nobody, or to this box no more.
    fn is_over(&self) -> bool {
        matches!(self, Self::Connect(ConnectError::Http { status, .. }) if OVER.contains(status))
    }

    /// For people.
    fn told(&self) -> String {
        match self.is_over() {
            true => "the server has stopped this release, or its offer is over".to_owned(),
            false => format!("the release could not be fetched: {self}"),
        }
    }
}
