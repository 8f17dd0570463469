//! Keeps one running terminal: passes bytes while somebody is attached,
//! remembers the last of them while nobody is, and ends it in time.
//!
//! One task for each terminal. It waits for everything at once and for nothing
//! alone: a worker that does not read, a page that does not read and a host
//! that never stops can only stop themselves.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use culvert_session::native::{StreamReader, StreamWriter};
use culvert_wire::reason::Reason;
use culvert_wire::terminal::{Exit, FromPage, KEPT_FOR, Ready, Size, ToPage, Token};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};

use super::opening::Opened;
use super::page::{self, Page};
use super::remote::{Reading, Remote, Writing};
use super::scrollback::Scrollback;
use super::{Context, Terminals};
use crate::session::Permits;
use crate::worker::message::FromWorker;
use crate::worker::pair::{Messages, PairError};

/// Output that may wait for an attached page; then the host waits.
const AHEAD: u64 = 256 * 1024;
/// Input that may wait for a host that does not read: as long as there is less,
/// the page is heard, which may want to end it.
const BEHIND: usize = 256 * 1024;
/// Output put into one message.
const CHUNK: usize = 32 * 1024;
/// For the last words to an attached page.
const FAREWELL: Duration = Duration::from_secs(5);

/// What the others want of a keeper.
#[derive(Debug)]
pub(super) enum Order {
    Attach(Box<Attach>),
    End(Reason),
}

/// A stream that wants this terminal.
#[derive(Debug)]
pub(super) struct Attach {
    pub(super) context: Context,
    pub(super) page: Page,
    pub(super) size: Size,
    /// Bytes of output seen so far; none at the beginning.
    pub(super) seen: Option<u64>,
    /// Broken when the session takes its streams away.
    pub(super) alive: oneshot::Receiver<()>,
    /// Dropped when the keeper is done with the stream.
    pub(super) _done: oneshot::Sender<()>,
}

/// An attached stream.
struct Attached {
    attach: Box<Attach>,
    /// What is being written.
    out: Bytes,
    /// Output up to here was put into messages.
    sent: u64,
    /// The exit was put into a message.
    told: bool,
}

/// One terminal.
pub(super) struct Keeper {
    terminals: Terminals,
    ready: Ready,
    /// None when the remote end is over.
    remote: Option<Remote>,
    to_remote: BytesMut,
    size: Size,
    output: Scrollback,
    /// Bytes of input taken.
    input: u64,
    exit: Option<Exit>,
    /// What whoever goes on is to be given; always something, if only empty, for
    /// Telnet, whose pages wait for it.
    note: Option<Bytes>,
    attached: Option<Attached>,
    orders: mpsc::Receiver<Order>,
    /// When a terminal without anybody ends.
    until: Instant,
}

/// What happened.
enum Event {
    Ordered(Option<Order>),
    Said(Result<Option<FromWorker>, PairError>),
    Heard(Result<Option<FromPage>, PairError>),
    Written(bool),
    Fed(bool),
    TakenAway,
    SessionOver,
    TimeUp,
}

impl Keeper {
    pub(super) fn new(
        terminals: Terminals,
        token: Token,
        opened: Opened,
        size: Size,
        orders: mpsc::Receiver<Order>,
    ) -> Self {
        Self {
            terminals,
            ready: Ready {
                token,
                account: opened.account,
                algorithm: opened.key.algorithm,
                fingerprint: opened.key.fingerprint,
            },
            note: matches!(opened.remote, Remote::Line(_)).then(Bytes::new),
            remote: Some(opened.remote),
            to_remote: BytesMut::new(),
            size,
            output: Scrollback::default(),
            input: 0,
            exit: None,
            attached: None,
            orders,
            until: Instant::now() + KEPT_FOR,
        }
    }

    /// Runs to the end.
    pub(super) async fn run(mut self) {
        loop {
            self.fill();
            if self.is_done() {
                break;
            }
            let event = self.next().await;
            if let Some(reason) = self.handle(event).await {
                // Nobody else is sent here while the last words arrive.
                self.terminals.ending(&self.ready.token);
                self.farewell(reason).await;
                break;
            }
        }
        self.refuse_late().await;
        self.terminals.over(&self.ready.token);
    }

    /// Who was sent here just before it was over: they are told so.
    async fn refuse_late(&mut self) {
        self.orders.close();
        while let Some(order) = self.orders.recv().await {
            if let Order::Attach(attach) = order {
                attach.page.refuse(Reason::TerminalGone, "").await;
            }
        }
    }

    /// Puts the next message for the page together.
    fn fill(&mut self) {
        let Some(attached) = &mut self.attached else {
            return;
        };
        if !attached.out.is_empty() {
            return;
        }
        let chunk = self.output.read(attached.sent, CHUNK);
        if !chunk.is_empty() {
            attached.sent += chunk.len() as u64;
            attached.out = ToPage::Output(chunk).to_message();
        } else if let (Some(exit), false) = (&self.exit, attached.told) {
            attached.told = true;
            attached.out = ToPage::Exit(exit.clone()).to_message();
        }
    }

    /// Over, and the technician has been told.
    fn is_done(&mut self) -> bool {
        let done = |attached: &Attached| attached.told && attached.out.is_empty();
        let all_told = self.attached.as_ref().is_some_and(done);
        if all_told && let Some(attached) = &mut self.attached {
            attached.attach.page.writer.finish();
            let reader = attached.attach.page.messages.get_mut();
            reader.stop(Reason::Finished);
        }
        all_told
    }

    async fn next(&mut self) -> Event {
        let hungry = match &self.attached {
            Some(attached) => self.output.end() - attached.sent < AHEAD,
            None => true,
        };
        let detached = self.attached.is_none();
        let (said, fed) = match &mut self.remote {
            Some(remote) => {
                let (reading, writing) = remote.both();
                (Some(reading), Some(writing))
            }
            None => (None, None),
        };
        let (messages, writer, out, permits, alive) = match &mut self.attached {
            Some(Attached { attach, out, .. }) => {
                let Attach {
                    context,
                    page,
                    alive,
                    ..
                } = &mut **attach;
                let permits = (&mut context.permits, context.index);
                (
                    Some(&mut page.messages),
                    Some(&mut page.writer),
                    Some(out),
                    Some(permits),
                    Some(alive),
                )
            }
            None => (None, None, None, None, None),
        };
        let feeding = !self.to_remote.is_empty();
        tokio::select! {
            ordered = self.orders.recv() => Event::Ordered(ordered),
            () = gone(alive) => Event::SessionOver,
            () = taken_away(permits) => Event::TakenAway,
            said = say(said), if hungry => Event::Said(said),
            heard = hear(messages), if self.to_remote.len() < BEHIND => Event::Heard(heard),
            written = write(writer, out) => Event::Written(written),
            fed = feed(fed, &mut self.to_remote), if feeding => Event::Fed(fed),
            () = sleep_until(self.until), if detached => Event::TimeUp,
        }
    }

    /// Deals with what happened; a reason ends the terminal.
    async fn handle(&mut self, event: Event) -> Option<Reason> {
        match event {
            Event::Ordered(Some(Order::Attach(attach))) => self.attach(attach).await,
            Event::Ordered(Some(Order::End(reason))) => return Some(reason),
            // The process ends.
            Event::Ordered(None) => return Some(Reason::GatewayOffline),
            Event::Said(said) => self.said(said).await,
            Event::Heard(Ok(Some(message))) => return self.heard(message),
            Event::Heard(Err(PairError::Malformed(error))) => {
                debug!(%error, "The technician's end spoke nonsense");
                self.detach(Reason::ProtocolError);
            }
            Event::Heard(Ok(None) | Err(PairError::Broken(_)))
            | Event::Written(false)
            | Event::SessionOver => self.detach(Reason::PeerLost),
            Event::Written(true) => {}
            Event::Fed(true) => {}
            Event::Fed(false) => self.to_remote.clear(),
            Event::TakenAway => return Some(Reason::AccessRevoked),
            Event::TimeUp => return Some(Reason::Idle),
        }
        None
    }

    async fn said(&mut self, said: Result<Option<FromWorker>, PairError>) {
        match said {
            Ok(Some(FromWorker::Page(ToPage::Output(bytes)))) => {
                if let Some(attached) = &self.attached {
                    let counters = &attached.attach.context.counters;
                    counters.add_from_tcp(bytes.len() as u64);
                }
                self.output.take(&bytes);
            }
            Ok(Some(FromWorker::Page(ToPage::Exit(exit)))) => self.over(exit).await,
            Ok(Some(FromWorker::Failed { reason, text })) => {
                self.over(Exit::Lost { reason, text }).await;
            }
            Ok(Some(FromWorker::Page(ToPage::Banner(_) | ToPage::Notice(_)))) => {}
            Ok(None) | Err(PairError::Broken(_)) => self.lost("").await,
            Ok(Some(_)) | Err(PairError::Malformed(_)) => {
                warn!("A worker broke the rules and is ended");
                self.lost("it broke the rules and was ended").await;
            }
        }
    }

    /// The worker is gone without a word.
    async fn lost(&mut self, text: &str) {
        let mut text = text.to_owned();
        if let Some(remote) = self.remote.take() {
            let how = remote.end().await;
            if text.is_empty() {
                text = how.unwrap_or_default();
            }
        }
        let reason = Reason::BridgeEnded;
        self.over(Exit::Lost { reason, text }).await;
    }

    async fn over(&mut self, exit: Exit) {
        if let Some(remote) = self.remote.take() {
            let how = remote.end().await;
            debug!(?how, "A remote end is over");
        }
        self.to_remote.clear();
        self.exit.get_or_insert(exit);
    }

    fn heard(&mut self, message: FromPage) -> Option<Reason> {
        match message {
            FromPage::Input(bytes) => {
                self.input = self.input.saturating_add(bytes.len() as u64);
                if let Some(attached) = &self.attached {
                    let counters = &attached.attach.context.counters;
                    counters.add_to_tcp(bytes.len() as u64);
                }
                self.feed(FromPage::Input(bytes));
            }
            FromPage::Resize(size) => self.resize(size),
            FromPage::Note(note) => self.note = Some(note),
            FromPage::Close => return Some(Reason::ClosedByTechnician),
            FromPage::Start(_) => self.detach(Reason::ProtocolError),
            // Answers to questions that are over.
            FromPage::Answer { .. }
            | FromPage::HostKey(_)
            | FromPage::PrivateKey(_)
            | FromPage::Legacy(_) => {}
        }
        None
    }

    fn resize(&mut self, size: Size) {
        if self.size != size {
            self.size = size;
            self.feed(FromPage::Resize(size));
        }
    }

    /// Bounded: nothing more is heard from the page while [`BEHIND`] waits, and
    /// a resumption adds one resize.
    fn feed(&mut self, message: FromPage) {
        if let Some(remote) = &self.remote {
            self.to_remote.extend_from_slice(&remote.coded(message));
        }
    }

    async fn attach(&mut self, attach: Box<Attach>) {
        let from = match attach.seen {
            None => Some(0),
            Some(seen) => self.output.resume(seen),
        };
        let Some(from) = from else {
            return attach
                .page
                .refuse(Reason::Invalid, "more was seen than there was")
                .await;
        };
        self.detach(Reason::Replaced);
        let mut out = BytesMut::from(&ToPage::Ready(self.ready.clone()).to_message()[..]);
        if attach.seen.is_some() {
            let replayed = ToPage::Replayed {
                from,
                input: self.input,
            };
            out.extend_from_slice(&replayed.to_message());
            if let Some(note) = &self.note {
                out.extend_from_slice(&ToPage::Note(note.clone()).to_message());
            }
        }
        self.resize(attach.size);
        self.attached = Some(Attached {
            attach,
            out: out.freeze(),
            sent: from,
            told: false,
        });
    }

    fn detach(&mut self, reason: Reason) {
        if let Some(Attached { mut attach, .. }) = self.attached.take() {
            let session = attach.context.grant.session;
            info!(%session, reason = reason.slug(), "Terminal without its stream");
            attach.page.writer.reset(reason);
            attach.page.messages.get_mut().stop(reason);
            if reason != Reason::Replaced {
                self.terminals.detached(&self.ready.token, session);
            }
            self.until = Instant::now() + KEPT_FOR;
        }
    }

    /// Ends everything, with a word to whoever is there.
    async fn farewell(&mut self, reason: Reason) {
        info!(reason = reason.slug(), "Terminal over");
        // Ends it, and with it the host's connection.
        self.remote = None;
        if let Some(Attached { attach, out, .. }) = self.attached.take() {
            let Page {
                messages,
                mut writer,
            } = attach.page;
            let told = async {
                // A message must not be cut in the middle.
                writer.write_all(&out).await?;
                let text = String::new();
                let last = ToPage::Exit(Exit::Lost { reason, text });
                writer.write_all(&last.to_message()).await
            };
            // The limit only bounds the courtesy.
            let _ = tokio::time::timeout(FAREWELL, told).await;
            Page { messages, writer }.end().await;
        }
    }
}

async fn gone(alive: Option<&mut oneshot::Receiver<()>>) {
    match alive {
        // Never sent, only dropped.
        Some(alive) => drop(alive.await),
        None => std::future::pending().await,
    }
}

async fn taken_away(permits: Option<(&mut watch::Receiver<Permits>, usize)>) {
    match permits {
        Some((permits, index)) => crate::bridge::taken_away(permits, index).await,
        None => std::future::pending().await,
    }
}

async fn say(reading: Option<Reading<'_>>) -> Result<Option<FromWorker>, PairError> {
    match reading {
        Some(mut reading) => reading.next().await,
        None => std::future::pending().await,
    }
}

async fn hear(
    messages: Option<&mut Messages<StreamReader>>,
) -> Result<Option<FromPage>, PairError> {
    match messages {
        Some(messages) => page::hear(messages).await,
        None => std::future::pending().await,
    }
}

async fn write(writer: Option<&mut StreamWriter>, out: Option<&mut Bytes>) -> bool {
    match (writer, out) {
        (Some(writer), Some(out)) if !out.is_empty() => writer.write_buf(out).await.is_ok(),
        (_, _) => std::future::pending().await,
    }
}

async fn feed(writing: Option<Writing<'_>>, bytes: &mut BytesMut) -> bool {
    match writing {
        Some(mut writing) => writing.push(bytes).await,
        None => std::future::pending().await,
    }
}
