//! From the start message to a shell: dials, starts a worker, and stands
//! between it and the technician until the host is known and convinced. Telnet
//! knows neither: it begins with the connection.

use std::time::Duration;

use culvert_wire::Decode as _;
use culvert_wire::UnixMs;
use culvert_wire::frame::HostKeyEvent;
use culvert_wire::grant::Protocol;
use culvert_wire::reason::Reason;
use culvert_wire::sealed::{Contents, Sealed};
use culvert_wire::terminal::{
    Credential, FromPage, HostKeyAnswer, HostKeyQuestion, KeyState, Start, ToPage, Verdict,
    host_key_fingerprint,
};
use tokio::time::timeout;
use tracing::{debug, error, warn};

use super::events::Shown;
use super::page::Page;
use super::remote::{Line, Remote};
use super::{Context, Terminals};
use crate::bridge::Ahead;
use crate::pins::{Judgement, Key, Pin, PinsError};
use crate::session::Refusal;
use crate::worker::message::{self, Begin, FromWorker, ToWorker};
use crate::worker::pair::PairError;
use crate::worker::{Bridge, Worker};

/// From the start to a shell, the technician's thinking included.
const LIMIT: Duration = Duration::from_secs(300);

/// A terminal that runs.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) remote: Remote,
    pub(super) account: String,
    pub(super) key: Shown,
}

/// Why there is none.
#[derive(Debug)]
pub(super) enum End {
    /// The technician has gone.
    Gone,
    /// It did not work.
    Refused(Refusal),
}

impl From<Refusal> for End {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<PairError> for End {
    /// The page's stream broke, or spoke nonsense.
    fn from(error: PairError) -> Self {
        match error {
            PairError::Broken(_) => Self::Gone,
            PairError::Malformed(error) => refused(Reason::ProtocolError, error.to_string()),
        }
    }
}

impl From<PinsError> for End {
    fn from(error: PinsError) -> Self {
        if let PinsError::Refused | PinsError::Overtaken = error {
            return refused(Reason::HostKeyRefused, error.to_string());
        }
        error!(%error, "Host keys cannot be remembered");
        refused(
            Reason::Internal,
            "the gateway cannot read or write its host keys: its log says more",
        )
    }
}

fn refused(reason: Reason, text: impl Into<String>) -> End {
    End::Refused(Refusal::new(reason, text))
}

/// Opens a terminal, within five minutes.
pub(super) async fn open(
    terminals: &Terminals,
    context: &Context,
    page: &mut Page,
    start: &Start,
    ahead: Option<Ahead>,
) -> Result<Opened, End> {
    if context.target().protocol == Protocol::Telnet {
        let (lan, slot) = terminals.reach(context.target(), ahead).await?;
        return Ok(Opened {
            remote: Remote::Line(Line::new(lan, slot)),
            account: String::new(),
            key: Shown::default(),
        });
    }
    let opening = Opening::begin(terminals, context, page, start).await?;
    let opened = timeout(LIMIT, opening.run(ahead)).await;
    opened.unwrap_or_else(|_| Err(refused(Reason::Idle, "the sign-in took too long")))
}

struct Opening<'a> {
    terminals: &'a Terminals,
    context: &'a Context,
    page: &'a mut Page,
    begin: Begin,
    pin: Pin,
    /// Used only when the host shows the pinned key.
    stored: Option<Contents>,
    /// The key that the host has shown and that was accepted.
    shown: Option<Shown>,
}

/// Why a worker came to nothing.
enum Ended {
    /// It is gone without a word.
    Silent,
    End(End),
}

impl<E: Into<End>> From<E> for Ended {
    fn from(end: E) -> Self {
        Self::End(end.into())
    }
}

/// What a worker came to.
enum Came {
    Ready(String),
    Legacy(String),
}

impl<'a> Opening<'a> {
    async fn begin(
        terminals: &'a Terminals,
        context: &'a Context,
        page: &'a mut Page,
        start: &Start,
    ) -> Result<Self, End> {
        let pin = terminals.0.pins.read(context.target())?;
        let mut opening = Self {
            terminals,
            context,
            page,
            begin: Begin {
                size: start.size,
                term: start.term.clone(),
                account: start.account.clone(),
                legacy: pin.legacy,
                pinned: pin.key.as_ref().map(|key| key.algorithm.clone()),
            },
            pin,
            stored: None,
            shown: None,
        };
        if let Credential::Sealed(sealed) = &start.credential {
            opening.unseal(sealed).await?;
        }
        Ok(opening)
    }

    /// Opens a stored credential, if the host's key is pinned.
    async fn unseal(&mut self, sealed: &[u8]) -> Result<(), End> {
        let not_for_this = |_| refused(Reason::CredentialRefused, "");
        let sealed = Sealed::from_bytes(sealed).map_err(not_for_this)?;
        let named = self.begin.account.as_deref();
        if named.is_some_and(|account| account != sealed.account()) {
            let text = "it is for another account";
            return Err(refused(Reason::CredentialRefused, text));
        }
        self.begin.account = Some(sealed.account().to_owned());
        if self.pin.key.is_none() {
            return self
                .notice(
                    "The stored credential is not used with a host that is seen for the first \
                     time: it is from the next time on.",
                )
                .await;
        }
        let identity = &self.terminals.0.identity;
        match identity.unseal(&sealed, self.context.target()) {
            Ok(contents) => {
                self.stored = Some(contents);
                Ok(())
            }
            Err(error) => {
                warn!(session = %self.context.grant.session, %error, "A stored credential does not open");
                Err(refused(Reason::CredentialRefused, ""))
            }
        }
    }

    async fn run(mut self, mut ahead: Option<Ahead>) -> Result<Opened, End> {
        loop {
            let mut worker = self.start(ahead.take()).await?;
            match self.attend(&mut worker).await {
                Ok(Came::Ready(account)) => {
                    let shown = self.shown.take();
                    let key = shown.ok_or_else(|| broken_rules("no key was shown"))?;
                    return Ok(Opened {
                        remote: Remote::Worker(Box::new(worker)),
                        account,
                        key,
                    });
                }
                Ok(Came::Legacy(text)) => {
                    drop(worker);
                    self.ask_legacy(text).await?;
                }
                Err(Ended::Silent) => {
                    let how = worker.end().await;
                    warn!(?how, "A worker ended without a word");
                    return Err(refused(Reason::BridgeEnded, how.unwrap_or_default()));
                }
                Err(Ended::End(end)) => return Err(end),
            }
        }
    }

    async fn start(&mut self, ahead: Option<Ahead>) -> Result<Worker, End> {
        let (lan, slot) = self.terminals.reach(self.context.target(), ahead).await?;
        let started = self.terminals.0.workers.start(slot, Bridge::Ssh, lan);
        let mut worker = started.map_err(|error| {
            error!(%error, "A worker cannot be started");
            refused(Reason::BridgeEnded, "the gateway could not start it")
        })?;
        self.tell(&mut worker, ToWorker::Begin(self.begin.clone()))
            .await?;
        Ok(worker)
    }

    /// Carries words between the worker and the technician until there is a
    /// shell, or none.
    async fn attend(&mut self, worker: &mut Worker) -> Result<Came, Ended> {
        let mut asked: Option<(Shown, Judgement)> = None;
        loop {
            tokio::select! {
                said = worker.next() => match said {
                    Ok(Some(FromWorker::HostKey { algorithm, key })) => {
                        if asked.is_some() || self.shown.is_some() {
                            return Err(broken_rules("a second key").into());
                        }
                        let fingerprint = host_key_fingerprint(&key);
                        asked = self.judge(worker, Shown { algorithm, fingerprint }).await?;
                    }
                    Ok(Some(FromWorker::Ready { account })) => return Ok(Came::Ready(account)),
                    Ok(Some(FromWorker::Page(message))) => self.pass_on(message).await?,
                    Ok(Some(FromWorker::Failed { reason, text })) => {
                        return Err(refused(reason, text).into());
                    }
                    Ok(Some(FromWorker::Legacy(text))) => return Ok(Came::Legacy(text)),
                    Ok(None) | Err(PairError::Broken(_)) => return Err(Ended::Silent),
                    Err(PairError::Malformed(error)) => return Err(broken_rules(&error.to_string()).into()),
                },
                heard = self.page.hear() => match heard? {
                    Some(FromPage::HostKey(answer)) => {
                        if let Some((shown, judgement)) = asked.take_if(|(shown, _)| {
                            shown.fingerprint == answer.fingerprint
                        }) {
                            asked = self.answered(worker, shown, judgement, answer).await?;
                        }
                    }
                    Some(FromPage::Close) | None => return Err(End::Gone.into()),
                    Some(message @ (FromPage::Answer { .. } | FromPage::PrivateKey(_))) => {
                        self.tell(worker, ToWorker::Page(message)).await?;
                    }
                    Some(FromPage::Resize(size)) => {
                        self.begin.size = size;
                        self.tell(worker, ToWorker::Page(FromPage::Resize(size))).await?;
                    }
                    Some(FromPage::Start(_) | FromPage::Input(_)) => {
                        return Err(refused(Reason::ProtocolError, "not before the shell runs").into());
                    }
                    // An answer to a question that is over.
                    Some(FromPage::Legacy(_) | FromPage::Note(_)) => {}
                },
            }
        }
    }

    async fn pass_on(&mut self, message: ToPage) -> Result<(), End> {
        match message {
            ToPage::Prompt(_) | ToPage::Banner(_) | ToPage::Notice(_) => self.say(message).await,
            ToPage::Output(_)
            | ToPage::Exit(_)
            | ToPage::Ready(_)
            | ToPage::HostKeyQuestion(_)
            | ToPage::Refused { .. }
            | ToPage::Replayed { .. }
            | ToPage::Legacy(_)
            | ToPage::Note(_) => Err(broken_rules("output before the shell")),
        }
    }

    /// Judges a key: the pinned one goes on, anything else is asked about.
    async fn judge(
        &mut self,
        worker: &mut Worker,
        shown: Shown,
    ) -> Result<Option<(Shown, Judgement)>, End> {
        let judgement = self.pin.judge(&shown.fingerprint);
        let (state, old) = match &judgement {
            Judgement::Pinned => {
                let verdict = message::Verdict::Accepted(self.stored.take());
                self.tell(worker, ToWorker::Verdict(verdict)).await?;
                self.shown = Some(shown);
                return Ok(None);
            }
            Judgement::New => (KeyState::New, None),
            Judgement::Changed(old) => (KeyState::Changed, Some(old.clone())),
            Judgement::Revoked(old) => (KeyState::Revoked, old.clone()),
        };
        // Another host may have answered: it gets nothing that was stored.
        self.stored = None;
        if state != KeyState::New {
            warn!(session = %self.context.grant.session, "A host shows another key than the pinned one");
            let event = match state {
                KeyState::Revoked => HostKeyEvent::RevokedSeen,
                KeyState::New | KeyState::Changed => HostKeyEvent::ChangeSeen,
            };
            self.report(&shown, old.as_ref(), event);
        }
        self.say(ToPage::HostKeyQuestion(HostKeyQuestion {
            state,
            algorithm: shown.algorithm.clone(),
            fingerprint: shown.fingerprint.clone(),
            old_fingerprint: old.as_ref().map(|old| old.fingerprint.clone()),
            since: old.map(|old| UnixMs(old.since_ms)),
        }))
        .await?;
        Ok(Some((shown, judgement)))
    }

    /// Does what was answered; asks again when the answer was to another question than
    /// there is by now.
    async fn answered(
        &mut self,
        worker: &mut Worker,
        shown: Shown,
        judgement: Judgement,
        answer: HostKeyAnswer,
    ) -> Result<Option<(Shown, Judgement)>, End> {
        let (old, revoked) = match judgement {
            Judgement::Changed(old) => (Some(old), false),
            Judgement::Revoked(old) => (old, true),
            Judgement::New | Judgement::Pinned => (None, false),
        };
        let target = self.context.target();
        let pins = &self.terminals.0.pins;
        let (event, old) = match answer.verdict {
            Verdict::Once | Verdict::Remember if revoked => {
                return Err(PinsError::Refused.into());
            }
            Verdict::Refuse => (HostKeyEvent::Refused, old),
            Verdict::Never => {
                pins.refuse(target, &shown.fingerprint)?;
                (HostKeyEvent::Revoked, old)
            }
            Verdict::Once | Verdict::Remember => match self.accept(&shown, old, answer.verdict) {
                Ok(accepted) => accepted,
                Err(PinsError::Overtaken) => {
                    self.pin = pins.read(target)?;
                    return self.judge(worker, shown).await;
                }
                Err(error) => return Err(error.into()),
            },
        };
        self.report(&shown, old.as_ref(), event);
        if matches!(answer.verdict, Verdict::Refuse | Verdict::Never) {
            let verdict = ToWorker::Verdict(message::Verdict::Refused);
            // It ends either way.
            let _ = self.tell(worker, verdict).await;
            return Err(refused(Reason::HostKeyRefused, ""));
        }
        self.shown = Some(shown);
        let verdict = message::Verdict::Accepted(None);
        self.tell(worker, ToWorker::Verdict(verdict)).await?;
        Ok(None)
    }

    /// Accepts a key, once or for good, if what she was told still holds. What is to be
    /// reported of it, with the other key.
    fn accept(
        &self,
        shown: &Shown,
        told: Option<Key>,
        verdict: Verdict,
    ) -> Result<(HostKeyEvent, Option<Key>), PinsError> {
        let (target, pins) = (self.context.target(), &self.terminals.0.pins);
        let (algorithm, fingerprint) = (&shown.algorithm, &shown.fingerprint);
        if verdict == Verdict::Once {
            pins.read(target)?.allows(fingerprint, told.as_ref())?;
            return Ok((HostKeyEvent::AcceptedOnce, told));
        }
        let now = self.terminals.now();
        let replaced = pins.accept(target, algorithm, fingerprint, told.as_ref(), now)?;
        match replaced {
            Some(_) => Ok((HostKeyEvent::Replaced, replaced)),
            None => Ok((HostKeyEvent::Pinned, None)),
        }
    }

    async fn ask_legacy(&mut self, text: String) -> Result<(), End> {
        if std::mem::replace(&mut self.begin.legacy, true) {
            return Err(broken_rules("it asks twice"));
        }
        self.say(ToPage::Legacy(text)).await?;
        let verdict = loop {
            match self.page.hear().await? {
                Some(FromPage::Legacy(verdict)) => break verdict,
                Some(FromPage::Resize(size)) => self.begin.size = size,
                Some(FromPage::Close) | None => return Err(End::Gone),
                Some(_) => {}
            }
        };
        match verdict {
            Verdict::Refuse | Verdict::Never => Err(refused(
                Reason::HostProtocol,
                "old algorithms were not allowed",
            )),
            Verdict::Once => Ok(()),
            Verdict::Remember => {
                self.terminals.0.pins.allow_legacy(self.context.target())?;
                self.report(&Shown::default(), None, HostKeyEvent::LegacyAllowed);
                Ok(())
            }
        }
    }

    fn report(&self, shown: &Shown, old: Option<&Key>, event: HostKeyEvent) {
        let old = old.map(|old| old.fingerprint.clone());
        self.terminals.tell(self.context, shown, old, event);
    }

    async fn notice(&mut self, text: &str) -> Result<(), End> {
        self.say(ToPage::Notice(text.to_owned())).await
    }

    async fn say(&mut self, message: ToPage) -> Result<(), End> {
        match self.page.say(&message).await {
            true => Ok(()),
            false => Err(End::Gone),
        }
    }

    async fn tell(&self, worker: &mut Worker, message: ToWorker) -> Result<(), End> {
        worker.tell(&message).await.map_err(|error| {
            debug!(%error, "A worker does not listen");
            refused(Reason::BridgeEnded, "")
        })
    }
}

/// A worker said what none of ours says: a host has taken it over.
fn broken_rules(what: &str) -> End {
    warn!(what, "A worker broke the rules and is ended");
    refused(Reason::BridgeEnded, "it broke the rules and was ended")
}
