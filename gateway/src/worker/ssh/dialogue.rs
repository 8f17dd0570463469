//! A worker's conversation with the gateway: one reader, one writer, and
//! whoever has something to ask.
//!
//! Both queues are bounded: a gateway that does not read stops the worker from
//! reading its host, and nothing else. When the gateway is gone the process
//! ends.

use std::sync::Mutex as Cell;
use std::sync::PoisonError;

use culvert_wire::secret::Secret;
use culvert_wire::terminal::{FromPage, PrivateKey, Prompt, PromptKind, Question, Size, ToPage};
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Mutex, mpsc, oneshot};

use super::super::message::{Begin, FromWorker, ToWorker, Verdict};
use super::super::pair::Messages;
use super::Failure;

/// Messages that may wait either way.
const QUEUE: usize = 4;

/// Both directions.
#[derive(Debug)]
pub(super) struct Dialogue {
    out: mpsc::Sender<Outgoing>,
    inbox: Mutex<mpsc::Receiver<ToWorker>>,
    state: Cell<State>,
}

#[derive(Debug, Default)]
struct State {
    size: Option<Size>,
    prompts: u32,
}

#[derive(Debug)]
enum Outgoing {
    Message(FromWorker),
    /// The last one; told when it is written.
    Last(FromWorker, oneshot::Sender<()>),
}

/// What the technician answered to a prompt.
#[derive(Debug)]
pub(super) enum Reply {
    Answers(Vec<Secret>),
    Key(PrivateKey),
}

impl Dialogue {
    pub(super) fn start(pair: UnixStream) -> Self {
        let (read, write) = pair.into_split();
        let (out, outbox) = mpsc::channel(QUEUE);
        let (tell, inbox) = mpsc::channel(QUEUE);
        // Both live as long as the process.
        tokio::spawn(write_all(outbox, write));
        tokio::spawn(read_all(read, tell));
        Self {
            out,
            inbox: Mutex::new(inbox),
            state: Cell::default(),
        }
    }

    pub(super) async fn begin(&self) -> Result<Begin, Failure> {
        match self.next().await? {
            ToWorker::Begin(begin) => Ok(begin),
            ToWorker::Verdict(_) | ToWorker::Page(_) => Err(Failure::Gone),
        }
    }

    /// The next message, whatever it is.
    pub(super) async fn next(&self) -> Result<ToWorker, Failure> {
        self.inbox.lock().await.recv().await.ok_or(Failure::Gone)
    }

    pub(super) async fn say(&self, message: FromWorker) -> Result<(), Failure> {
        let sent = self.out.send(Outgoing::Message(message)).await;
        sent.map_err(|_| Failure::Gone)
    }

    pub(super) async fn show(&self, message: ToPage) -> Result<(), Failure> {
        self.say(FromWorker::Page(message)).await
    }

    /// Says something and waits until it is written.
    pub(super) async fn say_last(&self, message: FromWorker) {
        let (told, written) = oneshot::channel();
        if self.out.send(Outgoing::Last(message, told)).await.is_ok() {
            // Not written: nobody is left to tell.
            let _ = written.await;
        }
    }

    /// Shows a key to the gateway and waits for its word.
    pub(super) async fn verdict(&self, key: FromWorker) -> Result<Verdict, Failure> {
        self.say(key).await?;
        loop {
            match self.next().await? {
                ToWorker::Verdict(verdict) => return Ok(verdict),
                ToWorker::Page(FromPage::Resize(size)) => self.resize(size),
                ToWorker::Page(FromPage::Close) => return Err(Failure::Gone),
                ToWorker::Page(_) | ToWorker::Begin(_) => {}
            }
        }
    }

    /// Asks the technician.
    pub(super) async fn ask(
        &self,
        kind: PromptKind,
        (name, instruction): (&str, &str),
        questions: Vec<Question>,
    ) -> Result<Reply, Failure> {
        let id = {
            let mut state = self.state();
            state.prompts += 1;
            state.prompts
        };
        let wanted = questions.len();
        self.show(ToPage::Prompt(Prompt {
            id,
            kind,
            name: name.to_owned(),
            instruction: instruction.to_owned(),
            questions,
        }))
        .await?;
        loop {
            match self.next().await? {
                ToWorker::Page(FromPage::Answer { prompt, answers })
                    if prompt == id && answers.len() == wanted =>
                {
                    return Ok(Reply::Answers(answers));
                }
                ToWorker::Page(FromPage::PrivateKey(key)) if key.prompt == id => {
                    return Ok(Reply::Key(key));
                }
                ToWorker::Page(FromPage::Resize(size)) => self.resize(size),
                ToWorker::Page(FromPage::Close) => return Err(Failure::Gone),
                // An answer to an older question.
                ToWorker::Page(_) | ToWorker::Begin(_) | ToWorker::Verdict(_) => {}
            }
        }
    }

    /// The size that was last told.
    pub(super) fn size(&self) -> Option<Size> {
        self.state().size
    }

    fn resize(&self, size: Size) {
        self.state().size = Some(size);
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn write_all(mut outbox: mpsc::Receiver<Outgoing>, mut write: OwnedWriteHalf) {
    while let Some(outgoing) = outbox.recv().await {
        let (message, told) = match outgoing {
            Outgoing::Message(message) => (message, None),
            Outgoing::Last(message, told) => (message, Some(told)),
        };
        if write.write_all(&message.to_message()).await.is_err() {
            std::process::exit(1);
        }
        if let Some(told) = told {
            // Dropped only when the process ends anyway.
            let _ = told.send(());
        }
    }
}

async fn read_all(read: OwnedReadHalf, tell: mpsc::Sender<ToWorker>) {
    let mut messages = Messages::new(read);
    while let Ok(Some((kind, body))) = messages.next().await {
        let Ok(message) = ToWorker::decode(kind, &body) else {
            break;
        };
        if tell.send(message).await.is_err() {
            break;
        }
    }
    // The gateway hung up: whatever the host still does concerns nobody.
    std::process::exit(0);
}
