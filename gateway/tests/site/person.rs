//! A technician at a terminal: reads, types, answers.

use culvert_gateway::worker::pair::Messages;
use culvert_session::native::{StreamReader, StreamWriter};
use culvert_wire::reason::Reason;
use culvert_wire::secret::Secret;
use culvert_wire::stream::{Answer, Service};
use culvert_wire::terminal::{
    Credential, Exit, FromPage, HostKeyAnswer, HostKeyQuestion, KeyState, PrivateKey, Prompt,
    Ready, Resume, Size, Start, ToPage, Verdict,
};
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use crate::program::Technician;
use crate::prs::SOON;
use crate::sshd::{ACCOUNT, PASSWORD};

/// One terminal stream.
pub(crate) struct Person {
    messages: Messages<StreamReader>,
    writer: StreamWriter,
    /// All output so far.
    pub(crate) screen: Vec<u8>,
}

pub(crate) fn start() -> Start {
    Start {
        size: Size {
            columns: 101,
            rows: 37,
        },
        term: "xterm-256color".into(),
        account: Some(ACCOUNT.into()),
        resume: None,
        credential: Credential::None,
    }
}

impl Person {
    /// Begins on target 0.
    pub(crate) async fn begin(technician: &Technician, start: Start) -> Self {
        Self::begin_at(technician, 0, start).await
    }

    /// Begins on a target.
    pub(crate) async fn begin_at(technician: &Technician, index: u8, start: Start) -> Self {
        let (stream, answer) = technician.open(Service::Terminal(index)).await;
        assert_eq!(answer, Answer::Accepted);
        let (reader, writer) = stream.into_split();
        let mut person = Self {
            messages: Messages::new(reader),
            writer,
            screen: Vec::new(),
        };
        person.say(FromPage::Start(start)).await;
        person
    }

    /// Goes on with a terminal.
    pub(crate) async fn resume(technician: &Technician, ready: &Ready, seen: u64) -> Self {
        let resume = Some(Resume {
            token: ready.token,
            seen,
        });
        Self::begin(technician, Start { resume, ..start() }).await
    }

    /// Accepts a new host's key and gives the password.
    pub(crate) async fn sign_in(&mut self) -> Ready {
        loop {
            match self.next().await {
                ToPage::HostKeyQuestion(question) => {
                    self.judge(&question, Verdict::Remember).await;
                }
                ToPage::Prompt(prompt) => self.answer(&prompt, &[PASSWORD]).await,
                ToPage::Banner(_) | ToPage::Notice(_) => {}
                ToPage::Ready(ready) => return ready,
                other => panic!("not expected: {other:?}"),
            }
        }
    }

    /// Is asked about a key that is new and this one, and accepts it for good.
    pub(crate) async fn remember_new_key(&mut self, fingerprint: &str) {
        let question = self.question().await;
        assert_eq!(question.state, KeyState::New);
        assert_eq!(question.fingerprint, fingerprint);
        self.judge(&question, Verdict::Remember).await;
    }

    /// The shell's terminal is what was asked for (`words` are what these variables
    /// hold there), speaks UTF-8 and takes another size.
    pub(crate) async fn use_terminal(&mut self, variables: &str, words: &str) {
        let ask = format!("stty size; echo {variables}; printf '\\303\\244\\n'");
        self.type_line(&ask).await;
        for shown in ["37 101", words, "ä"] {
            self.until(shown).await;
        }
        let (columns, rows) = (90, 20);
        self.say(FromPage::Resize(Size { columns, rows })).await;
        self.type_line("stty size").await;
        self.until("20 90").await;
    }

    pub(crate) async fn say(&mut self, message: FromPage) {
        let written = self.writer.write_all(&message.to_message()).await;
        written.unwrap();
    }

    pub(crate) async fn judge(&mut self, question: &HostKeyQuestion, verdict: Verdict) {
        let fingerprint = question.fingerprint.clone();
        self.say(FromPage::HostKey(HostKeyAnswer {
            verdict,
            fingerprint,
        }))
        .await;
    }

    pub(crate) async fn answer(&mut self, prompt: &Prompt, answers: &[&str]) {
        let answers = answers.iter().map(|text| Secret::new(text.as_bytes()));
        self.say(FromPage::Answer {
            prompt: prompt.id,
            answers: answers.collect(),
        })
        .await;
    }

    pub(crate) async fn key(&mut self, prompt: &Prompt, key: &str, passphrase: &str) {
        self.say(FromPage::PrivateKey(PrivateKey {
            prompt: prompt.id,
            key: Secret::new(key.as_bytes()),
            passphrase: Secret::new(passphrase.as_bytes()),
        }))
        .await;
    }

    pub(crate) async fn type_line(&mut self, line: &str) {
        let line = format!("{line}\n");
        self.say(FromPage::Input(line.into())).await;
    }

    /// The next message; output is also kept.
    pub(crate) async fn next(&mut self) -> ToPage {
        self.maybe_next().await.expect("the stream goes on")
    }

    /// The next message, or `None` when the stream is over or broken.
    pub(crate) async fn maybe_next(&mut self) -> Option<ToPage> {
        let next = timeout(SOON, self.messages.next()).await;
        let (kind, body) = next.expect("something comes").ok()??;
        let message = ToPage::decode(kind, &body).unwrap().unwrap();
        if let ToPage::Output(bytes) = &message {
            self.screen.extend_from_slice(bytes);
        }
        Some(message)
    }

    /// Reads output until a text is on the screen.
    pub(crate) async fn until(&mut self, text: &str) {
        while !self.sees(text) {
            match self.next().await {
                ToPage::Output(_) => {}
                other => panic!("no output: {other:?}; screen: {}", self.shown()),
            }
        }
    }

    pub(crate) fn sees(&self, text: &str) -> bool {
        let text = text.as_bytes();
        self.screen.windows(text.len()).any(|part| part == text)
    }

    pub(crate) fn shown(&self) -> String {
        String::from_utf8_lossy(&self.screen).into_owned()
    }

    /// Reads to the end.
    pub(crate) async fn exit(&mut self) -> Exit {
        loop {
            match self.next().await {
                ToPage::Output(_) => {}
                ToPage::Exit(exit) => return exit,
                other => panic!("not expected: {other:?}"),
            }
        }
    }

    /// The next message must be a question about the host's key.
    pub(crate) async fn question(&mut self) -> HostKeyQuestion {
        match self.next().await {
            ToPage::HostKeyQuestion(question) => question,
            other => panic!("no question: {other:?}"),
        }
    }

    /// The next message must be a refusal; why.
    pub(crate) async fn refused(&mut self) -> Reason {
        match self.next().await {
            ToPage::Refused { reason, .. } => reason,
            other => panic!("not refused: {other:?}"),
        }
    }

    /// The next message must be a prompt.
    pub(crate) async fn prompt(&mut self) -> Prompt {
        match self.next().await {
            ToPage::Prompt(prompt) => prompt,
            other => panic!("no prompt: {other:?}"),
        }
    }
}
