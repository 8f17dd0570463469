//! Streams that the peer opened: their first bytes read, with limits.
//!
//! A stream whose opening is slow, wrong or missing costs its own slot and
//! nothing else.

use std::sync::Arc;
use std::time::Duration;

use culvert_wire::reason::Reason;
use culvert_wire::stream::{Answer, Lane, OPEN_LEN, Open};
use culvert_wire::{Decode as _, DecodeError};
use noq::{RecvStream, SendStream};
use tokio::sync::{Mutex, mpsc};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;
use tracing::debug;

use super::life::Life;
use super::stream::Stream;
use crate::ending::code_of;
use crate::{Options, Role};

/// The task that reads openings, and what it found.
#[derive(Debug)]
pub(super) struct Incoming {
    streams: Mutex<mpsc::Receiver<(Open, Stream)>>,
    task: AbortHandle,
}

/// Openings read but not yet accepted; more wait in their streams.
const BACKLOG: usize = 16;

impl Incoming {
    pub(super) fn start(life: &Arc<Life>, options: &Options) -> Self {
        let (found, streams) = mpsc::channel(BACKLOG);
        let task = tokio::spawn(run(life.clone(), found, options.opening));
        Self {
            streams: Mutex::new(streams),
            task: task.abort_handle(),
        }
    }

    /// The next stream; `None` when the session is over.
    pub(super) async fn next(&self) -> Option<(Open, Stream)> {
        self.streams.lock().await.recv().await
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// QUIC bounds how many streams are open, and so how many tasks there are.
async fn run(life: Arc<Life>, found: mpsc::Sender<(Open, Stream)>, limit: Duration) {
    let mut reading = JoinSet::new();
    while let Ok((send, recv)) = life.connection.accept_bi().await {
        while reading.try_join_next().is_some() {}
        let (found, life) = (found.clone(), life.clone());
        reading.spawn(async move {
            if let Some(opened) = opening(&life, send, recv, limit).await {
                // Nobody accepts any more: the session is over.
                let _ = found.send(opened).await;
            }
        });
    }
}

/// Reads an opening, or refuses it.
async fn opening(
    life: &Arc<Life>,
    send: SendStream,
    mut recv: RecvStream,
    limit: Duration,
) -> Option<(Open, Stream)> {
    let mut bytes = [0; OPEN_LEN];
    match timeout(limit, recv.read_exact(&mut bytes)).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) => {
            abandon(send, recv, Reason::ProtocolError);
            return None;
        }
        Err(_) => {
            abandon(send, recv, Reason::KeepaliveTimeout);
            return None;
        }
    }
    match Open::from_bytes(&bytes) {
        Ok(open) => Some((
            open,
            Stream::new(Role::Gateway, open.lane, life, (send, recv)),
        )),
        Err(error) => {
            debug!(%error, "Stream opening refused");
            refuse(life, send, recv, &error).await;
            None
        }
    }
}

/// An opening of a newer version, or nonsense: say so politely.
async fn refuse(life: &Arc<Life>, send: SendStream, recv: RecvStream, error: &DecodeError) {
    let reason = match error {
        DecodeError::Value {
            field: "stream version",
            ..
        } => Reason::VersionUnsupported,
        DecodeError::Value { .. }
        | DecodeError::Short { .. }
        | DecodeError::Trailing { .. }
        | DecodeError::TooLong { .. }
        | DecodeError::Text { .. }
        | DecodeError::Key { .. }
        | DecodeError::UnknownFrame(_) => Reason::ProtocolError,
    };
    let answer = Answer::Refused {
        reason,
        text: error.to_string(),
    };
    // Fails only when the stream or the session is gone.
    let _ = Stream::new(Role::Gateway, Lane::Input, life, (send, recv))
        .reply(answer)
        .await;
}

fn abandon(mut send: SendStream, mut recv: RecvStream, reason: Reason) {
    // Both fail only when the peer was faster.
    let _ = send.reset(code_of(reason));
    let _ = recv.stop(code_of(reason));
}
