//! The technician's end of a terminal stream: messages instead of bytes.

use std::time::Duration;

use culvert_session::native::{Stream, StreamReader, StreamWriter};
use culvert_wire::reason::Reason;
use culvert_wire::terminal::{FromPage, Start, ToPage};
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use crate::worker::pair::{Messages, PairError};

/// For the first message.
const START: Duration = Duration::from_secs(30);
/// For the last one to arrive.
const FAREWELL: Duration = Duration::from_secs(5);

/// A stream as messages.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) messages: Messages<StreamReader>,
    pub(super) writer: StreamWriter,
}

impl Page {
    pub(super) fn new(stream: Stream) -> Self {
        let (reader, writer) = stream.into_split();
        Self {
            messages: Messages::new(reader),
            writer,
        }
    }

    /// The first message.
    pub(super) async fn start(&mut self) -> Option<Start> {
        match timeout(START, hear(&mut self.messages)).await {
            Ok(Ok(Some(FromPage::Start(start)))) => Some(start),
            Ok(Ok(Some(_) | None) | Err(_)) | Err(_) => None,
        }
    }

    /// The next message; `None` when the stream is over, however.
    pub(super) async fn hear(&mut self) -> Result<Option<FromPage>, PairError> {
        hear(&mut self.messages).await
    }

    /// Says something; `false` when nobody listens.
    pub(super) async fn say(&mut self, message: &ToPage) -> bool {
        self.writer.write_all(&message.to_message()).await.is_ok()
    }

    /// Says the last thing and ends the stream.
    pub(super) async fn say_last(mut self, message: &ToPage) {
        // The limit only bounds the courtesy.
        let _ = timeout(FAREWELL, self.say(message)).await;
        self.end().await;
    }

    /// Ends the stream cleanly once everything has arrived.
    pub(super) async fn end(mut self) {
        self.writer.finish();
        // The limit only bounds the courtesy.
        let _ = timeout(FAREWELL, self.writer.delivered()).await;
        self.messages.get_mut().stop(Reason::Finished);
    }

    pub(super) async fn refuse(self, reason: Reason, text: impl Into<String>) {
        let text = text.into();
        self.say_last(&ToPage::Refused { reason, text }).await;
    }
}

/// The next message that is understood. Cancel-safe.
pub(super) async fn hear(
    messages: &mut Messages<StreamReader>,
) -> Result<Option<FromPage>, PairError> {
    while let Some((kind, body)) = messages.next().await? {
        if let Some(message) = FromPage::decode(kind, &body)? {
            return Ok(Some(message));
        }
    }
    Ok(None)
}
