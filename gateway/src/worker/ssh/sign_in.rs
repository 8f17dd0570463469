//! Convinces the host: nothing, a stored credential, then what the technician
//! answers (RFC 4252, RFC 4256).
//!
//! Secrets live from their message to the host's answer.

use std::sync::Arc;

use culvert_wire::reason::Reason;
use culvert_wire::sealed::Contents;
use culvert_wire::secret::Secret;
use culvert_wire::terminal::{PrivateKey, PromptKind, Question, ToPage};
use russh::client::{AuthResult, Handle, KeyboardInteractiveAuthResponse as Interactive};
use russh::keys::ssh_key::HashAlg;
use russh::keys::{PrivateKeyWithHashAlg, decode_secret_key};
use russh::{MethodKind, MethodSet};

use super::dialogue::{Dialogue, Reply};
use super::host::Host;
use super::{Failure, explain};

/// Refused answers until we give up; hosts usually hang up earlier.
const MAX_TRIES: u32 = 6;
/// Rounds of questions in one try.
const MAX_ROUNDS: u32 = 16;

/// Signs in; returns the account.
pub(super) async fn sign_in(
    handle: &mut Handle<Host>,
    dialogue: &Dialogue,
    account: Option<String>,
    stored: Option<Contents>,
) -> Result<String, Failure> {
    let account = match account {
        Some(account) => account,
        None => ask_account(dialogue).await?,
    };
    let mut attempt = Attempt {
        handle,
        dialogue,
        account,
        methods: MethodSet::empty(),
    };
    attempt.run(stored).await?;
    Ok(attempt.account)
}

async fn ask_account(dialogue: &Dialogue) -> Result<String, Failure> {
    loop {
        let question = Question {
            text: "Account on the host: ".into(),
            echo: true,
        };
        let reply = dialogue
            .ask(PromptKind::Account, ("", ""), vec![question])
            .await?;
        if let Reply::Answers(answers) = reply {
            let account = answers.first().and_then(Secret::reveal_text);
            if let Some(account) = account.map(str::trim).filter(|name| !name.is_empty()) {
                return Ok(account.to_owned());
            }
        }
    }
}

struct Attempt<'a> {
    handle: &'a mut Handle<Host>,
    dialogue: &'a Dialogue,
    account: String,
    /// What the host would still listen to.
    methods: MethodSet,
}

/// How one try went.
enum Tried {
    Accepted,
    Refused,
    /// Right, and the host wants one thing more.
    Half,
}

impl Attempt<'_> {
    async fn run(&mut self, stored: Option<Contents>) -> Result<(), Failure> {
        let none = self.handle.authenticate_none(&self.account).await;
        if let Tried::Accepted = self.took(none)? {
            return Ok(());
        }
        if let Some(stored) = stored {
            match self.try_stored(&stored).await? {
                Tried::Accepted => return Ok(()),
                Tried::Half => {}
                Tried::Refused => {
                    let text = "The host did not accept the stored credential.";
                    self.dialogue.show(ToPage::Notice(text.into())).await?;
                }
            }
        }
        let mut refused = 0;
        while refused < MAX_TRIES {
            match self.try_technician(refused > 0).await? {
                Tried::Accepted => return Ok(()),
                Tried::Half => {}
                Tried::Refused => refused += 1,
            }
        }
        Err(Failure::refused(Reason::HostSignIn, "too many tries"))
    }

    /// Takes the host's answer to a request.
    fn took(&mut self, result: Result<AuthResult, russh::Error>) -> Result<Tried, Failure> {
        match result.map_err(explain::sign_in)? {
            AuthResult::Success => Ok(Tried::Accepted),
            AuthResult::Failure {
                remaining_methods,
                partial_success,
            } => self.refused(remaining_methods, partial_success),
        }
    }

    fn refused(&mut self, methods: MethodSet, partial: bool) -> Result<Tried, Failure> {
        if self.handle.is_closed() {
            let text = "the host hung up during the sign-in";
            return Err(Failure::refused(Reason::HostSignIn, text));
        }
        self.methods = methods;
        Ok(if partial { Tried::Half } else { Tried::Refused })
    }

    async fn try_stored(&mut self, stored: &Contents) -> Result<Tried, Failure> {
        match stored {
            Contents::Password(password) if self.methods.contains(&MethodKind::Password) => {
                self.try_password(password).await
            }
            Contents::Password(password) => self.try_interactive(Some(password), false).await,
            Contents::PrivateKey { key, passphrase } => {
                self.try_key(PrivateKey {
                    prompt: 0,
                    key: key.clone(),
                    passphrase: passphrase.clone(),
                })
                .await
            }
        }
    }

    async fn try_technician(&mut self, again: bool) -> Result<Tried, Failure> {
        if self.methods.contains(&MethodKind::KeyboardInteractive) {
            return self.try_interactive(None, again).await;
        }
        let (kind, instruction, questions) = if self.methods.contains(&MethodKind::Password) {
            let question = Question {
                text: "Password: ".into(),
                echo: false,
            };
            (PromptKind::Password, refused_before(again), vec![question])
        } else if self.methods.contains(&MethodKind::PublicKey) {
            let text = "The host accepts only keys for this account.";
            (PromptKind::Key, text, Vec::new())
        } else {
            let text = "the host offers no way to sign in that is known here";
            return Err(Failure::refused(Reason::HostSignIn, text));
        };
        let name = self.account.clone();
        let asked = self.dialogue.ask(kind, (&name, instruction), questions);
        match asked.await? {
            Reply::Key(key) => self.try_key(key).await,
            Reply::Answers(answers) => match answers.first() {
                Some(password) => self.try_password(password).await,
                None => Ok(Tried::Refused),
            },
        }
    }

    async fn try_password(&mut self, password: &Secret) -> Result<Tried, Failure> {
        let Some(password) = password.reveal_text() else {
            return Ok(Tried::Refused);
        };
        let tried = self.handle.authenticate_password(&self.account, password);
        let tried = tried.await;
        self.took(tried)
    }

    /// Questions of the host's own; a stored password answers the first that
    /// asks for one thing that must not be seen.
    async fn try_interactive(
        &mut self,
        mut stored: Option<&Secret>,
        again: bool,
    ) -> Result<Tried, Failure> {
        let started = self
            .handle
            .authenticate_keyboard_interactive_start(&self.account, None);
        let mut said = started.await.map_err(explain::sign_in)?;
        for _ in 0..MAX_ROUNDS {
            let (name, instruction, prompts) = match said {
                Interactive::Success => return Ok(Tried::Accepted),
                Interactive::Failure {
                    remaining_methods,
                    partial_success,
                } => return self.refused(remaining_methods, partial_success),
                Interactive::InfoRequest {
                    name,
                    instructions,
                    prompts,
                } => (name, instructions, prompts),
            };
            let wanted = prompts.len();
            let answers = match (&prompts[..], stored) {
                ([], _) => Vec::new(),
                ([one], Some(password)) if !one.echo => {
                    stored = None;
                    vec![password.clone()]
                }
                _ => {
                    let questions = prompts.into_iter().map(|prompt| Question {
                        text: prompt.prompt,
                        echo: prompt.echo,
                    });
                    let instruction = match instruction.is_empty() {
                        true => refused_before(again).to_owned(),
                        false => instruction,
                    };
                    let asked = self.dialogue.ask(
                        PromptKind::Interactive,
                        (&name, &instruction),
                        questions.collect(),
                    );
                    match asked.await? {
                        Reply::Answers(answers) => answers,
                        Reply::Key(key) => {
                            return match self.give_up(wanted).await? {
                                // An account without a password.
                                Tried::Accepted => Ok(Tried::Accepted),
                                Tried::Refused | Tried::Half => self.try_key(key).await,
                            };
                        }
                    }
                }
            };
            let answers = answers.iter().map(|answer| {
                let text = answer.reveal_text();
                text.unwrap_or_default().to_owned()
            });
            let told = self
                .handle
                .authenticate_keyboard_interactive_respond(answers.collect());
            said = told.await.map_err(explain::sign_in)?;
        }
        Err(Failure::refused(Reason::HostSignIn, "too many questions"))
    }

    /// Ends a conversation of questions: a new request amid one confuses the
    /// library, so it gets empty answers until the host refuses them.
    async fn give_up(&mut self, mut wanted: usize) -> Result<Tried, Failure> {
        for _ in 0..MAX_ROUNDS {
            let empty = vec![String::new(); wanted];
            let told = self.handle.authenticate_keyboard_interactive_respond(empty);
            match told.await.map_err(explain::sign_in)? {
                Interactive::InfoRequest { prompts, .. } => wanted = prompts.len(),
                Interactive::Failure {
                    remaining_methods,
                    partial_success,
                } => return self.refused(remaining_methods, partial_success),
                Interactive::Success => return Ok(Tried::Accepted),
            }
        }
        Err(Failure::refused(Reason::HostSignIn, "too many questions"))
    }

    async fn try_key(&mut self, mut key: PrivateKey) -> Result<Tried, Failure> {
        let private = loop {
            let passphrase = key.passphrase.reveal_text().filter(|text| !text.is_empty());
            match decode_secret_key(key.key.reveal_text().unwrap_or_default(), passphrase) {
                Ok(private) => break private,
                Err(error) if needs_passphrase(&error, &key) => {
                    let question = Question {
                        text: "Passphrase of the key: ".into(),
                        echo: false,
                    };
                    let asked = self
                        .dialogue
                        .ask(PromptKind::Passphrase, ("", ""), vec![question]);
                    match asked.await? {
                        Reply::Answers(answers) => {
                            key.passphrase = answers
                                .into_iter()
                                .next()
                                .unwrap_or_else(|| Secret::new(&[]));
                        }
                        Reply::Key(other) => key = other,
                    }
                }
                Err(_) => {
                    let text = "That is no private key, or its passphrase is wrong.";
                    self.dialogue.show(ToPage::Notice(text.into())).await?;
                    return Ok(Tried::Refused);
                }
            }
        };
        let hash = match self.handle.best_supported_rsa_hash().await {
            Ok(Some(best)) => best,
            // The host does not say: SHA-2 is what anything since 2016 takes.
            Ok(None) => Some(HashAlg::Sha256),
            Err(error) => return Err(explain::sign_in(error)),
        };
        let key = PrivateKeyWithHashAlg::new(Arc::new(private), hash);
        let tried = self.handle.authenticate_publickey(&self.account, key).await;
        self.took(tried)
    }
}

/// Whether the key is there and only locked; asked while none was given.
fn needs_passphrase(error: &russh::keys::Error, key: &PrivateKey) -> bool {
    matches!(error, russh::keys::Error::KeyIsEncrypted) && key.passphrase.is_empty()
}

fn refused_before(again: bool) -> &'static str {
    match again {
        true => "The host did not accept that. Try again.",
        false => "",
    }
}
